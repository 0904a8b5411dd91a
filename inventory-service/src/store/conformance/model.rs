//! Random histories, against a model that is too simple to be wrong: a few numbers in memory, written without
//! the functions that the stores decide by.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use types::Timestamp;

use super::{AnyStore, id, lines, now, product};
use crate::reservation::{Command, Refusal, Reply};
use crate::stock::{OnHand, Stock};

/// Stock is kept of these, of one at first nothing, and of 203 none.
const PRODUCTS: [i64; 3] = [200, 201, 202];

/// What is asked for; few baskets and few keys, so that histories repeat themselves and collide.
const BASKETS: [&[(i64, i64)]; 5] =
    [&[(200, 2)], &[(200, 1), (201, 3)], &[(201, 1), (202, 1)], &[(203, 1)], &[(200, 5), (201, 5), (202, 5)]];

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Reserve { key: u8, basket: usize },
    Confirm { key: u8 },
    Release { key: u8 },
    Restock { key: u8 },
    SetOnHand { product: usize, units: i64 },
    Wait { seconds: u64 },
    Sweep,
}

/// Up to 60 steps.
pub(crate) fn histories() -> impl Strategy<Value = Vec<Step>> {
    let key = || 0..6_u8;
    let step = prop_oneof![
        6 => (key(), 0..BASKETS.len()).prop_map(|(key, basket)| Step::Reserve { key, basket }),
        4 => key().prop_map(|key| Step::Confirm { key }),
        4 => key().prop_map(|key| Step::Release { key }),
        3 => key().prop_map(|key| Step::Restock { key }),
        2 => (0..PRODUCTS.len(), 0..12_i64).prop_map(|(product, units)| Step::SetOnHand { product, units }),
        2 => (0..400_u64).prop_map(|seconds| Step::Wait { seconds }),
        2 => Just(Step::Sweep),
    ];
    prop::collection::vec(step, 1..60)
}

struct Model {
    now: Timestamp,
    /// Available, held, sold.
    stock: BTreeMap<i64, [i64; 3]>,
    /// Status, basket, seconds since the epoch at which the hold ends.
    reservations: BTreeMap<u8, (&'static str, Option<usize>, i64)>,
    /// Products that lacked at a rejection.
    lacked: BTreeMap<u8, String>,
}

impl Model {
    fn lacking(&self, basket: usize) -> String {
        let lacks =
            |&&(product, units): &&(i64, i64)| self.stock.get(&product).is_none_or(|stock| stock[0] < units);
        let lacking: Vec<String> =
            BASKETS[basket].iter().filter(lacks).map(|line| line.0.to_string()).collect();
        lacking.join(",")
    }

    /// Moves a basket from one of available (0), held (1), sold (2) to another.
    fn shift(&mut self, basket: Option<usize>, from: usize, to: usize) {
        for (product, units) in basket.map_or(&[][..], |basket| BASKETS[basket]) {
            let stock = self.stock.get_mut(product).unwrap();
            stock[from] -= units;
            stock[to] += units;
        }
    }

    fn become_(&mut self, key: u8, status: &'static str) -> String {
        self.reservations.get_mut(&key).unwrap().0 = status;
        status.to_owned()
    }

    fn reserve(&mut self, key: u8, basket: usize) -> String {
        match self.reservations.get(&key) {
            None => {
                let lacking = self.lacking(basket);
                let status = if lacking.is_empty() { "HELD" } else { "REJECTED" };
                let end = self.now.micros() + 300_000_000;
                self.reservations.insert(key, (status, Some(basket), end));
                if status == "HELD" {
                    self.shift(Some(basket), 0, 1);
                    return status.to_owned();
                }
                self.lacked.insert(key, lacking);
                format!("short of {}", self.lacked[&key])
            }
            Some((_, Some(other), _)) if *other != basket => "key reused".to_owned(),
            Some(("RELEASED" | "RESTOCKED", ..)) => "released".to_owned(),
            Some(("REJECTED", ..)) => format!("short of {}", self.lacked[&key]),
            Some((status, ..)) => (*status).to_owned(),
        }
    }

    fn confirm(&mut self, key: u8) -> String {
        match self.reservations.get(&key).copied() {
            None => "not found".to_owned(),
            Some(("HELD", basket, _)) => {
                self.shift(basket, 1, 2);
                self.become_(key, "COMMITTED")
            }
            Some(("EXPIRED", basket, _)) => {
                let lacking = self.lacking(basket.unwrap());
                if lacking.is_empty() {
                    self.shift(basket, 0, 2);
                    self.become_(key, "COMMITTED")
                } else {
                    format!("short of {lacking}")
                }
            }
            Some(("COMMITTED", ..)) => "COMMITTED".to_owned(),
            Some(_) => "released".to_owned(),
        }
    }

    fn release(&mut self, key: u8) -> String {
        match self.reservations.get(&key).copied() {
            None => {
                self.reservations.insert(key, ("RELEASED", None, 0));
                "RELEASED".to_owned()
            }
            Some((status @ ("REJECTED" | "RESTOCKED"), ..)) => status.to_owned(),
            Some((status, basket, _)) => {
                match status {
                    "HELD" => self.shift(basket, 1, 0),
                    "COMMITTED" => self.shift(basket, 2, 0),
                    _ => {}
                }
                self.become_(key, "RELEASED")
            }
        }
    }

    fn restock(&mut self, key: u8) -> String {
        match self.reservations.get(&key).copied() {
            None => "not found".to_owned(),
            Some(("COMMITTED", basket, _)) => {
                self.shift(basket, 2, 0);
                self.become_(key, "RESTOCKED")
            }
            Some(("RESTOCKED", ..)) => "RESTOCKED".to_owned(),
            Some(_) => "not committed".to_owned(),
        }
    }

    fn sweep(&mut self) -> String {
        let due: Vec<(u8, Option<usize>)> = (self.reservations.iter())
            .filter(|(_, (status, _, end))| *status == "HELD" && *end <= self.now.micros())
            .map(|(key, (_, basket, _))| (*key, *basket))
            .collect();
        for (key, basket) in &due {
            self.shift(*basket, 1, 0);
            self.become_(*key, "EXPIRED");
        }
        format!("{} expired", due.len())
    }

    fn set_on_hand(&mut self, product: i64, units: i64) -> String {
        let stock = self.stock.entry(product).or_default();
        if units < stock[1] {
            return format!("{} are held", stock[1]);
        }
        stock[0] = units - stock[1];
        format!("{stock:?}")
    }
}

fn say(reply: Reply) -> String {
    match reply {
        Ok(reservation) => reservation.state.as_str().to_owned(),
        Err(Refusal::InsufficientStock(products)) => {
            format!("short of {}", crate::reservation::comma_separated(&products))
        }
        Err(Refusal::KeyReused) => "key reused".to_owned(),
        Err(Refusal::Released) => "released".to_owned(),
        Err(Refusal::NotFound) => "not found".to_owned(),
        Err(Refusal::NotCommitted) => "not committed".to_owned(),
    }
}

/// Runs a history on a store that was just made: each answer and the stock after it are the model's, and no
/// promise of the ledger is broken on the way.
pub(crate) async fn follows_the_model(store: AnyStore, history: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model =
        Model { now: now(), stock: BTreeMap::new(), reservations: BTreeMap::new(), lacked: BTreeMap::new() };
    let first = [Step::SetOnHand { product: 0, units: 8 }, Step::SetOnHand { product: 1, units: 8 }];
    for step in first.into_iter().chain([Step::SetOnHand { product: 2, units: 0 }]).chain(history) {
        let said = carry_out(&store, &mut model, &step).await;
        prop_assert_eq!(said.0, said.1, "{:?}", step);

        let snapshot = store.snapshot().await.unwrap();
        prop_assert_eq!(snapshot.violations(), vec![], "{:?}", step);
        let stock: BTreeMap<i64, [i64; 3]> = (snapshot.stock.iter())
            .filter(|stock| stock.product_id.get() >= PRODUCTS[0])
            .map(|stock| (stock.product_id.get(), [stock.available, stock.held, stock.sold]))
            .collect();
        prop_assert_eq!(&stock, &model.stock, "{:?}", step);
    }
    Ok(())
}

/// What the store says, and what the model says.
async fn carry_out(store: &AnyStore, model: &mut Model, step: &Step) -> (String, String) {
    let command = |key: u8, command| store.apply(id(u128::from(key)), command, model.now);
    match *step {
        Step::Reserve { key, basket } => {
            let reserve = Command::Reserve(lines(BASKETS[basket]));
            (say(command(key, reserve).await.unwrap()), model.reserve(key, basket))
        }
        Step::Confirm { key } => (say(command(key, Command::Confirm).await.unwrap()), model.confirm(key)),
        Step::Release { key } => (say(command(key, Command::Release).await.unwrap()), model.release(key)),
        Step::Restock { key } => (say(command(key, Command::Restock).await.unwrap()), model.restock(key)),
        Step::SetOnHand { product: index, units } => {
            let on_hand = OnHand::try_from(units).unwrap();
            let set = store.set_on_hand(product(PRODUCTS[index]), on_hand, model.now).await.unwrap();
            let said = match set {
                Ok(Stock { available, held, sold, .. }) => format!("{:?}", [available, held, sold]),
                Err(refusal) => format!("{} are held", refusal.held),
            };
            (said, model.set_on_hand(PRODUCTS[index], units))
        }
        Step::Wait { seconds } => {
            model.now = model.now.after(Duration::from_secs(seconds));
            Default::default()
        }
        Step::Sweep => {
            let expired = store.expire_due(model.now, 100).await.unwrap();
            (format!("{expired} expired"), model.sweep())
        }
    }
}
