//! The audit as a whole, and what it tells a person.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use checkout_service::saga::state::State;
use payment_service::provider::simulated::Effect;
use platform::World;
use types::{Currency, Money};

use super::check;
use super::facts::Facts;
use super::history::History;
use super::read::{Sources, Stores};
use super::violation::Violation;

/// Between two looks at a shop that is behind.
const PAUSE: Duration = Duration::from_millis(200);

/// Reads and checks. While there are violations that a running shop may only be behind with, it looks again,
/// for as long as `patience`; of those, the report has the ones that were there at every look. `history` is what
/// clients were told until now; empty where there is nobody to ask.
///
/// # Errors
/// As [`super::read()`].
pub async fn run(sources: &Sources, patience: Duration, world: World) -> anyhow::Result<Report> {
    run_with(sources, &History::default(), patience, world).await
}

/// The same, and what clients were told before is held against the stores too.
///
/// # Errors
/// As [`super::read()`].
pub async fn run_with(
    sources: &Sources,
    history: &History,
    patience: Duration,
    world: World,
) -> anyhow::Result<Report> {
    let stores = Stores::open(sources, &world).await?;
    let clock = world.clock;
    let began = clock.now();
    let read = async || Ok::<_, anyhow::Error>(Facts { history: history.clone(), ..stores.read().await? });
    let mut facts = read().await?;
    let mut violations = check(&facts);
    while violations.iter().any(|it| it.may_pass) && clock.now().since(began) < patience {
        clock.sleep(PAUSE).await;
        facts = read().await?;
        violations = lasting(&violations, check(&facts));
    }
    Ok(Report::new(&facts, violations))
}

/// Those of `now` that won't pass, and those that have not since `before`. A busy shop is always behind with
/// something, but not with the same for long.
fn lasting(before: &[Violation], now: Vec<Violation>) -> Vec<Violation> {
    let lasts = |now: &Violation| {
        let same = |it: &Violation| (it.invariant, it.subject) == (now.invariant, now.subject);
        !now.may_pass || before.iter().any(same)
    };
    now.into_iter().filter(lasts).collect()
}

/// What an audit found. As text: a line for each count, then one for each violation or `no violations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Checkouts by how far they have come.
    pub checkouts: Checkouts,
    /// Orders.
    pub orders: usize,
    /// Units of all products that were sold, by checkouts and by hand.
    pub units_sold: i64,
    /// What the provider took and did not give back, by currency.
    pub captured: BTreeMap<Currency, Money>,
    /// What does not hold.
    pub violations: Vec<Violation>,
}

/// How many checkouts there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkouts {
    /// That bought something.
    pub completed: usize,
    /// That did not.
    pub failed: usize,
    /// That have not ended.
    pub running: usize,
}

impl Report {
    /// Counts what there is.
    pub fn new(facts: &Facts, violations: Vec<Violation>) -> Self {
        Self {
            checkouts: Checkouts::count(facts),
            orders: facts.orders.orders.len(),
            units_sold: facts.inventory.stock.iter().map(|stock| stock.sold).sum(),
            captured: captured(facts),
            violations,
        }
    }
}

impl Checkouts {
    fn count(facts: &Facts) -> Self {
        let mut counts = Self::default();
        for checkout in &facts.checkouts.checkouts {
            match checkout.state {
                State::Completed => counts.completed += 1,
                State::Failed(_) => counts.failed += 1,
                State::Reserving
                | State::Authorizing
                | State::Committing
                | State::Capturing
                | State::Voiding(_)
                | State::Refunding(_)
                | State::Releasing(_) => counts.running += 1,
            }
        }
        counts
    }
}

/// A report is for people: a sum that no `i64` holds stays at the highest that one does.
fn captured(facts: &Facts) -> BTreeMap<Currency, Money> {
    let mut sums: BTreeMap<Currency, Money> = BTreeMap::new();
    for entry in &facts.provider {
        let Some(amount) = entry.amount else { continue };
        let change = match entry.effect {
            Effect::Capture => amount.minor,
            Effect::Refund => amount.minor.saturating_neg(),
            Effect::Authorize | Effect::Decline { .. } | Effect::Void | Effect::Tombstone => continue,
        };
        let sum = sums.entry(amount.currency).or_insert_with(|| Money::zero(amount.currency));
        sum.minor = sum.minor.saturating_add(change);
    }
    sums
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Checkouts { completed, failed, running } = self.checkouts;
        writeln!(f, "checkouts completed: {completed}")?;
        writeln!(f, "checkouts failed: {failed}")?;
        writeln!(f, "checkouts running: {running}")?;
        writeln!(f, "orders: {}", self.orders)?;
        writeln!(f, "units sold: {}", self.units_sold)?;
        if self.captured.is_empty() {
            writeln!(f, "money captured: none")?;
        }
        for money in self.captured.values() {
            writeln!(f, "money captured: {money}")?;
        }
        if self.violations.is_empty() {
            writeln!(f, "no violations")?;
        }
        for violation in &self.violations {
            writeln!(f, "{violation}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
