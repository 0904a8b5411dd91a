//! What is drawn and what alerts: each metric and each label that a dashboard or a rule names is one that we serve.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::metrics::{self, Metrics};

/// Words of PromQL, and the names that Prometheus itself gives.
const WORDS: [&str; 19] = [
    "by",
    "count",
    "histogram_quantile",
    "increase",
    "max",
    "min",
    "or",
    "rate",
    "sum",
    "topk",
    "unless",
    "up",
    "vector",
    "job",
    "le",
    "service",
    "oxcart",
    "__rate_interval",
    "m",
];

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deployments/observability")
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The queries of a dashboard, or the expressions of rules: whatever is called `expr`.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str().filter(|_| name == "expr") {
                    Some(expression) => found.push(expression.to_owned()),
                    None => expressions(field, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The names in an expression; what is quoted or begins with a digit is none.
fn names(expression: &str) -> BTreeSet<&str> {
    let unquoted = expression.split('"').step_by(2);
    let words = unquoted.flat_map(|part| part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    words.filter(|word| word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')).collect()
}

/// What an expression names that is neither a metric, nor a label of one that it names, nor a word of PromQL.
fn unknown<'e>(expression: &'e str, served: &Metrics) -> Vec<&'e str> {
    let metric = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"];
        let histogram = parts.iter().find_map(|part| served.get_key_value(name.strip_suffix(part)?));
        let histogram = histogram.filter(|(_, (kind, _))| kind == "histogram");
        served
            .get(name)
            .filter(|(kind, _)| kind != "histogram")
            .or_else(|| histogram.map(|(_, metric)| metric))
    };
    let names = names(expression);
    let labels: BTreeSet<&String> =
        names.iter().filter_map(|name| metric(name)).flat_map(|(_, labels)| labels).collect();
    let is_known = |name: &str| {
        WORDS.contains(&name) || metric(name).is_some() || labels.iter().any(|label| *label == name)
    };
    names.into_iter().filter(|name| !is_known(name)).collect()
}

#[test]
fn dashboards_and_rules_name_what_is_served() {
    let served = metrics::table();
    let dashboards = directory().join("grafana/dashboards");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&dashboards).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["sagas.json", "services.json", "shop.json"]);
    files.push(directory().join("alerts.yml"));
    for file in files {
        let value: Value = serde_saphyr::from_str(&read(&file)).unwrap();
        let mut found = Vec::new();
        expressions(&value, &mut found);
        assert!(found.len() > 5, "{}: {found:?}", file.display());
        for expression in found {
            let unknown = unknown(&expression, &served);
            assert!(unknown.is_empty(), "{}: {unknown:?} in {expression}", file.display());
        }
    }
}

#[test]
fn what_is_not_served_is_found() {
    let labels = ["state".to_owned()].into();
    let served = Metrics::from([
        ("a_total".to_owned(), ("counter".to_owned(), labels)),
        ("b_seconds".to_owned(), ("histogram".to_owned(), BTreeSet::new())),
    ]);
    for (expression, found) in [
        ("sum by (state) (rate(a_total{state=\"no_metric\"}[5m]))", vec![]),
        ("histogram_quantile(0.99, sum by (le) (rate(b_seconds_bucket[1m])))", vec![]),
        ("sum by (status) (a_total)", vec!["status"]),
        ("a_total / b_seconds", vec!["b_seconds"]),
        ("a_total_count + c", vec!["a_total_count", "c"]),
        ("max by (state) (b_seconds_sum)", vec!["state"]),
    ] {
        assert_eq!(unknown(expression, &served), found, "{expression}");
    }
}
