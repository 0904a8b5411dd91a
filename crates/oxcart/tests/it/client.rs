//! A customer, or the shopkeeper, with a token.

use std::time::Duration;

use api_gateway::auth::{Identity, Role, Signer};
use platform::World;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use types::UserId;

use crate::told::Told;

/// What signs the tokens of every shop in these tests.
pub(crate) const SECRET: &str = "a secret of the tests, long enough to be one";

/// Somebody who talks to a gateway.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) url: String,
    http: reqwest::Client,
    token: String,
    /// Whether what is answered with 503 or 504 is repeated, a purchase with its key, as the answer says: for shops on
    /// engines that a busy machine may keep from answering in time.
    pub(crate) is_patient: bool,
    user: UserId,
    /// What it was told of its purchases.
    pub(crate) told: Told,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) replayed: bool,
    pub(crate) location: Option<String>,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Value,
}

impl Reply {
    fn is_busy(&self) -> bool {
        matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT)
    }
}

/// How many units of a product a cart has.
fn units(cart: &Value, product: i64) -> i64 {
    let mut lines = cart["items"].as_array().into_iter().flatten();
    lines.find(|line| line["product_id"] == product).and_then(|line| line["quantity"].as_i64()).unwrap_or(0)
}

impl Client {
    pub(crate) fn new(url: &str, user: i64, role: Role) -> Self {
        let signer = Signer::new(&SecretString::from(SECRET), None, None).unwrap();
        let user = UserId::try_from(user).unwrap();
        let identity = Identity { user_id: user, role };
        let token =
            signer.issue(identity, World::real().clock.now(), Duration::from_secs(3600)).unwrap().token;
        let (http, told) = (reqwest::Client::new(), Told::default());
        Self { url: url.to_owned(), http, token, is_patient: false, user, told }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token)
    }

    /// Sends a request; `Err` when no answer came.
    pub(crate) async fn send(request: reqwest::RequestBuilder) -> Result<Reply, reqwest::Error> {
        let reply = request.send().await?;
        let header = |name: &str| reply.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, location, retry_after) = (reply.status(), header("location"), header("retry-after"));
        let replayed = header("idempotent-replayed").is_some();
        let text = reply.text().await?;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        Ok(Reply { status, replayed, location, retry_after, body })
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        Self::send(self.request(Method::GET, path)).await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Reply {
        Self::send(self.request(Method::POST, path).json(&body)).await.unwrap()
    }

    /// A new product with so many in stock; its id.
    pub(crate) async fn stock_new(&self, name: &str, units: i64) -> i64 {
        let product = json!({
            "name": name, "description": "", "category": "Tests", "image_url": "",
            "price": { "amount": "10.00", "currency": "USD" }, "initial_stock": units,
        });
        let reply = self.post("/api/v1/products", product).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
        reply.body["id"].as_i64().unwrap()
    }

    pub(crate) async fn add(&self, product: i64, quantity: i64) -> Value {
        let before =
            if self.is_patient { Some(units(&self.read("/api/v1/cart").await, product)) } else { None };
        let line = json!({ "product_id": product, "quantity": quantity });
        testkit::eventually("a line of the cart", Duration::from_secs(30), async || {
            let reply = self.post("/api/v1/cart/items", line.clone()).await;
            match before {
                Some(before) if reply.is_busy() => {
                    // It may be there all the same.
                    let cart = self.read("/api/v1/cart").await;
                    (units(&cart, product) > before).then_some(cart)
                }
                _ => {
                    assert_eq!(reply.status, StatusCode::CREATED, "{reply:?}");
                    Some(reply.body)
                }
            }
        })
        .await
    }

    pub(crate) fn checkout(&self, key: &str, body: &Value) -> reqwest::RequestBuilder {
        self.request(Method::POST, "/api/v1/checkout").header("Idempotency-Key", key).json(body)
    }

    /// Asks to buy the cart, and remembers what was told; `Err` when no answer came.
    pub(crate) async fn purchase(&self, key: &str, body: &Value) -> Result<Reply, reqwest::Error> {
        let reply = Self::send(self.checkout(key, body)).await?;
        self.told.note(self.user, key, &reply);
        Ok(reply)
    }

    pub(crate) async fn buy(&self, key: &str) -> Reply {
        self.pay(key, "pm_card_visa").await
    }

    pub(crate) async fn pay(&self, key: &str, method: &str) -> Reply {
        testkit::eventually("an answer to a purchase", Duration::from_secs(30), async || {
            let reply = self.purchase(key, &json!({ "payment_method": method })).await.unwrap();
            let is_an_answer = !self.is_patient || !reply.is_busy();
            is_an_answer.then_some(reply)
        })
        .await
    }

    /// The answer to a read, once it is one: right after a start or an outage it may not be yet.
    pub(crate) async fn read(&self, path: &str) -> Value {
        testkit::eventually(&format!("an answer from {path}"), Duration::from_secs(30), async || {
            let reply = Self::send(self.request(Method::GET, path)).await.ok()?;
            (reply.status == StatusCode::OK).then_some(reply.body)
        })
        .await
    }

    /// What is left of a product: available and reserved.
    pub(crate) async fn stock(&self, product: i64) -> (i64, i64) {
        let body = self.read(&format!("/api/v1/inventory/{product}")).await;
        (body["available"].as_i64().unwrap(), body["reserved"].as_i64().unwrap())
    }

    /// The user's orders, once there are so many.
    pub(crate) async fn orders(&self, wanted: usize) -> Vec<Value> {
        testkit::eventually(&format!("{wanted} orders"), Duration::from_secs(30), async || {
            let orders = self.read("/api/v1/orders").await["orders"].as_array().unwrap().clone();
            (orders.len() == wanted).then_some(orders)
        })
        .await
    }

    /// The lines of the cart by product, once they are these.
    pub(crate) async fn cart_becomes(&self, wanted: &[(i64, i64)]) {
        testkit::eventually(&format!("the cart {wanted:?}"), Duration::from_secs(30), async || {
            let cart = self.read("/api/v1/cart").await;
            let lines = cart["items"].as_array().unwrap().iter();
            let lines = lines.map(|l| (l["product_id"].as_i64().unwrap(), l["quantity"].as_i64().unwrap()));
            lines.collect::<Vec<_>>() == wanted
        })
        .await;
    }
}
