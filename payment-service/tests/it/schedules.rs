//! Any commands, in any order, at once, over a line that loses requests and replies: money is never taken
//! twice, every definite answer stays true, and what is unsettled comes to rest.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::join_all;
use payment_service::payment::{Payment, Refusal, Status};
use payment_service::provider::simulated::{Entry, Simulated};
use payment_service::store::Store;
use payment_service::{Cashier, Error};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use types::{CheckoutId, Money};

use crate::books::{check, check_at_rest, effects_of};
use crate::till::{self, Till, checkout, terms};
use crate::unreliable::{Fault, Unreliable, Weather};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Authorize,
    AuthorizeOther,
    Charge,
    Capture,
    Void,
    Refund,
    Find,
}

#[derive(Debug, Clone)]
struct Schedule {
    token: &'static str,
    /// Each round is done at once, one after the other.
    rounds: Vec<Vec<Command>>,
    /// For each call to the provider; fair after the last.
    weather: Vec<Weather>,
}

fn schedules() -> impl Strategy<Value = Schedule> {
    use Command::*;
    let tokens =
        ["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined", "pm_sim_lost_reply", "pm_sim_unavailable"];
    let command =
        select(vec![Authorize, Authorize, AuthorizeOther, Charge, Capture, Capture, Void, Refund, Find]);
    let fault = select(vec![Fault::None, Fault::None, Fault::LoseRequest, Fault::LoseReply]);
    let weather =
        (fault, 0..6_u8, 0..6_u8).prop_map(|(fault, before, after)| Weather { fault, before, after });
    let rounds = prop::collection::vec(prop::collection::vec(command, 1..4), 1..6);
    (select(tokens.to_vec()), rounds, prop::collection::vec(weather, 0..20))
        .prop_map(|(token, rounds, weather)| Schedule { token, rounds, weather })
}

#[test]
fn no_schedule_takes_money_twice_or_leaves_it_hanging() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let till = Till::new();
    let shop = runtime.block_on(async {
        let provider = Arc::new(till.provider().await);
        let line = Unreliable::new(provider.clone());
        let (cashier, store) = till.cashier_and_store(line.clone()).await;
        Shop { cashier, line, store, provider }
    });
    let config = Config { cases: 256, failure_persistence: None, ..Config::default() };
    let cases = AtomicU64::new(0);
    let case = |schedule| {
        let key = checkout(cases.fetch_add(1, Ordering::Relaxed).into());
        runtime.block_on(shop.run(key, schedule));
        Ok(())
    };
    TestRunner::new(config).run(&schedules(), case).unwrap();
    runtime.block_on(async { check_at_rest(&till.payments().await, &till.ledger().await) });
}

/// A service behind a bad line, and its books.
struct Shop {
    cashier: Cashier,
    line: Arc<Unreliable>,
    store: Arc<dyn Store>,
    provider: Arc<Simulated>,
}

impl Shop {
    async fn run(&self, key: CheckoutId, schedule: Schedule) {
        let mut weather = VecDeque::from(schedule.weather);
        self.line.set(move || weather.pop_front().unwrap_or(Weather::FAIR));
        let mut answers = Vec::new();
        for round in schedule.rounds {
            let calls = round.into_iter().map(async |command| {
                let reply = carry_out(&self.cashier, key, command, schedule.token).await;
                (command, reply)
            });
            answers.extend(join_all(calls).await);
            self.check(key, &answers, check).await;
        }
        self.line.set(|| Weather::FAIR);
        come_to_rest(&self.cashier, key, schedule.token).await;
        self.check(key, &answers, check_at_rest).await;
    }

    async fn check(&self, key: CheckoutId, answers: &[Answer], check: fn(&[Payment], &[Entry])) {
        let payments = Vec::from_iter(self.store.find(key).await.unwrap());
        let mut ledger = self.provider.ledger().await.unwrap();
        ledger.retain(|entry| entry.key == key);
        check(&payments, &ledger);
        for answer in answers {
            stays_true(answer, &effects_of(key, &ledger));
        }
    }
}

type Answer = (Command, Result<Payment, Error>);

/// A definite answer binds for ever.
fn stays_true((command, reply): &Answer, effects: &[&str]) {
    let has = |effect| effects.contains(&effect);
    let voided = has("void") || has("tombstone");
    let holds = match (command, reply) {
        (Command::Authorize | Command::AuthorizeOther, Ok(_)) => has("authorize"),
        (Command::Charge | Command::Capture, Ok(_)) => has("capture"),
        (Command::Void, Ok(_)) => !has("capture") && (voided || has("decline")),
        (Command::Refund, Ok(_)) => has("refund"),
        (Command::Find, Ok(payment)) => !payment.status.is_settled() || !effects.is_empty(),
        (_, Err(Error::Refused(refusal))) => match refusal {
            Refusal::Declined { .. } => effects == ["decline"],
            Refusal::Voided => voided && !has("capture"),
            Refusal::Captured => has("capture"),
            Refusal::OtherTerms | Refusal::NotCapturable | Refusal::NotRefundable | Refusal::NotFound => true,
        },
        (_, Err(Error::NoAnswer(_))) => true,
        (_, Err(Error::Store(_) | Error::Lost | Error::Unsettled)) => false,
    };
    assert!(holds, "{command:?} was answered {reply:?}, but the provider did {effects:?}");
}

/// Asks for what is unsettled until it is not: as whoever asked for it would.
async fn come_to_rest(cashier: &Cashier, key: CheckoutId, token: &'static str) {
    for _ in 0..5 {
        let command = match cashier.find(key).await {
            Ok(payment) if payment.status == Status::Pending => match payment.terms {
                Some(terms) if terms == till::terms(token) => Command::Authorize,
                Some(_) | None => Command::AuthorizeOther,
            },
            Ok(payment) if payment.status == Status::Capturing => Command::Capture,
            Ok(payment) if payment.status == Status::Voiding => Command::Void,
            Ok(payment) if payment.status == Status::Refunding => Command::Refund,
            Ok(_) | Err(Error::Refused(Refusal::NotFound)) => return,
            Err(error) => panic!("{error:?}"),
        };
        let _ = carry_out(cashier, key, command, token).await;
    }
    panic!("{key} does not come to rest");
}

async fn carry_out(
    cashier: &Cashier,
    key: CheckoutId,
    command: Command,
    token: &'static str,
) -> Result<Payment, Error> {
    let mut other = terms(token);
    other.amount = Money::new(other.amount.minor + 1, other.amount.currency);
    match command {
        Command::Authorize => cashier.authorize(key, terms(token)).await,
        Command::AuthorizeOther => cashier.authorize(key, other).await,
        Command::Charge => cashier.charge(key, terms(token)).await,
        Command::Capture => cashier.capture(key).await,
        Command::Void => cashier.void(key).await,
        Command::Refund => cashier.refund(key).await,
        Command::Find => cashier.find(key).await,
    }
}
