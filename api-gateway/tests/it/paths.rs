//! Paths and methods written in other ways, and header values that are no text.

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Settings};
use http::{HeaderValue, Uri};

use crate::owned::everything_works;
use crate::replies::{cart, product};
use crate::running::serve_with;
use crate::shop::{Shop, ask, settings};

/// Other ways to write the path of a route, which some servers take for the same.
fn variants(path: &str) -> Vec<String> {
    let (parent, last) = path.rsplit_once('/').unwrap();
    let first = format!("%{:02x}", last.as_bytes()[0]);
    let mut variants: Vec<String> =
        ["/", "%2f", "%2F", "%5c", "%00", "%20", "%0d%0a", ";x=y", "/.", "/..;/", "%"]
            .map(|end| format!("{path}{end}"))
            .to_vec();
    variants.extend([
        format!("/{path}"),
        format!("/.{path}"),
        format!("/x/..{path}"),
        format!("/x/%2e%2e{path}"),
        format!("/health/..{path}"),
        format!("/health%2f..{path}"),
        format!("/api/v1/products/..%2f..%2f..{path}"),
        format!("{parent}//{last}"),
        format!("{parent}/./{last}"),
        format!("{parent}%2f{last}"),
        format!("{parent}%5c{last}"),
        format!("{parent}\\{last}"),
        format!("{parent}/{first}{}", &last[1..]),
        format!("{parent}/{}", last.to_uppercase()),
        path.to_uppercase(),
        path.replace('/', "%2f"),
    ]);
    // An id may be written so, and is the same one under the same policy then.
    let same = format!("{parent}/%31");
    variants.retain(|variant| *variant != path && *variant != same);
    variants
}

/// What only some may do, and what it takes.
const GUARDED: [(&str, &str); 8] = [
    ("GET", "/api/v1/cart"),
    ("DELETE", "/api/v1/cart"),
    ("POST", "/api/v1/cart/items"),
    ("POST", "/api/v1/checkout"),
    ("GET", "/api/v1/orders"),
    ("POST", "/api/v1/products"),
    ("DELETE", "/api/v1/products/1"),
    ("PUT", "/api/v1/inventory/1"),
];

#[tokio::test]
async fn s2_another_way_to_write_a_path_is_no_way_around_its_policy() {
    let guarded = Settings { auth_mode: AuthMode::Jwt, ..settings() };
    let shop = serve_with(guarded).await;
    for (method, path) in GUARDED {
        for variant in variants(path) {
            let request = format!(
                "{method} {variant} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: 2\r\n\r\n{{}}"
            );
            let answer = shop.raw(request.as_bytes()).await;
            let status = answer.get(9..12).unwrap_or_default();
            assert!(["400", "401", "404", "405"].contains(&status), "{method} {variant}: {answer}");
        }
    }
    assert_eq!(shop.services.calls(), 0);
}

#[tokio::test]
async fn s2_nor_does_it_lead_anywhere_with_a_token() {
    let shop = Shop::guarded().await;
    let bearer = format!("Bearer {}", shop.token(7, Role::Admin));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    for (method, path) in GUARDED {
        for variant in variants(path) {
            if variant.parse::<Uri>().is_err() {
                continue;
            }
            let answer = shop.send(ask(method, &variant, &headers, "{}")).await;
            assert!([400, 404, 405].contains(&answer.status.as_u16()), "{method} {variant}: {answer:?}");
        }
    }
    assert_eq!(shop.services.calls(), 0);
}

#[tokio::test]
async fn s2_a_method_is_what_the_request_line_says() {
    let shop = Shop::open().await;
    shop.services.replies("get_cart", cart());
    let names = ["x-http-method-override", "x-http-method", "x-method-override"];
    let headers = names.map(|name| (name, "DELETE"));
    assert_eq!(shop.send(ask("GET", "/api/v1/cart", &headers, "")).await.status, 200);
    assert_eq!(shop.services.calls(), 1, "the cart was shown and not cleared");
    shop.send(ask("POST", "/api/v1/cart", &headers, "")).await.problem(405, "method_not_allowed");
    shop.get("/api/v1/orders?_method=DELETE").await.problem(400, "invalid_argument");
    for method in ["get", "Get", "GETT", "TRACE", "CONNECT", "PROPFIND"] {
        shop.send(ask(method, "/api/v1/cart", &[], "")).await.problem(405, "method_not_allowed");
        shop.send(ask(method, "/nowhere", &[], "")).await.problem(404, "route_not_found");
    }
    assert_eq!(shop.services.calls(), 1);
}

#[tokio::test]
async fn s3_what_is_no_text_reaches_neither_metadata_nor_answers() {
    let shop = Shop::open().await;
    let bearer = format!("Bearer {}", shop.token(7, Role::Admin));
    let values: [&[u8]; 6] =
        [b"\xff\xfe", "gr\u{fc}n".as_bytes(), b"a\tb", b"\xc2\x85", "\u{202e}evil".as_bytes(), b"\x80"];
    for name in [
        "x-request-id",
        "traceparent",
        "tracestate",
        "idempotency-key",
        "accept",
        "accept-encoding",
        "origin",
        "referer",
        "user-agent",
        "x-forwarded-for",
        "x-forwarded-host",
        "forwarded",
        "host",
        "cookie",
        "grpc-timeout",
        "x-user-id",
    ] {
        for value in values {
            shop.services.replies("get_product", product());
            let mut request = ask("GET", "/api/v1/products/1", &[("authorization", &bearer)], "");
            request.headers_mut().insert(name, HeaderValue::from_bytes(value).unwrap());
            let answer = shop.send(request).await;
            for (header, value) in &answer.headers {
                assert!(
                    value.to_str().is_ok_and(|text| !text.contains('\t')),
                    "{name}: {header} is {value:?}"
                );
            }
            assert_eq!(answer.status, 200, "{name}");
            for entry in shop.services.metadata().iter() {
                let tonic::metadata::KeyAndValueRef::Ascii(key, value) = entry else { panic!("{entry:?}") };
                assert!(value.to_str().is_ok_and(|text| !text.contains('\t')), "{name}: {key} is {value:?}");
            }
        }
    }
}

#[tokio::test]
async fn s3_entity_tags_that_are_no_text_are_refused_and_nothing_is_changed() {
    let shop = Shop::open().await;
    everything_works(&shop.services);
    for (method, path, name) in [
        ("GET", "/api/v1/products", "If-None-Match"),
        ("GET", "/api/v1/products/1", "If-None-Match"),
        ("DELETE", "/api/v1/products/1", "If-Match"),
        ("GET", "/api/v1/cart", "If-None-Match"),
        ("DELETE", "/api/v1/cart", "If-Match"),
        ("PUT", "/api/v1/cart/items/1", "If-Match"),
    ] {
        for value in [&b"\xff"[..], b"\"\xff\"", "\"gr\u{fc}n\"".as_bytes(), b"\"3\", \xff"] {
            let json = [("content-type", "application/json")];
            let mut request = ask(method, path, &json, r#"{"quantity":1}"#);
            request.headers_mut().insert(name, HeaderValue::from_bytes(value).unwrap());
            let answer = shop.send(request).await;
            assert_eq!(answer.refused_fields("invalid_argument"), [name], "{method} {path} {value:?}");
        }
    }
    assert_eq!(shop.services.calls(), 3 * 4, "what is shown is looked at first");
}

/// In an answer, what a client says comes back in a header only where a service made an id of it.
#[tokio::test]
async fn s3_no_header_of_an_answer_can_be_broken_in_two() {
    let guarded = serve_with(settings()).await;
    for path in ["/api/v1/checkout/%0d%0aset-cookie:%20a=b", "/api/v1/orders/x%0d%0a%0d%0aHTTP/1.1%20200"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = guarded.raw(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("set-cookie") && !head.contains("200"), "{answer}");
    }
}
