//! The shop's rules, called once for everything that there is, and numbered: the search then only looks up.

use checkout_service::saga::state::Next;
use inventory_service::ledger::Kind;
use inventory_service::reservation::{
    self, Command, Decision, HOLD, Lines, Refusal as No, Reservation, State,
};
use payment_service::payment::{self, Payment, Refusal, Status, Step, Terms};
use payment_service::provider::simulated::Effect;
use payment_service::provider::{Method, Standing};
use types::{CheckoutId, Currency, Money, PaymentId, ProductId, Quantity, ReservationId, Timestamp, UserId};
use uuid::Uuid;

use super::rules::{Asked, Rules};
use super::words::{Call, Heard, Stand};

/// The rules as tables.
pub(super) struct Tables {
    /// By [`Stand`] and [`Heard`]; none: repeat.
    pub(super) next: Vec<[Option<Stand>; 7]>,
    /// By [`Stand`].
    pub(super) can_expire: Vec<bool>,
    /// The inventory.
    pub(super) reservations: Reservations,
    /// Every payment that can come to be; the first is none.
    pub(super) payments: Vec<Option<Payment>>,
    /// How a call of the payment service begins a payment, or what it is answered.
    pub(super) begin: [Result<u8, Heard>; 4],
    /// By payment and call: the next step.
    pub(super) step: Vec<[Stepped; 4]>,
    /// By payment and standing: the payment once that was told.
    pub(super) after: Vec<[u8; 5]>,
    /// By call, standing (the first: unknown) and verdict: what the provider does.
    pub(super) provider: [[[Option<Effect>; 2]; 6]; 4],
}

/// Every reservation that can come to be; the first is none.
pub(super) struct Reservations {
    /// The reservations.
    pub(super) all: Vec<Option<Reservation>>,
    /// By reservation, command (reserve, confirm, release, expire) and what is available (0, 1).
    pub(super) applied: Vec<[[Applied; 2]; 4]>,
}

/// What a command makes of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Applied {
    /// The reservation from then on.
    pub(super) to: u8,
    /// How its unit moves.
    pub(super) movements: &'static [Kind],
    /// What the caller makes of the answer.
    pub(super) heard: Heard,
}

/// A step of a payment handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stepped {
    /// It answers.
    Answer(Heard),
    /// It writes that the payment is this one now.
    Intend(u8),
    /// It asks the provider.
    Ask(Asked),
}

/// What the provider can tell, in the order of the tables.
pub(super) const STANDINGS: [fn() -> Standing; 5] = [
    || Standing::Authorized,
    || Standing::Declined { code: "card_declined".to_owned() },
    || Standing::Captured,
    || Standing::Voided,
    || Standing::Refunded,
];

/// Calls of the payment service, in the order of the tables.
pub(super) const PAYMENT_CALLS: [Call; 4] = [Call::Authorize, Call::Capture, Call::Void, Call::Refund];

/// The place of a call of the payment service in the tables.
pub(super) fn call_number(call: Call) -> usize {
    let place = PAYMENT_CALLS.iter().position(|known| *known == call);
    place.expect("the payment service is asked for nothing else")
}

/// The place of a standing in the tables; 0 is that the key is unknown.
pub(super) fn standing_number(standing: &Standing) -> u8 {
    match standing {
        Standing::Authorized => 1,
        Standing::Declined { .. } => 2,
        Standing::Captured => 3,
        Standing::Voided => 4,
        Standing::Refunded => 5,
    }
}

impl Tables {
    /// Calls every rule with everything.
    pub(super) fn of(rules: &Rules) -> Self {
        let next = Stand::ALL.map(|stand| {
            Heard::ALL.map(|heard| match (rules.next)(&stand.state(), heard.outcome()) {
                Next::Enter(state) => Some(Stand::of(&state)),
                Next::Repeat => None,
            })
        });
        let mut payments = vec![None];
        let commands = commands();
        let begin = commands.each_ref().map(|command| match (rules.begin)(command) {
            Ok((terms, status)) => Ok(number(&mut payments, Some(payment(terms, status)))),
            Err(refusal) => Err(refused(&refusal)),
        });
        let nothing = Stepped::Answer(Heard::Unknown);
        let (mut step, mut after) = (vec![[nothing; 4]], vec![[0; 5]]);
        while let Some(payment) = payments.get(step.len()).cloned() {
            let payment = payment.expect("only the first is none");
            step.push(PAYMENT_CALLS.map(|call| {
                match (rules.decide)(&payment, &commands[call_number(call)]) {
                    Ok(Step::Answer) => Stepped::Answer(answered(call, &payment.status)),
                    Ok(Step::Intend(status)) => {
                        Stepped::Intend(number(&mut payments, Some(Payment { status, ..payment.clone() })))
                    }
                    Ok(Step::Ask(call)) => Stepped::Ask(Asked::of(&call)),
                    Err(Refusal::Captured) if call == Call::Void => Stepped::Answer(Heard::AlreadyCaptured),
                    Err(refusal) => Stepped::Answer(refused(&refusal)),
                }
            }));
            after.push(STANDINGS.map(|standing| {
                let status = payment.status.after(standing());
                number(&mut payments, Some(Payment { status, ..payment.clone() }))
            }));
        }
        Self {
            next: next.to_vec(),
            can_expire: Stand::ALL.map(|stand| (rules.can_expire)(&stand.state())).to_vec(),
            reservations: Reservations::of(rules),
            payments,
            begin,
            step,
            after,
            provider: Asked::ALL.map(|asked| provider(rules, asked)),
        }
    }
}

impl Reservations {
    fn of(rules: &Rules) -> Self {
        let (mut all, mut applied) = (vec![None], Vec::new());
        while let Some(existing) = all.get(applied.len()).cloned() {
            let calls = [Some(Call::Reserve), Some(Call::Confirm), Some(Call::Release), None];
            applied.push(calls.map(|call| {
                [0, 1].map(|available| {
                    let decision =
                        (rules.inventory)(reservation_id(), existing.clone(), command(call), at(call));
                    let settled = match decision {
                        Decision::Settled(settled) => settled,
                        Decision::Take(taking) => taking.settle(&[(product_id(), available)].into()),
                    };
                    let (to, movements) = match settled.write {
                        Some(transition) => (Some(transition.to), transition.movements),
                        None => (existing.clone(), &[][..]),
                    };
                    Applied { to: number(&mut all, to), movements, heard: reserved(call, &settled.reply) }
                })
            }));
        }
        Self { all, applied }
    }
}

/// What a worker makes of an answer of the inventory; the sweeper (no call) makes nothing of it.
fn reserved(call: Option<Call>, reply: &reservation::Reply) -> Heard {
    match (call, reply.as_ref().map(|reservation| &reservation.state)) {
        (Some(Call::Reserve), Ok(State::Held { .. } | State::Committed | State::Expired { .. }))
        | (Some(Call::Confirm), Ok(State::Committed))
        | (Some(Call::Release), Ok(State::Released | State::Rejected { .. })) => Heard::Done,
        (_, Ok(_)) => Heard::Unknown,
        (_, Err(No::InsufficientStock(_))) => Heard::Short,
        (_, Err(No::KeyReused | No::Released | No::NotFound | No::NotCommitted)) => Heard::Refused,
    }
}

/// What a worker makes of a payment that it is shown.
fn answered(call: Call, status: &Status) -> Heard {
    use Status::{Authorized, Captured, Capturing, Declined, Pending, Refunded, Refunding, Voided, Voiding};
    match (call, status) {
        (Call::Authorize, Authorized | Capturing | Captured | Refunding)
        | (Call::Capture, Captured | Refunding)
        | (Call::Void, Voided | Declined { .. })
        | (Call::Refund, Refunded) => Heard::Done,
        (Call::Capture, Refunded) => Heard::Refused,
        (_, Pending | Authorized | Declined { .. } | Capturing | Captured) => Heard::Unknown,
        (_, Voiding | Voided | Refunding | Refunded) => Heard::Unknown,
    }
}

fn refused(refusal: &Refusal) -> Heard {
    match refusal {
        Refusal::Declined { .. } => Heard::Declined,
        Refusal::OtherTerms
        | Refusal::Voided
        | Refusal::Captured
        | Refusal::NotCapturable
        | Refusal::NotRefundable
        | Refusal::NotFound => Heard::Refused,
    }
}

fn provider(rules: &Rules, asked: Asked) -> [[Option<Effect>; 2]; 6] {
    let known = STANDINGS.map(|standing| Some(standing()));
    let mut table = [const { [const { None }; 2] }; 6];
    for (row, standing) in table.iter_mut().zip([None].into_iter().chain(known)) {
        let verdicts = [Effect::Authorize, Effect::Decline { code: "card_declined".to_owned() }];
        *row = verdicts.map(|verdict| (rules.provider)(asked, standing.as_ref(), verdict));
    }
    table
}

/// The number of a value, which is added if it is new.
fn number<T: PartialEq>(all: &mut Vec<T>, value: T) -> u8 {
    let place = all.iter().position(|known| *known == value).unwrap_or_else(|| {
        all.push(value);
        all.len() - 1
    });
    u8::try_from(place).expect("there are few reservations and payments of one checkout")
}

fn command(call: Option<Call>) -> Command {
    match call {
        Some(Call::Reserve) => Command::Reserve(lines()),
        Some(Call::Confirm) => Command::Confirm,
        Some(_) => Command::Release,
        None => Command::Expire,
    }
}

/// The sweeper comes when the hold is over, which is the only moment that a reservation knows of.
fn at(call: Option<Call>) -> Timestamp {
    let start = Timestamp::from_micros(0);
    if call.is_none() { start.after(HOLD) } else { start }
}

fn commands() -> [payment::Command; 4] {
    let terms = Terms {
        user_id: UserId::try_from(1).expect("1 is an id"),
        amount: Money::new(100, Currency::USD),
        method: Method::new("pm_card_visa"),
    };
    [
        payment::Command::Authorize(terms),
        payment::Command::Capture,
        payment::Command::Void,
        payment::Command::Refund,
    ]
}

fn payment(terms: Option<Terms>, status: Status) -> Payment {
    let at = Timestamp::from_micros(0);
    let (id, checkout_id) = (PaymentId(Uuid::nil()), CheckoutId(Uuid::nil()));
    Payment { id, checkout_id, terms, status, created_at: at, updated_at: at }
}

fn lines() -> Lines {
    let mut lines = Lines::default();
    lines.add(product_id(), Quantity::try_from(1).expect("1 is a quantity")).expect("1 is not too many");
    lines
}

fn product_id() -> ProductId {
    ProductId::try_from(1).expect("1 is an id")
}

fn reservation_id() -> ReservationId {
    ReservationId(Uuid::nil())
}
