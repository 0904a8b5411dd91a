//! What a store could take for a question is not a value.

use serde_json::{Value, json};

use crate::policies::{body, guarded, path};
use crate::shop::ask;
use api_gateway::auth::Role;

fn operators() -> [Value; 6] {
    [
        json!({"$ne": null}),
        json!({"$gt": ""}),
        json!({"$where": "1"}),
        json!({"$in": [1]}),
        json!([1]),
        json!({"a.b": 1}),
    ]
}

/// Every place of a body, the whole of it aside, with something else there.
fn replaced(body: &Value, by: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        let inner = replaced(value, by).into_iter().chain([by.clone()]);
        all.extend(inner.map(|inner| {
            let mut body = body.clone();
            body[name] = inner;
            body
        }));
    }
    all
}

#[tokio::test]
async fn q2_no_operator_takes_the_place_of_a_value() {
    let (shop, policies) = guarded().await;
    let bearer = format!("Bearer {}", shop.token(9, Role::Admin));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let mut tried = 0;
    for policy in &policies {
        let (method, path) = (policy.method.as_str(), path(policy.path));
        for operator in operators() {
            let Some(good) = body(policy) else { continue };
            let mut bodies = replaced(&good, &operator);
            bodies.extend(["$set", "items.0.quantity", "user_id.$ne", "__proto__.role"].map(|name| {
                let mut body = good.clone();
                body[name] = operator.clone();
                body
            }));
            for body in bodies {
                let answer = shop.send(ask(method, &path, &headers, &body.to_string())).await;
                assert!(!answer.refused_fields("invalid_argument").is_empty(), "{method} {path} {body}");
                tried += 1;
            }
        }
        for query in ["q[$ne]=1", "status[$gt]=", "page_size[$gt]=1", "user_id[$ne]=1", "q.a=1"] {
            let lists = ["/api/v1/products", "/api/v1/orders"].contains(&path.as_str()) && method == "GET";
            if lists {
                let answer = shop.send(ask(method, &format!("{path}?{query}"), &headers, "")).await;
                assert_eq!(answer.refused_fields("invalid_argument").len(), 1, "{method} {path}?{query}");
                tried += 1;
            }
        }
    }
    assert!(tried > 200, "{tried} tried");
    assert_eq!(shop.services.calls(), 0);
}
