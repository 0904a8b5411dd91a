//! Who asks: JSON Web Tokens, signed with a shared secret or with a private key of somebody else.
//!
//! A token is data until a key that we hold has verified it. Each key has one algorithm, which follows from its kind
//! and never from a token; a token's header only says which of our keys to try. Time is a parameter, so the claims
//! about it are checked here and not by the library, which knows the machine's clock only.

mod claims;
mod key;
mod key_set;
mod published;
mod signer;
mod source;
mod verifier;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use types::UserId;

pub use signer::{Error, Signer, Token};
pub use source::KeySetUrl;
pub(crate) use verifier::Verifier;

/// The shortest secret that is worth its name, in bytes: as long as the hash it keys.
pub const MIN_SECRET: usize = 32;

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

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It can't be trusted; why is for the log only.
    Invalid(&'static str),
    /// It names a key that we do not hold.
    UnknownKey,
    /// It was good once.
    Expired,
    /// Nobody can say: there were no keys yet.
    NoKeys,
}

/// A secret that nobody can guess, for who was given none.
pub fn random_secret() -> SecretString {
    let bytes: [u8; MIN_SECRET] = rand::random();
    SecretString::from(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
