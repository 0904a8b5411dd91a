//! What may go wrong in a world, and how often it does.

use std::fmt;

use rand::RngExt as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A program dies, and another of its kind begins later.
    Crash,
    /// A program is told to stop, and another of its kind begins later.
    Stop,
    /// A program stands still for a while.
    Freeze,
    /// A step of a program takes long, while its others go on.
    Slow,
    /// The clock of a program is set to another time.
    Jump,
    /// A call does not arrive, and the caller is told.
    Refused,
    /// A call does not arrive, and nobody is told.
    Lost,
    /// A call arrives when its caller has long given up.
    Late,
    /// A call arrives, and once more later.
    Repeated,
    /// A call arrives, and its answer does not.
    AnswerLost,
    /// An answer comes late.
    AnswerLate,
    /// A store is away for some seconds.
    StoreAway,
    /// A store does not say whether it wrote; it did.
    StoreUnknownWritten,
    /// A store does not say whether it wrote; it did not.
    StoreUnknownNotWritten,
    /// Events that were delivered are delivered again.
    Redelivered,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Crash,
        Self::Stop,
        Self::Freeze,
        Self::Slow,
        Self::Jump,
        Self::Refused,
        Self::Lost,
        Self::Late,
        Self::Repeated,
        Self::AnswerLost,
        Self::AnswerLate,
        Self::StoreAway,
        Self::StoreUnknownWritten,
        Self::StoreUnknownNotWritten,
        Self::Redelivered,
    ];

    /// How often it may happen, each time that it could: programs take thousands of steps, and send some dozen calls.
    const fn rates(self) -> [f64; 3] {
        match self {
            Self::Crash | Self::Freeze | Self::Jump => [0.002, 0.01, 0.04],
            Self::StoreAway => [0.002, 0.005, 0.02],
            Self::Stop => [0.1, 0.3, 0.6],
            _ => [0.01, 0.05, 0.2],
        }
    }
}

impl Fault {
    /// As a record tells it.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Crash => "crashed",
            Self::Stop => "stopped",
            Self::Freeze => "frozen",
            Self::Slow => "slow step",
            Self::Jump => "clock jumped",
            Self::Refused => "call refused",
            Self::Lost => "call lost",
            Self::Late => "call late",
            Self::Repeated => "call repeated",
            Self::AnswerLost => "answer lost",
            Self::AnswerLate => "answer late",
            Self::StoreAway => "store away",
            Self::StoreUnknownWritten => "store unknown, written",
            Self::StoreUnknownNotWritten => "store unknown, not written",
            Self::Redelivered => "redelivered",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

/// How often each fault happens. In most worlds only some do: all of them at once hide what two of them can do.
#[derive(Debug)]
pub(super) struct Weather([f64; Fault::ALL.len()]);

impl Weather {
    pub(super) fn draw(chance: &mut StdRng) -> Self {
        Self(Fault::ALL.map(|fault| {
            let rate = fault.rates().choose(chance).copied().unwrap_or(0.0);
            if chance.random_bool(0.4) { rate } else { 0.0 }
        }))
    }

    pub(super) fn rate(&self, fault: Fault) -> f64 {
        self.0.get(fault as usize).copied().unwrap_or(0.0)
    }
}
