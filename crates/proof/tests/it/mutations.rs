//! Rules that are wrong: the search finds each of them out, by the promise that it breaks.

mod decision;
mod inventory;
mod payment;

use proof::model::{Rules, check};

/// What is wrong, how the promise begins that it breaks, and the rules.
type Change = (&'static str, &'static str, Rules);

/// Says of each change what it breaks.
fn find_out(changes: &[Change]) {
    let mut wrong = Vec::new();
    for (change, promise, rules) in changes {
        match check(rules) {
            Ok(counts) => wrong.push(format!("{change}: not found out ({counts})")),
            Err(violation) => {
                let moves = violation.trace.len();
                let figures = format!("found out by the model in {moves} moves: {}", violation.promise);
                testkit::figures::tell(&format!("wrong decision, {change}"), figures);
                if !violation.promise.starts_with(promise) {
                    wrong.push(format!("{change}: {violation}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
