use std::path::Path;
use std::time::Duration;

use checkout_service::checkout::{Checkout, Purchase};
use checkout_service::saga::state::{Failure, Outcome};
use checkout_service::store::{Accepted, Held, IdempotencyKey, Lease, Store as _};
use event_log::sqlite::Log as EventLog;
use event_log::{EventLog as _, Outbox as _};
use payment_service::provider::simulated::{Habits, Simulated};
use platform::{Origin, World};
use proto::events::CheckoutFailed;
use sql::sqlite::Sharing;
use testkit::{ManualClock, TempDir};
use types::Currency;

use super::super::fixtures::{event, event_of, id, item, user};
use super::super::report::{Report, run};
use super::*;

const SOON: Duration = Duration::from_secs(20);

/// The stores of a shop at work, as those who write them have them.
struct Shop {
    directory: TempDir,
    world: World,
    clock: ManualClock,
    checkouts: checkout_service::store::Sqlite,
    log: EventLog,
    others: Others,
}

/// Opened for their files to be there.
type Others = (
    inventory_service::store::Sqlite,
    payment_service::store::Sqlite,
    Simulated,
    orders_service::store::Sqlite,
    cart_service::store::Sqlite,
);

impl Shop {
    async fn open() -> Self {
        let directory = TempDir::new().unwrap();
        let (world, clock) = testkit::world();
        let file = |name: &str| directory.path().join(name);
        let habits = Habits { success_rate: 1.0, delay: Duration::ZERO };
        let draw = Arc::new(|| 0.5);
        let provider =
            Simulated::open(&Location::File(file("provider.db")), habits, &world, draw).await.unwrap();
        let others = (
            inventory_service::store::Sqlite::open(&file("inventory.db"), &world.metrics).await.unwrap(),
            payment_service::store::Sqlite::open(&file("payment.db"), &world.metrics).await.unwrap(),
            provider,
            orders_service::store::Sqlite::open(&file("orders.db"), &world.metrics).await.unwrap(),
            cart_service::store::Sqlite::open(&file("cart.db"), &world.metrics).await.unwrap(),
        );
        let checkouts = checkout_service::store::Sqlite::open(&file("checkout.db"), &world).await.unwrap();
        let log = EventLog::open(&file("events.db"), Sharing::Exclusive, world.clone()).await.unwrap();
        Self { directory, world, clock, checkouts, log, others }
    }

    fn sources(&self) -> Sources {
        sources(self.directory.path())
    }

    async fn audit(&self, patience: Duration) -> Report {
        run(&self.sources(), patience, self.world.clone()).await.unwrap()
    }

    /// A checkout that gave up before it called anyone; its event waits in the outbox.
    async fn fail(&self, number: u128) {
        let now = self.world.clock.now();
        let purchase = Purchase {
            user_id: user(7),
            cart_version: 10,
            bought_version: 0,
            items: vec![item(1, 2, 1000)],
            total: types::Money::new(2000, Currency::USD),
            payment_method: "pm_card_visa".to_owned(),
            shipping_address: None,
        };
        let checkout = Checkout::accept(id(number), purchase, Origin::default(), now);
        let key = IdempotencyKey { user_id: user(7), text: "key".to_owned(), fingerprint: String::new() };
        let owner = self.world.ids.next();
        let accepted = self.checkouts.accept(&checkout, &key, 0, owner).await.unwrap();
        assert_eq!(accepted, Accepted::New);
        let failed = checkout.after(Outcome::Refused(Failure::CheckoutExpired), now, Duration::ZERO);
        let failed = failed.after(Outcome::Done, now, Duration::ZERO);
        let about = format!(r#"{{"checkout_id":"{}"}}"#, checkout.id);
        let event = event(event_of(number), CheckoutFailed::TYPE, &about);
        let saved = self.checkouts.save(&checkout, &failed, Some(event), Lease::Return).await.unwrap();
        assert_eq!(saved, Held::Yes);
    }

    /// What the relay does.
    async fn relay(&self) {
        for row in self.checkouts.unpublished(10).await.unwrap() {
            self.log.publish(&row.topic, &[row.event]).await.unwrap();
            self.checkouts.mark_published(&[row.seq]).await.unwrap();
        }
    }
}

fn sources(directory: &Path) -> Sources {
    let file = |name: &str| Location::File(directory.join(name));
    Sources {
        inventory: file("inventory.db"),
        payments: Places { payments: file("payment.db"), provider: file("provider.db") },
        orders: file("orders.db"),
        checkout: file("checkout.db"),
        cart: cart_service::Settings::default(),
        events: event_log::config::Settings::default(),
        data_dir: directory.to_owned(),
    }
}

#[tokio::test]
async fn a_shop_that_was_never_started_is_an_error_that_says_so() {
    let directory = TempDir::new().unwrap();
    let error = read(&sources(directory.path()), &World::real()).await.unwrap_err().to_string();
    let directory = directory.path().display();
    assert_eq!(
        error,
        format!("no shop was ever started on {directory}: there is no {directory}/inventory.db")
    );
}

#[tokio::test]
async fn a_file_that_is_missing_is_named() {
    let shop = Shop::open().await;
    let sources =
        Sources { orders: Location::File(shop.directory.path().join("elsewhere.db")), ..shop.sources() };
    let error = read(&sources, &shop.world).await.unwrap_err().to_string();
    assert!(error.ends_with("/elsewhere.db"), "{error}");
}

#[tokio::test]
async fn a_new_shop_is_sound_while_it_runs_and_after() {
    let shop = Shop::open().await;
    let text = "checkouts completed: 0\ncheckouts failed: 0\ncheckouts running: 0\norders: 0\nunits sold: 0\n\
                money captured: none\nno violations\n";
    assert_eq!(shop.audit(Duration::ZERO).await.to_string(), text);
    let facts = read(&shop.sources(), &shop.world).await.unwrap();
    assert_eq!(facts.inventory.stock.len(), 5);
    let Shop { directory, log, checkouts, others, .. } = shop;
    log.close().await;
    drop((checkouts, others));
    let report = run(&sources(directory.path()), Duration::ZERO, World::real()).await.unwrap();
    assert_eq!(report.to_string(), text);
}

#[tokio::test]
async fn what_is_on_its_way_is_waited_for() {
    let shop = Shop::open().await;
    shop.fail(1).await;
    let asleep = shop.clock.sleepers();
    let (report, ()) = tokio::join!(shop.audit(Duration::from_secs(10)), async {
        testkit::eventually("the audit to wait", SOON, async || shop.clock.sleepers() > asleep).await;
        shop.relay().await;
        shop.clock.advance(Duration::from_secs(1));
    });
    assert_eq!(report.violations, []);
    assert_eq!(report.checkouts.failed, 1);
    let facts = read(&shop.sources(), &shop.world).await.unwrap();
    assert_eq!(facts.log.ends.iter().map(|end| end.next).collect::<Vec<_>>(), [2]);
    assert_eq!(facts.log.checkout_events[0].event.id, event_of(1));
    assert_eq!(facts.now, shop.world.clock.now());
}

#[tokio::test]
async fn what_does_not_come_is_told_once_patience_is_over() {
    let shop = Shop::open().await;
    shop.fail(1).await;
    let asleep = shop.clock.sleepers();
    let (report, ()) = tokio::join!(shop.audit(Duration::from_secs(10)), async {
        testkit::eventually("the audit to wait", SOON, async || shop.clock.sleepers() > asleep).await;
        shop.clock.advance(Duration::from_secs(10));
    });
    let told: Vec<String> = report.violations.iter().map(ToString::to_string).collect();
    assert_eq!(told, [format!("E2 event {}: is not published in checkout-events yet", event_of(1))]);
}
