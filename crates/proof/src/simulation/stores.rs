//! The stores of the shop: the real ones, in files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use event_log::Archive as _;
use inventory_service::stock::OnHand;
use oxcart::audit::{Facts, History, Log as LogFacts};
use payment_service::provider::simulated::ledger::{self, Ledger};
use platform::World;
use platform::clock::Clock;
use platform::config::Location;
use platform::grpc::Server;
use platform::ids::RandomIds;
use platform::metrics::Metrics;
use platform::trace::Tracer;
use proto::events::{CHECKOUT_EVENTS, ORDER_EVENTS};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, SqliteConnection};
use tokio::runtime::Runtime;
use types::ProductId;
use uuid::Uuid;

use super::log::Log;
use super::nature::Time;
use super::process::JUMP;

/// Products of the first catalogue, of each of which a world has so many.
pub(super) const PRODUCTS: [(i64, i64); 3] = [(1, 4), (2, 2), (3, 60)];

/// The stores, opened once for many worlds: to open them takes longer than a world does.
pub(super) struct Stores {
    pub(super) inventory: Arc<dyn inventory_service::store::Store>,
    pub(super) payments: Arc<dyn payment_service::store::Store>,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) orders: Arc<dyn orders_service::store::Store>,
    pub(super) checkouts: Arc<dyn checkout_service::store::Store>,
    pub(super) carts: Arc<dyn cart_service::store::Store>,
    /// The catalogue, of which nothing changes.
    pub(super) product: Server,
    pub(super) time: Arc<Time>,
    files: Vec<File>,
    /// Where the stores work. Last, so that it is there until they are gone.
    pub(super) medium: Runtime,
}

/// A file of a store, and what empties it.
struct File {
    connection: SqliteConnection,
    clearing: String,
}

impl Stores {
    /// Opens empty stores in this directory.
    pub(super) fn open(directory: &Path) -> anyhow::Result<Self> {
        let medium = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let time = Time::new();
        let clock: Arc<dyn Clock> = time.clone();
        let world =
            World { clock, ids: Arc::new(RandomIds), metrics: Metrics::none(), tracer: Tracer::default() };
        let path = |name: &str| directory.join(name);
        let file = |name: &str| Location::File(path(name));
        let names = ["inventory.db", "payments.db", "provider.db", "orders.db", "checkouts.db", "carts.db"];
        let [inventory, payments, provider, orders, checkouts, carts] = names;
        medium
            .block_on(async {
                let product = product_service::open(&file("products.db"), World::real()).await?;
                let carts: Arc<dyn cart_service::store::Store> =
                    Arc::new(cart_service::store::Sqlite::open(&path(carts), &world.metrics).await?);
                let inventory = inventory_service::store::open(&file(inventory), &world.metrics).await?;
                let payments = payment_service::store::open(&file(payments), &world.metrics).await?;
                let ledger = ledger::open(&file(provider), &world.metrics).await?;
                let orders = orders_service::store::open(&file(orders), Uuid::nil(), &world.metrics).await?;
                let checkouts = checkout_service::store::open(&file(checkouts), &world).await?;
                let mut files = Vec::new();
                for name in names {
                    files.push(
                        File::open(path(name)).await.with_context(|| format!("{name} can't be opened"))?,
                    );
                }
                let product = product.grpc();
                Ok::<_, anyhow::Error>((
                    inventory, payments, ledger, orders, checkouts, carts, product, files,
                ))
            })
            .map(|(inventory, payments, ledger, orders, checkouts, carts, product, files)| Self {
                inventory,
                payments,
                ledger,
                orders,
                checkouts,
                carts,
                product,
                time,
                files,
                medium,
            })
    }

    /// Forgets everything, and stocks [`PRODUCTS`].
    pub(super) fn reset(&mut self) -> anyhow::Result<()> {
        let Self { medium, files, inventory, time, .. } = self;
        medium.block_on(async {
            for file in files {
                let clearing = AssertSqlSafe(file.clearing.clone());
                sqlx::raw_sql(clearing).execute(&mut file.connection).await?;
            }
            for (product, count) in PRODUCTS {
                let stocked =
                    inventory.set_on_hand(product_id(product)?, OnHand::try_from(count)?, time.now());
                stocked.await??;
            }
            Ok(())
        })
    }

    /// All there is, as of a moment later than any clock ever said.
    pub(super) async fn facts(&self, log: &Log, history: History) -> anyhow::Result<Facts> {
        let topics = [CHECKOUT_EVENTS, ORDER_EVENTS];
        Ok(Facts {
            now: self.time.now().after(2 * JUMP),
            checkouts: self.checkouts.snapshot().await?,
            inventory: self.inventory.snapshot().await?,
            payments: self.payments.snapshot().await?,
            provider: self.ledger.entries().await?,
            orders: self.orders.snapshot().await?,
            carts: self.carts.snapshot().await?,
            log: LogFacts {
                ends: log.ends(&topics).await?,
                progress: log.progress(&["orders-service", "cart-service"], &topics).await?,
                checkout_events: log.events(CHECKOUT_EVENTS).await?,
                order_events: log.events(ORDER_EVENTS).await?,
                dead_letters: log.dead_letters(&topics).await?,
            },
            history,
        })
    }
}

pub(super) fn product_id(id: i64) -> anyhow::Result<ProductId> {
    Ok(ProductId::try_from(id)?)
}

impl File {
    async fn open(path: PathBuf) -> anyhow::Result<Self> {
        let mut connection = SqliteConnectOptions::new().filename(path).foreign_keys(false).connect().await?;
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> '_sqlx_migrations' \
             AND (name = 'sqlite_sequence' OR name NOT LIKE 'sqlite\\_%' ESCAPE '\\')",
        )
        .fetch_all(&mut connection)
        .await?;
        // What may never be deleted in a shop, is forgotten with its world.
        let guards: Vec<String> = sqlx::query_scalar(
            "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '% BEFORE DELETE %'",
        )
        .fetch_all(&mut connection)
        .await?;
        for guard in guards {
            sqlx::raw_sql(AssertSqlSafe(format!("DROP TRIGGER {guard}"))).execute(&mut connection).await?;
        }
        let deletes: String = tables.iter().map(|table| format!("DELETE FROM {table}; ")).collect();
        Ok(Self { connection, clearing: format!("BEGIN IMMEDIATE; {deletes}COMMIT") })
    }
}
