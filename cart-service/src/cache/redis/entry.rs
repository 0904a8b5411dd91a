//! What is kept in Redis under the key of a user.
//!
//! An entry is a letter for its kind, an epoch, and for what has a version its 19 digits: so the scripts compare
//! versions as text, exactly, where Lua's numbers would round.

use serde::{Deserialize, Serialize};
use types::{Timestamp, UserId};

use crate::cart::{Cart, Version};
use crate::store::document::{Document, Unreadable};

/// Length of the letter and the epoch.
const HEAD: usize = 17;
/// And of the version.
const VERSION: usize = 19;

/// What was found, or put there, by a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A cart, or that there is none.
    Cart(Option<Cart>),
    /// A change is being made, or was lately and nobody said how it ended; what the store has from this version on
    /// may fill the entry for as long as this is what it is.
    Expected(Version, Vec<u8>),
    /// Leave to fill the entry for as long as this is what it is.
    Lease(Vec<u8>),
    /// No entry of ours.
    Unreadable,
}

/// What follows the version of a cart.
#[derive(Serialize, Deserialize)]
struct Content {
    /// A safeguard: nobody is shown what was written for somebody else.
    user_id: UserId,
    cart: Option<Kept>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    version: i64,
    /// Microseconds since the epoch.
    updated_at: i64,
    document: Document,
}

/// The key of a user's entry: a prefix and a number, whatever the user says.
pub(super) fn key(user: UserId) -> String {
    format!("oxcart:cart:{}", user.get())
}

/// Versions in the order of their text.
pub(super) fn version(version: Version) -> String {
    format!("{:019}", version.0.max(0))
}

/// What is written of a cart.
pub(super) fn content(user: UserId, cart: Option<&Cart>) -> Option<Vec<u8>> {
    let kept = |cart: &Cart| Kept {
        version: cart.version.0,
        updated_at: cart.updated_at.micros(),
        document: Document::from(cart),
    };
    serde_json::to_vec(&Content { user_id: user, cart: cart.map(kept) }).ok()
}

impl Entry {
    /// Reads an entry of this user.
    pub(super) fn of(user: UserId, bytes: Vec<u8>) -> Self {
        match bytes.first() {
            Some(b'l') => Self::Lease(bytes),
            Some(b't') => expected(&bytes).map_or(Self::Unreadable, |version| Self::Expected(version, bytes)),
            Some(b'v') => cart(user, &bytes).map_or(Self::Unreadable, Self::Cart),
            Some(_) | None => Self::Unreadable,
        }
    }
}

fn expected(bytes: &[u8]) -> Option<Version> {
    let digits = std::str::from_utf8(bytes.get(HEAD..HEAD + VERSION)?).ok()?;
    digits.parse().map(Version).ok()
}

fn cart(user: UserId, bytes: &[u8]) -> Option<Option<Cart>> {
    let content: Content = serde_json::from_slice(bytes.get(HEAD + VERSION..)?).ok()?;
    if content.user_id != user {
        return None;
    }
    content.cart.map(|kept| kept.into_cart(user)).transpose().ok()
}

impl Kept {
    fn into_cart(self, user: UserId) -> Result<Cart, Unreadable> {
        let (lines, purchases) = self.document.into_parts()?;
        let updated_at = Timestamp::from_micros(self.updated_at);
        Ok(Cart { user, version: Version(self.version), lines, purchases, updated_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{cart as some_cart, taken, user};

    fn entry(owner: i64, cart: Option<&Cart>) -> Vec<u8> {
        let version = version(cart.map_or(Version::NONE, |cart| cart.version));
        let mut entry = format!("v{:016x}{version}", 7).into_bytes();
        entry.extend(content(user(owner), cart).unwrap());
        entry
    }

    #[test]
    fn a_cart_comes_back_as_it_was() {
        let mut cart = some_cart(1, &[(1, 1), (2, 99)]);
        cart.purchases.recent = vec![taken(7, Version(70))];
        cart.updated_at = Timestamp::from_micros(1_763_842_530_999_999);
        assert_eq!(Entry::of(user(1), entry(1, Some(&cart))), Entry::Cart(Some(cart)));
        assert_eq!(Entry::of(user(1), entry(1, None)), Entry::Cart(None));
    }

    #[test]
    fn q3_a_key_is_a_prefix_and_a_number() {
        assert_eq!(
            [1, i64::MAX].map(|id| key(user(id))),
            ["oxcart:cart:1", "oxcart:cart:9223372036854775807"]
        );
    }

    #[test]
    fn anything_else_is_no_cart() {
        let of_another = entry(2, Some(&some_cart(2, &[(1, 1)])));
        let mut cut = entry(1, Some(&some_cart(1, &[(1, 1)])));
        cut.truncate(60);
        for bytes in [of_another, cut] {
            assert_eq!(Entry::of(user(1), bytes), Entry::Unreadable);
        }
        for bytes in ["v", "t", "", "{}", "t0123456789abcdef000000000000000000x"] {
            assert_eq!(Entry::of(user(1), bytes.into()), Entry::Unreadable);
        }
    }

    #[test]
    fn versions_are_ordered_as_their_text() {
        let numbers = [0, 1, 9, 10, 1_763_842_530_000, i64::MAX];
        let texts = numbers.map(|number| version(Version(number)));
        assert!(texts.is_sorted() && texts.iter().all(|text| text.len() == VERSION), "{texts:?}");
    }
}
