//! A database that is not there yet, and one that goes away.

use std::time::Duration;

use platform::config::{Location, Server};
use proto::orders::GetOrderRequest;
use proto::status::reason;
use testkit::{Port, eventually};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::Code;

use crate::fixtures;
use crate::places::{Place, in_postgres};
use crate::shop::{PATIENCE, Shop, event};

#[tokio::test]
async fn a_database_that_comes_and_goes_is_waited_for() {
    in_postgres(async |place| {
        let mut way = Way::to(place).await;
        let shop = Shop::open_at(place, &way.location).await;
        for number in 1..=2 {
            let completed = fixtures::completed(number, 7);
            serves(&shop, false).await;
            shop.publish(&[event(&completed)]).await;
            let request = GetOrderRequest { order_id: completed.order_id.to_string(), user_id: 7 };
            let refused = shop.client().get_order(request.clone()).await.unwrap_err();
            assert_eq!((refused.code(), reason(&refused)), (Code::Unavailable, None));

            way.open().await;
            serves(&shop, true).await;
            let mut client = shop.client();
            eventually("the order is made", PATIENCE, async || {
                shop.clock.advance(Duration::from_secs(1));
                client.get_order(request.clone()).await.is_ok()
            })
            .await;
            way.cut().await;
        }
        way.open().await;
        serves(&shop, true).await;
        eventually("both are told", PATIENCE, async || {
            shop.clock.advance(Duration::from_secs(1));
            // The first ones to read find the connections that were cut.
            let Ok(snapshot) = shop.service.store().snapshot().await else { return false };
            snapshot.outbox.iter().filter(|written| written.published).count() == 2
        })
        .await;
        shop.stop().await;
    })
    .await;
}

async fn serves(shop: &Shop, serving: bool) {
    eventually("the health to follow", PATIENCE, async || {
        // Not by much: a probe that takes two seconds of this clock has failed.
        shop.clock.advance(Duration::from_millis(50));
        shop.service.grpc().health().is_serving() == serving
    })
    .await;
}

/// A way to the server that can be cut.
struct Way {
    /// This end of it.
    location: Location,
    port: Port,
    server: String,
    open: JoinSet<()>,
}

impl Way {
    /// A way that is not open yet.
    async fn to(place: &Place) -> Self {
        let Location::Postgres(Server { url, variable }) = place.orders() else {
            panic!("the place is a file")
        };
        let (start, rest) = url.split_once('@').unwrap();
        let (server, name) = rest.split_once('/').unwrap();
        let port = Port::hold();
        let location =
            Location::Postgres(Server { url: format!("{start}@{}/{name}", port.address()), variable });
        Self { location, port, server: server.to_owned(), open: JoinSet::new() }
    }

    async fn open(&mut self) {
        let listener = TcpListener::bind(self.port.address()).await.unwrap();
        let server = self.server.clone();
        self.open.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let mut far = TcpStream::connect(&server).await.unwrap();
                connections.spawn(async move { copy_bidirectional(&mut near, &mut far).await });
            }
        });
    }

    async fn cut(&mut self) {
        self.open.shutdown().await;
    }
}
