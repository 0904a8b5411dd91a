//! Reading what is in the file, whoever has it.

use std::path::Path;

use async_trait::async_trait;
use sql::sqlite::Database;

use super::rows;
use crate::{DeadLetter, Delivery, End, Error, Progress};

/// Reads the file of a log, also beside a running shop.
pub struct Archive {
    database: Database,
}

impl Archive {
    /// Opens the file for reading only.
    ///
    /// # Errors
    /// As [`Database::open_read_only`], in words for the user.
    pub async fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { database: Database::open_read_only(path).await? })
    }
}

#[async_trait]
impl crate::Archive for Archive {
    async fn events(&self, topic: &str) -> Result<Vec<Delivery>, Error> {
        rows::events(&self.database, topic).await
    }

    async fn latest(&self, topic: &str, count: u32) -> Result<Vec<Delivery>, Error> {
        rows::latest(&self.database, topic, count).await
    }

    async fn dead_letters(&self, topics: &[&str]) -> Result<Vec<DeadLetter>, Error> {
        let mut letters = rows::dead_letters(&self.database).await?;
        letters.retain(|letter| topics.contains(&letter.origin.as_str()));
        Ok(letters)
    }

    async fn progress(&self, groups: &[&str], topics: &[&str]) -> Result<Vec<Progress>, Error> {
        let mut progress = rows::progress(&self.database).await?;
        progress.retain(|it| groups.contains(&it.group.as_str()) && topics.contains(&it.topic.as_str()));
        Ok(progress)
    }

    async fn ends(&self, topics: &[&str]) -> Result<Vec<End>, Error> {
        let mut ends = Vec::new();
        for topic in topics {
            ends.extend(rows::end(&self.database, topic).await?);
        }
        Ok(ends)
    }
}
