use std::sync::LazyLock;
use std::time::{Duration, Instant};

use futures::future::join_all;
use platform::config::Server;
use redis_link::{Error, Link, Script, Standing};
use testkit::{Redis, eventually};

const SOON: Duration = Duration::from_secs(10);

static ECHO: LazyLock<Script> = LazyLock::new(|| Script::new("return ARGV[1]"));

fn link(url: &str) -> Link {
    Link::open(&Server { url: url.to_owned(), variable: "REDIS_URL".to_owned() }).unwrap()
}

async fn echo(link: &Link, text: &str) -> Result<String, Error> {
    link.run(|_| {
        let mut call = ECHO.prepare_invoke();
        call.arg(text);
        call
    })
    .await
}

async fn is_up(link: &Link) -> bool {
    matches!(echo(link, "up").await.as_deref(), Ok("up"))
}

#[tokio::test]
async fn a_url_that_can_not_be_used_is_refused_without_showing_it() {
    for url in ["", "secret", "http://secret@host", "redis://"] {
        let server = Server { url: url.to_owned(), variable: "REDIS_URL".to_owned() };
        let error = Link::open(&server).err().map(|error| error.to_string()).unwrap_or_default();
        let said = "REDIS_URL=*** can't be used: it is no URL of a Redis; \
                    wanted: redis://HOST:PORT or rediss://HOST:PORT";
        assert_eq!(error, said, "{url}");
    }
    link("rediss://user:secret@127.0.0.1:1/2").close().await;
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_no_error_and_costs_no_time() {
    let link = link("redis://127.0.0.1:1");
    let asked = Instant::now();
    for _ in 0..1000 {
        assert!(matches!(echo(&link, "x").await, Err(Error::Down)));
    }
    assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
    link.close().await;
}

#[tokio::test]
async fn many_callers_share_the_connection() {
    let Some(redis) = Redis::start() else { return };
    let link = link(&redis.url());
    link.up().await;
    let texts: Vec<String> = (0..5000).map(|number| number.to_string()).collect();
    let mut said = Vec::new();
    for texts in texts.chunks(500) {
        said.extend(join_all(texts.iter().map(|text| echo(&link, text))).await);
    }
    assert_eq!(said.into_iter().map(Result::unwrap).collect::<Vec<_>>(), texts);
    let connections = redis.ask("CLIENT LIST").lines().filter(|line| line.contains("cmd=eval")).count();
    assert_eq!(connections, 1);
    link.close().await;
    assert!(matches!(echo(&link, "x").await, Err(Error::Down)));
}

#[tokio::test]
async fn a_frozen_redis_costs_a_tenth_of_a_second_once() {
    let Some(redis) = Redis::start() else { return };
    let link = link(&redis.url());
    link.up().await;
    assert!(is_up(&link).await);
    redis.freeze();
    let asked = Instant::now();
    let first = join_all((0..50).map(|_| echo(&link, "x"))).await;
    let waited = asked.elapsed();
    assert!(first.iter().all(|answer| matches!(answer, Err(Error::Down))));
    assert!(waited < Duration::from_millis(250), "{waited:?}");
    let asked = Instant::now();
    for _ in 0..1000 {
        assert!(matches!(echo(&link, "x").await, Err(Error::Down)));
    }
    assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
    redis.thaw();
    eventually("the link is up", SOON, async || is_up(&link).await).await;
}

#[tokio::test]
async fn a_silence_is_noticed_though_nobody_calls() {
    let Some(redis) = Redis::start() else { return };
    let link = link(&redis.url());
    link.up().await;
    redis.freeze();
    let down = async || matches!(link.standing(), Standing::Down(_));
    eventually("the silence is noticed", SOON, down).await;
    redis.thaw();
    link.up().await;
}

#[tokio::test]
async fn a_killed_redis_is_found_again_and_known_to_be_another() {
    let Some(redis) = Redis::start() else { return };
    let link = link(&redis.url());
    link.up().await;
    let server = async || {
        let mut server = String::new();
        let answer: Result<String, Error> = link
            .run(|at| {
                server = at.to_owned();
                ECHO.arg("x")
            })
            .await;
        answer.map(|_| server).ok()
    };
    let first = server().await.unwrap();
    assert_eq!(first.len(), 40);
    redis.kill();
    assert!(matches!(echo(&link, "x").await, Err(Error::Down)));
    redis.restart();
    let second = eventually("the link is up", SOON, server).await;
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_refused_call_does_not_shut_the_link() {
    let Some(redis) = Redis::start() else { return };
    let link = link(&redis.url());
    link.up().await;
    let wrong = Script::new("return redis.call('INCR', KEYS[1], 'nonsense')");
    for _ in 0..3 {
        let answer: Result<i64, Error> = link.run(|_| wrong.key("oxcart:x")).await;
        assert!(matches!(answer, Err(Error::Refused(_))), "{answer:?}");
        assert!(is_up(&link).await);
    }
}

#[tokio::test]
async fn a_redis_that_can_not_keep_anything_is_of_no_use() {
    let Some(redis) = Redis::start() else { return };
    redis.ask("REPLICAOF 127.0.0.1 1");
    let link = link(&redis.url());
    let mut looks = 0;
    eventually("some attempts", SOON, async || {
        assert!(matches!(link.standing(), Standing::Down(_)));
        looks += 1;
        looks == 20
    })
    .await;
    redis.ask("REPLICAOF NO ONE");
    eventually("the link is up", SOON, async || is_up(&link).await).await;
}
