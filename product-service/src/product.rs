//! What is for sale, and what may be said about it.

use std::borrow::Cow;

use types::text::is_visible;
use types::{Money, ProductId, Timestamp};
use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// A product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Given once, to one product, for ever.
    pub id: ProductId,
    /// What the shop says about it.
    pub details: Details,
    /// 1 for a new product; grows by one with every change.
    pub version: i64,
    /// When it came into the catalogue.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

/// What the shop says about a product, as it was written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailsParts {
    /// 1 to 200 printable characters.
    pub name: String,
    /// At most 4000 characters, in lines.
    pub description: String,
    /// 1 to 100 printable characters.
    pub category: String,
    /// The price of one.
    pub price: Money,
    /// Empty, an `http(s)://` URL, or a path of this shop.
    pub image_url: String,
}

/// A part that can't be used, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct InvalidDetails {
    /// The part's name.
    pub field: &'static str,
    /// What it must be.
    pub message: &'static str,
}

/// What the shop says about a product, each part checked, composed (NFC) and without blanks at its ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details(DetailsParts);

impl Details {
    /// The highest price, in minor units: beyond any real price, and so far below 64 bits that the total of
    /// a full cart can't overflow.
    pub const MAX_PRICE: i64 = 1_000_000_000_000;

    /// The parts, each checked.
    pub fn parts(&self) -> &DetailsParts {
        &self.0
    }
}

impl TryFrom<DetailsParts> for Details {
    type Error = InvalidDetails;

    fn try_from(mut parts: DetailsParts) -> Result<Self, InvalidDetails> {
        for text in [&mut parts.name, &mut parts.description, &mut parts.category, &mut parts.image_url] {
            tidy(text);
        }
        let DetailsParts { name, description, category, price, image_url } = &parts;
        for (fits, field, message) in [
            (is_line(name, 200), "name", "must be 1 to 200 characters, each of them visible"),
            (
                is_prose(description, 4000),
                "description",
                "must be at most 4000 characters, each of them visible, a line break or a tab",
            ),
            (is_line(category, 100), "category", "must be 1 to 100 characters, each of them visible"),
            (
                (1..=Self::MAX_PRICE).contains(&price.minor),
                "price",
                "must be between 1 and 10^12 minor units",
            ),
            (
                is_image_url(image_url, 2000),
                "image_url",
                "must be empty, or a URL that starts with http:// or https://, or a path that starts with /, \
                 of at most 2000 characters",
            ),
        ] {
            if !fits {
                return Err(InvalidDetails { field, message });
            }
        }
        Ok(Self(parts))
    }
}

fn tidy(text: &mut String) {
    let tidied = composed(text.trim());
    if tidied != *text {
        *text = tidied.into_owned();
    }
}

/// The one way to write a text that looks like this: an accent that stands behind its letter is drawn into it.
pub(crate) fn composed(text: &str) -> Cow<'_, str> {
    if is_nfc(text) { Cow::Borrowed(text) } else { Cow::Owned(text.nfc().collect()) }
}

fn is_line(text: &str, longest: usize) -> bool {
    !text.is_empty() && is_at_most(text, longest) && text.chars().all(is_visible)
}

fn is_prose(text: &str, longest: usize) -> bool {
    is_at_most(text, longest) && text.chars().all(|c| is_visible(c) || matches!(c, '\n' | '\r' | '\t'))
}

/// Browsers read `//host` and `/\host` as another host's address, so these are no paths of this shop.
fn is_image_url(text: &str, longest: usize) -> bool {
    let is_absolute = ["http://", "https://"].into_iter().any(|scheme| {
        let (start, rest) = text.split_at_checked(scheme.len()).unwrap_or_default();
        start.eq_ignore_ascii_case(scheme) && rest.starts_with(|c| !matches!(c, '/' | '?' | '#'))
    });
    let is_path = text.starts_with('/') && !text.starts_with("//");
    let is_plain = text.chars().all(|c| is_visible(c) && !c.is_whitespace() && c != '\\');
    is_at_most(text, longest) && is_plain && (text.is_empty() || is_absolute || is_path)
}

fn is_at_most(text: &str, longest: usize) -> bool {
    text.chars().nth(longest).is_none()
}

#[cfg(test)]
mod tests {
    use types::Currency;

    use super::*;

    fn parts() -> DetailsParts {
        DetailsParts {
            name: "Laptop".into(),
            description: "Light.\n\tAnd quick.".into(),
            category: "Computers".into(),
            price: Money::new(129_999, Currency::USD),
            image_url: "/images/laptop.jpg".into(),
        }
    }

    fn refused(change: impl FnOnce(&mut DetailsParts)) -> Option<&'static str> {
        let mut parts = parts();
        change(&mut parts);
        Details::try_from(parts).err().map(|error| error.field)
    }

    #[test]
    fn blanks_at_the_ends_are_dropped() {
        let padded =
            DetailsParts { name: " \u{a0}Laptop\n".into(), category: "Computers ".into(), ..parts() };
        assert_eq!(Details::try_from(padded).unwrap().parts(), &parts());
    }

    #[test]
    fn u1_what_looks_the_same_is_the_same() {
        let decomposed = DetailsParts { category: "Cafe\u{301}s".into(), ..parts() };
        assert_eq!(Details::try_from(decomposed).unwrap().parts().category, "Caf\u{e9}s");
        assert_eq!(composed("ＳＡＶＥ"), "ＳＡＶＥ", "what looks otherwise is another");
    }

    #[test]
    fn a_name_and_a_category_are_one_line() {
        for bad in ["", "   ", "\n", "a\nb", "a\0b", &"é".repeat(201)] {
            assert_eq!(refused(|p| p.name = bad.into()), Some("name"), "{bad:?}");
        }
        for bad in ["", " ", "a\tb", &"é".repeat(101)] {
            assert_eq!(refused(|p| p.category = bad.into()), Some("category"), "{bad:?}");
        }
        assert_eq!(refused(|p| p.name = "é".repeat(200)), None);
        assert_eq!(refused(|p| p.category = "é".repeat(100)), None);
    }

    #[test]
    fn a_description_has_at_most_4000_characters() {
        assert_eq!(refused(|p| p.description.clear()), None);
        assert_eq!(refused(|p| p.description = "é".repeat(4000)), None);
        assert_eq!(refused(|p| p.description = "é".repeat(4001)), Some("description"));
        assert_eq!(refused(|p| p.description = "a\u{1b}[31mb".into()), Some("description"));
    }

    #[test]
    fn a_price_is_positive_and_bounded() {
        for bad in [0, -1, i64::MIN, Details::MAX_PRICE + 1, i64::MAX] {
            assert_eq!(refused(|p| p.price.minor = bad), Some("price"), "{bad}");
        }
        for good in [1, Details::MAX_PRICE] {
            assert_eq!(refused(|p| p.price.minor = good), None, "{good}");
        }
    }

    #[test]
    fn an_image_is_a_url_or_a_path() {
        for good in ["", "/a.png", "http://a", "https://cdn.example/a.png?x=1", "HTTPS://a/b"] {
            assert_eq!(refused(|p| p.image_url = good.into()), None, "{good}");
        }
        let long = format!("/{}", "x".repeat(2000));
        for bad in [
            "a.png",
            "//evil.example/a",
            "/\\evil",
            "http://",
            "https:///a",
            "ftp://a",
            "javascript:alert(1)",
            "/a b",
            "/a\nb",
            "é",
            &long,
        ] {
            assert_eq!(refused(|p| p.image_url = bad.into()), Some("image_url"), "{bad}");
        }
    }
}
