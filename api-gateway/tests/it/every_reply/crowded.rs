//! A gateway in which there is no place.

use api_gateway::{Settings, StreamBounds};
use proto::cart::Cart;
use testkit::eventually;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::{Tour, good, shop};
use crate::changes::Changes;
use crate::events::{OF_A_CHECKOUT, at};
use crate::fake::Fake;
use crate::running::SOON;
use crate::shop::{Shop, ask, gateway, settings};

impl Tour {
    /// Every route while the only place is taken, and while those of event streams are.
    pub(super) async fn crowds(&mut self) {
        let services = Fake::default();
        services.hangs::<Cart>("get_cart");
        let (world, clock) = testkit::world();
        let narrow = Settings { max_requests: 1, ..settings() };
        let full = Shop { router: gateway(narrow, &services, world).await.router(), services, clock };
        let mut waiting = JoinSet::new();
        waiting.spawn(full.router.clone().oneshot(ask("GET", "/api/v1/cart", &[], "")));
        eventually("it is let through", SOON, async || full.services.calls() == 1).await;
        self.everywhere(&full, &[]).await;

        for (max_event_streams, max_event_streams_per_user) in [(2, 1), (1, 2)] {
            let streams = StreamBounds { max_event_streams, max_event_streams_per_user };
            let open = Shop::with(Settings { streams, ..settings() }).await;
            open.services.replies("watch_checkout", Changes::silent([Ok(at(1))]));
            let _watched =
                open.watch(OF_A_CHECKOUT, None).await.unwrap_or_else(|answer| panic!("{answer:?}"));
            for policy in self.policies.clone().iter().filter(|policy| policy.path.ends_with("/events")) {
                self.send(&open, good(policy, &[])).await;
            }
        }
    }

    /// What clients say of what they have seen: nothing new, all of it, and what can't be.
    pub(super) async fn what_was_seen(&mut self) {
        let (shop, _) = shop(settings(), None).await;
        self.everywhere(&shop, &[("if-none-match", "*")]).await;
        for wrong in ["if-match", "if-none-match", "last-event-id"] {
            self.everywhere(&shop, &[(wrong, "3 or so")]).await;
        }
        let bearer = format!("Bearer {}", shop.token(crate::owned::OWNER, api_gateway::auth::Role::User));
        for (of, last) in [("/checkout/", "2"), ("/orders/", "DELIVERED")] {
            let watches =
                |policy: &&api_gateway::Policy| policy.path.ends_with("/events") && policy.path.contains(of);
            let policy = self.policies.iter().find(watches).unwrap().clone();
            self.send(&shop, good(&policy, &[("authorization", &bearer), ("last-event-id", last)])).await;
        }
    }
}
