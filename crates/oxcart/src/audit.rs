//! The audit: whether money, stock, orders and carts agree, across all stores of a shop.
//!
//! [`check()`] is one pure function over [`Facts`], what the services' own snapshots say; [`read()`] takes those
//! from the files of a shop, running or not; [`run`] does both, and again where a running shop may only be
//! a little behind; [`run_with`] also knows what clients were told.
//!
//! A checkout that has ended is held to every invariant. One that still runs is held to what must hold at any
//! time: nothing is taken twice, stock adds up, a key and a cart are good for one purchase. What the
//! services do for a call made by hand, past any checkout, has to add up as well.
//!
//! What is stored decides what can be checked. Lines that a cart once had are not, so that C4 is judged by
//! the mark that is written with the lines, not by the quantities. The database's own constraints are not repeated.

mod carts;
mod checkouts;
mod events;
mod facts;
#[cfg(test)]
mod fixtures;
mod history;
mod money;
mod orders;
mod read;
mod report;
mod stock;
mod violation;

pub use facts::{Facts, Log};
pub use history::{Acknowledged, History, Status};
pub(crate) use read::TOPICS;
pub use read::{Sources, read};
pub use report::{Checkouts, Report, run, run_with};
pub use violation::{Invariant, Subject, Violation};

/// Every violation of an invariant, in the order of [`Invariant`]; none in a sound shop at rest.
pub fn check(facts: &Facts) -> Vec<Violation> {
    let themes = [
        money::check,
        stock::check,
        orders::check,
        checkouts::check,
        carts::check,
        events::check,
        history::check,
    ];
    let mut violations: Vec<Violation> = themes.iter().flat_map(|check| check(facts)).collect();
    violations.sort_by_key(|violation| violation.invariant);
    violations
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixtures::{clean, found};

    #[test]
    fn a_sound_shop_has_no_violations() {
        assert_eq!(found(&clean()), [""; 0]);
        let nothing = Facts::default();
        assert_eq!(found(&nothing), [""; 0]);
    }
}
