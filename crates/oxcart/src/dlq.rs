//! `oxcart dlq`: events that consumers gave up.

use anyhow::Context as _;
use event_log::{Listed, Replayed, config};
use platform::World;
use sql::sqlite::Sharing;

use crate::audit::TOPICS;
use crate::cli::print;
use crate::config::{Config, Dlq};

/// Carries out what is to be done with dead letters.
///
/// # Errors
/// A log that is not there, that can't be reached, or that a shop in one process has for itself.
pub(crate) async fn run(settings: Config, command: Dlq) -> anyhow::Result<()> {
    match command {
        Dlq::List => list(&settings).await,
        Dlq::Replay => replay(&settings).await,
    }
}

async fn list(settings: &Config) -> anyhow::Result<()> {
    let archive = config::archive(&settings.events, &settings.data_dir).await?;
    let letters = event_log::list(archive.as_ref(), &TOPICS).await.context("the event log can't be read")?;
    print(&letters.iter().map(line).collect::<String>())?;
    let open = letters.iter().filter(|listed| !listed.is_replayed).count();
    print(&format!("dead letters: {}, not replayed: {open}\n", letters.len()))
}

fn line(Listed { letter, is_replayed }: &Listed) -> String {
    let event = &letter.delivery.event;
    let replayed = if *is_replayed { "replayed" } else { "open" };
    let (at, origin, group, reason) = (letter.at, &letter.origin, &letter.group, &letter.reason);
    format!("{at}  {replayed:<8}  {origin}  {}  {}  given up by {group}: {reason}\n", event.kind, event.id)
}

async fn replay(settings: &Config) -> anyhow::Result<()> {
    let archive = config::archive(&settings.events, &settings.data_dir).await?;
    let log = settings
        .open_log(Sharing::Shared, World::real())
        .await
        .context("can't write to the event log (a shop in one process has it for itself: stop it first)")?;
    let replayed = event_log::replay(log.as_ref(), archive.as_ref(), &TOPICS).await;
    log.close().await;
    let Replayed { published, unreadable } = replayed.context("the dead letters were not all replayed")?;
    print(&format!("replayed: {published}\n"))?;
    match unreadable {
        0 => Ok(()),
        some => print(&format!("left, as they are no events: {some}\n")),
    }
}
