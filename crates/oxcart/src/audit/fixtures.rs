//! A small sound shop to plant violations in.

use std::time::Duration;

use cart_service::cart::{Cart, Purchases, Taken, Version};
use checkout_service::checkout::{Checkout, Purchase};
use checkout_service::saga::state::{Failure, Outcome};
use checkout_service::store::OutboxEntry;
use event_log::{Delivery, End, Event, OutboxRow, Progress, Written};
use inventory_service::ledger::{Kind, Movement};
use inventory_service::reservation::{self, Lines, Reservation};
use inventory_service::stock::Stock;
use orders_service::cancellation::Cancellation;
use orders_service::order::{self, Order};
use orders_service::store::Applied;
use payment_service::payment::{Payment, Status, Terms};
use payment_service::provider::Method;
use payment_service::provider::simulated::{Effect, Entry};
use platform::Origin;
use proto::events::{
    CHECKOUT_EVENTS, CheckoutCompleted, CheckoutFailed, Item, ORDER_EVENTS, OrderCancelled, OrderCreated,
};
use types::{CheckoutId, Currency, Money, PaymentId, ProductId, Quantity, ReservationId, Timestamp, UserId};
use uuid::Uuid;

use super::Facts;

/// The first completed checkout: user 7, 2 of product 1 and 1 of product 2.
pub(super) const FIRST: u128 = 1;
/// The second one: user 8, 1 of product 1. The cart is gone.
pub(super) const SECOND: u128 = 2;
/// Declined: user 9, 3 of product 2.
pub(super) const DECLINED: u128 = 3;
/// Running: user 7, 1 of product 2 held, the money put aside.
pub(super) const RUNNING: u128 = 4;

/// Two completed checkouts, one that failed as the payment was declined, one that runs.
pub(super) fn clean() -> Facts {
    let mut facts = Facts { now: at(100), ..Facts::default() };
    deliver(&mut facts, 1, 10);
    deliver(&mut facts, 2, 10);
    for (number, user, items) in
        [(FIRST, 7, vec![item(1, 2, 1000), item(2, 1, 250)]), (SECOND, 8, vec![item(1, 1, 1000)])]
    {
        let checkout = accept(&mut facts, number, user, items);
        stock(&mut facts, number, reservation::State::Committed, &[Kind::Reserve, Kind::Commit]);
        pay(&mut facts, number, Status::Captured, &[Effect::Authorize, Effect::Capture]);
        let done = Outcome::Done;
        end(&mut facts, checkout, &[done.clone(), done.clone(), done.clone(), done]);
        order(&mut facts, number);
    }
    let declined = accept(&mut facts, DECLINED, 9, vec![item(2, 3, 250)]);
    stock(&mut facts, DECLINED, reservation::State::Released, &[Kind::Reserve, Kind::Release]);
    let code = "card_declined".to_owned();
    pay(
        &mut facts,
        DECLINED,
        Status::Declined { code: code.clone() },
        &[Effect::Decline { code: code.clone() }],
    );
    let refused = Outcome::Refused(Failure::PaymentDeclined { decline_code: code });
    end(&mut facts, declined, &[Outcome::Done, refused, Outcome::Done]);

    accept(&mut facts, RUNNING, 7, vec![item(2, 1, 250)]);
    let held = reservation::State::Held { until: at(400) };
    stock(&mut facts, RUNNING, held, &[Kind::Reserve]);
    pay(&mut facts, RUNNING, Status::Authorized, &[Effect::Authorize]);

    let taken = Taken { checkout: id(FIRST), version: version(FIRST) };
    facts.carts.push(cart(7, vec![taken]));
    facts.carts.push(cart(9, Vec::new()));
    for group in ["orders-service", "cart-service"] {
        let (group, topic) = (group.to_owned(), CHECKOUT_EVENTS.to_owned());
        facts.log.progress.push(Progress { group, topic, partition: 0, next: i64::MAX });
    }
    facts
}

/// The texts of what an audit finds.
pub(super) fn found(facts: &Facts) -> Vec<String> {
    super::check(facts).iter().map(ToString::to_string).collect()
}

pub(super) fn id(number: u128) -> CheckoutId {
    CheckoutId(Uuid::from_u128(number))
}

pub(super) fn user(number: i64) -> UserId {
    UserId::try_from(number).unwrap()
}

pub(super) fn product(number: i64) -> ProductId {
    ProductId::try_from(number).unwrap()
}

pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_micros(1_763_842_530_000_000).after(Duration::from_secs(seconds))
}

pub(super) fn usd(minor: i64) -> Money {
    Money::new(minor, Currency::USD)
}

fn version(number: u128) -> Version {
    Version(i64::try_from(number).unwrap() * 10)
}

/// The id of the event that tells of a checkout.
pub(super) fn event_of(number: u128) -> Uuid {
    Uuid::from_u128(number + 1000)
}

pub(super) fn item(product_id: i64, quantity: i64, price: i64) -> Item {
    Item {
        product_id: product(product_id),
        product_name: format!("product {product_id}"),
        quantity: Quantity::try_from(quantity).unwrap(),
        unit_price: usd(price),
        line_total: usd(price * quantity),
    }
}

pub(super) fn checkout(facts: &mut Facts, number: u128) -> &mut Checkout {
    facts.checkouts.checkouts.iter_mut().find(|it| it.id == id(number)).unwrap()
}

/// A checkout that was just accepted under the key `key-<number>`.
pub(super) fn accept(facts: &mut Facts, number: u128, buyer: i64, items: Vec<Item>) -> Checkout {
    let total = items.iter().map(|item| item.line_total.minor).sum();
    let purchase = Purchase {
        user_id: user(buyer),
        cart_version: version(number).0,
        bought_version: 0,
        items,
        total: usd(total),
        payment_method: "pm_card_visa".to_owned(),
        shipping_address: None,
    };
    let checkout = Checkout::accept(id(number), purchase, Origin::default(), at(90));
    facts.checkouts.checkouts.push(checkout.clone());
    facts.checkouts.keys.push((user(buyer), format!("key-{number}"), id(number)));
    checkout
}

/// Brings a checkout to its end, with its event in the outbox and in the log.
pub(super) fn end(facts: &mut Facts, mut checkout: Checkout, outcomes: &[Outcome]) {
    for outcome in outcomes {
        checkout = checkout.after(outcome.clone(), at(91), Duration::ZERO);
    }
    assert!(checkout.ending().is_some(), "{:?} is no end", checkout.state);
    let kind = match &checkout.state {
        checkout_service::saga::state::State::Completed => CheckoutCompleted::TYPE,
        _ => CheckoutFailed::TYPE,
    };
    let event = event(event_of(checkout.id.0.as_u128()), kind, "{}");
    let (id, kind) = (event.id, event.kind.clone());
    facts.checkouts.events.push(OutboxEntry { checkout_id: checkout.id, id, kind, is_published: true });
    let delivery = publish(facts, CHECKOUT_EVENTS, event);
    facts.log.checkout_events.push(delivery);
    let place = facts.checkouts.checkouts.iter_mut().find(|it| it.id == checkout.id).unwrap();
    *place = checkout;
}

pub(super) fn event(id: Uuid, kind: &str, json: &str) -> Event {
    let (kind, source, key) = (kind.to_owned(), "test".to_owned(), "7".to_owned());
    let data = json.to_owned().into();
    Event { id, kind, source, key, time: at(91), traceparent: None, request_id: None, data }
}

/// The place of an event in the log, the next one of all its topics.
pub(super) fn publish(facts: &mut Facts, topic: &str, event: Event) -> Delivery {
    let (topic, partition) = (topic.to_owned(), 0);
    let offset = facts.log.ends.iter().map(|end| end.next).max().unwrap_or(1);
    facts.log.ends.retain(|end| end.topic != topic);
    facts.log.ends.push(End { topic: topic.clone(), partition, first: 0, next: offset + 1 });
    Delivery { topic, partition, offset, event }
}

/// What a completed checkout became.
fn order(facts: &mut Facts, number: u128) {
    let completed = super::facts::completion(checkout(facts, number)).unwrap();
    let order = Order::new(order::Purchase::try_from(completed).unwrap(), at(92));
    let created = OrderCreated {
        order_id: order.id,
        checkout_id: order.purchase.checkout_id,
        user_id: order.purchase.user_id,
        total: order.purchase.total,
        created_at: order.created_at,
    };
    let json = serde_json::to_string(&created).unwrap();
    let event = event(Uuid::from_u128(number + 2000), OrderCreated::TYPE, &json);
    let row = OutboxRow { seq: 1, topic: ORDER_EVENTS.to_owned(), event: event.clone() };
    facts.orders.outbox.push(Written { row, published: true });
    let delivery = publish(facts, ORDER_EVENTS, event);
    facts.log.order_events.push(delivery);
    facts.orders.inbox.push(Applied { event_id: event_of(number), order_id: order.id, applied_at: at(92) });
    facts.orders.orders.push(order);
}

/// Begins to cancel the order of the first checkout.
pub(super) fn cancelling(facts: &mut Facts) {
    let order = first_order(facts);
    order.status = order::Status::Cancelling;
    order.updated_at = at(95);
    let cancellation = Cancellation::of(order, Origin::default(), at(95));
    facts.orders.cancellations.push(cancellation);
}

/// Cancels the order of the first checkout: money and stock go back, and the event is in the log.
pub(super) fn cancelled(facts: &mut Facts) {
    cancelling(facts);
    let payment = facts.payments.iter_mut().find(|it| it.checkout_id == id(FIRST)).unwrap();
    payment.status = Status::Refunded;
    let total = checkout(facts, FIRST).total;
    ledger(facts, FIRST, Effect::Refund, Some(total));
    restock(facts);
    for cancellation in &mut facts.orders.cancellations {
        for _ in 0..2 {
            let done = orders_service::cancellation::Outcome::Done;
            *cancellation = cancellation.after(done, at(96), Duration::ZERO);
        }
    }
    let order = first_order(facts);
    order.status = order::Status::Cancelled;
    order.updated_at = at(96);
    tell_cancelled(facts, 4000);
}

/// What the first checkout bought is for sale again.
pub(super) fn restock(facts: &mut Facts) {
    let id = ReservationId(Uuid::from_u128(FIRST));
    let reservation = facts.inventory.reservations.iter_mut().find(|it| it.id == id).unwrap();
    reservation.state = reservation::State::Restocked;
    for (product_id, quantity) in reservation.lines.clone().iter() {
        movement(facts, product_id.get(), Kind::Restock, quantity.get(), Some(id));
    }
}

/// One more event that the order of the first checkout is cancelled.
pub(super) fn tell_cancelled(facts: &mut Facts, event_id: u128) {
    let order = first_order(facts);
    let data = OrderCancelled {
        order_id: order.id,
        checkout_id: order.purchase.checkout_id,
        user_id: order.purchase.user_id,
        refunded: order.purchase.total,
        cancelled_at: at(96),
    };
    let json = serde_json::to_string(&data).unwrap();
    let event = event(Uuid::from_u128(event_id), OrderCancelled::TYPE, &json);
    let row = OutboxRow { seq: 9, topic: ORDER_EVENTS.to_owned(), event: event.clone() };
    facts.orders.outbox.push(Written { row, published: true });
    let delivery = publish(facts, ORDER_EVENTS, event);
    facts.log.order_events.push(delivery);
}

pub(super) fn first_order(facts: &mut Facts) -> &mut Order {
    facts.orders.orders.iter_mut().find(|it| it.id == id(FIRST).order_id()).unwrap()
}

pub(super) fn cart(owner: i64, recent: Vec<Taken>) -> Cart {
    let purchases = Purchases { floor: Version(1), recent };
    Cart { user: user(owner), version: Version(50), lines: Vec::new(), purchases, updated_at: at(92) }
}

/// Brings units of a new product in.
fn deliver(facts: &mut Facts, number: i64, units: i64) {
    facts.inventory.stock.push(Stock::none(product(number)));
    movement(facts, number, Kind::Adjust, units, None);
}

/// The reservation of a checkout, with the movements that lead to its state.
pub(super) fn stock(facts: &mut Facts, number: u128, state: reservation::State, kinds: &[Kind]) {
    let items = checkout(facts, number).items.clone();
    let items: Vec<(i64, i64)> = items.iter().map(|it| (it.product_id.get(), it.quantity.get())).collect();
    reserve(facts, number, &items, state, kinds);
}

/// A reservation of units of products, with the movements that lead to its state.
pub(super) fn reserve(
    facts: &mut Facts,
    number: u128,
    items: &[(i64, i64)],
    state: reservation::State,
    kinds: &[Kind],
) {
    let id = ReservationId(Uuid::from_u128(number));
    let mut lines = Lines::default();
    for (product_id, quantity) in items {
        lines.add(product(*product_id), Quantity::try_from(*quantity).unwrap()).unwrap();
        for kind in kinds {
            movement(facts, *product_id, *kind, *quantity, Some(id));
        }
    }
    facts.inventory.reservations.push(Reservation { id, lines, state });
}

/// Sells what is held for a checkout.
pub(super) fn sell(facts: &mut Facts, number: u128) {
    let ours = ReservationId(Uuid::from_u128(number));
    let held = facts.inventory.reservations.iter_mut().find(|it| it.id == ours).unwrap();
    held.state = reservation::State::Committed;
    for (product_id, quantity) in held.lines.clone().iter() {
        movement(facts, product_id.get(), Kind::Commit, quantity.get(), Some(ours));
    }
}

fn movement(facts: &mut Facts, number: i64, kind: Kind, quantity: i64, by: Option<ReservationId>) {
    let product_id = product(number);
    let stock = facts.inventory.stock.iter_mut().find(|it| it.product_id == product_id).unwrap();
    *stock = stock.after(kind, quantity).unwrap();
    let at = if by.is_some() { at(90) } else { at(0) };
    let id = i64::try_from(facts.inventory.movements.len()).unwrap() + 1;
    facts.inventory.movements.push(Movement { id, product_id, kind, quantity, reservation_id: by, at });
}

/// The payment of a checkout, with what the provider did.
pub(super) fn pay(facts: &mut Facts, number: u128, status: Status, effects: &[Effect]) {
    let (buyer, amount) = (checkout(facts, number).user_id, checkout(facts, number).total);
    let terms = Terms { user_id: buyer, amount, method: Method::new("pm_card_visa") };
    facts.payments.push(payment(number, Some(terms), status));
    for effect in effects {
        ledger(facts, number, effect.clone(), Some(amount));
    }
}

pub(super) fn payment(number: u128, terms: Option<Terms>, status: Status) -> Payment {
    let id = PaymentId(Uuid::from_u128(number + 3000));
    let checkout_id = self::id(number);
    Payment { id, checkout_id, terms, status, created_at: at(90), updated_at: at(91) }
}

/// One more entry of the provider's ledger.
pub(super) fn ledger(facts: &mut Facts, number: u128, effect: Effect, amount: Option<Money>) {
    let seq = i64::try_from(facts.provider.len()).unwrap() + 1;
    facts.provider.push(Entry { seq, key: id(number), effect, amount, at: at(91) });
}
