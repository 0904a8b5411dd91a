//! Who may pass: identity, limit, policy, place, in this order and before any handler.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use platform::Context;
use proto::{Reason, Rejection};
use tonic::{Code, Status};
use types::UserId;

use crate::auth::{Identity, Refusal, Role};
use crate::class::Class;
use crate::client_address::client_address;
use crate::gateway::Shop;
use crate::limits::Client;
use crate::problem::Problem;

/// Who a route is for.
///
/// What belongs to somebody else is not found: that is for the service to say which holds it, since it alone knows the
/// owner. The gateway tells it who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Watchdogs: not limited, and a token is not looked at.
    Probe,
    /// Everybody. A token that is sent must be good nevertheless.
    Anyone,
    /// Whoever has a name, for what is theirs anyway.
    User,
    /// Whose it is.
    Owner,
    /// Whose it is, and who runs the shop.
    OwnerOrAdmin,
    /// Who runs the shop.
    Admin,
}

/// Who asks. In every route that is not for [`Who::Anyone`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) user_id: UserId,
    pub(crate) role: Role,
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().copied().ok_or_else(token_missing)
    }
}

/// The layer around each handler.
pub(crate) async fn guard(
    State((shop, who, class)): State<(Shop, Who, Class)>,
    mut request: Request,
    next: Next,
) -> Response {
    if who == Who::Probe {
        return next.run(request).await;
    }
    let identity = identify(&shop, request.headers()).await;
    let client = match identity {
        Ok(Some(Identity { user_id, .. })) => Client::User(user_id),
        Ok(None) | Err(_) => Client::at(address(&shop, &request)),
    };
    let buckets = shop.limits.as_ref().and_then(|limits| limits.of(class));
    let standing = match buckets {
        Some(buckets) => Some(buckets.take(client).await),
        None => None,
    };

    let admitted = standing
        .map_or(Ok(()), |standing| standing.check())
        .and(identity)
        .and_then(|identity| who.admits(identity))
        .and_then(|caller| {
            let user = caller.map(|caller| caller.user_id);
            shop.load.enter(class, user, request.headers()).map(|place| (caller, place))
        });
    let mut response = match admitted {
        Ok((caller, _place)) => {
            if let Some(caller) = caller {
                // For the line of the request.
                if let Some(context) = request.extensions().get::<Context>() {
                    context.about(caller.user_id);
                }
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    };
    if let (Some(buckets), Some(standing)) = (buckets, standing) {
        buckets.describe(standing, response.headers_mut());
    }
    response
}

impl Who {
    fn admits(self, identity: Option<Identity>) -> Result<Option<Caller>, Problem> {
        let caller = identity.map(|Identity { user_id, role }| Caller { user_id, role });
        match (self, caller) {
            (Self::Probe | Self::Anyone, caller) => Ok(caller),
            (Self::User | Self::Owner | Self::OwnerOrAdmin | Self::Admin, None) => Err(token_missing()),
            (Self::User | Self::Owner | Self::OwnerOrAdmin, Some(caller)) => Ok(Some(caller)),
            (Self::Admin, Some(caller)) => match caller.role {
                Role::Admin => Ok(Some(caller)),
                Role::User => {
                    let detail = "only administrators may do this";
                    Err(Problem::new(StatusCode::FORBIDDEN, "permission_denied", detail))
                }
            },
        }
    }
}

/// Who the token speaks for, or who stands in for nobody.
async fn identify(shop: &Shop, headers: &HeaderMap) -> Result<Option<Identity>, Problem> {
    let mut sent = headers.get_all(AUTHORIZATION).iter();
    let token = match (sent.next(), sent.next()) {
        (None, _) => return Ok(shop.auth.dev.as_ref().map(|dev| dev.nobody)),
        (Some(only), None) => bearer(only),
        (Some(_), Some(_)) => None,
    };
    let verified = match token {
        Some(token) => shop.auth.verifier.verify(token, shop.world.clock.now()).await,
        None => Err(Refusal::Invalid("not one bearer token")),
    };
    verified.map(Some).map_err(Problem::from)
}

/// What is wrong with a token is said to nobody but the log.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let invalid = (Reason::TokenInvalid, "the token is not valid here");
        let ((reason, detail), cause) = match refusal {
            Refusal::Invalid(cause) => (invalid, cause),
            Refusal::UnknownKey => (invalid, "of a key that is not known"),
            Refusal::Expired => ((Reason::TokenExpired, "the token has expired"), "expired"),
            Refusal::NoKeys => {
                return Self::from(Status::unavailable("the key set was never read"));
            }
        };
        let challenge = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        Self::from(Rejection::new(Code::Unauthenticated, reason, detail))
            .header(WWW_AUTHENTICATE, challenge)
            .because(format!("token refused: {cause}"))
    }
}

/// The token in `Bearer <token>`, the scheme in any case.
pub(crate) fn bearer(authorization: &HeaderValue) -> Option<&str> {
    let (scheme, token) = authorization.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start())
}

fn token_missing() -> Problem {
    let detail = "send a token: Authorization: Bearer <token>";
    Problem::from(Rejection::new(Code::Unauthenticated, Reason::TokenMissing, detail))
}

fn address(shop: &Shop, request: &Request) -> IpAddr {
    // Only a test calls the router without a connection.
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    client_address(peer, request.headers(), &shop.trusted_proxies)
}
