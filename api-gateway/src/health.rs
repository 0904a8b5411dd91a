//! Whether the gateway lives, and whether it can work.

pub(crate) mod docs;

use std::time::Duration;

use axum::extract::State;
use axum::{Extension, Json};
use futures::future::join_all;
use http::StatusCode;
use platform::Context;
use platform::transport::Transport;
use serde_json::{Value, json};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::gateway::Shop;
use crate::problem::Problem;

/// A service that does not say by then that it serves, does not.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The process answers. Asks nobody else: a restart of the gateway would mend no other service.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Every service says that it serves, and there are keys to verify tokens with.
pub(crate) async fn ready(
    State(shop): State<Shop>,
    Extension(context): Extension<Context>,
) -> Result<Json<Value>, Problem> {
    let context = context.within(ANSWER_WITHIN);
    let answers = join_all(shop.peers.all().map(|(name, peer)| {
        let context = &context;
        async move { (name, serves(peer, context).await) }
    }));
    let keys = ("jwks", shop.auth.verifier.is_ready());
    let all = answers.await.into_iter().chain([keys]);
    let missing: Vec<&str> = all.filter_map(|(name, serves)| (!serves).then_some(name)).collect();
    if missing.is_empty() {
        return Ok(Json(json!({"status": "ready"})));
    }
    let detail = format!("not serving: {}", missing.join(", "));
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail).with("dependencies", missing))
}

async fn serves(peer: Transport, context: &Context) -> bool {
    let everything = HealthCheckRequest { service: String::new() };
    let answer = HealthClient::new(peer).check(context.request(everything)).await;
    answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving)
}
