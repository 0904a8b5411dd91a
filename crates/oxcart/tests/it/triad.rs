//! Each call of a checkout, on each way that a checkout can go, with each of three faults: it fails, it comes twice,
//! its answer is lost; so also each undo after a call that was refused. After each: the books.

mod line;

use std::sync::Arc;
use std::time::Duration;

use oxcart::audit::{self, Sources};
use platform::World;
use platform::transport::Transport;
use proto::cart::AddItemRequest;
use proto::cart::cart_service_client::CartServiceClient;
use proto::checkout::checkout_service_client::CheckoutServiceClient;
use proto::checkout::{Checkout, CheckoutStatus, InitiateCheckoutRequest};
use sql::sqlite::Sharing;
use testkit::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::harness::settings;
use line::{Fault, Hand, Line, Planned};

const FAULTS: [Fault; 3] = [Fault::Error, Fault::Repeat, Fault::ReplyLost];

/// A product of the first catalogue, with 50 in stock.
const PRODUCT: i64 = 1;

/// A way that a checkout goes.
struct Way {
    /// Its calls, in their order.
    calls: &'static [&'static str],
    /// Before which of them somebody else does what has it refused.
    hands: &'static [(&'static str, Hand)],
    quantity: i32,
    method: &'static str,
    /// Why it fails, if it does.
    failure: Option<&'static str>,
}

const COMPLETES: Way = Way {
    calls: &["Reserve", "Authorize", "Confirm", "Capture"],
    hands: &[],
    quantity: 1,
    method: "pm_card_visa",
    failure: None,
};

const WAYS: [Way; 6] = [
    COMPLETES,
    Way { calls: &["Reserve", "Release"], quantity: 99, failure: Some("insufficient_stock"), ..COMPLETES },
    Way {
        calls: &["Reserve", "Authorize", "Release"],
        method: "pm_card_chargeDeclined",
        failure: Some("payment_declined"),
        ..COMPLETES
    },
    Way {
        calls: &["Reserve", "Authorize", "Confirm", "Void", "Release"],
        hands: &[("Confirm", Hand::Releases)],
        failure: Some("checkout_refused"),
        ..COMPLETES
    },
    Way {
        calls: &["Reserve", "Authorize", "Confirm", "Capture", "Void", "Release"],
        hands: &[("Capture", Hand::Voids)],
        failure: Some("checkout_refused"),
        ..COMPLETES
    },
    Way {
        calls: &["Reserve", "Authorize", "Confirm", "Void", "Refund", "Release"],
        hands: &[("Confirm", Hand::Releases), ("Void", Hand::Captures)],
        failure: Some("checkout_refused"),
        ..COMPLETES
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn each_call_of_each_way_may_fail_come_twice_or_lose_its_answer() {
    let shop = Shop::open().await;
    let mut cases = 0;
    for way in &WAYS {
        for call in way.calls {
            for fault in FAULTS {
                cases += 1;
                let case = format!("{:?}: {call} {fault:?}", way.calls);
                shop.plan(way, call, fault);
                let checkout = shop.buy(cases, way).await;
                let failure = checkout.failure.as_ref().map(|failure| failure.code.as_str());
                let end =
                    if way.failure.is_none() { CheckoutStatus::Completed } else { CheckoutStatus::Failed };
                assert_eq!((checkout.status(), failure), (end, way.failure), "{case}");
                assert_eq!(shop.left(), [], "{case}");
                shop.is_sound(&case).await;
            }
        }
    }
    testkit::figures::tell("triad", format!("checkouts: {cases}, violations: 0"));
    shop.stop().await;
}

/// The whole shop but its gateway, in this process, with a line from checkout to each participant.
struct Shop {
    _dir: TempDir,
    sources: Sources,
    cart: Transport,
    checkout: Transport,
    stock: Arc<Line>,
    money: Arc<Line>,
    shutdown: CancellationToken,
    workers: JoinSet<anyhow::Result<()>>,
}

impl Shop {
    async fn open() -> Self {
        let (dir, world) = (TempDir::new().unwrap(), World::real());
        let config = settings(dir.path(), &[]);
        let sources = config.sources().unwrap();
        let Sources { inventory, payments, orders, checkout, cart, events, data_dir } = &sources;
        let log = event_log::config::open(events, data_dir, Sharing::Shared, world.clone()).await.unwrap();
        let products = config.store(oxcart::Program::Product).unwrap();
        let product = product_service::open(&products, world.clone()).await.unwrap();
        let inventory = inventory_service::open(inventory, world.clone()).await.unwrap();
        let payment = payment_service::open(payments, &config.payment, world.clone()).await.unwrap();
        let peers = orders_service::Peers {
            inventory: Transport::in_process("inventory", &inventory.grpc()),
            payment: Transport::in_process("payment", &payment.grpc()),
        };
        let orders = orders_service::open(orders, peers, log.clone(), world.clone()).await.unwrap();
        let peers = cart_service::Peers { product: Transport::in_process("product", &product.grpc()) };
        let cart = cart_service::open(cart, data_dir, peers, log.clone(), world.clone()).await.unwrap();
        let (stock, money) = (Line::to(inventory.grpc()), Line::to(payment.grpc()));
        let carts = Transport::in_process("cart", &cart.grpc());
        let peers = checkout_service::Peers {
            cart: carts.clone(),
            inventory: stock.transport("inventory"),
            payment: money.transport("payment"),
        };
        let service = checkout_service::open(checkout, peers, log.clone(), world).await.unwrap();
        let checkout = Transport::in_process("checkout", &service.grpc());
        let (shutdown, mut workers) = (CancellationToken::new(), JoinSet::new());
        let [s1, s2, s3, s4] = std::array::from_fn(|_| shutdown.clone());
        workers.spawn(async move { service.work(s1).await });
        workers.spawn(async move { orders.work(s2).await });
        workers.spawn(async move { cart.work(s3).await });
        workers.spawn(async move { inventory.work(s4).await });
        Self { _dir: dir, sources, cart: carts, checkout, stock, money, shutdown, workers }
    }

    /// The fault at its call, and the hands at theirs.
    fn plan(&self, way: &Way, call: &'static str, fault: Fault) {
        let hand = |call| way.hands.iter().find(|(at, _)| *at == call).map(|(_, hand)| *hand);
        let others = way.hands.iter().filter(|(at, _)| *at != call);
        let others = others.map(|(at, hand)| Planned { call: at, hand: Some(*hand), fault: None });
        let planned = others.chain([Planned { call, hand: hand(call), fault: Some(fault) }]);
        let (stock, money): (Vec<_>, Vec<_>) =
            planned.partition(|it| matches!(it.call, "Reserve" | "Confirm" | "Release"));
        self.stock.plan(stock);
        self.money.plan(money);
    }

    fn left(&self) -> Vec<Planned> {
        [self.stock.left(), self.money.left()].concat()
    }

    /// Buys, and waits for the end.
    async fn buy(&self, user_id: i64, way: &Way) -> Checkout {
        let item =
            AddItemRequest { user_id, product_id: PRODUCT, quantity: way.quantity, expected_version: None };
        CartServiceClient::new(self.cart.clone()).add_item(item).await.unwrap();
        let request = InitiateCheckoutRequest {
            user_id,
            idempotency_key: "triad".to_owned(),
            payment_method: way.method.to_owned(),
            wait_ms: Some(20_000),
            ..InitiateCheckoutRequest::default()
        };
        let reply = CheckoutServiceClient::new(self.checkout.clone()).initiate_checkout(request).await;
        reply.unwrap().into_inner().checkout.unwrap()
    }

    async fn is_sound(&self, case: &str) {
        let report = audit::run(&self.sources, Duration::from_secs(30), World::real()).await.unwrap();
        assert!(report.violations.is_empty(), "{case}: {report}");
        assert_eq!(report.checkouts.running, 0, "{case}: {report}");
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(worker) = self.workers.join_next().await {
            worker.unwrap().unwrap();
        }
    }
}
