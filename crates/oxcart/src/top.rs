//! `oxcart top`: a running shop on one screen, drawn anew each second.

mod sample;
mod screen;
mod view;

use std::io::{IsTerminal as _, stdout};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use event_log::{Archive, Delivery, config};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::addresses::Addresses;
use crate::audit::TOPICS;
use crate::cli::print;
use crate::config::{Config, Top};
use sample::Sample;
use screen::Screen;
use view::View;

/// Between samples.
const EVERY: Duration = Duration::from_secs(1);

/// A program that does not say its numbers by then is left out.
const PATIENCE: Duration = Duration::from_secs(2);

/// Events that are asked for of each topic.
const EVENTS: u32 = 50;

/// What is printed where there is no terminal.
const WIDTH: u16 = 110;
const HEIGHT: u16 = 28;

/// Shows the shop until somebody presses q; where there is no terminal, or with `--once`, prints one screen.
///
/// # Errors
/// A shop that serves no metrics, or a terminal that can't be used.
pub(crate) async fn run(settings: Config, top: Top) -> anyhow::Result<()> {
    let mut shop = Shop::find(&settings, &top).await?;
    if top.once || !stdout().is_terminal() {
        return shop.print().await;
    }
    let mut terminal = Screened::open()?;
    let mut keys = keys();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => shop.look().await,
            event = keys.recv() => match event {
                Some(Event::Key(key)) if is_goodbye(key) => return Ok(()),
                Some(_) => {}
                None => anyhow::bail!("the terminal can't be read"),
            },
        }
        terminal.0.draw(|frame| screen::draw(frame, &shop.screen())).context("can't draw")?;
    }
}

/// What is watched, and what was seen of it.
struct Shop {
    name: String,
    urls: Vec<String>,
    client: reqwest::Client,
    archive: Option<Arc<dyn Archive>>,
    last: Option<Sample>,
    view: Option<View>,
    events: Vec<Delivery>,
    trouble: Option<String>,
}

impl Shop {
    async fn find(settings: &Config, top: &Top) -> anyhow::Result<Self> {
        let urls = if top.metrics.is_empty() {
            let addresses = Addresses::read(&settings.data_dir)?;
            let metrics = addresses.metrics.context(
                "this shop serves no metrics; start it again, or name who does: oxcart top --metrics http://127.0.0.1:9100",
            )?;
            vec![format!("http://{metrics}")]
        } else {
            top.metrics.clone()
        };
        // Without it there are numbers, too.
        let archive = config::archive(&settings.events, &settings.data_dir).await.ok();
        Ok(Self {
            name: urls.join(" "),
            urls,
            client: reqwest::Client::builder().timeout(PATIENCE).build()?,
            archive,
            last: None,
            view: None,
            events: Vec::new(),
            trouble: None,
        })
    }

    /// Looks at the shop once. What can't be seen is told, and looked for again.
    async fn look(&mut self) {
        match self.sample().await {
            Ok(sample) => {
                self.trouble = None;
                self.view = self.last.as_ref().map(|last| View::of(last, &sample));
                self.last = Some(sample);
            }
            Err(error) => self.trouble = Some(format!("{error:#}")),
        }
        if let Some(events) = self.latest().await {
            self.events = events;
        }
    }

    async fn sample(&self) -> anyhow::Result<Sample> {
        let at = Instant::now();
        let texts = self.urls.iter().map(|url| async move {
            let url = format!("{}/metrics", url.trim_end_matches('/'));
            let answer = self.client.get(&url).send().await.and_then(reqwest::Response::error_for_status);
            answer?.text().await
        });
        let texts: Vec<_> = futures::future::join_all(texts).await;
        let there: Vec<String> = texts.into_iter().flatten().collect();
        anyhow::ensure!(!there.is_empty(), "nobody answers");
        Ok(Sample::parse(at, &there))
    }

    async fn latest(&self) -> Option<Vec<Delivery>> {
        let archive = self.archive.as_ref()?;
        let mut events = Vec::new();
        for topic in TOPICS {
            events.extend(archive.latest(topic, EVENTS).await.ok()?);
        }
        events.sort_by_key(|delivery| delivery.event.time);
        Some(events)
    }

    fn screen(&self) -> Screen<'_> {
        Screen {
            shop: &self.name,
            view: self.view.as_ref(),
            events: &self.events,
            trouble: self.trouble.as_deref(),
        }
    }

    /// What the screen would show after two looks, as text.
    async fn print(&mut self) -> anyhow::Result<()> {
        for pause in [EVERY, Duration::ZERO] {
            self.look().await;
            if let Some(trouble) = &self.trouble {
                anyhow::bail!("{trouble} at {}", self.name);
            }
            tokio::time::sleep(pause).await;
        }
        let mut terminal = Terminal::new(TestBackend::new(WIDTH, HEIGHT))?;
        let drawn = terminal.draw(|frame| screen::draw(frame, &self.screen()))?;
        print(&text(drawn.buffer))
    }
}

/// A screen without its colours.
fn text(buffer: &Buffer) -> String {
    let cells: Vec<&str> = buffer.content().iter().map(Cell::symbol).collect();
    let lines = cells.chunks(buffer.area.width.into());
    lines.map(|line| format!("{}\n", line.concat().trim_end())).collect()
}

/// A terminal that is given back as it was.
struct Screened(ratatui::DefaultTerminal);

impl Screened {
    fn open() -> anyhow::Result<Self> {
        Ok(Self(ratatui::try_init().context("can't use the terminal")?))
    }
}

impl Drop for Screened {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// What is typed. The thread that reads ends with the process: a read of a terminal can't be broken off.
fn keys() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

fn is_goodbye(key: KeyEvent) -> bool {
    let is_interrupt = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    is_interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}
