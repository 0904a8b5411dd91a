//! Which traces are kept, and where they go.

use std::path::PathBuf;

use http::Uri;
use opentelemetry_sdk::trace::Sampler;

/// Which traces are kept, and where they go: by the names and values of OpenTelemetry.
#[derive(clap::Args, Debug, Clone)]
#[group(id = "traces")]
pub struct Settings {
    /// Collector of traces, by OTLP over gRPC, as http://127.0.0.1:4317 or https://HOST:PORT; unset: no traces
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_parser = collector)]
    pub otel_exporter_otlp_endpoint: Option<Uri>,
    /// PEM file with the roots of the certificate that the collector behind https:// must show; unset: those of the system
    #[arg(long, env = "OTEL_EXPORTER_OTLP_CERTIFICATE")]
    pub otel_exporter_otlp_certificate: Option<PathBuf>,
    /// Which requests are traced; with parentbased_, whatever the caller has decided comes first
    #[arg(long, env = "OTEL_TRACES_SAMPLER", default_value = "parentbased_always_on")]
    pub otel_traces_sampler: Choice,
    /// The share of requests that traceidratio takes, 0.0 to 1.0
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", default_value = "1.0", value_parser = share)]
    pub otel_traces_sampler_arg: f64,
}

/// How it is decided whether a request is traced.
#[derive(clap::ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
#[value(rename_all = "snake_case")]
pub enum Choice {
    /// Every one.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A share.
    #[value(name = "traceidratio")]
    Ratio,
    /// As the caller has decided; every one without a caller that has.
    #[value(name = "parentbased_always_on")]
    CallersElseOn,
    /// As the caller has decided; none without a caller that has.
    #[value(name = "parentbased_always_off")]
    CallersElseOff,
    /// As the caller has decided; a share of those without a caller that has.
    #[value(name = "parentbased_traceidratio")]
    CallersElseRatio,
}

impl Settings {
    pub(super) fn sampler(&self) -> Sampler {
        let ratio = Sampler::TraceIdRatioBased(self.otel_traces_sampler_arg);
        match self.otel_traces_sampler {
            Choice::AlwaysOn => Sampler::AlwaysOn,
            Choice::AlwaysOff => Sampler::AlwaysOff,
            Choice::Ratio => ratio,
            Choice::CallersElseOn => Sampler::ParentBased(Box::new(Sampler::AlwaysOn)),
            Choice::CallersElseOff => Sampler::ParentBased(Box::new(Sampler::AlwaysOff)),
            Choice::CallersElseRatio => Sampler::ParentBased(Box::new(ratio)),
        }
    }
}

fn collector(text: &str) -> Result<Uri, String> {
    let uri: Uri = text.parse().map_err(|_| "it is no URL")?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            Err("it holds a name or password".into())
        }
        (Some("http" | "https"), Some(_)) if uri.path() == "/" && uri.query().is_none() => Ok(uri),
        (Some("http" | "https"), Some(_)) => Err("it has a path, which OTLP over gRPC has not".into()),
        (Some(other), _) => Err(format!("{other}:// is not spoken")),
        (None, _) => Err("it has no http:// or https:// in front".into()),
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "it is no number")?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("it is no share of 1".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_an_http_url_without_a_path() {
        for good in
            ["http://127.0.0.1:4317", "http://collector:4317/", "http://[::1]:4317", "https://collector"]
        {
            assert!(collector(good).is_ok(), "{good}");
        }
        for (bad, cause) in [
            ("127.0.0.1:4317", "it has no http:// or https:// in front"),
            ("collector", "it has no http:// or https:// in front"),
            ("http:// collector", "it is no URL"),
            ("ftp://collector", "ftp:// is not spoken"),
            ("https://collector/v1/traces", "it has a path, which OTLP over gRPC has not"),
            ("http://collector:4318/v1/traces", "it has a path, which OTLP over gRPC has not"),
            ("http://user:secret@collector", "it holds a name or password"),
            ("https://user:secret@collector", "it holds a name or password"),
        ] {
            assert_eq!(collector(bad).unwrap_err(), cause, "{bad}");
        }
    }

    #[test]
    fn a_share_is_a_number_from_0_to_1() {
        assert_eq!((share("0"), share("0.25"), share("1")), (Ok(0.0), Ok(0.25), Ok(1.0)));
        for bad in ["", "half", "1.1", "-0.1", "NaN"] {
            assert!(share(bad).is_err(), "{bad}");
        }
    }
}
