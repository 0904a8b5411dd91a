//! Carts: what was bought is no longer in them.

use std::collections::{BTreeMap, HashMap};

use cart_service::cart::{Cart, Version};
use checkout_service::checkout::Checkout;
use types::{CheckoutId, UserId};

use super::events::Consumption;
use super::facts::{Facts, completion};
use super::violation::{Invariant, Subject, Violation};

/// The group of consumers that takes purchases out of carts.
const GROUP: &str = "cart-service";

/// C4, as far as it is stored: the lines that a cart had are not, but the mark of a purchase is written in one
/// with them.
pub(super) fn check(facts: &Facts) -> Vec<Violation> {
    let mut violations = bought_is_taken_out(facts);
    violations.extend(only_bought_is_taken_out(facts));
    violations
}

/// C4: a completed checkout is taken out of the buyer's cart. It may still be as long as the cart service has not
/// consumed the event that tells of it. A cart that is gone, or began later, has nothing left to be taken out.
fn bought_is_taken_out(facts: &Facts) -> Vec<Violation> {
    let carts = facts.carts.iter().filter_map(|cart| Cart::alive(Some(cart), facts.now));
    let carts: HashMap<UserId, &Cart> = carts.map(|cart| (cart.user, cart)).collect();
    let consumption = Consumption::of(facts, GROUP);
    let violation = |checkout: &Checkout| {
        let (id, version) = (checkout.id, Version(checkout.cart_version));
        let purchases = &carts.get(&checkout.user_id)?.purchases;
        let taken = version <= purchases.floor || purchases.recent.iter().any(|taken| taken.checkout == id);
        if taken {
            return None;
        }
        let (bought, user) = (purchases.bought_version().0, checkout.user_id);
        let text = format!(
            "bought version {} of the cart of user {user}, which knows of purchases up to {bought}",
            version.0
        );
        let told = |text| Violation::new(Invariant::C4, Subject::Checkout(id), text);
        Some(match consumption.of_checkout(id) {
            Some(consumed) => told(format!("{text}; {GROUP} {consumed}")),
            None => told(format!("{text} so far")).that_may_pass(),
        })
    };
    facts.completed().filter_map(|(checkout, _)| violation(checkout)).collect()
}

/// C4: what was taken out of a cart was bought by a completed checkout of that user, and taken out once.
fn only_bought_is_taken_out(facts: &Facts) -> Vec<Violation> {
    let bought = facts.checkouts.checkouts.iter().filter(|checkout| completion(checkout).is_some());
    let bought: HashMap<CheckoutId, &Checkout> = bought.map(|checkout| (checkout.id, checkout)).collect();
    let mut violations = Vec::new();
    for cart in &facts.carts {
        let mut times: BTreeMap<CheckoutId, usize> = BTreeMap::new();
        for taken in &cart.purchases.recent {
            *times.entry(taken.checkout).or_default() += 1;
        }
        for (id, times) in times {
            let is_ours = bought.get(&id).is_some_and(|checkout| checkout.user_id == cart.user);
            let text = match times {
                1 if is_ours || facts.is_news(cart.updated_at) => continue,
                1 => format!("checkout {id} was taken out of the cart, but is no purchase of this user"),
                _ => format!("checkout {id} was taken out of the cart {times} times"),
            };
            violations.push(Violation::new(Invariant::C4, Subject::User(cart.user), text));
        }
    }
    violations
}

#[cfg(test)]
mod tests;
