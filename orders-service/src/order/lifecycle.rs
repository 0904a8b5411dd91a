//! The way of an order: forward one step at a time, or back until it is shipped.

use std::fmt;

/// How far an order has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Paid for.
    Confirmed,
    /// Being packed.
    Processing,
    /// On its way.
    Shipped,
    /// There.
    Delivered,
    /// Its money and its stock are on their way back.
    Cancelling,
    /// Its money was given back, its stock is for sale again.
    Cancelled,
}

impl Status {
    /// Every status, in the order of the lifecycle, then the way back.
    pub const ALL: [Self; 6] = [
        Self::Confirmed,
        Self::Processing,
        Self::Shipped,
        Self::Delivered,
        Self::Cancelling,
        Self::Cancelled,
    ];

    /// The text of the contract and of the store: `CONFIRMED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "CONFIRMED",
            Self::Processing => "PROCESSING",
            Self::Shipped => "SHIPPED",
            Self::Delivered => "DELIVERED",
            Self::Cancelling => "CANCELLING",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// Reads what [`Status::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether nothing comes after it.
    pub const fn is_end(self) -> bool {
        match self {
            Self::Confirmed | Self::Processing | Self::Shipped | Self::Cancelling => false,
            Self::Delivered | Self::Cancelled => true,
        }
    }

    /// The one step from here; `None` at the end, and where the order does not go on.
    const fn next(self) -> Option<Self> {
        match self {
            Self::Confirmed => Some(Self::Processing),
            Self::Processing => Some(Self::Shipped),
            Self::Shipped => Some(Self::Delivered),
            Self::Delivered | Self::Cancelling | Self::Cancelled => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A step that the lifecycle does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from} can't become {to}")]
pub struct InvalidTransition {
    from: Status,
    to: Status,
}

/// Allows the one step from `from`, and nothing else: no step back, over another, or on the spot.
pub fn advance(from: Status, to: Status) -> Result<(), InvalidTransition> {
    if from.next() == Some(to) { Ok(()) } else { Err(InvalidTransition { from, to }) }
}

/// What a request to cancel comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// The order begins its way back.
    Begins,
    /// It did before: asking again changes nothing.
    Begun,
}

/// Allows to cancel until the order is shipped.
pub const fn cancel(from: Status) -> Result<Cancel, InvalidTransition> {
    match from {
        Status::Confirmed | Status::Processing => Ok(Cancel::Begins),
        Status::Cancelling | Status::Cancelled => Ok(Cancel::Begun),
        Status::Shipped | Status::Delivered => Err(InvalidTransition { from, to: Status::Cancelled }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lifecycle_goes_one_step_at_a_time() {
        use Status::{Confirmed, Delivered, Processing, Shipped};
        let allowed = [(Confirmed, Processing), (Processing, Shipped), (Shipped, Delivered)];
        for from in Status::ALL {
            for to in Status::ALL {
                assert_eq!(advance(from, to).is_ok(), allowed.contains(&(from, to)), "{from} -> {to}");
            }
        }
        assert_eq!(
            advance(Shipped, Confirmed).unwrap_err().to_string(),
            "an order that is SHIPPED can't become CONFIRMED"
        );
    }

    #[test]
    fn an_order_can_be_cancelled_until_it_is_shipped() {
        use Status::{Cancelled, Cancelling, Confirmed, Delivered, Processing, Shipped};
        for from in Status::ALL {
            let answer = cancel(from).map_err(|refusal| refusal.to_string());
            let wanted = match from {
                Confirmed | Processing => Ok(Cancel::Begins),
                Cancelling | Cancelled => Ok(Cancel::Begun),
                Shipped | Delivered => Err(format!("an order that is {from} can't become CANCELLED")),
            };
            assert_eq!(answer, wanted);
        }
    }

    #[test]
    fn status_texts_read_back() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
        }
        assert_eq!(Status::parse("confirmed"), None);
    }
}
