use super::*;

/// A step of a table: what happens, in order.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A call is let through and goes like this, with this change.
    Call(Outcome, Option<Change>),
    /// A call is let through and goes on.
    Begin,
    /// The call begun longest ago goes like this, with this change.
    End(Outcome, Option<Change>),
    /// A call is refused.
    Refused,
    /// Seconds pass.
    Wait(u64),
}
use Outcome::{Abandoned, Answered, Broken};
use Step::{Begin, Call, End, Refused, Wait};

const FAIL: Step = Call(Broken, None);
const GOOD: Step = Call(Answered, None);
const OPENS: Step = Call(Broken, Some(Change::Opened));
const CLOSES: Step = Call(Answered, Some(Change::Closed));

fn play(steps: &[Step]) {
    let mut breaker = Breaker::default();
    let mut now = Instant::now();
    let mut begun = std::collections::VecDeque::new();
    for (number, step) in steps.iter().enumerate() {
        let place = format!("step {number} of {steps:?}");
        match *step {
            Call(outcome, change) => {
                let ticket = breaker.admit(now).expect(&place);
                assert_eq!(breaker.settle(ticket, outcome, now), change, "{place}");
            }
            Begin => begun.push_back(breaker.admit(now).expect(&place)),
            End(outcome, change) => {
                assert_eq!(breaker.settle(begun.pop_front().unwrap(), outcome, now), change, "{place}");
            }
            Refused => assert!(breaker.admit(now).is_none(), "{place}"),
            Wait(seconds) => now += Duration::from_secs(seconds),
        }
    }
}

#[test]
fn five_failures_in_a_row_open_it_for_ten_seconds() {
    play(&[FAIL, FAIL, FAIL, FAIL, OPENS, Refused, Wait(9), Refused, Wait(1), GOOD]);
}

#[test]
fn an_answer_between_failures_starts_the_count_anew() {
    play(&[FAIL, FAIL, FAIL, FAIL, GOOD, FAIL, FAIL, FAIL, FAIL, OPENS]);
}

#[test]
fn lost_interest_counts_for_nothing() {
    play(&[FAIL, FAIL, FAIL, FAIL, Call(Abandoned, None), OPENS]);
}

#[test]
fn three_good_probes_close_it() {
    play(&[FAIL, FAIL, FAIL, FAIL, OPENS, Wait(10), GOOD, GOOD, CLOSES, FAIL, FAIL, FAIL, FAIL, OPENS]);
}

#[test]
fn no_more_than_three_probes_at_once() {
    let closes = End(Answered, Some(Change::Closed));
    let good = End(Answered, None);
    play(&[
        FAIL,
        FAIL,
        FAIL,
        FAIL,
        OPENS,
        Wait(10),
        Begin,
        Begin,
        Begin,
        Refused,
        good,
        Refused,
        good,
        closes,
        GOOD,
    ]);
}

#[test]
fn a_bad_probe_opens_it_again() {
    play(&[FAIL, FAIL, FAIL, FAIL, OPENS, Wait(10), GOOD, OPENS, Refused, Wait(10), GOOD, GOOD, CLOSES]);
}

#[test]
fn an_abandoned_probe_gives_its_place_back() {
    let gone = End(Abandoned, None);
    play(&[FAIL, FAIL, FAIL, FAIL, OPENS, Wait(10), Begin, Begin, Begin, Refused, gone, Begin, Refused]);
}

#[test]
fn calls_from_before_a_change_do_not_speak_after_it() {
    let late = End(Broken, None);
    play(&[Begin, Begin, FAIL, FAIL, FAIL, FAIL, OPENS, late, Wait(10), late, GOOD, GOOD, CLOSES]);
}
