//! What is seen of checkouts from outside: metrics, log lines, timelines.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platform::World;
use platform::metrics::Metrics;
use proto::checkout::{CheckoutStatus, InitiateCheckoutRequest};
use testkit::ManualClock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata};

use crate::crashes::{after_restart, ends_as, kill_at};
use crate::faults::Fault;
use crate::shop::{Around, Shop, declined, request};

/// What is logged of checkouts in this process.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// How many are like this one.
    fn like(&self, wanted: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| *line == wanted).count()
    }
}

impl tracing::Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("checkout_service::saga") && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.0.push_str(&format!(" {value:?}")),
            name => self.0.push_str(&format!(" {name}={value:?}")),
        }
    }
}

/// The value of a series, such as `oxcart_checkouts_stuck`.
fn value(world: &World, series: &str) -> f64 {
    let text = world.metrics.text();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in {text}")).parse().unwrap()
}

/// Moves the clock until it is so.
async fn wait(clock: &ManualClock, what: &str, is_so: impl Fn() -> bool) {
    testkit::eventually(what, Duration::from_secs(20), async || {
        clock.advance(Duration::from_millis(500));
        is_so()
    })
    .await;
}

/// What the log says of a capture that never answers.
fn stuck(id: &str) -> String {
    let capturing = "state=\"CAPTURING\" attempts=20";
    format!("ERROR checkout is stuck, it is tried on checkout_id={id} {capturing}")
}

fn hasty(request: InitiateCheckoutRequest) -> InitiateCheckoutRequest {
    InitiateCheckoutRequest { wait_ms: Some(0), ..request }
}

async fn begin(shop: &Shop, request: InitiateCheckoutRequest) -> String {
    shop.buy(hasty(request)).await.unwrap().checkout.unwrap().checkout_id
}

#[test]
fn a_checkout_whose_payment_never_answers_is_seen_to_be_stuck_until_it_does() {
    let lines = Lines::default();
    // A subscriber of this thread alone misses lines whose place in the code another thread came to first.
    tracing::subscriber::set_global_default(lines.clone()).unwrap();
    let (world, clock) = testkit::world();
    let around = Around::new(9, world.clone());
    around.payment.faults.plan("capture", &[Fault::Lost; 1000]);
    let id = after_restart(&around, async |shop| {
        let id = begin(shop, request(1, "a")).await;
        wait(&clock, "a stuck checkout", || value(&world, "oxcart_checkouts_stuck") == 1.0).await;
        assert_eq!(value(&world, "oxcart_checkouts_unfinished{state=\"CAPTURING\"}"), 1.0);
        // A step is told of after it was written.
        let retries = || value(&world, "oxcart_checkout_retries_total{state=\"CAPTURING\"}");
        wait(&clock, "the retries are counted", || retries() >= 20.0).await;
        wait(&clock, "it is said", || lines.like(&stuck(&id)) > 0).await;
        id
    });
    assert_eq!(value(&world, "oxcart_checkout_retries_total{state=\"RESERVING\"}"), 0.0);
    // Other tests have the same ids, and are stuck elsewhere.
    assert_eq!(lines.like(&stuck(&id)), 1, "said once");

    // A restart forgets what was counted, not what is stuck.
    let world = World { metrics: Metrics::default(), ..world };
    let around = Around { world: world.clone(), ..around };
    after_restart(&around, async |shop| {
        let is_stuck = || world.metrics.text().contains("\noxcart_checkouts_stuck 1\n");
        wait(&clock, "the stuck checkout again", is_stuck).await;
        around.payment.faults.heal("capture");
        wait(&clock, "none", || value(&world, "oxcart_checkouts_stuck") == 0.0).await;
        let done = shop.end(&id).await;
        assert_eq!(done.status(), CheckoutStatus::Completed);
        wait(&clock, "no backlog", || {
            value(&world, "oxcart_checkouts_unfinished{state=\"CAPTURING\"}") == 0.0
        })
        .await;
        let ended = || value(&world, "oxcart_checkouts_ended_total{end=\"completed\"}");
        wait(&clock, "the end is counted", || ended() == 1.0).await;
        let attempts = done.timeline.iter().map(|entry| (entry.state.as_str(), entry.attempt));
        let attempts: Vec<_> = attempts.filter(|(_, attempt)| *attempt > 1).collect();
        assert!(matches!(attempts.as_slice(), [("CAPTURING", 21..)]), "{attempts:?}");
        around.check(9, &shop.log).await;
    });
}

#[tokio::test]
async fn a_decline_and_a_retry_are_counted_and_in_the_timeline() {
    let (world, clock) = testkit::world();
    let shop = Around::new(9, world.clone()).start().await;
    shop.around.inventory.faults.plan("reserve", &[Fault::Lost, Fault::ReplyLost]);
    let id = begin(&shop, declined(1, "a")).await;
    wait(&clock, "the third attempt", || shop.around.inventory.faults.calls("reserve") == 3).await;
    let failed = shop.end(&id).await;
    let seen =
        failed.timeline.iter().map(|entry| (entry.state.as_str(), entry.attempt, entry.outcome.as_str()));
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [("RESERVING", 3, "ok"), ("AUTHORIZING", 1, "no"), ("RELEASING", 1, "ok"), ("FAILED", 0, "")]
    );
    // An end is told of after it was written.
    let ended = || value(&world, "oxcart_checkouts_ended_total{end=\"failed\"}");
    wait(&clock, "the end is counted", || ended() == 1.0).await;
    for (series, wanted) in [
        ("oxcart_checkout_retries_total{state=\"RESERVING\"}", 2.0),
        ("oxcart_checkout_retries_total{state=\"AUTHORIZING\"}", 0.0),
        ("oxcart_checkout_compensations_total{code=\"payment_declined\"}", 1.0),
        ("oxcart_checkout_compensations_total{code=\"insufficient_stock\"}", 0.0),
        ("oxcart_checkouts_ended_total{end=\"completed\"}", 0.0),
        ("oxcart_checkout_takeovers_total", 0.0),
    ] {
        assert_eq!(value(&world, series), wanted, "{series}");
    }
    shop.stop().await;
}

#[test]
fn a_checkout_that_a_dead_process_left_is_counted_as_taken_over() {
    let world = World { metrics: Metrics::default(), ..World::real() };
    let around = Around::new(9, world.clone());
    kill_at(&around, "confirm", Fault::Hang, request(1, "a"));
    assert_eq!(value(&world, "oxcart_checkout_takeovers_total"), 0.0);
    ends_as(&around, CheckoutStatus::Completed, request(1, "a"), "taken over");
    assert_eq!(value(&world, "oxcart_checkout_takeovers_total"), 1.0);
}
