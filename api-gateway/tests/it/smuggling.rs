//! Bytes that one reader takes for one request and another for two: there is one answer at most for each, and nothing
//! that is left over is ever read as a request.

use crate::replies::cart;
use crate::running::{Running, serve};

/// What must never be answered: the metadata of the fake would say so, and so would a second status line.
const SMUGGLED: &str = "DELETE /api/v1/cart HTTP/1.1\r\nHost: a\r\n\r\n";

fn statuses(answers: &str) -> Vec<&str> {
    let after = answers.split("HTTP/1.1 ").skip(1).filter_map(|line| line.get(..3));
    after.filter(|status| status.bytes().all(|b| b.is_ascii_digit())).collect()
}

/// Asserts that the bytes are answered by these statuses and the connection is closed, and that no service was called.
async fn refused(shop: &Running, bytes: &str, wanted: &[&str]) {
    let answers = shop.raw(bytes.as_bytes()).await;
    assert_eq!(statuses(&answers), wanted, "{bytes:?} gives {answers}");
    assert_eq!(shop.services.calls(), 0, "{bytes:?}");
}

#[tokio::test]
async fn s1_a_request_that_can_be_read_in_two_ways_is_refused_and_the_connection_closed() {
    let shop = serve().await;
    shop.services.replies("clear_cart", cart());
    let post = |fields: &str, body: &str| {
        format!(
            "POST /api/v1/cart/items HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{fields}\r\n\r\n{body}"
        )
    };
    let cl_te = format!("Content-Length: {}\r\nTransfer-Encoding: chunked", SMUGGLED.len() + 5);
    let te_cl = "Transfer-Encoding: chunked\r\nContent-Length: 4";
    let chunk = format!("{:x}\r\n{SMUGGLED}\r\n0\r\n\r\n", SMUGGLED.len());
    for (name, bytes) in [
        ("CL.TE", post(&cl_te, &format!("0\r\n\r\n{SMUGGLED}"))),
        ("TE.CL", post(te_cl, &chunk)),
        ("TE.TE, one hidden", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", &chunk)),
        ("TE.TE, twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", &chunk)),
        ("TE, not last", post("Transfer-Encoding: chunked, identity", &chunk)),
        ("TE, space before colon", post("Transfer-Encoding : chunked", &chunk)),
        ("TE, folded", post("Transfer-Encoding:\r\n chunked", &chunk)),
        ("TE, vertical tab", post("Transfer-Encoding: \u{b}chunked", &chunk)),
        ("TE, after a bare LF", post("x: y\nTransfer-Encoding: chunked", &chunk)),
        ("TE, after a bare CR", post("x: y\rTransfer-Encoding: chunked", &chunk)),
        ("CL.CL, the same", post("Content-Length: 0\r\nContent-Length: 0", SMUGGLED)),
        ("CL.CL, different", post("Content-Length: 0\r\nContent-Length: 41", SMUGGLED)),
        ("CL, a list", post("Content-Length: 0, 41", SMUGGLED)),
        ("CL, a sign", post("Content-Length: +0", SMUGGLED)),
        ("CL, behind a NUL", post("x: \0\r\nContent-Length: 0", SMUGGLED)),
        ("CL, folded", post("x: y\r\n Content-Length: 41\r\nContent-Length: 0", SMUGGLED)),
        ("no CR anywhere", format!("GET /health HTTP/1.1\nHost: a\n\n{SMUGGLED}")),
        ("end of head without CR", format!("GET /health HTTP/1.1\r\nHost: a\r\n\n{SMUGGLED}")),
        ("two hosts", format!("GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{SMUGGLED}")),
        ("no host", format!("GET /health HTTP/1.1\r\n\r\n{SMUGGLED}")),
        ("no version", format!("GET /health\r\n\r\n{SMUGGLED}")),
        (
            "TE in HTTP/1.0",
            format!("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        ("an empty line first", format!("\r\nGET /health HTTP/1.1\r\nHost: a\r\n\r\n{SMUGGLED}")),
        ("upgrade to HTTP/2 half-way", format!("PRI * HTTP/2.0\r\n\r\n{SMUGGLED}")),
    ] {
        let answers = shop.raw(bytes.as_bytes()).await;
        assert_eq!(statuses(&answers), ["400"], "{name} gives {answers}");
        assert!(answers.contains("\r\nconnection: close\r\n"), "{name} gives {answers}");
        assert!(answers.contains("\r\ncontent-type: application/problem+json\r\n"), "{name} gives {answers}");
        assert!(answers.contains("\"code\":\"malformed_request\""), "{name} gives {answers}");
        assert_eq!(shop.services.calls(), 0, "{name}");

        // Behind a good request the same; that one is answered.
        let behind = format!("GET /health HTTP/1.1\r\nHost: a\r\n\r\n{bytes}");
        if !bytes.starts_with("PRI") {
            refused(&shop, &behind, &["200", "400"]).await;
        }
    }
}

#[tokio::test]
async fn s1_invalid_chunks_end_the_connection() {
    let shop = serve().await;
    let head = "POST /api/v1/cart/items HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
                Transfer-Encoding: chunked\r\n\r\n";
    for body in [
        "0x1\r\n{\r\n0\r\n\r\n",
        "1;x=y\r\n{\r\n0\r\n\r\n",
        "1\n{\r\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "-1\r\n",
        "g\r\n",
    ] {
        for body in [format!("{body}{SMUGGLED}"), format!("2\r\n{{}}\r\n{body}{SMUGGLED}")] {
            refused(&shop, &format!("{head}{body}"), &["400"]).await;
        }
    }
    // Trailers are not read, so they can't be a head either.
    refused(&shop, &format!("{head}2\r\n{{}}\r\n0\r\n{SMUGGLED}"), &["400"]).await;
}

#[tokio::test]
async fn s1_requests_one_behind_the_other_are_answered_each_once() {
    let shop = serve().await;
    for _ in 0..3 {
        shop.services.replies("add_item", cart());
    }
    let body = r#"{"product_id": 1, "quantity": 2}"#;
    let post = "POST /api/v1/cart/items HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    let length = format!("{post}Content-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n{:X}\r\n{body}\r\n0\r\n\r\n", body.len());
    let get = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let all = format!("{length}{get}{chunked}{get}{length}{last}{SMUGGLED}");
    let answers = shop.raw(all.as_bytes()).await;
    assert_eq!(statuses(&answers), ["201", "200", "201", "200", "201", "404"], "{answers}");
    assert_eq!(shop.services.calls(), 3);

    // A body that nobody reads is no request either.
    let unread = format!(
        "GET /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{SMUGGLED}{last}",
        SMUGGLED.len()
    );
    let answers = shop.raw(unread.as_bytes()).await;
    assert!(matches!(statuses(&answers)[..], ["404"] | ["404", "404"]), "{answers}");
    assert_eq!(shop.services.calls(), 3);
}
