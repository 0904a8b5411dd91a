//! Carries out what [`crate::payment`] decides: commits the intent, asks the provider, stores the outcome.
//!
//! Every await here is a place where the caller may go away or the process may die. Nothing is lost by that:
//! the status says what may have happened, and the same call again finds out.

use std::sync::Arc;

use platform::{World, fault};
use types::{CheckoutId, PaymentId};

use crate::counts::Counts;
use crate::error::Error;
use crate::payment::{self, Call, Command, Payment, Refusal, Step, Terms};
use crate::provider::{Method, Provider, Standing, UnknownMethod};
use crate::store::Store;

/// Decisions in one call. The longest way a payment can go has nine statuses, and each round takes a step
/// on it or sees another caller take one; only a provider that contradicts itself needs more.
const ROUNDS: usize = 16;

/// Takes payments. Clones share everything.
#[derive(Clone)]
pub struct Cashier {
    store: Arc<dyn Store>,
    provider: Arc<dyn Provider>,
    counts: Counts,
    world: World,
}

impl Cashier {
    /// A cashier with this book and this provider.
    pub fn new(store: Arc<dyn Store>, provider: Arc<dyn Provider>, world: World) -> Self {
        let counts = Counts::new(&world.metrics);
        Self { store, provider, counts, world }
    }

    /// Reads a payment method.
    ///
    /// # Errors
    /// When the provider does not know it.
    pub fn method(&self, token: &str) -> Result<Method, UnknownMethod> {
        self.provider.method(token)
    }

    /// Puts the amount aside. What is further along already is returned as it is.
    ///
    /// # Errors
    /// [`Refusal::Declined`], [`Refusal::OtherTerms`], [`Refusal::Voided`]; else the outcome is unknown.
    pub async fn authorize(&self, checkout_id: CheckoutId, terms: Terms) -> Result<Payment, Error> {
        self.carry_out(checkout_id, &Command::Authorize(terms)).await
    }

    /// Takes what was put aside.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotCapturable`], [`Refusal::Voided`]; else the outcome is unknown.
    pub async fn capture(&self, checkout_id: CheckoutId) -> Result<Payment, Error> {
        self.carry_out(checkout_id, &Command::Capture).await
    }

    /// Gives back what was put aside, and sees to it that nothing ever is, where nothing was.
    ///
    /// # Errors
    /// [`Refusal::Captured`]; else the outcome is unknown.
    pub async fn void(&self, checkout_id: CheckoutId) -> Result<Payment, Error> {
        self.carry_out(checkout_id, &Command::Void).await
    }

    /// Puts the amount aside and takes it.
    ///
    /// # Errors
    /// As [`Cashier::authorize`] and [`Cashier::capture`].
    pub async fn charge(&self, checkout_id: CheckoutId, terms: Terms) -> Result<Payment, Error> {
        self.authorize(checkout_id, terms).await?;
        self.capture(checkout_id).await
    }

    /// Gives back what was taken.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotRefundable`], [`Refusal::Voided`]; else the outcome is unknown.
    pub async fn refund(&self, checkout_id: CheckoutId) -> Result<Payment, Error> {
        self.carry_out(checkout_id, &Command::Refund).await
    }

    /// The payment of a checkout. Where an answer of the provider is missing it is asked for.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; else the outcome is unknown.
    pub async fn find(&self, checkout_id: CheckoutId) -> Result<Payment, Error> {
        let payment = self.store.find(checkout_id).await?.ok_or(Refusal::NotFound)?;
        if payment.status.is_settled() {
            return Ok(payment);
        }
        match self.provider.find(checkout_id).await? {
            Some(standing) => self.settle(payment, standing).await,
            None => Ok(payment),
        }
    }

    /// Whether store and provider can be reached at this moment.
    pub async fn is_ready(&self) -> bool {
        self.store.ping().await.is_ok() && self.provider.ping().await.is_ok()
    }

    async fn carry_out(&self, checkout_id: CheckoutId, command: &Command) -> Result<Payment, Error> {
        let mut payment = match self.store.find(checkout_id).await? {
            Some(payment) => payment,
            None => self.begin(checkout_id, command).await?,
        };
        for _ in 0..ROUNDS {
            payment = match payment::decide(&payment, command)? {
                Step::Answer => return Ok(payment),
                Step::Intend(intent) => {
                    let intending = self.store.advance(&payment, intent, self.world.clock.now());
                    fault::around("payment.intend", intending).await?
                }
                Step::Ask(call) => {
                    let standing = self.ask(checkout_id, call).await?;
                    self.settle(payment, standing).await?
                }
            };
        }
        Err(Error::Unsettled)
    }

    async fn begin(&self, checkout_id: CheckoutId, command: &Command) -> Result<Payment, Error> {
        let (terms, status) = payment::begin(command)?;
        let now = self.world.clock.now();
        let id = PaymentId(self.world.ids.next());
        let payment = Payment { id, checkout_id, terms, status, created_at: now, updated_at: now };
        Ok(fault::around("payment.begin", self.store.begin(payment)).await?)
    }

    async fn ask(&self, key: CheckoutId, call: Call) -> Result<Standing, Error> {
        let standing = match call {
            Call::Authorize(terms) => self.provider.authorize(key, terms.amount, &terms.method).await,
            Call::Capture => self.provider.capture(key).await,
            Call::Void => self.provider.void(key).await,
            Call::Refund => self.provider.refund(key).await,
        };
        Ok(standing?)
    }

    /// Stores what the provider said, unless somebody was faster; the payment as it is then.
    async fn settle(&self, payment: Payment, standing: Standing) -> Result<Payment, Error> {
        let told = payment.status.after(standing);
        if told == payment.status {
            return Ok(payment);
        }
        let settling = self.store.advance(&payment, told, self.world.clock.now());
        let settled = fault::around("payment.settle", settling).await?;
        self.counts.came_to(&settled.status);
        Ok(settled)
    }
}
