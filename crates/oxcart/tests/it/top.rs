//! A shop on one screen.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use testkit::{Port, TempDir};

use crate::harness::{Shop, program};

/// What is said on one of the streams.
fn said(stream: &[u8]) -> String {
    String::from_utf8(stream.to_vec()).unwrap()
}

async fn top(shop: &Shop, arguments: &[&str]) -> Output {
    let mut command = program("oxcart");
    command.env("DATA_DIR", &shop.settings().data_dir).arg("top").args(arguments);
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_shop_is_shown() {
    let shop = Shop::oxcart(Arc::new(TempDir::new().unwrap()), &[]).await;
    let buyer = shop.user(1);
    let product = shop.admin().stock_new("Lamp", 3).await;
    buyer.add(product, 2).await;
    assert_eq!(buyer.buy("a").await.status, 201);
    buyer.orders(1).await;
    // What the shop is asked meanwhile is traffic.
    let traffic = async {
        loop {
            buyer.get("/api/v1/orders").await;
        }
    };
    let shown = async {
        testkit::eventually("the purchase on the screen", Duration::from_secs(30), async || {
            let output = top(&shop, &[]).await;
            assert!(output.status.success(), "{}", said(&output.stderr));
            let screen = said(&output.stdout);
            let wanted = [
                "all requests",
                "GET /orders",
                "unfinished 0, 0 stuck",
                "orders 1, payments declined 0",
                "revenue 20.00 USD",
                "stock held 0 units by 0",
                "outbox checkout",
                "cart-service",
                "checkout.completed.v1      user 1",
                "order.created.v1           user 1",
            ];
            let missing: Vec<_> = wanted.into_iter().filter(|words| !screen.contains(words)).collect();
            if !missing.is_empty() {
                eprintln!("{missing:?} not in\n{screen}");
            }
            missing.is_empty()
        })
        .await;
    };
    tokio::select! {
        () = shown => {}
        () = traffic => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_not_be_seen_is_named() {
    let (shop, nowhere) = (Shop::oxcart(Arc::new(TempDir::new().unwrap()), &[]).await, Port::hold());
    let url = format!("http://{}", nowhere.address());
    let output = top(&shop, &["--metrics", &url]).await;
    assert_eq!(said(&output.stderr), format!("oxcart top: nobody answers at {url}\n"));
    assert_eq!((output.status.code(), said(&output.stdout)), (Some(1), String::new()));
    let none = program("oxcart").env("DATA_DIR", "/nonexistent").arg("top").output().unwrap();
    assert_eq!(none.status.code(), Some(1));
    assert!(said(&none.stderr).starts_with("oxcart top: no shop was started on /nonexistent"));
}
