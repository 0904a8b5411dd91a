//! What the program does, by its arguments.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use api_gateway::AuthMode;
use api_gateway::auth::{Identity, Role, Signer, Token};
use platform::World;
use platform::config::Log;
use platform::trace::Settings as Traces;
use tokio_util::sync::CancellationToken;
use types::UserId;

use crate::addresses::Addresses;
use crate::audit;
use crate::banner::Banner;
use crate::config::{Command, Config};
use crate::demo;
use crate::dlq;
use crate::secret;
use crate::shop::{self, Listeners};
use crate::top;

/// How long a token of the banner or of `oxcart token` is good.
const TOKEN_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// How long an audit waits for what a running shop is still doing.
const AUDIT_PATIENCE: Duration = Duration::from_secs(10);

/// Starts the shop, or carries out a command. The code is 0 when it was done, 1 when not, or when an audit
/// found violations.
pub fn run(settings: Config) -> ExitCode {
    // A command runs beside a shop, whose port for metrics is taken. What it does is no request.
    let traces = Traces { otel_exporter_otlp_endpoint: None, ..settings.log.traces.clone() };
    let log = Log { metrics_addr: None, traces, ..settings.log.clone() };
    match settings.command.clone() {
        None => {
            platform::run("oxcart", &settings.log.clone(), |world, shutdown| serve(settings, world, shutdown))
        }
        Some(Command::Demo { url }) => {
            platform::run("oxcart demo", &log, |_, shutdown| stoppable(demo::run(settings, url), shutdown))
        }
        Some(Command::Token { user, role }) => {
            platform::run("oxcart token", &log, |_, _| async move { print_token(&settings, user, role) })
        }
        Some(Command::Audit) => {
            platform::run("oxcart audit", &log, |_, shutdown| stoppable(print_audit(settings), shutdown))
        }
        Some(Command::Dlq(command)) => {
            platform::run("oxcart dlq", &log, |_, shutdown| stoppable(dlq::run(settings, command), shutdown))
        }
        Some(Command::Top(top)) => {
            platform::run("oxcart top", &log, |_, shutdown| stoppable(top::run(settings, top), shutdown))
        }
        Some(Command::Healthcheck) => {
            let Config { bind_addr, http_port, gateway, .. } = settings;
            api_gateway::healthcheck("oxcart", bind_addr, http_port, &gateway.port)
        }
    }
}

async fn serve(settings: Config, world: World, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listeners = Listeners::bind(&settings).await?;
    let shop = shop::open(&settings, &listeners, world.clone()).await?;
    let addresses = Addresses { metrics: world.metrics.served_at(), ..listeners.addresses()? };
    addresses.write(&settings.data_dir)?;
    let token = match settings.gateway.auth_mode {
        AuthMode::Dev => Some(token(&settings, 1, Role::Admin)?.token.into()),
        AuthMode::Jwt => None,
    };
    print(&Banner { settings: &settings, addresses: &addresses, token }.to_string())?;
    shop.serve(listeners, shutdown).await
}

/// A command that has no state to keep ends at once when it is interrupted.
async fn stoppable(
    command: impl Future<Output = anyhow::Result<()>>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        outcome = command => outcome,
        () = shutdown.cancelled() => anyhow::bail!("interrupted"),
    }
}

fn print_token(settings: &Config, user: i64, role: Role) -> anyhow::Result<()> {
    print(&format!("{}\n", token(settings, user, role)?.token))
}

fn token(settings: &Config, user: i64, role: Role) -> anyhow::Result<Token> {
    let gateway = &settings.gateway;
    if let Some(variable) = gateway.public_keys() {
        anyhow::bail!("the shop signs no tokens where {variable} is set: ask who has the private key");
    }
    let secret = match &gateway.jwt_secret {
        Some(secret) => secret.clone(),
        None => secret::existing(&settings.data_dir)?,
    };
    let signer = Signer::new(&secret, gateway.jwt_issuer.clone(), gateway.jwt_audience.clone())?;
    let user_id = UserId::try_from(user).context("--user")?;
    Ok(signer.issue(Identity { user_id, role }, World::real().clock.now(), TOKEN_LIFETIME)?)
}

async fn print_audit(settings: Config) -> anyhow::Result<()> {
    let report = audit::run(&settings.sources()?, AUDIT_PATIENCE, World::real()).await?;
    print(&report.to_string())?;
    match report.violations.len() {
        0 => Ok(()),
        1 => anyhow::bail!("1 violation"),
        many => anyhow::bail!("{many} violations"),
    }
}

/// Prints for people. A reader that is gone is no error of ours.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("can't print"),
        _ => Ok(()),
    }
}
