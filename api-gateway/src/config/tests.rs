use super::*;

fn parse(variables: &[(&str, &str)]) -> Result<Config, String> {
    let env = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).into())
    };
    platform::config::try_parse("GATEWAY", ["api-gateway".into()].into_iter(), &env)
        .map_err(|error| error.to_string())
}

#[test]
fn g4_nothing_set_is_a_safe_gateway_on_this_machine() {
    let config = parse(&[]).unwrap();
    assert_eq!((config.listen.bind_addr.to_string(), config.listen.http_port), ("127.0.0.1".into(), 8080));
    assert_eq!(config.peers.checkout_service_addr, "localhost:50056");
    let settings = config.settings;
    assert_eq!((settings.auth_mode, settings.jwt_secret.is_none()), (AuthMode::Jwt, true));
    assert_eq!((settings.rate_limit_rps, settings.rate_limit_burst), (10, 20));
    assert_eq!(settings.max_requests, 1000);
    assert_eq!((settings.trusted_proxies.len(), settings.cors_origins.len()), (0, 0));
    assert_eq!((settings.checkout_wait_ms, settings.redis), (10_000, None));
    let (port, default) = (settings.port, Port::default());
    assert_eq!(port.max_connections, default.max_connections);
    assert_eq!(port.max_connections_per_address, default.max_connections_per_address);
    assert_eq!((port.tls_cert, port.tls_key), (None, None));
    let StreamBounds { max_event_streams, max_event_streams_per_user } = settings.streams;
    assert_eq!((max_event_streams, max_event_streams_per_user), (500, 10));
}

#[test]
fn e2_https_is_kept_to_where_it_is_spoken() {
    let said = |variables| parse(variables).unwrap().settings.strict_transport_security();
    assert_eq!(said(&[]), None);
    assert_eq!(said(&[("TLS_CERT", "a.pem")]).unwrap(), "max-age=31536000");
    assert_eq!(said(&[("TLS_CERT", "a.pem"), ("HSTS_MAX_AGE", "60")]).unwrap(), "max-age=60");
    assert_eq!(said(&[("HSTS_MAX_AGE", "0")]).unwrap(), "max-age=0", "browsers are to forget it");
}

#[test]
fn lists_are_separated_by_commas() {
    let lists = [
        ("TRUSTED_PROXIES", "10.0.0.0/8,fd00::/8"),
        ("CORS_ORIGINS", "http://a.example:1,https://b.example"),
    ];
    let settings = parse(&lists).unwrap().settings;
    assert_eq!((settings.trusted_proxies.len(), settings.cors_origins.len()), (2, 2));
}

#[test]
fn a_value_that_cannot_be_used_is_named_and_secrets_are_not_shown() {
    for (variable, value, starts) in [
        ("JWT_SECRET", "short", "JWT_SECRET=*** can't be used; wanted: secret that tokens"),
        ("RATE_LIMIT_BURST", "0", "RATE_LIMIT_BURST=0 can't be used"),
        ("MAX_REQUESTS", "9", "MAX_REQUESTS=9 can't be used"),
        ("CHECKOUT_WAIT_MS", "30000", "CHECKOUT_WAIT_MS=30000 can't be used"),
        ("TRUSTED_PROXIES", "lan", "TRUSTED_PROXIES=lan can't be used"),
        ("CORS_ORIGINS", "*", "CORS_ORIGINS=* can't be used"),
        ("CORS_ORIGINS", "https://a.example/", "CORS_ORIGINS=https://a.example/ can't be used"),
        ("MAX_EVENT_STREAMS", "901", "MAX_EVENT_STREAMS=901 can't be used"),
        ("MAX_EVENT_STREAMS_PER_USER", "0", "MAX_EVENT_STREAMS_PER_USER=0 can't be used"),
        ("HSTS_MAX_AGE", "63072001", "HSTS_MAX_AGE=63072001 can't be used"),
        ("AUTH_MODE", "none", "AUTH_MODE=none can't be used"),
        (
            "JWKS_URL",
            "http://u:s3cret@id.example/",
            "JWKS_URL=*** can't be used; wanted: place of the JSON Web",
        ),
        ("MAX_CONNECTIONS", "0", "MAX_CONNECTIONS=0 can't be used: not between 1 and 1000000"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "many", "MAX_CONNECTIONS_PER_ADDRESS=many can't be used"),
    ] {
        let error = parse(&[(variable, value)]).unwrap_err();
        assert!(error.starts_with(starts), "{error}");
    }
    let secrets = [("JWT_SECRET", "s3cret".repeat(6)), ("REDIS_URL", "redis://:s3cret@h".to_owned())];
    let config = parse(&secrets.each_ref().map(|(name, value)| (*name, value.as_str()))).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
    assert_eq!(config.settings().redis.unwrap().url, "redis://:s3cret@h");
}
