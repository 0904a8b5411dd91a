use futures::future::join_all;

use crate::shop::{Shop, quantities};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_additions_at_once_none_is_lost() {
    let shop = Shop::open().await;
    let answers = join_all((0..100).map(|turn| shop.add(1, 1 + turn % 2, 1))).await;
    let mut versions: Vec<i64> = answers.into_iter().map(|cart| cart.unwrap().version).collect();
    versions.sort_unstable();
    let first = versions[0];
    assert!(versions.iter().copied().eq(first..first + 100), "each change has a version of its own");
    let cart = shop.cart(1).await;
    let mut lines = quantities(&cart);
    lines.sort_unstable();
    assert_eq!((lines, cart.version), (vec![(1, 50), (2, 50)], first + 99));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_and_twenty_additions_to_one_line_ninety_nine_are_taken() {
    let shop = Shop::open().await;
    let answers = join_all((0..120).map(|_| shop.add(1, 1, 1))).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 99);
    for refusal in answers.into_iter().filter_map(Result::err) {
        assert_eq!(proto::status::reason(&refusal), Some(proto::Reason::InvalidQuantity));
    }
    assert_eq!(quantities(&shop.cart(1).await), [(1, 99)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn additions_while_a_purchase_is_taken_out_are_kept() {
    let shop = Shop::open().await;
    for user in 1..=10 {
        let bought = shop.add(user, 1, 30).await.unwrap();
        let event = shop.bought(user, bought.version, &[(1, 30)]);
        let additions = join_all((0..20).map(|_| shop.add(user, 1, 1)));
        let (additions, ()) = tokio::join!(additions, shop.deliver(event));
        assert!(additions.iter().all(Result::is_ok));
        let cart = shop.cart(user).await;
        assert_eq!((quantities(&cart), cart.bought_version), (vec![(1, 20)], bought.version));
        assert_eq!(cart.version, bought.version + 21);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_see_what_was_answered_before() {
    let shop = Shop::open().await;
    join_all((1..=20).map(|user| {
        let shop = &shop;
        async move {
            for quantity in 1..=20 {
                shop.add(user, 1, 1).await.unwrap();
                let reads = join_all((0..3).map(|_| shop.cart(user))).await;
                assert!(reads.iter().all(|cart| quantities(cart) == [(1, quantity)]));
            }
        }
    }))
    .await;
}
