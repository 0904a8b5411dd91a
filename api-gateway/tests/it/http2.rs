//! Clients that abuse the frames of HTTP/2.

use std::time::Duration;

use api_gateway::{Settings, StreamBounds, Timeouts};
use proto::product as pb;
use testkit::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::changes::Changes;
use crate::events::{OF_A_CHECKOUT, at};
use crate::replies::product;
use crate::running::{Running, SOON, serve, serve_with, serve_within};
use crate::shop::settings;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SHORT: Duration = Duration::from_millis(200);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Settings of a client.
const INITIAL_WINDOW_SIZE: u16 = 4;
/// Settings of the server.
const MAX_CONCURRENT_STREAMS: u16 = 3;
const MAX_HEADER_LIST_SIZE: u16 = 6;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The fields of a GET, none of them remembered.
fn get(path: &str) -> Vec<u8> {
    [&[0x82, 0x86, 0x01, 1, b'a', 0x04, u8::try_from(path.len()).unwrap()], path.as_bytes()].concat()
}

fn ask(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &get(path))
}

/// A frame of the server.
#[derive(Debug)]
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// What a GOAWAY or an RST_STREAM says.
    fn reason(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

struct Client(TcpStream);

impl Client {
    async fn connect(shop: &Running, settings: &[(u16, u32)]) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(16 * 1024).unwrap();
        let mut stream = socket.connect(shop.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &settings)].concat()).await.unwrap();
        Self(stream)
    }

    /// The server may have closed the connection.
    async fn send(&mut self, frames: &[u8]) -> bool {
        self.0.write_all(frames).await.is_ok()
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        Some(Frame { kind: head[3], stream, payload })
    }

    /// The first frame that is looked for; what comes before it is passed over.
    async fn until(&mut self, found: impl Fn(&Frame) -> bool) -> Frame {
        let looking = async {
            loop {
                let frame = self.next().await.expect("the connection is closed before");
                if found(&frame) {
                    return frame;
                }
            }
        };
        timeout(SOON, looking).await.expect("there is no such frame")
    }

    /// Why the server ends the connection; none if it says nothing.
    async fn end(&mut self) -> Option<u32> {
        let ending = async {
            let mut reason = None;
            while let Some(frame) = self.next().await {
                if frame.kind == GOAWAY {
                    reason = Some(frame.reason());
                }
            }
            reason
        };
        timeout(SOON, ending).await.expect("the connection stays open")
    }
}

#[tokio::test]
async fn b4_clients_are_told_the_limits() {
    let shop = serve().await;
    let mut client = Client::connect(&shop, &[]).await;
    let settings = client.until(|frame| frame.kind == SETTINGS).await.payload;
    let settings: Vec<(u16, u32)> = settings
        .chunks(6)
        .map(|one| (u16::from_be_bytes([one[0], one[1]]), u32::from_be_bytes(one[2..].try_into().unwrap())))
        .collect();
    assert!(settings.contains(&(MAX_CONCURRENT_STREAMS, 128)), "{settings:?}");
    assert!(settings.contains(&(MAX_HEADER_LIST_SIZE, 16 * 1024)), "{settings:?}");
}

#[tokio::test]
async fn b4_there_are_128_requests_at_a_time() {
    let shop = serve().await;
    shop.services.hangs::<pb::Product>("get_product");
    let mut client = Client::connect(&shop, &[]).await;
    for number in 0..=128 {
        assert!(client.send(&ask(2 * number + 1, "/api/v1/products/1")).await);
    }
    let refused = client.until(|frame| frame.kind == RST_STREAM).await;
    assert_eq!((refused.stream, refused.reason()), (257, REFUSED_STREAM));
}

#[tokio::test]
async fn b4_who_takes_requests_back_again_and_again_is_sent_away() {
    let shop = serve().await;
    // Whose body never comes.
    let content_type = [&[0x0f, 0x10, 16][..], b"application/json"].concat();
    let post = [&[0x83], &get("/api/v1/cart/items")[1..], &content_type].concat();
    let asked = |stream| frame(HEADERS, END_HEADERS, stream, &post);
    let taken_back = |stream| frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());

    let at_once = async || {
        let mut client = Client::connect(&shop, &[]).await;
        for stream in (1..100_000).step_by(2) {
            if !client.send(&[asked(stream), taken_back(stream)].concat()).await {
                return stream;
            }
        }
        panic!("all of them were taken");
    };
    timeout(SOON, at_once()).await.expect("the flood is not ended");

    // When the gateway has begun with each.
    let mut client = Client::connect(&shop, &[]).await;
    let mut begun = 0;
    for stream in (1..2000).step_by(2) {
        client.send(&[asked(stream), frame(PING, 0, 0, &[7; 8])].concat()).await;
        let answered = async {
            while let Some(frame) = client.next().await {
                if frame.kind == PING && frame.payload == [7; 8] {
                    return true;
                }
            }
            false
        };
        if !timeout(SOON, answered).await.expect("there is no answer") {
            break;
        }
        begun += 1;
        client.send(&taken_back(stream)).await;
    }
    assert!((100..110).contains(&begun), "{begun}");
    assert!(shop.answers().await);
}

/// Who takes back some of many is not.
#[tokio::test]
async fn b4_a_request_may_be_taken_back() {
    let shop = serve().await;
    shop.services.hangs::<pb::Product>("get_product");
    let mut client = Client::connect(&shop, &[]).await;
    for stream in (1..1200).step_by(4) {
        client.send(&ask(stream, "/api/v1/products/1")).await;
        client.send(&ask(stream + 2, "/health")).await;
        client.until(|frame| frame.kind == HEADERS && frame.stream == stream + 2).await;
        client.send(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())).await;
    }
}

#[tokio::test]
async fn b4_a_head_without_end_is_refused() {
    let shop = serve().await;
    let mut client = Client::connect(&shop, &[]).await;
    let begun = client.send(&frame(HEADERS, END_STREAM, 1, &get("/health"))).await;
    assert!(begun);
    // A field of one kilobyte, again and again; the last frame would be another one.
    let field = [&[0x00, 1, b'x', 0x7f, 0x81, 0x07][..], &[b'y'; 1024]].concat();
    let mut taken = 0;
    while taken < 10_000 && client.send(&frame(CONTINUATION, 0, 1, &field)).await {
        taken += 1;
    }
    assert!(taken < 10_000);
    let reason = client.end().await;
    assert!(reason.is_none() || reason == Some(ENHANCE_YOUR_CALM), "{reason:?}");

    let mut client = Client::connect(&shop, &[]).await;
    let large = [get("/health"), [field.as_slice(); 15].concat()].concat();
    let sent = frame(HEADERS, END_STREAM | END_HEADERS, 1, &large);
    assert!(client.send(&sent).await);
    client.until(|frame| frame.kind == HEADERS && frame.stream == 1).await;
    assert!(shop.answers().await);
}

#[tokio::test]
async fn b4_frames_that_carry_nothing_are_not_taken_for_ever() {
    let shop = serve_within(Timeouts { write: SHORT, ..Timeouts::default() }).await;
    for nothing in [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 0, 0, &[]),
        frame(DATA, 0, 1, &[]),
        frame(DATA, 0, 1, b" "),
    ] {
        let mut client = Client::connect(&shop, &[]).await;
        // A body, whose handler waits for more of it.
        shop.services.hangs::<pb::Product>("get_product");
        assert!(client.send(&frame(HEADERS, END_HEADERS, 1, &get("/api/v1/products/1"))).await);
        let flood = nothing.repeat(1000);
        // Nothing of what comes back is read.
        eventually("the flood is ended", SOON, async || !client.send(&flood).await).await;
    }
    assert!(shop.answers().await);
}

#[tokio::test]
async fn b3_a_client_that_does_not_answer_a_ping_is_gone() {
    let shop = serve_within(Timeouts { idle: SHORT, write: SHORT, ..Timeouts::default() }).await;
    shop.services.hangs::<pb::Product>("get_product");
    let mut client = Client::connect(&shop, &[]).await;
    assert!(client.send(&ask(1, "/api/v1/products/1")).await);
    client.until(|frame| frame.kind == PING).await;
    client.end().await;
}

#[tokio::test]
async fn b3_who_leaves_no_room_for_an_answer_does_not_get_it() {
    let shop = serve_within(Timeouts { write: SHORT, ..Timeouts::default() }).await;
    shop.services.replies("get_product", product());
    let large = pb::Product { description: "x".repeat(3000), ..product() };
    let page = pb::GetProductsResponse { products: vec![large; 50], ..pb::GetProductsResponse::default() };
    for window in [0, 1] {
        let mut client = Client::connect(&shop, &[(INITIAL_WINDOW_SIZE, window)]).await;
        shop.services.replies("get_products", page.clone());
        assert!(client.send(&ask(1, "/api/v1/products")).await);
        let reset = client.until(|frame| frame.kind == RST_STREAM).await;
        assert_eq!(reset.stream, 1, "{window}");
        // The connection is there for others: a proxy's may carry many clients.
        assert!(client.send(&ask(3, "/nowhere")).await);
        client.until(|frame| frame.kind == HEADERS && frame.stream == 3).await;
    }
}

#[tokio::test]
async fn a_silent_event_stream_is_not_late_and_gives_its_place_back_when_it_is_reset() {
    let timeouts = Timeouts { write: SHORT, ..Timeouts::default() };
    let streams = StreamBounds { max_event_streams: 1, max_event_streams_per_user: 1 };
    let shop = serve_with(Settings { timeouts, streams, ..settings() }).await;
    shop.services.replies("watch_checkout", Changes::silent([Ok(at(1))]));
    let mut client = Client::connect(&shop, &[]).await;
    assert!(client.send(&ask(1, OF_A_CHECKOUT)).await);
    client.until(|frame| String::from_utf8_lossy(&frame.payload).contains("id: 1\n")).await;
    let quiet = timeout(3 * SHORT, client.until(|frame| frame.stream == 1)).await;
    assert!(quiet.is_err(), "nothing more is said of it: {quiet:?}");

    // Of all status codes here, 200 alone is this one byte.
    let begins = async |client: &mut Client, stream| {
        assert!(client.send(&ask(stream, OF_A_CHECKOUT)).await);
        client.until(|frame| frame.kind == HEADERS && frame.stream == stream).await.payload[0] == 0x88
    };
    assert!(!begins(&mut client, 3).await, "the place is taken");
    assert!(client.send(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).await);
    let mut streams = (5..).step_by(2);
    eventually("a free place", SOON, async || begins(&mut client, streams.next().unwrap()).await).await;
}
