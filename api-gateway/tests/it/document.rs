//! The document against the table of routes, and against its copy that is checked in.

use std::collections::BTreeSet;

use api_gateway::{AuthMode, Policy, Settings, Who};
use http::{HeaderName, StatusCode};
use serde_json::{Value, json};

use crate::contract::{CONTRACT, Contract, place};
use crate::fake::Fake;
use crate::shop::{Answer, Shop, ask, gateway, settings};

/// A gateway's routes, and the document that it serves.
async fn served(auth_mode: AuthMode) -> (Vec<Policy>, Contract) {
    let (services, (world, clock)) = (Fake::default(), testkit::world());
    let gateway = gateway(Settings { auth_mode, ..settings() }, &services, world).await;
    let shop = Shop { router: gateway.router(), services, clock };
    let answer = shop.exchange(ask("GET", "/openapi.json", &[], "")).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    (gateway.policies(), Contract::of(answer.json()))
}

#[tokio::test]
async fn p4_the_document_that_is_checked_in_is_the_one_that_is_served() {
    let (_, Contract { document, .. }) = served(AuthMode::Dev).await;
    if std::env::var_os("OXCART_RENEW").is_some() {
        std::fs::write(place(), format!("{document:#}\n")).unwrap();
    }
    let kept: Value = serde_json::from_slice(&std::fs::read(place()).unwrap_or_default()).unwrap_or_default();
    assert!(
        kept == document,
        "{} is not what the gateway serves; renew it and look at what has changed:\n\
         OXCART_RENEW=1 cargo test -p api-gateway --test it p4_",
        place().display()
    );
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn p4_every_route_is_documented_and_every_documented_one_is_there() {
    for mode in [AuthMode::Dev, AuthMode::Jwt] {
        let (policies, contract) = served(mode).await;
        let routes = policies.iter().map(|policy| (policy.method.to_string(), policy.path.to_owned()));
        let documented = contract.operations().into_iter().map(|(method, path, _)| (method, path));
        assert_eq!(documented.collect::<BTreeSet<_>>(), routes.collect::<BTreeSet<_>>(), "{mode:?}");
    }
}

#[tokio::test]
async fn p4_what_is_not_documented_is_not_there() {
    let shop = Shop::open().await;
    let documented: BTreeSet<_> = CONTRACT.operations().into_iter().map(|(m, path, _)| (m, path)).collect();
    for path in documented.iter().map(|(_, path)| path).collect::<BTreeSet<_>>() {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"] {
            if !documented.contains(&(method.to_owned(), path.clone())) {
                let answer = shop.send(ask(method, path, &[], "")).await;
                answer.problem(405, "method_not_allowed");
                let mut known: BTreeSet<_> = answer.header("allow").split(',').collect();
                known.remove("HEAD");
                let wanted = documented.iter().filter(|(_, other)| other == path);
                assert_eq!(known, wanted.map(|(method, _)| method.as_str()).collect(), "{path}");
            }
        }
    }
    let mut deprecated = CONTRACT.operations();
    deprecated.retain(|(.., operation)| operation.get("deprecated").is_some());
    assert_eq!(deprecated, [], "a route that is on its way out answers 410 in the end: test that");
}

#[tokio::test]
async fn z2_the_document_says_whom_each_route_is_for() {
    let (policies, contract) = served(AuthMode::Jwt).await;
    let token = json!({"token": []});
    for (method, path, operation) in contract.operations() {
        let policy = policies.iter().find(|policy| policy.method == *method && policy.path == path).unwrap();
        let (security, codes) = match policy.who {
            Who::Probe => (json!([]), vec![]),
            Who::Anyone => (json!([{}, token]), vec!["token_expired", "token_invalid"]),
            Who::User | Who::Owner | Who::OwnerOrAdmin => {
                (json!([token]), vec!["token_expired", "token_invalid", "token_missing"])
            }
            Who::Admin => {
                (json!([token]), vec!["permission_denied", "token_expired", "token_invalid", "token_missing"])
            }
        };
        let replies = contract.replies(operation);
        let refusals = replies.iter().filter(|(status, ..)| [401, 403].contains(status));
        let said: BTreeSet<_> = refusals.flat_map(|(_, codes, _)| codes.iter().copied()).collect();
        assert_eq!(
            (&operation["security"], said),
            (&security, BTreeSet::from_iter(codes)),
            "{method} {path}"
        );
    }
    assert_eq!(contract.document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
}

/// Every example that the document gives, with its schema and whose it is.
fn examples() -> Vec<(String, &'static Value, &'static Value)> {
    let mut found = Vec::new();
    let mut add = |of: &str, content: &'static Value| {
        for media in content.as_object().into_iter().flat_map(|content| content.values()) {
            let named = media["examples"].as_object().into_iter().flat_map(|all| all.values());
            let all = media.get("example").into_iter().chain(named.map(|example| &example["value"]));
            found.extend(all.map(|example| (of.to_owned(), &media["schema"], example)));
        }
    };
    for (method, path, operation) in CONTRACT.operations() {
        add(&format!("{method} {path}"), &operation["requestBody"]["content"]);
        for (status, _, reply) in CONTRACT.replies(operation) {
            add(&format!("{method} {path}: {status}"), &reply["content"]);
        }
    }
    found
}

#[test]
fn every_example_is_one() {
    let examples = examples();
    assert!(examples.len() > 100, "{}", examples.len());
    for (of, schema, example) in examples {
        let validator = CONTRACT.validator(schema);
        let wrong: Vec<_> = validator.iter_errors(example).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{of}: {wrong:?} in {example}");
    }
}

#[test]
fn operations_have_names_of_their_own_and_words_for_people() {
    let mut names = BTreeSet::new();
    for (method, path, operation) in CONTRACT.operations() {
        let name = operation["operationId"].as_str().unwrap();
        assert!(names.insert(name), "{name} of {method} {path} is another one's too");
        assert!(operation["summary"].is_string() && operation["description"].is_string(), "{name}");
        for (status, _, reply) in CONTRACT.replies(operation) {
            let words = reply["description"].as_str().unwrap();
            assert!(!words.is_empty() && !words.ends_with(": "), "{name} says nothing of {status}: {words}");
        }
    }
}

#[test]
fn u1_the_document_says_which_characters_are_visible() {
    let properties = &CONTRACT.document["components"]["schemas"]["NewProduct"]["properties"];
    let [name, description] = ["name", "description"].map(|field| CONTRACT.validator(&properties[field]));
    for c in (0..0x10000).filter_map(char::from_u32) {
        let (text, visible) = (json!(format!("a{c}b")), types::text::is_visible(c));
        assert_eq!(name.is_valid(&text), visible, "{c:?} in a name");
        let breaks = matches!(c, '\n' | '\r' | '\t');
        assert_eq!(description.is_valid(&text), visible || breaks, "{c:?} in a description");
    }
}

#[test]
fn every_link_leads_to_an_operation_with_that_parameter() {
    let mut links = 0;
    for (method, path, operation) in CONTRACT.operations() {
        for (status, _, reply) in CONTRACT.replies(operation) {
            for (id, link) in reply["links"].as_object().into_iter().flatten() {
                let operations = CONTRACT.operations();
                let there = operations.iter().find(|(.., other)| other["operationId"] == id.as_str());
                let (.., there) = there.unwrap_or_else(|| panic!("{method} {path} leads to {id}"));
                for (name, place) in link["parameters"].as_object().unwrap() {
                    let known =
                        there["parameters"].as_array().unwrap().iter().any(|known| known["name"] == *name);
                    assert!(known, "{id} of {method} {path} takes no {name}");
                    let place = place.as_str().and_then(|place| place.strip_prefix("$response.body#"));
                    let example = &reply["content"]["application/json"]["example"];
                    let found = example.pointer(place.unwrap());
                    assert!(found.is_some(), "{status} of {method} {path} has no {place:?} for {id}");
                    links += 1;
                }
            }
        }
    }
    assert!(links > 10, "{links}");
}

/// A reply of the stock, and what the document says of it.
fn checked(method: &str, path: &str, change: impl FnOnce(&mut Answer)) -> Result<(), String> {
    let headers =
        [("content-type", "application/json"), ("x-request-id", "r"), ("cache-control", "no-store")];
    let headers = headers.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
    let body = br#"{"product_id":1,"available":1,"reserved":0}"#.to_vec();
    let mut answer = Answer { status: StatusCode::OK, headers: headers.into_iter().collect(), body };
    change(&mut answer);
    CONTRACT.check(&method.parse().unwrap(), path, &answer).map(drop)
}

#[test]
fn an_answer_that_is_not_documented_is_found() {
    let stock = "/api/v1/inventory/1";
    assert_eq!(checked("GET", stock, |_| ()), Ok(()));
    type Change = fn(&mut Answer);
    let changes: [(Change, &str); 8] = [
        (|answer| answer.status = StatusCode::CREATED, "201 Created is not in the document"),
        (|answer| answer.status = StatusCode::NOT_FOUND, "without a problem document"),
        (|answer| drop(answer.headers.insert("content-type", "text/plain".parse().unwrap())), "media type"),
        (
            |answer| drop(answer.headers.insert("etag", "\"1\"".parse().unwrap())),
            "ETag is not in the document",
        ),
        (
            |answer| drop(answer.headers.insert("x-request-id", "a b".parse().unwrap())),
            "X-Request-Id is not as",
        ),
        (|answer| drop(answer.headers.remove("x-request-id")), "X-Request-Id is in the document and not"),
        (|answer| answer.body = b"{}".to_vec(), "is a required property"),
        (
            |answer| answer.body = br#"{"product_id":1,"available":1,"reserved":0,"cost":1}"#.to_vec(),
            "'cost' was unexpected",
        ),
    ];
    for (change, wanted) in changes {
        let error = checked("GET", stock, change).unwrap_err();
        assert!(error.contains(wanted), "{error}, wanted {wanted}");
    }
    for (method, path) in [("POST", stock), ("GET", "/nowhere"), ("GET", "/api/v1/inventory/1/2")] {
        assert!(checked(method, path, |_| ()).unwrap_err().ends_with("is not in the document"));
    }
}
