//! Many buyers at once on a shop whose programs are killed, stopped and frozen at moments that a seed decides.
//!
//! What is in these tests is the short form. `OXCART_KILLS`, `OXCART_CHECKOUTS` and `OXCART_SEED` make it as long as
//! wanted; CONTRIBUTING.md has the commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use oxcart::audit::Status;
use platform::World;
use platform::clock::Clock;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use rustix::process::Signal;
use testkit::TempDir;

use crate::buyers::Buyer;
use crate::harness::Shop;

/// Buyers at once.
const BUYERS: i64 = 40;

/// Kills between two audits.
const KILLS_PER_AUDIT: usize = 200;

/// Kills on engines before the next shop begins, on databases of its own: what stands in for MongoDB gets slower with
/// each change, and after some thousand purchases it can't keep up with the buyers.
const KILLS_PER_ROUND: usize = 50;

/// Longer than the lease of a checkout: who wakes up after it has lost what he was working on.
const FROZEN_FOR: Duration = Duration::from_millis(6_500);

/// How much is to be done.
#[derive(Debug, Clone, Copy)]
struct Plan {
    kills: usize,
    checkouts: usize,
    seed: u64,
    /// Between two faults at most.
    pause: Duration,
}

impl Plan {
    /// As the environment says, else this much.
    fn or(kills: usize, checkouts: usize, pause: Duration) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        let count = |name: &str, short: usize| number(name).map_or(short, |it| usize::try_from(it).unwrap());
        Self {
            kills: count("OXCART_KILLS", kills),
            checkouts: count("OXCART_CHECKOUTS", checkouts),
            seed: number("OXCART_SEED").unwrap_or_else(rand::random),
            pause,
        }
    }

    /// A part of it, in percent.
    fn part(self, percent: usize) -> Self {
        let part = |all: usize| (all * percent).div_ceil(100);
        Self { kills: part(self.kills), checkouts: part(self.checkouts), ..self }
    }
}

/// On embedded stores: the whole shop as one process, then as seven.
#[tokio::test(flavor = "multi_thread")]
async fn embedded() {
    let plan = Plan::or(30, 900, Duration::from_millis(1_000));
    let dir = Arc::new(TempDir::new().unwrap());
    run("one process", Shop::oxcart(dir, &[]).await, plan.part(60)).await;
    let bursts = Plan { pause: Duration::from_millis(1_500), ..plan.part(40) };
    run("seven processes", Shop::programs().await, bursts).await;
}

/// On the real engines, with two instances each of checkout, orders and cart.
#[tokio::test(flavor = "multi_thread")]
async fn on_engines() {
    let plan = Plan::or(8, 200, Duration::from_secs(4));
    let rounds = plan.kills.div_ceil(KILLS_PER_ROUND);
    for round in 0..rounds {
        let Some(shop) = Shop::on_engines().await else { return };
        let seed = plan.seed.wrapping_add(u64::try_from(round).unwrap());
        let plan = Plan { seed, ..plan.part(100_usize.div_ceil(rounds)) };
        run("ten processes on engines", shop, plan).await;
    }
}

async fn run(what: &str, mut shop: Shop, plan: Plan) {
    let clock = World::real().clock;
    let began = clock.now();
    let product = shop.admin().stock_new("Bell", 1_000_000).await;
    let scarce = shop.admin().stock_new("Gong", i64::try_from(plan.checkouts / 40).unwrap()).await;
    let (taken, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let buyers = (1..=BUYERS).map(|user| {
        let buyer = Buyer::new(shop.user(user), user);
        buys(buyer, (product, scarce), plan, &taken, &killed)
    });
    let buying = futures::future::join_all(buyers.collect::<Vec<_>>());
    let striking = async {
        let mut frozen = 0;
        let mut chance = StdRng::seed_from_u64(plan.seed);
        while killed.load(Ordering::Relaxed) < plan.kills {
            if strike(&mut shop, &mut chance, clock.as_ref()).await == Fault::Freeze {
                frozen += 1;
                continue;
            }
            let kills = killed.fetch_add(1, Ordering::Relaxed) + 1;
            if kills.is_multiple_of(KILLS_PER_AUDIT) {
                shop.audit().await;
                let checkouts = taken.load(Ordering::Relaxed);
                println!("{what}: {kills} kills, {checkouts} checkouts, no violations so far");
            }
            clock.sleep(plan.pause.mul_f64(chance.random_range(0.2..1.0))).await;
        }
        frozen
    };
    let (ended, frozen) = tokio::join!(buying, striking);
    let ended: usize = ended.iter().sum();
    let replies = shop.told().acknowledged.len();
    let report = shop.audit().await;
    assert_eq!(report.checkouts.running, 0, "{report}");
    assert_eq!(report.checkouts.completed + report.checkouts.failed, ended, "{report}");
    assert_eq!(report.orders, report.checkouts.completed, "{report}");
    let figures = format!(
        "kills: {}, freezes: {frozen}, checkouts: {ended} ({} completed, {} failed), replies: {replies}, violations: 0, seed: {}, \
         seconds: {}",
        plan.kills,
        report.checkouts.completed,
        report.checkouts.failed,
        plan.seed,
        clock.now().since(began).as_secs()
    );
    testkit::figures::tell(&format!("killed at random, {what}"), figures);
    shop.stop().await;
}

/// Buys again and again, until so many checkouts were begun by all and the last kill is over; how often.
async fn buys(
    buyer: Buyer,
    (product, scarce): (i64, i64),
    plan: Plan,
    taken: &AtomicUsize,
    killed: &AtomicUsize,
) -> usize {
    let mut bought = 0;
    let mut scarce_is_over = false;
    loop {
        let number = taken.fetch_add(1, Ordering::Relaxed);
        if number >= plan.checkouts && killed.load(Ordering::Relaxed) >= plan.kills {
            return bought;
        }
        let method = match number % 20 {
            3 => "pm_card_chargeDeclined",
            7 => "pm_sim_lost_reply",
            11 => "pm_sim_unavailable",
            15 => "pm_sim_slow",
            _ => "pm_card_visa",
        };
        let wanted = if number % 20 == 5 && !scarce_is_over { scarce } else { product };
        buyer.fill(wanted).await;
        let status = buyer.buy(&format!("{}-{number}", plan.seed), method).await;
        bought += 1;
        if wanted == scarce && status == Status::Failed {
            // It stays in the cart, and would keep everything else from being bought.
            buyer.empty().await;
            scarce_is_over = true;
        }
    }
}

/// What was done to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// It died, at once or in the middle of its good-bye.
    Kill,
    /// It stood still for longer than its lease.
    Freeze,
}

/// Does something bad to one of the programs, and has it running again.
async fn strike(shop: &mut Shop, chance: &mut StdRng, clock: &dyn Clock) -> Fault {
    let place = chance.random_range(0..shop.programs_count());
    match chance.random_range(0..100) {
        0..80 => {
            shop.signal(place, Signal::KILL);
            again(shop, place).await;
            Fault::Kill
        }
        80..92 => {
            shop.signal(place, Signal::TERM);
            // In the middle of its good-bye, sometimes.
            clock.sleep(Duration::from_millis(chance.random_range(0..300))).await;
            shop.signal(place, Signal::KILL);
            again(shop, place).await;
            Fault::Kill
        }
        _ => {
            shop.signal(place, Signal::STOP);
            clock.sleep(FROZEN_FOR).await;
            shop.signal(place, Signal::CONT);
            Fault::Freeze
        }
    }
}

async fn again(shop: &mut Shop, place: usize) {
    testkit::eventually("the end of a program", Duration::from_secs(10), async || shop.has_ended(place))
        .await;
    shop.start_again(place);
}
