//! Buyers, who ask again until they know, and remember what they were told.

use std::slice::from_ref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oxcart::audit::{Acknowledged, History, Status as How};
use platform::Context;
use platform::transport::Transport;
use proto::cart::AddItemRequest;
use proto::cart::cart_service_client::CartServiceClient;
use proto::checkout::checkout_service_client::CheckoutServiceClient;
use proto::checkout::{Checkout, CheckoutStatus, InitiateCheckoutRequest};
use proto::convert;
use proto::orders::CancelOrderRequest;
use proto::orders::orders_service_client::OrdersServiceClient;
use tokio::time::sleep;
use tonic::{Code, Status};
use types::UserId;

use super::network::way;
use super::process::Process;
use super::shop::Seats;

/// How each payment method is called, the usual one more often.
const METHODS: [&str; 8] = [
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_mastercard",
    "pm_card_chargeDeclined",
    "pm_sim_slow",
    "pm_sim_lost_reply",
    "pm_sim_unavailable",
];

/// How often a buyer asks before he gives up.
const ATTEMPTS: u32 = 12;

/// How long he waits for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What all buyers were told. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<History>>);

impl Told {
    pub(super) fn history(&self) -> History {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, user: UserId, key: &str, checkout: &Checkout) {
        let status = match checkout.status() {
            CheckoutStatus::Completed => How::Completed,
            CheckoutStatus::Failed => How::Failed,
            _ => How::Running,
        };
        let acknowledged = Acknowledged {
            user,
            key: key.to_owned(),
            checkout_id: checkout.checkout_id.parse().expect("the shop names checkouts by their ids"),
            status,
            total: checkout.total.clone().and_then(|total| convert::money("total", Some(total)).ok()),
            // It is named in advance, and there once the checkout is completed.
            order_id: checkout.order_id.parse().ok().filter(|_| status == How::Completed),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).acknowledged.push(acknowledged);
    }
}

/// A buyer.
pub(super) struct Buyer {
    process: Process,
    user: UserId,
    cart: CartServiceClient<Transport>,
    checkout: CheckoutServiceClient<Transport>,
    orders: OrdersServiceClient<Transport>,
    told: Told,
}

impl Buyer {
    pub(super) fn new(process: Process, user: UserId, seats: &Seats, told: Told) -> Self {
        Self {
            user,
            cart: CartServiceClient::new(way(&process, "cart", from_ref(&seats.cart))),
            checkout: CheckoutServiceClient::new(way(&process, "checkout", &seats.checkouts)),
            orders: OrdersServiceClient::new(way(&process, "orders", from_ref(&seats.orders))),
            process,
            told,
        }
    }

    /// Buys something, and again, and sometimes thinks better of it.
    pub(super) async fn shops(self) {
        let purchases = 1 + self.process.nature.below(2);
        for purchase in 0..purchases {
            sleep(self.process.nature.millis(2_000)).await;
            self.fills().await;
            let key = format!("{}-{purchase}", self.user);
            let bought = self.buys(&key).await;
            if let Some(order_id) = bought.filter(|_| self.process.nature.draws(0.3)) {
                self.cancels(&order_id).await;
            }
        }
    }

    /// Puts something into the cart, perhaps more than once where an answer is lost.
    async fn fills(&self) {
        let nature = &self.process.nature;
        for _ in 0..=nature.below(2) {
            let product_id = 1 + i64::try_from(nature.below(3)).unwrap_or(0);
            let quantity = 1 + i32::try_from(nature.below(2)).unwrap_or(0);
            let item =
                AddItemRequest { user_id: self.user.get(), product_id, quantity, expected_version: None };
            for _ in 0..4 {
                let added = self.cart.clone().add_item(self.context().request(item)).await;
                if added.is_ok() {
                    break;
                }
                sleep(nature.millis(3_000)).await;
            }
        }
    }

    /// Asks for a checkout under one key until it has ended; the order that it became, if it did.
    async fn buys(&self, key: &str) -> Option<String> {
        let nature = &self.process.nature;
        let method = METHODS.get(usize::try_from(nature.below(8)).unwrap_or(0)).copied().unwrap_or("");
        for _ in 0..ATTEMPTS {
            let answer = if nature.draws(0.2) {
                let (one, other) = tokio::join!(self.asks(key, method), self.asks(key, method));
                one.or(other)
            } else {
                self.asks(key, method).await
            };
            match answer {
                Ok(checkout) => match checkout.status() {
                    CheckoutStatus::Completed => return Some(checkout.order_id),
                    CheckoutStatus::Failed => return None,
                    _ => {}
                },
                Err(status) if is_definite(&status) => return None,
                Err(_) => {}
            }
            sleep(nature.millis(5_000)).await;
        }
        None
    }

    async fn asks(&self, key: &str, method: &str) -> Result<Checkout, Status> {
        let request = InitiateCheckoutRequest {
            user_id: self.user.get(),
            idempotency_key: key.to_owned(),
            payment_method: method.to_owned(),
            wait_ms: i64::try_from(self.process.nature.below(12_000)).ok(),
            ..InitiateCheckoutRequest::default()
        };
        let reply = self.checkout.clone().initiate_checkout(self.context().request(request)).await?;
        let checkout = reply.into_inner().checkout.ok_or_else(|| Status::internal("no checkout"))?;
        self.told.note(self.user, key, &checkout);
        Ok(checkout)
    }

    async fn cancels(&self, order_id: &str) {
        let nature = &self.process.nature;
        for _ in 0..6 {
            sleep(nature.millis(4_000)).await;
            let request = CancelOrderRequest { order_id: order_id.to_owned(), user_id: self.user.get() };
            if self.orders.clone().cancel_order(self.context().request(request)).await.is_ok() {
                return;
            }
        }
    }

    fn context(&self) -> Context {
        Context::root(self.process.world().ids.as_ref(), PATIENCE)
    }
}

/// Whether asking again would get the same answer.
fn is_definite(status: &Status) -> bool {
    matches!(status.code(), Code::FailedPrecondition | Code::InvalidArgument | Code::Aborted | Code::NotFound)
}
