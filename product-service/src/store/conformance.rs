//! What every store must do, whatever it is made of.

use std::future::Future;
use std::sync::Arc;

use types::{Currency, Money, ProductId, Timestamp};

use super::{Changed, Revision, Store};
use crate::product::{Details, DetailsParts, Product};

/// Runs every case, each over a new store. What comes with a store is kept until its case has ended.
pub async fn run<K>(mut open: impl AsyncFnMut() -> (Arc<dyn Store>, K)) {
    a_new_store_sells_five_products(&*open().await.0).await;
    what_is_added_is_kept(&*open().await.0).await;
    a_replaced_product_has_the_next_version(&*open().await.0).await;
    only_the_expected_version_is_replaced(&*open().await.0).await;
    of_many_that_expect_one_version_one_wins(&*open().await.0).await;
    a_removed_product_is_gone_and_its_id_is_not_used_again(&*open().await.0).await;
    the_clock_may_be_set_back(&*open().await.0).await;
    each_change_has_a_revision_of_its_own(&*open().await.0).await;
}

pub(crate) fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_800_000_000_000_007 + seconds * 1_000_000)
}

pub(crate) fn id(id: i64) -> ProductId {
    id.try_into().unwrap()
}

pub(crate) fn named(name: &str) -> Details {
    Details::try_from(DetailsParts {
        name: name.into(),
        description: "Täglich\nneu: \u{1f4bb} '); DROP TABLE products; --".into(),
        category: "Größen".into(),
        price: Money::new(Details::MAX_PRICE, "JPY".parse::<Currency>().unwrap()),
        image_url: "https://cdn.example/a.png".into(),
    })
    .unwrap()
}

async fn listed(store: &dyn Store) -> Vec<Product> {
    store.all().await.unwrap().products
}

async fn a_new_store_sells_five_products(store: &dyn Store) {
    let products = listed(store).await;
    let seen: Vec<_> = products
        .iter()
        .map(|p| (p.id.get(), &*p.details.parts().name, p.details.parts().price.to_string()))
        .collect();
    assert_eq!(
        seen,
        [
            (1, "Laptop", "1299.99 USD".to_owned()),
            (2, "Mouse", "29.99 USD".to_owned()),
            (3, "Keyboard", "89.99 USD".to_owned()),
            (4, "Monitor", "399.99 USD".to_owned()),
            (5, "Headphones", "249.99 USD".to_owned()),
        ]
    );
    assert!(products.iter().all(|p| p.version == 1 && p.created_at == p.updated_at));
    store.ping().await.unwrap();
}

async fn what_is_added_is_kept(store: &dyn Store) {
    let (added, _) = store.add(&named("Tablet"), moment(0)).await.unwrap();
    assert_eq!((added.id, added.version), (id(6), 1));
    assert_eq!(added.details, named("Tablet"));
    assert_eq!((added.created_at, added.updated_at), (moment(0), moment(0)));
    assert_eq!(listed(store).await.last(), Some(&added));
}

async fn a_replaced_product_has_the_next_version(store: &dyn Store) {
    let before = listed(store).await.remove(0);
    let Changed::Done(after, _) = store.replace(id(1), &named("Netbook"), None, moment(1)).await.unwrap()
    else {
        panic!("it is there");
    };
    assert_eq!((after.version, &after.details), (2, &named("Netbook")));
    assert_eq!((after.created_at, after.updated_at), (before.created_at, moment(1)));
    assert_eq!(listed(store).await.first(), Some(&after));
    assert_eq!(store.replace(id(6), &named("None"), None, moment(1)).await.unwrap(), Changed::Absent);
}

async fn only_the_expected_version_is_replaced(store: &dyn Store) {
    let replace =
        async |expected| store.replace(id(2), &named("Rat"), Some(expected), moment(1)).await.unwrap();
    assert_eq!(replace(2).await, Changed::Stale { current: 1 });
    assert!(matches!(replace(1).await, Changed::Done(product, _) if product.version == 2));
    assert_eq!(replace(1).await, Changed::Stale { current: 2 });
    let absent = store.replace(id(6), &named("None"), Some(1), moment(1)).await.unwrap();
    assert_eq!(absent, Changed::Absent);
}

async fn of_many_that_expect_one_version_one_wins(store: &dyn Store) {
    let names: Vec<_> = (0..16).map(|n| named(&format!("Mouse {n}"))).collect();
    let replaced = all(names.iter().map(|name| store.replace(id(2), name, Some(1), moment(1)))).await;
    let won: Vec<_> = replaced.iter().filter(|outcome| matches!(outcome, Ok(Changed::Done(..)))).collect();
    let lost = replaced.iter().filter(|outcome| matches!(outcome, Ok(Changed::Stale { current: 2 }))).count();
    assert_eq!((won.len(), lost), (1, 15));
    let kept = listed(store).await.remove(1);
    assert!(matches!(won[..], [Ok(Changed::Done(product, _))] if *product == kept));
}

async fn a_removed_product_is_gone_and_its_id_is_not_used_again(store: &dyn Store) {
    let (added, _) = store.add(&named("Tablet"), moment(0)).await.unwrap();
    assert_eq!(store.remove(added.id, Some(2)).await.unwrap(), Changed::Stale { current: 1 });
    assert!(matches!(store.remove(added.id, Some(1)).await.unwrap(), Changed::Done((), _)));
    for expected in [None, Some(1)] {
        assert_eq!(store.remove(added.id, expected).await.unwrap(), Changed::Absent);
    }
    assert_eq!(listed(store).await.len(), 5);
    assert_eq!(store.replace(added.id, &named("None"), None, moment(1)).await.unwrap(), Changed::Absent);
    assert_eq!(store.add(&named("Phone"), moment(2)).await.unwrap().0.id, id(7));
}

async fn the_clock_may_be_set_back(store: &dyn Store) {
    let (added, _) = store.add(&named("Tablet"), moment(9)).await.unwrap();
    let Changed::Done(after, _) = store.replace(added.id, &named("Slate"), None, moment(1)).await.unwrap()
    else {
        panic!("it is there");
    };
    assert_eq!(after.updated_at, moment(9));
}

async fn each_change_has_a_revision_of_its_own(store: &dyn Store) {
    let revision = async || store.revision().await.unwrap();
    let before = revision().await;
    assert_eq!(store.all().await.unwrap().revision, before);
    let (added, first) = store.add(&named("Tablet"), moment(0)).await.unwrap();
    assert_eq!(revision().await, first);
    let Changed::Done(_, second) =
        store.replace(added.id, &named("Slate"), Some(1), moment(1)).await.unwrap()
    else {
        panic!("it is there");
    };
    assert_eq!(revision().await, second);
    let Changed::Done((), third) = store.remove(added.id, None).await.unwrap() else { panic!("it is there") };
    assert_eq!(revision().await, third);
    assert_eq!([first, second, third], [1, 2, 3].map(|more| Revision(before.0 + more)));
    assert_eq!(store.all().await.unwrap().revision, third);
}

pub(crate) async fn all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    futures::future::join_all(futures).await
}
