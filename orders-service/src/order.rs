//! What an order is, and the way it goes: pure values and rules.

mod lifecycle;

use proto::events::{CheckoutCompleted, Item};
use types::{Address, CheckoutId, Money, OrderId, ProductId, Quantity, Timestamp, UserId};

pub use lifecycle::{Cancel, InvalidTransition, Status, advance, cancel};

/// What was bought, and how far it has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Follows from the checkout: [`CheckoutId::order_id`].
    pub id: OrderId,
    /// What was bought; never changes.
    pub purchase: Purchase,
    /// How far the order has got.
    pub status: Status,
    /// Whether it is being cancelled and that has not worked for so long that a person should look.
    pub stuck: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed its status.
    pub updated_at: Timestamp,
}

impl Order {
    /// The order that a purchase becomes.
    pub fn new(purchase: Purchase, now: Timestamp) -> Self {
        Self {
            id: purchase.checkout_id.order_id(),
            purchase,
            status: Status::Confirmed,
            stuck: false,
            created_at: now,
            updated_at: now,
        }
    }
}

/// What a completed checkout bought. Made by [`TryFrom`], it adds up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// The checkout that bought it.
    pub checkout_id: CheckoutId,
    /// Who bought.
    pub user_id: UserId,
    /// At least one, in the order of the checkout, all in the currency of the total.
    pub lines: Vec<Line>,
    /// What was paid: the sum of the lines.
    pub total: Money,
    /// Where it goes.
    pub shipping_address: Option<Address>,
}

/// One product of a purchase, at the price that was paid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The product.
    pub product_id: ProductId,
    /// Its name at the time.
    pub product_name: String,
    /// Units bought.
    pub quantity: Quantity,
    /// Price of one.
    pub unit_price: Money,
    /// Price of all.
    pub line_total: Money,
}

/// An event that tells of a purchase that can't have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// The order has another id than its checkout gives it.
    #[error("the order id does not follow from the checkout id")]
    OrderId,
    /// Nothing was bought.
    #[error("there are no lines")]
    Empty,
    /// A price below zero.
    #[error("the price of product {0} is negative")]
    Price(ProductId),
    /// A line that does not cost its price times its quantity.
    #[error("the line of product {0} is not its price times its quantity")]
    Line(ProductId),
    /// Lines that do not cost the total, or in several currencies.
    #[error("the lines don't add up to the total")]
    Total,
}

impl TryFrom<CheckoutCompleted> for Purchase {
    type Error = Implausible;

    fn try_from(event: CheckoutCompleted) -> Result<Self, Implausible> {
        if event.order_id != event.checkout_id.order_id() {
            return Err(Implausible::OrderId);
        }
        if event.items.is_empty() {
            return Err(Implausible::Empty);
        }
        let lines: Vec<Line> = event.items.into_iter().map(Line::try_from).collect::<Result<_, _>>()?;
        let sum = lines
            .iter()
            .try_fold(Money::zero(event.total.currency), |sum, line| sum.checked_add(line.line_total));
        if sum != Ok(event.total) {
            return Err(Implausible::Total);
        }
        Ok(Self {
            checkout_id: event.checkout_id,
            user_id: event.user_id,
            lines,
            total: event.total,
            shipping_address: event.shipping_address,
        })
    }
}

impl TryFrom<Item> for Line {
    type Error = Implausible;

    fn try_from(item: Item) -> Result<Self, Implausible> {
        if item.unit_price.minor < 0 {
            return Err(Implausible::Price(item.product_id));
        }
        if item.unit_price.checked_mul(item.quantity.get()) != Ok(item.line_total) {
            return Err(Implausible::Line(item.product_id));
        }
        Ok(Self {
            product_id: item.product_id,
            product_name: item.product_name,
            quantity: item.quantity,
            unit_price: item.unit_price,
            line_total: item.line_total,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use types::Currency;

    use super::*;
    use crate::fixtures;

    #[test]
    fn a_purchase_is_what_the_event_says() {
        let event = fixtures::completed(1, 7);
        let purchase = Purchase::try_from(event.clone()).unwrap();
        assert_eq!(purchase.checkout_id, event.checkout_id);
        assert_eq!(purchase.user_id.get(), 7);
        assert_eq!(purchase.lines.len(), 2);
        assert_eq!(purchase.total, Money::new(129_999 * 2 + 2_999, Currency::USD));
        let order = Order::new(purchase, Timestamp::from_micros(5));
        assert_eq!(order.id, event.order_id);
        assert_eq!(order.status, Status::Confirmed);
    }

    #[test]
    fn what_does_not_add_up_is_implausible() {
        let refusal = |change: fn(&mut CheckoutCompleted)| {
            let mut event = fixtures::completed(1, 7);
            change(&mut event);
            Purchase::try_from(event).unwrap_err()
        };
        let laptop = ProductId::try_from(1).unwrap();
        let yen: Currency = "JPY".parse().unwrap();
        assert_eq!(refusal(|e| e.order_id = OrderId(e.checkout_id.0)), Implausible::OrderId);
        assert_eq!(refusal(|e| e.items.clear()), Implausible::Empty);
        assert_eq!(refusal(|e| e.total.minor += 1), Implausible::Total);
        assert_eq!(refusal(|e| e.items[0].line_total.minor -= 1), Implausible::Line(laptop));
        assert_eq!(refusal(|e| e.items[0].unit_price.minor = i64::MAX), Implausible::Line(laptop));
        assert_eq!(refusal(|e| e.items[0].unit_price.minor = -1), Implausible::Price(laptop));
        let mut event = fixtures::completed(1, 7);
        event.items[0].unit_price.currency = yen;
        event.items[0].line_total.currency = yen;
        assert_eq!(Purchase::try_from(event), Err(Implausible::Total));
    }

    proptest! {
        #[test]
        fn a_sum_never_wraps(prices in prop::collection::vec(0..i64::MAX, 1..5)) {
            let mut event = fixtures::completed(1, 7);
            let template = event.items[1].clone();
            event.items = prices
                .iter()
                .map(|price| {
                    let price = Money::new(*price, Currency::USD);
                    Item { unit_price: price, line_total: price, ..template.clone() }
                })
                .collect();
            let sum: i128 = prices.iter().copied().map(i128::from).sum();
            event.total.minor = prices.iter().fold(0, |sum: i64, price| sum.wrapping_add(*price));
            prop_assert_eq!(Purchase::try_from(event).is_ok(), i64::try_from(sum).is_ok());
        }
    }
}
