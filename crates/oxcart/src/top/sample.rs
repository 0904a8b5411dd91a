//! The numbers of a shop at one moment, as its programs serve them.

use std::collections::BTreeMap;

use tokio::time::Instant;

/// What all programs said at about one moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    /// When.
    pub(super) at: Instant,
    series: Vec<Series>,
}

/// One number.
#[derive(Debug, Clone, PartialEq)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// Labels that a series must have, to be meant.
pub(super) type Having<'a> = &'a [(&'a str, &'a str)];

impl Sample {
    /// Reads Prometheus text, that of each program. What is no number of a series is passed over.
    pub(super) fn parse(at: Instant, texts: &[String]) -> Self {
        let series = texts.iter().flat_map(|text| text.lines()).filter_map(Series::parse).collect();
        Self { at, series }
    }

    /// Of what programs count, each for itself.
    pub(super) fn sum(&self, name: &str, having: Having<'_>) -> f64 {
        self.named(name, having).map(|series| series.value).sum()
    }

    /// Of what programs ask a store that they may share; 0 where none of them knows.
    pub(super) fn max(&self, name: &str, having: Having<'_>) -> f64 {
        self.known(name, having).unwrap_or(0.0)
    }

    /// The same where it matters that one of them knows.
    pub(super) fn known(&self, name: &str, having: Having<'_>) -> Option<f64> {
        let known = self.named(name, having).map(|series| series.value).filter(|value| !value.is_nan());
        known.max_by(f64::total_cmp)
    }

    /// The values of a label, in order.
    pub(super) fn values(&self, name: &str, label: &str) -> Vec<&str> {
        let named = self.series.iter().filter(|series| series.name == name);
        let mut values: Vec<&str> = named.filter_map(|series| series.label(label)).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    /// How many durations were not longer than each bound, in seconds; ascending.
    pub(super) fn buckets(&self, name: &str, having: Having<'_>) -> Vec<(f64, f64)> {
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for series in self.named(&format!("{name}_bucket"), having) {
            let Some(bound) = series.labels.get("le").and_then(|le| le.parse().ok()) else { continue };
            match buckets.iter_mut().find(|(known, _)| *known == bound) {
                Some((_, count)) => *count += series.value,
                None => buckets.push((bound, series.value)),
            }
        }
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        buckets
    }

    fn named<'a>(&'a self, name: &'a str, having: Having<'a>) -> impl Iterator<Item = &'a Series> {
        let has =
            move |series: &&Series| having.iter().all(|(label, value)| series.label(label) == Some(*value));
        self.series.iter().filter(move |series| series.name == name).filter(has)
    }
}

impl Series {
    /// `name{label="value",other="value"} 1.5`; labels may be missing.
    fn parse(line: &str) -> Option<Self> {
        let (head, value) = line.rsplit_once(' ')?;
        let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
        if name.starts_with('#') {
            return None;
        }
        let labels = labels.strip_suffix('}')?;
        let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
        let labels = pairs
            .map(|pair| {
                let (label, value) = pair.split_once("=\"")?;
                Some((label.to_owned(), value.trim_end_matches('"').to_owned()))
            })
            .collect::<Option<_>>()?;
        Some(Self { name: name.to_owned(), labels, value: value.parse().ok()? })
    }

    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(name).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn text_of_several_programs_becomes_numbers() {
        let one = "# TYPE a_total counter\na_total{x=\"1\",y=\"p q\"} 2\na_total{x=\"2\"} 3\nb 1.5\n\nbroken";
        let other = "a_total{x=\"1\"} 4\nb 0.5\nt_bucket{le=\"0.5\"} 1\nt_bucket{le=\"+Inf\"} 2";
        let third = "t_bucket{le=\"0.5\"} 5\nt_bucket{le=\"+Inf\"} 5";
        let sample = Sample::parse(Instant::now(), &[one, other, third].map(str::to_owned));
        assert_eq!(sample.sum("a_total", &[]), 9.0);
        assert_eq!(sample.sum("a_total", &[("x", "1")]), 6.0);
        assert_eq!(sample.sum("a_total", &[("x", "1"), ("y", "p q")]), 2.0);
        assert_eq!((sample.max("b", &[]), sample.max("never", &[])), (1.5, 0.0));
        let unknown = Sample::parse(Instant::now(), &["b NaN".to_owned()]);
        assert_eq!([sample.known("b", &[]), unknown.known("b", &[])], [Some(1.5), None]);
        assert_eq!(sample.values("a_total", "x"), ["1", "2"]);
        assert_eq!(sample.buckets("t", &[]), [(0.5, 6.0), (f64::INFINITY, 7.0)]);
    }
}
