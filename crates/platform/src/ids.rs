//! New ids as a parameter.

use uuid::Uuid;

/// A source of new ids.
pub trait Ids: Send + Sync {
    /// An id never given before, UUID version 7: ids made later sort after those made before.
    fn next(&self) -> Uuid;
}

/// Ids of the machine's time and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the one place where random ids enter")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}
