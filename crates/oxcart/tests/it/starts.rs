//! Starts without the engines, and with ones that can't be used.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sql::postgres::Scratch;
use testkit::{Engine, Port, TempDir};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::engines::Turn;
use crate::harness::program;

/// A program whose log is kept.
struct Running {
    process: Child,
    port: Port,
    log: std::path::PathBuf,
    _dir: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    fn start(name: &str, variables: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let (port, log) = (Port::hold(), dir.path().join("log"));
        let mut command: Command = program(name);
        let process = command
            .env("LOG_LEVEL", "info")
            .env("DATA_DIR", dir.path())
            .env("GRPC_PORT", port.number().to_string())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Self { process, port, log, _dir: dir }
    }

    /// What it says of its health; `None` while it does not answer.
    async fn health(&self) -> Option<ServingStatus> {
        let channel =
            Endpoint::from_shared(format!("http://{}", self.port.address())).unwrap().connect().await.ok()?;
        let answer = HealthClient::new(channel).check(HealthCheckRequest::default()).await.ok()?;
        Some(answer.get_ref().status())
    }

    async fn becomes(&self, wanted: ServingStatus) {
        testkit::eventually(&format!("{wanted:?}"), Duration::from_secs(30), async || {
            self.health().await == Some(wanted)
        })
        .await;
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }
}

/// Forwards what comes to an address to an engine: as long as it is not there, neither is the engine.
fn forward(from: SocketAddr, to: String) -> JoinSet<()> {
    let listener = TcpListener::bind(from).unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (mut near, _) = listener.accept().await.unwrap();
            let to = to.clone();
            connections.spawn(async move {
                let mut far = TcpStream::connect(to).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    tasks
}

/// The part of a URL that is an address.
fn address(url: &str) -> String {
    let rest = url.split("://").last().unwrap().rsplit('@').next().unwrap();
    rest.split('/').next().unwrap().to_owned()
}

/// Says which engine is not there, is alive but not ready, and becomes ready by itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_is_late_is_waited_for() {
    let Some(postgres) = Engine::Postgres.url() else { return };
    let _turn = Turn::take().await;
    let scratch = Scratch::new(&postgres).await.unwrap();
    let cases = [
        ("product-service", Engine::Postgres),
        ("inventory-service", Engine::Postgres),
        ("payment-service", Engine::Postgres),
        ("orders-service", Engine::Postgres),
        ("checkout-service", Engine::Postgres),
        ("cart-service", Engine::Mongo),
        ("checkout-service", Engine::Kafka),
        ("orders-service", Engine::Kafka),
        ("cart-service", Engine::Kafka),
    ];
    for (name, engine) in cases {
        let url = match engine {
            Engine::Postgres => scratch.server().url.clone(),
            Engine::Mongo | Engine::Redis | Engine::Kafka => engine.url().unwrap(),
        };
        let (real, late) = (address(&url), Port::hold());
        // A broker that is reached says under which address it wants to be called, so only its absence can be shown
        // through a forwarder; that it is found when it comes is shown where brokers are killed.
        let running =
            Running::start(name, &[(engine.variable(), &url.replace(&real, &late.address().to_string()))]);
        running.becomes(ServingStatus::NotServing).await;
        testkit::eventually(
            &format!("{} in the log of {name}", engine.variable()),
            Duration::from_secs(30),
            async || running.log().contains(engine.variable()),
        )
        .await;
        assert!(!running.log().contains("oxcart:oxcart"), "a password in the log of {name}");
        let _forwarding = forward(late.address(), real);
        running.becomes(ServingStatus::Serving).await;
    }
    scratch.drop().await.unwrap();
}

/// A start that can't be says why in one line that names the variable and shows no secret.
#[tokio::test(flavor = "multi_thread")]
async fn engines_that_can_not_be_used_stop_the_start() {
    let Some(postgres) = Engine::Postgres.url() else { return };
    let _turn = Turn::take().await;
    let scratch = Scratch::new(&postgres).await.unwrap();
    let good = scratch.server().url.clone();
    let wrong = good.replace(":oxcart@", ":hunter2@");
    let nowhere = format!("{good}_which_is_not_there");
    let sql_programs =
        ["product-service", "inventory-service", "payment-service", "orders-service", "checkout-service"];
    let mut cases: Vec<(&str, &str, &str, &str)> = Vec::new();
    for name in sql_programs {
        cases.push((name, "DATABASE_URL", &wrong, "refuses"));
        cases.push((name, "DATABASE_URL", &nowhere, "refuses"));
        cases.push((name, "DATABASE_URL", "postgres://u:hunter2@h:port/db", "can't be used"));
        cases.push((name, "DATABASE_URL", "mysql://u:hunter2@h/db", "can't be used"));
    }
    cases.push(("cart-service", "MONGO_URI", "mongo://u:hunter2@h", "can't be used"));
    cases.push(("cart-service", "REDIS_URL", "http://u:hunter2@h", "can't be used"));
    cases.push(("api-gateway", "REDIS_URL", "http://u:hunter2@h", "can't be used"));
    for name in ["cart-service", "orders-service", "checkout-service"] {
        cases.push((name, "KAFKA_BROKERS", "somewhere", "can't be used"));
    }
    for (name, variable, value, wanted) in cases {
        refused(name, variable, value, wanted);
    }

    // A database of a newer version.
    for (name, schema) in sql_programs.map(|name| (name, name.trim_end_matches("-service"))) {
        let running = Running::start(name, &[("DATABASE_URL", &good)]);
        running.becomes(ServingStatus::Serving).await;
        drop(running);
        let mut connection = scratch.connect(schema).await.unwrap();
        let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                     VALUES (9999, 'of the future', true, '', 0)";
        sqlx::query(newer).execute(&mut connection).await.unwrap();
        refused(name, "DATABASE_URL", &good, "newer version");
    }
    scratch.drop().await.unwrap();
}

fn refused(name: &str, variable: &str, value: &str, wanted: &str) {
    let dir = TempDir::new().unwrap();
    let output = program(name)
        .env("DATA_DIR", dir.path())
        .env("GRPC_PORT", "0")
        .env("HTTP_PORT", "0")
        .env(variable, value)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{name} started with {variable}={value}");
    assert_eq!(err.lines().count(), 1, "{name} with {variable}={value}: {err}");
    assert!(err.contains(variable) && err.contains(wanted), "{name} with {variable}={value}: {err}");
    assert!(!err.contains("hunter2"), "{err}");
}
