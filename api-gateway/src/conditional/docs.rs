//! Conditional requests, described.

use http::StatusCode;

use crate::openapi::Operation;
use crate::openapi::schemas::text;

/// A list of entity tags, which may be empty, or `*`.
const TAGS: &str = r#"^(\*|((W/)?"[!#-~]*"( *, *(W/)?"[!#-~]*")*)?)$"#;

impl Operation {
    /// Nothing is changed that is not as `If-Match` says.
    pub(crate) fn honours_if_match(self) -> Self {
        let tags = text("An `ETag`, several, or `*`: nothing is done if it is another one by now");
        self.in_header("If-Match", tags.pattern(Some(TAGS)))
            .refuses(StatusCode::BAD_REQUEST, &["invalid_argument"])
            .refuses(StatusCode::PRECONDITION_FAILED, &["stale_version"])
    }

    /// What the client has already is not sent again.
    pub(crate) fn honours_if_none_match(self) -> Self {
        let tags = text("An `ETag`, several, or `*`: it is not sent again if it is still one of them");
        self.in_header("If-None-Match", tags.pattern(Some(TAGS)))
            .replies_nothing(StatusCode::NOT_MODIFIED, "It is as you know it", &["ETag", "Vary"])
            .refuses(StatusCode::BAD_REQUEST, &["invalid_argument"])
    }
}
