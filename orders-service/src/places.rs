//! Where the stores of tests are: in a directory, or in a database on a server that is there for tests.

use platform::config::Location;
use sql::postgres::Scratch;
use testkit::{Engine, TempDir};

/// Stamps each case out for every place: a file, and a database where there is a server.
macro_rules! in_every_place {
    (#[$test:meta] $($case:ident),+ $(,)?) => {
        mod in_a_file {
            $(#[$test]
            async fn $case() {
                crate::places::in_a_file(super::$case).await;
            })+
        }

        mod in_postgres {
            $(#[$test]
            async fn $case() {
                crate::places::in_postgres(super::$case).await;
            })+
        }
    };
}

pub(crate) use in_every_place;

/// A place for one test.
pub(crate) struct Place {
    dir: TempDir,
    scratch: Option<Scratch>,
}

impl Place {
    /// For what is kept in files wherever the store is.
    pub(crate) fn dir(&self) -> &TempDir {
        &self.dir
    }

    /// Where the orders are.
    pub(crate) fn orders(&self) -> Location {
        match &self.scratch {
            Some(scratch) => Location::Postgres(scratch.server().clone()),
            None => Location::File(self.dir().path().join("orders.db")),
        }
    }
}

/// Runs a case on a file.
pub(crate) async fn in_a_file(case: impl AsyncFnOnce(&Place)) {
    case(&Place { dir: TempDir::new().unwrap(), scratch: None }).await;
}

/// Runs a case on a database of its own, where there is a server.
pub(crate) async fn in_postgres(case: impl AsyncFnOnce(&Place)) {
    let Some(url) = Engine::Postgres.url() else { return };
    let mut place = Place { dir: TempDir::new().unwrap(), scratch: Some(Scratch::new(&url).await.unwrap()) };
    case(&place).await;
    if let Some(scratch) = place.scratch.take() {
        scratch.drop().await.unwrap();
    }
}
