//! Tokens of our own, signed with the shared secret.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use types::Timestamp;
use utoipa::ToSchema;

use super::claims::{Audience, Claims, Moment};
use super::{Identity, MIN_SECRET};
use crate::openapi::schemas;

/// Makes tokens that a gateway with the same secret, issuer and audience believes.
pub struct Signer {
    key: EncodingKey,
    issuer: Option<String>,
    audience: Option<String>,
}

/// A token just made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Token {
    /// For `Authorization: Bearer`.
    pub token: String,
    /// From then on it is refused.
    #[schema(value_type = schemas::Moment)]
    pub expires_at: Timestamp,
}

/// Why there is no signer, or no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The secret is shorter than [`MIN_SECRET`].
    #[error("JWT_SECRET is too short: at least {MIN_SECRET} bytes are needed")]
    WeakSecret,
    /// The library can't sign.
    #[error("a token can't be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

impl Signer {
    /// A signer with a shared secret. Where an issuer or an audience is given, its tokens carry it.
    ///
    /// # Errors
    /// A secret that could be guessed.
    pub fn new(
        secret: &SecretString,
        issuer: Option<String>,
        audience: Option<String>,
    ) -> Result<Self, Error> {
        Ok(Self { key: EncodingKey::from_secret(strong(secret)?), issuer, audience })
    }

    /// A token for somebody, good from now on for so long.
    ///
    /// # Errors
    /// The library can't sign.
    pub fn issue(&self, identity: Identity, now: Timestamp, lifetime: Duration) -> Result<Token, Error> {
        let exp = Moment::of(now.after(lifetime));
        let claims = Claims {
            sub: identity.user_id.to_string(),
            exp,
            iat: Some(Moment::of(now)),
            nbf: None,
            iss: self.issuer.clone(),
            aud: self.audience.clone().map(Audience::One),
            user_id: Some(identity.user_id.get()),
            role: identity.role,
        };
        let header = Header { typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::HS256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.key).map_err(Error::Signing)?;
        Ok(Token { token, expires_at: exp.timestamp() })
    }
}

/// The bytes of a secret, if there are enough of them.
pub(super) fn strong(secret: &SecretString) -> Result<&[u8], Error> {
    let bytes = secret.expose_secret().as_bytes();
    if bytes.len() < MIN_SECRET {
        return Err(Error::WeakSecret);
    }
    Ok(bytes)
}
