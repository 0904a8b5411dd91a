//! The page at `/docs`.

use std::io::Read as _;

use flate2::read::GzDecoder;

use crate::shop::{Answer, Shop};

fn text(answer: &Answer) -> String {
    let mut text = String::new();
    match answer.header("content-encoding") {
        "gzip" => GzDecoder::new(answer.body.as_slice()).read_to_string(&mut text).unwrap(),
        _ => answer.body.as_slice().read_to_string(&mut text).unwrap(),
    };
    text
}

/// What follows each `start` up to `end`.
fn between<'a>(text: &'a str, start: &str, end: char) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split(end).next()).collect()
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let shop = Shop::guarded().await;
    let answer = shop.get("/docs").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = answer.header("content-security-policy");
    for wanted in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.split("; ").any(|directive| directive == wanted), "{policy}");
    }
    assert!(!policy.contains("unsafe-eval") && !policy.contains("http"), "{policy}");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");

    let page = text(&answer);
    assert!(!page.contains("://") && !page.contains("<style") && !page.contains("<script>"), "{page}");
    let mut found = Vec::new();
    for place in [between(&page, "src=\"", '"'), between(&page, "href=\"", '"')].concat() {
        if place == "data:," || place == "openapi.json" {
            continue;
        }
        let asset = shop.get(&format!("/{place}")).await;
        assert_eq!(asset.status, 200, "{place}");
        assert_eq!(asset.header("cache-control"), "public, max-age=3600");
        found.push((place.to_owned(), asset.header("content-type").to_owned(), text(&asset)));
    }
    found.sort();
    let kinds: Vec<_> = found.iter().map(|(place, kind, _)| (place.as_str(), kind.as_str())).collect();
    let script = "text/javascript; charset=utf-8";
    assert_eq!(
        kinds,
        [
            ("docs/start.js", script),
            ("docs/swagger-ui-bundle.js", script),
            ("docs/swagger-ui.css", "text/css; charset=utf-8")
        ]
    );
    let [start, bundle, style] = [0, 1, 2].map(|at| found[at].2.as_str());
    assert!(start.contains("url: \"openapi.json\"") && start.contains("validatorUrl: null"), "{start}");
    assert!(!start.contains("://"), "{start}");
    assert!(bundle.contains("SwaggerUIBundle") && style.contains(".swagger-ui"));
    assert!(
        between(style, "url(", ')')
            .iter()
            .all(|place| place.trim_start_matches(['"', '\'']).starts_with("data:"))
    );
}

#[tokio::test]
async fn what_the_page_does_not_have_is_not_there() {
    let shop = Shop::guarded().await;
    for path in
        ["/docs/", "/docs/index.html", "/docs/..%2fopenapi.json", "/docs/swagger-ui.css.gz", "/docs/%ff"]
    {
        let answer = shop.exchange(crate::shop::ask("GET", path, &[], "")).await;
        answer.problem(404, "route_not_found");
    }
}
