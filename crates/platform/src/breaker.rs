//! Stops calling what is broken, and finds out when it works again.

use std::time::Duration;

use tokio::time::Instant;

/// When a breaker opens and how it closes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// So many failures in a row open it.
    pub failures: u32,
    /// How long it refuses everything.
    pub open_for: Duration,
    /// So many calls are let through after that; once all of them have succeeded, it is closed.
    pub probes: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(10), probes: 3 }
    }
}

/// A circuit breaker: a state machine that is told the time.
#[derive(Debug, Default)]
pub struct Breaker {
    settings: Settings,
    state: State,
    /// Counts changes of the state, so that a call let through before one does not speak after it.
    era: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen { admitted: u32, succeeded: u32 },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// Leave to make one call; to be settled by how it went.
#[derive(Debug)]
#[must_use = "a call let through must be settled, else its probe is lost"]
pub struct Ticket {
    era: u64,
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The destination answered, be it with a refusal.
    Answered,
    /// The destination is broken: not reached, cut off, or too late.
    Broken,
    /// The caller lost interest, which says nothing of the destination.
    Abandoned,
}

/// What settling a call brought about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// From now on calls are refused.
    Opened,
    /// From now on calls are let through again.
    Closed,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: Settings) -> Self {
        Self { settings, ..Self::default() }
    }

    /// Leave to make a call, or `None` if it should not be made now.
    pub fn admit(&mut self, now: Instant) -> Option<Ticket> {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until } if now < until => return None,
            State::Open { .. } => self.enter(State::HalfOpen { admitted: 1, succeeded: 0 }),
            State::HalfOpen { admitted, .. } if admitted >= self.settings.probes => return None,
            State::HalfOpen { admitted, succeeded } => {
                self.state = State::HalfOpen { admitted: admitted + 1, succeeded };
            }
        }
        Some(Ticket { era: self.era })
    }

    /// Learns how a call went.
    pub fn settle(&mut self, ticket: Ticket, outcome: Outcome, now: Instant) -> Option<Change> {
        if ticket.era != self.era {
            return None;
        }
        let (next, change) = match (self.state, outcome) {
            (State::Closed { .. }, Outcome::Answered) => (State::Closed { failures: 0 }, None),
            (State::Closed { failures }, Outcome::Broken) if failures + 1 < self.settings.failures => {
                (State::Closed { failures: failures + 1 }, None)
            }
            (State::Closed { .. } | State::HalfOpen { .. }, Outcome::Broken) => {
                (State::Open { until: now + self.settings.open_for }, Some(Change::Opened))
            }
            (State::HalfOpen { admitted, succeeded }, Outcome::Answered)
                if succeeded + 1 < self.settings.probes =>
            {
                (State::HalfOpen { admitted, succeeded: succeeded + 1 }, None)
            }
            (State::HalfOpen { .. }, Outcome::Answered) => (State::default(), Some(Change::Closed)),
            (State::HalfOpen { admitted, succeeded }, Outcome::Abandoned) => {
                (State::HalfOpen { admitted: admitted.saturating_sub(1), succeeded }, None)
            }
            (State::Closed { .. }, Outcome::Abandoned)
            | (State::Open { .. }, Outcome::Answered | Outcome::Broken | Outcome::Abandoned) => {
                (self.state, None)
            }
        };
        match change {
            Some(_) => self.enter(next),
            None => self.state = next,
        }
        change
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

#[cfg(test)]
mod tests;
