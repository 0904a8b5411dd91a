//! The participants of the model against the real ones: after any few calls, in any order, with any undo before
//! what it undoes, a checkout goes where it goes in the model.

use std::sync::Arc;

use checkout_service::checkout::{Checkout, Purchase};
use checkout_service::saga::state::{Next, next};
use checkout_service::saga::steps::{self, CALL_TIMEOUT};
use inventory_service::reservation::{Command, HOLD};
use inventory_service::stock::OnHand;
use payment_service::Places;
use platform::config::Location;
use platform::transport::Transport;
use platform::{Context, Origin, World};
use proof::model::{Participants, Rules, Stand};
use proto::events::Item;
use testkit::TempDir;
use tokio::task::JoinSet;
use types::{CheckoutId, Currency, Money, ProductId, Quantity, UserId};

/// Calls one after the other; none: the hold runs out.
type Calls = [Option<Stand>; LENGTH];

/// Long enough for a step, its undo, its undo's undo, and the first step again.
const LENGTH: usize = 4;

/// So many that their writes share transactions, and so few that none waits for long.
const AT_ONCE: usize = 100;

/// A busy machine may leave a call without an answer; it is made again, as the saga does.
const ATTEMPTS: usize = 5;

#[tokio::test]
async fn answer_as_in_the_model() {
    let shop = Arc::new(Shop::open().await);
    let cases = [(true, true), (false, false)];
    let mut runs = cases.into_iter().flat_map(|case| all_calls().map(move |calls| (case, calls))).zip(1..);
    let (mut under_way, mut wrong) = (JoinSet::new(), Vec::new());
    loop {
        let more = runs.by_ref().take(AT_ONCE - under_way.len());
        for (((in_stock, card_is_good), calls), product) in more {
            let (shop, product) = (shop.clone(), ProductId::try_from(product).unwrap());
            under_way.spawn(async move { shop.run(product, in_stock, card_is_good, calls).await });
        }
        let Some(difference) = under_way.join_next().await else { break };
        wrong.extend(difference.unwrap());
    }
    assert!(wrong.is_empty(), "{} differ, such as {}", wrong.len(), wrong[0]);
}

fn all_calls() -> impl Iterator<Item = Calls> {
    let choices: Vec<Option<Stand>> =
        Stand::ALL.into_iter().filter(|stand| !stand.is_end()).map(Some).chain([None]).collect();
    let count = choices.len().pow(u32::try_from(LENGTH).unwrap());
    (0..count).map(move |number| {
        let mut rest = number;
        [(); LENGTH].map(|()| {
            let choice = choices[rest % choices.len()];
            rest /= choices.len();
            choice
        })
    })
}

struct Shop {
    inventory: inventory_service::Service,
    participants: steps::Participants,
    world: World,
    _dir: TempDir,
}

impl Shop {
    async fn open() -> Self {
        let dir = TempDir::new().unwrap();
        let world = World::real();
        let file = |name: &str| Location::File(dir.path().join(name));
        let inventory = inventory_service::open(&file("inventory.db"), world.clone()).await.unwrap();
        let places = Places { payments: file("payment.db"), provider: file("provider.db") };
        let settings = payment_service::Settings { payment_success_rate: 1.0, payment_delay_ms: 0 };
        let payment = payment_service::open(&places, &settings, world.clone()).await.unwrap();
        let participants = steps::Participants {
            inventory: Transport::in_process("inventory", &inventory.grpc()),
            payment: Transport::in_process("payment", &payment.grpc()),
        };
        Self { inventory, participants, world, _dir: dir }
    }

    /// Makes the calls here and in the model; what differs.
    async fn run(
        &self,
        product: ProductId,
        in_stock: bool,
        card_is_good: bool,
        calls: Calls,
    ) -> Option<String> {
        let store = self.inventory.store();
        let on_hand = OnHand::try_from(i64::from(in_stock)).unwrap();
        store.set_on_hand(product, on_hand, self.world.clock.now()).await.unwrap().unwrap();
        let mut checkout = self.checkout(product, card_is_good);
        let mut model = Participants::new(&Rules::real(), in_stock, card_is_good);
        for call in calls {
            let Some(stand) = call else {
                model.sweep();
                let late = self.world.clock.now().after(HOLD);
                // Nothing to sweep is no matter.
                let _ = store.apply(checkout.id.into(), Command::Expire, late).await.unwrap();
                continue;
            };
            checkout.state = stand.state();
            let (modelled, mut went) = (model.call(stand), None);
            for _ in 0..ATTEMPTS {
                went = self.call(&checkout).await;
                if went.is_some() || modelled.is_none() {
                    break;
                }
            }
            if went != modelled {
                return Some(format!("{calls:?} at {stand:?}: to {went:?}, not {modelled:?}"));
            }
        }
        None
    }

    /// Where the checkout goes after its call; `None`: nowhere.
    async fn call(&self, checkout: &Checkout) -> Option<Stand> {
        let context = Context::root(self.world.ids.as_ref(), CALL_TIMEOUT);
        match next(&checkout.state, steps::perform(&self.participants, &context, checkout).await) {
            Next::Enter(state) => Some(Stand::of(&state)),
            Next::Repeat => None,
        }
    }

    fn checkout(&self, product_id: ProductId, card_is_good: bool) -> Checkout {
        let price = Money::new(100, Currency::USD);
        let item = Item {
            product_id,
            product_name: "Mouse".into(),
            quantity: Quantity::try_from(1).unwrap(),
            unit_price: price,
            line_total: price,
        };
        let card = if card_is_good { "pm_card_visa" } else { "pm_card_chargeDeclined" };
        let purchase = Purchase {
            user_id: UserId::try_from(1).unwrap(),
            cart_version: 1,
            bought_version: 0,
            items: vec![item],
            total: price,
            payment_method: card.into(),
            shipping_address: None,
        };
        let id = CheckoutId(self.world.ids.next());
        Checkout::accept(id, purchase, Origin::default(), self.world.clock.now())
    }
}
