//! `/api/v1/inventory`

pub(crate) mod docs;

use axum::extract::State;
use axum::{Extension, Json};
use platform::Context;
use proto::inventory as pb;
use serde::Serialize;
use types::ProductId;
use utoipa::ToSchema;

use crate::body::Body;
use crate::fields::{Fields, Read};
use crate::gateway::Shop;
use crate::path::Id;
use crate::problem::Problem;

/// How much of a product there is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stock {
    product_id: i64,
    /// Can be bought.
    available: i64,
    /// Held for checkouts under way.
    reserved: i64,
}

impl From<pb::Stock> for Stock {
    fn from(stock: pb::Stock) -> Self {
        Self { product_id: stock.product_id, available: stock.available, reserved: stock.reserved }
    }
}

/// What is on the shelf, held or not.
pub(crate) struct OnHand(i64);

impl Read for OnHand {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("on_hand", Fields::integer).map(Self)
    }
}

/// `GET /api/v1/inventory/{product_id}`
pub(crate) async fn show(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Id(id): Id<ProductId>,
) -> Result<Json<Stock>, Problem> {
    let call = || {
        let request = context.request(pb::GetStockRequest { product_id: id.get() });
        let mut stock = shop.peers.stock();
        async move { stock.get_stock(request).await }
    };
    Ok(Json(shop.retries.read(call).await?.into()))
}

/// `PUT /api/v1/inventory/{product_id}`
pub(crate) async fn set(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
    Id(id): Id<ProductId>,
    Body(OnHand(units)): Body<OnHand>,
) -> Result<Json<Stock>, Problem> {
    let request = context.request(on_hand(id.get(), units));
    Ok(Json(shop.peers.stock().set_stock(request).await?.into_inner().into()))
}

pub(crate) fn on_hand(product_id: i64, on_hand: i64) -> pb::SetStockRequest {
    pb::SetStockRequest { product_id, on_hand }
}
