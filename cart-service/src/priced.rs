//! A cart with what it costs at this moment.

use types::{Currency, InvalidMoney, Money, Timestamp, UserId};

use crate::cart::{Cart, Line, Refusal, Version};
use crate::catalogue::{Listing, Listings};

/// A cart as it is shown and bought: names and prices are the catalogue's of this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PricedCart {
    /// Whose it is.
    pub(crate) user: UserId,
    /// [`Version::NONE`] where there is no cart.
    pub(crate) version: Version,
    /// The highest version whose purchase has been taken out.
    pub(crate) bought_version: Version,
    /// In the order in which they were added.
    pub(crate) lines: Vec<PricedLine>,
    /// The sum of all quantities.
    pub(crate) total_items: i64,
    /// The sum of the available lines; zero US dollars where there are no lines.
    pub(crate) total: Money,
    /// When the cart was last changed; `None` where there is none.
    pub(crate) updated_at: Option<Timestamp>,
}

/// A line with what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PricedLine {
    /// The line, with the present name and price where the product is available.
    pub(crate) line: Line,
    /// The price of all units.
    pub(crate) total: Money,
    /// Whether it can be bought: the catalogue has the product, in the currency of the cart.
    pub(crate) available: bool,
}

impl PricedCart {
    /// Prices a cart that is not expired.
    ///
    /// # Errors
    /// [`Refusal::TotalOutOfRange`].
    pub(crate) fn new(user: UserId, cart: Option<&Cart>, listings: &Listings) -> Result<Self, Refusal> {
        let lines = cart.map_or(&[][..], |cart| &cart.lines);
        let currency = lines.first().map_or(Currency::USD, |line| line.price.currency);
        let mut priced = Self {
            user,
            version: cart.map_or(Version::NONE, |cart| cart.version),
            bought_version: cart.map_or(Version::NONE, |cart| cart.purchases.bought_version()),
            lines: Vec::with_capacity(lines.len()),
            total_items: 0,
            total: Money::zero(currency),
            updated_at: cart.map(|cart| cart.updated_at),
        };
        for line in lines {
            let offer = listings.find(line.product).filter(|listing| listing.price.currency == currency);
            let line = PricedLine::new(line.clone(), offer).map_err(|_| Refusal::TotalOutOfRange)?;
            if line.available {
                priced.total = priced.total.checked_add(line.total).map_err(|_| Refusal::TotalOutOfRange)?;
            }
            // At most 50 lines of at most 99.
            priced.total_items += line.line.quantity.get();
            priced.lines.push(line);
        }
        Ok(priced)
    }
}

impl PricedLine {
    fn new(mut line: Line, offer: Option<&Listing>) -> Result<Self, InvalidMoney> {
        if let Some(listing) = offer {
            line.name.clone_from(&listing.name);
            line.price = listing.price;
        }
        let total = line.price.checked_mul(line.quantity.get())?;
        Ok(Self { line, total, available: offer.is_some() })
    }
}
