//! How many connections there may be, and whose.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use platform::metrics::{Counter, Gauge, Metrics, count};
use tokio::task::Id;

use super::exchange::Exchange;
use super::settings::Port;
use crate::client_address::Network;
use crate::limits::Client;

/// A client gets that long to begin with a request before another may take its place.
const JUST_COME: Duration = Duration::from_secs(1);

/// The places for connections.
pub(super) struct Places {
    all: usize,
    per_address: usize,
    /// Proxies: behind one address are many clients.
    exempt: Vec<Network>,
    taken: HashMap<Id, Place>,
    count: Gauge,
    refused: Counter,
    by_address: HashMap<Client, usize>,
}

struct Place {
    /// Unless it is exempt.
    client: Option<Client>,
    exchange: Arc<Exchange>,
}

impl Places {
    pub(super) fn new(port: &Port, exempt: &[Network], metrics: &Metrics) -> Self {
        let refused = "Connections refused because their address has as many as one may.";
        Self {
            all: port.max_connections,
            per_address: port.max_connections_per_address,
            exempt: exempt.to_vec(),
            taken: HashMap::new(),
            count: metrics.gauge("oxcart_connections", "Connections of clients that are open.", &[]),
            refused: metrics.counter("oxcart_connections_refused_total", refused, &[]),
            by_address: HashMap::new(),
        }
    }

    /// Whether the address may have one more connection.
    pub(super) fn admits(&self, address: IpAddr) -> bool {
        let taken = self.counted(address).and_then(|client| self.by_address.get(&client));
        let admits = taken.is_none_or(|taken| *taken < self.per_address);
        if !admits {
            self.refused.increment(1);
        }
        admits
    }

    pub(super) fn take(&mut self, connection: Id, address: IpAddr, exchange: Arc<Exchange>) {
        let client = self.counted(address);
        if let Some(client) = client {
            *self.by_address.entry(client).or_default() += 1;
        }
        self.taken.insert(connection, Place { client, exchange });
        self.tell();
    }

    pub(super) fn give_back(&mut self, connection: Id) {
        let removed = self.taken.remove(&connection);
        self.tell();
        let Some(Place { client: Some(client), .. }) = removed else { return };
        if let Some(taken) = self.by_address.get_mut(&client) {
            *taken -= 1;
            if *taken == 0 {
                self.by_address.remove(&client);
            }
        }
    }

    /// Whether there are more connections than places.
    pub(super) fn are_exceeded(&self) -> bool {
        self.taken.len() > self.all
    }

    /// Sends away who has been silent for longest. Nobody, if every other connection has just come or has a request
    /// under way.
    pub(super) fn make_room(&self) {
        let silent = self.taken.values().filter_map(|place| Some((place.exchange.silent_since()?, place)));
        if let Some((since, place)) = silent.min_by_key(|(since, _)| *since)
            && since.elapsed() >= JUST_COME
        {
            place.exchange.send_away();
        }
    }

    fn tell(&self) {
        self.count.set(count(self.taken.len() as u64));
    }

    fn counted(&self, address: IpAddr) -> Option<Client> {
        let exempt = self.exempt.iter().any(|network| network.contains(address));
        (!exempt).then(|| Client::at(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn b3_a_network_of_ipv6_has_the_places_of_one_address() {
        let port = Port { max_connections_per_address: 1, ..Port::default() };
        let mut places = Places::new(&port, &["2001:db8:1::/64".parse().unwrap()], &Metrics::default());
        let admits = |places: &Places, address: &str| places.admits(address.parse().unwrap());
        let mut tasks = tokio::task::JoinSet::new();
        for taken in ["2001:db8::1", "::ffff:10.0.0.1", "2001:db8:1::1"] {
            assert!(admits(&places, taken));
            let id = tasks.spawn(async {}).id();
            places.take(id, taken.parse().unwrap(), Exchange::new());
        }
        for (address, admitted) in [
            ("2001:db8::2", false),
            ("2001:db8:0:1::1", true),
            ("10.0.0.1", false),
            ("10.0.0.2", true),
            ("2001:db8:1::2", true),
        ] {
            assert_eq!(admits(&places, address), admitted, "{address}");
        }
        while let Some(ended) = tasks.join_next_with_id().await {
            places.give_back(ended.unwrap().0);
        }
        assert!(admits(&places, "2001:db8::2") && places.by_address.is_empty() && places.taken.is_empty());
    }
}
