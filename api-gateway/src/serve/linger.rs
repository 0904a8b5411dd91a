//! The end of a connection whose peer is still sending.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Sleep, sleep};

/// How long what comes is read away.
const WITHIN: Duration = Duration::from_secs(2);
/// How much of it, in bytes.
const MOST: usize = 1024 * 1024;
/// How much at a time.
const STEP: usize = 4 * 1024;

/// Reads away what comes, until the peer has ended, or for long enough.
#[derive(Default)]
pub(super) struct Linger {
    over: Option<Pin<Box<Sleep>>>,
    read: usize,
}

impl Linger {
    /// Resolves when the socket may be closed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, mut from: Pin<&mut impl AsyncRead>) -> Poll<()> {
        let over = self.over.get_or_insert_with(|| Box::pin(sleep(WITHIN)));
        while self.read < MOST {
            if over.as_mut().poll(cx).is_ready() {
                break;
            }
            let mut bytes = [0; STEP];
            let mut bytes = ReadBuf::new(&mut bytes);
            let outcome = ready!(from.as_mut().poll_read(cx, &mut bytes));
            if outcome.is_err() || bytes.filled().is_empty() {
                break;
            }
            self.read += bytes.filled().len();
        }
        Poll::Ready(())
    }
}
