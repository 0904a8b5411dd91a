//! Buckets in Redis, for all gateways together.

use std::sync::LazyLock;
use std::time::Duration;

use redis_link::{Link, Script};

use super::{Client, Quota, Standing};

/// Takes one request out of a bucket; what is left in it, and how many microseconds to wait if it was empty.
///
/// A bucket is kept as the moment at which it is full again (the "generic cell rate algorithm"): each request moves
/// that by the time in which one comes back, and none may move it further than an empty bucket needs from now. The
/// time is Redis's own, so that gateways agree on it, in microseconds since 2025: Lua's numbers are exact to a
/// hundredth of one then. A moment beyond what an empty bucket needs was written before the clock was set back, or
/// under wider limits: then the bucket counts as empty.
static TAKE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
         local time, kept = redis.call('TIME'), redis.pcall('GET', KEYS[1])
         local now = (time[1] - 1735689600) * 1000000 + time[2]
         local full = type(kept) == 'string' and tonumber(kept) or now
         full = math.min(math.max(full, now), now + burst * interval) + interval
         local wait = full - burst * interval - now
         if wait > 0.02 then return {0, math.ceil(wait)} end
         redis.call('SET', KEYS[1], string.format('%.17g', full), 'PX', math.ceil((full - now) / 1000))
         return {math.floor(0.02 - wait / interval), 0}",
    )
});

/// Buckets shared by all that use the same Redis.
pub(super) struct Shared {
    link: Link,
    quota: Quota,
}

impl Shared {
    pub(super) fn new(link: Link, quota: Quota) -> Self {
        Self { link, quota }
    }

    /// Takes one request out of the client's bucket. `None` if Redis did not say.
    pub(super) async fn take(&self, client: Client) -> Option<Standing> {
        let Quota { name, interval, burst } = self.quota;
        let key = key(name, client);
        let microseconds = interval.as_secs_f64() * 1_000_000.0;
        let take = |_: &str| {
            let mut call = TAKE.prepare_invoke();
            call.key(key).arg(microseconds).arg(burst.get());
            call
        };
        let (left, wait): (u32, u64) = self.link.run(take).await.ok()?;
        Some(Standing { left, wait: (wait > 0).then(|| Duration::from_micros(wait)) })
    }

    pub(super) async fn close(&self) {
        self.link.close().await;
    }
}

/// A prefix and a number or an address, whatever the client says.
fn key(quota: &str, client: Client) -> String {
    match client {
        Client::User(user) => format!("oxcart:limit:{quota}:user:{}", user.get()),
        Client::At(address) => format!("oxcart:limit:{quota}:at:{address}"),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Instant;

    use futures::future::join_all;
    use platform::config::Server;
    use testkit::{Redis, eventually};
    use types::UserId;

    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    async fn shared(redis: &Redis, rps: u32, burst: u32) -> Shared {
        let link = Link::open(&Server { url: redis.url(), variable: "REDIS_URL".to_owned() }).unwrap();
        link.up().await;
        let interval = Duration::from_secs(1) / rps;
        Shared::new(link, Quota { name: "read", interval, burst: NonZeroU32::new(burst).unwrap() })
    }

    fn user(id: i64) -> Client {
        Client::User(UserId::try_from(id).unwrap())
    }

    #[test]
    fn q3_keys_are_a_prefix_and_a_number_or_an_address() {
        assert_eq!(key("read", user(7)), "oxcart:limit:read:user:7");
        assert_eq!(
            key("write", Client::at("::ffff:10.0.0.1".parse().unwrap())),
            "oxcart:limit:write:at:10.0.0.1"
        );
        assert_eq!(
            key("read", Client::at("2001:db8::1".parse().unwrap())),
            "oxcart:limit:read:at:2001:db8::"
        );
    }

    #[tokio::test]
    async fn a_bucket_empties_and_fills_and_is_forgotten() {
        let Some(redis) = Redis::start() else { return };
        let limits = shared(&redis, 2, 3).await;
        for id in 1.. {
            let asked = Instant::now();
            let mut answers = Vec::new();
            for _ in 0..4 {
                answers.push(limits.take(user(id)).await);
            }
            if asked.elapsed() > Duration::from_millis(400) {
                // The machine is too loaded for a bucket to be seen empty.
                continue;
            }
            let Some(answers) = answers.into_iter().collect::<Option<Vec<_>>>() else { continue };
            assert_eq!(answers.iter().map(|answer| answer.left).collect::<Vec<_>>(), [2, 1, 0, 0]);
            assert!(answers[..3].iter().all(|answer| answer.wait.is_none()), "{answers:?}");
            let wait = answers[3].wait.unwrap();
            assert!(wait > Duration::ZERO && wait <= Duration::from_millis(500), "{wait:?}");
            let fits = async || limits.take(user(id)).await.is_some_and(|standing| standing.wait.is_none());
            eventually("one fits again", SOON, fits).await;
            eventually("the bucket is forgotten", SOON, async || redis.ask("DBSIZE") == ":0\r\n").await;
            break;
        }
        limits.close().await;
    }

    #[tokio::test]
    async fn several_together_let_through_the_burst_and_what_comes_back() {
        let Some(redis) = Redis::start() else { return };
        let limits = [shared(&redis, 50, 10).await, shared(&redis, 50, 10).await];
        for id in 1.. {
            let (mut through, asked) = (0, Instant::now());
            let mut known = true;
            while asked.elapsed() < Duration::from_secs(1) {
                let answers = join_all((0..8).map(|turn| limits[turn % 2].take(user(id)))).await;
                known &= answers.iter().all(Option::is_some);
                through += answers.iter().flatten().filter(|standing| standing.wait.is_none()).count();
            }
            if known {
                let most = 10.0 + 50.0 * asked.elapsed().as_secs_f64();
                let through = through as f64;
                assert!(through <= most + 1.0 && through >= most - 6.0, "{through} of {most}");
                break;
            }
        }
        join_all(limits.iter().map(Shared::close)).await;
    }

    #[tokio::test]
    async fn rates_that_do_not_divide_a_second_are_kept() {
        let Some(redis) = Redis::start() else { return };
        for rps in [3, 7, 300_000, 1_000_000] {
            let limits = shared(&redis, rps, 1_000_000).await;
            let first = limits.take(user(i64::from(rps))).await;
            assert!(first.is_none_or(|first| (first.left, first.wait) == (999_999, None)), "{first:?}");
            limits.close().await;
        }
    }

    #[tokio::test]
    async fn a_bucket_that_makes_no_sense_locks_nobody_out() {
        let Some(redis) = Redis::start() else { return };
        let limits = shared(&redis, 1, 5).await;
        let take = async |id| eventually("an answer", SOON, async || limits.take(user(id)).await).await;
        for (id, nonsense) in
            [(1, "SET oxcart:limit:read:user:1 nonsense"), (2, "RPUSH oxcart:limit:read:user:2 a")]
        {
            redis.ask(nonsense);
            assert!(take(id).await.wait.is_none());
        }
        // The clock of Redis was set back by a century.
        redis.ask("SET oxcart:limit:read:user:3 3e15");
        let wait = take(3).await.wait.unwrap();
        assert!(wait <= Duration::from_secs(1), "{wait:?}");
        limits.close().await;
    }
}
