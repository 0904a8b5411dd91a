//! Where parcels go.

use serde::{Deserialize, Serialize};

use crate::text::is_visible;

/// The parts of an address, as they were written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressParts {
    /// Who receives.
    pub name: String,
    /// Street and number.
    pub line1: String,
    /// Whatever more is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    /// City.
    pub city: String,
    /// Postal code.
    pub postal_code: String,
    /// ISO 3166-1 alpha-2: "DE".
    pub country: String,
}

/// A part that can't be used, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {message}")]
pub struct InvalidAddress {
    /// The part's name.
    pub field: &'static str,
    /// What it must be.
    pub message: &'static str,
}

/// An address that a parcel can be sent to: every part there, printable and of bounded length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "AddressParts", into = "AddressParts")]
pub struct Address(AddressParts);

impl Address {
    /// The longest part, in characters.
    pub const MAX_PART: usize = 200;

    /// The parts, each checked.
    pub fn parts(&self) -> &AddressParts {
        &self.0
    }
}

impl TryFrom<AddressParts> for Address {
    type Error = InvalidAddress;

    fn try_from(parts: AddressParts) -> Result<Self, InvalidAddress> {
        let line2 = parts.line2.as_deref().unwrap_or("-");
        for (field, text) in [
            ("name", parts.name.as_str()),
            ("line1", &parts.line1),
            ("line2", line2),
            ("city", &parts.city),
            ("postal_code", &parts.postal_code),
        ] {
            if text.trim().is_empty()
                || text.chars().count() > Self::MAX_PART
                || !text.chars().all(is_visible)
            {
                return Err(InvalidAddress { field, message: "must be 1 to 200 printable characters" });
            }
        }
        if parts.country.len() != 2 || !parts.country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(InvalidAddress {
                field: "country",
                message: "must be two upper case letters such as DE",
            });
        }
        Ok(Self(parts))
    }
}

impl From<Address> for AddressParts {
    fn from(address: Address) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> AddressParts {
        AddressParts {
            name: "Ada Lovelace".into(),
            line1: "1 Analytical Way".into(),
            line2: None,
            city: "London".into(),
            postal_code: "N1".into(),
            country: "GB".into(),
        }
    }

    #[test]
    fn u1_every_part_is_checked() {
        assert!(Address::try_from(parts()).is_ok());
        let refused = |change: fn(&mut AddressParts)| {
            let mut parts = parts();
            change(&mut parts);
            Address::try_from(parts).unwrap_err().field
        };
        assert_eq!(refused(|p| p.name = "  ".into()), "name");
        assert_eq!(refused(|p| p.line1 = "a\nb".into()), "line1");
        assert_eq!(refused(|p| p.line1 = "moc.live\u{202e}".into()), "line1");
        assert_eq!(refused(|p| p.line2 = Some(String::new())), "line2");
        assert_eq!(refused(|p| p.city = "x".repeat(201)), "city");
        assert_eq!(refused(|p| p.postal_code = String::new()), "postal_code");
        assert_eq!(refused(|p| p.country = "gb".into()), "country");
    }
}
