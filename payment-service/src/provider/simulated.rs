//! A provider made for trying things out: it approves, declines, dawdles, fails and loses replies, as the
//! payment method asks.
//!
//! It keeps a durable ledger of its own, in a file or a schema of its own, and shares nothing with the payments
//! store. Whatever the service believes, the [`ledger`] tells what happened to the money.

pub mod ledger;
pub mod rules;
mod token;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use platform::World;
use platform::clock::Clock;
use platform::config::Location;
use platform::fault;
use types::{CheckoutId, Money};

use self::ledger::{Begun, Decide, Held, Ledger, Opening, Resolved, Terms};
pub use self::ledger::{Effect, Entry};
use self::token::Behaviour;
use super::{Error, Method, Provider, Standing, UnknownMethod};

/// The least that the slow method takes to be answered.
const SLOW: Duration = Duration::from_secs(3);

/// Authorisations of one key that the unavailable method lets fail.
const OUTAGES: i64 = 2;

/// How the simulated provider behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Habits {
    /// The share of authorisations that it approves, 0.0 to 1.0; it declines the others with
    /// `processing_error`. Decided once for a key.
    pub success_rate: f64,
    /// How long after its effect an authorisation is answered.
    pub delay: Duration,
}

/// A source of chance: numbers from 0.0 to 1.0, exclusive.
pub type Draw = Arc<dyn Fn() -> f64 + Send + Sync>;

/// The simulated provider.
pub struct Simulated {
    ledger: Arc<dyn Ledger>,
    habits: Habits,
    clock: Arc<dyn Clock>,
    draw: Draw,
}

/// What came of a call.
enum Reply {
    /// The key stood here already.
    Stored(Standing),
    /// This call brought it here.
    Fresh(Standing, Behaviour),
    /// Nothing happened, and nobody answers.
    Outage,
}

impl Simulated {
    /// The provider on a ledger that is open.
    pub fn new(ledger: Arc<dyn Ledger>, habits: Habits, clock: Arc<dyn Clock>, draw: Draw) -> Self {
        Self { ledger, habits, clock, draw }
    }

    /// Opens the provider on the ledger at this place; a file is made if it is not there, a server that is not
    /// there is waited for.
    ///
    /// # Errors
    /// What hinders the ledger from being opened.
    pub async fn open(
        location: &Location,
        habits: Habits,
        world: &World,
        draw: Draw,
    ) -> anyhow::Result<Self> {
        let ledger = ledger::open(location, &world.metrics).await?;
        Ok(Self::new(ledger, habits, world.clock.clone(), draw))
    }

    /// Everything that took effect, oldest first.
    ///
    /// # Errors
    /// When the ledger can't be read.
    pub async fn ledger(&self) -> Result<Vec<Entry>, sql::Error> {
        self.ledger.entries().await
    }

    /// What an authorisation that this is the first one for its key comes to.
    fn verdict(&self, behaviour: Behaviour) -> Effect {
        let decline = |code: &str| Effect::Decline { code: code.to_owned() };
        match behaviour {
            Behaviour::Decline(code) => decline(code),
            Behaviour::Approve | Behaviour::Dawdle | Behaviour::LoseReplies | Behaviour::FailTwice => {
                if (self.draw)() < self.habits.success_rate {
                    Effect::Authorize
                } else {
                    decline("processing_error")
                }
            }
        }
    }

    /// Adds what `effect` sees to be done for where the key stands; nothing, if there is nothing.
    async fn resolve(&self, key: CheckoutId, effect: Decide) -> Result<Reply, Error> {
        match self.ledger.resolve(key, effect, self.clock.now()).await? {
            Resolved::Unknown => Err(Error::UnknownKey),
            Resolved::Before(held) => Ok(Reply::Stored(held.standing)),
            Resolved::Now(effect, terms) => {
                let behaviour = terms.map_or(Behaviour::Approve, |terms| behaviour(&terms.method));
                Ok(Reply::Fresh(effect.standing(), behaviour))
            }
        }
    }
}

#[async_trait]
impl Provider for Simulated {
    fn method(&self, token: &str) -> Result<Method, UnknownMethod> {
        match token::behaviour(token) {
            Some(_) => Ok(Method::new(token)),
            None => Err(UnknownMethod { known: token::known() }),
        }
    }

    /// The effect comes first and the delay after it: whoever does not wait has made a payment all the same.
    async fn authorize(&self, key: CheckoutId, amount: Money, method: &Method) -> Result<Standing, Error> {
        let terms = Terms { amount, method: method.clone() };
        let behaviour = behaviour(method);
        let verdict = self.verdict(behaviour);
        let outages = if behaviour == Behaviour::FailTwice { OUTAGES } else { 0 };
        let standing = verdict.standing();
        let opening = Opening { terms: terms.clone(), effect: verdict, outages, at: self.clock.now() };
        let reply = match fault::around("provider.authorize", self.ledger.begin(key, opening)).await? {
            Begun::Now => Reply::Fresh(standing, behaviour),
            Begun::Outage => Reply::Outage,
            Begun::Before(Held { terms: Some(known), .. }) if known != terms => {
                return Err(Error::OtherTerms);
            }
            Begun::Before(Held { standing, .. }) => Reply::Stored(standing),
        };
        if let Reply::Fresh(_, behaviour) = &reply {
            let least = if *behaviour == Behaviour::Dawdle { SLOW } else { Duration::ZERO };
            let delay = self.habits.delay.max(least);
            if !delay.is_zero() {
                self.clock.sleep(delay).await;
            }
        }
        lossy(reply)
    }

    async fn capture(&self, key: CheckoutId) -> Result<Standing, Error> {
        lossy(fault::around("provider.capture", self.resolve(key, rules::capture)).await?)
    }

    async fn void(&self, key: CheckoutId) -> Result<Standing, Error> {
        reliable(fault::around("provider.void", self.resolve(key, rules::void)).await?)
    }

    async fn refund(&self, key: CheckoutId) -> Result<Standing, Error> {
        reliable(fault::around("provider.refund", self.resolve(key, rules::refund)).await?)
    }

    async fn find(&self, key: CheckoutId) -> Result<Option<Standing>, Error> {
        Ok(self.ledger.held(key).await?.map(|held| held.standing))
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(self.ledger.ping().await?)
    }
}

/// What a method asks for. One that was known when the payment began, and no longer is, is declined.
fn behaviour(method: &Method) -> Behaviour {
    token::behaviour(method.token()).unwrap_or(Behaviour::Decline("processing_error"))
}

/// The answer of a call whose reply the method may ask to be lost: only the call that took effect loses it.
fn lossy(reply: Reply) -> Result<Standing, Error> {
    match reply {
        Reply::Fresh(_, Behaviour::LoseReplies) => Err(Error::NoAnswer("the reply was lost".into())),
        reply => reliable(reply),
    }
}

fn reliable(reply: Reply) -> Result<Standing, Error> {
    match reply {
        Reply::Stored(standing) | Reply::Fresh(standing, _) => Ok(standing),
        Reply::Outage => Err(Error::NoAnswer("the provider is down".into())),
    }
}

impl From<sql::Error> for Error {
    /// A ledger that can't be written is a provider that does not answer.
    fn from(error: sql::Error) -> Self {
        Self::NoAnswer(Box::new(error))
    }
}
