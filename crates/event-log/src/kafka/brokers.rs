//! The list of brokers, and what all our clients have in common.

use platform::config::{Error, Server};
use rdkafka::ClientConfig;

/// What a list looks like.
const WANTED: &str = "HOST:PORT, several separated by commas";

/// Brokers to find the cluster with, and the setting that names them.
#[derive(Debug, Clone)]
pub(super) struct Brokers {
    list: String,
    /// The variable, for what is said of them.
    pub(super) variable: String,
}

impl TryFrom<&Server> for Brokers {
    type Error = Error;

    fn try_from(server: &Server) -> Result<Self, Error> {
        let brokers: Vec<&str> =
            server.url.split(',').map(str::trim).filter(|broker| !broker.is_empty()).collect();
        if brokers.is_empty() {
            return Err(server.unusable("it names no broker", WANTED));
        }
        for (index, broker) in brokers.iter().enumerate() {
            check(broker)
                .map_err(|cause| server.unusable(format!("broker {} {cause}", index + 1), WANTED))?;
        }
        Ok(Self { list: brokers.join(","), variable: server.variable.clone() })
    }
}

/// What is wrong with a broker, without repeating it.
fn check(broker: &str) -> Result<(), &'static str> {
    let (host, port) = broker.rsplit_once(':').ok_or("has no port")?;
    match port.parse::<u16>() {
        Ok(1..) => {}
        Ok(0) | Err(_) => return Err("has a port that is none"),
    }
    let is_v6 = host.starts_with('[') && host.ends_with(']');
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
    };
    if is_v6 || is_name(host) { Ok(()) } else { Err("has a host that is none") }
}

impl Brokers {
    /// The settings of every client.
    pub(super) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.list)
            .set("client.id", "oxcart")
            // A broker that comes back is used again within a second, not ten.
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "1000")
            .set("socket.connection.setup.timeout.ms", "5000")
            // A broker that hangs has failed by then.
            .set("socket.timeout.ms", "10000")
            .set("socket.keepalive.enable", "true")
            .set("allow.auto.create.topics", "false")
            // A partition that was added is seen by then; topics that were just made, much sooner.
            .set("topic.metadata.refresh.interval.ms", "30000");
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(list: &str) -> Result<Brokers, Error> {
        Brokers::try_from(&Server { url: list.to_owned(), variable: "KAFKA_BROKERS".to_owned() })
    }

    #[test]
    fn a_list_names_hosts_with_ports() {
        for (list, joined) in [
            ("localhost:9092", "localhost:9092"),
            (" kafka-1.shop:9092 , 10.0.0.2:9093,", "kafka-1.shop:9092,10.0.0.2:9093"),
            ("[::1]:9092", "[::1]:9092"),
        ] {
            assert_eq!(brokers(list).unwrap().list, joined);
        }
    }

    #[test]
    fn anything_else_is_refused_without_showing_it() {
        for (list, cause) in [
            ("", "it names no broker"),
            (" , ,", "it names no broker"),
            ("secret", "broker 1 has no port"),
            ("a:9092,secret:", "broker 2 has a port that is none"),
            ("secret:0", "broker 1 has a port that is none"),
            ("secret:65536", "broker 1 has a port that is none"),
            ("user:secret@host:9092", "broker 1 has a host that is none"),
            ("kafka://secret:9092", "broker 1 has a host that is none"),
            (":9092", "broker 1 has a host that is none"),
            ("a b:9092", "broker 1 has a host that is none"),
        ] {
            let error = brokers(list).unwrap_err().to_string();
            assert_eq!(error, format!("KAFKA_BROKERS=*** can't be used: {cause}; wanted: {WANTED}"));
        }
    }
}
