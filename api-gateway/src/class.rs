//! What kinds of requests there are.

/// What a request is to the shop: how often a client may send it (`limits`), and what is done first when there is too
/// much of everything (`load`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Many things at once, or none: the first that the shop does without.
    List,
    /// One thing.
    Read,
    /// A change.
    Write,
    /// The beginning of a purchase.
    Checkout,
    /// A look at a purchase that has begun.
    Running,
    /// Whether the shop works: never limited, never refused.
    Health,
}
