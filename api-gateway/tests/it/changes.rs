//! What somebody sees who watches something.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::Stream;
use tonic::Status;

/// Some changes that are known, and what comes then.
#[derive(Clone)]
pub(crate) struct Changes<T> {
    known: VecDeque<Result<T, Status>>,
    then: Then<T>,
}

#[derive(Clone)]
enum Then<T> {
    End,
    Silence,
    Told(Arc<Mutex<UnboundedReceiver<Result<T, Status>>>>),
}

impl<T> Changes<T> {
    /// These, and then the end.
    pub(crate) fn ending(known: impl IntoIterator<Item = Result<T, Status>>) -> Self {
        Self { known: known.into_iter().collect(), then: Then::End }
    }

    /// These, and then nothing more.
    pub(crate) fn silent(known: impl IntoIterator<Item = Result<T, Status>>) -> Self {
        Self { then: Then::Silence, ..Self::ending(known) }
    }

    /// What is sent; for one who watches.
    pub(crate) fn told() -> (UnboundedSender<Result<T, Status>>, Self) {
        let (sender, receiver) = unbounded_channel();
        let then = Then::Told(Arc::new(Mutex::new(receiver)));
        (sender, Self { then, ..Self::ending([]) })
    }
}

impl<T: Unpin> Stream for Changes<T> {
    type Item = Result<T, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(known) = self.known.pop_front() {
            return Poll::Ready(Some(known));
        }
        match &self.then {
            Then::End => Poll::Ready(None),
            Then::Silence => Poll::Pending,
            Then::Told(receiver) => receiver.lock().unwrap().poll_recv(context),
        }
    }
}
