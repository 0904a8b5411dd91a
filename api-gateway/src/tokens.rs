//! Tokens for trying things out, in mode dev only.

pub(crate) mod docs;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use types::UserId;

use crate::auth::{Identity, Role, Token};
use crate::body::Body;
use crate::fields::{Fields, Read};
use crate::gateway::Shop;
use crate::problem::Problem;

const LIFETIME: Duration = Duration::from_secs(3600);

/// Who the token is for.
pub(crate) struct Wanted {
    user_id: UserId,
    role: Role,
}

impl Read for Wanted {
    fn read(fields: &mut Fields) -> Option<Self> {
        let user_id = fields.required("user_id", Fields::integer);
        let role = fields.parsed("role", "must be user or admin", |text| match text {
            "user" => Some(Role::User),
            "admin" => Some(Role::Admin),
            _ => None,
        });
        match UserId::try_from(user_id?) {
            Ok(user_id) => Some(Self { user_id, role: role.unwrap_or_default() }),
            Err(error) => {
                fields.note("user_id", error);
                None
            }
        }
    }
}

/// `POST /api/v1/auth/token`
pub(crate) async fn issue(
    State(shop): State<Shop>,
    Body(wanted): Body<Wanted>,
) -> Result<Json<Token>, Problem> {
    let Some(dev) = &shop.auth.dev else {
        return Err(Problem::bare(StatusCode::NOT_FOUND));
    };
    let identity = Identity { user_id: wanted.user_id, role: wanted.role };
    let token = dev.signer.issue(identity, shop.world.clock.now(), LIFETIME);
    token.map(Json).map_err(Problem::internal)
}
