//! `/api/v1/auth/token`, described.

use http::StatusCode;
use serde_json::json;

use crate::auth::Token;
use crate::openapi::Operation;
use crate::openapi::schemas::{Fields, integer, one_of};

pub(crate) fn issue() -> Operation {
    let wanted = Fields::new()
        .required("user_id", integer("Who the token is for", 1..=i64::MAX))
        .optional("role", one_of("What they may do", ["user", "admin"]).default(Some(json!("user"))));
    Operation::new("Tokens", "issueToken", "A token that is good for an hour")
        .says("Only where the shop runs with AUTH_MODE=dev; elsewhere there is no such path.")
        .asks_nobody()
        .only_in_dev()
        .takes("WantedToken", wanted.build(), json!({"user_id": 7, "role": "user"}))
        .replies::<Token>(
            StatusCode::OK,
            "The token",
            &[],
            json!({"token": "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl", "expires_at": "2026-11-23T14:21:20.086Z"}),
        )
}
