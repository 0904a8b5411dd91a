//! Ids in paths.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use proto::{Reason, Rejection, convert};
use tonic::Code;
use types::{CheckoutId, OrderId, ProductId};

use crate::problem::Problem;

/// The id in the path.
pub(crate) struct Id<T>(pub(crate) T);

/// What a path can name.
pub(crate) trait Named: Sized {
    /// The id with this text.
    fn named(text: &str) -> Result<Self, Problem>;
}

impl<T: Named, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        // What is not even text names nothing.
        let text = Path::<String>::from_request_parts(parts, state).await;
        T::named(text.as_ref().map_or("", |Path(text)| text)).map(Self)
    }
}

impl Named for ProductId {
    /// A number that no product can have is a mistake of the client's: 400.
    fn named(text: &str) -> Result<Self, Problem> {
        let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if plain { text.parse().unwrap_or(0) } else { 0 };
        Ok(convert::product_id("product_id", number)?)
    }
}

impl Named for CheckoutId {
    /// These ids are opaque: a text that is none names no checkout, 404.
    fn named(text: &str) -> Result<Self, Problem> {
        let unknown =
            |_| Rejection::new(Code::NotFound, Reason::CheckoutNotFound, "there is no such checkout");
        Ok(text.parse().map_err(unknown)?)
    }
}

impl Named for OrderId {
    /// As with checkouts.
    fn named(text: &str) -> Result<Self, Problem> {
        let unknown = |_| Rejection::new(Code::NotFound, Reason::OrderNotFound, "there is no such order");
        Ok(text.parse().map_err(unknown)?)
    }
}
