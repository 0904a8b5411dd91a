//! `oxcart demo`: one purchase against a running shop, each step shown as it happens.

#![expect(clippy::indexing_slicing, reason = "a member that a JSON value lacks reads as null")]

use std::time::Duration;

use anyhow::{Context as _, bail};
use platform::World;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::addresses::Addresses;
use crate::cli::print;
use crate::config::Config;

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long the order may take to be made from its event.
const ORDER_PATIENCE: Duration = Duration::from_secs(5);

/// Between two looks for the order.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Buys two mice and a keyboard as a user of its own.
///
/// # Errors
/// No shop there, or a step that went otherwise than a shop's should.
pub(crate) async fn run(settings: Config, url: Option<String>) -> anyhow::Result<()> {
    let url = match url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => Addresses::read(&settings.data_dir)?.url(),
    };
    if url.starts_with("https:") {
        bail!("{url} speaks TLS, which the demo does not; wanted: a shop without TLS_CERT");
    }
    let world = World::real();
    let mut demo = Demo { url, client: Client::builder().timeout(TIMEOUT).build()?, token: None, world };
    demo.walk().await
}

struct Demo {
    url: String,
    client: Client,
    token: Option<String>,
    world: World,
}

impl Demo {
    async fn walk(&mut self) -> anyhow::Result<()> {
        print(&format!("A purchase at {}\n", self.url))?;

        let products = self.get("What is for sale?", "/api/v1/products").await?;
        for product in products["products"].as_array().into_iter().flatten() {
            print(&format!(
                "     {:>3}  {:<24} {:>12}\n",
                product["id"],
                text(&product["name"]),
                money(&product["price"])
            ))?;
        }

        // A user nobody else is: the clock's microseconds.
        let user = self.world.clock.now().micros();
        let asked = json!({ "user_id": user, "role": "user" });
        let token =
            self.step("A user of our own", Method::POST, "/api/v1/auth/token", |r| r.json(&asked)).await?;
        self.token = token["token"].as_str().map(str::to_owned);

        let before = self.get("How many mice are there?", "/api/v1/inventory/2").await?;
        print(&format!("     {} available\n", before["available"]))?;

        for (product_id, quantity) in [(2, 2), (3, 1)] {
            let line = json!({ "product_id": product_id, "quantity": quantity });
            let title = format!("{quantity} of product {product_id} into the cart");
            let cart = self.step(&title, Method::POST, "/api/v1/cart/items", |r| r.json(&line)).await?;
            print(&format!("     {} items, {}\n", cart["total_items"], money(&cart["total"])))?;
        }

        let key = format!("demo-{user}");
        let pay = |request: RequestBuilder| request.header("Idempotency-Key", &key);
        let checkout = self.step("Buy it", Method::POST, "/api/v1/checkout", pay).await?;
        print_timeline(&checkout)?;
        if checkout["status"] != "COMPLETED" {
            bail!("the checkout is {}, not COMPLETED", text(&checkout["status"]));
        }

        let again = self
            .step("The same request again buys nothing more", Method::POST, "/api/v1/checkout", pay)
            .await?;
        if again["checkout_id"] != checkout["checkout_id"] {
            bail!("the same key led to another checkout");
        }
        print(&format!("     still checkout {}\n", text(&checkout["checkout_id"])))?;

        let order = self.order(text(&checkout["order_id"])).await?;
        print(&format!(
            "     order {} is {}, {}\n",
            text(&order["id"]),
            text(&order["status"]),
            money(&order["total"])
        ))?;

        let after = self.get("How many mice are left?", "/api/v1/inventory/2").await?;
        print(&format!("     {} available, {} reserved\n", after["available"], after["reserved"]))?;
        print("\nDone. The stores agree: run oxcart audit to see it.\n")
    }

    /// The order is made from the checkout's event, a moment later.
    async fn order(&self, id: &str) -> anyhow::Result<Value> {
        let path = format!("/api/v1/orders/{id}");
        let end = self.world.clock.now().after(ORDER_PATIENCE);
        loop {
            let found = self.send(self.request(Method::GET, &path)).await?;
            if found.0 != StatusCode::NOT_FOUND || self.world.clock.now() >= end {
                return self.get("The order, made from the event of the checkout", &path).await;
            }
            self.world.clock.sleep(LOOK_AGAIN).await;
        }
    }

    async fn get(&self, title: &str, path: &str) -> anyhow::Result<Value> {
        self.step(title, Method::GET, path, |request| request).await
    }

    async fn step(
        &self,
        title: &str,
        method: Method,
        path: &str,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> anyhow::Result<Value> {
        let began = self.world.clock.now();
        let (status, body) = self.send(fill(self.request(method.clone(), path))).await?;
        let took = self.world.clock.now().since(began).as_secs_f64() * 1000.0;
        print(&format!("\n  {title}\n     {method} {path}  {} in {took:.1} ms\n", status.as_u16()))?;
        if !status.is_success() {
            bail!("{method} {path} was answered with {status}: {}", text(&body["detail"]));
        }
        Ok(body)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<(StatusCode, Value)> {
        let reply = request.send().await.with_context(|| format!("no shop answers at {}", self.url))?;
        let status = reply.status();
        Ok((status, reply.json().await.context("the answer is no JSON")?))
    }
}

fn print_timeline(checkout: &Value) -> anyhow::Result<()> {
    for stay in checkout["timeline"].as_array().into_iter().flatten() {
        let (state, at) = (text(&stay["state"]), text(&stay["at"]));
        print(&format!("     {at}  {state:<12} {}\n", text(&stay["outcome"])))?;
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn money(value: &Value) -> String {
    format!("{} {}", text(&value["amount"]), text(&value["currency"]))
}
