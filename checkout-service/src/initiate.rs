//! Accepting a checkout: from a request to a durable saga, or to a refusal that leaves nothing behind.

use std::time::Duration;

use platform::transport::Transport;
use platform::{Context, World};
use proto::cart::cart_service_client::CartServiceClient;
use proto::cart::{Cart, GetCartRequest};
use proto::convert;
use proto::events::Item;
use proto::{Invalid, Reason};
use serde::Serialize;
use std::sync::Arc;
use tonic::Status;
use types::{Address, CheckoutId, Money, ProductId, UserId};

use crate::checkout::{Checkout, Purchase};
use crate::error::Error;
use crate::saga::Executor;
use crate::store::{Accepted, IdempotencyKey, KeyUse, Store};

/// How long the cart may take to answer.
const CART_TIMEOUT: Duration = Duration::from_secs(5);

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Who buys. Not part of the fingerprint: keys of two users are unrelated anyway.
    #[serde(skip)]
    pub user_id: UserId,
    /// The key.
    #[serde(skip)]
    pub idempotency_key: String,
    /// How it is paid.
    pub payment_method: String,
    /// Where it goes.
    pub shipping_address: Option<Address>,
    /// What the client believes that it costs.
    pub expected_total: Option<Money>,
}

/// The checkout that a request led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Initiated {
    /// The checkout.
    pub checkout_id: CheckoutId,
    /// True if the key had been used before.
    pub replayed: bool,
}

/// Accepts checkouts.
pub struct Initiator {
    /// Where checkouts are kept.
    pub store: Arc<dyn Store>,
    /// What drives them.
    pub executor: Executor,
    /// Carts.
    pub cart: Transport,
    /// Clock and ids.
    pub world: World,
}

impl Request {
    /// What the key stands for: two requests are the same if this text is.
    fn fingerprint(&self) -> String {
        serde_json::to_string(self).expect("texts and integers are always JSON")
    }
}

impl Initiator {
    /// Accepts a checkout durably, or finds the one that the key made before.
    ///
    /// # Errors
    /// A refusal leaves nothing behind and does not use up the key.
    pub async fn initiate(&self, context: &Context, request: Request) -> Result<Initiated, Error> {
        let fingerprint = request.fingerprint();
        if let Some(initiated) = self.replay(&request, &fingerprint).await? {
            return Ok(initiated);
        }
        match self.accept(context, &request, &fingerprint).await {
            Ok(initiated) => Ok(initiated),
            // Between the look at the key and this refusal, a twin of this request may have bought the cart:
            // then the answer is the twin's checkout, not that the cart is empty.
            Err(refusal) => match self.replay(&request, &fingerprint).await {
                Ok(Some(initiated)) => Ok(initiated),
                Ok(None) | Err(_) => Err(refusal),
            },
        }
    }

    async fn replay(&self, request: &Request, fingerprint: &str) -> Result<Option<Initiated>, Error> {
        let used = self.store.key_use(request.user_id, &request.idempotency_key).await?;
        used.map(|used| repeated(used, fingerprint)).transpose()
    }

    async fn accept(
        &self,
        context: &Context,
        request: &Request,
        fingerprint: &str,
    ) -> Result<Initiated, Error> {
        let cart = self.cart(context, request.user_id).await?;
        let purchase = purchase(cart, request)?;
        let bought_version = purchase.bought_version;
        let id = CheckoutId(self.world.ids.next());
        let checkout = Checkout::accept(id, purchase, context.origin(), self.world.clock.now());
        let key = IdempotencyKey {
            user_id: request.user_id,
            text: request.idempotency_key.clone(),
            fingerprint: fingerprint.to_owned(),
        };
        match self.executor.accept(checkout, key, bought_version).await? {
            Accepted::New => Ok(Initiated { checkout_id: id, replayed: false }),
            Accepted::Repeated(used) => repeated(used, fingerprint),
            Accepted::InProgress(other) => Err(Error::InProgress(other)),
        }
    }

    /// The cart as its store has it, priced by the catalogue within this call.
    async fn cart(&self, context: &Context, user_id: UserId) -> Result<Cart, Error> {
        let request = GetCartRequest { user_id: user_id.get(), fresh: true };
        let reply = CartServiceClient::new(self.cart.clone())
            .get_cart(context.within(CART_TIMEOUT).request(request))
            .await;
        Ok(reply.map_err(|status| Error::Cart(Box::new(status)))?.into_inner())
    }
}

fn repeated(used: KeyUse, fingerprint: &str) -> Result<Initiated, Error> {
    if used.fingerprint == fingerprint {
        Ok(Initiated { checkout_id: used.checkout_id, replayed: true })
    } else {
        Err(Error::KeyReused)
    }
}

/// What is bought: every line of the cart at the price it has now.
fn purchase(cart: Cart, request: &Request) -> Result<Purchase, Error> {
    let garbled = |invalid: Invalid| Error::Cart(Box::new(Status::internal(invalid.to_string())));
    if cart.items.is_empty() {
        return Err(Error::CartEmpty);
    }
    let gone = cart.items.iter().filter(|item| !item.available);
    let gone: Vec<ProductId> = gone.filter_map(|item| ProductId::try_from(item.product_id).ok()).collect();
    if !gone.is_empty() {
        return Err(Error::Unavailable(gone));
    }
    let items = cart.items.into_iter().map(|item| {
        let unit_price = convert::money("unit_price", item.unit_price)?;
        let quantity = convert::quantity("quantity", i64::from(item.quantity))?;
        Ok(Item {
            product_id: convert::product_id("product_id", item.product_id)?,
            product_name: item.name,
            quantity,
            unit_price,
            line_total: unit_price.checked_mul(quantity.get()).map_err(too_much)?,
        })
    });
    let items = items.collect::<Result<Vec<Item>, Invalid>>().map_err(garbled)?;
    let mut lines = items.iter().map(|item| item.line_total);
    let first = lines.next().ok_or(Error::CartEmpty)?;
    let total = lines.try_fold(first, Money::checked_add).map_err(too_much)?;
    if request.expected_total.is_some_and(|expected| expected != total) {
        return Err(Error::PriceChanged(total));
    }
    Ok(Purchase {
        user_id: request.user_id,
        cart_version: cart.version,
        bought_version: cart.bought_version,
        items,
        total,
        payment_method: request.payment_method.clone(),
        shipping_address: request.shipping_address.clone(),
    })
}

fn too_much(error: types::InvalidMoney) -> Invalid {
    Invalid::new("total", error).because(Reason::InvalidArgument)
}
