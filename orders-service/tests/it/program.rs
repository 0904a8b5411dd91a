//! The program as it is started.

use std::ffi::OsString;

use orders_service::Config;
use orders_service::store;
use platform::World;
use platform::config::Location;
use testkit::{TempDir, eventually};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::places::{Place, in_every_place};
use crate::shop::PATIENCE;

#[test]
fn listens_on_its_own_port_by_default() {
    let dir = TempDir::new().unwrap();
    assert_eq!(config(&dir, &[]).listen.grpc_port, 50055);
    assert_eq!(config(&dir, &[("ORDERS_SERVICE_PORT", "7")]).listen.grpc_port, 7);
    let named = config(&dir, &[("ORDERS_DATABASE_URL", "sqlite://x.db")]);
    assert_eq!(named.data.store("orders").unwrap(), Location::File("x.db".into()));
}

in_every_place!(
    #[tokio::test]
    runs_until_told_to_stop_and_can_be_audited_meanwhile,
);

async fn runs_until_told_to_stop_and_can_be_audited_meanwhile(place: &Place) {
    let url = match place.orders() {
        Location::File(path) => format!("sqlite://{}", path.display()),
        Location::Postgres(server) => server.url,
    };
    let settings = config(place.dir(), &[("GRPC_PORT", "0"), ("DATABASE_URL", &url)]);
    let (shutdown, mut program) = (CancellationToken::new(), JoinSet::new());
    program.spawn(orders_service::run(settings, World::real(), shutdown.clone()));
    let audit = eventually("the orders are there", PATIENCE, async || {
        let store = store::open_read_only(&place.orders()).await.ok()?;
        store.snapshot().await.ok()
    });
    assert!(audit.await.orders.is_empty());
    shutdown.cancel();
    program.join_next().await.unwrap().unwrap().unwrap();
    assert!(place.dir().path().join("events.db").exists());
}

#[tokio::test]
async fn a_taken_port_is_found_out_before_anything_is_made() {
    let dir = TempDir::new().unwrap();
    let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let refused = {
        let config = config(&dir, &[("GRPC_PORT", &port)]);
        orders_service::run(config, World::real(), CancellationToken::new()).await
    };
    assert!(refused.unwrap_err().to_string().starts_with("can't listen on 127.0.0.1:"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

/// The settings of a program whose data lie in `dir`, with these variables.
fn config(dir: &TempDir, variables: &[(&str, &str)]) -> Config {
    let read = |name: &str| match name {
        "DATA_DIR" => Some(OsString::from(dir.path())),
        name => variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)),
    };
    platform::config::try_parse("ORDERS", ["orders-service".into()].into_iter(), &read).unwrap()
}
