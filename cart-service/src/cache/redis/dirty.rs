//! The carts that were changed while Redis could not be told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use types::UserId;

use crate::cart::Version;

/// So many users are remembered one by one, in some 500 kB; of more it is only known that there were more.
const CAPACITY: usize = 10_000;

/// What Redis has to be told when it is back.
pub(super) struct Dirty {
    state: Mutex<State>,
    added: Notify,
}

#[derive(Default)]
struct State {
    /// The version that was to be stored last.
    users: HashMap<UserId, Version>,
    /// Counts the times that users became too many to be remembered.
    overflows: u64,
    /// As of which time everything in Redis is void.
    void: bool,
}

/// What is to be told.
pub(super) enum Untold {
    Nothing,
    /// That everything it has is void; the number is for [`Dirty::told_all`].
    All(u64),
    /// These.
    Users(Vec<(UserId, Version)>),
}

impl Dirty {
    pub(super) fn none() -> Self {
        Self { state: Mutex::default(), added: Notify::new() }
    }

    /// Whatever Redis has is not to be believed.
    pub(super) fn all() -> Self {
        let dirty =
            Self { state: Mutex::new(State { void: true, ..State::default() }), added: Notify::new() };
        dirty.added.notify_one();
        dirty
    }

    pub(super) fn add(&self, user: UserId, version: Version) {
        let mut state = self.state();
        if state.users.len() >= CAPACITY && !state.users.contains_key(&user) {
            state.users.clear();
            state.void = true;
            state.overflows += 1;
        } else {
            let last = state.users.entry(user).or_insert(version);
            *last = version.max(*last);
        }
        drop(state);
        self.added.notify_one();
    }

    /// Whether what Redis has of a user is not to be believed.
    pub(super) fn has(&self, user: UserId) -> bool {
        let state = self.state();
        state.void || state.users.contains_key(&user)
    }

    pub(super) fn untold(&self) -> Untold {
        let state = self.state();
        if state.void {
            Untold::All(state.overflows)
        } else if state.users.is_empty() {
            Untold::Nothing
        } else {
            Untold::Users(state.users.iter().map(|(user, version)| (*user, *version)).collect())
        }
    }

    /// Redis knows that all it had is void, unless there was another overflow since.
    pub(super) fn told_all(&self, overflows: u64) {
        let mut state = self.state();
        state.void = state.overflows != overflows;
    }

    /// Redis knows of this version, unless there was another since.
    pub(super) fn told(&self, user: UserId, version: Version) {
        let mut state = self.state();
        if state.users.get(&user) == Some(&version) {
            state.users.remove(&user);
        }
    }

    /// Resolves when there may be something to tell.
    pub(super) async fn added(&self) {
        self.added.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete at any time.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::user;

    #[test]
    fn what_was_told_is_forgotten_unless_it_changed_since() {
        let dirty = Dirty::none();
        assert!(matches!(dirty.untold(), Untold::Nothing));
        dirty.add(user(1), Version(5));
        dirty.add(user(1), Version(4));
        assert!(dirty.has(user(1)) && !dirty.has(user(2)));
        assert!(matches!(dirty.untold(), Untold::Users(users) if users == [(user(1), Version(5))]));
        dirty.add(user(1), Version(6));
        dirty.told(user(1), Version(5));
        assert!(dirty.has(user(1)));
        dirty.told(user(1), Version(6));
        assert!(!dirty.has(user(1)));
    }

    #[test]
    fn too_many_are_all() {
        let dirty = Dirty::none();
        for id in 1..=CAPACITY as i64 {
            dirty.add(user(id), Version(1));
        }
        dirty.add(user(1), Version(2));
        assert!(!dirty.has(user(1_000_000)));
        dirty.add(user(1_000_000), Version(1));
        assert!(dirty.has(user(1)) && dirty.has(user(2_000_000)));
        let Untold::All(overflows) = dirty.untold() else { panic!("too many") };
        // One that came after the overflow is known by name.
        dirty.add(user(7), Version(3));
        dirty.told_all(overflows);
        assert!(matches!(dirty.untold(), Untold::Users(users) if users == [(user(7), Version(3))]));
    }

    #[test]
    fn an_overflow_while_redis_is_told_is_told_too() {
        let dirty = Dirty::all();
        let Untold::All(overflows) = dirty.untold() else { panic!("all") };
        for id in 1..=CAPACITY as i64 + 1 {
            dirty.add(user(id), Version(1));
        }
        dirty.told_all(overflows);
        assert!(matches!(dirty.untold(), Untold::All(_)));
    }
}
