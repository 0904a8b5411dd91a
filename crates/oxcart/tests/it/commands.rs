//! The commands beside a running shop, and the ways in which a start is refused.

use std::sync::Arc;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use testkit::TempDir;

use crate::harness::{Shop, program};
use crate::settings::PROGRAMS;

/// Ports of any program.
const ANY_PORT: [(&str, &str); 3] = [("HTTP_PORT", "0"), ("GRPC_PORT", "0"), ("GRPC_BASE_PORT", "0")];

fn run(dir: &TempDir, arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let output = program("oxcart")
        .args(arguments)
        .env("DATA_DIR", dir.path())
        .env("HTTP_PORT", "0")
        .env("GRPC_BASE_PORT", "0")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_shop_is_walked_through_and_audited() {
    let dir = Arc::new(TempDir::new().unwrap());
    let shop = Shop::oxcart(dir.clone(), &[("AUTH_MODE", "dev")]).await;
    let (code, out, err) = run(&dir, &["demo", "--url", &shop.url], &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    for step in ["COMPLETED", "is CONFIRMED, 149.97 USD", "198 available, 0 reserved"] {
        assert!(out.contains(step), "{step} is not in {out}");
    }
    let (code, out, err) = run(&dir, &["demo"], &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "the shop is found by its directory: {out}");
    let (code, out, err) = run(&dir, &["audit"], &[]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("no violations"), "{out}");

    let (code, _, err) = run(&dir, &[], &[]);
    assert_eq!(code, Some(1));
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(
        err.contains("is in use by another process") && err.contains(dir.path().to_str().unwrap()),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planted_violation_is_found() {
    let dir = Arc::new(TempDir::new().unwrap());
    let shop = Shop::oxcart(dir.clone(), &[]).await;
    let user = shop.user(1);
    user.add(1, 1).await;
    user.buy("a").await;
    user.orders(1).await;
    shop.kill();
    // A unit of product 1 is sold that nobody bought.
    let stock = SqliteConnectOptions::new().filename(dir.path().join("inventory.db"));
    let mut stock = stock.connect().await.unwrap();
    let sell =
        sqlx::query("UPDATE stock SET available = available - 1, sold = sold + 1 WHERE product_id = 1");
    assert_eq!(sell.execute(&mut stock).await.unwrap().rows_affected(), 1);
    stock.close().await.unwrap();
    let (code, out, err) = run(&dir, &["audit"], &[]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("S2"), "{out}");
    assert!(err.contains("violation"), "{err}");
}

#[test]
fn a_start_that_can_not_be_says_why_in_one_line() {
    let dir = TempDir::new().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let cases = [
        (
            vec![("HTTP_PORT", port.as_str())],
            format!("can't listen on 127.0.0.1:{port}, choose another HTTP_PORT"),
        ),
        (vec![("HTTP_PORT", "many")], "HTTP_PORT=many can't be used".to_owned()),
        (vec![("JWT_SECRET", "hunter2")], "JWT_SECRET=*** can't be used".to_owned()),
        (vec![("AUTH_MODE", "dev"), ("BIND_ADDR", "0.0.0.0")], "AUTH_MODE".to_owned()),
        (
            vec![("JWKS_URL", "http://u:hunter2@id.example/")],
            "JWKS_URL=*** can't be used; wanted: ".to_owned(),
        ),
        (
            vec![("AUTH_MODE", "dev"), ("JWT_SECRET", ""), ("JWT_PUBLIC_KEY", "key.pem")],
            "AUTH_MODE=dev signs tokens and JWT_PUBLIC_KEY can't".to_owned(),
        ),
        (vec![("PRODUCT_DATABASE_URL", "mysql://u:hunter2@h/db")], "mysql:// is not supported".to_owned()),
        (vec![("PAYMENT_SUCCESS_RATE", "2")], "PAYMENT_SUCCESS_RATE=2 can't be used".to_owned()),
    ];
    for (variables, wanted) in cases {
        let (code, out, err) = run(&dir, &[], &variables);
        assert!(code.is_some_and(|code| code != 0), "{variables:?}");
        assert!(err.contains(&wanted), "{variables:?}: {err}");
        assert_eq!((out.as_str(), err.lines().count()), ("", 1), "{variables:?}: {err}");
        assert!(!err.contains("hunter2"), "{err}");
    }
}

#[test]
fn whoever_can_not_start_says_its_own_name() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    for name in PROGRAMS {
        let mut command = program(name);
        // The gateway keeps no data; it has no way to tell its clients apart.
        command.env("DATA_DIR", &file).env_remove("JWT_SECRET");
        let output = command.envs(ANY_PORT).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), err.lines().count()), (Some(1), 1), "{name}: {err}");
        assert!(err.starts_with(&format!("{name}: ")), "{err}");
    }
}

#[test]
fn a_token_is_printed_and_an_audit_needs_a_shop() {
    let dir = TempDir::new().unwrap();
    let (code, out, _) = run(&dir, &["token", "--user", "7", "--role", "admin"], &[]);
    assert_eq!((code, out.trim().split('.').count()), (Some(0), 3), "{out}");
    let (code, _, err) = run(&dir, &["audit"], &[]);
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    let (code, _, err) = run(&dir, &["demo"], &[]);
    assert_eq!((code, err.lines().count()), (Some(1), 1), "{err}");
    let (code, _, err) = run(&dir, &["demo", "--url", "https://localhost:1"], &[]);
    let said = "oxcart demo: https://localhost:1 speaks TLS, which the demo does not; wanted: a shop without TLS_CERT\n";
    assert_eq!((code, err.as_str()), (Some(1), said));
    let nowhere = dir.path().join("nowhere");
    let elsewhere = [("DATA_DIR", nowhere.to_str().unwrap()), ("JWT_SECRET", "")];
    let (code, out, err) = run(&dir, &["token", "--user", "7"], &elsewhere);
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(1), "", 1), "{err}");
    assert!(!nowhere.exists(), "a token for no shop makes nothing");
    let (code, out, err) = run(&dir, &["token", "--user", "7"], &[("JWKS_URL", "https://id.example/keys")]);
    assert_eq!((code, out.as_str(), err.lines().count()), (Some(1), "", 1), "{err}");
    assert!(err.contains("signs no tokens where JWKS_URL is set"), "{err}");
    let (code, _, _) = run(&dir, &["token", "--user", "0"], &[]);
    assert_eq!(code, Some(2));
}
