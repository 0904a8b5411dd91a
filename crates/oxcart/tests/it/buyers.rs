//! Buyers who do what a client should: repeat a request with its key until it has an end, and remember every reply.

use std::sync::Mutex;
use std::time::Duration;

use oxcart::audit::Status;
use platform::World;
use platform::retry::Backoff;
use reqwest::{Method, StatusCode};
use serde_json::json;
use types::UserId;

use crate::client::{Client, Reply};

/// How long a buyer waits for one answer. A shop that stands still gives none.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// How long he waits before he asks again, so that a shop that is down is not kept busy with refusals: longer each time.
const PAUSE: Backoff = Backoff { base: Duration::from_millis(50), cap: Duration::from_secs(1) };

/// After so long he gives up, and the test with him: far beyond what is promised.
const PATIENCE: Duration = Duration::from_secs(90);

/// A customer; his client remembers what he was told.
pub(crate) struct Buyer {
    pub(crate) client: Client,
    user: UserId,
    /// For who looks for the reason of a wait in vain.
    last: Mutex<Option<Reply>>,
}

impl Buyer {
    pub(crate) fn new(client: Client, user: i64) -> Self {
        Self { client, user: UserId::try_from(user).unwrap(), last: Mutex::default() }
    }

    /// Puts something into the cart; perhaps more than once, where an answer is lost.
    pub(crate) async fn fill(&self, product: i64) {
        let line = json!({ "product_id": product, "quantity": 1 });
        self.ask("a cart that can be filled", async || {
            let request = self.client.request(Method::POST, "/api/v1/cart/items").json(&line);
            let reply = Client::send(request.timeout(ANSWER_WITHIN)).await;
            let reply = self.heard(reply)?;
            (reply.status == StatusCode::CREATED).then_some(())
        })
        .await;
    }

    /// Throws out what is in the cart.
    pub(crate) async fn empty(&self) {
        self.ask("a cart that can be emptied", async || {
            let request = self.client.request(Method::DELETE, "/api/v1/cart").timeout(ANSWER_WITHIN);
            Client::send(request).await.is_ok_and(|reply| reply.status == StatusCode::OK).then_some(())
        })
        .await;
    }

    /// Repeats a purchase with its key until it has ended.
    pub(crate) async fn buy(&self, key: &str, method: &str) -> Status {
        self.ask("the end of a purchase", async || {
            let request = self.client.checkout(key, &json!({ "payment_method": method }));
            let reply = self.heard(Client::send(request.timeout(ANSWER_WITHIN)).await)?;
            let status = self.client.told.note(self.user, key, &reply)?;
            (status != Status::Running).then_some(status)
        })
        .await
    }

    fn heard(&self, reply: Result<Reply, reqwest::Error>) -> Option<Reply> {
        *self.last.lock().unwrap() = reply.ok();
        self.last.lock().unwrap().clone()
    }

    async fn ask<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        let clock = World::real().clock;
        let began = clock.now();
        let mut attempt = 0;
        loop {
            if let Some(answer) = look().await {
                return answer;
            }
            let last = self.last.lock().unwrap().clone();
            assert!(
                clock.now().since(began) < PATIENCE,
                "user {} waits in vain for {what}: {last:?}",
                self.user
            );
            clock.sleep(PAUSE.delay(attempt, 1.0)).await;
            attempt += 1;
        }
    }
}
