use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};

use platform::World;
use platform::config::Server;
use testkit::eventually;

use super::*;
use crate::fixtures::{cart, user};

const SOON: Duration = Duration::from_secs(10);

/// A cache on a Redis of its own.
async fn cache(redis: &testkit::Redis) -> Redis {
    let server = Server { url: redis.url(), variable: "REDIS_URL".to_owned() };
    let cache = Redis::new(Link::open(&server).unwrap(), World::real().ids);
    cache.shared.link.up().await;
    cache
}

/// Asks until there is an answer: on a loaded machine one may come too late.
async fn sure<A>(cache: &Redis, mut ask: impl AsyncFnMut() -> Result<A, Error>) -> A {
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(Error::Down) => cache.shared.link.up().await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

fn version(owner: UserId, version: i64) -> Cart {
    Cart { version: Version(version), user: owner, ..cart(1, &[(1, 1)]) }
}

/// What lies in Redis, untouched.
async fn peek(cache: &Redis, user: UserId) -> Option<Entry> {
    let get = Script::new("return redis.call('GET', KEYS[1])");
    let found: Option<Vec<u8>> = sure(cache, async || cache.shared.run(&get, user, |_| {}).await).await;
    found.map(|found| Entry::of(user, found))
}

async fn look(cache: &Redis, user: UserId) -> Entry {
    sure(cache, async || cache.shared.look(user).await).await
}

async fn expect(cache: &Redis, user: UserId, version: i64) {
    sure(cache, async || cache.shared.expect(user, Version(version)).await).await;
}

async fn lease(cache: &Redis, user: UserId) -> Vec<u8> {
    match look(cache, user).await {
        Entry::Lease(lease) => lease,
        other => panic!("{other:?}"),
    }
}

/// What somebody does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Look(usize),
    Load(usize),
    Fill(usize),
    Find(usize),
    Expect(usize),
    Store(usize),
    Put(usize),
    /// The announcement of the first change, given up as late, is carried out after all.
    Late,
    /// The entry is evicted, expires, or is flushed.
    Lose,
}

const fn reader(who: usize) -> [Step; 3] {
    [Step::Look(who), Step::Load(who), Step::Fill(who)]
}

const fn writer(who: usize) -> [Step; 4] {
    [Step::Find(who), Step::Expect(who), Step::Store(who), Step::Put(who)]
}

/// A user's cart in the store, and what each of those at work on it knows.
struct Scene<'a> {
    cache: &'a Redis,
    user: UserId,
    stored: i64,
    /// What was answered to somebody.
    answered: i64,
    /// From which version on they may fill what they found.
    leases: [Option<(i64, Vec<u8>)>; 2],
    loaded: [i64; 2],
    found: [i64; 2],
    won: [bool; 2],
}

impl Scene<'_> {
    async fn play(&mut self, step: Step) {
        let (cache, user) = (self.cache, self.user);
        match step {
            Step::Look(who) => {
                self.leases[who] = match look(cache, user).await {
                    Entry::Lease(lease) => Some((0, lease)),
                    Entry::Expected(version, expected) => Some((version.0, expected)),
                    Entry::Cart(_) | Entry::Unreadable => None,
                }
            }
            Step::Load(who) => self.loaded[who] = self.stored,
            Step::Fill(who) => {
                if let Some((least, lease)) = &self.leases[who]
                    && self.loaded[who] >= *least
                {
                    cache.shared.fill(user, lease, Some(&version(user, self.loaded[who]))).await;
                }
            }
            Step::Find(who) => self.found[who] = self.stored,
            Step::Expect(who) => expect(cache, user, self.found[who] + 1).await,
            Step::Store(who) => {
                self.won[who] = self.stored == self.found[who];
                self.stored += i64::from(self.won[who]);
            }
            Step::Put(who) => {
                if self.won[who] {
                    cache.shared.put(&version(user, self.found[who] + 1)).await;
                    self.answered = self.answered.max(self.found[who] + 1);
                }
            }
            Step::Late => expect(cache, user, 2).await,
            Step::Lose => {
                let lose = Script::new("return redis.call('DEL', KEYS[1])");
                let _: i64 = sure(cache, async || cache.shared.run(&lose, user, |_| {}).await).await;
            }
        }
    }

    async fn shows(&self) -> Option<i64> {
        match peek(self.cache, self.user).await {
            Some(Entry::Cart(cart)) => Some(cart.unwrap().version.0),
            Some(Entry::Expected(..) | Entry::Lease(_)) | None => None,
            Some(Entry::Unreadable) => panic!("unreadable"),
        }
    }
}

/// Plays these orders, each with a user of its own. At no moment is shown what is older than what was answered, and
/// what is shown in the end is what is stored.
async fn play(cache: &Redis, orders: impl IntoIterator<Item = Vec<Step>>) -> usize {
    static USERS: AtomicI64 = AtomicI64::new(1);
    let play = async |order: Vec<Step>| {
        let user = user(USERS.fetch_add(1, Ordering::Relaxed));
        let (leases, loaded, found, won) = ([None, None], [0; 2], [0; 2], [false; 2]);
        let mut scene = Scene { cache, user, stored: 1, answered: 1, leases, loaded, found, won };
        for step in &order {
            scene.play(*step).await;
            let shown = scene.shows().await;
            assert!(
                shown.is_none_or(|shown| shown >= scene.answered),
                "{shown:?} after {step:?} in {order:?}"
            );
        }
        let shown = scene.shows().await;
        assert!(shown.is_none_or(|shown| shown == scene.stored), "{shown:?} in the end of {order:?}");
        usize::from(shown.is_some())
    };
    let shown = futures::stream::iter(orders).map(play).buffer_unordered(16).collect::<Vec<_>>().await;
    shown.into_iter().sum()
}

/// Every order in which these can act, each in their own order.
fn orders(actors: &[&[Step]]) -> Vec<Vec<Step>> {
    fn go(left: &mut [VecDeque<Step>], so_far: &mut Vec<Step>, all: &mut Vec<Vec<Step>>) {
        let mut done = true;
        for actor in 0..left.len() {
            if let Some(step) = left[actor].pop_front() {
                done = false;
                so_far.push(step);
                go(left, so_far, all);
                so_far.pop();
                left[actor].push_front(step);
            }
        }
        if done {
            all.push(so_far.clone());
        }
    }
    let mut left: Vec<VecDeque<Step>> = actors.iter().map(|actor| actor.iter().copied().collect()).collect();
    let mut all = Vec::new();
    go(&mut left, &mut Vec::new(), &mut all);
    all
}

#[tokio::test]
async fn in_no_order_is_an_older_cart_shown() {
    let Some(redis) = testkit::Redis::start() else { return };
    let cache = cache(&redis).await;
    let two_readers = orders(&[&reader(0), &reader(1), &writer(0)]);
    assert_eq!(two_readers.len(), 4200);
    assert!(play(&cache, two_readers).await > 0, "something was kept");
    play(&cache, orders(&[&reader(0), &writer(0), &[Step::Late]])).await;
    play(&cache, orders(&[&reader(0), &writer(0), &[Step::Lose], &[Step::Lose]])).await;
    // A few of the 11,550.
    let two_writers = orders(&[&reader(0), &writer(0), &writer(1)]);
    play(&cache, two_writers.into_iter().step_by(5)).await;
    cache.close().await;
}

#[tokio::test]
async fn a_writer_that_dies_leaves_no_older_cart_behind() {
    let Some(redis) = testkit::Redis::start() else { return };
    let cache = cache(&redis).await;
    for alive in 0..4 {
        play(&cache, orders(&[&reader(0), &reader(1), &writer(0)[..alive]])).await;
    }
    cache.close().await;
}

#[tokio::test]
async fn what_was_begun_in_one_epoch_counts_for_nothing_in_the_next() {
    let Some(redis) = testkit::Redis::start() else { return };
    let cache = cache(&redis).await;
    let shared = &cache.shared;
    let renew = async || {
        let renew = async || shared.run_for(&scripts::RENEW, scripts::EPOCH, |_| {}).await;
        let _: String = sure(&cache, renew).await;
    };
    // A lease,
    let before = lease(&cache, user(1)).await;
    renew().await;
    shared.fill(user(1), &before, Some(&version(user(1), 1))).await;
    let after = lease(&cache, user(1)).await;
    assert_ne!(before, after);
    // a cart,
    shared.fill(user(1), &after, Some(&version(user(1), 1))).await;
    assert!(matches!(look(&cache, user(1)).await, Entry::Cart(Some(_))));
    renew().await;
    let leased = lease(&cache, user(1)).await;
    // and what was expected.
    expect(&cache, user(1), 2).await;
    shared.fill(user(1), &leased, Some(&version(user(1), 1))).await;
    assert!(matches!(look(&cache, user(1)).await, Entry::Expected(Version(2), _)));
    renew().await;
    shared.put(&version(user(1), 2)).await;
    lease(&cache, user(1)).await;
    cache.close().await;
}

#[tokio::test]
async fn entries_end_by_themselves() {
    let Some(redis) = testkit::Redis::start() else { return };
    let cache = cache(&redis).await;
    let left = || {
        let answer = redis.ask("PTTL oxcart:cart:1");
        Duration::from_millis(answer.trim().trim_start_matches(':').parse().unwrap())
    };
    let leased = lease(&cache, user(1)).await;
    assert!(left() <= LEASE);
    cache.shared.fill(user(1), &leased, None).await;
    assert!(left() > LIFE - SOON && left() <= LIFE + Duration::from_secs(60));
    expect(&cache, user(1), 1).await;
    assert!(left() > EXPECTED - SOON && left() <= EXPECTED);
    cache.close().await;
}

#[tokio::test]
async fn what_can_not_be_read_is_passed_over_and_removed() {
    let Some(redis) = testkit::Redis::start() else { return };
    let cache = cache(&redis).await;
    eventually("redis is believed", SOON, async || cache.shared.believes(user(1))).await;
    let load = || async { Ok::<_, &'static str>(Some(version(user(1), 1))) };
    let read = async || cache.read(user(1), load()).await.unwrap().unwrap().version.0;
    let keys = async |command: &str| redis.ask(&format!("{command} oxcart:cart:1"));
    for garbage in ["SET oxcart:cart:1 garbage", "RPUSH oxcart:cart:1 a list"] {
        keys("DEL").await;
        redis.ask(garbage);
        assert_eq!((read().await, read().await), (1, 1));
        assert!(matches!(peek(&cache, user(1)).await, Some(Entry::Cart(Some(_)))), "replaced");
    }
    // Ours at first sight.
    let epoch = &redis.ask("GETRANGE oxcart:cart:epoch 0 15")[5..21];
    redis.ask(&format!("SET oxcart:cart:1 v{epoch}0000000000000000009{{}}"));
    assert_eq!(read().await, 1);
    assert_eq!(peek(&cache, user(1)).await, None);
    assert_eq!(read().await, 1);
    assert!(matches!(peek(&cache, user(1)).await, Some(Entry::Cart(Some(_)))));
    cache.close().await;
}

#[tokio::test]
async fn readers_that_miss_together_read_the_store_once() {
    let Some(redis) = testkit::Redis::start() else { return };
    let cache = cache(&redis).await;
    eventually("redis is believed", SOON, async || cache.shared.believes(user(1))).await;
    let loads = AtomicI64::new(0);
    let load = || async {
        loads.fetch_add(1, Ordering::Relaxed);
        eventually("all others have looked", SOON, async || looks(&redis) >= 50).await;
        Ok::<Option<Cart>, &'static str>(None)
    };
    let read = futures::future::join_all((0..50).map(|_| cache.read(user(1), load()))).await;
    assert!(read.into_iter().all(|read| read == Ok(None)));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    assert_eq!(
        cache.read(user(1), async { Err("read the store") }).await,
        Ok(None),
        "that too is remembered"
    );
    assert_eq!(cache.read(user(2), async { Err("down") }).await, Err("down"));
    cache.close().await;
}

#[tokio::test]
async fn without_memory_for_more_nothing_older_stays() {
    let Some(redis) = testkit::Redis::start() else { return };
    let cache = cache(&redis).await;
    let leased = lease(&cache, user(1)).await;
    cache.shared.fill(user(1), &leased, Some(&version(user(1), 1))).await;
    redis.ask("CONFIG SET maxmemory 1");
    expect(&cache, user(1), 2).await;
    assert_eq!(peek(&cache, user(1)).await, None);
    assert!(matches!(cache.shared.look(user(1)).await, Err(Error::Refused(_) | Error::Down)));
    cache.close().await;
}

/// How often a script was run.
fn looks(redis: &testkit::Redis) -> u64 {
    let stats = redis.ask("INFO commandstats");
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
    calls.split(',').next().unwrap().parse().unwrap()
}
