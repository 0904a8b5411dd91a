//! Whatever is refused.

use std::sync::Arc;

use axum::body::Body;
use http::Request;
use platform::World;
use platform::ids::RandomIds;
use tonic::{Code, Status};

use crate::contract::CONTRACT;
use crate::envelope::Broken;
use crate::fake::Fake;
use crate::policies::path;
use crate::shop::{Answer, Shop, ask, gateway, settings};

/// What no client is told: statements, addresses, files, what libraries say.
const INSIDE: [&str; 8] =
    ["SELECT", "10.0.0.7", "/var/", ".rs:", "panicked", "serde", "the clock at", "connection refused"];

const NONSENSE: [&str; 9] = [
    "",
    "?",
    "?page_size=-1&page_size=x",
    "?a=%ff&b=%00",
    "?q=' OR 1=1 --",
    "/",
    "/..",
    "%2f..%2f",
    "?sort[$ne]=1&status=__proto__",
];

const BODIES: [&str; 8] = [
    "",
    "null",
    "{\"quantity\":1e999}",
    "{\"price\":{\"amount\":\"NaN\",\"currency\":\"\\u0000\"}}",
    "[[[[",
    "{\"\":\"\"}",
    "\u{feff}{}",
    "{\"idempotency_key\":\"k\",\"idempotency_key\":\"k\"}",
];

/// The answer, if it is a refusal: a whole problem that says nothing of the inside.
fn refused(method: &str, path: &str, answer: &Answer) -> bool {
    let refused = answer.status.is_client_error() || answer.status.is_server_error();
    if refused {
        if let Err(error) = CONTRACT.is_problem(answer) {
            panic!("{method} {path}: {error}");
        }
        let problem = answer.json();
        let code = problem["code"].as_str().unwrap();
        answer.problem(answer.status.as_u16(), code);
        let told = problem.to_string();
        let leaked: Vec<_> = INSIDE.into_iter().filter(|word| told.contains(word)).collect();
        assert!(leaked.is_empty(), "{method} {path} tells {leaked:?}: {told}");
    }
    refused
}

#[tokio::test]
async fn e1_whatever_is_refused_is_a_problem_document() {
    let shop = Shop::open().await;
    let bad_news = Status::new(Code::Unknown, "SELECT * FROM /var/db at 10.0.0.7: connection refused");
    shop.services.outage(Some(bad_news));
    let mut refusals = 0;
    for (method, template, _) in CONTRACT.operations() {
        for nonsense in NONSENSE {
            let path = format!("{}{}", path(&template), nonsense.replace(' ', "%20"));
            for body in BODIES {
                let json = [("content-type", "application/json"), ("if-match", "nonsense")];
                let answer = shop.exchange(ask(&method, &path, &json, body)).await;
                refusals += usize::from(refused(&method, &path, &answer));
            }
        }
        for other in ["PATCH", "TRACE", "CONNECT", "OPTIONS", "PROPFIND", "get"] {
            let answer = shop.exchange(ask(other, &path(&template), &[], "")).await;
            refusals += usize::from(refused(other, &template, &answer));
        }
        let large = Request::builder().method(method.as_str()).uri(path(&template));
        let large = large.header("content-type", "application/json");
        let answer = shop.exchange(large.body(Body::from(vec![b' '; 1 << 20])).unwrap()).await;
        refusals += usize::from(refused(&method, &template, &answer));
    }
    assert!(refusals > 1000, "{refusals} refusals");
}

#[tokio::test]
async fn e1_a_panic_is_a_problem_document_on_every_route() {
    let world = World { clock: Arc::new(Broken), ids: Arc::new(RandomIds), ..World::real() };
    let services = Fake::default();
    let router = gateway(settings(), &services, world).await.router();
    let shop = Shop { router, services, clock: testkit::world().1 };
    let mut panics = 0;
    for (method, template, _) in CONTRACT.operations() {
        let answer =
            shop.exchange(ask(&method, &path(&template), &[("authorization", "Bearer x")], "")).await;
        refused(&method, &template, &answer);
        panics += usize::from(answer.status == 500);
    }
    assert_eq!(panics, CONTRACT.operations().len() - 3, "probes look at no token");
}
