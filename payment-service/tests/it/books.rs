//! What must be true of payments and the provider's ledger, whatever happened: the invariants of money.

use std::collections::BTreeMap;

use payment_service::payment::{Payment, Status};
use payment_service::provider::simulated::{Effect, Entry};
use types::CheckoutId;

/// What the ledger can say of one payment, in this order.
const AUTHORIZED: &[&str] = &["authorize"];
const DECLINED: &[&str] = &["decline"];
const CAPTURED: &[&str] = &["authorize", "capture"];
const VOIDED: &[&str] = &["authorize", "void"];
const TOMBSTONE: &[&str] = &["tombstone"];
const REFUNDED: &[&str] = &["authorize", "capture", "refund"];

/// Fails unless every payment is one that the ledger allows, and the ledger knows of no other.
pub(crate) fn check(payments: &[Payment], ledger: &[Entry]) {
    let mut effects = by_key(ledger);
    for payment in payments {
        let found = effects.remove(&payment.checkout_id).unwrap_or_default();
        let names: Vec<&str> = found.iter().map(|entry| name(&entry.effect)).collect();
        let allowed = allowed(&payment.status);
        assert!(allowed.contains(&names.as_slice()), "{payment:?} with {names:?}");
        for entry in found {
            let amount = payment.terms.as_ref().map(|terms| terms.amount);
            assert!(entry.amount == amount || entry.effect == Effect::Tombstone, "{entry:?} of {payment:?}");
            if let (Status::Declined { code }, Effect::Decline { code: at_provider }) =
                (&payment.status, &entry.effect)
            {
                assert_eq!(code, at_provider);
            }
        }
    }
    assert!(effects.is_empty(), "money without a payment: {effects:?}");
}

/// [`check`], and nothing is left half done.
pub(crate) fn check_at_rest(payments: &[Payment], ledger: &[Entry]) {
    check(payments, ledger);
    let unsettled: Vec<_> = payments.iter().filter(|payment| !payment.status.is_settled()).collect();
    assert!(unsettled.is_empty(), "{unsettled:?}");
}

/// What happened to one payment.
pub(crate) fn effects_of(key: CheckoutId, ledger: &[Entry]) -> Vec<&'static str> {
    ledger.iter().filter(|entry| entry.key == key).map(|entry| name(&entry.effect)).collect()
}

fn by_key(ledger: &[Entry]) -> BTreeMap<CheckoutId, Vec<&Entry>> {
    let mut effects: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for entry in ledger {
        effects.entry(entry.key).or_default().push(entry);
    }
    effects
}

/// The histories at the provider that a status allows: one for what is settled, and before and after the
/// provider's part for what is not.
fn allowed(status: &Status) -> Vec<&'static [&'static str]> {
    match status {
        Status::Pending => vec![&[], AUTHORIZED, DECLINED],
        Status::Authorized => vec![AUTHORIZED],
        Status::Declined { .. } => vec![DECLINED],
        Status::Capturing => vec![AUTHORIZED, CAPTURED],
        Status::Captured => vec![CAPTURED],
        Status::Voiding => vec![&[], AUTHORIZED, DECLINED, CAPTURED, VOIDED, TOMBSTONE],
        Status::Voided => vec![VOIDED, TOMBSTONE],
        Status::Refunding => vec![CAPTURED, REFUNDED],
        Status::Refunded => vec![REFUNDED],
    }
}

fn name(effect: &Effect) -> &'static str {
    match effect {
        Effect::Authorize => "authorize",
        Effect::Decline { .. } => "decline",
        Effect::Capture => "capture",
        Effect::Void => "void",
        Effect::Refund => "refund",
        Effect::Tombstone => "tombstone",
    }
}
