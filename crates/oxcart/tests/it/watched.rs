//! Purchases and orders, watched through the whole shop.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::Shop;

const PATIENCE: Duration = Duration::from_secs(30);

/// An event: its id, its name, its data.
type Event = (String, String, Value);

/// What a client is told, from `seen` on, up to the end of the stream.
async fn told(client: &Client, path: &str, seen: Option<&str>) -> Vec<Event> {
    let request = client.request(Method::GET, &format!("{path}/events")).timeout(PATIENCE);
    let request = seen.into_iter().fold(request, |request, id| request.header("last-event-id", id));
    let reply = request.send().await.unwrap();
    assert_eq!(
        (reply.status(), &reply.headers()["content-type"]),
        (StatusCode::OK, &"text/event-stream".parse().unwrap())
    );
    let text = reply.text().await.unwrap();
    let blocks = text.split("\n\n").filter(|block| block.starts_with("id: "));
    blocks.map(event).collect()
}

fn event(block: &str) -> Event {
    let mut lines = block.lines();
    let mut field = |name: &str| lines.next().unwrap().strip_prefix(name).unwrap().to_owned();
    let (id, name) = (field("id: "), field("event: "));
    (id, name, serde_json::from_str(&field("data: ")).unwrap())
}

fn named<'a>(events: &'a [Event], field: &str) -> Vec<(&'a str, &'a str)> {
    events.iter().map(|(_, name, data)| (name.as_str(), data[field].as_str().unwrap_or_default())).collect()
}

/// A purchase is watched while the provider takes its time, then the order that it became.
pub(crate) async fn a_purchase_and_its_order(shop: &Shop) {
    let (admin, owner, other) = (shop.admin(), shop.user(120), shop.user(121));
    let product = admin.stock_new("Canoe", 2).await;
    owner.add(product, 2).await;
    let hasty = owner.checkout("watched", &json!({ "payment_method": "pm_sim_slow" }));
    assert!(Client::send(hasty.timeout(Duration::from_millis(400))).await.unwrap_err().is_timeout());
    // The version of the cart is being bought: another key is told by which checkout.
    let running = owner.buy("another key").await;
    assert_eq!(running.status, StatusCode::CONFLICT, "{running:?}");
    let checkout = running.location.unwrap();

    let (all, late) = tokio::join!(told(&owner, &checkout, None), told(&owner, &checkout, Some("2")));
    let states = [
        ("step", "RESERVING"),
        ("step", "AUTHORIZING"),
        ("step", "COMMITTING"),
        ("step", "CAPTURING"),
        ("end", ""),
    ];
    assert_eq!(named(&all, "state"), states);
    assert_eq!(late, all[2..]);
    let end = &all[4].2;
    assert_eq!(*end, owner.read(&checkout).await);
    assert_eq!((&end["status"], &end["timeline"][4]["state"]), (&json!("COMPLETED"), &json!("COMPLETED")));

    owner.orders(1).await;
    let order = format!("/api/v1/orders/{}", end["order_id"].as_str().unwrap());
    let cancel = async {
        let cancel = owner.request(Method::POST, &format!("{order}/cancel"));
        testkit::eventually("the cancellation", PATIENCE, async || {
            Client::send(cancel.try_clone().unwrap())
                .await
                .is_ok_and(|reply| reply.status == StatusCode::ACCEPTED)
        })
        .await;
    };
    let (by_owner, by_admin, ()) =
        tokio::join!(told(&owner, &order, None), told(&admin, &order, None), cancel);
    for events in [by_owner, by_admin] {
        let statuses = named(&events, "status");
        assert_eq!(statuses.last(), Some(&("end", "CANCELLED")), "{statuses:?}");
        let before: Vec<_> = statuses[..statuses.len() - 1].to_vec();
        let way = [("status", "CONFIRMED"), ("status", "CANCELLING")];
        // Whether each of them is seen depends on who is faster; nothing else is, and nothing twice.
        assert!(
            before.iter().all(|seen| way.contains(seen)) && before.is_sorted_by(|a, b| a != b),
            "{before:?}"
        );
    }
    for (path, seen) in [(&checkout, "5"), (&order, "CANCELLED")] {
        let again = owner.request(Method::GET, &format!("{path}/events")).header("last-event-id", seen);
        assert_eq!(Client::send(again).await.unwrap().status, StatusCode::NO_CONTENT);
        assert_eq!(other.get(&format!("{path}/events")).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(admin.stock(product).await, (2, 0));
}
