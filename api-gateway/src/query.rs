//! Strict queries.

use axum::extract::FromRequestParts;
use http::request::Parts;
use types::PageSize;

use crate::fields::{Fields, Json, MOST_FIELDS, Read};
use crate::problem::{FieldError, Problem};

/// A query string understood to the last parameter.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: Read, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let unusable = || {
            let message = format!("must be at most {MOST_FIELDS} name=value pairs");
            Problem::invalid(vec![FieldError { field: "query".to_owned(), message }])
        };
        let axum::extract::Query(pairs) =
            axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
                .map_err(|_| unusable())?;
        if pairs.len() > MOST_FIELDS {
            return Err(unusable());
        }
        let texts = pairs.into_iter().map(|(name, value)| (name, Json::Text(value)));
        Fields::parse(texts.collect()).map(Self)
    }
}

/// Which page of a list.
pub(crate) struct Page {
    pub(crate) size: i32,
    pub(crate) token: String,
}

impl Page {
    /// `page_size` and `page_token`.
    pub(crate) fn read(fields: &mut Fields) -> Self {
        let wanted = format!("must be between 1 and {}", PageSize::MAX);
        let size = fields.parsed("page_size", &wanted, |text| {
            text.parse().ok().filter(|size| (1..=i32::from(PageSize::MAX)).contains(size))
        });
        Self {
            // The services read 0 as the default.
            size: size.unwrap_or(0),
            token: fields.text("page_token").unwrap_or_default(),
        }
    }
}
