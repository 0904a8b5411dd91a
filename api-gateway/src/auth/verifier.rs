//! What tells whose a token is: the settings say with which keys.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use platform::World;
use platform::config::Error as Unusable;
use platform::metrics::Lookups;
use types::Timestamp;

use super::claims::Expected;
use super::key::Key;
use super::key_set::KeySet;
use super::published::Published;
use super::signer::strong;
use super::{Identity, MIN_SECRET, Refusal};
use crate::config::Settings;

/// Verifies tokens.
pub(crate) enum Verifier {
    /// With a key that stays.
    Fixed(KeySet),
    /// With the keys that somebody publishes.
    Published(Published),
}

impl Verifier {
    /// The verifier that the settings ask for; they must name one kind of key and no other.
    pub(crate) async fn open(settings: &Settings, world: &World) -> anyhow::Result<Self> {
        let Settings { jwt_secret, jwt_public_key, jwks_url, .. } = settings;
        let (issuer, audience) = (settings.jwt_issuer.clone(), settings.jwt_audience.clone());
        let expected = Arc::new(Expected { issuer, audience });
        let lookups = Lookups::new(&world.metrics, "tokens");
        if let (Some(variable), None) = (settings.public_keys(), &expected.audience) {
            tracing::warn!(
                variable,
                "JWT_AUDIENCE is not set: tokens for anything else of that issuer count too"
            );
        }
        match (jwt_secret, jwt_public_key, jwks_url) {
            (Some(secret), None, None) => {
                Ok(Self::Fixed(KeySet::only(Key::of_secret(strong(secret)?), expected, lookups)))
            }
            (None, Some(pem), None) => {
                Ok(Self::Fixed(KeySet::only(public_key(pem).await?, expected, lookups)))
            }
            (None, None, Some(url)) => {
                let published = Published::open(url, expected, lookups, world.clock.clone());
                Ok(Self::Published(published.await?))
            }
            (None, None, None) => bail!(
                "JWT_SECRET is not set; wanted: the secret that tokens are signed with, at least {MIN_SECRET} bytes, \
                 or one of JWT_PUBLIC_KEY and JWKS_URL (AUTH_MODE=dev does without, on this machine only)"
            ),
            _ => bail!(
                "more than one of JWT_SECRET, JWT_PUBLIC_KEY and JWKS_URL is set; wanted: the one whose tokens count"
            ),
        }
    }

    /// Who a token speaks for at this moment.
    pub(crate) async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        match self {
            Self::Fixed(keys) => keys.verify(token, now),
            Self::Published(published) => published.verify(token, now).await,
        }
    }

    /// Whether there is any key to verify with.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Published(published) => published.is_ready(),
        }
    }

    /// Follows what is published; never ends.
    pub(crate) async fn keep_fresh(&self) -> Infallible {
        match self {
            Self::Fixed(_) => std::future::pending().await,
            Self::Published(published) => published.keep_fresh().await,
        }
    }
}

/// The key that a setting holds, or the file that it names.
async fn public_key(setting: &str) -> anyhow::Result<Key> {
    let is_pem = setting.contains("-----BEGIN ");
    let pem = if is_pem {
        setting.to_owned()
    } else {
        let read = tokio::fs::read_to_string(setting).await;
        read.with_context(|| format!("JWT_PUBLIC_KEY={setting} can't be read"))?
    };
    Key::of_pem(&pem).map_err(|cause| {
        let value = if is_pem { "***" } else { setting };
        unusable(
            "JWT_PUBLIC_KEY",
            value,
            &cause.to_string(),
            "one public key in PEM: RSA, EC on P-256 or Ed25519",
        )
    })
}

/// That a setting can't be used.
pub(super) fn unusable(setting: &str, value: &str, cause: &str, wanted: &str) -> anyhow::Error {
    let [setting, value] = [setting, value].map(str::to_owned);
    let [cause, wanted] = [cause, wanted].map(|text| Some(text.to_owned()));
    Unusable::Unusable { setting, value, cause, wanted }.into()
}
