//! Keyset pages: how many, and from where on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A page that can't be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPage {
    /// Negative, or more than [`PageSize::MAX`].
    #[error("must be between 1 and {}", PageSize::MAX)]
    Size,
    /// Not a token that this list gave.
    #[error("must be the next_page_token of the page before, with the same filters and sort")]
    Token,
}

/// How many entries a page has at most: 1 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageSize(u16);

impl PageSize {
    /// The largest page.
    pub const MAX: u16 = 100;

    /// Entries per page.
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

impl Default for PageSize {
    fn default() -> Self {
        Self(20)
    }
}

impl TryFrom<i32> for PageSize {
    type Error = InvalidPage;

    /// 0, what an absent field reads as, is the default of 20.
    fn try_from(value: i32) -> Result<Self, InvalidPage> {
        match u16::try_from(value) {
            Ok(0) => Ok(Self::default()),
            Ok(size) if size <= Self::MAX => Ok(Self(size)),
            _ => Err(InvalidPage::Size),
        }
    }
}

/// The opaque text that leads to the next page: a cursor, the key of the last entry seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(String);

impl PageToken {
    /// The longest token that is looked at.
    const MAX_LEN: usize = 2048;

    /// Wraps a cursor. A cursor that JSON can't say is a defect of its type; it yields a token that
    /// [`PageToken::open`] refuses.
    pub fn seal(cursor: &impl Serialize) -> Self {
        Self(URL_SAFE_NO_PAD.encode(serde_json::to_vec(cursor).unwrap_or_default()))
    }

    /// Unwraps the cursor of a client's text; `None` for the first page, the empty text. A cursor has one token: what
    /// says the same in other words is none.
    pub fn open<C: Serialize + DeserializeOwned>(text: &str) -> Result<Option<C>, InvalidPage> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidPage::Token);
        }
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidPage::Token)?;
        let cursor = serde_json::from_slice(&json).map_err(|_| InvalidPage::Token)?;
        if Self::seal(&cursor).0 == text { Ok(Some(cursor)) } else { Err(InvalidPage::Token) }
    }

    /// The text for the client.
    pub fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_1_to_100_and_20_when_absent() {
        assert_eq!(PageSize::try_from(0).map(PageSize::get), Ok(20));
        assert_eq!(PageSize::try_from(100).map(PageSize::get), Ok(100));
        for bad in [-1, 101, i32::MAX, i32::MIN] {
            assert_eq!(PageSize::try_from(bad), Err(InvalidPage::Size));
        }
    }

    #[test]
    fn a_token_gives_back_its_cursor() {
        let token = PageToken::seal(&(7, "name")).into_string();
        assert_eq!(PageToken::open(&token), Ok(Some((7, "name".to_owned()))));
        assert_eq!(PageToken::open::<(i64, String)>(""), Ok(None));
        // The last one is [7, "name"], with a blank.
        for bad in ["!", "e30", &"a".repeat(4096), "Wzcs Im5hbWUiXQ", "WzcsICJuYW1lIl0"] {
            assert_eq!(PageToken::open::<(i64, String)>(bad), Err(InvalidPage::Token), "{bad}");
        }
    }
}
