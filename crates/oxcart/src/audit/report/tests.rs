use super::super::fixtures::*;
use super::super::violation::{Invariant, Subject};
use super::*;

#[test]
fn a_report_tells_the_counts_and_that_all_is_well() {
    let facts = clean();
    let report = Report::new(&facts, check(&facts));
    assert_eq!(
        report.to_string(),
        "checkouts completed: 2\ncheckouts failed: 1\ncheckouts running: 1\norders: 2\nunits sold: 4\n\
         money captured: 32.50 USD\nno violations\n"
    );
}

#[test]
fn a_report_names_each_violation() {
    let mut facts = clean();
    facts.orders.orders.clear();
    ledger(&mut facts, FIRST, Effect::Refund, Some(usd(2250)));
    let report = Report::new(&facts, check(&facts));
    let text = report.to_string();
    let violations: Vec<&str> = text.lines().skip(6).collect();
    assert_eq!(
        violations,
        [
            format!("M4 checkout {}: completed, but 22.50 USD was refunded after the sale", id(FIRST)),
            format!(
                "O2 checkout {}: completed, but it has no order; orders-service is done with its event at 1",
                id(FIRST)
            ),
            format!(
                "O2 checkout {}: completed, but it has no order; orders-service is done with its event at 3",
                id(SECOND)
            ),
        ]
    );
    assert_eq!(report.captured[&Currency::USD], usd(1000));
}

#[test]
fn of_what_may_pass_only_what_lasts_counts() {
    let found = |number, text: &str| Violation::new(Invariant::O2, Subject::Checkout(id(number)), text);
    let before = [found(1, "as before").that_may_pass(), found(2, "as before").that_may_pass()];
    let now = vec![
        found(2, "in other words").that_may_pass(),
        found(3, "new, and of another").that_may_pass(),
        found(4, "new, and for good"),
    ];
    let lasting = lasting(&before, now.clone());
    assert_eq!(lasting, [now[0].clone(), now[2].clone()]);
}
