//! Checkouts among themselves: keys, versions of carts, time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use checkout_service::saga::state::State;
use types::{CheckoutId, UserId};

use super::facts::Facts;
use super::violation::{Invariant, Subject, Violation};

/// How long after its deadline a checkout may take to back out, or to end past the pivot.
const GRACE: Duration = Duration::from_secs(30);

pub(super) fn check(facts: &Facts) -> Vec<Violation> {
    let mut violations = keys_make_one_checkout(facts);
    violations.extend(checkouts_have_one_key(facts));
    violations.extend(versions_are_bought_once(facts));
    violations.extend(nothing_runs_for_ever(facts));
    violations
}

/// O3: one key of one user makes at most one checkout, of that user.
fn keys_make_one_checkout(facts: &Facts) -> Vec<Violation> {
    let buyers: HashMap<_, _> = facts.checkouts.checkouts.iter().map(|it| (it.id, it.user_id)).collect();
    let mut uses: BTreeMap<(UserId, &str), Vec<CheckoutId>> = BTreeMap::new();
    for (user, key, id) in &facts.checkouts.keys {
        uses.entry((*user, key)).or_default().push(*id);
    }
    let violation = |((user, key), ids): ((UserId, &str), Vec<CheckoutId>)| {
        let text = match ids.as_slice() {
            [id] => match buyers.get(id) {
                Some(buyer) if *buyer == user => return None,
                Some(buyer) => format!("the key {key:?} made checkout {id} of user {buyer}"),
                None => format!("the key {key:?} made checkout {id}, which is not there"),
            },
            many => format!("the key {key:?} made {} checkouts: {}", many.len(), list(many)),
        };
        Some(Violation::new(Invariant::O3, Subject::User(user), text))
    };
    uses.into_iter().filter_map(violation).collect()
}

/// O3: each checkout was made under one key.
fn checkouts_have_one_key(facts: &Facts) -> Vec<Violation> {
    let mut keys: HashMap<CheckoutId, usize> = HashMap::new();
    for (_, _, id) in &facts.checkouts.keys {
        *keys.entry(*id).or_default() += 1;
    }
    let ids = facts.checkouts.checkouts.iter().map(|checkout| checkout.id);
    let violation = |id: CheckoutId| match keys.get(&id).copied().unwrap_or(0) {
        1 => None,
        count => {
            Some(Violation::new(Invariant::O3, Subject::Checkout(id), format!("was made under {count} keys")))
        }
    };
    ids.filter_map(violation).collect()
}

/// O4: one version of a cart has at most one checkout that is not failed.
fn versions_are_bought_once(facts: &Facts) -> Vec<Violation> {
    let mut buyers: BTreeMap<(UserId, i64), Vec<CheckoutId>> = BTreeMap::new();
    for checkout in &facts.checkouts.checkouts {
        if !matches!(checkout.state, State::Failed(_)) {
            buyers.entry((checkout.user_id, checkout.cart_version)).or_default().push(checkout.id);
        }
    }
    let violation = |((user, version), ids): ((UserId, i64), Vec<CheckoutId>)| {
        let text = format!("version {version} of the cart is bought {} times: {}", ids.len(), list(&ids));
        (ids.len() > 1).then(|| Violation::new(Invariant::O4, Subject::User(user), text))
    };
    buyers.into_iter().filter_map(violation).collect()
}

/// L1: no checkout stays without an end for longer than its deadline and some grace. Where the shop was stopped
/// meanwhile, it ends once that runs again.
fn nothing_runs_for_ever(facts: &Facts) -> Vec<Violation> {
    let running = facts.checkouts.checkouts.iter().filter(|checkout| !checkout.state.is_terminal());
    let late = running.filter(|checkout| facts.now > checkout.deadline.after(GRACE));
    late.map(|checkout| {
        let (state, attempts) = (checkout.state.name(), checkout.attempt());
        let age = facts.now.since(checkout.created_at).as_secs();
        let text = format!("still running after {age} s: {state}, {attempts} attempts");
        Violation::new(Invariant::L1, Subject::Checkout(checkout.id), text).that_may_pass()
    })
    .collect()
}

fn list(ids: &[CheckoutId]) -> String {
    let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests;
