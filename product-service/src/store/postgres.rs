//! Products in a PostgreSQL database, which several instances of the service may share.
//!
//! Each change is one statement that commits by itself and counts up the revision, last of all: the row of the
//! revision stays locked until the commit, so that who sees a revision sees every change up to it.

use async_trait::async_trait;
use platform::config::Server;
use platform::metrics::Metrics;
use sql::postgres::{Database, OpenError};
use sqlx::PgConnection;
use sqlx::types::time::OffsetDateTime;
use types::{Currency, Money, ProductId, Timestamp};

use super::{Changed, Listing, Revision, Store};
use crate::product::{Details, DetailsParts, Product};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/postgres");

/// The schema of the service.
const SCHEMA: &str = "product";

/// Products in a PostgreSQL database.
pub struct Postgres {
    database: Database,
}

impl Postgres {
    /// Opens the schema of the service, made with the products that a new shop sells if it is not there. A server
    /// that can't be reached yet is waited for in the background.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(server: &Server, metrics: &Metrics) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(server, SCHEMA, &MIGRATIONS, metrics).await? })
    }
}

#[async_trait]
impl Store for Postgres {
    async fn all(&self) -> Result<Listing, sql::Error> {
        let call = async {
            let mut connection = self.database.connection().await?;
            // One statement, so that both are of one moment; the revision has a row even where no product has.
            let rows: Vec<ListingRow> = sqlx::query_as(
                "SELECT revision, id, name, description, category, price_minor, currency, image_url,
                        version, created_at, updated_at
                 FROM catalogue LEFT JOIN products ON TRUE ORDER BY id",
            )
            .fetch_all(&mut *connection)
            .await?;
            let first = rows.first().ok_or_else(|| sql::Error::defect("the catalogue has no revision"))?;
            let revision = revision(first.revision)?;
            let products = rows.into_iter().filter_map(|row| row.product).map(Product::try_from);
            Ok(Listing { revision, products: products.collect::<Result<_, _>>()? })
        };
        self.database.within("SELECT products", call).await
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn revision(&self) -> Result<Revision, sql::Error> {
        let call = async {
            let mut connection = self.database.connection().await?;
            let number =
                sqlx::query_scalar("SELECT revision FROM catalogue").fetch_one(&mut *connection).await?;
            revision(number)
        };
        self.database.within("SELECT catalogue", call).await
    }

    async fn add(&self, details: &Details, now: Timestamp) -> Result<(Product, Revision), sql::Error> {
        let DetailsParts { name, description, category, price, image_url } = details.parts();
        let call = async {
            let mut connection = self.database.connection().await?;
            let row: ChangedRow = sqlx::query_as(
                "WITH added AS (
                     INSERT INTO products (name, description, category, price_minor, currency, image_url,
                                           version, created_at, updated_at)
                     VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7)
                     RETURNING id, name, description, category, price_minor, currency, image_url,
                               version, created_at, updated_at
                 ), counted AS (
                     UPDATE catalogue SET revision = revision + 1 WHERE EXISTS (SELECT FROM added)
                     RETURNING revision
                 )
                 SELECT revision, id, name, description, category, price_minor, currency, image_url,
                        version, created_at, updated_at
                 FROM added, counted",
            )
            .bind(name)
            .bind(description)
            .bind(category)
            .bind(price.minor)
            .bind(price.currency.code())
            .bind(image_url)
            .bind(OffsetDateTime::from(now))
            .fetch_one(&mut *connection)
            .await
            .map_err(sql::Error::of_autocommit)?;
            Ok((Product::try_from(row.product)?, revision(row.revision)?))
        };
        self.database.within("INSERT products", call).await
    }

    async fn replace(
        &self,
        id: ProductId,
        details: &Details,
        expected: Option<i64>,
        now: Timestamp,
    ) -> Result<Changed<Product>, sql::Error> {
        let DetailsParts { name, description, category, price, image_url } = details.parts();
        let call = async {
            let mut connection = self.database.connection().await?;
            // A clock that was set back must not make a product older than it was.
            let row: Option<ChangedRow> = sqlx::query_as(
                "WITH replaced AS (
                     UPDATE products
                     SET name = $3, description = $4, category = $5, price_minor = $6, currency = $7,
                         image_url = $8, version = version + 1, updated_at = greatest(updated_at, $9)
                     WHERE id = $1 AND ($2 IS NULL OR version = $2)
                     RETURNING id, name, description, category, price_minor, currency, image_url,
                               version, created_at, updated_at
                 ), counted AS (
                     UPDATE catalogue SET revision = revision + 1 WHERE EXISTS (SELECT FROM replaced)
                     RETURNING revision
                 )
                 SELECT revision, id, name, description, category, price_minor, currency, image_url,
                        version, created_at, updated_at
                 FROM replaced, counted",
            )
            .bind(id.get())
            .bind(expected)
            .bind(name)
            .bind(description)
            .bind(category)
            .bind(price.minor)
            .bind(price.currency.code())
            .bind(image_url)
            .bind(OffsetDateTime::from(now))
            .fetch_optional(&mut *connection)
            .await
            .map_err(sql::Error::of_autocommit)?;
            match row {
                Some(row) => Ok(Changed::Done(Product::try_from(row.product)?, revision(row.revision)?)),
                None => refused(&mut connection, id).await,
            }
        };
        self.database.within("UPDATE products", call).await
    }

    async fn remove(&self, id: ProductId, expected: Option<i64>) -> Result<Changed<()>, sql::Error> {
        let call = async {
            let mut connection = self.database.connection().await?;
            let removed: Option<i64> = sqlx::query_scalar(
                "WITH removed AS (
                     DELETE FROM products WHERE id = $1 AND ($2 IS NULL OR version = $2) RETURNING id
                 ), counted AS (
                     UPDATE catalogue SET revision = revision + 1 WHERE EXISTS (SELECT FROM removed)
                     RETURNING revision
                 )
                 SELECT revision FROM removed, counted",
            )
            .bind(id.get())
            .bind(expected)
            .fetch_optional(&mut *connection)
            .await
            .map_err(sql::Error::of_autocommit)?;
            match removed {
                Some(number) => Ok(Changed::Done((), revision(number)?)),
                None => refused(&mut connection, id).await,
            }
        };
        self.database.within("DELETE products", call).await
    }

    async fn ping(&self) -> Result<(), sql::Error> {
        self.database.ping().await
    }

    async fn close(&self) {
        self.database.close().await;
    }
}

/// Why no row was changed: asked in a statement of its own, for that one saw the row as it was when it began.
async fn refused<T>(connection: &mut PgConnection, id: ProductId) -> Result<Changed<T>, sql::Error> {
    let current: Option<i64> = sqlx::query_scalar("SELECT version FROM products WHERE id = $1")
        .bind(id.get())
        .fetch_optional(connection)
        .await?;
    Ok(current.map_or(Changed::Absent, |current| Changed::Stale { current }))
}

fn revision(number: i64) -> Result<Revision, sql::Error> {
    u64::try_from(number).map(Revision).map_err(sql::Error::defect)
}

/// The revision with one product, or with none where there is none.
struct ListingRow {
    revision: i64,
    product: Option<Row>,
}

impl<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow> for ListingRow {
    fn from_row(row: &'r sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
        use sqlx::Row as _;
        let id: Option<i64> = row.try_get("id")?;
        Ok(Self { revision: row.try_get("revision")?, product: id.map(|_| Row::from_row(row)).transpose()? })
    }
}

/// A product that was added or replaced, and the revision that this made.
#[derive(sqlx::FromRow)]
struct ChangedRow {
    revision: i64,
    #[sqlx(flatten)]
    product: Row,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    description: String,
    category: String,
    price_minor: i64,
    currency: String,
    image_url: String,
    version: i64,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl TryFrom<Row> for Product {
    type Error = sql::Error;

    fn try_from(row: Row) -> Result<Self, sql::Error> {
        let currency = row.currency.parse::<Currency>().map_err(sql::Error::defect)?;
        let parts = DetailsParts {
            name: row.name,
            description: row.description,
            category: row.category,
            price: Money::new(row.price_minor, currency),
            image_url: row.image_url,
        };
        Ok(Self {
            id: ProductId::try_from(row.id).map_err(sql::Error::defect)?,
            details: Details::try_from(parts).map_err(sql::Error::defect)?,
            version: row.version,
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        })
    }
}

#[cfg(test)]
mod tests;
