//! Fail points: named places where a test lets a program die or stand still.
//!
//! They are there with the feature `failpoints` alone, which the tests of the whole shop ask for; a program that
//! is built to be used has none. The variable `FAILPOINTS` arms them, in the words of the crate `fail`:
//! `checkout.capture.after=3*off->1*return(kill)` dies at the fourth capture that was answered.

/// Awaits `work` between the points `<name>.before` and `<name>.after`; a name is `<service>.<operation>`. Where one is
/// armed with `return(kill)`, the process dies there as by SIGKILL; with `return(freeze)` it stands still as by SIGSTOP,
/// until SIGCONT.
pub async fn around<T>(name: &str, work: impl Future<Output = T>) -> T {
    point(name, "before");
    let done = work.await;
    point(name, "after");
    done
}

#[inline]
fn point(name: &str, side: &str) {
    #[cfg(feature = "failpoints")]
    armed::point(&format!("{name}.{side}"));
    #[cfg(not(feature = "failpoints"))]
    let _ = (name, side);
}

#[cfg(feature = "failpoints")]
pub(crate) mod armed {
    use rustix::process::{Signal, getpid, kill_process};

    /// Arms the points that `FAILPOINTS` names, until what is returned is dropped.
    pub(crate) fn by_the_environment() -> fail::FailScenario<'static> {
        fail::FailScenario::setup()
    }

    pub(super) fn point(name: &str) {
        fail::fail_point!(name, |action| act(name, action.as_deref()));
    }

    fn act(name: &str, action: Option<&str>) {
        let signal = match action {
            Some("kill") => Signal::KILL,
            Some("freeze") => Signal::STOP,
            other => {
                tracing::error!(name, action = other, "a fail point can't do that");
                return;
            }
        };
        if let Err(error) = kill_process(getpid(), signal) {
            tracing::error!(name, %error, "a fail point did not work");
        }
    }
}
