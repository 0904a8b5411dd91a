//! The gateway as a value.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use http::HeaderValue;
use platform::World;
use redis_link::Link;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use types::UserId;

use crate::auth::{Identity, Role, Signer, Verifier, random_secret};
use crate::client_address::Network;
use crate::config::{AuthMode, Config, Settings, Timeouts};
use crate::durations::Durations;
use crate::events::Streams;
use crate::limits::Limits;
use crate::load::Load;
use crate::openapi::Document;
use crate::peers::Peers;
use crate::products::pages::Catalogue;
use crate::retries::Retries;
use crate::routes::Policy;
use crate::{routes, serve};

/// The gateway, ready to serve.
pub struct Gateway {
    shop: Shop,
    router: Router,
    port: serve::Opened,
}

/// What handlers work with.
pub(crate) type Shop = Arc<Inner>;

pub(crate) struct Inner {
    pub(crate) peers: Peers,
    pub(crate) retries: Retries,
    pub(crate) auth: Auth,
    pub(crate) limits: Option<Limits>,
    pub(crate) load: Load,
    pub(crate) durations: Durations,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) cors_origins: Vec<HeaderValue>,
    /// `Strict-Transport-Security`, where it is to be said.
    pub(crate) hsts: Option<HeaderValue>,
    pub(crate) checkout_wait: Duration,
    pub(crate) streams: Streams,
    pub(crate) catalogue: Catalogue,
    pub(crate) timeouts: Timeouts,
    pub(crate) document: Document,
    pub(crate) world: World,
}

/// Who may be who.
pub(crate) struct Auth {
    pub(crate) verifier: Verifier,
    /// What mode dev has and mode jwt has not.
    pub(crate) dev: Option<Dev>,
}

/// For work on one's own machine.
pub(crate) struct Dev {
    /// Makes tokens for whoever asks.
    pub(crate) signer: Signer,
    /// Who stands in for a request without a token.
    pub(crate) nobody: Identity,
}

/// Makes a gateway in front of these services, to be served on `address`. Refuses mode jwt without a key or with
/// two kinds of them, mode dev with keys that it can't sign with, and mode dev on an address that others can reach
/// unless that is what the settings ask for.
pub async fn open(
    settings: Settings,
    address: IpAddr,
    peers: Peers,
    world: World,
) -> anyhow::Result<Gateway> {
    let open_to_all = !address.is_loopback() && !settings.dev_on_any_address;
    if settings.auth_mode == AuthMode::Dev && open_to_all {
        bail!(
            "AUTH_MODE=dev lets everybody in and BIND_ADDR={address} can be reached from other machines; wanted: a \
             loopback address such as 127.0.0.1, or AUTH_MODE=jwt"
        );
    }
    let world = world.of("api-gateway");
    let port = serve::open(settings.port.clone()).await?;
    let link = settings.redis.as_ref().map(Link::open).transpose()?;
    let limits = NonZeroU32::new(settings.rate_limit_rps)
        .zip(NonZeroU32::new(settings.rate_limit_burst))
        .map(|(rps, burst)| Limits::new(rps, burst, link, &world.metrics));
    let hsts = settings.strict_transport_security();
    let shop = Arc::new(Inner {
        peers,
        retries: Retries::default(),
        auth: Auth::open(&settings, &world).await?,
        limits,
        load: Load::new(settings.max_requests, &world.metrics),
        durations: Durations::new(&world.metrics),
        trusted_proxies: settings.trusted_proxies,
        cors_origins: settings.cors_origins,
        hsts,
        checkout_wait: Duration::from_millis(settings.checkout_wait_ms),
        streams: Streams::new(settings.streams, &world.metrics),
        catalogue: Catalogue::new(&world.metrics),
        timeouts: settings.timeouts,
        document: Document::new(&routes::document(settings.auth_mode))?,
        world,
    });
    let router = routes::router(&shop);
    Ok(Gateway { shop, router, port })
}

impl Auth {
    async fn open(settings: &Settings, world: &World) -> anyhow::Result<Self> {
        match settings.auth_mode {
            AuthMode::Jwt => {
                let verifier = Verifier::open(settings, world).await?;
                Ok(Self { verifier, dev: None })
            }
            AuthMode::Dev => {
                if let Some(variable) = settings.public_keys() {
                    bail!(
                        "AUTH_MODE=dev signs tokens and {variable} can't; wanted: AUTH_MODE=jwt, or no {variable}"
                    );
                }
                let secret = settings.jwt_secret.clone().unwrap_or_else(random_secret);
                let (issuer, audience) = (settings.jwt_issuer.clone(), settings.jwt_audience.clone());
                let signer = Signer::new(&secret, issuer, audience)?;
                let nobody = Identity { user_id: UserId::try_from(1)?, role: Role::Admin };
                let settings = Settings { jwt_secret: Some(secret), ..settings.clone() };
                let verifier = Verifier::open(&settings, world).await?;
                Ok(Self { verifier, dev: Some(Dev { signer, nobody }) })
            }
        }
    }

    pub(crate) fn mode(&self) -> AuthMode {
        if self.dev.is_some() { AuthMode::Dev } else { AuthMode::Jwt }
    }
}

impl Gateway {
    /// Every route with everything around it. Client addresses are read from the extension
    /// `ConnectInfo<SocketAddr>`, which [`Gateway::serve`] sets; it is also what follows a key set that is published.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Every route with its policy.
    pub fn policies(&self) -> Vec<Policy> {
        routes::policies(self.shop.auth.mode())
    }

    /// Serves HTTP/1.1 and HTTP/2 until the shutdown, then ends event streams and finishes what else runs.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
        let address = listener.local_addr().context("the listener has no address")?;
        tracing::info!(%address, mode = ?self.shop.auth.mode(), "gateway listening");
        let served = tokio::select! {
            served = self.port.serve(&self.shop, self.router, listener, shutdown.clone()) => served,
            never = self.shop.auth.verifier.keep_fresh() => match never {},
            never = self.shop.streams.end_at(shutdown) => match never {},
        };
        if let Some(limits) = &self.shop.limits {
            limits.close().await;
        }
        served
    }
}

/// The whole program: listens, reaches the services over TCP, serves until the shutdown.
pub async fn run(config: Config, world: World, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = config.listen.bind().await?;
    let security = config.peer_tls.open().await?;
    let peers = Peers::connect(&config.peers, &security, &world.metrics)?;
    let address = config.listen.bind_addr;
    let gateway = open(config.settings(), address, peers, world).await?;
    tokio::select! {
        served = gateway.serve(listener, shutdown) => served,
        never = security.follow() => match never {},
    }
}
