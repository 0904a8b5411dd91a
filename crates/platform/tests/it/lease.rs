use std::cell::Cell;
use std::future::{pending, ready};
use std::time::Duration;

use platform::lease::{Held, LEASE, while_held};
use testkit::eventually;

#[tokio::test]
async fn work_that_ends_soon_renews_nothing() {
    let (world, _) = testkit::world();
    let renew = || ready(Held::Lost);
    assert_eq!(while_held(world.clock.as_ref(), renew, ready(7)).await, Some(7));
}

#[tokio::test]
async fn a_lease_is_renewed_each_third_of_its_time_until_it_is_lost() {
    let (world, clock) = testkit::world();
    let renewals = Cell::new(0);
    let renew = || {
        renewals.set(renewals.get() + 1);
        ready(if renewals.get() < 3 { Held::Yes } else { Held::Lost })
    };
    let held = while_held(world.clock.as_ref(), renew, pending::<()>());
    let time = async {
        for wanted in 1..=3 {
            eventually("a sleeper", Duration::from_secs(5), async || clock.sleepers() == 1).await;
            clock.advance(LEASE / 3 - Duration::from_micros(1));
            assert_eq!(renewals.get(), wanted - 1);
            clock.advance(Duration::from_micros(1));
            eventually("a renewal", Duration::from_secs(5), async || renewals.get() == wanted).await;
        }
    };
    let (held, ()) = tokio::join!(held, time);
    assert_eq!(held, None);
}
