//! Data that means something to somebody: to a database, to a reader, to whoever fetches addresses.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use crate::client::{Client, Reply};
use crate::harness::Shop;

fn product(text: &str) -> Value {
    json!({
        "name": text, "description": text, "category": text, "image_url": "",
        "price": {"amount": "10.00", "currency": "USD"}, "initial_stock": 5,
    })
}

fn address(text: &str) -> Value {
    json!({
        "name": text, "line1": text, "line2": text, "city": text, "postal_code": text, "country": "DE",
    })
}

async fn order_with(client: &Client, key: &str, address: &Value) -> Reply {
    client.add(2, 1).await;
    client.purchase(key, &json!({"shipping_address": address})).await.unwrap()
}

fn products_by(parameter: &str, value: &str) -> String {
    let url = Url::parse_with_params("http://shop/", [(parameter, value)]).unwrap();
    format!("/api/v1/products?{}", url.query().unwrap())
}

/// The last order, once there are so many.
async fn last_order(client: &Client, count: usize) -> Value {
    client.orders(count).await.swap_remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn q1_whatever_a_text_says_it_is_stored_and_found_as_it_is() {
    let shop = Shop::inside("in-process").await;
    let (admin, user) = (shop.admin(), shop.user(7));
    let before = admin.get("/api/v1/products?page_size=100").await.body["products"].as_array().unwrap().len();
    let texts = [
        "'; DROP TABLE products; --",
        "' OR '1'='1",
        "\" OR \"\"=\"",
        "1; SELECT pg_sleep(10)",
        "') UNION SELECT name, sql FROM sqlite_master --",
        "$1 ?1 :name @p %s {0}",
        "\\'; --",
        "a%b_c*[d]^",
        "Robert\u{2019}); /* */ --",
        "{\"$ne\": null}",
        "＇ OR １=１",
    ];
    let mut bought = 0;
    for text in texts {
        let made = admin.post("/api/v1/products", product(text)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{text}: {made:?}");
        let kept = admin.get(&format!("/api/v1/products/{}", made.body["id"])).await.body;
        for field in ["name", "description", "category"] {
            assert_eq!(kept[field], text);
        }
        for parameter in ["q", "category"] {
            let found = admin.get(&products_by(parameter, text)).await.body;
            let names: Vec<_> = found["products"].as_array().unwrap().iter().map(|p| &p["name"]).collect();
            assert_eq!(names, [text], "by {parameter}");
        }
        let key = format!("{bought} {text}");
        if key.is_ascii() {
            bought += 1;
            let first = order_with(&user, &key, &address(text)).await;
            assert_eq!(first.status, StatusCode::CREATED, "{text}: {first:?}");
            let again = user.purchase(&key, &json!({"shipping_address": address(text)})).await.unwrap();
            assert_eq!((again.replayed, &again.body), (true, &first.body));
            let orders = user.orders(bought).await;
            assert_eq!(orders[0]["shipping_address"]["line1"], text);
        }
    }
    let after = admin.get("/api/v1/products?page_size=100").await.body["products"].as_array().unwrap().len();
    assert_eq!(after, before + texts.len());
    shop.audit().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_what_hides_or_turns_text_is_refused_and_languages_are_not() {
    let shop = Shop::inside("in-process").await;
    let (admin, user) = (shop.admin(), shop.user(7));
    for bad in [
        "gnp.\u{202e}exe",
        "Lap\u{200b}top",
        "\u{feff}Laptop",
        "a\u{2066}b",
        "a\u{0}b",
        "a\u{1b}[31m",
        "tag\u{e0041}",
    ] {
        let refused = admin.post("/api/v1/products", product(bad)).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["errors"][0]["field"]),
            (400, &json!("name")),
            "{bad:?}"
        );
        let refused = user.purchase("a", &json!({"shipping_address": address(bad)})).await.unwrap();
        assert_eq!(refused.status.as_u16(), 400, "{bad:?}");
        assert_eq!(refused.body["errors"][0]["field"], "shipping_address.name", "{bad:?}");
    }
    let piled = format!("a{}", "\u{301}".repeat(10_000));
    assert_eq!(admin.post("/api/v1/products", product(&piled)).await.status.as_u16(), 400);
    for (n, good) in
        ["Ελλάδα", "שלום עולם", "می\u{200c}خواهم", "机械键盘", "👩\u{200d}🚀 ❤\u{fe0f}", "ＳＡＶＥ"]
            .into_iter()
            .enumerate()
    {
        let made = admin.post("/api/v1/products", product(good)).await;
        assert_eq!((made.status, &made.body["name"]), (StatusCode::CREATED, &json!(good)));
        assert_eq!(order_with(&user, &n.to_string(), &address(good)).await.status, StatusCode::CREATED);
        assert_eq!(last_order(&user, n + 1).await["shipping_address"]["city"], good);
    }
    // An accent behind its letter is the letter with the accent; letters that only look alike are not.
    assert_eq!(admin.post("/api/v1/products", product("Cafe\u{301}")).await.body["name"], "Caf\u{e9}");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q4_no_address_that_a_client_sent_is_called() {
    let shop = Shop::inside("in-process").await;
    let (admin, user) = (shop.admin(), shop.user(7));
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let address_of_it = trap.local_addr().unwrap();
    let url = format!("http://{address_of_it}/x");
    let mut with_image = product(&url);
    with_image["image_url"] = json!(url);
    let made = admin.post("/api/v1/products", with_image).await;
    assert_eq!((made.status, &made.body["image_url"]), (StatusCode::CREATED, &json!(url)));
    user.add(made.body["id"].as_i64().unwrap(), 1).await;
    let bought = order_with(&user, &url, &address(&url)).await;
    assert_eq!(bought.status, StatusCode::CREATED, "{bought:?}");
    assert_eq!(last_order(&user, 1).await["shipping_address"]["line1"], url);
    let odd = user.purchase("b", &json!({"payment_method": url})).await.unwrap();
    assert_eq!(odd.status, StatusCode::BAD_REQUEST);
    for name in [
        "forwarded",
        "x-forwarded-host",
        "x-forwarded-for",
        "referer",
        "origin",
        "x-original-url",
        "x-callback-url",
        "location",
        "link",
    ] {
        for path in ["/api/v1/cart", "/api/v1/products/1", "/health/ready"] {
            let asked = user.request(Method::GET, path).header(name, &url).send().await.unwrap();
            assert_eq!(asked.status(), StatusCode::OK, "{name} {path}");
        }
    }
    let hosted = user.request(Method::GET, "/api/v1/cart").header("host", address_of_it.to_string());
    assert_eq!(hosted.send().await.unwrap().status(), StatusCode::OK);
    // {"alg":"HS256","jku":"http://…","x5u":"http://…"}
    let header = json!({"alg": "HS256", "kid": url, "jku": url, "x5u": url}).to_string();
    let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(&header));
    let stranger = reqwest::Client::new().get(format!("{}/api/v1/cart", shop.url)).bearer_auth(&token);
    let refused = Client::send(stranger).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    for parameter in ["q", "category", "page_token", "url", "callback"] {
        assert!(user.get(&products_by(parameter, &url)).await.status.as_u16() < 500);
    }
    shop.stop().await;
    assert_eq!(trap.accept().map(|_| ()).unwrap_err().kind(), ErrorKind::WouldBlock, "somebody has called");
}

#[tokio::test(flavor = "multi_thread")]
async fn n2_nobody_pays_a_price_that_was_not_agreed_on() {
    let shop = Shop::inside("in-process").await;
    let (admin, user) = (shop.admin(), shop.user(7));
    let id = admin.stock_new("Lamp", 5).await;
    let usd = |amount: &str| json!({"amount": amount, "currency": "USD"});
    user.add(id, 2).await;
    let seen = user.read("/api/v1/cart").await["total"].clone();
    assert_eq!(seen, usd("20.00"));
    let mut dearer = product("Lamp");
    dearer["price"] = usd("12.34");
    dearer.as_object_mut().unwrap().remove("initial_stock");
    let put = admin.request(Method::PUT, &format!("/api/v1/products/{id}")).json(&dearer);
    assert_eq!(Client::send(put).await.unwrap().status, StatusCode::OK);
    // What the cart showed is what was agreed on: the price may be seen a moment later.
    testkit::eventually("the new price", Duration::from_secs(30), async || {
        user.read("/api/v1/cart").await["total"] == usd("24.68")
    })
    .await;
    let refused = user.purchase("a", &json!({"expected_total": seen})).await.unwrap();
    assert_eq!((refused.status, &refused.body["code"]), (StatusCode::CONFLICT, &json!("price_changed")));
    for wrong in ["24.67", "0.01", "0.00", "-24.68"] {
        let refused = user.purchase("a", &json!({"expected_total": usd(wrong)})).await.unwrap();
        assert_eq!(refused.status, StatusCode::CONFLICT, "{wrong}: {refused:?}");
    }
    let euros = json!({"amount": "24.68", "currency": "EUR"});
    assert_eq!(
        user.purchase("a", &json!({"expected_total": euros})).await.unwrap().status,
        StatusCode::CONFLICT
    );
    assert_eq!(user.stock(id).await, (5, 0), "nothing was held for it");
    let bought = user.purchase("a", &json!({"expected_total": usd("24.68")})).await.unwrap();
    assert_eq!((bought.status, &bought.body["total"]), (StatusCode::CREATED, &usd("24.68")));
    assert_eq!(last_order(&user, 1).await["items"][0]["unit_price"], usd("12.34"));
    shop.audit().await;
    shop.stop().await;
}
