//! The catalogue as it is sent: pages kept as bytes, and how far the catalogue must be that is shown.
//!
//! Whether a kept page is still right is for the product service to say, each time: it compares two numbers, which is
//! far less than to make a page and to write it down. So no page is older than what the service would have answered.
//! The service may be several instances, of which one does not know yet what another has just changed; each is told
//! how far it must be to show what was changed through this gateway.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use moka::sync::Cache;
use platform::Context;
use platform::metrics::{Lookups, Metrics};
use proto::CATALOGUE_REVISION;
use proto::product as pb;
use serde::Serialize;
use utoipa::ToSchema;

use super::Product;
use crate::conditional::{self, Tag};
use crate::gateway::Shop;
use crate::problem::Problem;
use crate::reply::{self, encoded};

/// Bytes of pages that are kept.
const ROOM: u64 = 32 << 20;
/// About what a page takes beside its text, in bytes.
const BESIDE: usize = 512;

/// A list may be kept, but whoever keeps it asks each time whether it is still good.
const CACHING: &str = "public, no-cache";

/// What this gateway knows of the catalogue.
pub(crate) struct Catalogue {
    /// Each by what was asked for.
    pages: Cache<pb::GetProductsRequest, Arc<Page>>,
    /// The last revision that a change through this gateway has made.
    changed: AtomicU64,
    lookups: Lookups,
}

/// A page as it was in one state of the catalogue.
struct Page {
    state: u64,
    tag: Tag,
    body: Bytes,
}

/// A page of products.
#[derive(Serialize, ToSchema)]
pub(super) struct Products {
    products: Vec<Product>,
    /// Empty on the last page.
    next_page_token: String,
}

impl Catalogue {
    /// Nothing is known yet.
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let size = |_: &_, page: &Arc<Page>| u32::try_from(page.body.len() + BESIDE).unwrap_or(u32::MAX);
        Self {
            pages: Cache::builder().weigher(size).max_capacity(ROOM).build(),
            changed: AtomicU64::default(),
            lookups: Lookups::new(metrics, "pages"),
        }
    }

    /// A request that is answered with all that was changed through this gateway.
    pub(super) fn request<M>(&self, context: &Context, message: M) -> tonic::Request<M> {
        let mut request = context.request(message);
        let changed = self.changed.load(Ordering::Acquire);
        if changed > 0 {
            request.metadata_mut().insert(CATALOGUE_REVISION, changed.into());
        }
        request
    }

    /// The answer to a change, of which is noted how far it has brought the catalogue.
    pub(super) fn changed<T>(&self, answer: tonic::Response<T>) -> T {
        let revision = answer.metadata().get(CATALOGUE_REVISION);
        if let Some(revision) = revision.and_then(|revision| revision.to_str().ok()?.parse().ok()) {
            self.changed.fetch_max(revision, Ordering::AcqRel);
        }
        answer.into_inner()
    }
}

/// A page of the catalogue, for a client with these headers.
pub(super) async fn page(
    shop: &Shop,
    context: &Context,
    wanted: pb::GetProductsRequest,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let kept = shop.catalogue.pages.get(&wanted);
    let known = kept.as_ref().map_or(0, |page| page.state);
    let call = || {
        let message = pb::GetProductsRequest { known_state: Some(known), ..wanted.clone() };
        let (mut catalogue, request) = (shop.peers.products(), shop.catalogue.request(context, message));
        async move { catalogue.get_products(request).await }
    };
    let answer = shop.retries.read(call).await?;
    let page = match kept {
        Some(page) if answer.unchanged => {
            shop.catalogue.lookups.hits.increment(1);
            page
        }
        None if answer.unchanged => return Err(reply::broken("no page, and none was kept")),
        Some(_) | None => {
            shop.catalogue.lookups.misses.increment(1);
            let page = Arc::new(Page::try_from(answer)?);
            // A service that does not tell states apart would have every page kept for ever.
            if page.state != 0 {
                shop.catalogue.pages.insert(wanted, page.clone());
            }
            page
        }
    };
    conditional::json(headers, CACHING, &page.tag, || Ok(page.body.clone()))
}

impl TryFrom<pb::GetProductsResponse> for Page {
    type Error = Problem;

    fn try_from(answer: pb::GetProductsResponse) -> Result<Self, Problem> {
        let pb::GetProductsResponse { products, next_page_token, state, unchanged: _ } = answer;
        let products = products.into_iter().map(Product::try_from).collect::<Result<_, _>>()?;
        let body = encoded(&Products { products, next_page_token })?;
        Ok(Self { state, tag: Tag::of(&body), body })
    }
}
