//! Log lines on their way out.
//!
//! To hand a line to the system costs about as much as to make it, so those of a few milliseconds go together. What is
//! worth a warning goes at once, with all that was said before it; so does the rest when a program ends.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for others. A program that is killed loses so much of what it said.
const TOGETHER: Duration = Duration::from_millis(5);

/// Bytes that wait at the most: whoever says more waits until they are written.
const ROOM: usize = 64 * 1024;

/// Where lines wait for each other. Clones are the same.
pub(crate) struct Lines<W>(Arc<Shared<W>>);

struct Shared<W> {
    held: Mutex<Held<W>>,
    arrived: Condvar,
}

struct Held<W> {
    waiting: Vec<u8>,
    out: W,
}

impl<W: Write + Send + 'static> Lines<W> {
    /// None yet, on their way to `out`.
    pub(super) fn new(out: W) -> Self {
        let held = Mutex::new(Held { waiting: Vec::new(), out });
        Self(Arc::new(Shared { held, arrived: Condvar::new() }))
    }

    /// Begins to write what waits, in a thread of its own for as long as the process lives.
    ///
    /// # Errors
    /// A thread that can't be had.
    pub(super) fn carry(&self) -> io::Result<()> {
        let shared = self.0.clone();
        let thread = thread::Builder::new().name("log lines".to_owned());
        thread.spawn(move || {
            loop {
                let held = shared.lock();
                drop(shared.arrived.wait_while(held, |held| held.waiting.is_empty()));
                thread::sleep(TOGETHER);
                shared.lock().write();
            }
        })?;
        Ok(())
    }

    /// Writes what waits.
    pub(crate) fn flush(&self) {
        self.0.lock().write();
    }
}

impl<W> Shared<W> {
    fn lock(&self) -> MutexGuard<'_, Held<W>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Held<W> {
    fn write(&mut self) {
        // Nobody is left to be told of a failure.
        let _ = self.out.write_all(&self.waiting);
        self.waiting.clear();
    }
}

impl<W> Clone for Lines<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<'a, W: Write + 'a> MakeWriter<'a> for Lines<W> {
    type Writer = Line<'a, W>;

    fn make_writer(&'a self) -> Line<'a, W> {
        Line { shared: &self.0, at_once: true }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a, W> {
        Line { shared: &self.0, at_once: *metadata.level() <= Level::WARN }
    }
}

/// The way of one line.
pub(crate) struct Line<'a, W> {
    shared: &'a Shared<W>,
    at_once: bool,
}

impl<W: Write> Write for Line<'_, W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut held = self.shared.lock();
        let first = held.waiting.is_empty();
        held.waiting.extend_from_slice(line);
        if self.at_once || held.waiting.len() > ROOM {
            held.write();
        } else if first {
            self.shared.arrived.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.shared.lock().write();
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use testkit::eventually;
    use tracing_subscriber::fmt;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    pub(in crate::telemetry) struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Sink {
        pub(in crate::telemetry) fn has(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(lines: &Lines<Sink>, what: impl FnOnce()) {
        let layer =
            fmt::layer().without_time().with_ansi(false).with_target(false).with_writer(lines.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), what);
    }

    #[test]
    fn a_warning_goes_at_once_with_all_before_it() {
        let sink = Sink::default();
        let lines = Lines::new(sink.clone());
        say(&lines, || tracing::info!("one"));
        assert_eq!(sink.has(), "");
        say(&lines, || tracing::warn!("two"));
        assert_eq!(sink.has(), " INFO one\n WARN two\n");
    }

    #[test]
    fn the_end_of_a_program_leaves_nothing_behind() {
        let sink = Sink::default();
        let lines = Lines::new(sink.clone());
        say(&lines, || tracing::info!("last words"));
        lines.flush();
        assert_eq!(sink.has(), " INFO last words\n");
    }

    #[test]
    fn no_more_waits_than_there_is_room_for() {
        let sink = Sink::default();
        let lines = Lines::new(sink.clone());
        for _ in 0..=ROOM / 1000 {
            say(&lines, || tracing::info!("{}", "x".repeat(1000)));
        }
        assert!(sink.has().len() > ROOM);
    }

    #[tokio::test]
    async fn lines_go_without_being_asked_for_in_their_order() {
        let sink = Sink::default();
        let lines = Lines::new(sink.clone());
        lines.carry().unwrap();
        let mut wanted = String::new();
        for number in 0..3 {
            say(&lines, || tracing::info!(number));
            wanted += &format!(" INFO number={number}\n");
            eventually("the line", Duration::from_secs(10), async || sink.has() == wanted).await;
        }
    }
}
