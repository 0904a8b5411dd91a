//! The simulated provider by itself: what it owes to whoever relies on it.

use payment_service::provider::simulated::Effect;
use payment_service::provider::{Error, Provider as _, Standing};
use types::{Currency, Money};

use crate::books::effects_of;
use crate::till::{Till, checkout, terms};

#[tokio::test(flavor = "multi_thread")]
async fn every_call_has_one_effect_and_answers_where_the_key_stands() {
    for till in Till::everywhere().await {
        let provider = till.provider().await;
        let (key, visa) = (checkout(1), terms("pm_card_visa"));
        assert_eq!(provider.find(key).await.unwrap(), None);
        for _ in 0..2 {
            let standing = provider.authorize(key, visa.amount, &visa.method).await.unwrap();
            assert_eq!(standing, Standing::Authorized);
        }
        for _ in 0..2 {
            assert_eq!(provider.capture(key).await.unwrap(), Standing::Captured);
            assert_eq!(provider.void(key).await.unwrap(), Standing::Captured);
        }
        for _ in 0..2 {
            assert_eq!(provider.refund(key).await.unwrap(), Standing::Refunded);
            assert_eq!(provider.capture(key).await.unwrap(), Standing::Refunded);
        }
        assert_eq!(provider.find(key).await.unwrap(), Some(Standing::Refunded));

        let ledger = provider.ledger().await.unwrap();
        assert_eq!(ledger, till.ledger().await);
        assert_eq!(effects_of(key, &ledger), ["authorize", "capture", "refund"]);
        assert!(ledger.iter().all(|entry| entry.amount == Some(visa.amount)));
        assert!(ledger.iter().all(|entry| entry.at == till.world.clock.now()));
        till.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_a_void_is_refused() {
    for till in Till::everywhere().await {
        let provider = till.provider().await;
        let (early, late, visa) = (checkout(1), checkout(2), terms("pm_card_visa"));
        provider.authorize(early, visa.amount, &visa.method).await.unwrap();
        for key in [early, late] {
            for _ in 0..2 {
                assert_eq!(provider.void(key).await.unwrap(), Standing::Voided);
            }
            let authorized = provider.authorize(key, visa.amount, &visa.method).await.unwrap();
            assert_eq!(authorized, Standing::Voided);
            assert_eq!(provider.capture(key).await.unwrap(), Standing::Voided);
            assert_eq!(provider.refund(key).await.unwrap(), Standing::Voided);
        }
        let ledger = provider.ledger().await.unwrap();
        assert_eq!(effects_of(early, &ledger), ["authorize", "void"]);
        assert_eq!(effects_of(late, &ledger), ["tombstone"]);
        assert_eq!((&ledger[2].effect, ledger[2].amount), (&Effect::Tombstone, None));
        till.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_never_authorized_has_no_effect() {
    for till in Till::everywhere().await {
        let provider = till.provider().await;
        let (key, visa, bad) = (checkout(1), terms("pm_card_visa"), terms("pm_card_chargeDeclined"));
        assert!(matches!(provider.capture(key).await, Err(Error::UnknownKey)));
        assert!(matches!(provider.refund(key).await, Err(Error::UnknownKey)));
        let no = Standing::Declined { code: "card_declined".into() };
        assert_eq!(provider.authorize(key, bad.amount, &bad.method).await.unwrap(), no);
        for standing in [provider.capture(key).await, provider.refund(key).await, provider.void(key).await] {
            assert_eq!(standing.unwrap(), no);
        }
        assert_eq!(effects_of(key, &provider.ledger().await.unwrap()), ["decline"]);

        let other = provider.authorize(key, Money::new(1, Currency::USD), &bad.method).await;
        assert!(matches!(other, Err(Error::OtherTerms)));
        let other = provider.authorize(key, visa.amount, &visa.method).await;
        assert!(matches!(other, Err(Error::OtherTerms)));
        till.done().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_outlives_the_provider() {
    for till in Till::everywhere().await {
        let (key, visa) = (checkout(1), terms("pm_card_visa"));
        till.provider().await.authorize(key, visa.amount, &visa.method).await.unwrap();
        let provider = till.provider().await;
        assert_eq!(provider.find(key).await.unwrap(), Some(Standing::Authorized));
        assert_eq!(provider.capture(key).await.unwrap(), Standing::Captured);
        assert_eq!(effects_of(key, &till.ledger().await), ["authorize", "capture"]);
        till.done().await;
    }
}
