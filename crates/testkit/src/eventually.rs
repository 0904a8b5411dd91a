//! Waiting for what happens soon.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// What a look can find: `false` and `None` mean not yet.
pub trait Answer {
    /// What was waited for.
    type Value;
    /// The value, if it is there.
    fn found(self) -> Option<Self::Value>;
}

impl Answer for bool {
    type Value = ();
    fn found(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Answer for Option<T> {
    type Value = T;
    fn found(self) -> Option<T> {
        self
    }
}

/// Looks again and again until `look` answers true or `Some`, and returns what it found.
///
/// # Panics
/// After `deadline`, naming `what` did not come.
#[expect(clippy::panic, reason = "a test that waits in vain has failed")]
pub async fn eventually<A: Answer>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> A,
) -> A::Value {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = look().await.found() {
            return value;
        }
        if Instant::now() >= end {
            panic!("not within {deadline:?}: {what}");
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_what_it_found() {
        let mut looks = 0;
        let third = async || {
            looks += 1;
            (looks == 3).then_some(looks)
        };
        assert_eq!(eventually("the third look", Duration::from_secs(5), third).await, 3);
        eventually("the truth", Duration::ZERO, async || true).await;
    }

    #[tokio::test]
    #[should_panic(expected = "not within 1ms: pigs fly")]
    async fn gives_up_at_the_deadline() {
        eventually("pigs fly", Duration::from_millis(1), async || false).await;
    }
}
