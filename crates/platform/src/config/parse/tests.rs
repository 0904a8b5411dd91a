use clap::Parser;

use super::*;
use crate::config::{Data, Listen, Log, LogFormat};

/// A program.
#[derive(Parser, Debug)]
#[command(name = "product-service", mut_arg("grpc_port", |a| a.default_value("50051")))]
struct Config {
    #[command(flatten)]
    listen: Listen,
    #[command(flatten)]
    log: Log,
    #[command(flatten)]
    data: Data,
    /// Share of payments that succeed, 0 to 1
    #[arg(long, env = "SUCCESS_RATE", default_value_t = 1.0)]
    success_rate: f64,
    /// A number, and a secret
    #[arg(long, env = "PIN", hide_env_values = true)]
    pin: Option<u32>,
    /// Addresses of clients
    #[arg(long, env = "PEERS", value_delimiter = ',')]
    peers: Vec<String>,
    /// Answer slowly
    #[arg(long, env = "SLOW")]
    slow: bool,
}

fn read(env: &[(&str, &str)], args: &[&str]) -> Result<Config, Error> {
    let args = std::iter::once("product-service").chain(args.iter().copied()).map(OsString::from);
    try_parse("PRODUCT", args, &|name| env.iter().find(|(n, _)| *n == name).map(|(_, v)| v.into()))
}

fn complaint(env: &[(&str, &str)], args: &[&str]) -> String {
    read(env, args).unwrap_err().to_string()
}

#[test]
fn nothing_set_means_the_defaults() {
    let config = read(&[], &[]).unwrap();
    assert_eq!(config.listen.grpc_port, 50051);
    assert_eq!(config.listen.bind_addr.to_string(), "127.0.0.1");
    assert_eq!((config.log.log_level.as_str(), config.log.log_format), ("info", None));
    assert_eq!(config.data.data_dir.to_str(), Some("./data"));
    assert_eq!((config.success_rate, config.pin, config.peers.len(), config.slow), (1.0, None, 0, false));
}

#[test]
fn the_prefix_wins_and_a_flag_wins_over_all() {
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a [&'a str], u16);
    let cases: [Case<'_>; 7] = [
        (&[("GRPC_PORT", "1")], &[], 1),
        (&[("GRPC_PORT", "1"), ("PRODUCT_SERVICE_PORT", "2")], &[], 2),
        (&[("PRODUCT_SERVICE_PORT", "2"), ("PRODUCT_GRPC_PORT", "3")], &[], 3),
        (&[("PRODUCT_GRPC_PORT", "3")], &["--grpc-port", "4"], 4),
        (&[("PRODUCT_GRPC_PORT", "not even a number")], &["--grpc-port=4"], 4),
        (&[("CART_GRPC_PORT", "5")], &[], 50051),
        (&[("PRODUCT_GRPC_PORT", ""), ("GRPC_PORT", "0")], &[], 0),
    ];
    for (env, args, expected) in cases {
        assert_eq!(read(env, args).unwrap().listen.grpc_port, expected, "{env:?} {args:?}");
    }
}

#[test]
fn lists_and_switches_come_from_the_environment_too() {
    let config = read(&[("PEERS", "a,b"), ("SLOW", "true"), ("LOG_FORMAT", "json")], &[]).unwrap();
    assert_eq!(config.peers, ["a", "b"]);
    assert!(config.slow);
    assert_eq!(config.log.log_format, Some(LogFormat::Json));
    assert_eq!(read(&[("PEERS", "a,b")], &["--peers", "c"]).unwrap().peers, ["c"]);
    assert!(!read(&[("SLOW", "0")], &[]).unwrap().slow);
}

#[test]
fn an_unusable_value_is_one_line_that_names_the_variable_the_value_and_what_would_be_right() {
    let cases = [
        (
            ("GRPC_PORT", "abc"),
            "GRPC_PORT=abc can't be used: invalid digit found in string; \
             wanted: a port, 0 to 65535; 0 takes any free one",
        ),
        (
            ("PRODUCT_SERVICE_PORT", "70000"),
            "PRODUCT_SERVICE_PORT=70000 can't be used: 70000 is not in 0..=65535; \
             wanted: a port, 0 to 65535; 0 takes any free one",
        ),
        (("LOG_FORMAT", "xml"), "LOG_FORMAT=xml can't be used; wanted: json or pretty"),
        (("SLOW", "maybe"), "SLOW=maybe can't be used; wanted: true or false"),
        (("PIN", "12x4"), "PIN=*** can't be used; wanted: a number, and a secret"),
    ];
    for (variable, expected) in cases {
        assert_eq!(complaint(&[variable], &[]), expected);
    }
    assert!(complaint(&[("LOG_LEVEL", "info,=,")], &[]).starts_with("LOG_LEVEL=info,=, can't be used: "));
    assert!(complaint(&[], &["--grpc-port", "x"]).starts_with("--grpc-port=x can't be used: "));
}

#[test]
fn unknown_flags_and_help_stay_as_clap_has_them() {
    let unknown = complaint(&[], &["--grpc-prot", "1"]);
    assert!(unknown.contains("unexpected argument '--grpc-prot'"), "{unknown}");
    let Err(Error::Command(help)) = read(&[("GRPC_PORT", "1")], &["--help"]) else { panic!("no help") };
    assert_eq!(help.exit_code(), 0);
    let help = help.to_string();
    for listed in
        ["GRPC_PORT", "50051", "BIND_ADDR", "LOG_LEVEL", "DATA_DIR", "DATABASE_URL", "PRODUCT_SERVICE_PORT"]
    {
        assert!(help.contains(listed), "{listed} is missing in {help}");
    }
}

/// A program with a setting that has no default.
#[derive(Parser, Debug)]
struct Locked {
    /// The key, at least 32 characters
    #[arg(long, env = "KEY", hide_env_values = true)]
    key: String,
}

#[test]
fn a_setting_that_is_missing_is_named() {
    let args = || ["locked"].into_iter().map(OsString::from);
    let error = try_parse::<Locked>("", args(), &|_| None).unwrap_err();
    assert_eq!(error.to_string(), "KEY is not set; wanted: the key, at least 32 characters");
    let set = try_parse::<Locked>("", args(), &|name| (name == "KEY").then(|| "k".into())).unwrap();
    assert_eq!(set.key, "k");
}

#[test]
fn a_value_that_is_no_text_is_named_and_not_shown() {
    use std::os::unix::ffi::OsStringExt as _;
    let args = || ["locked"].into_iter().map(OsString::from);
    let key = |name: &str| (name == "KEY").then(|| OsString::from_vec(b"secret\xff".to_vec()));
    let error = try_parse::<Locked>("", args(), &key).unwrap_err();
    assert_eq!(
        error.to_string(),
        "KEY=*** can't be used: it is not UTF-8; wanted: the key, at least 32 characters"
    );
    // A path may be any bytes.
    let directory = |name: &str| (name == "DATA_DIR").then(|| OsString::from_vec(b"x\xff".to_vec()));
    let config: Config = try_parse("PRODUCT", args(), &directory).unwrap();
    assert_eq!(config.data.data_dir.into_os_string().into_vec(), b"x\xff");
}

#[test]
fn a_program_serves_unless_it_is_asked_for_its_health() {
    let task = |args: &[&str]| {
        let args = std::iter::once("product-service").chain(args.iter().copied()).map(OsString::from);
        try_task::<Config>("PRODUCT", args, &|name| (name == "GRPC_PORT").then(|| "7".into()))
    };
    assert!(matches!(task(&[]).unwrap(), Task::Serve(config) if config.listen.grpc_port == 7));
    assert!(
        matches!(task(&["healthcheck"]).unwrap(), Task::HealthCheck(config) if config.listen.grpc_port == 7)
    );
    let help = task(&["--help"]).unwrap_err().to_string();
    assert!(help.contains("healthcheck  Exit with 0") && help.contains("[env: GRPC_PORT="), "{help}");
    assert!(task(&["helthcheck"]).unwrap_err().to_string().contains("helthcheck"));
}
