//! A program's way to its stores: the real ones, with what can go wrong between the two.

mod cart;
mod checkout;
mod inventory;
mod log;
mod orders;
mod payment;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tokio::runtime::Handle;

use super::nature::Nature;
use super::process::Process;
use super::weather::Fault;
use super::zoo::Bug;

/// How long a store is away at most, in milliseconds.
const AWAY: u64 = 15_000;

/// What a program has in place of a store. The store works in threads of its own, whose pace nobody decides; so a
/// call is made in one go, during which nothing else in this world happens.
pub(super) struct Port<S: ?Sized> {
    inner: Arc<S>,
    quiet: Arc<Quiet>,
    process: Process,
    medium: Handle,
}

/// A store with what is known of it, for all its ports.
pub(super) struct Kept<S: ?Sized> {
    inner: Arc<S>,
    quiet: Arc<Quiet>,
}

/// What a store was found to have none of, for as long as nobody writes. Programs that have nothing to do look for
/// work again and again; most of these looks need not be looks at a file.
#[derive(Default)]
struct Quiet {
    writes: AtomicU64,
    /// At which count of writes there was none.
    nothing_due: AtomicU64,
    nothing_unpublished: AtomicU64,
    /// Until when it is away.
    away: AtomicI64,
    /// For [`Bug::RelayByPosition`]: how far the relay came.
    come: AtomicI64,
}

impl<S: ?Sized> Kept<S> {
    pub(super) fn new(inner: &Arc<S>) -> Self {
        let quiet = Arc::<Quiet>::default();
        quiet.wrote();
        Self { inner: inner.clone(), quiet }
    }

    /// From this program to the store, which works in the runtime of that handle.
    pub(super) fn port(&self, process: &Process, medium: &Handle) -> Arc<Port<S>> {
        let (inner, quiet) = (self.inner.clone(), self.quiet.clone());
        Arc::new(Port { inner, quiet, process: process.clone(), medium: medium.clone() })
    }
}

impl Quiet {
    fn wrote(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    /// Refuses while the store is away.
    fn answers(&self, nature: &Nature) -> Result<(), sql::Error> {
        let now = nature.time().now();
        if nature.strikes(Fault::StoreAway) {
            self.away.store(now.after(nature.millis(AWAY)).micros(), Ordering::Relaxed);
        }
        match now.micros() < self.away.load(Ordering::Relaxed) {
            true => Err(sql::Error::unavailable("the store is away")),
            false => Ok(()),
        }
    }

    /// There is none now.
    fn found_none(&self, of: &AtomicU64) {
        of.store(self.writes.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether there was none, and nobody has written since.
    fn has_none(&self, of: &AtomicU64) -> bool {
        of.load(Ordering::Relaxed) == self.writes.load(Ordering::Relaxed)
    }
}

impl<S: ?Sized> Port<S> {
    /// Reads.
    async fn read<T, E: From<sql::Error>>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.process.step(what, "").await;
        self.quiet.answers(&self.process.nature)?;
        let done = self.at_once(work);
        self.process.step(what, outcome(&done)).await;
        done
    }

    /// Looks for what may be due, which is nothing unless somebody wrote.
    async fn look<T: Default, E: From<sql::Error>>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match self.quiet.has_none(&self.quiet.nothing_due) {
            true => self.read(what, async { Ok(T::default()) }).await,
            false => self.write(what, work).await,
        }
    }

    /// Asks when something will be due.
    async fn next<T, E: From<sql::Error>>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<Option<T>, E>>,
    ) -> Result<Option<T>, E> {
        let quiet = &self.quiet;
        if quiet.has_none(&quiet.nothing_due) {
            return self.read(what, async { Ok(None) }).await;
        }
        let asked = async {
            let next = work.await?;
            if next.is_none() {
                quiet.found_none(&quiet.nothing_due);
            }
            Ok(next)
        };
        self.read(what, asked).await
    }

    /// Writes, in one transaction.
    async fn write<T, E: From<sql::Error>>(
        &self,
        what: &'static str,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let nature = &self.process.nature;
        self.process.step(what, "").await;
        self.quiet.answers(nature)?;
        if nature.strikes(Fault::StoreUnknownNotWritten) {
            self.process.step(what, "unknown, not written").await;
            return Err(sql::Error::unknown("the connection broke").into());
        }
        self.quiet.wrote();
        let done = self.at_once(work);
        self.process.step(what, outcome(&done)).await;
        if done.is_ok() && nature.strikes(Fault::StoreUnknownWritten) {
            self.process.step(what, "unknown, written").await;
            return Err(sql::Error::unknown("the connection broke").into());
        }
        done
    }

    fn at_once<T>(&self, work: impl Future<Output = T>) -> T {
        self.process.nature.time().stands_still(&self.medium, work)
    }

    fn has(&self, bug: Bug) -> bool {
        self.process.nature.bug == Some(bug)
    }
}

const fn outcome<T, E>(done: &Result<T, E>) -> &'static str {
    match done {
        Ok(_) => "ok",
        Err(_) => "error",
    }
}
