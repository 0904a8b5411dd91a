//! Every `code` that a problem document can have, and what it means to whoever reads it.

/// What is said of a code.
pub(super) struct Code {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    /// Headers that a document with this code may have beside those that its status brings.
    pub(super) headers: &'static [&'static str],
}

/// The code of this name, if there is one.
pub(super) fn code(name: &str) -> Option<&'static Code> {
    CODES.iter().find(|code| code.name == name)
}

const fn plain(name: &'static str, meaning: &'static str) -> Code {
    Code { name, meaning, headers: &[] }
}

const fn with(name: &'static str, headers: &'static [&'static str], meaning: &'static str) -> Code {
    Code { name, meaning, headers }
}

#[rustfmt::skip]
pub(super) const CODES: &[Code] = &[
    plain("cart_changed", "The cart was changed by somebody else at the same moment; try again."),
    plain("cart_empty", "There is nothing in the cart to buy. The key is not used up."),
    plain("cart_full", "The cart has as many lines as a cart can have."),
    with("checkout_expired", &["Idempotent-Replayed"],
        "The checkout was not done in time. Whatever it held or took was given back."),
    with("checkout_in_progress", &["Location"],
        "This version of the cart is being bought or was bought under another key; `Location` leads to that checkout."),
    plain("checkout_not_found", "There is no such checkout, or it is not yours."),
    with("checkout_refused", &["Idempotent-Replayed"],
        "The checkout could not be carried out. Whatever it held or took was given back."),
    plain("currency_mismatch", "The product is sold in another currency than the rest of the cart."),
    plain("deadline_exceeded", "The answer did not come in time. Whether a change was made is not known."),
    plain("head_too_large", "The head of the request has more than 16 KiB or 100 fields."),
    plain("idempotency_key_reused", "The key was used before, for another request. Nothing was done."),
    with("initial_stock_not_set", &["Location"],
        "The product was made and its stock was not set: set it by PUT; `Location` leads to the product."),
    with("insufficient_stock", &["Idempotent-Replayed"],
        "There is less stock than that takes; `product_ids` names the products."),
    plain("internal", "Something went wrong on our side."),
    plain("invalid_argument", "Fields of the request can't be used; `errors` names each and says what it must be."),
    plain("invalid_idempotency_key", "The key is empty, too long, has control characters, or is another in the body."),
    plain("invalid_product_id", "No product can have this id."),
    plain("invalid_quantity", "The quantity is out of its bounds; `errors` names them."),
    plain("invalid_request", "The request can't be understood."),
    plain("invalid_transition", "The order is not in a status from which that is possible."),
    plain("item_not_in_cart", "The cart has no line for the product."),
    plain("malformed_request", "That is no HTTP, or can be read in two ways; the connection is closed."),
    plain("missing_idempotency_key", "A checkout needs a key: a text of your own, new for each purchase."),
    plain("not_ready", "Something that the gateway needs does not serve; `dependencies` names it."),
    plain("order_not_found", "There is no such order, or it is not yours."),
    plain("overloaded", "Too much is going on, and this is not what comes first; try again."),
    plain("payload_too_large", "The body is larger than 64 KiB."),
    with("payment_declined", &["Idempotent-Replayed"],
        "The payment was declined, `decline_code` says why. The stock is free again, the cart is as it was."),
    plain("permission_denied", "Only administrators may do this."),
    plain("price_changed", "The total is not the expected one; `total` is what it is now."),
    plain("product_not_found", "There is no such product."),
    plain("product_unavailable", "Products in the cart are no longer for sale; `product_ids` names them."),
    plain("rate_limited", "Too many requests; `Retry-After` says when the next one is welcome."),
    plain("request_timeout", "The head or the body of the request did not arrive in time."),
    plain("resource_exhausted", "The shop is too busy; try again."),
    plain("route_not_found", "There is nothing at this path."),
    plain("stale_version", "It is no longer as an `ETag` in `If-Match` says."),
    plain("streams_exhausted", "There is no room for another event stream; try again, or ask without events."),
    plain("token_expired", "The token has expired."),
    plain("token_invalid", "The token is not valid here."),
    plain("token_missing", "Send a token: `Authorization: Bearer <token>`."),
    plain("too_many_streams", "You have as many event streams open as one may; close one."),
    plain("unavailable", "A part of the shop can't be reached; try again."),
    plain("unimplemented", "A part of the shop does not know this yet; it is being brought up to date."),
    with("unsupported_media_type", &["Accept-Encoding"], "The body must be application/json, not compressed."),
    plain("method_not_allowed", "The path does not know the method; `Allow` has those that it knows."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_there_once() {
        let mut names: Vec<_> = CODES.iter().map(|code| code.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        assert!(code("internal").is_some() && code("none").is_none());
    }
}
