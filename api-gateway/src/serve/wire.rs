//! The bytes of a connection.
//!
//! What stands between the socket and hyper: heads of HTTP/1 are held back until they are whole and good, so that
//! hyper reads nothing that could be read in another way; and who neither sends the rest of a head nor takes an answer
//! is not waited for.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_util::io::poll_read_buf;

use super::exchange::Exchange;
use super::framing::Framing;
use super::head;
use super::linger::Linger;
use super::patience::Patience;
use super::refusal::Refusal;
use crate::config::Timeouts;

/// How HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// What hyper reads in place of what was refused. [`Exchange::refusal`] knows it by its method.
const REFUSED: &[u8] = b"- / HTTP/1.1\r\nhost: -\r\nconnection: close\r\n\r\n";
/// Room for the next bytes of a head.
const STEP: usize = 4 * 1024;

/// A socket whose peer speaks HTTP, 1 or 2.
pub(super) struct Wire<S> {
    stream: Patience<S>,
    exchange: Arc<Exchange>,
    reading: Reading,
    /// Read and not passed on.
    held: BytesMut,
    /// How many of them may be passed on.
    cleared: usize,
    /// For a whole head.
    within: Duration,
    /// Runs while a head is not whole; from the start for the first, then from its first byte.
    late: Option<Pin<Box<Sleep>>>,
    linger: Linger,
}

#[derive(Clone, Copy)]
enum Reading {
    /// The head of the first request, or the preface of HTTP/2. So many bytes of it have been looked at.
    First(usize),
    /// The head of another request.
    Head(usize),
    Body(Framing),
    /// HTTP/2 needs nobody to look for its ends.
    Http2,
    /// What follows is nothing that we read.
    Refused,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S, timeouts: Timeouts, exchange: Arc<Exchange>) -> Self {
        Self {
            stream: Patience::new(stream, timeouts.write),
            exchange,
            reading: Reading::First(0),
            held: BytesMut::new(),
            cleared: 0,
            within: timeouts.header,
            late: Some(Box::pin(sleep(timeouts.header))),
            linger: Linger::default(),
        }
    }

    /// Looks at the bytes of a head; whether they decide anything.
    fn examine(&mut self, seen: usize, may_be_http2: bool) -> bool {
        if may_be_http2 && PREFACE.starts_with(self.held.get(..PREFACE.len()).unwrap_or(&self.held)) {
            let whole = self.held.len() >= PREFACE.len();
            if whole {
                self.clear(self.held.len(), Reading::Http2);
            }
            return whole;
        }
        let outcome = head::length(&self.held, seen).and_then(|length| {
            let head = length.and_then(|length| self.held.get(..length));
            head.map(|head| Ok((head.len(), head::check(head)?))).transpose()
        });
        match outcome {
            Ok(Some((length, framing))) => {
                self.clear(length, Reading::after(framing));
                true
            }
            Ok(None) => {
                let seen = self.held.len();
                self.reading = if may_be_http2 { Reading::First(seen) } else { Reading::Head(seen) };
                false
            }
            Err(refusal) => {
                self.refuse(refusal);
                true
            }
        }
    }

    fn clear(&mut self, bytes: usize, next: Reading) {
        self.cleared = bytes;
        self.reading = next;
        self.late = None;
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.exchange.refuse(refusal);
        self.held.clear();
        self.held.extend_from_slice(REFUSED);
        self.clear(REFUSED.len(), Reading::Refused);
    }

    /// Reads on in a head. Whether there is more to look at; else the connection has ended.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.held.reserve(STEP);
        if let Poll::Ready(read) = poll_read_buf(Pin::new(&mut self.stream), cx, &mut self.held) {
            self.exchange.heard();
            return Poll::Ready(read.map(|read| read > 0));
        }
        if self.held.is_empty() && self.late.is_none() {
            return Poll::Pending;
        }
        let within = self.within;
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(within)));
        ready!(late.as_mut().poll(cx));
        if self.held.is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.refuse(Refusal::Late);
        Poll::Ready(Ok(true))
    }

    /// Reads on in a body, straight into the buffer of the caller.
    fn poll_body(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
        mut framing: Framing,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, into))?;
        let read = into.filled().get(before..).unwrap_or_default();
        let passed = self.pass(&mut framing, read)?;
        // The rest belongs to the next head.
        self.held.extend_from_slice(read.get(passed..).unwrap_or_default());
        into.set_filled(before + passed);
        Poll::Ready(Ok(()))
    }

    fn pass(&mut self, framing: &mut Framing, bytes: &[u8]) -> io::Result<usize> {
        let passed = framing.pass(bytes);
        self.reading = if passed.is_ok() { Reading::after(*framing) } else { Reading::Refused };
        passed.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the body is not framed as it must be"))
    }
}

impl Reading {
    /// What is read once the framing has come this far.
    fn after(framing: Framing) -> Self {
        if framing.is_over() { Self::Head(0) } else { Self::Body(framing) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.cleared > 0 {
                let bytes = this.held.split_to(this.cleared.min(into.remaining()));
                this.cleared -= bytes.len();
                into.put_slice(&bytes);
                return Poll::Ready(Ok(()));
            }
            match this.reading {
                Reading::First(seen) => {
                    if !this.examine(seen, true) && !ready!(this.poll_head(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Reading::Head(seen) => {
                    if !this.examine(seen, false) && !ready!(this.poll_head(cx))? {
                        return Poll::Ready(Ok(()));
                    }
                }
                Reading::Body(framing) if this.held.is_empty() => return this.poll_body(cx, into, framing),
                Reading::Body(mut framing) => {
                    let held = std::mem::take(&mut this.held);
                    this.cleared = this.pass(&mut framing, &held)?;
                    this.held = held;
                }
                Reading::Http2 => return Pin::new(&mut this.stream).poll_read(cx, into),
                Reading::Refused => return Poll::Pending,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    /// Ends our half, then reads away what the peer is still sending: a socket that is closed before takes the answer
    /// with it.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        let nothing_is_left = match this.reading {
            Reading::Http2 => true,
            Reading::First(_) | Reading::Head(_) => this.held.is_empty(),
            Reading::Body(_) | Reading::Refused => false,
        };
        if nothing_is_left {
            return Poll::Ready(Ok(()));
        }
        this.linger.poll(cx, Pin::new(&mut this.stream)).map(Ok)
    }
}

#[cfg(test)]
mod tests;
