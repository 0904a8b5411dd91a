//! Seven programs that know each other by their certificates.

use oxcart::Program;
use reqwest::StatusCode;
use testkit::{Authority, Certificate, TempDir};

use crate::harness::{Shop, program};

/// The paths of the certificate and its key, in a directory of their own.
fn files(dir: &TempDir, name: &str, certificate: &Certificate) -> [String; 2] {
    let own = dir.path().join(name);
    std::fs::create_dir(&own).unwrap();
    certificate.write(&own);
    ["tls.crt", "tls.key"].map(|file| own.join(file).to_str().unwrap().to_owned())
}

/// The variables of a whole shop whose certificates are of this authority.
fn variables(dir: &TempDir, ca: &Authority) -> Vec<(String, String)> {
    let root = dir.path().join("ca.crt");
    std::fs::write(&root, ca.pem()).unwrap();
    let root = root.to_str().unwrap();
    let mut variables = Vec::new();
    for program in Program::ALL {
        let [cert, key] = files(dir, program.name(), &ca.sign(&["127.0.0.1"]));
        let prefix = program.name().to_uppercase();
        variables.push((format!("{prefix}_TLS_CERT"), cert));
        variables.push((format!("{prefix}_TLS_KEY"), key));
    }
    variables.push(("TLS_CLIENT_CA".to_owned(), root.to_owned()));
    let [cert, key] = files(dir, "gateway", &ca.sign(&["gateway"]));
    variables.push(("TLS_PEER_CERT".to_owned(), cert));
    variables.push(("TLS_PEER_KEY".to_owned(), key));
    variables.push(("TLS_PEER_CA".to_owned(), root.to_owned()));
    variables
}

#[tokio::test(flavor = "multi_thread")]
async fn t1_seven_programs_buy_something_by_mutual_tls() {
    let (dir, ca) = (TempDir::new().unwrap(), Authority::new());
    let variables = variables(&dir, &ca);
    let shop = Shop::programs_with(&variables).await;
    let (admin, user) = (shop.admin(), shop.user(7));
    let product = admin.stock_new("Lock", 5).await;
    user.add(product, 2).await;
    let bought = user.buy("a").await;
    assert_eq!(bought.status, StatusCode::CREATED, "{bought:?}");
    user.orders(1).await;
    user.cart_becomes(&[]).await;
    assert_eq!(user.stock(product).await, (3, 0));
    shop.audit().await;
    let stranger = Authority::new();
    let (strangers, port) = (TempDir::new().unwrap(), shop.port_of(Program::Payment));
    for (who, variables, answered) in [
        ("one of ours", variables.as_slice(), true),
        ("a stranger", &self::variables(&strangers, &stranger), false),
        ("in the clear", &[], false),
    ] {
        let mut healthcheck = program("payment-service");
        healthcheck.envs(variables.iter().cloned()).env("PAYMENT_SERVICE_PORT", &port).arg("healthcheck");
        let output = healthcheck.output().unwrap();
        assert_eq!(output.status.success(), answered, "{who}: {output:?}");
    }
    shop.stop().await;
}
