//! A provider behind a bad line.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use payment_service::provider::{Error, Method, Provider, Standing, UnknownMethod};
use tokio::sync::Notify;
use tokio::task::yield_now;
use types::{CheckoutId, Money};

/// What becomes of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It arrives and is answered.
    None,
    /// It never arrives.
    LoseRequest,
    /// It takes effect, the answer is lost.
    LoseReply,
    /// It never arrives, and the caller dies waiting.
    HangBefore,
    /// It takes effect, and the caller dies waiting.
    HangAfter,
}

/// How the line is for one call: the fault, and how many turns others get before and after the effect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) fault: Fault,
    pub(crate) before: u8,
    pub(crate) after: u8,
}

impl Weather {
    pub(crate) const FAIR: Self = Self { fault: Fault::None, before: 0, after: 0 };

    pub(crate) const fn only(fault: Fault) -> Self {
        Self { fault, ..Self::FAIR }
    }
}

type Forecast = Box<dyn FnMut() -> Weather + Send>;

pub(crate) struct Unreliable {
    provider: Arc<dyn Provider>,
    forecast: Mutex<Forecast>,
    /// Told when a call hangs.
    pub(crate) hangs: Notify,
}

impl Unreliable {
    pub(crate) fn new(provider: Arc<dyn Provider>) -> Arc<Self> {
        let forecast: Forecast = Box::new(|| Weather::FAIR);
        Arc::new(Self { provider, forecast: Mutex::new(forecast), hangs: Notify::new() })
    }

    /// From now on the line is as `forecast` says, once for each call.
    pub(crate) fn set(&self, forecast: impl FnMut() -> Weather + Send + 'static) {
        *self.forecast.lock().unwrap() = Box::new(forecast);
    }

    /// The line is like this for the next call, and fair after it.
    pub(crate) fn once(&self, fault: Fault) {
        let mut next = Some(Weather::only(fault));
        self.set(move || next.take().unwrap_or(Weather::FAIR));
    }

    async fn through<T>(&self, call: impl Future<Output = Result<T, Error>> + Send) -> Result<T, Error> {
        let weather = (self.forecast.lock().unwrap())();
        turns(weather.before).await;
        match weather.fault {
            Fault::LoseRequest => return Err(Error::NoAnswer("the request was lost".into())),
            Fault::HangBefore => return self.hang().await,
            Fault::None | Fault::LoseReply | Fault::HangAfter => {}
        }
        let answer = call.await;
        turns(weather.after).await;
        match weather.fault {
            Fault::None | Fault::LoseRequest | Fault::HangBefore => answer,
            Fault::LoseReply => Err(Error::NoAnswer("the reply was lost".into())),
            Fault::HangAfter => self.hang().await,
        }
    }

    async fn hang<T>(&self) -> T {
        self.hangs.notify_one();
        std::future::pending().await
    }
}

async fn turns(count: u8) {
    for _ in 0..count {
        yield_now().await;
    }
}

#[async_trait]
impl Provider for Unreliable {
    fn method(&self, token: &str) -> Result<Method, UnknownMethod> {
        self.provider.method(token)
    }

    async fn authorize(&self, key: CheckoutId, amount: Money, method: &Method) -> Result<Standing, Error> {
        self.through(self.provider.authorize(key, amount, method)).await
    }

    async fn capture(&self, key: CheckoutId) -> Result<Standing, Error> {
        self.through(self.provider.capture(key)).await
    }

    async fn void(&self, key: CheckoutId) -> Result<Standing, Error> {
        self.through(self.provider.void(key)).await
    }

    async fn refund(&self, key: CheckoutId) -> Result<Standing, Error> {
        self.through(self.provider.refund(key)).await
    }

    async fn find(&self, key: CheckoutId) -> Result<Option<Standing>, Error> {
        self.through(self.provider.find(key)).await
    }

    async fn ping(&self) -> Result<(), Error> {
        self.provider.ping().await
    }
}
