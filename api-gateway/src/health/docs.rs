//! `/health`, described.

use http::StatusCode;
use serde_json::json;
use utoipa::ToSchema;

use crate::openapi::Operation;

const TAG: &str = "Health";

/// How it is.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes two words of JSON")]
struct Health {
    /// `ok` or `ready`.
    status: String,
}

pub(crate) fn live() -> Operation {
    alive("getHealth", "Whether the gateway answers")
}

pub(crate) fn still_live() -> Operation {
    alive("getLiveness", "Whether the gateway is to be left alone")
        .says("It asks nobody else: to start the gateway again would mend no other service.")
}

fn alive(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(TAG, id, summary).asks_nobody().replies::<Health>(
        StatusCode::OK,
        "It does",
        &[],
        json!({"status": "ok"}),
    )
}

pub(crate) fn ready() -> Operation {
    Operation::new(TAG, "getReadiness", "Whether requests are welcome")
        .says("They are when every service says that it serves, and there are keys to verify tokens with.")
        .asks_nobody()
        .replies::<Health>(StatusCode::OK, "They are", &[], json!({"status": "ready"}))
        .refuses(StatusCode::SERVICE_UNAVAILABLE, &["not_ready"])
}
