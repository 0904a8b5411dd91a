//! Text as it is compared and searched: without regard to case.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Text whose characters differ in more than case.
///
/// Each character is folded by itself, so that a part of a text folds to a part of the folded text;
/// `str::to_lowercase` does not promise that, for it ends Greek words with another sigma. On the way through
/// both cases "ß" and "ẞ" meet "SS", and "ς" meets "σ".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Folded(Arc<str>);

impl Folded {
    /// Whether `part` occurs in this text.
    pub(super) fn contains(&self, part: &Self) -> bool {
        self.0.contains(&*part.0)
    }
}

impl From<&str> for Folded {
    fn from(text: &str) -> Self {
        let lower = text.chars().flat_map(char::to_lowercase);
        let folded: String = lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
        Self(folded.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_found(part: &str, text: &str) -> bool {
        Folded::from(text).contains(&Folded::from(part))
    }

    #[test]
    fn case_is_no_difference() {
        for (part, text) in [
            ("LAP", "laptop"),
            ("käse", "KÄSESPÄTZLE"),
            ("ΟΔΟΣ", "οδοστρωτήρας"),
            ("οδός", "ΟΔΌΣ"),
            ("STRASSE", "Hauptstraße"),
            ("straße", "HAUPTSTRASSE"),
            ("strasse", "HAUPTSTRAẞE"),
            ("привет", "ПРИВЕТ"),
            ("键盘", "机械键盘"),
            ("k", "\u{212a}elvin"),
        ] {
            assert!(is_found(part, text), "{part} in {text}");
        }
        assert!(!is_found("laptops", "laptop"));
    }

    proptest! {
        #[test]
        fn a_part_is_found_in_any_case(before in ".*", part in ".*", after in ".*") {
            let text = format!("{before}{part}{after}");
            prop_assert!(is_found(&part, &text));
            prop_assert!(is_found(&part.to_lowercase(), &text.to_uppercase()));
            prop_assert!(is_found(&part.to_uppercase(), &text.to_lowercase()));
        }
    }
}
