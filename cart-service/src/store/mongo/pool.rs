//! What the driver says of its connections.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mongodb::event::EventHandler;
use mongodb::event::cmap::CmapEvent;
use mongodb::options::ServerAddress;
use platform::metrics::{Connections, count};

/// The connections that there are, by server and number, and whether each is in use. They are kept, not counted along:
/// one whose operation was given up in the moment that it got it comes back without ever having been taken.
type Open = HashMap<(ServerAddress, u32), bool>;

/// Tells `counts` what becomes of the connections of a client.
pub(super) fn told(counts: Connections) -> EventHandler<CmapEvent> {
    let open = Mutex::<Open>::default();
    EventHandler::callback(move |event| {
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            CmapEvent::ConnectionReady(it) => open.insert((it.address, it.connection_id), false),
            CmapEvent::ConnectionCheckedOut(it) => open.insert((it.address, it.connection_id), true),
            CmapEvent::ConnectionCheckedIn(it) => open.insert((it.address, it.connection_id), false),
            CmapEvent::ConnectionClosed(it) => open.remove(&(it.address, it.connection_id)),
            _ => return,
        };
        let used = open.values().filter(|used| **used).count();
        counts.used.set(count(used as u64));
        counts.idle.set(count((open.len() - used) as u64));
    })
}

#[cfg(test)]
mod tests {
    use platform::metrics::Metrics;
    use serde_json::{from_value, json};

    use super::*;

    /// What the driver says of this connection.
    fn event(what: &str, connection: u32) -> CmapEvent {
        let of = json!({ "connectionId": connection, "reason": "error" });
        match what {
            "ready" => CmapEvent::ConnectionReady(from_value(of).unwrap()),
            "out" => CmapEvent::ConnectionCheckedOut(from_value(of).unwrap()),
            "in" => CmapEvent::ConnectionCheckedIn(from_value(of).unwrap()),
            _ => CmapEvent::ConnectionClosed(from_value(of).unwrap()),
        }
    }

    #[test]
    fn each_connection_is_used_or_idle_until_it_is_closed() {
        let metrics = Metrics::default();
        let EventHandler::Callback(tell) = told(Connections::new(&metrics, "cart", 16)) else { panic!() };
        for (what, connection, used, idle) in [
            ("ready", 1, 0, 1),
            ("out", 1, 1, 0),
            ("ready", 2, 1, 1),
            ("in", 1, 0, 2),
            ("in", 2, 0, 2),
            ("out", 2, 1, 1),
            ("in", 2, 0, 2),
            ("closed", 2, 0, 1),
            ("closed", 3, 0, 1),
            ("closed", 1, 0, 0),
        ] {
            tell(event(what, connection));
            let text = metrics.text();
            for (state, count) in [("used", used), ("idle", idle)] {
                let labels = format!(
                    "{{db_client_connection_pool_name=\"cart\",db_client_connection_state=\"{state}\"}}"
                );
                let line = format!("db_client_connection_count{labels} {count}");
                assert!(text.lines().any(|shown| shown == line), "{what} {connection}: {line} in {text}");
            }
        }
    }
}
