//! The generated traits: parse, call, render.

use platform::Context;
use proto::cart::add_cart_item_service_server::AddCartItemService;
use proto::cart::cart_service_server::CartService;
use proto::cart::{
    self as pb, AddItemRequest, ClearCartRequest, GetCartRequest, RemoveItemRequest, UpdateQuantityRequest,
};
use proto::{Invalid, Reason, convert};
use tonic::{Request, Response, Status};

use crate::cart::{Change, LineQuantity, Version};
use crate::carts::Carts;
use crate::priced::{PricedCart, PricedLine};

type Answer = Result<Response<pb::Cart>, Status>;

/// Answers the calls.
#[derive(Clone)]
pub(crate) struct Api {
    carts: Carts,
}

impl Api {
    pub(crate) fn new(carts: Carts) -> Self {
        Self { carts }
    }

    async fn add(&self, request: Request<AddItemRequest>) -> Answer {
        let ctx = Context::of(&request);
        let AddItemRequest { user_id, product_id, quantity: units, expected_version } = request.into_inner();
        let product = convert::product_id("product_id", product_id)?;
        let change = Change::Add { product, quantity: quantity(units)? };
        self.change(&ctx, user_id, expected_version, change).await
    }

    async fn change(&self, ctx: &Context, user_id: i64, expected: Option<i64>, change: Change) -> Answer {
        let user = ctx.about(convert::user_id("user_id", user_id)?);
        let cart = self.carts.change(ctx, user, expected.map(Version), &change).await?;
        Ok(Response::new(cart.into()))
    }
}

#[tonic::async_trait]
impl CartService for Api {
    async fn add_item(&self, request: Request<AddItemRequest>) -> Answer {
        self.add(request).await
    }

    async fn get_cart(&self, request: Request<GetCartRequest>) -> Answer {
        let ctx = Context::of(&request);
        let GetCartRequest { user_id, fresh } = request.into_inner();
        let user = ctx.about(convert::user_id("user_id", user_id)?);
        let cart =
            if fresh { self.carts.stored(&ctx, user).await? } else { self.carts.shown(&ctx, user).await? };
        Ok(Response::new(cart.into()))
    }

    async fn update_quantity(&self, request: Request<UpdateQuantityRequest>) -> Answer {
        let ctx = Context::of(&request);
        let UpdateQuantityRequest { user_id, product_id, quantity: units, expected_version } =
            request.into_inner();
        let product = convert::product_id("product_id", product_id)?;
        let change = Change::SetQuantity { product, quantity: quantity(units)? };
        self.change(&ctx, user_id, expected_version, change).await
    }

    async fn remove_item(&self, request: Request<RemoveItemRequest>) -> Answer {
        let ctx = Context::of(&request);
        let RemoveItemRequest { user_id, product_id, expected_version } = request.into_inner();
        let product = convert::product_id("product_id", product_id)?;
        self.change(&ctx, user_id, expected_version, Change::Remove { product }).await
    }

    async fn clear_cart(&self, request: Request<ClearCartRequest>) -> Answer {
        let ctx = Context::of(&request);
        let ClearCartRequest { user_id, expected_version } = request.into_inner();
        self.change(&ctx, user_id, expected_version, Change::Clear).await
    }
}

#[tonic::async_trait]
impl AddCartItemService for Api {
    async fn add_item(&self, request: Request<AddItemRequest>) -> Answer {
        self.add(request).await
    }
}

fn quantity(units: i32) -> Result<LineQuantity, Invalid> {
    LineQuantity::try_from(i64::from(units))
        .map_err(|error| Invalid::new("quantity", error).because(Reason::InvalidQuantity))
}

impl From<PricedCart> for pb::Cart {
    fn from(cart: PricedCart) -> Self {
        Self {
            user_id: cart.user.get(),
            version: cart.version.0,
            items: cart.lines.into_iter().map(pb::CartItem::from).collect(),
            total_items: cart.total_items,
            total: Some(cart.total.into()),
            updated_at: cart.updated_at.map(convert::timestamp),
            bought_version: cart.bought_version.0,
        }
    }
}

impl From<PricedLine> for pb::CartItem {
    fn from(PricedLine { line, total, available }: PricedLine) -> Self {
        Self {
            product_id: line.product.get(),
            name: line.name,
            quantity: i32::from(line.quantity),
            unit_price: Some(line.price.into()),
            line_total: Some(total.into()),
            added_at: Some(convert::timestamp(line.added_at)),
            available,
        }
    }
}
