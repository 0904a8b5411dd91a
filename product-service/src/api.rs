//! The generated trait: parse, call, render.

use std::collections::BTreeSet;
use std::sync::Arc;

use platform::clock::Clock;
use proto::product::product_service_server::ProductService;
use proto::product::{
    self as pb, BatchGetProductsRequest, BatchGetProductsResponse, CreateProductRequest,
    DeleteProductRequest, GetProductRequest, GetProductsRequest, GetProductsResponse, ProductSort,
    UpdateProductRequest,
};
use proto::{CATALOGUE_REVISION, Invalid, convert};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use types::{InvalidPage, Money, PageToken, ProductId};

use crate::catalogue::{Filter, InvalidFilter, Position, PriceRange, Sort, Start};
use crate::error::Error;
use crate::product::{Details, DetailsParts, InvalidDetails, Product};
use crate::shelf::Shelf;
use crate::store::Revision;

/// Ids in one `BatchGetProducts`, repeated ones included: two full carts.
const MAX_BATCH: usize = 100;

/// Answers the calls.
pub(crate) struct Api {
    shelf: Shelf,
    clock: Arc<dyn Clock>,
}

impl Api {
    pub(crate) fn new(shelf: Shelf, clock: Arc<dyn Clock>) -> Self {
        Self { shelf, clock }
    }
}

#[tonic::async_trait]
impl ProductService for Api {
    async fn get_products(
        &self,
        request: Request<GetProductsRequest>,
    ) -> Result<Response<GetProductsResponse>, Status> {
        let least = least(request.metadata());
        let request = request.into_inner();
        let (filter, start) = (filter(&request)?, start(&request)?);
        let size = convert::page_size(request.page_size)?;
        let catalogue = self.shelf.catalogue_since(least).await?;
        let state = request.known_state.map(|_| catalogue.state());
        if state.is_some() && request.known_state == state {
            let unchanged = true;
            return Ok(Response::new(GetProductsResponse { unchanged, ..GetProductsResponse::default() }));
        }
        let page = catalogue.page(&filter, &start, size);
        Ok(Response::new(GetProductsResponse {
            products: page.products.into_iter().map(pb::Product::from).collect(),
            next_page_token: page.next.map(|next| PageToken::seal(&next).into_string()).unwrap_or_default(),
            state: state.unwrap_or_default(),
            unchanged: false,
        }))
    }

    async fn get_product(
        &self,
        request: Request<GetProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        let least = least(request.metadata());
        let id = convert::product_id("product_id", request.into_inner().product_id)?;
        let catalogue = self.shelf.catalogue_since(least).await?;
        let product = catalogue.product(id).ok_or(Error::Absent(id))?;
        Ok(Response::new(product.into()))
    }

    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Result<Response<BatchGetProductsResponse>, Status> {
        let ids = batch(&request.into_inner().product_ids)?;
        let catalogue = self.shelf.catalogue()?;
        let products =
            ids.into_iter().filter_map(|id| catalogue.product(id)).map(pb::Product::from).collect();
        Ok(Response::new(BatchGetProductsResponse { products }))
    }

    async fn create_product(
        &self,
        request: Request<CreateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        let CreateProductRequest { name, description, category, price, image_url } = request.into_inner();
        let price = convert::money("price", price)?;
        let details = details(DetailsParts { name, description, category, price, image_url })?;
        let (product, revision) = self.shelf.add(details, self.clock.now()).await?;
        Ok(made((&product).into(), revision))
    }

    async fn update_product(
        &self,
        request: Request<UpdateProductRequest>,
    ) -> Result<Response<pb::Product>, Status> {
        let UpdateProductRequest {
            product_id,
            name,
            description,
            category,
            price,
            image_url,
            expected_version: expected,
        } = request.into_inner();
        let id = convert::product_id("product_id", product_id)?;
        let price = convert::money("price", price)?;
        let details = details(DetailsParts { name, description, category, price, image_url })?;
        let expected = version(expected)?;
        let (product, revision) = self.shelf.replace(id, details, expected, self.clock.now()).await?;
        Ok(made((&product).into(), revision))
    }

    async fn delete_product(&self, request: Request<DeleteProductRequest>) -> Result<Response<()>, Status> {
        let DeleteProductRequest { product_id, expected_version: expected } = request.into_inner();
        let id = convert::product_id("product_id", product_id)?;
        let revision = self.shelf.remove(id, version(expected)?).await?;
        Ok(made((), revision))
    }
}

/// How far the catalogue must be that is shown; what can't be read asks for nothing.
fn least(metadata: &MetadataMap) -> Revision {
    let said = metadata.get(CATALOGUE_REVISION).and_then(|said| said.to_str().ok()?.parse().ok());
    Revision(said.unwrap_or_default())
}

/// An answer that tells the revision which the change has made.
fn made<T>(answer: T, revision: Revision) -> Response<T> {
    let mut response = Response::new(answer);
    response.metadata_mut().insert(CATALOGUE_REVISION, revision.0.into());
    response
}

fn version(expected: Option<i64>) -> Result<Option<i64>, Invalid> {
    match expected {
        Some(..1) => Err(Invalid::new("expected_version", "must be a positive integer")),
        expected => Ok(expected),
    }
}

fn filter(request: &GetProductsRequest) -> Result<Filter, Invalid> {
    let invalid = |error: InvalidFilter| Invalid::new(error.field, error.message);
    let end = |field, money: &Option<proto::common::Money>| -> Result<Option<Money>, Invalid> {
        money.clone().map(|money| convert::money(field, Some(money))).transpose()
    };
    let lowest = end("min_price", &request.min_price)?;
    let highest = end("max_price", &request.max_price)?;
    let prices = PriceRange::between(lowest, highest).map_err(invalid)?;
    let filter = Filter::default().containing(&request.query).map_err(invalid)?;
    Ok(filter.of_category(&request.category).priced(prices))
}

fn start(request: &GetProductsRequest) -> Result<Start, Invalid> {
    let sort = match ProductSort::try_from(request.sort) {
        Ok(ProductSort::Unspecified) => Sort::Id,
        Ok(ProductSort::Name) => Sort::Name,
        Ok(ProductSort::Price) => Sort::Price,
        Ok(ProductSort::PriceDescending) => Sort::PriceDescending,
        Ok(ProductSort::Newest) => Sort::Newest,
        Err(_) => return Err(Invalid::new("sort", "must be one of the known orders")),
    };
    match convert::page_token::<Position>(&request.page_token)? {
        None => Ok(Start::First(sort)),
        Some(last) if last.sort() == sort => Ok(Start::After(last)),
        Some(_) => Err(Invalid::new("page_token", InvalidPage::Token)),
    }
}

fn batch(ids: &[i64]) -> Result<BTreeSet<ProductId>, Invalid> {
    if ids.len() > MAX_BATCH {
        return Err(Invalid::new("product_ids", format!("must be at most {MAX_BATCH} ids")));
    }
    let id = |(at, id): (usize, &i64)| convert::product_id(&format!("product_ids[{at}]"), *id);
    ids.iter().enumerate().map(id).collect()
}

fn details(parts: DetailsParts) -> Result<Details, Invalid> {
    Details::try_from(parts).map_err(|InvalidDetails { field, message }| Invalid::new(field, message))
}

impl From<&Product> for pb::Product {
    fn from(product: &Product) -> Self {
        let DetailsParts { name, description, category, price, image_url } = product.details.parts().clone();
        Self {
            id: product.id.get(),
            name,
            description,
            category,
            price: Some(price.into()),
            image_url,
            version: product.version,
            created_at: Some(convert::timestamp(product.created_at)),
            updated_at: Some(convert::timestamp(product.updated_at)),
        }
    }
}

#[cfg(test)]
mod fuzz;
