use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::catalogue::Listings;
use crate::fixtures::{cart, listing, listings, now, product, purchase, taken, units, usd, user};
use crate::priced::PricedCart;

fn apply(change: &Change, found: Option<&Cart>) -> Result<Outcome, Refusal> {
    change.apply(user(1), found, &listings(), now())
}

fn changed(change: &Change, found: Option<&Cart>) -> Cart {
    match apply(change, found).unwrap() {
        Outcome::Changed(cart) => cart,
        Outcome::Unchanged(_) => panic!("{change:?} changed nothing"),
    }
}

fn add(id: i64, quantity: i64) -> Change {
    Change::Add { product: product(id), quantity: units(quantity) }
}

fn set(id: i64, quantity: i64) -> Change {
    Change::SetQuantity { product: product(id), quantity: units(quantity) }
}

fn remove(id: i64) -> Change {
    Change::Remove { product: product(id) }
}

fn quantities(cart: &Cart) -> Vec<(i64, i64)> {
    cart.lines.iter().map(|line| (line.product.get(), line.quantity.get())).collect()
}

#[test]
fn the_first_addition_begins_a_cart_at_the_milliseconds_of_the_clock() {
    let cart = changed(&add(7, 2), None);
    assert_eq!(
        (cart.version, cart.purchases.bought_version()),
        (Version(1_763_842_530_000), Version(1_763_842_529_999))
    );
    assert_eq!((quantities(&cart), cart.updated_at), (vec![(7, 2)], now()));
    let second = changed(&add(3, 1), Some(&cart));
    assert_eq!((second.version.0 - cart.version.0, quantities(&second)), (1, vec![(7, 2), (3, 1)]));
    assert_eq!(second.purchases, cart.purchases);
}

#[test]
fn adding_again_adds_up_to_ninety_nine() {
    let most = changed(&add(1, 49), Some(&cart(1, &[(1, 50)])));
    assert_eq!(quantities(&most), [(1, 99)]);
    assert_eq!(apply(&add(1, 1), Some(&most)), Err(Refusal::Quantity));
    for wrong in [i64::MIN, -1, 0, 100, i64::MAX] {
        assert_eq!(LineQuantity::try_from(wrong), Err(InvalidQuantity));
    }
}

#[test]
fn a_fifty_first_line_is_refused_but_not_more_of_the_fiftieth() {
    let lines: Vec<(i64, i64)> = (1..=50).map(|id| (id, 1)).collect();
    let full = cart(1, &lines);
    assert_eq!(apply(&add(51, 1), Some(&full)), Err(Refusal::Full));
    assert_eq!(changed(&add(50, 1), Some(&full)).lines[49].quantity, units(2));
}

#[test]
fn n2_only_what_exists_in_one_currency_comes_in() {
    let euro = Money::new(100, "EUR".parse().unwrap());
    let listings: Listings =
        [listing(1, usd(100)), listing(2, euro), (product(3), None)].into_iter().collect();
    let dollars = cart(1, &[(1, 1)]);
    let refusal = |id, found| add(id, 1).apply(user(1), found, &listings, now()).unwrap_err();
    assert_eq!(refusal(3, None), Refusal::ProductNotFound(product(3)));
    assert_eq!(refusal(2, Some(&dollars)), Refusal::CurrencyMismatch);
    // Alone in the cart it may come in whatever currency it has now.
    let was_dollars = cart(1, &[(2, 1)]);
    let outcome = add(2, 1).apply(user(1), Some(&was_dollars), &listings, now()).unwrap();
    assert_eq!(outcome.cart().map(|cart| cart.lines[0].price), Some(euro));
}

#[test]
fn what_changes_nothing_makes_no_version() {
    let two = cart(1, &[(1, 2)]);
    let empty = cart(1, &[]);
    for (change, found) in [
        (set(1, 2), Some(&two)),
        (remove(9), Some(&two)),
        (remove(9), None),
        (Change::Clear, Some(&empty)),
        (Change::Clear, None),
    ] {
        assert_eq!(apply(&change, found), Ok(Outcome::Unchanged(found.cloned())), "{change:?}");
    }
    assert_eq!(apply(&set(9, 1), Some(&two)), Err(Refusal::NotInCart(product(9))));
    assert_eq!(apply(&set(9, 1), None), Err(Refusal::NotInCart(product(9))));
}

#[test]
fn a_cart_lives_for_ninety_days_and_the_next_one_begins_above_it() {
    let old = Cart { version: Version(i64::MAX / 2), ..cart(1, &[(1, 2)]) };
    let last_moment = now().after(LIFETIME - Duration::from_micros(1));
    let gone = now().after(LIFETIME);
    assert_eq!(Cart::alive(Some(&old), last_moment), Some(&old));
    assert_eq!(Cart::alive(Some(&old), gone), None);

    let at = |change: &Change, moment| change.apply(user(1), Some(&old), &listings(), moment).unwrap();
    assert_eq!(at(&remove(1), gone), Outcome::Unchanged(None));
    let Outcome::Changed(next) = at(&add(5, 1), gone) else { panic!("an addition is a change") };
    assert_eq!((quantities(&next), next.version), (vec![(5, 1)], old.version.next()));
    // What the earlier cart sold is behind the new one.
    assert!(next.purchases.has(taken(1, old.version)));
}

#[test]
fn a_purchase_takes_what_was_bought_once_and_leaves_the_rest() {
    let bought = cart(1, &[(1, 2), (2, 5), (3, 1)]);
    let added_since = changed(&add(1, 1), Some(&bought));
    let event = Change::TakeOut(purchase(taken(1, bought.version), &[(1, 2), (2, 5), (4, 9), (3, 99)]));
    let after = changed(&event, Some(&added_since));
    assert_eq!(quantities(&after), [(1, 1)]);
    assert_eq!(
        (after.purchases.bought_version(), after.version),
        (bought.version, added_since.version.next())
    );
    assert_eq!(apply(&event, Some(&after)), Ok(Outcome::Unchanged(Some(after.clone()))));
    // Emptied and filled again, the goods of old are not taken from the new ones.
    let refilled = changed(&add(1, 7), Some(&changed(&Change::Clear, Some(&after))));
    assert_eq!(apply(&event, Some(&refilled)), Ok(Outcome::Unchanged(Some(refilled.clone()))));
    assert_eq!(apply(&event, None), Ok(Outcome::Unchanged(None)));
}

#[test]
fn purchases_in_the_wrong_order_are_all_taken_out() {
    let one = cart(1, &[(1, 10)]);
    let first = Change::TakeOut(purchase(taken(1, one.version), &[(1, 3)]));
    let second = Change::TakeOut(purchase(taken(2, Version(one.version.0 + 2)), &[(1, 4)]));
    let late = changed(&first, Some(&changed(&second, Some(&one))));
    assert_eq!((quantities(&late), late.purchases.bought_version().0), (vec![(1, 3)], one.version.0 + 2));
}

#[test]
fn a_missing_product_stays_in_sight_but_out_of_the_total() {
    let cart = cart(1, &[(1, 2), (2, 3), (3, 1)]);
    let euro = Money::new(1, "EUR".parse().unwrap());
    let now_listed = [(product(2), None), listing(1, usd(150)), listing(3, euro)].into_iter().collect();
    let priced = PricedCart::new(user(1), Some(&cart), &now_listed).unwrap();
    assert_eq!((priced.total, priced.total_items), (usd(300), 6));
    let lines: Vec<_> = priced
        .lines
        .iter()
        .map(|line| (line.line.name.as_str(), line.line.price, line.total, line.available))
        .collect();
    assert_eq!(
        lines,
        [
            ("product 1", usd(150), usd(300), true),
            ("product 2", usd(200), usd(600), false),
            ("product 3", usd(300), usd(300), false),
        ]
    );
    let nothing = PricedCart::new(user(1), None, &now_listed).unwrap();
    assert_eq!((nothing.version, nothing.total, nothing.updated_at), (Version::NONE, usd(0), None));
}

#[test]
fn n1_totals_never_wrap() {
    let priced = |lines: &[(i64, i64)], price| {
        let dear: Listings = lines.iter().map(|(id, _)| listing(*id, usd(price))).collect();
        PricedCart::new(user(1), Some(&cart(1, lines)), &dear).map(|cart| cart.total.minor)
    };
    assert_eq!(priced(&[(1, 1)], i64::MAX), Ok(i64::MAX));
    assert_eq!(priced(&[(1, 2)], i64::MAX), Err(Refusal::TotalOutOfRange));
    assert_eq!(priced(&[(1, 1), (2, 1)], i64::MAX), Err(Refusal::TotalOutOfRange));
}

#[test]
fn the_catalogue_is_asked_for_what_is_shown_and_no_more() {
    let two = cart(1, &[(1, 1), (2, 1)]);
    let needs = |change: &Change, found| -> Vec<i64> {
        change.needs(found, now()).into_iter().map(ProductId::get).collect()
    };
    assert_eq!(needs(&add(3, 1), Some(&two)), [1, 2, 3]);
    assert_eq!(needs(&set(1, 5), Some(&two)), [1, 2]);
    assert_eq!(needs(&remove(1), Some(&two)), [2]);
    assert!(needs(&Change::Clear, Some(&two)).is_empty());
    assert!(needs(&set(1, 5), None).is_empty());
    let expired = Cart { updated_at: now().before(LIFETIME), ..cart(1, &[(1, 1), (2, 1)]) };
    assert_eq!(needs(&add(3, 1), Some(&expired)), [3]);
}

/// A step of a user's life with a cart.
fn any_change() -> impl Strategy<Value = Change> {
    let (id, quantity) = (1..=60_i64, 1..=99_i64);
    let bought = prop::collection::vec((1..=60_i64, 1..=120_i64), 0..6);
    prop_oneof![
        8 => (id.clone(), quantity.clone()).prop_map(|(id, quantity)| add(id, quantity)),
        3 => (id.clone(), quantity).prop_map(|(id, quantity)| set(id, quantity)),
        2 => id.prop_map(remove),
        1 => Just(Change::Clear),
        3 => (1..=12_i64, bought).prop_map(|(number, items)| {
            // A checkout buys one version: the same number is the same checkout, delivered again.
            let version = Version(now().micros() / 1000 - 3 + number);
            Change::TakeOut(purchase(taken(number.unsigned_abs().into(), version), &items))
        }),
    ]
}

/// What a cart is, in the simplest words.
#[derive(Default)]
struct Model {
    lines: BTreeMap<i64, i64>,
    applied: Vec<Taken>,
    floor: Option<Version>,
}

impl Model {
    /// What must come of a change: whether there is one, or why not.
    fn expect(&mut self, change: &Change) -> Result<bool, Refusal> {
        match change {
            Change::Add { product, quantity } => {
                let now = self.lines.get(&product.get()).copied();
                let sum = now.unwrap_or(0) + quantity.get();
                if sum > 99 {
                    return Err(Refusal::Quantity);
                }
                if now.is_none() && self.lines.len() == 50 {
                    return Err(Refusal::Full);
                }
                self.floor.get_or_insert_with(|| Version(now_version() - 1));
                self.lines.insert(product.get(), sum);
                Ok(true)
            }
            Change::SetQuantity { product, quantity } => {
                let line = self.lines.get_mut(&product.get()).ok_or(Refusal::NotInCart(*product))?;
                Ok(std::mem::replace(line, quantity.get()) != quantity.get())
            }
            Change::Remove { product } => Ok(self.lines.remove(&product.get()).is_some()),
            Change::Clear => Ok(!std::mem::take(&mut self.lines).is_empty()),
            Change::TakeOut(purchase) => {
                let past = self.floor.is_none_or(|floor| purchase.taken.version <= floor);
                if past || self.applied.contains(&purchase.taken) {
                    return Ok(false);
                }
                for (product, units) in &purchase.items {
                    self.lines.entry(product.get()).and_modify(|line| *line -= units.get());
                }
                self.lines.retain(|_, line| *line > 0);
                self.applied.push(purchase.taken);
                Ok(true)
            }
        }
    }
}

fn now_version() -> i64 {
    now().micros() / 1000
}

proptest! {
    #[test]
    fn a_cart_is_what_was_done_to_it(changes in prop::collection::vec(any_change(), 0..120)) {
        let (mut model, mut cart, mut expected_version) = (Model::default(), None::<Cart>, now_version() - 1);
        for change in &changes {
            let expected = model.expect(change);
            let outcome = apply(change, cart.as_ref());
            match (&expected, &outcome) {
                (Ok(true), Ok(Outcome::Changed(_))) => expected_version += 1,
                (Ok(false), Ok(Outcome::Unchanged(_))) => {}
                (Err(expected), Err(refusal)) => prop_assert_eq!(expected, refusal),
                _ => prop_assert!(false, "{:?}: expected {:?}, came {:?}", change, expected, outcome),
            }
            if let Ok(outcome) = outcome {
                cart = outcome.cart().cloned();
            }
            if let Some(cart) = &cart {
                let lines: BTreeMap<i64, i64> = quantities(cart).into_iter().collect();
                prop_assert_eq!(&lines, &model.lines);
                prop_assert_eq!((lines.len(), cart.version.0), (cart.lines.len(), expected_version));
                let bought = model.applied.iter().map(|taken| taken.version).max();
                prop_assert_eq!(cart.purchases.bought_version(), bought.or(model.floor).unwrap());
                let total: i64 = lines.iter().map(|(id, units)| id * 100 * units).sum();
                prop_assert_eq!(PricedCart::new(user(1), Some(cart), &listings()).unwrap().total, usd(total));
            } else {
                prop_assert!(model.floor.is_none());
            }
        }
    }
}
