//! Spans of what a database or a cache is asked, by the semantic conventions.

use super::{Kind, Span, begin};

/// Begins a span below the current one. `summary` names what is done, as in `UPDATE checkouts`: the verb, and what it
/// is about if that is known; never a value. `namespace` is the part of the system that is asked; empty if it has
/// none.
pub fn asked(system: &'static str, namespace: &str, summary: &'static str) -> Option<Span> {
    let mut span = begin(Kind::Client, || summary)?;
    let (operation, collection) = summary.split_once(' ').unwrap_or((summary, ""));
    span.set("db.system.name", system);
    span.set("db.query.summary", summary);
    span.set("db.operation.name", operation);
    for (key, known) in [("db.namespace", namespace), ("db.collection.name", collection)] {
        if !known.is_empty() {
            span.set(key, known.to_owned());
        }
    }
    Some(span)
}

/// Ends it. What went wrong is told by whoever is told of the error.
pub fn answered<T, E>(span: Option<Span>, answer: &Result<T, E>) {
    if let (Some(mut span), Err(_)) = (span, answer) {
        span.fail("error");
    }
}
