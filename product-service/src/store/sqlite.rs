//! Products in a SQLite file.

use std::path::Path;

use async_trait::async_trait;
use platform::metrics::Metrics;
use sql::sqlite::{Database, OpenError, Sharing};
use sqlx::SqliteConnection;
use types::{Currency, Money, ProductId, Timestamp};

use super::{Changed, Listing, Revision, Store};
use crate::product::{Details, DetailsParts, Product};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations/sqlite");

/// Products in a SQLite file that this process has for itself.
pub struct Sqlite {
    database: Database,
}

impl Sqlite {
    /// Opens the file; a new one holds the products that a new shop sells.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(path: &Path, metrics: &Metrics) -> Result<Self, OpenError> {
        Ok(Self { database: Database::open(path, &MIGRATIONS, Sharing::Exclusive, metrics).await? })
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn all(&self) -> Result<Listing, sql::Error> {
        let revision = self.revision().await?;
        let mut connection = self.database.read("SELECT products").await?;
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT id, name, description, category, price_minor, currency, image_url,
                    version, created_at, updated_at
             FROM products ORDER BY id",
        )
        .fetch_all(&mut *connection)
        .await?;
        Ok(Listing { revision, products: rows.into_iter().map(Product::try_from).collect::<Result<_, _>>()? })
    }

    fn is_shared(&self) -> bool {
        false
    }

    async fn revision(&self) -> Result<Revision, sql::Error> {
        Ok(Revision(self.database.revision()))
    }

    async fn add(&self, details: &Details, now: Timestamp) -> Result<(Product, Revision), sql::Error> {
        let DetailsParts { name, description, category, price, image_url } = details.parts().clone();
        let added = self.database.write("INSERT products", move |connection| {
            Box::pin(async move {
                let row: Row = sqlx::query_as(
                    "INSERT INTO products (name, description, category, price_minor, currency, image_url,
                                           version, created_at, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7)
                     RETURNING id, name, description, category, price_minor, currency, image_url,
                               version, created_at, updated_at",
                )
                .bind(name)
                .bind(description)
                .bind(category)
                .bind(price.minor)
                .bind(price.currency.code())
                .bind(image_url)
                .bind(now.micros())
                .fetch_one(connection)
                .await?;
                Product::try_from(row)
            })
        });
        Ok((added.await?, self.revision().await?))
    }

    async fn replace(
        &self,
        id: ProductId,
        details: &Details,
        expected: Option<i64>,
        now: Timestamp,
    ) -> Result<Changed<Product>, sql::Error> {
        let DetailsParts { name, description, category, price, image_url } = details.parts().clone();
        let replaced = self.database.write("UPDATE products", move |connection| {
            Box::pin(async move {
                // A clock that was set back must not make a product older than it was.
                let row: Option<Row> = sqlx::query_as(
                    "UPDATE products
                     SET name = ?3, description = ?4, category = ?5, price_minor = ?6, currency = ?7,
                         image_url = ?8, version = version + 1, updated_at = max(updated_at, ?9)
                     WHERE id = ?1 AND (?2 IS NULL OR version = ?2)
                     RETURNING id, name, description, category, price_minor, currency, image_url,
                               version, created_at, updated_at",
                )
                .bind(id.get())
                .bind(expected)
                .bind(name)
                .bind(description)
                .bind(category)
                .bind(price.minor)
                .bind(price.currency.code())
                .bind(image_url)
                .bind(now.micros())
                .fetch_optional(&mut *connection)
                .await?;
                match row {
                    Some(row) => Product::try_from(row).map(Ok),
                    None => refused(connection, id).await.map(Err),
                }
            })
        });
        Ok(match replaced.await? {
            Ok(product) => Changed::Done(product, self.revision().await?),
            Err(refused) => refused,
        })
    }

    async fn remove(&self, id: ProductId, expected: Option<i64>) -> Result<Changed<()>, sql::Error> {
        let removed = self.database.write("DELETE products", move |connection| {
            Box::pin(async move {
                let done = sqlx::query("DELETE FROM products WHERE id = ?1 AND (?2 IS NULL OR version = ?2)")
                    .bind(id.get())
                    .bind(expected)
                    .execute(&mut *connection)
                    .await?;
                if done.rows_affected() == 1 { Ok(Ok(())) } else { refused(connection, id).await.map(Err) }
            })
        });
        Ok(match removed.await? {
            Ok(()) => Changed::Done((), self.revision().await?),
            Err(refused) => refused,
        })
    }

    async fn ping(&self) -> Result<(), sql::Error> {
        self.database.ping().await
    }

    async fn close(&self) {
        self.database.close().await;
    }
}

/// Why no row was changed.
async fn refused<T>(connection: &mut SqliteConnection, id: ProductId) -> Result<Changed<T>, sql::Error> {
    let current: Option<i64> = sqlx::query_scalar("SELECT version FROM products WHERE id = ?1")
        .bind(id.get())
        .fetch_optional(connection)
        .await?;
    Ok(current.map_or(Changed::Absent, |current| Changed::Stale { current }))
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
    created_at: i64,
    updated_at: i64,
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
            created_at: Timestamp::from_micros(row.created_at),
            updated_at: Timestamp::from_micros(row.updated_at),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance;

    #[tokio::test]
    async fn conforms() {
        conformance::run(async || {
            let directory = testkit::TempDir::new().unwrap();
            let store =
                Sqlite::open(&directory.path().join("product.db"), &Metrics::default()).await.unwrap();
            (Arc::new(store) as Arc<dyn Store>, directory)
        })
        .await;
    }
}
