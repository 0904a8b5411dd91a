//! How long requests took, by route, method and status: the metric `http.server.request.duration` of OpenTelemetry's
//! semantic conventions for HTTP.

use std::time::Duration;

use http::{Method, StatusCode};
use platform::metrics::{self, Metrics};

/// Where no route was found.
const NO_ROUTE: &str = "none";

/// What a method is called that no route of ours has: a client may make up as many as it likes.
const OTHER: &str = "_OTHER";

/// The durations of this gateway's requests.
pub(crate) struct Durations(metrics::Durations<(&'static str, u16)>);

impl Durations {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let metrics = metrics.clone();
        Self(metrics::Durations::new(move |route, (method, status): (&str, u16)| {
            let status = status.to_string();
            metrics.durations(
                "http_server_request_duration_seconds",
                "Requests of clients, from their head to the head of the answer.",
                &[
                    ("http_request_method", method),
                    ("http_route", route),
                    ("http_response_status_code", &status),
                ],
            )
        }))
    }

    /// A request to this route was answered so.
    pub(crate) fn record(&self, route: Option<&str>, method: &Method, status: StatusCode, took: Duration) {
        self.0.record(route.unwrap_or(NO_ROUTE), (name(method), status.as_u16()), took);
    }
}

fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_make_up_makes_no_series() {
        let metrics = Metrics::default();
        let durations = Durations::new(&metrics);
        for number in 0..10 {
            let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
            durations.record(None, &method, StatusCode::NOT_FOUND, Duration::ZERO);
        }
        let text = metrics.text();
        let count = "http_server_request_duration_seconds_count";
        let series: Vec<&str> = text.lines().filter(|line| line.starts_with(count)).collect();
        let labels = "http_request_method=\"_OTHER\",http_route=\"none\",http_response_status_code=\"404\"";
        assert_eq!(series, [format!("{count}{{{labels}}} 10")]);
    }
}
