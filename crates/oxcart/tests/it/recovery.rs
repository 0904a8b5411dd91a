//! What becomes of the checkouts of an instance that dies, or stands still for longer than its lease.

use std::collections::HashMap;
use std::time::Duration;

use checkout_service::checkout::Checkout;
use checkout_service::store::{self, Store};
use oxcart::audit::Status;
use platform::World;
use platform::clock::Clock;
use rustix::process::Signal;
use types::CheckoutId;

use crate::buyers::Buyer;
use crate::harness::Shop;

/// Who has a purchase under way when it happens.
const BUYERS: i64 = 40;

/// Twice what is promised, which the figures printed are to be held against: a busy machine is no broken promise.
const PATIENCE: Duration = Duration::from_secs(60);

/// Beyond the lease of five seconds.
const FROZEN_FOR: Duration = Duration::from_millis(6_500);

/// The one instance is killed and started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_service_that_is_killed_goes_on_where_it_was() {
    let shop = Shop::programs().await;
    lose_an_instance(shop, "embedded, started again", Loss::KilledAndStarted).await;
}

/// One of two instances is killed, and stays away.
#[tokio::test(flavor = "multi_thread")]
async fn another_instance_goes_on_for_one_that_is_killed() {
    let Some(shop) = Shop::on_engines().await else { return };
    lose_an_instance(shop, "on engines, not started again", Loss::Killed).await;
}

/// One of two instances stands still while the other one takes its checkouts over, and then wants to go on. What
/// both had in hand was done once.
#[tokio::test(flavor = "multi_thread")]
async fn two_instances_never_both_act() {
    let Some(shop) = Shop::on_engines().await else { return };
    lose_an_instance(shop, "on engines, frozen beyond the lease", Loss::Frozen).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    KilledAndStarted,
    Killed,
    Frozen,
}

async fn lose_an_instance(mut shop: Shop, how: &str, loss: Loss) {
    let clock = World::real().clock;
    let checkouts = shop.settings().sources().unwrap().checkout;
    let store = store::open_read_only(&checkouts, &World::real()).await.unwrap();
    let product = shop.admin().stock_new("Clock", 10_000).await;
    let buyers: Vec<Buyer> = (1..=BUYERS).map(|n| Buyer::new(shop.user(n), n)).collect();
    futures::future::join_all(buyers.iter().map(|buyer| buyer.fill(product))).await;
    let purchases = futures::future::join_all(buyers.iter().map(|buyer| buyer.buy("slow", "pm_sim_slow")));
    let lost = async {
        let all_begun = async || unfinished(store.as_ref()).await.len() >= buyers.len() / 2;
        testkit::eventually("purchases under way", Duration::from_secs(30), all_begun).await;
        let place = shop.place_of("checkout-service");
        shop.signal(place, if loss == Loss::Frozen { Signal::STOP } else { Signal::KILL });
        let began = clock.now();
        if loss == Loss::KilledAndStarted {
            ended(&mut shop, place).await;
            shop.start_again(place);
        }
        let left = unfinished(store.as_ref()).await;
        let waking = async {
            if loss == Loss::Frozen {
                clock.sleep(FROZEN_FOR).await;
                shop.signal(place, Signal::CONT);
            }
        };
        let (figures, ()) = tokio::join!(watch(store.as_ref(), &left, clock.as_ref()), waking);
        let since = |moment: types::Timestamp| moment.since(began);
        let (claimed, ended_after) = (since(figures.claimed), since(figures.ended));
        let told = format!(
            "{} unfinished, {} taken over, all claimed after {} ms, all ended after {} ms",
            left.len(),
            figures.taken_over,
            claimed.as_millis(),
            ended_after.as_millis()
        );
        testkit::figures::tell(&format!("recovery, {how}"), told);
        assert!(figures.taken_over > 0, "there was nothing to take over");
        if loss == Loss::Killed {
            ended(&mut shop, place).await;
            shop.start_again(place);
        }
    };
    let (ends, ()) = tokio::join!(purchases, lost);
    assert!(ends.iter().all(|end| *end == Status::Completed), "{ends:?}");
    let report = shop.audit().await;
    assert_eq!((report.checkouts.completed, report.checkouts.failed), (buyers.len(), 0), "{report}");
    shop.stop().await;
}

async fn ended(shop: &mut Shop, place: usize) {
    testkit::eventually("the end of a program", Duration::from_secs(10), async || shop.has_ended(place))
        .await;
}

struct Figures {
    claimed: types::Timestamp,
    ended: types::Timestamp,
    taken_over: usize,
}

/// When each of these is in new hands or has ended, and when all have ended.
async fn watch(store: &dyn Store, left: &HashMap<CheckoutId, Checkout>, clock: &dyn Clock) -> Figures {
    let now = async || {
        let all = store.snapshot().await.unwrap().checkouts;
        all.into_iter().filter(|it| left.contains_key(&it.id)).collect::<Vec<_>>()
    };
    let is_taken_over = |it: &Checkout| left.get(&it.id).is_some_and(|before| it.fence > before.fence);
    testkit::eventually("the takeover", PATIENCE, async || {
        now().await.iter().all(|it| is_taken_over(it) || it.state.is_terminal())
    })
    .await;
    let claimed = clock.now();
    testkit::eventually("the end of all", PATIENCE, async || {
        now().await.iter().all(|it| it.state.is_terminal())
    })
    .await;
    let ended = clock.now();
    Figures { claimed, ended, taken_over: now().await.iter().filter(|it| is_taken_over(it)).count() }
}

async fn unfinished(store: &dyn Store) -> HashMap<CheckoutId, Checkout> {
    let all = store.snapshot().await.unwrap().checkouts;
    all.into_iter().filter(|it| !it.state.is_terminal()).map(|it| (it.id, it)).collect()
}
