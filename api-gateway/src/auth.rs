//! Who asks: JSON Web Tokens signed with a shared secret.
//!
//! The algorithm is pinned by the key (HS256), and no field of a token's header is believed. Time is a parameter,
//! so `exp` and `nbf` are checked here and not by the library, which knows the machine's clock only.

use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use types::{Timestamp, UserId};

/// The shortest secret that is worth its name, in bytes: as long as the hash it keys.
pub const MIN_SECRET: usize = 32;

/// How far clocks may differ.
const LEEWAY: Duration = Duration::from_secs(30);

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Buys.
    #[default]
    User,
    /// Runs the shop.
    Admin,
}

/// Who somebody is, as a token says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Whose cart and orders.
    pub user_id: UserId,
    /// What they may do.
    pub role: Role,
}

/// A token just made.
#[derive(Debug, Clone, Serialize)]
pub struct Token {
    /// For `Authorization: Bearer`.
    pub token: String,
    /// From then on it is refused.
    pub expires_at: Timestamp,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It can't be trusted: malformed, of another key or algorithm, not for us, not valid yet.
    #[error("the token is not valid here")]
    Invalid,
    /// It was good once.
    #[error("the token has expired")]
    Expired,
}

/// Why there are no keys, or no token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The secret is shorter than [`MIN_SECRET`].
    #[error("JWT_SECRET is too short: at least {MIN_SECRET} bytes are needed")]
    WeakSecret,
    /// The library can't sign.
    #[error("a token can't be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

/// A secret that nobody can guess, for who was given none.
pub fn random_secret() -> SecretString {
    let bytes: [u8; MIN_SECRET] = rand::random();
    SecretString::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

/// What tokens are made and checked with.
pub struct Keys {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
    issuer: Option<String>,
    audience: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aud: Option<Audience>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_id: Option<i64>,
    #[serde(default)]
    role: Role,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Keys {
    /// Keys of a shared secret. Where an issuer or an audience is given, a token must carry it.
    pub fn new(
        secret: &SecretString,
        issuer: Option<String>,
        audience: Option<String>,
    ) -> Result<Self, Error> {
        let secret = secret.expose_secret().as_bytes();
        if secret.len() < MIN_SECRET {
            return Err(Error::WeakSecret);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        Ok(Self {
            encoding: EncodingKey::from_secret(secret),
            decoding: DecodingKey::from_secret(secret),
            validation,
            issuer,
            audience,
        })
    }

    /// Who the token speaks for at this moment.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation)
            .map_err(|_| Refusal::Invalid)?;
        // A header field that says "you must understand this" about what we don't.
        if decoded.header.crit.is_some() {
            return Err(Refusal::Invalid);
        }
        let claims = decoded.claims;
        let for_us = self.issuer.as_ref().is_none_or(|issuer| claims.iss.as_ref() == Some(issuer))
            && self.audience.as_ref().is_none_or(|audience| claims.is_meant_for(audience));
        let begun = claims.nbf.is_none_or(|nbf| moment(nbf) <= now.after(LEEWAY));
        if !for_us || !begun {
            return Err(Refusal::Invalid);
        }
        if now >= moment(claims.exp).after(LEEWAY) {
            return Err(Refusal::Expired);
        }
        Ok(Identity { user_id: claims.user_id()?, role: claims.role })
    }

    /// A token for somebody, good from now on for so long.
    pub fn issue(&self, identity: Identity, now: Timestamp, lifetime: Duration) -> Result<Token, Error> {
        let expires_at = moment(seconds(now.after(lifetime)));
        let claims = Claims {
            sub: identity.user_id.to_string(),
            exp: seconds(expires_at),
            iat: Some(seconds(now)),
            nbf: None,
            iss: self.issuer.clone(),
            aud: self.audience.clone().map(Audience::One),
            user_id: Some(identity.user_id.get()),
            role: identity.role,
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .map_err(Error::Signing)?;
        Ok(Token { token, expires_at })
    }
}

impl Claims {
    fn is_meant_for(&self, audience: &str) -> bool {
        match &self.aud {
            None => false,
            Some(Audience::One(one)) => one == audience,
            Some(Audience::Many(many)) => many.iter().any(|one| one == audience),
        }
    }

    /// The claim `user_id`, else a numeric `sub`.
    fn user_id(&self) -> Result<UserId, Refusal> {
        let number = match self.user_id {
            Some(number) => number,
            None if self.sub.bytes().all(|b| b.is_ascii_digit()) => {
                self.sub.parse().map_err(|_| Refusal::Invalid)?
            }
            None => return Err(Refusal::Invalid),
        };
        UserId::try_from(number).map_err(|_| Refusal::Invalid)
    }
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

fn seconds(moment: Timestamp) -> i64 {
    moment.micros().div_euclid(1_000_000)
}

#[cfg(test)]
mod tests;
