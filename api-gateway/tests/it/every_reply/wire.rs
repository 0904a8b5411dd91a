//! What is refused before there is a request: only bytes can say it.

use std::time::Duration;

use api_gateway::Timeouts;
use futures::future::join_all;
use http::{HeaderMap, HeaderName};

use super::Tour;
use crate::contract::CONTRACT;
use crate::policies::path;
use crate::running::{Running, serve, serve_within};
use crate::shop::Answer;

const SHORT: Duration = Duration::from_millis(100);

impl Tour {
    /// A head that can be read in two ways, one that is too large, and one that does not end, to every route.
    pub(super) async fn heads(&mut self) {
        let (patient, hasty) =
            (serve().await, serve_within(Timeouts { header: SHORT, ..Timeouts::default() }).await);
        let large = format!("x: {}\r\n\r\n", "x".repeat(16 * 1024));
        self.heads_with(&patient, "host: b\r\n\r\n").await;
        self.heads_with(&patient, &large).await;
        self.heads_with(&hasty, "x: ").await;
    }

    async fn heads_with(&mut self, gateway: &Running, rest: &str) {
        let answers = self.policies.iter().map(async |policy| {
            let head = format!("{} {} HTTP/1.1\r\nhost: a\r\n{rest}", policy.method, path(policy.path));
            (policy, parsed(&gateway.raw(head.as_bytes()).await))
        });
        for (policy, answer) in join_all(answers).await {
            match CONTRACT.check(&policy.method, &path(policy.path), &answer) {
                Ok(seen) => self.seen.extend(seen),
                Err(error) => self.wrong.push(format!("{policy:?}: {error} in {}", answer.status)),
            }
        }
    }
}

fn parsed(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())
    };
    let headers: HeaderMap = lines.map(header).collect();
    Answer { status: status.parse().unwrap(), headers, body: body.as_bytes().to_vec() }
}
