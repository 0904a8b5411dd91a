//! Through a real port.

use std::net::{IpAddr, Ipv4Addr};

use api_gateway::{AuthMode, Settings};
use platform::World;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::fake::Fake;
use crate::replies::cart;
use crate::running::{SOON, serve};
use crate::shop::{peers, settings};

#[tokio::test]
async fn http_1_is_served() {
    let shop = serve().await;
    shop.services.replies("add_item", cart());
    let body = r#"{"product_id": 1, "quantity": 2}"#;
    let request = format!(
        "POST /api/v1/cart/items HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = shop.raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.contains("\r\ncontent-type: application/json\r\n"), "{answer}");
    let chunked = format!(
        "POST /api/v1/cart/items HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-type: application/json\r\n\
         transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    assert!(shop.raw(chunked.as_bytes()).await.starts_with("HTTP/1.1 201 Created\r\n"));
}

#[tokio::test]
async fn http_2_is_served() {
    let shop = serve().await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let mut stream = TcpStream::connect(shop.address).await.unwrap();
    stream.write_all(preface).await.unwrap();
    let mut frame = [0; 9];
    timeout(SOON, stream.read_exact(&mut frame)).await.unwrap().unwrap();
    assert_eq!(frame[3], 4, "a SETTINGS frame answers");
}

#[tokio::test]
async fn b4_an_endless_head_is_refused() {
    let shop = serve().await;
    let long = format!("GET /health HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "x".repeat(300_000));
    let many = format!("GET /health HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(100));
    for head in [long, many] {
        let answer = shop.raw(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(answer.contains("\"code\":\"head_too_large\""), "{answer}");
    }
    let answer = shop.raw(b"GET /health HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "and others are served");
}

#[tokio::test]
async fn b1_a_body_too_large_is_refused_before_it_is_sent() {
    let shop = serve().await;
    let head = "POST /api/v1/cart/items HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 1000000\r\n\r\n";
    let answer = shop.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn b1_a_body_without_end_is_refused_and_the_answer_arrives() {
    let shop = serve().await;
    let head = "POST /api/v1/cart/items HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let chunk = format!("2000\r\n{}\r\n", " ".repeat(0x2000));
    for chunks in [9, 100] {
        let answer = shop.raw(format!("{head}{}", chunk.repeat(chunks)).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("\"code\":\"payload_too_large\""), "{answer}");
    }
    let mut endless = shop.connect().await;
    endless.write_all(head.as_bytes()).await.unwrap();
    let mut taken = 0_usize;
    while endless.write_all(chunk.as_bytes()).await.is_ok() {
        taken += chunk.len();
        assert!(taken < 64 * 1024 * 1024, "all of it is taken");
    }
}

#[tokio::test]
async fn a_shutdown_lets_requests_finish() {
    let shop = serve().await;
    shop.services.replies("add_item", cart());
    let (first, rest) = r#"{"product_id": 1, "quantity": 2}"#.split_at(10);
    let mut busy = TcpStream::connect(shop.address).await.unwrap();
    let head = "POST /api/v1/cart/items HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                content-length: 32\r\nexpect: 100-continue\r\n\r\n";
    busy.write_all(head.as_bytes()).await.unwrap();
    let mut asked_for_more = [0; 25];
    busy.read_exact(&mut asked_for_more).await.unwrap();
    assert_eq!(&asked_for_more, b"HTTP/1.1 100 Continue\r\n\r\n", "the handler runs");
    busy.write_all(first.as_bytes()).await.unwrap();

    shop.shutdown.cancel();
    let refused = async || TcpStream::connect(shop.address).await.is_err();
    testkit::eventually("nobody new is let in", SOON, refused).await;
    busy.write_all(rest.as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(SOON, busy.read_to_string(&mut answer)).await.expect("the connection ends").unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    timeout(SOON, shop.serving).await.expect("the drain ends").unwrap().unwrap();
}

#[tokio::test]
async fn mode_dev_stays_on_this_machine() {
    let services = Fake::default();
    let everywhere: IpAddr = Ipv4Addr::UNSPECIFIED.into();
    let open =
        async |settings| api_gateway::open(settings, everywhere, peers(&services), World::real()).await;
    let refused = open(settings()).await.err().unwrap().to_string();
    assert!(refused.starts_with("AUTH_MODE=dev") && refused.contains("BIND_ADDR=0.0.0.0"), "{refused}");
    assert!(open(Settings { auth_mode: AuthMode::Jwt, ..settings() }).await.is_ok());
    assert!(open(Settings { dev_on_any_address: true, ..settings() }).await.is_ok(), "as it was asked to");
}
