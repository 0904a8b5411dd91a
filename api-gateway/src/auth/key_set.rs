//! The keys that count now, and the tokens that they have verified.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Header, decode_header};
use moka::sync::Cache;
use platform::metrics::Lookups;
use serde::Deserialize;
use types::Timestamp;

use super::claims::{Expected, Verified};
use super::key::Key;
use super::{Identity, Refusal};

/// Bytes of a token; no longer one is looked at.
const MAX_TOKEN: usize = 8 * 1024;
/// Tokens that are remembered: some 2 MB.
const REMEMBERED: u64 = 10_000;
/// What the type of a token may be, if it says one: an access token (RFC 9068), or nothing in particular.
const TYPES: [&str; 3] = ["at+jwt", "application/at+jwt", "jwt"];

/// Keys, with what they have verified: one ends with the other.
pub(crate) struct KeySet {
    keys: Keys,
    expected: Arc<Expected>,
    /// By a hash, so that no copy of a token lies about. Each is held against the clock again whenever it is used.
    verified: Cache<Hash, Verified>,
    lookups: Lookups,
}

type Hash = [u8; SHA256_OUTPUT_LEN];

enum Keys {
    /// The one there is, whatever a token calls it.
    Only(Box<Key>),
    /// Those that somebody publishes, by their ids.
    Published(Vec<Key>),
}

/// A JSON Web Key Set (RFC 7517). A key that we can't read is no reason to miss the others.
#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

impl KeySet {
    /// One key.
    pub(super) fn only(key: Key, expected: Arc<Expected>, lookups: Lookups) -> Self {
        Self::new(Keys::Only(Box::new(key)), expected, lookups)
    }

    /// The keys of a JSON Web Key Set; those that we can't use are left out.
    pub(super) fn parse(
        document: &[u8],
        expected: Arc<Expected>,
        lookups: Lookups,
    ) -> serde_json::Result<Self> {
        let Document { keys } = serde_json::from_slice(document)?;
        let usable = |key| Key::of_jwk(&serde_json::from_value::<Jwk>(key).ok()?).ok();
        Ok(Self::new(Keys::Published(keys.into_iter().filter_map(usable).collect()), expected, lookups))
    }

    fn new(keys: Keys, expected: Arc<Expected>, lookups: Lookups) -> Self {
        Self { keys, expected, verified: Cache::new(REMEMBERED), lookups }
    }

    /// How many keys there are.
    pub(super) fn count(&self) -> usize {
        match &self.keys {
            Keys::Only(_) => 1,
            Keys::Published(keys) => keys.len(),
        }
    }

    /// Who a token speaks for at this moment.
    pub(super) fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        if token.len() > MAX_TOKEN {
            return Err(Refusal::Invalid("too long"));
        }
        let hash = hash(token);
        if let Some(verified) = self.verified.get(&hash) {
            self.lookups.hits.increment(1);
            return verified.at(now);
        }
        self.lookups.misses.increment(1);
        let header = decode_header(token).map_err(|_| Refusal::Invalid("malformed"))?;
        check(&header)?;
        let key = self.key(header.kid.as_deref()).ok_or(Refusal::UnknownKey)?;
        let verified = key.claims(token)?.verified(&self.expected)?;
        let identity = verified.at(now)?;
        self.verified.insert(hash, verified);
        Ok(identity)
    }

    fn key(&self, id: Option<&str>) -> Option<&Key> {
        match (&self.keys, id) {
            (Keys::Only(key), _) => Some(key),
            (Keys::Published(keys), Some(id)) => keys.iter().find(|key| key.id() == Some(id)),
            (Keys::Published(keys), None) => match keys.as_slice() {
                [only] => Some(only),
                _ => None,
            },
        }
    }
}

/// A token that brings its own key, or asks us to fetch one, wants to be judge of itself; one with critical fields
/// demands what we do not understand; and one of another type was made for another use.
fn check(header: &Header) -> Result<(), Refusal> {
    if header.jku.is_some() || header.x5u.is_some() || header.jwk.is_some() {
        return Err(Refusal::Invalid("with a key of its own"));
    }
    if header.crit.is_some() {
        return Err(Refusal::Invalid("with critical fields"));
    }
    let known = |typ: &String| TYPES.iter().any(|known| typ.eq_ignore_ascii_case(known));
    if !header.typ.as_ref().is_none_or(known) {
        return Err(Refusal::Invalid("of another type"));
    }
    Ok(())
}

fn hash(token: &str) -> Hash {
    let mut hash = [0; SHA256_OUTPUT_LEN];
    hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
impl KeySet {
    /// How many tokens are remembered.
    pub(super) fn remembered(&self) -> u64 {
        self.verified.run_pending_tasks();
        self.verified.entry_count()
    }
}
