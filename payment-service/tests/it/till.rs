//! A payment service on a directory that outlives it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use payment_service::payment::{Payment, Terms};
use payment_service::provider::simulated::{Draw, Entry, Habits, Simulated, ledger};
use payment_service::provider::{Method, Provider};
use payment_service::store::{self, Store};
use payment_service::{Cashier, Places, Service, Settings};
use platform::World;
use platform::config::Location;
use platform::transport::Transport;
use proto::payment::payment_service_client::PaymentServiceClient;
use proto::payment::{self as pb, AuthorizeRequest};
use sql::postgres::Scratch;
use testkit::{Engine, ManualClock, TempDir, eventually};
use tonic::{Code, Request, Status};
use types::{CheckoutId, Currency, Money, UserId};
use uuid::Uuid;

pub(crate) type Client = PaymentServiceClient<Transport>;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Where payments are kept while services come and go.
pub(crate) struct Till {
    places: Places,
    kept: Kept,
    pub(crate) world: World,
    pub(crate) clock: ManualClock,
}

/// What the places are in.
enum Kept {
    Dir(#[expect(dead_code, reason = "removed when it is dropped")] TempDir),
    Server(Box<Scratch>),
}

impl Till {
    /// In files.
    pub(crate) fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let file = |name| Location::File(dir.path().join(name));
        let places = Places { payments: file("payment.db"), provider: file("provider.db") };
        Self::at(places, Kept::Dir(dir))
    }

    /// One in files, and one on a server if there is any.
    pub(crate) async fn everywhere() -> Vec<Self> {
        let mut tills = vec![Self::new()];
        if let Some(url) = Engine::Postgres.url() {
            let scratch = Scratch::new(&url).await.unwrap();
            let places = Places::new(Location::Postgres(scratch.server().clone()), Path::new(""));
            tills.push(Self::at(places, Kept::Server(Box::new(scratch))));
        }
        tills
    }

    fn at(places: Places, kept: Kept) -> Self {
        let (world, clock) = testkit::world();
        Self { places, kept, world, clock }
    }

    /// So many rounds of a race, or fewer where each costs more.
    pub(crate) fn rounds(&self, rounds: u128) -> u128 {
        match self.kept {
            Kept::Dir(_) => rounds,
            Kept::Server(_) => rounds / 10,
        }
    }

    /// Puts everything away.
    pub(crate) async fn done(self) {
        if let Kept::Server(scratch) = self.kept {
            (*scratch).drop().await.unwrap();
        }
    }

    /// The whole service; waits for a former one to let go of the files.
    pub(crate) async fn open(&self) -> Service {
        let settings = Settings { payment_success_rate: 1.0, payment_delay_ms: 0 };
        let open = async || payment_service::open(&self.places, &settings, self.world.clone()).await.ok();
        eventually("a service on these files", PATIENCE, open).await
    }

    /// The service without its wire, with this provider.
    pub(crate) async fn cashier(&self, provider: Arc<dyn Provider>) -> Cashier {
        self.cashier_and_store(provider).await.0
    }

    /// The same, with its book.
    pub(crate) async fn cashier_and_store(&self, provider: Arc<dyn Provider>) -> (Cashier, Arc<dyn Store>) {
        let open = async || store::open(&self.places.payments, &self.world.metrics).await.ok();
        let store = eventually("the payments", PATIENCE, open).await;
        (Cashier::new(store.clone(), provider, self.world.clone()), store)
    }

    /// The simulated provider without a service.
    pub(crate) async fn provider(&self) -> Simulated {
        self.provider_with(1.0, Arc::new(|| 0.5)).await
    }

    pub(crate) async fn provider_with(&self, success_rate: f64, draw: Draw) -> Simulated {
        let place = &self.places.provider;
        let habits = Habits { success_rate, delay: Duration::ZERO };
        let open = async || Simulated::open(place, habits, &self.world, draw.clone()).await.ok();
        eventually("the provider", PATIENCE, open).await
    }

    /// Everything that happened to the money.
    pub(crate) async fn ledger(&self) -> Vec<Entry> {
        ledger::open_read_only(&self.places.provider).await.unwrap().entries().await.unwrap()
    }

    /// Everything that the service believes.
    pub(crate) async fn payments(&self) -> Vec<Payment> {
        store::open_read_only(&self.places.payments).await.unwrap().snapshot().await.unwrap()
    }
}

pub(crate) fn in_process(service: &Service) -> Client {
    PaymentServiceClient::new(Transport::in_process("payment", &service.grpc()))
}

pub(crate) fn checkout(number: u128) -> CheckoutId {
    CheckoutId(Uuid::from_u128(number))
}

pub(crate) fn terms(token: &str) -> Terms {
    Terms {
        user_id: UserId::try_from(7).unwrap(),
        amount: Money::new(129_999, Currency::USD),
        method: Method::new(token),
    }
}

pub(crate) fn asking(checkout_id: CheckoutId, token: &str) -> AuthorizeRequest {
    AuthorizeRequest {
        checkout_id: checkout_id.to_string(),
        user_id: 7,
        amount: Some(Money::new(129_999, Currency::USD).into()),
        payment_method: token.to_owned(),
    }
}

/// What can be asked for on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Authorize(&'static str),
    Charge(&'static str),
    Capture,
    Void,
    Refund,
    Get,
}

/// Asks, and gives the status of the payment, or the code, reason and decline code of a refusal.
pub(crate) async fn ask(client: &Client, id: CheckoutId, ask: Ask) -> Result<pb::PaymentStatus, Refused> {
    let mut client = client.clone();
    let checkout_id = id.to_string();
    let reply = match ask {
        Ask::Authorize(token) => client.authorize(timed(asking(id, token))).await,
        Ask::Charge(token) => client.charge(timed(asking(id, token))).await,
        Ask::Capture => client.capture(timed(pb::CaptureRequest { checkout_id })).await,
        Ask::Void => client.void(timed(pb::VoidRequest { checkout_id })).await,
        Ask::Refund => client.refund(timed(pb::RefundRequest { checkout_id })).await,
        Ask::Get => client.get_payment(timed(pb::GetPaymentRequest { checkout_id })).await,
    };
    let payment = reply.map_err(Refused::from)?.into_inner();
    assert_eq!(payment.checkout_id, id.to_string());
    Ok(payment.status())
}

fn timed<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request
}

/// A status, as far as a program reads it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: Code,
    pub(crate) reason: Option<proto::Reason>,
    pub(crate) decline_code: Option<String>,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self {
            code: status.code(),
            reason: proto::status::reason(&status),
            decline_code: proto::status::metadata(&status, "decline_code"),
        }
    }
}

pub(crate) fn refused<T>(code: Code, reason: proto::Reason) -> Result<T, Refused> {
    Err(Refused { code, reason: Some(reason), decline_code: None })
}

pub(crate) fn declined<T>(code: &str) -> Result<T, Refused> {
    Err(Refused {
        code: Code::FailedPrecondition,
        reason: Some(proto::Reason::PaymentDeclined),
        decline_code: Some(code.to_owned()),
    })
}

pub(crate) fn unknown<T>() -> Result<T, Refused> {
    Err(Refused { code: Code::Unavailable, reason: None, decline_code: None })
}
