//! Settings: flags and environment variables are one thing.
//!
//! A program's `Config` is a clap parser whose arguments each name a variable (`#[arg(long, env = "...")]`). In the
//! environment, a variable with the program's prefix wins over the plain one (`PRODUCT_DATABASE_URL` over
//! `DATABASE_URL`), `PRODUCT_SERVICE_PORT` is another name of `PRODUCT_GRPC_PORT`, an empty variable counts as
//! unset, and a flag wins over them all.

mod error;
mod parse;
mod tls;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;

pub use error::Error;
pub use parse::{Task, parse, task, try_parse, try_task};
pub use tls::Tls;

/// Where a gRPC server listens. A program sets the default port:
/// `#[command(mut_arg("grpc_port", |a| a.default_value("50051")))]`.
#[derive(clap::Args, Debug, Clone)]
pub struct Listen {
    /// An address of this machine to listen on; 0.0.0.0 for all of them
    #[arg(long, env = "BIND_ADDR", default_value = "127.0.0.1")]
    pub bind_addr: IpAddr,
    /// A port, 0 to 65535; 0 takes any free one
    #[arg(long, env = "GRPC_PORT", default_value = "0")]
    pub grpc_port: u16,
}

impl Listen {
    /// Binds the port. The error names the address and the setting to change.
    pub async fn bind(&self) -> anyhow::Result<TcpListener> {
        bind(SocketAddr::new(self.bind_addr, self.grpc_port), "GRPC_PORT").await
    }
}

/// Binds a port. The error names the address and `variable`, the setting to change.
pub async fn bind(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on {address}, choose another {variable} or BIND_ADDR"))
}

/// What is told of a running program: log lines, numbers and traces.
#[derive(clap::Args, Debug, Clone)]
pub struct Log {
    /// Least level to log: error, warn, info, debug, trace; also by module, as in "info,sqlx=warn"
    #[arg(long, env = "LOG_LEVEL", default_value = "info", value_parser = log_level)]
    pub log_level: String,
    /// Shape of the log lines; pretty on a terminal, else json
    #[arg(long, env = "LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Address and port that serve metrics as Prometheus text at /metrics, as 0.0.0.0:9100; unset: none
    #[arg(long, env = "METRICS_ADDR")]
    pub metrics_addr: Option<SocketAddr>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "described where it is defined")]
    pub traces: crate::trace::Settings,
}

/// The shape of a log line.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For machines: one JSON object a line.
    Json,
    /// For people.
    Pretty,
}

/// A level, or one for a module, several separated by commas.
fn log_level(text: &str) -> Result<String, String> {
    for part in text.split(',').map(str::trim) {
        let (module, level) = part.split_once('=').unwrap_or(("all", part));
        // tracing takes no text at all for a level, and a word that is none for the name of a module.
        if module.is_empty() || level.is_empty() || level.parse::<LevelFilter>().is_err() {
            return Err(format!("{part:?} is no level"));
        }
    }
    Ok(text.to_owned())
}

/// Where a service keeps what it knows.
#[derive(clap::Args, Clone)]
pub struct Data {
    /// Directory of the embedded stores; made if absent
    #[arg(long, env = "DATA_DIR", default_value = "./data")]
    pub data_dir: PathBuf,
    /// Database, as postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite://PATH; unset: a file of its own in the
    /// data directory
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL server.
    Postgres(Server),
}

impl Location {
    /// What the URL of a database names; `variable` is where it was taken from.
    ///
    /// # Errors
    /// A URL that names neither a PostgreSQL server nor a SQLite file.
    pub fn parse(url: &str, variable: &str) -> Result<Self, Error> {
        let server = Server { url: url.to_owned(), variable: variable.to_owned() };
        let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
        let cause = match scheme {
            "postgres" | "postgresql" => return Ok(Self::Postgres(server)),
            "sqlite" if rest.is_empty() => "it names no file".to_owned(),
            "sqlite" if rest.contains('?') => "options after the path are not understood".to_owned(),
            "sqlite" => return Ok(Self::File(PathBuf::from(rest))),
            "" => "it has no scheme".to_owned(),
            other => format!("scheme {other}:// is not supported"),
        };
        Err(server.unusable(cause, "postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite://PATH"))
    }
}

/// How to reach an engine, and the setting that says so.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// A URL or a list of addresses, which may hold a password: not to be shown.
    pub url: String,
    /// The variable that it was taken from, to be named in whatever is said of it.
    pub variable: String,
}

impl Server {
    /// That the URL can't be used; `cause` must not repeat it.
    pub fn unusable(&self, cause: impl Into<String>, wanted: &str) -> Error {
        Error::Unusable {
            setting: self.variable.clone(),
            value: error::MASK.to_owned(),
            cause: Some(cause.into()),
            wanted: Some(wanted.to_owned()),
        }
    }
}

/// Without the URL.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("variable", &self.variable).finish_non_exhaustive()
    }
}

impl Data {
    /// Where `service` keeps what it knows: where `DATABASE_URL` says, else in `<service>.db` in the data
    /// directory.
    ///
    /// # Errors
    /// A URL that names neither a PostgreSQL server nor a SQLite file.
    pub fn store(&self, service: &str) -> Result<Location, Error> {
        match &self.database_url {
            Some(url) => Location::parse(url, "DATABASE_URL"),
            None => Ok(Location::File(self.data_dir.join(format!("{service}.db")))),
        }
    }
}

/// A database URL may hold a password.
impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.database_url.as_ref().map(|_| error::MASK);
        f.debug_struct("Data").field("data_dir", &self.data_dir).field("database_url", &url).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(url: Option<&str>) -> Data {
        Data { data_dir: "./data".into(), database_url: url.map(Into::into) }
    }

    #[test]
    fn a_store_is_a_file_in_the_data_directory_or_what_the_url_names() {
        let file = |path: &str| Location::File(path.into());
        assert_eq!(data(None).store("cart").unwrap(), file("./data/cart.db"));
        assert_eq!(data(Some("sqlite://x/y.db")).store("cart").unwrap(), file("x/y.db"));
        assert_eq!(data(Some("sqlite:///var/y.db")).store("cart").unwrap(), file("/var/y.db"));
        for url in ["postgres://u:secret@h/db", "postgresql://h/db"] {
            let server = Server { url: url.to_owned(), variable: "DATABASE_URL".to_owned() };
            assert!(!format!("{server:?}").contains("secret"));
            assert_eq!(data(Some(url)).store("cart").unwrap(), Location::Postgres(server));
        }
    }

    #[test]
    fn any_other_url_is_refused_without_showing_it() {
        let cases = [
            ("mysql://u:secret@h/db", "scheme mysql:// is not supported"),
            ("sqlite://", "it names no file"),
            ("sqlite://x.db?mode=ro", "options after the path are not understood"),
            ("secret", "it has no scheme"),
        ];
        for (url, cause) in cases {
            let error = data(Some(url)).store("cart").unwrap_err().to_string();
            let wanted = "postgres://USER:PASSWORD@HOST:PORT/NAME or sqlite://PATH";
            assert_eq!(error, format!("DATABASE_URL=*** can't be used: {cause}; wanted: {wanted}"));
            assert!(!format!("{:?}", data(Some(url))).contains("secret"));
        }
    }

    #[test]
    fn a_log_level_is_a_level_or_one_of_a_module() {
        for good in ["info", "OFF", "info,sqlx=warn", "warn, platform::grpc=debug"] {
            assert!(log_level(good).is_ok(), "{good}");
        }
        for bad in ["loud", "info,sqlx", "sqlx=loud", ""] {
            assert!(log_level(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_setting_to_change() {
        let free = Listen { bind_addr: [127, 0, 0, 1].into(), grpc_port: 0 };
        let taken = free.bind().await.unwrap().local_addr().unwrap();
        let holder = bind(taken, "GRPC_PORT").await.unwrap();
        let second = Listen { grpc_port: taken.port(), ..free };
        let error = format!("{:#}", second.bind().await.unwrap_err());
        let start =
            format!("can't listen on {taken}, choose another GRPC_PORT or BIND_ADDR: Address already in use");
        assert!(error.starts_with(&start), "{error}");
        drop(holder);
    }
}
