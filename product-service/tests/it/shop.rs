//! A catalogue to be tested, and short ways to speak with it.

use platform::config::{self, Location};
use platform::grpc::Server;
use platform::health::Health;
use platform::tasks::Tasks;
use platform::transport::Transport;
use proto::common::Money;
use proto::product::product_service_client::ProductServiceClient;
use proto::product::{CreateProductRequest, GetProductsRequest, Product, UpdateProductRequest};
use proto::status::{Reason, reason, violations};
use sql::postgres::Scratch;
use testkit::{Engine, ManualClock, TempDir};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Response, Status};

pub(crate) type Client = ProductServiceClient<Transport>;

/// What makes one case of a table differ from the usual request.
pub(crate) type Change<R> = fn(&mut R);

/// Where the products of a test are kept.
pub(crate) enum Home {
    Directory(TempDir),
    Database(Box<Scratch>),
    /// Another one's, or the way to it.
    Elsewhere(Location),
}

impl Home {
    pub(crate) fn directory() -> Self {
        Self::Directory(TempDir::new().unwrap())
    }

    /// None where no PostgreSQL was started.
    pub(crate) async fn database() -> Option<Self> {
        Some(Self::Database(Box::new(Scratch::new(&Engine::Postgres.url()?).await.unwrap())))
    }

    pub(crate) fn location(&self) -> Location {
        match self {
            Self::Directory(directory) => Location::File(directory.path().join("product.db")),
            Self::Database(scratch) => Location::Postgres(scratch.server().clone()),
            Self::Elsewhere(location) => location.clone(),
        }
    }

    /// A database at this URL.
    pub(crate) fn at(url: &str) -> Self {
        let server = config::Server { url: url.to_owned(), variable: "DATABASE_URL".to_owned() };
        Self::Elsewhere(Location::Postgres(server))
    }

    /// Clears away.
    pub(crate) async fn end(self) {
        match self {
            Self::Directory(_) | Self::Elsewhere(_) => {}
            Self::Database(scratch) => (*scratch).drop().await.unwrap(),
        }
    }
}

/// An open catalogue that works until it is closed.
pub(crate) struct Shop {
    pub(crate) home: Home,
    pub(crate) clock: ManualClock,
    pub(crate) health: Health,
    transport: Transport,
    shutdown: CancellationToken,
    tasks: Tasks,
}

impl Shop {
    /// A new one, called in process.
    pub(crate) async fn new() -> Self {
        Self::on(Home::directory()).await
    }

    /// The one at this place, called in process.
    pub(crate) async fn on(home: Home) -> Self {
        Self::open(home, async |server, _, _| Transport::in_process("product", server)).await
    }

    /// Another instance at the same place.
    pub(crate) async fn beside(&self) -> Self {
        Self::on(Home::Elsewhere(self.home.location())).await
    }

    /// A new one, called over TCP.
    pub(crate) async fn over_tcp() -> Self {
        let connect = async |server: &Server, tasks: &mut Tasks, shutdown: CancellationToken| {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap().to_string();
            tasks.spawn("server", server.clone().serve(listener, shutdown));
            Transport::connect("product", &address).unwrap()
        };
        Self::open(Home::directory(), connect).await
    }

    async fn open(
        home: Home,
        connect: impl AsyncFnOnce(&Server, &mut Tasks, CancellationToken) -> Transport,
    ) -> Self {
        let (world, clock) = testkit::world();
        let service = product_service::open(&home.location(), world).await.unwrap();
        let shutdown = CancellationToken::new();
        let mut tasks = Tasks::new(shutdown.clone());
        let transport = connect(&service.grpc(), &mut tasks, shutdown.clone()).await;
        let (stop, health) = (shutdown.clone(), service.grpc().health());
        tasks.spawn("work", async move { service.work(stop).await });
        Self { home, clock, health, transport, shutdown, tasks }
    }

    /// Stops everything and gives its place back.
    pub(crate) async fn close(self) -> Home {
        self.shutdown.cancel();
        self.tasks.join().await.unwrap();
        self.home
    }

    pub(crate) fn client(&self) -> Client {
        ProductServiceClient::new(self.transport.clone())
    }
}

pub(crate) fn usd(minor_units: i64) -> Option<Money> {
    money("USD", minor_units)
}

pub(crate) fn money(currency_code: &str, minor_units: i64) -> Option<Money> {
    Some(Money { currency_code: currency_code.into(), minor_units })
}

/// A product to create.
pub(crate) fn tablet() -> CreateProductRequest {
    CreateProductRequest {
        name: "Tablet".into(),
        description: "Flat.".into(),
        category: "Computers".into(),
        price: usd(49_999),
        image_url: "/images/tablet.jpg".into(),
    }
}

/// The same product for a place that is taken already.
pub(crate) fn tablet_for(product_id: i64, expected_version: Option<i64>) -> UpdateProductRequest {
    update_to(product_id, tablet(), expected_version)
}

pub(crate) fn update_to(
    product_id: i64,
    details: CreateProductRequest,
    expected_version: Option<i64>,
) -> UpdateProductRequest {
    let CreateProductRequest { name, description, category, price, image_url } = details;
    UpdateProductRequest { product_id, name, description, category, price, image_url, expected_version }
}

/// Follows the page tokens from the first page to the last.
pub(crate) async fn all_pages(client: &mut Client, first: GetProductsRequest) -> Vec<Product> {
    let (mut products, mut request) = (Vec::new(), first);
    loop {
        let page = client.get_products(request.clone()).await.unwrap().into_inner();
        products.extend(page.products);
        if page.next_page_token.is_empty() {
            return products;
        }
        request.page_token = page.next_page_token;
    }
}

/// Code, reason, field and the message for people of a refusal.
pub(crate) fn refusal<T: std::fmt::Debug>(
    answer: Result<Response<T>, Status>,
) -> (Code, Option<Reason>, Option<String>, String) {
    let status = answer.unwrap_err();
    let field = violations(&status).into_iter().next().map(|(field, _)| field);
    (status.code(), reason(&status), field, status.message().to_owned())
}
