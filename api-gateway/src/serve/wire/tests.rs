use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

const CHUNKED: &str =
    "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\n";
const LENGTH: &str = "PUT /c HTTP/1.1\r\nHost: a\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n";
const EMPTY: &str = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

/// What hyper reads of these pieces, in reads of so many bytes, and why there is no more.
async fn read(pieces: &[&[u8]], at_once: usize) -> (Vec<u8>, Option<Refusal>) {
    let (mut client, server) = duplex(64 * 1024);
    let exchange = Exchange::new();
    let mut wire = Wire::new(server, Timeouts::default(), exchange.clone());
    let mut all = Vec::new();
    let reading = async {
        let mut bytes = vec![0; at_once];
        while let Ok(read) = wire.read(&mut bytes).await
            && read > 0
        {
            all.extend_from_slice(&bytes[..read]);
            if all.ends_with(REFUSED) {
                break;
            }
        }
    };
    let writing = async move {
        for piece in pieces {
            client.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(reading, writing);
    let stands_for_it = http::Request::builder().method("-").body(()).unwrap();
    (all, exchange.refusal(&stands_for_it))
}

/// Runs a future that needs no clock to go on.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

proptest! {
    #[test]
    fn s1_requests_pass_unchanged_however_they_arrive(
        order in prop::collection::vec(0..3_usize, 1..6),
        cuts in prop::collection::vec(0..400_usize, 0..8),
        at_once in 1..300_usize,
        bad in any::<bool>(),
    ) {
        let mut sent: String = order.iter().map(|which| [EMPTY, CHUNKED, LENGTH][*which]).collect();
        let mut wanted = sent.clone().into_bytes();
        if bad {
            sent.push_str("GET /d HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n");
            sent.push_str(EMPTY);
            wanted.extend_from_slice(REFUSED);
        }
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(sent.len())).collect();
        cuts.extend([0, sent.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &sent.as_bytes()[cut[0]..cut[1]]).collect();
        let (passed, refusal) = block_on(read(&pieces, at_once));
        prop_assert_eq!(String::from_utf8(passed), String::from_utf8(wanted));
        prop_assert_eq!(refusal.is_some(), bad);
    }
}

#[test]
fn http_2_is_nobodys_business_here() {
    let sent = [PREFACE, b"\n \x00 whatever"].concat();
    for cut in 0..PREFACE.len() {
        let (passed, refusal) = block_on(read(&[&sent[..cut], &sent[cut..]], 7));
        assert_eq!((passed, refusal), (sent.clone(), None), "{cut}");
    }
    for begins_alike in ["PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", "PRI * HTTP/2.0\r\nHost: a\r\n\r\n"] {
        let (passed, refusal) = block_on(read(&[begins_alike.as_bytes()], 64));
        assert!(passed == REFUSED && refusal.is_some(), "{begins_alike:?}");
    }
    let (passed, _) = block_on(read(&[EMPTY.as_bytes(), PREFACE], 64));
    assert_eq!(passed, [EMPTY.as_bytes(), REFUSED].concat(), "not as a second request");
}

/// A body costs the wire nothing but where it is: all of it goes straight to whoever reads.
#[test]
fn b1_a_body_is_not_held_back() {
    block_on(async {
        let (mut client, server) = duplex(1024 * 1024);
        let mut wire = Wire::new(server, Timeouts::default(), Exchange::new());
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = vec![0; 64 * 1024];
        assert_eq!(wire.read(&mut bytes).await.unwrap(), head.len());
        client.write_all(&vec![b'x'; 1_000_000]).await.unwrap();
        let mut left = 1_000_000;
        while left > 0 {
            left -= wire.read(&mut bytes).await.unwrap();
            assert_eq!(wire.held.len(), 0);
            assert!(wire.held.capacity() <= head::MAX_BYTES + STEP);
        }
    });
}

#[tokio::test(start_paused = true)]
async fn b3_a_head_has_its_time_from_its_first_byte() {
    let (mut client, server) = duplex(1024);
    let exchange = Exchange::new();
    let mut wire = Wire::new(server, Timeouts::default(), exchange.clone());
    let mut bytes = [0; 1024];
    client.write_all(EMPTY.as_bytes()).await.unwrap();
    assert_eq!(wire.read(&mut bytes).await.unwrap(), EMPTY.len());
    // Nothing of the second has come yet: that is for the connection to judge.
    let idle = tokio::time::timeout(Duration::from_secs(25), wire.read(&mut bytes)).await;
    assert!(idle.is_err());
    client.write_all(b"GET / HT").await.unwrap();
    let began = tokio::time::Instant::now();
    let read = wire.read(&mut bytes).await.unwrap();
    assert_eq!(exchange.silent_since(), Some(began), "half a head is no silence");
    assert_eq!((&bytes[..read], began.elapsed().as_secs()), (REFUSED, 10));

    let (_client, server) = duplex(1024);
    let began = tokio::time::Instant::now();
    let mut wire = Wire::new(server, Timeouts::default(), Exchange::new());
    assert_eq!((wire.read(&mut bytes).await.unwrap(), began.elapsed().as_secs()), (0, 10), "not a word");
}

/// How many seconds the end takes after this was sent and read, and a client that goes on sending.
async fn ending(sent: &str, client_goes: bool) -> u64 {
    let (mut client, server) = duplex(1024);
    let mut wire = Wire::new(server, Timeouts::default(), Exchange::new());
    client.write_all(sent.as_bytes()).await.unwrap();
    let mut bytes = [0; 1024];
    assert!(wire.read(&mut bytes).await.unwrap() > 0);
    let began = tokio::time::Instant::now();
    let sending = async {
        let _ = client.write_all(&[b'x'; 1024]).await;
        (!client_goes).then_some(client)
    };
    let (ended, _client) = tokio::join!(wire.shutdown(), sending);
    ended.unwrap();
    began.elapsed().as_secs()
}

#[tokio::test(start_paused = true)]
async fn s1_what_follows_the_last_request_is_read_away() {
    for left_over in ["GET / HTTP/1.1\n", &format!("{EMPTY}GET"), CHUNKED.trim_end()] {
        assert_eq!(ending(left_over, true).await, 0, "{left_over:?}");
        assert_eq!(ending(left_over, false).await, 2, "{left_over:?}");
    }
    assert_eq!(ending(EMPTY, false).await, 0);
}
