//! What does not come through the gateway: neither a client's words to the services, nor the client to what is inside.

use std::net::SocketAddr;
use std::time::Duration;

use api_gateway::auth::Role;
use api_gateway::{AuthMode, Settings};
use proto::cart::GetCartRequest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fake::Fake;
use crate::replies::cart;
use crate::shop::{Shop, ask, gateway, settings};

const SOON: Duration = Duration::from_secs(5);

/// What a service hears: from us, and from the transport.
const HEARD: [&str; 7] = [
    "x-request-id",
    "traceparent",
    "grpc-timeout",
    "te",
    "content-type",
    "user-agent",
    "grpc-accept-encoding",
];

/// Headers with which somebody may pass for somebody else, or for a part of the shop.
const NAMES: [&str; 27] = [
    "x-user-id",
    "x-user",
    "x-user-role",
    "x-role",
    "x-admin",
    "x-auth-request-user",
    "x-remote-user",
    "x-consumer-id",
    "x-caller",
    "x-internal",
    "x-gateway-internal",
    "x-user-id-internal",
    "user-id",
    "grpc-timeout",
    "grpc-internal",
    "grpc-status",
    "grpc-encoding",
    "grpc-previous-rpc-attempts",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-user",
    "x-real-ip",
    "x-original-url",
    "x-http-method-override",
    "cookie",
    "tracestate",
    "baggage",
];

/// Ways to write a header.
fn variants(name: &str) -> [Vec<String>; 8] {
    let mixed = |(i, c): (usize, char)| if i % 2 == 0 { c.to_ascii_uppercase() } else { c };
    let name = name.to_owned();
    [
        vec![name.clone()],
        vec![name.to_ascii_uppercase()],
        vec![name.chars().enumerate().map(mixed).collect()],
        vec![name.replace('-', "_")],
        vec![name.clone(), name.clone()],
        vec![name.clone(), name.to_ascii_uppercase(), name.replace('-', "_")],
        vec![format!("{name}-bin")],
        vec![format!("{name}-internal"), format!("{name}_internal").to_ascii_uppercase()],
    ]
}

/// A gateway behind a port, for what only raw bytes can say.
async fn listening() -> (Shop, SocketAddr, JoinSet<anyhow::Result<()>>) {
    let services = Fake::default();
    let (world, clock) = testkit::world();
    let gateway = gateway(Settings { auth_mode: AuthMode::Jwt, ..settings() }, &services, world).await;
    let router = gateway.router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut serving = JoinSet::new();
    serving.spawn(gateway.serve(listener, CancellationToken::new()));
    (Shop { services, clock, router }, address, serving)
}

#[tokio::test]
async fn g1_services_hear_nothing_that_a_client_made_up() {
    let (shop, address, _serving) = listening().await;
    shop.services.replies("get_cart", cart());
    let token = shop.token(7, Role::User);
    let mut tried = 0;
    for headers in NAMES.into_iter().flat_map(variants) {
        let made_up: String = headers.iter().map(|name| format!("{name}: 8\r\n")).collect();
        let request = format!(
            "GET /api/v1/cart HTTP/1.1\r\nhost: shop\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\
             {made_up}\r\n"
        );
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{made_up}{answer}");
        tried += 1;

        let asked = shop.services.asked::<GetCartRequest>("get_cart");
        assert_eq!((asked.len(), asked.last().unwrap().user_id), (tried, 7), "{made_up}");
        let metadata = shop.services.metadata().into_headers();
        for (name, value) in &metadata {
            assert!(HEARD.contains(&name.as_str()) && value != "8", "{made_up}{name}: {value:?}");
            assert_eq!(metadata.get_all(name).iter().count(), 1, "{made_up}{name}");
        }
    }
    assert_eq!(tried, NAMES.len() * 8);
}

#[tokio::test]
async fn g1_a_trace_goes_on_and_a_deadline_is_ours() {
    let shop = Shop::guarded().await;
    shop.services.replies("get_cart", cart());
    let bearer = format!("Bearer {}", shop.token(7, Role::User));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (sent, kept) in [(trace, true), ("00-evil", false), (&trace.replace("0af", "xyz"), false)] {
        let headers =
            [("authorization", bearer.as_str()), ("traceparent", sent), ("grpc-timeout", "1n"), ("te", "8")];
        assert_eq!(shop.send(ask("GET", "/api/v1/cart", &headers, "")).await.status, 200);
        let metadata = shop.services.metadata().into_headers();
        let heard = metadata["traceparent"].to_str().unwrap();
        assert_eq!(heard.starts_with(&sent[..sent.len().min(35)]), kept, "{heard}");
        assert_eq!(heard == sent, kept, "nothing is recorded here, so that no span of ours is its parent");
        assert_ne!(metadata["grpc-timeout"], "1n");
        assert!(metadata.get("authorization").is_none(), "a token stays here");
    }
}

#[tokio::test]
async fn g4_what_is_inside_is_not_reachable_from_outside() {
    let shop = Shop::guarded().await;
    let bearer = format!("Bearer {}", shop.token(7, Role::Admin));
    let inside = [
        "/metrics",
        "/debug",
        "/debug/pprof/",
        "/debug/vars",
        "/admin",
        "/actuator/env",
        "/internal",
        "/api/internal/orders",
        "/api/v1/internal",
        "/healthz",
        "/health/grpc",
        "/status",
        "/config",
        "/env",
        "/.env",
        "/.git/config",
        "/server-status",
        "/product.ProductService/GetProducts",
        "/cart.CartService/GetCart",
        "/cart.AddCartItemService/AddItem",
        "/inventory.InventoryService/SetStock",
        "/payment.PaymentService/Refund",
        "/checkout.CheckoutService/InitiateCheckout",
        "/orders.OrdersService/UpdateOrderStatus",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "http://localhost:50051/product.ProductService/GetProducts",
        "http://169.254.169.254/latest/meta-data",
    ];
    for path in inside {
        for (method, content_type) in [
            ("GET", "application/json"),
            ("POST", "application/grpc"),
            ("POST", "application/grpc-web+proto"),
        ] {
            let headers =
                [("authorization", bearer.as_str()), ("content-type", content_type), ("te", "trailers")];
            let answer = shop.send(ask(method, path, &headers, "\0\0\0\0\0")).await;
            answer.problem(404, "route_not_found");
        }
    }
    assert_eq!(shop.services.calls(), 0);
}
