//! Shops for the tests, each on a directory of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use api_gateway::auth::Role;
use clap::Parser as _;
use oxcart::shop::{self, Listeners};
use oxcart::{Config, Program, audit};
use platform::World;
use rustix::process::{Pid, Signal, kill_process};
use testkit::{Engine, Port, Proxy, TempDir, Weather};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::{Client, SECRET};
use crate::engines::Place;
use crate::told::Told;

/// Where the log lines of a shop's programs go, a file; to our own if it is not among its variables.
pub(crate) const LINES: &str = "LINES_OF_A_TEST";

/// A running shop.
pub(crate) struct Shop {
    pub(crate) url: String,
    pub(crate) dir: Arc<TempDir>,
    /// What an audit has to be told: where the stores are.
    settings: Config,
    running: Running,
    /// Of its programs, for which they are held while one is down.
    _ports: Vec<Port>,
    /// Where it stands on the engines, if it does.
    place: Option<Place>,
    told: Told,
    /// The network between some of the programs.
    links: Vec<Proxy>,
}

enum Running {
    Inside { shutdown: CancellationToken, serving: JoinSet<anyhow::Result<()>> },
    Programs(Vec<Started>),
}

/// A program, and how it was started.
struct Started {
    name: String,
    variables: Vec<(String, String)>,
    process: Process,
}

impl Started {
    fn start(name: &str, variables: Vec<(String, String)>) -> Self {
        let mut command = program(name);
        command.envs(variables.iter().cloned());
        if let Some((_, path)) = variables.iter().find(|(name, _)| name == LINES) {
            command.stderr(File::options().create(true).append(true).open(path).unwrap());
        }
        Self { name: name.to_owned(), variables, process: Process::start(command) }
    }
}

/// A program that dies with its owner.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// How it ended, once it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Whether it stands still.
    pub(crate) fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        // The state follows the name of the program, which is in parentheses.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// SIGKILL: nothing is flushed, nobody is told.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Shop {
    /// All in this process; `transport` is how the programs call each other.
    pub(crate) async fn inside(transport: &str) -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        let settings = settings(dir.path(), &["--transport", transport]);
        let listeners = Listeners::bind(&settings).await.unwrap();
        let url = listeners.addresses().unwrap().url();
        let shop = shop::open(&settings, &listeners, World::real()).await.unwrap();
        let (shutdown, mut serving) = (CancellationToken::new(), JoinSet::new());
        serving.spawn(shop.serve(listeners, shutdown.clone()));
        Self {
            url,
            dir,
            settings,
            running: Running::Inside { shutdown, serving },
            _ports: Vec::new(),
            place: None,
            told: Told::default(),
            links: Vec::new(),
        }
    }

    /// Seven processes that share a directory.
    pub(crate) async fn programs() -> Self {
        Self::processes(None, &[], &[]).await
    }

    /// The same, each with these variables too.
    pub(crate) async fn programs_with(variables: &[(String, String)]) -> Self {
        Self::processes(None, &[], variables).await
    }

    /// Seven processes, with a network to be disturbed on the way from each of these programs to that other one.
    pub(crate) async fn programs_linked(links: &[(&str, Program)]) -> Self {
        Self::processes(None, links, &[]).await
    }

    /// Ten processes on the four engines: two each of checkout, orders and cart. `None` where there are no
    /// engines.
    pub(crate) async fn on_engines() -> Option<Self> {
        Self::on_engines_with(&[]).await
    }

    /// The same, each with these variables too.
    pub(crate) async fn on_engines_with(variables: &[(String, String)]) -> Option<Self> {
        Some(Self::processes(Some(Place::new().await?), &[], variables).await)
    }

    async fn processes(place: Option<Place>, linked: &[(&str, Program)], more: &[(String, String)]) -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        let mut shared: Vec<(String, String)> =
            vec![("DATA_DIR".to_owned(), dir.path().to_str().unwrap().to_owned())];
        shared.extend(
            place.iter().flat_map(Place::variables).map(|(name, value)| (name.clone(), value.clone())),
        );
        let settings = settings_of(&shared);
        shared.extend_from_slice(more);

        let instances = Program::ALL.map(|program| match (program, &place) {
            (Program::Checkout | Program::Orders | Program::Cart, Some(_)) => (program, Port::hold_some(2)),
            _ => (program, Port::hold_some(1)),
        });
        for (program, ports) in &instances {
            let addresses: Vec<String> = ports.iter().map(|port| port.address().to_string()).collect();
            shared.push((variable(*program, "SERVICE_ADDR"), addresses.join(",")));
        }
        let mut links = Vec::new();
        let mut ways = Vec::new();
        for (from, to) in linked {
            let (_, ports) = instances.iter().find(|(program, _)| program == to).unwrap();
            let proxy = Proxy::new(&format!("tcp://{}", ports[0].address()));
            let address = proxy.url().trim_start_matches("tcp://").to_owned();
            ways.push((*from, (variable(*to, "SERVICE_ADDR"), address)));
            links.push(proxy);
        }
        let start = |name: &str, variable: String, port: &Port| {
            let own = [(variable, port.number().to_string())];
            let linked = ways.iter().filter(|(from, _)| *from == name).map(|(_, address)| address.clone());
            Started::start(name, shared.iter().cloned().chain(own).chain(linked).collect())
        };
        let mut processes: Vec<Started> = Vec::new();
        for (program, ports) in &instances {
            let name = format!("{}-service", program.name());
            processes.extend(ports.iter().map(|port| start(&name, variable(*program, "SERVICE_PORT"), port)));
        }
        let http = Port::hold();
        processes.push(start("api-gateway", "HTTP_PORT".to_owned(), &http));
        let url = format!("http://{}", http.address());
        let running = Running::Programs(processes);
        let ports = instances.into_iter().flat_map(|(_, ports)| ports).chain([http]).collect();
        let shop = Self { url, dir, settings, running, _ports: ports, place, told: Told::default(), links };
        shop.ready().await;
        shop
    }

    /// The program `oxcart` on a directory that may have been used before.
    pub(crate) async fn oxcart(dir: Arc<TempDir>, variables: &[(&str, &str)]) -> Self {
        let http = Port::hold();
        let own = [
            ("DATA_DIR", dir.path().to_str().unwrap()),
            ("HTTP_PORT", &http.number().to_string()),
            ("GRPC_BASE_PORT", "0"),
        ];
        let variables =
            own.iter().chain(variables).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let variables: Vec<(String, String)> = variables.collect();
        let settings = settings_of(&variables);
        let running = Running::Programs(vec![Started::start("oxcart", variables)]);
        let url = format!("http://{}", http.address());
        let (told, links) = (Told::default(), Vec::new());
        let shop = Self { url, dir, settings, running, _ports: vec![http], place: None, told, links };
        shop.ready().await;
        shop
    }

    async fn ready(&self) {
        let client = self.user(1);
        testkit::eventually("the shop is ready", Duration::from_secs(30), async || {
            Client::send(client.request(reqwest::Method::GET, "/health/ready"))
                .await
                .is_ok_and(|r| r.status == 200)
        })
        .await;
    }

    pub(crate) fn user(&self, id: i64) -> Client {
        let mut client = Client::new(&self.url, id, Role::User);
        client.is_patient = self.place.is_some();
        client.told = self.told.clone();
        client
    }

    pub(crate) fn admin(&self) -> Client {
        Client::new(&self.url, 1_000_000, Role::Admin)
    }

    /// Where its stores are, as `oxcart` is told.
    pub(crate) fn settings(&self) -> &Config {
        &self.settings
    }

    /// The variables that lead a program to its place on the engines.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        self.place.as_ref().map(|place| place.variables().clone()).unwrap_or_default()
    }

    /// What its buyers were told.
    pub(crate) fn told(&self) -> audit::History {
        self.told.history()
    }

    /// Checks every invariant over the stores, and what buyers were told, while the shop is running.
    pub(crate) async fn audit(&self) -> audit::Report {
        let (sources, told) = (self.settings.sources().unwrap(), self.told.history());
        let patience = Duration::from_secs(60);
        let report = audit::run_with(&sources, &told, patience, World::real()).await.unwrap();
        assert!(report.violations.is_empty(), "{report}");
        report
    }

    /// Stops: a shop inside of the test as by SIGTERM. Its place on the engines is given up.
    pub(crate) async fn stop(self) {
        match self.running {
            Running::Inside { shutdown, mut serving } => {
                shutdown.cancel();
                serving.join_next().await.unwrap().unwrap().unwrap();
            }
            Running::Programs(programs) => drop(programs),
        }
        if let Some(place) = self.place {
            place.drop().await;
        }
    }

    /// Kills one of the programs as by SIGKILL, and starts it again.
    pub(crate) fn kill_and_start_again(&mut self, name: &str) {
        let Running::Programs(programs) = &mut self.running else {
            panic!("a shop inside of the test can't be killed alone");
        };
        let index = programs.iter().position(|program| program.name == name).unwrap();
        let Started { name, variables, process } = programs.swap_remove(index);
        process.kill();
        programs.push(Started::start(&name, variables));
    }

    /// Changes the weather on all disturbed ways.
    pub(crate) fn weather_becomes(&self, weather: Weather) {
        self.links.iter().for_each(|link| link.becomes(weather));
    }

    /// How many programs there are, to be named by their place: the gateway is the last.
    pub(crate) fn programs_count(&self) -> usize {
        match &self.running {
            Running::Programs(programs) => programs.len(),
            Running::Inside { .. } => 0,
        }
    }

    /// The place of the first program of this name.
    pub(crate) fn place_of(&self, name: &str) -> usize {
        self.started().iter().position(|program| program.name == name).unwrap()
    }

    /// The port of the first instance of a service.
    pub(crate) fn port_of(&self, of: Program) -> String {
        let started = &self.started()[self.place_of(&format!("{}-service", of.name()))];
        let port = variable(of, "SERVICE_PORT");
        started.variables.iter().find(|(name, _)| *name == port).unwrap().1.clone()
    }

    fn started(&self) -> &[Started] {
        match &self.running {
            Running::Programs(programs) => programs,
            Running::Inside { .. } => panic!("a shop inside of the test has no programs"),
        }
    }

    /// Sends a program a signal.
    pub(crate) fn signal(&self, place: usize, signal: Signal) {
        self.started()[place].process.signal(signal);
    }

    /// Whether a program has ended.
    pub(crate) fn has_ended(&mut self, place: usize) -> bool {
        match &mut self.running {
            Running::Programs(programs) => programs[place].process.ended().is_some(),
            Running::Inside { .. } => false,
        }
    }

    /// Starts a program that has ended again, as it was started before.
    pub(crate) fn start_again(&mut self, place: usize) {
        if let Running::Programs(programs) = &mut self.running {
            let Started { name, variables, .. } = programs.swap_remove(place);
            programs.push(Started::start(&name, variables));
            let last = programs.len() - 1;
            programs.swap(place, last);
        }
    }

    /// Stops as by SIGKILL, and leaves the directory.
    pub(crate) fn kill(self) -> Arc<TempDir> {
        match self.running {
            Running::Programs(processes) => processes.into_iter().for_each(|program| program.process.kill()),
            Running::Inside { .. } => panic!("a shop inside of the test can't be killed alone"),
        }
        self.dir
    }
}

pub(crate) fn settings(dir: &Path, more: &[&str]) -> Config {
    let dir = dir.to_str().unwrap();
    let base =
        ["oxcart", "--data-dir", dir, "--http-port", "0", "--grpc-base-port", "0", "--rate-limit-rps", "0"];
    let auth = ["--auth-mode", "jwt", "--jwt-secret", SECRET];
    Config::parse_from(base.iter().chain(&auth).chain(more))
}

/// The settings that `oxcart` has under these variables.
fn settings_of(variables: &[(String, String)]) -> Config {
    let find =
        |name: &str| variables.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.into());
    platform::config::try_parse("OXCART", std::iter::once("oxcart".into()), &find).unwrap()
}

/// A program of this workspace, with the settings that all tests share.
pub(crate) fn program(name: &str) -> Command {
    let mut command = Command::new(built(name));
    // What the programs of a test are told, they are told by the test.
    let engines = Engine::ALL.map(Engine::variable);
    for (variable, _) in std::env::vars() {
        if variable.ends_with("_PORT") || engines.iter().any(|engine| variable.ends_with(engine)) {
            command.env_remove(variable);
        }
    }
    command
        .env("AUTH_MODE", "jwt")
        .env("JWT_SECRET", SECRET)
        .env("RATE_LIMIT_RPS", "0")
        .env("LOG_LEVEL", "error")
        .env("LOG_FORMAT", "json");
    command
}

/// The file of a program, which a test of the whole workspace has built beside `oxcart`.
fn built(name: &str) -> PathBuf {
    let oxcart = PathBuf::from(env!("CARGO_BIN_EXE_oxcart"));
    let path = oxcart.with_file_name(name);
    assert!(path.exists(), "{} is not built: run cargo build --workspace", path.display());
    path
}

fn variable(program: Program, name: &str) -> String {
    format!("{}_{name}", program.name().to_uppercase())
}
