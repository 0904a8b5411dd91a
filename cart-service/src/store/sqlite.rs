//! Carts in an SQLite file.

use std::path::Path;

use async_trait::async_trait;
use platform::metrics::Metrics;
use sql::sqlite::{Database, OpenError, Sharing};
use sqlx::migrate::Migrator;
use types::{Timestamp, UserId};

use super::document::{Document, Unreadable};
use super::{Error, Replaced, Store};
use crate::cart::{Cart, Version};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// A [`Store`] in one SQLite file, which only this process may have open.
#[derive(Debug, Clone)]
pub struct Sqlite {
    database: Database,
}

impl Sqlite {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(path: &Path, metrics: &Metrics) -> Result<Self, OpenError> {
        let database = Database::open(path, &MIGRATIONS, Sharing::Exclusive, metrics).await?;
        Ok(Self { database })
    }

    /// Opens the file to look at it, whether or not a shop is running on it.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        let database = Database::open_read_only(path).await?;
        Ok(Self { database })
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn load(&self, user: UserId) -> Result<Option<Cart>, Error> {
        let mut connection = self.database.read("SELECT carts").await?;
        let row: Option<Row> =
            sqlx::query_as("SELECT user_id, version, updated_at, document FROM carts WHERE user_id = ?")
                .bind(user.get())
                .fetch_optional(&mut *connection)
                .await
                .map_err(sql::Error::from)?;
        Ok(row.map(Cart::try_from).transpose()?)
    }

    async fn replace(&self, expected: Option<Version>, cart: &Cart) -> Result<Replaced, Error> {
        let (user, version, updated_at) = (cart.user.get(), cart.version.0, cart.updated_at.micros());
        let document = serde_json::to_string(&Document::from(cart)).map_err(sql::Error::defect)?;
        let written: Result<u64, sql::Error> = self
            .database
            .write("UPDATE carts", move |connection| {
                Box::pin(async move {
                    let statement = match expected {
                        Some(expected) => sqlx::query(
                            "UPDATE carts SET version = ?, updated_at = ?, document = ?
                             WHERE user_id = ? AND version = ?",
                        )
                        .bind(version)
                        .bind(updated_at)
                        .bind(document)
                        .bind(user)
                        .bind(expected.0),
                        None => sqlx::query(
                            "INSERT INTO carts (version, updated_at, document, user_id) VALUES (?, ?, ?, ?)
                             ON CONFLICT (user_id) DO NOTHING",
                        )
                        .bind(version)
                        .bind(updated_at)
                        .bind(document)
                        .bind(user),
                    };
                    Ok(statement.execute(connection).await?.rows_affected())
                })
            })
            .await;
        Ok(if written? == 0 { Replaced::Conflict } else { Replaced::Yes })
    }

    async fn sweep(&self, unchanged_since: Timestamp, limit: u32) -> Result<u64, Error> {
        let swept: Result<u64, sql::Error> = self
            .database
            .write("DELETE carts", move |connection| {
                Box::pin(async move {
                    let statement = sqlx::query(
                        "DELETE FROM carts WHERE user_id IN
                         (SELECT user_id FROM carts WHERE updated_at <= ? ORDER BY updated_at LIMIT ?)",
                    )
                    .bind(unchanged_since.micros())
                    .bind(limit);
                    Ok(statement.execute(connection).await?.rows_affected())
                })
            })
            .await;
        Ok(swept?)
    }

    async fn snapshot(&self) -> Result<Vec<Cart>, Error> {
        let mut connection = self.database.read("SELECT carts").await?;
        let rows: Vec<Row> =
            sqlx::query_as("SELECT user_id, version, updated_at, document FROM carts ORDER BY user_id")
                .fetch_all(&mut *connection)
                .await
                .map_err(sql::Error::from)?;
        let carts: Result<_, sql::Error> = rows.into_iter().map(Cart::try_from).collect();
        Ok(carts?)
    }

    async fn ping(&self) -> Result<(), Error> {
        Ok(self.database.ping().await?)
    }

    /// Gives the file back, too.
    async fn close(&self) {
        self.database.close().await;
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: i64,
    version: i64,
    updated_at: i64,
    document: String,
}

impl TryFrom<Row> for Cart {
    type Error = sql::Error;

    fn try_from(row: Row) -> Result<Self, sql::Error> {
        let read = |row: Row| -> Result<Self, Unreadable> {
            let (lines, purchases) = serde_json::from_str::<Document>(&row.document)?.into_parts()?;
            Ok(Self {
                user: UserId::try_from(row.user_id)?,
                version: Version(row.version),
                lines,
                purchases,
                updated_at: Timestamp::from_micros(row.updated_at),
            })
        };
        read(row).map_err(sql::Error::defect)
    }
}

impl From<sql::Error> for Error {
    fn from(error: sql::Error) -> Self {
        match &error {
            sql::Error::Unavailable(_) => Self::unavailable(error),
            sql::Error::Unknown(_) => Self::unknown(error),
            // A version or a user that the schema does not accept; conflicts of versions are no errors.
            sql::Error::Conflict(_) | sql::Error::Defect(_) => Self::defect(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use testkit::TempDir;

    use super::*;
    use crate::fixtures::{cart, user};
    use crate::store::conformance;

    #[tokio::test]
    async fn is_a_store_of_carts() {
        let open = async || {
            let directory = TempDir::new().unwrap();
            let store: Arc<dyn Store> =
                Arc::new(Sqlite::open(&directory.path().join("cart.db"), &Metrics::default()).await.unwrap());
            (store, directory)
        };
        conformance::all(open, async |_, _| {}).await;
    }

    #[tokio::test]
    async fn a_file_has_one_owner_and_any_number_of_readers() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("cart.db");
        let store = Sqlite::open(&path, &Metrics::default()).await.unwrap();
        assert!(matches!(Sqlite::open(&path, &Metrics::default()).await, Err(OpenError::InUse { .. })));
        store.replace(None, &cart(1, &[(1, 1)])).await.unwrap();
        let audit = Sqlite::open_read_only(&path).await.unwrap();
        assert_eq!(audit.snapshot().await.unwrap(), [cart(1, &[(1, 1)])]);
        store.close().await;
        assert!(matches!(store.load(user(1)).await, Err(Error::Unavailable(_))));
        let again = Sqlite::open(&path, &Metrics::default()).await.unwrap();
        assert_eq!(again.load(user(1)).await.unwrap(), Some(cart(1, &[(1, 1)])));
    }

    #[tokio::test]
    async fn a_cart_that_makes_no_sense_is_a_defect_not_an_empty_cart() {
        let directory = TempDir::new().unwrap();
        let store = Sqlite::open(&directory.path().join("cart.db"), &Metrics::default()).await.unwrap();
        let insert = "INSERT INTO carts VALUES (1, 1, 1, '{\"lines\":[{\"quantity\":0}]}')";
        let inserted: Result<_, sql::Error> = store
            .database
            .write("SELECT tests", move |connection| {
                Box::pin(async move { Ok(sqlx::query(insert).execute(connection).await?) })
            })
            .await;
        inserted.unwrap();
        assert!(matches!(store.load(user(1)).await, Err(Error::Defect(_))));
    }
}
