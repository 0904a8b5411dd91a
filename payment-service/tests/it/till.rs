//! A payment service on a directory that outlives it.

use std::sync::Arc;
use std::time::Duration;

use payment_service::payment::{Payment, Terms};
use payment_service::provider::simulated::{Draw, Entry, Habits, Simulated, ledger};
use payment_service::provider::{Method, Provider};
use payment_service::store::Store;
use payment_service::store::sqlite::SqliteStore;
use payment_service::{Cashier, Files, Service, Settings};
use platform::World;
use platform::transport::Transport;
use proto::payment::payment_service_client::PaymentServiceClient;
use proto::payment::{self as pb, AuthorizeRequest};
use testkit::{ManualClock, TempDir, eventually};
use tonic::{Code, Request, Status};
use types::{CheckoutId, Currency, Money, UserId};
use uuid::Uuid;

pub(crate) type Client = PaymentServiceClient<Transport>;

pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Where payments are kept while services come and go.
pub(crate) struct Till {
    dir: TempDir,
    pub(crate) world: World,
    pub(crate) clock: ManualClock,
}

impl Till {
    pub(crate) fn new() -> Self {
        let (world, clock) = testkit::world();
        let dir = TempDir::new().unwrap();
        Self { dir, world, clock }
    }

    fn files(&self) -> Files {
        let file = |name| self.dir.path().join(name);
        Files { payments: file("payment.db"), provider: file("provider.db") }
    }

    /// The whole service; waits for a former one to let go of the files.
    pub(crate) async fn open(&self) -> Service {
        let settings = Settings { payment_success_rate: 1.0, payment_delay_ms: 0 };
        let open = async || payment_service::open(&self.files(), &settings, self.world.clone()).await.ok();
        eventually("a service on these files", PATIENCE, open).await
    }

    /// The service without its wire, with this provider.
    pub(crate) async fn cashier(&self, provider: Arc<dyn Provider>) -> Cashier {
        self.cashier_and_store(provider).await.0
    }

    /// The same, with its book.
    pub(crate) async fn cashier_and_store(&self, provider: Arc<dyn Provider>) -> (Cashier, Arc<dyn Store>) {
        let path = self.files().payments;
        let open = async || SqliteStore::open(&path).await.ok();
        let store: Arc<dyn Store> = Arc::new(eventually("the payments", PATIENCE, open).await);
        (Cashier::new(store.clone(), provider, self.world.clone()), store)
    }

    /// The simulated provider without a service.
    pub(crate) async fn provider(&self) -> Simulated {
        self.provider_with(1.0, Arc::new(|| 0.5)).await
    }

    pub(crate) async fn provider_with(&self, success_rate: f64, draw: Draw) -> Simulated {
        let path = self.files().provider;
        let habits = Habits { success_rate, delay: Duration::ZERO };
        let open = async || Simulated::open(&path, habits, self.world.clock.clone(), draw.clone()).await.ok();
        eventually("the provider", PATIENCE, open).await
    }

    /// Everything that happened to the money.
    pub(crate) async fn ledger(&self) -> Vec<Entry> {
        ledger(&self.files().provider).await.unwrap()
    }

    /// Everything that the service believes.
    pub(crate) async fn payments(&self) -> Vec<Payment> {
        SqliteStore::open_read_only(&self.files().payments).await.unwrap().snapshot().await.unwrap()
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
