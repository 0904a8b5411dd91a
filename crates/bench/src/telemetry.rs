//! What log lines, numbers and traces cost a request.
//!
//! The request is `GET /api/v1/products/1`, which the gateway asks the product service for: two lines, two durations
//! and, where it is traced, two spans. The servers differ in nothing but what they tell of it, and take turns.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use testkit::{Port, figures};
use tokio::runtime::Builder;

use crate::load;
use crate::program::Program;

const PATH: &str = "/api/v1/products/1";

/// What it may cost at most, of the processor time of the bare request.
const BOUND: f64 = 0.6;

/// How long it is measured.
#[derive(clap::Args)]
pub(crate) struct Scale {
    /// Turns of each server.
    #[arg(long, default_value_t = 60)]
    rounds: usize,
    /// Requests in each turn.
    #[arg(long, default_value_t = 3_000)]
    requests: usize,
}

/// A server, and what it tells.
struct Contestant {
    name: &'static str,
    program: Program,
    address: SocketAddr,
    /// Processor time of a request, in microseconds, in each round.
    costs: Vec<f64>,
}

impl Contestant {
    fn new(name: &'static str, (program, address): (Program, SocketAddr)) -> Self {
        Self { name, program, address, costs: Vec::new() }
    }
}

/// Prints the costs.
///
/// # Errors
/// Servers that don't start or answer, and a cost beyond [`BOUND`].
pub(crate) fn run(scale: &Scale) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let silent = Port::hold();
    let collector = format!("http://{}", silent.address());
    let quiet = ("LOG_LEVEL", "off");
    let traced = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.as_str()),
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ];
    let shops = [
        ("the shop, telling nothing", false, vec![quiet]),
        ("the same with numbers", true, vec![quiet]),
        ("the same with log lines", false, vec![]),
        ("the same with traces that are not sampled", false, [&[quiet], &traced[..]].concat()),
        ("the same with all of them", true, traced.to_vec()),
    ];
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut contestants = Vec::new();
    for (name, counting, variables) in shops {
        contestants.push(Contestant::new(name, shop(&dir, contestants.len(), counting, &variables)?));
    }
    let first = contestants.first().context("there are shops")?;
    let answer = runtime.block_on(load::answer(first.address, PATH))?;
    let bare = Program::start(&["bare", &answer], &[], &dir.path().join("bare.log"))?;
    contestants.insert(0, Contestant::new("a bare server with the same answer", bare));

    for contestant in &contestants {
        runtime.block_on(load::ask(contestant.address, PATH, scale.requests / 10))?;
    }
    for _ in 0..scale.rounds {
        for contestant in &mut contestants {
            let before = contestant.program.worked()?;
            let asked = runtime.block_on(load::ask(contestant.address, PATH, scale.requests))?;
            let worked = contestant.program.worked()?.saturating_sub(before);
            contestant.costs.push(per_request(worked, asked));
        }
    }
    report(&contestants)
}

/// A shop that limits nobody, on a directory of its own.
fn shop(
    dir: &TempDir,
    number: usize,
    counting: bool,
    variables: &[(&str, &str)],
) -> anyhow::Result<(Program, SocketAddr)> {
    let data = dir.path().join(number.to_string());
    let data = data.to_str().context("a directory whose name is no text")?;
    let log = dir.path().join(format!("{number}.log"));
    let own = [
        ("DATA_DIR", data),
        ("HTTP_PORT", "0"),
        ("GRPC_BASE_PORT", "0"),
        ("RATE_LIMIT_RPS", "0"),
        ("LOG_FORMAT", "json"),
    ];
    let arguments: &[&str] = if counting { &["shop", "--counting"] } else { &["shop"] };
    Program::start(arguments, &[&own, variables].concat(), &log)
}

fn per_request(worked: Duration, requests: usize) -> f64 {
    let requests = u32::try_from(requests).unwrap_or(u32::MAX);
    worked.as_secs_f64() * 1e6 / f64::from(requests)
}

fn report(contestants: &[Contestant]) -> anyhow::Result<()> {
    let [bare, quiet, telling @ ..] = contestants else { anyhow::bail!("nothing to compare") };
    let mut table = String::from(
        "| server | µs | above the shop | in bare requests (middle half) |\n|---|---|---|---|\n",
    );
    for alone in [bare, quiet] {
        writeln!(table, "| {} | {:.1} | | |", alone.name, median(&alone.costs))?;
    }
    let mut whole = f64::NAN;
    for shop in telling {
        let above: Vec<_> = shop.costs.iter().zip(&quiet.costs).map(|(told, silent)| told - silent).collect();
        let ratios: Vec<_> = above.iter().zip(&bare.costs).map(|(above, bare)| above / bare).collect();
        let (low, high) = quartiles(&ratios);
        whole = median(&ratios);
        writeln!(
            table,
            "| {} | {:.1} | {:.1} | {whole:.2} ({low:.2} to {high:.2}) |",
            shop.name,
            median(&shop.costs),
            median(&above)
        )?;
    }
    print!("{table}");
    figures::tell(
        "cost of telemetry",
        format_args!(
            "log lines, numbers and traces that are not sampled cost GET {PATH} {whole:.2} of the {:.1} µs of a bare \
             request; the shop without them {:.1} µs",
            median(&bare.costs),
            median(&quiet.costs)
        ),
    );
    anyhow::ensure!(whole <= BOUND, "that is more than {BOUND} of a bare request");
    Ok(())
}

fn median(values: &[f64]) -> f64 {
    quantile(values, 2)
}

/// Between which the middle half of them is.
fn quartiles(values: &[f64]) -> (f64, f64) {
    (quantile(values, 1), quantile(values, 3))
}

/// The value that so many quarters of them are below.
fn quantile(values: &[f64], quarters: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() * quarters / 4).copied().unwrap_or(f64::NAN)
}
