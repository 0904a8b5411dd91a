//! The all-in-one program is killed at every fail point of the sources, once before and once after each commit, call
//! and publication, and is started again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use oxcart::audit::{self, History, Status};
use oxcart::{Config, Program, addresses::Addresses};
use platform::World;
use platform::config::try_parse;
use proto::payment::CaptureRequest;
use proto::payment::payment_service_client::PaymentServiceClient;
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use testkit::{Port, TempDir};

use crate::buyers::Buyer;
use crate::client::Client;
use crate::harness::{Process, program};
use api_gateway::auth::Role;

/// How many points are tried at once.
const AT_ONCE: usize = 4;

/// Where the program is frozen: each side of what can't be taken back, and what tells of it.
const FROZEN_AT: [&str; 8] = [
    "checkout.accept.after",
    "payment.intend.after",
    "provider.capture.after",
    "payment.settle.before",
    "checkout.capture.after",
    "checkout.finish.before",
    "relay.publish.after",
    "consumer.commit.before",
];

/// Longer than a lease.
const FROZEN_FOR: Duration = Duration::from_secs(7);

/// A product of the first catalogue, with stock.
const PRODUCT: i64 = 1;

/// What leads a shop to a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A purchase.
    Purchase,
    /// A purchase whose card is declined.
    Declined,
    /// A purchase that was interrupted before its stock was sold, and found again after its deadline.
    TooLate,
    /// The same, and its money was taken by hand meanwhile.
    TakenByHand,
    /// A purchase that was interrupted, and found again after its hold had ended.
    HeldTooLong,
    /// An order that is taken a step further.
    Shipped,
    /// An order that is cancelled.
    Cancelled,
}

impl Way {
    fn to(point: &str) -> Self {
        match point.rsplit_once('.').unwrap().0 {
            "checkout.release" | "inventory.release" => Self::Declined,
            "checkout.void" | "provider.void" => Self::TooLate,
            "checkout.refund" | "provider.refund" => Self::TakenByHand,
            "inventory.expire" => Self::HeldTooLong,
            "orders.change" => Self::Shipped,
            "orders.cancel" | "orders.refund" | "orders.restock" | "orders.save" | "inventory.restock" => {
                Self::Cancelled
            }
            _ => Self::Purchase,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_may_die_at_every_point() {
    let points = points_in_the_sources();
    assert!(points.len() > 50, "{points:?}");
    let runs = points.iter().map(|point| async move {
        dies_at(point, Way::to(point)).await;
        point
    });
    let died = futures::stream::iter(runs).buffer_unordered(AT_ONCE).collect::<BTreeSet<&String>>().await;
    assert_eq!(died, points.iter().collect());
    let figures = format!("{}, deaths: {}, violations: 0", points.len(), died.len());
    testkit::figures::tell("fail points", figures);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_may_stand_still_at_a_point_for_longer_than_its_leases() {
    let frozen = futures::future::join_all(FROZEN_AT.map(freezes_at)).await;
    testkit::figures::tell("fail points, frozen", format!("{}, violations: 0", frozen.len()));
}

/// Leads a shop to a point, sees it stand still there, and lets it go on.
async fn freezes_at(point: &str) {
    let shop = Shop::new();
    let buyer = shop.buyer(1);
    let running = shop.start(&format!("{point}=1*return(freeze)"));
    let order = async {
        buyer.fill(PRODUCT).await;
        assert_eq!(buyer.buy("a", "pm_card_visa").await, Status::Completed, "{point}");
    };
    let fate = async {
        let stands_still = async || running.0.is_stopped();
        testkit::eventually(&format!("the frost at {point}"), Duration::from_secs(60), stands_still).await;
        World::real().clock.sleep(FROZEN_FOR).await;
        running.0.signal(Signal::CONT);
    };
    tokio::join!(order, fate);
    shop.is_sound(&buyer.client.told.history()).await;
}

/// Leads a shop to a point, sees it die there, and sees that nothing came of it.
async fn dies_at(point: &str, way: Way) {
    let shop = Shop::new();
    let buyer = shop.buyer(1);
    let end = match way {
        Way::Purchase | Way::Shipped | Way::Cancelled | Way::HeldTooLong => Status::Completed,
        Way::Declined | Way::TooLate | Way::TakenByHand => Status::Failed,
    };
    let method = if way == Way::Declined { "pm_card_chargeDeclined" } else { "pm_card_visa" };
    let order = async {
        buyer.fill(PRODUCT).await;
        assert_eq!(buyer.buy("a", method).await, end, "{point}");
        if way == Way::Shipped {
            shop.process_the_order(&buyer).await;
        }
        if way == Way::Cancelled {
            cancels_the_order(&buyer).await;
        }
    };
    let fate = async {
        if matches!(way, Way::TooLate | Way::TakenByHand | Way::HeldTooLong) {
            shop.starts_to_die_at("checkout.confirm.before").dies(point).await;
            shop.lets_time_pass(way).await;
        }
        let process = shop.starts_to_die_at(point);
        if way == Way::TakenByHand {
            shop.takes_the_money().await;
        }
        process.dies(point).await;
        shop.start("")
    };
    let ((), _running) = tokio::join!(order, fate);
    shop.is_sound(&buyer.client.told.history()).await;
}

/// Asks until the order is cancelled, as a buyer may.
async fn cancels_the_order(buyer: &Buyer) {
    let order = buyer.client.orders(1).await.remove(0);
    let path = format!("/api/v1/orders/{}/cancel", order["id"].as_str().unwrap());
    testkit::eventually("the end of the order", Duration::from_secs(60), async || {
        let cancel = buyer.client.request(Method::POST, &path);
        Client::send(cancel).await.is_ok_and(|reply| reply.body["status"] == "CANCELLED")
    })
    .await;
}

/// The all-in-one program on a directory and ports of its own.
struct Shop {
    dir: TempDir,
    url: String,
    variables: Vec<(String, String)>,
    _port: Port,
}

struct Running(Process);

impl Running {
    async fn dies(mut self, point: &str) {
        let what = format!("the death at {point}");
        let status = testkit::eventually(&what, Duration::from_secs(60), async || self.0.ended()).await;
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{point}: {status}");
    }
}

impl Shop {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let port = Port::hold();
        let data_dir = dir.path().to_str().unwrap().to_owned();
        let variables = [
            ("DATA_DIR", data_dir),
            ("HTTP_PORT", port.number().to_string()),
            ("GRPC_BASE_PORT", "0".to_owned()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { dir, url: format!("http://{}", port.address()), variables, _port: port }
    }

    /// Starts it, to die the first time that it comes to the point.
    fn starts_to_die_at(&self, point: &str) -> Running {
        self.start(&format!("{point}=1*return(kill)"))
    }

    /// Starts it with these fail points.
    fn start(&self, points: &str) -> Running {
        let mut command = program("oxcart");
        command.envs(self.variables.iter().cloned()).env("FAILPOINTS", points);
        Running(Process::start(command))
    }

    fn buyer(&self, user: i64) -> Buyer {
        Buyer::new(Client::new(&self.url, user, Role::User), user)
    }

    async fn process_the_order(&self, buyer: &Buyer) {
        let admin = Client::new(&self.url, 1_000_000, Role::Admin);
        let order = buyer.client.orders(1).await.remove(0);
        let path = format!("/api/v1/orders/{}", order["id"].as_str().unwrap());
        testkit::eventually("the step of the order", Duration::from_secs(60), async || {
            let patch = admin.request(Method::PATCH, &path).json(&json!({ "status": "PROCESSING" }));
            // The step may have been taken by the request whose answer was lost.
            let done = [StatusCode::OK, StatusCode::CONFLICT];
            Client::send(patch).await.is_ok_and(|reply| done.contains(&reply.status))
        })
        .await;
    }

    /// What minutes would do to a shop that lies dead, in a moment.
    async fn lets_time_pass(&self, way: Way) {
        match way {
            Way::HeldTooLong => {
                self.change("inventory.db", "UPDATE reservations SET expires_at = 1 WHERE status = 'HELD'")
                    .await;
            }
            Way::TakenByHand => {
                let soon = World::real().clock.now().after(Duration::from_secs(8)).micros();
                let late = format!("UPDATE checkouts SET deadline = created_at, due_at = {soon}");
                self.change("checkout.db", &late).await;
            }
            Way::Purchase | Way::Declined | Way::TooLate | Way::Shipped | Way::Cancelled => {
                self.change("checkout.db", "UPDATE checkouts SET deadline = created_at").await;
            }
        }
    }

    async fn change(&self, file: &str, statement: &str) {
        let options = SqliteConnectOptions::new().filename(self.dir.path().join(file));
        let mut connection = options.connect().await.unwrap();
        let changed = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        assert_eq!(changed.rows_affected(), 1, "{statement}");
        connection.close().await.unwrap();
    }

    /// Takes the money of the one checkout past the checkout service, as a person with a gRPC client may.
    async fn takes_the_money(&self) {
        let settings = self.settings();
        let checkouts = settings.sources().unwrap().checkout;
        let checkouts = checkout_service::store::open_read_only(&checkouts, &World::real()).await.unwrap();
        let checkout_id = checkouts.snapshot().await.unwrap().checkouts[0].id.to_string();
        let taken = async || {
            let address = Addresses::read(self.dir.path()).ok()?.of(Program::Payment).ok()?;
            let mut payments = PaymentServiceClient::connect(format!("http://{address}")).await.ok()?;
            payments.capture(CaptureRequest { checkout_id: checkout_id.clone() }).await.ok()
        };
        testkit::eventually("the capture by hand", Duration::from_secs(7), taken).await;
    }

    fn settings(&self) -> Config {
        let find = |name: &str| self.variables.iter().find(|it| it.0 == name).map(|it| it.1.clone().into());
        try_parse("OXCART", std::iter::once("oxcart".into()), &find).unwrap()
    }

    async fn is_sound(&self, told: &History) {
        let sources = self.settings().sources().unwrap();
        let report = audit::run_with(&sources, told, Duration::from_secs(30), World::real()).await.unwrap();
        assert!(report.violations.is_empty(), "{report}");
        assert_eq!(report.checkouts.running, 0, "{report}");
    }
}

/// The names of all fail points, two for each text `<service>.<operation>` in the sources that have any.
fn points_in_the_sources() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut points = BTreeSet::new();
    for place in
        ["checkout-service", "inventory-service", "payment-service", "orders-service", "cart-service"]
            .into_iter()
            .chain(["product-service", "api-gateway", "crates/event-log"])
    {
        for file in rust_files(&root.join(place).join("src")) {
            let text = std::fs::read_to_string(file).unwrap();
            if !text.contains("fault::around(") {
                continue;
            }
            let is_word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase());
            let is_name = |text: &&str| text.split('.').count() == 2 && text.split('.').all(is_word);
            for name in text.split('"').filter(is_name) {
                points.extend(["before", "after"].map(|side| format!("{name}.{side}")));
            }
        }
    }
    points
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
