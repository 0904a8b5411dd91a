//! A payment provider that takes longer to answer than anyone waits.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use reqwest::StatusCode;
use testkit::TempDir;

use crate::client::Client;
use crate::harness::Shop;

/// More calls that are too late than it takes to open a circuit breaker.
const BUYERS: i64 = 8;

/// Ten minutes for an answer, ten seconds until a call is given up, thirty until a checkout turns back: what
/// was authorised unheard is found again or given back, and every checkout ends with the books right.
#[tokio::test(flavor = "multi_thread")]
async fn answers_that_never_come_in_time() {
    let dir = Arc::new(TempDir::new().unwrap());
    let shop = Shop::oxcart(dir, &[("PAYMENT_DELAY_MS", "600000")]).await;
    let product = shop.admin().stock_new("Clock", BUYERS).await;
    let users: Vec<Client> = (1..=BUYERS).map(|n| shop.user(n)).collect();
    join_all(users.iter().map(|user| user.add(product, 1))).await;
    let ends = join_all(users.iter().map(|user| async move {
        testkit::eventually("the end of the checkout", Duration::from_secs(90), async || {
            let reply = user.buy("a").await;
            match reply.status {
                StatusCode::CREATED => assert_eq!(reply.body["status"], "COMPLETED", "{reply:?}"),
                StatusCode::CONFLICT => assert_eq!(reply.body["code"], "checkout_expired", "{reply:?}"),
                status => {
                    assert_eq!(status, StatusCode::ACCEPTED, "{reply:?}");
                    return None;
                }
            }
            Some(reply.status == StatusCode::CREATED)
        })
        .await
    }))
    .await;
    let bought = ends.into_iter().filter(|bought| *bought).count();
    let report = shop.audit().await;
    assert_eq!((report.checkouts.running, report.checkouts.completed), (0, bought), "{report}");
    let left = BUYERS - i64::try_from(bought).unwrap();
    assert_eq!(shop.admin().stock(product).await, (left, 0));
}
