//! Clients that take their time, and those who come in crowds.

use std::time::Duration;

use api_gateway::{Port, Settings, Timeouts};
use proto::product as pb;
use testkit::eventually;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::replies::product;
use crate::running::{Running, SOON, answer, rest, serve_at_most, serve_with, serve_within};
use crate::shop::settings;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(3600);
const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n";
const HALF: &[u8] = b"GET /health HTTP/1.1\r\nhost: a\r\nx-slow: ";

/// Ends in time that do not come in a test.
fn patient() -> Timeouts {
    Timeouts { header: LONG, idle: LONG, write: LONG, ..Timeouts::default() }
}

#[tokio::test]
async fn b3_who_does_not_finish_asking_is_sent_away() {
    let shop = serve_within(Timeouts { header: SHORT, ..patient() }).await;
    for half in [&b""[..], b"P", b"PRI * HT", b"GET /hea", HALF] {
        let began = Instant::now();
        let answer = shop.raw(half).await;
        assert!(began.elapsed() >= SHORT, "not before its time");
        if half.is_empty() {
            assert_eq!(answer, "");
        } else {
            assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
            assert!(answer.contains("\"code\":\"request_timeout\""), "{answer}");
        }
    }
}

#[tokio::test]
async fn b3_so_is_who_does_not_finish_the_second_time() {
    let shop = serve_within(Timeouts { header: SHORT, ..patient() }).await;
    let mut kept = shop.connect().await;
    kept.write_all(HEALTH).await.unwrap();
    answer(&mut kept).await;
    // Longer than for a head: an idle connection is not cut off for one.
    let others = Instant::now();
    eventually("time passes", SOON, async || others.elapsed() > 3 * SHORT).await;
    kept.write_all(HEALTH).await.unwrap();
    answer(&mut kept).await;
    let began = Instant::now();
    kept.write_all(HALF).await.unwrap();
    assert!(rest(&mut kept).await.starts_with("HTTP/1.1 408 "));
    assert!(began.elapsed() >= SHORT);
}

#[tokio::test]
async fn b3_an_idle_connection_is_closed_in_time() {
    let shop = serve_within(Timeouts { idle: SHORT, write: SHORT, ..patient() }).await;
    for sent in [HEALTH, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"] {
        let began = Instant::now();
        let answer = shop.raw(sent).await;
        assert!(sent != HEALTH || answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(began.elapsed() >= SHORT);
    }
}

/// Asks for what does not fit in the buffers of a socket, and reads none of it.
async fn ask_and_do_not_read(shop: &Running) -> TcpStream {
    let large = pb::Product { description: "x".repeat(10_000), ..product() };
    let page = pb::GetProductsResponse { products: vec![large; 100], ..pb::GetProductsResponse::default() };
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(shop.address).await.unwrap();
    for _ in 0..3 {
        shop.services.replies("get_products", page.clone());
        stream.write_all(b"GET /api/v1/products HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    }
    stream
}

#[tokio::test]
async fn b3_who_does_not_read_is_not_written_to_for_ever() {
    let shop = serve_within(Timeouts { write: SHORT, ..patient() }).await;
    let mut stream = ask_and_do_not_read(&shop).await;
    // The gateway has given up when it takes nothing any more.
    let sent = async || stream.write_all(HEALTH).await.is_err();
    eventually("the connection is cut", SOON, sent).await;
    assert!(shop.answers().await);
}

#[tokio::test]
async fn b3_a_thousand_slow_clients_disturb_nobody() {
    let shop = serve_with(Settings {
        timeouts: patient(),
        port: Port { max_connections_per_address: 1_000_000, ..Default::default() },
        ..settings()
    })
    .await;
    let mut slow = Vec::new();
    for number in 0..1000 {
        if number % 50 == 0 {
            slow.push(ask_and_do_not_read(&shop).await);
        } else {
            let mut stream = shop.connect().await;
            stream.write_all(HALF).await.unwrap();
            slow.push(stream);
        }
    }
    for _ in 0..100 {
        assert!(shop.answers().await);
    }
    let mut kept = shop.connect().await;
    for _ in 0..200 {
        kept.write_all(HEALTH).await.unwrap();
        assert!(answer(&mut kept).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
    // Nor were they cut off: each is in its time.
    for stream in slow.iter_mut().skip(1).step_by(100) {
        stream.write_all(b"y\r\nconnection: close\r\n\r\n").await.unwrap();
        assert!(rest(stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
    }
}

#[tokio::test]
async fn b3_in_a_full_house_the_one_silent_for_longest_gives_way() {
    let shop = serve_at_most(3, 100).await;
    let mut guests = Vec::new();
    for _ in 0..3 {
        let mut stream = shop.connect().await;
        stream.write_all(HEALTH).await.unwrap();
        answer(&mut stream).await;
        guests.push(stream);
    }
    // The first speaks again, so the second is silent for longest.
    guests[0].write_all(HEALTH).await.unwrap();
    answer(&mut guests[0]).await;
    guests.push(shop.connect().await);
    assert_eq!(rest(&mut guests[1]).await, "");
    for still_there in [0, 2, 3] {
        guests[still_there].write_all(HEALTH).await.unwrap();
        answer(&mut guests[still_there]).await;
    }
}

#[tokio::test]
async fn b3_in_a_full_house_nobody_is_cut_off_who_has_asked() {
    let shop = serve_at_most(2, 100).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        busy.push(ask_for_more(&shop).await);
    }
    let mut late = shop.connect().await;
    late.write_all(HEALTH).await.unwrap();
    answer(&mut late).await;
    // One more than there are places was let in; the next waits until somebody has ended.
    let mut later = shop.connect().await;
    later.write_all(HEALTH).await.unwrap();
    for stream in &mut busy {
        stream.write_all(b"{}").await.unwrap();
        assert!(answer(stream).await.starts_with("HTTP/1.1 400 "));
    }
    answer(&mut later).await;
}

/// A request whose handler waits for the body.
async fn ask_for_more(shop: &Running) -> TcpStream {
    let mut stream = shop.connect().await;
    let head = "POST /api/v1/cart/items HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 2\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut go_on).await.unwrap();
    stream
}

#[tokio::test]
async fn b3_one_address_does_not_fill_the_house() {
    let shop = serve_at_most(100, 2).await;
    let mut guests = [shop.connect().await, shop.connect().await];
    for stream in &mut guests {
        stream.write_all(HEALTH).await.unwrap();
        answer(stream).await;
    }
    assert!(!shop.answers().await, "the third is not let in");
    let mut other = shop.connect_from(2).await;
    other.write_all(HEALTH).await.unwrap();
    answer(&mut other).await;
    drop(guests);
    eventually("their places are free again", SOON, async || shop.answers().await).await;
}

#[tokio::test]
async fn b3_a_proxy_may_have_more() {
    let shop = serve_with(Settings {
        trusted_proxies: vec!["127.0.0.2".parse().unwrap()],
        port: Port { max_connections_per_address: 1, ..Default::default() },
        ..settings()
    })
    .await;
    let mut guests = Vec::new();
    for _ in 0..5 {
        let mut stream = shop.connect_from(2).await;
        stream.write_all(HEALTH).await.unwrap();
        answer(&mut stream).await;
        guests.push(stream);
    }
}
