//! A stream of server-sent events, read as a client reads it.

use axum::body::BodyDataStream;
use futures::StreamExt as _;
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt as _;

use crate::contract::CONTRACT;
use crate::shop::{Answer, Shop, ask};

/// An answer that goes on.
pub(crate) struct Events {
    pub(crate) headers: HeaderMap,
    body: BodyDataStream,
    text: String,
}

/// A block of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    Event { id: String, name: String, data: Value },
    Retry(u64),
    Heartbeat,
}

/// An event without its data.
pub(crate) fn named(block: &Block) -> (&str, &str) {
    match block {
        Block::Event { id, name, .. } => (id, name),
        other => panic!("no event: {other:?}"),
    }
}

impl Shop {
    /// Begins to watch, having seen `seen`.
    pub(crate) async fn watch(&self, path: &str, seen: Option<&str>) -> Result<Events, Answer> {
        let mut headers = vec![("accept", "text/event-stream"), ("accept-encoding", "gzip")];
        headers.extend(seen.map(|seen| ("last-event-id", seen)));
        self.follow(ask("GET", path, &headers, "")).await
    }

    /// `Err` where there is no stream.
    pub(crate) async fn follow(&self, request: Request<axum::body::Body>) -> Result<Events, Answer> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let mut answer = Answer { status: head.status, headers: head.headers.clone(), body: Vec::new() };
        let mut events = Events { headers: head.headers, body: body.into_data_stream(), text: String::new() };
        if head.status == StatusCode::OK && events.headers["content-type"] == "text/event-stream" {
            assert_eq!(events.next().await, Some(Block::Retry(1000)), "how to come back");
            CONTRACT.check(&method, &path, &answer).unwrap();
            return Ok(events);
        }
        while let Some(chunk) = events.body.next().await {
            answer.body.extend(chunk.unwrap());
        }
        CONTRACT.check(&method, &path, &answer).unwrap();
        Err(answer)
    }
}

impl Events {
    /// The next block; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Block> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (Block::parse(block), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            match self.body.next().await {
                Some(chunk) => self.text += std::str::from_utf8(&chunk.unwrap()).unwrap(),
                None => {
                    assert_eq!(self.text, "", "half a block");
                    return None;
                }
            }
        }
    }

    /// All that are left.
    pub(crate) async fn rest(mut self) -> Vec<Block> {
        let mut all = Vec::new();
        while let Some(block) = self.next().await {
            all.push(block);
        }
        all
    }
}

impl Block {
    fn parse(text: &str) -> Self {
        let (mut id, mut name, mut data) = (None, None, None);
        for line in text.lines() {
            match line.split_once(':').unwrap() {
                ("", "") => return Self::Heartbeat,
                ("retry", time) => return Self::Retry(time.trim().parse().unwrap()),
                ("id", text) => id = Some(text.trim().to_owned()),
                ("event", text) => name = Some(text.trim().to_owned()),
                ("data", text) => assert_eq!(data.replace(serde_json::from_str(text).unwrap()), None),
                _ => panic!("{line}"),
            }
        }
        Self::Event { id: id.unwrap(), name: name.unwrap(), data: data.unwrap() }
    }
}
