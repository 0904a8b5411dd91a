//! What is to be seen: how two samples differ, in words of the shop. Pure.

use super::sample::{Having, Sample};

const REQUESTS: &str = "http_server_request_duration_seconds";

/// Routes that are shown, the busiest first.
const ROUTES: usize = 8;

/// The numbers of one screen. Rates are per second, durations in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct View {
    pub(super) requests: Traffic,
    pub(super) routes: Vec<(String, Traffic)>,
    pub(super) sagas: Sagas,
    pub(super) outboxes: Vec<Outbox>,
    pub(super) consumers: Vec<Consumer>,
    pub(super) stock: Stock,
    pub(super) sales: Sales,
}

/// Requests of a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Traffic {
    pub(super) rate: f64,
    /// Of those, answers that something of ours failed.
    pub(super) errors: f64,
    /// `None` where there were no requests.
    pub(super) latency: Option<Latency>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sagas {
    /// Unfinished checkouts by where they stand.
    pub(super) states: Vec<(String, f64)>,
    pub(super) stuck: f64,
    pub(super) completed: f64,
    pub(super) failed: f64,
    pub(super) retries: f64,
    /// Since the programs started.
    pub(super) takeovers: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Outbox {
    pub(super) service: String,
    pub(super) rows: f64,
    pub(super) oldest: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Consumer {
    pub(super) group: String,
    pub(super) rate: f64,
    /// Events not applied yet; `None` while nobody knows.
    pub(super) waiting: Option<f64>,
    /// How old the event is that can't be applied, 0 where none is.
    pub(super) lag: f64,
    pub(super) dead_letters: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stock {
    pub(super) holds: f64,
    pub(super) units: f64,
    /// Since the programs started.
    pub(super) shortages: f64,
}

/// Since the programs started.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sales {
    pub(super) orders: f64,
    pub(super) declined: f64,
    /// In the smallest units of each currency.
    pub(super) revenue: Vec<(String, f64)>,
}

impl View {
    pub(super) fn of(before: &Sample, now: &Sample) -> Self {
        let change = Change { before, now };
        let states = now.values("oxcart_checkouts_unfinished", "state");
        let states = states
            .into_iter()
            .map(|state| (state.to_owned(), now.max("oxcart_checkouts_unfinished", &[("state", state)])));
        let ended = |end| change.rate("oxcart_checkouts_ended_total", &[("end", end)]);
        let outboxes = now.values("oxcart_outbox_rows", "service");
        let outboxes = outboxes.into_iter().map(|service| Outbox {
            service: service.to_owned(),
            rows: now.max("oxcart_outbox_rows", &[("service", service)]),
            oldest: now.max("oxcart_outbox_oldest_age_seconds", &[("service", service)]),
        });
        let groups = now.values("oxcart_events_applied_total", "group");
        let consumers = groups.into_iter().map(|group| Consumer {
            group: group.to_owned(),
            rate: change.rate("oxcart_events_applied_total", &[("group", group)]),
            waiting: now.known("oxcart_consumer_lag_events", &[("group", group)]),
            lag: now.max("oxcart_consumer_lag_seconds", &[("group", group)]),
            dead_letters: now.sum("oxcart_dead_letters_total", &[("group", group)]),
        });
        let currencies = now.values("oxcart_revenue_minor_units_total", "currency");
        let revenue = currencies.into_iter().map(|currency| {
            (currency.to_owned(), now.sum("oxcart_revenue_minor_units_total", &[("currency", currency)]))
        });
        Self {
            requests: change.traffic(&[]),
            routes: change.routes(),
            sagas: Sagas {
                states: states.filter(|(_, count)| *count > 0.0).collect(),
                stuck: now.max("oxcart_checkouts_stuck", &[]),
                completed: ended("completed"),
                failed: ended("failed"),
                retries: change.rate("oxcart_checkout_retries_total", &[]),
                takeovers: now.sum("oxcart_checkout_takeovers_total", &[]),
            },
            outboxes: outboxes.collect(),
            consumers: consumers.collect(),
            stock: Stock {
                holds: now.max("oxcart_stock_holds", &[]),
                units: now.max("oxcart_stock_held_units", &[]),
                shortages: now.sum("oxcart_stock_shortages_total", &[]),
            },
            sales: Sales {
                orders: now.sum("oxcart_orders_total", &[("status", "CONFIRMED")]),
                declined: now.sum("oxcart_payments_declined_total", &[]),
                revenue: revenue.collect(),
            },
        }
    }
}

/// From one sample to the next.
struct Change<'a> {
    before: &'a Sample,
    now: &'a Sample,
}

impl Change<'_> {
    /// By how much a counter grew per second. One that began anew with its program grew by what it says.
    fn rate(&self, name: &str, having: Having<'_>) -> f64 {
        let (before, now) = (self.before.sum(name, having), self.now.sum(name, having));
        let grown = if now < before { now } else { now - before };
        grown / self.seconds()
    }

    fn seconds(&self) -> f64 {
        (self.now.at - self.before.at).as_secs_f64().max(f64::EPSILON)
    }

    fn traffic(&self, having: Having<'_>) -> Traffic {
        let counts = format!("{REQUESTS}_count");
        let statuses = self.now.values(&counts, "http_response_status_code");
        let errors = statuses.into_iter().filter(|status| status.starts_with('5')).map(|status| {
            let failed = ("http_response_status_code", status);
            let having: Vec<_> = having.iter().copied().chain([failed]).collect();
            self.rate(&counts, &having)
        });
        Traffic { rate: self.rate(&counts, having), errors: errors.sum(), latency: self.latency(having) }
    }

    fn latency(&self, having: Having<'_>) -> Option<Latency> {
        let before = self.before.buckets(REQUESTS, having);
        let mut buckets = self.now.buckets(REQUESTS, having);
        for (bound, count) in &mut buckets {
            let earlier = before.iter().find(|(known, _)| known == bound).map_or(0.0, |(_, count)| *count);
            *count = if earlier > *count { *count } else { *count - earlier };
        }
        let quantile = |share| quantile(&buckets, share);
        Some(Latency { p50: quantile(0.5)?, p95: quantile(0.95)?, p99: quantile(0.99)? })
    }

    fn routes(&self) -> Vec<(String, Traffic)> {
        let counts = format!("{REQUESTS}_count");
        let mut routes = Vec::new();
        for route in self.now.values(&counts, "http_route") {
            for method in self.now.values(&counts, "http_request_method") {
                let traffic = self.traffic(&[("http_route", route), ("http_request_method", method)]);
                if traffic.rate > 0.0 {
                    // What all of them have in common takes the place of what tells them apart.
                    let route = route.strip_prefix("/api/v1").unwrap_or(route);
                    routes.push((format!("{method} {route}"), traffic));
                }
            }
        }
        routes.sort_by(|(_, a), (_, b)| b.rate.total_cmp(&a.rate));
        routes.truncate(ROUTES);
        routes
    }
}

/// The duration that this share of all was not longer than, as Prometheus estimates it: within a bucket, evenly spread.
fn quantile(buckets: &[(f64, f64)], share: f64) -> Option<f64> {
    let (_, all) = buckets.last()?;
    if *all <= 0.0 {
        return None;
    }
    let rank = share * all;
    let (mut below, mut lower) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *count >= rank {
            let part = if *count > below { (rank - below) / (count - below) } else { 1.0 };
            return Some(if bound.is_finite() { lower + (bound - lower) * part } else { lower });
        }
        (below, lower) = (*count, *bound);
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    fn sample(at: Instant, text: &str) -> Sample {
        Sample::parse(at, &[text.to_owned()])
    }

    fn requests(route: &str, status: u16, counts: [u32; 3]) -> String {
        let labels = format!(
            "http_request_method=\"GET\",http_route=\"{route}\",http_response_status_code=\"{status}\""
        );
        let [fast, slow, all] = counts;
        format!(
            "{REQUESTS}_bucket{{{labels},le=\"0.1\"}} {fast}\n{REQUESTS}_bucket{{{labels},le=\"0.2\"}} {slow}\n\
             {REQUESTS}_bucket{{{labels},le=\"+Inf\"}} {all}\n{REQUESTS}_count{{{labels}}} {all}\n"
        )
    }

    #[tokio::test]
    async fn rates_and_percentiles_are_of_the_time_between() {
        let start = Instant::now();
        let before = sample(start, &requests("/a", 200, [100, 100, 100]));
        let text = requests("/a", 200, [105, 109, 110]) + &requests("/b", 503, [0, 20, 20]);
        let view = View::of(&before, &sample(start + Duration::from_secs(2), &text));
        assert_eq!((view.requests.rate, view.requests.errors), (15.0, 10.0));
        let names: Vec<_> = view.routes.iter().map(|(name, traffic)| (name.as_str(), traffic.rate)).collect();
        assert_eq!(names, [("GET /b", 10.0), ("GET /a", 5.0)]);
        let a = view.routes[1].1.latency.unwrap();
        // Of ten, five took up to 0.1 s, four more up to 0.2 s.
        assert_eq!((a.p50, a.p99), (0.1, 0.2));
        assert!((a.p95 - 0.2).abs() < 1e-9, "{a:?}");
        let b = view.routes[0].1.latency.unwrap();
        assert!((b.p50 - 0.15).abs() < 1e-9, "{b:?}");
    }

    #[tokio::test]
    async fn a_program_that_began_anew_has_not_counted_back() {
        let start = Instant::now();
        let before = sample(start, &requests("/a", 200, [100, 100, 100]));
        let text = requests("/a", 200, [4, 4, 4]);
        let view = View::of(&before, &sample(start + Duration::from_secs(1), &text));
        assert_eq!(view.requests.rate, 4.0);
        assert!(view.requests.latency.is_some());
    }

    #[tokio::test]
    async fn what_a_store_says_is_taken_once_and_what_programs_count_is_added_up() {
        let start = Instant::now();
        let text = "oxcart_checkouts_unfinished{state=\"CAPTURING\"} 3\noxcart_checkouts_unfinished{state=\"VOIDING\"} 0\n\
                    oxcart_orders_total{status=\"CONFIRMED\"} 2\noxcart_outbox_rows{service=\"orders\"} 7\n\
                    oxcart_revenue_minor_units_total{currency=\"USD\"} 500\n";
        let texts = [text.to_owned(), text.to_owned()];
        let now = Sample::parse(start + Duration::from_secs(1), &texts);
        let view = View::of(&sample(start, ""), &now);
        assert_eq!(view.sagas.states, [("CAPTURING".to_owned(), 3.0)]);
        assert_eq!(view.sales.orders, 4.0);
        assert_eq!(view.sales.revenue, [("USD".to_owned(), 1000.0)]);
        assert_eq!(view.outboxes, [Outbox { service: "orders".to_owned(), rows: 7.0, oldest: 0.0 }]);
        assert_eq!(view.requests.latency, None);
    }
}
