//! What a call to the provider comes to for where its key stands: pure.
//!
//! An authorisation has no rule of its own: it opens a key that nobody has heard of, and changes nothing of
//! any other.

use super::ledger::Effect;
use crate::provider::Standing;

/// Takes what is put aside.
pub fn capture(standing: Option<&Standing>) -> Option<Effect> {
    match standing {
        Some(Standing::Authorized) => Some(Effect::Capture),
        Some(_) | None => None,
    }
}

/// Gives back what is put aside, and leaves a tombstone where nothing is known.
pub fn void(standing: Option<&Standing>) -> Option<Effect> {
    match standing {
        None => Some(Effect::Tombstone),
        Some(Standing::Authorized) => Some(Effect::Void),
        Some(_) => None,
    }
}

/// Gives back what was taken.
pub fn refund(standing: Option<&Standing>) -> Option<Effect> {
    match standing {
        Some(Standing::Captured) => Some(Effect::Refund),
        Some(_) | None => None,
    }
}
