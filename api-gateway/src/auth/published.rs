//! Keys that somebody publishes and changes.
//!
//! They are looked at in the background: every five minutes, and when a token names a key that is not among them, but
//! never sooner than ten seconds after the last look, whatever tokens come. What was read last counts until something
//! else was read: a source that is away takes no key away.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use platform::clock::Clock;
use platform::metrics::Lookups;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use types::Timestamp;

use super::claims::Expected;
use super::key_set::KeySet;
use super::source::{KeySetUrl, Source, WITHIN};
use super::verifier::unusable;
use super::{Identity, Refusal};

/// Between two looks while all is well: so long a key that was taken back still counts.
const EVERY: Duration = Duration::from_secs(300);
/// Between any two looks.
const AT_MOST_EVERY: Duration = Duration::from_secs(10);
/// How long a token of an unknown key waits for the look that it asked for.
const PATIENCE: Duration = WITHIN.saturating_add(Duration::from_secs(1));

/// A key set that is published.
pub(crate) struct Published {
    source: Source,
    expected: Arc<Expected>,
    lookups: Lookups,
    clock: Arc<dyn Clock>,
    held: watch::Sender<Held>,
    /// Somebody misses a key.
    missed: Notify,
    /// The last look was in vain.
    away: AtomicBool,
}

/// What we know of it.
struct Held {
    /// As it was last read.
    found: Option<Found>,
    /// How often we have looked, and when last.
    looks: u64,
    looked_at: Timestamp,
}

/// A document and the keys in it.
struct Found {
    document: Vec<u8>,
    keys: Arc<KeySet>,
}

impl Published {
    /// Looks for the first time. A source on the web may be away at that time; a file must be there.
    pub(super) async fn open(
        url: &KeySetUrl,
        expected: Arc<Expected>,
        lookups: Lookups,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let nothing = Held { found: None, looks: 0, looked_at: clock.now() };
        let published = Self {
            source: Source::new(url).context("TLS can't be set up for JWKS_URL")?,
            expected,
            lookups,
            clock,
            held: watch::Sender::new(nothing),
            missed: Notify::new(),
            away: AtomicBool::new(false),
        };
        let outcome = published.look().await;
        let Some(path) = published.source.file() else {
            published.tell(&outcome);
            return Ok(published);
        };
        let none = published.keys().is_some_and(|keys| keys.count() == 0);
        let outcome = outcome.and_then(|()| if none { bail!("no key in it can be used") } else { Ok(()) });
        match outcome {
            Ok(()) => Ok(published),
            Err(cause) => {
                let (file, cause) = (format!("file://{}", path.display()), format!("{cause:#}"));
                let wanted = "a JSON Web Key Set with a public key: RSA, EC on P-256 or Ed25519";
                Err(unusable("JWKS_URL", &file, &cause, wanted))
            }
        }
    }

    /// Whether it was ever read.
    pub(super) fn is_ready(&self) -> bool {
        self.keys().is_some()
    }

    /// Who a token speaks for at this moment. A token of an unknown key waits for a look, if one is due.
    pub(super) async fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, Refusal> {
        let keys = self.keys().ok_or(Refusal::NoKeys)?;
        match keys.verify(token, now) {
            Err(Refusal::UnknownKey) => match self.newer(&keys, now).await {
                Some(newer) => newer.verify(token, now),
                None => Err(Refusal::UnknownKey),
            },
            known => known,
        }
    }

    /// Looks again and again; never ends.
    pub(super) async fn keep_fresh(&self) -> Infallible {
        loop {
            let pause = if self.away.load(Ordering::Relaxed) { AT_MOST_EVERY } else { EVERY };
            tokio::select! {
                () = self.clock.sleep(pause) => {}
                () = self.due() => {}
            }
            let outcome = self.look().await;
            self.tell(&outcome);
        }
    }

    fn keys(&self) -> Option<Arc<KeySet>> {
        self.held.borrow().keys()
    }

    /// Other keys than these, if there are any by now or a look finds them.
    async fn newer(&self, tried: &Arc<KeySet>, now: Timestamp) -> Option<Arc<KeySet>> {
        let other = |held: &Held| held.keys().filter(|keys| !Arc::ptr_eq(keys, tried));
        let mut held = self.held.subscribe();
        let looks = {
            let held = held.borrow();
            if other(&held).is_some() || !held.may_look(now) {
                return other(&held);
            }
            held.looks
        };
        self.missed.notify_one();
        let looked = timeout(PATIENCE, held.wait_for(|held| held.looks > looks)).await.ok()?.ok()?;
        other(&looked)
    }

    /// Resolves when somebody misses a key and a look is allowed.
    async fn due(&self) {
        loop {
            self.missed.notified().await;
            if self.held.borrow().may_look(self.clock.now()) {
                return;
            }
        }
    }

    async fn look(&self) -> anyhow::Result<()> {
        let (found, outcome) = match self.read().await {
            Ok(found) => (found, Ok(())),
            Err(error) => (None, Err(error)),
        };
        let now = self.clock.now();
        self.held.send_modify(|held| {
            held.looks += 1;
            held.looked_at = now;
            if let Some(found) = found {
                tracing::info!(keys = found.keys.count(), "key set read");
                held.found = Some(found);
            }
        });
        outcome
    }

    /// Logs that the source is away, once, and that it is back.
    fn tell(&self, outcome: &anyhow::Result<()>) {
        let was_away = self.away.swap(outcome.is_err(), Ordering::Relaxed);
        match outcome {
            Err(error) if !was_away => {
                let keys = self.keys().map_or(0, |keys| keys.count());
                tracing::warn!(error = format!("{error:#}"), keys, "key set not read, the last one counts");
            }
            Ok(()) if was_away => tracing::info!("key set can be read again"),
            Ok(()) | Err(_) => {}
        }
    }

    /// What is published, if it is not what we hold.
    async fn read(&self) -> anyhow::Result<Option<Found>> {
        let document = self.source.read().await?;
        if self.held.borrow().found.as_ref().is_some_and(|found| found.document == document) {
            return Ok(None);
        }
        let keys = KeySet::parse(&document, self.expected.clone(), self.lookups.clone());
        let keys = keys.context("it is no JSON Web Key Set")?;
        Ok(Some(Found { document, keys: Arc::new(keys) }))
    }
}

impl Held {
    fn keys(&self) -> Option<Arc<KeySet>> {
        self.found.as_ref().map(|found| found.keys.clone())
    }

    /// Whether the last look was long enough ago; also when the clock was set back since.
    fn may_look(&self, now: Timestamp) -> bool {
        now < self.looked_at || now.since(self.looked_at) >= AT_MOST_EVERY
    }
}
