//! Settings.

use std::path::Path;
use std::time::Duration;

use platform::config::{Data, Error, Listen, Location, Log, Tls};

use crate::provider::simulated::Habits;

/// Everything that can be set, as flags and as environment variables.
#[derive(clap::Parser, Debug, Clone)]
#[command(
    name = "payment-service",
    about = "Takes the money of an oxcart shop, over gRPC",
    mut_arg("grpc_port", |arg| arg.default_value("50054"))
)]
pub struct Config {
    /// Where to listen.
    #[command(flatten)]
    pub listen: Listen,
    /// How other programs know it, and it knows them.
    #[command(flatten)]
    pub tls: Tls,
    /// Log lines.
    #[command(flatten)]
    pub log: Log,
    /// Where payments are kept, and the simulated provider keeps its ledger.
    #[command(flatten)]
    pub data: Data,
    /// How the simulated provider behaves.
    #[command(flatten)]
    pub settings: Settings,
}

/// What can be set for payments alone.
#[derive(clap::Args, Debug, Clone)]
#[group(id = "payment")]
pub struct Settings {
    /// Share of payments that the simulated provider approves, 0.0 to 1.0; it declines the others
    #[arg(long, env = "PAYMENT_SUCCESS_RATE", default_value = "1.0", value_parser = share)]
    pub payment_success_rate: f64,
    /// Milliseconds, 0 to 600000, until the simulated provider answers an authorisation
    #[arg(long, env = "PAYMENT_DELAY_MS", default_value = "0", value_parser = clap::value_parser!(u64).range(..=600_000))]
    pub payment_delay_ms: u64,
}

impl From<&Settings> for Habits {
    fn from(settings: &Settings) -> Self {
        Self {
            success_rate: settings.payment_success_rate,
            delay: Duration::from_millis(settings.payment_delay_ms),
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) => Err("it is out of range".to_owned()),
        Err(_) => Err("it is no number".to_owned()),
    }
}

/// Where everything is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The payments.
    pub payments: Location,
    /// The ledger of the simulated provider.
    pub provider: Location,
}

impl Places {
    /// Payments are kept there, and the provider's ledger apart from them: in a schema of its own of the same
    /// database, or in a file of its own in the data directory.
    pub fn new(payments: Location, data_dir: &Path) -> Self {
        let provider = match &payments {
            Location::Postgres(server) => Location::Postgres(server.clone()),
            Location::File(_) => Location::File(data_dir.join("provider.db")),
        };
        Self { payments, provider }
    }
}

impl TryFrom<&Data> for Places {
    type Error = Error;

    fn try_from(data: &Data) -> Result<Self, Error> {
        Ok(Self::new(data.store("payment")?, &data.data_dir))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &str, value: &str) -> Result<Config, Error> {
        let env = |asked: &str| (asked == name).then(|| value.into());
        platform::config::try_parse("PAYMENT", std::iter::once("payment-service".into()), &env)
    }

    #[test]
    fn starts_without_any_setting() {
        let config = with("", "").unwrap();
        assert_eq!(config.listen.grpc_port, 50054);
        assert_eq!(Habits::from(&config.settings), Habits { success_rate: 1.0, delay: Duration::ZERO });
        let file = |path: &str| Location::File(path.into());
        let places = Places { payments: file("./data/payment.db"), provider: file("./data/provider.db") };
        assert_eq!(Places::try_from(&config.data).unwrap(), places);
    }

    #[test]
    fn a_server_keeps_both_books() {
        let config = with("DATABASE_URL", "postgres://h/db").unwrap();
        let Places { payments, provider } = Places::try_from(&config.data).unwrap();
        assert!(matches!(&payments, Location::Postgres(server) if server.url == "postgres://h/db"));
        assert_eq!(payments, provider);
    }

    #[test]
    fn the_provider_behaves_as_set() {
        let settings = with("PAYMENT_SUCCESS_RATE", "0.25").unwrap().settings;
        assert_eq!(Habits::from(&settings).success_rate, 0.25);
        let settings = with("PAYMENT_DELAY_MS", "1500").unwrap().settings;
        assert_eq!(Habits::from(&settings).delay, Duration::from_millis(1500));
    }

    #[test]
    fn what_cant_be_used_is_named() {
        for (name, value, cause) in [
            ("PAYMENT_SUCCESS_RATE", "1.1", "it is out of range"),
            ("PAYMENT_SUCCESS_RATE", "NaN", "it is out of range"),
            ("PAYMENT_SUCCESS_RATE", "most", "it is no number"),
            ("PAYMENT_DELAY_MS", "600001", "600001 is not in 0..=600000"),
            ("PAYMENT_DELAY_MS", "-1", "invalid digit found in string"),
        ] {
            let error = with(name, value).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{name}={value} can't be used: {cause}; wanted: ")),
                "{error}"
            );
        }
    }
}
