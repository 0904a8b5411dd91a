//! Faults that the participants of the tests inject into their own calls.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use tokio::sync::Notify;
use tonic::{Response, Status};

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The call never arrives.
    Lost,
    /// The call never arrives, and the way to the participant is seen to be broken: the breaker counts it.
    Down,
    /// It takes effect, and the answer never arrives.
    ReplyLost,
    /// It never arrives, and the caller is left waiting: the moment to kill the caller.
    Hang,
    /// It takes effect, and the caller is left waiting.
    HangAfter,
}

/// The plan of a participant, and the record of its calls.
#[derive(Default)]
pub(crate) struct Faults {
    planned: Mutex<HashMap<&'static str, VecDeque<Fault>>>,
    calls: Mutex<Vec<&'static str>>,
    hung: Notify,
    storm: Mutex<Option<u64>>,
}

impl Faults {
    /// The next calls of `rpc` meet these faults, one each.
    pub(crate) fn plan(&self, rpc: &'static str, faults: &[Fault]) {
        self.planned.lock().unwrap().entry(rpc).or_default().extend(faults);
    }

    /// From now on about a third of all calls is lost, a third of those after their effect; the same ones
    /// for the same seed and order of calls. `None` heals.
    pub(crate) fn storm(&self, seed: Option<u64>) {
        *self.storm.lock().unwrap() = seed;
    }

    /// What was planned for `rpc` and has not come is called off.
    pub(crate) fn heal(&self, rpc: &str) {
        self.planned.lock().unwrap().remove(rpc);
    }

    /// How often `rpc` was called.
    pub(crate) fn calls(&self, rpc: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| **call == rpc).count()
    }

    /// Waits until a call hangs.
    pub(crate) async fn hung(&self) {
        self.hung.notified().await;
    }

    pub(crate) async fn call<T>(
        &self,
        rpc: &'static str,
        effect: impl FnOnce() -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        self.calls.lock().unwrap().push(rpc);
        let planned = self.planned.lock().unwrap().get_mut(rpc).and_then(VecDeque::pop_front);
        match planned.or_else(|| self.weather()) {
            None => effect().map(Response::new),
            Some(Fault::Lost) => Err(silence()),
            Some(Fault::Down) => Err(Status::unavailable("down")),
            Some(Fault::ReplyLost) => {
                let _ = effect();
                Err(silence())
            }
            Some(fault @ (Fault::Hang | Fault::HangAfter)) => {
                if fault == Fault::HangAfter {
                    let _ = effect();
                }
                self.hung.notify_one();
                std::future::pending().await
            }
        }
    }

    fn weather(&self) -> Option<Fault> {
        let mut storm = self.storm.lock().unwrap();
        let state = storm.as_mut()?;
        // splitmix64, Vigna 2015.
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        match (z ^ (z >> 31)) % 9 {
            0 | 1 => Some(Fault::Lost),
            2 => Some(Fault::ReplyLost),
            _ => None,
        }
    }
}

/// No answer that anyone signed. Not one that opens a circuit breaker, which would hide the calls that the
/// tests want to see.
fn silence() -> Status {
    Status::internal("no answer")
}
