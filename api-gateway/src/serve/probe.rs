//! `healthcheck` of a gateway that may speak TLS.

use std::net::IpAddr;
use std::process::ExitCode;

use platform::healthcheck::http;
use platform::tls::connect_to_anybody;
use tokio_rustls::rustls::pki_types::ServerName;

use super::settings::Port;

/// Whether the gateway that runs with these settings on this machine is ready: exit code 0, or 1 and one line on
/// stderr. Whoever answers at the port is believed, with TLS as without: nothing is told to them.
pub fn healthcheck(program: &str, address: IpAddr, port: u16, settings: &Port) -> ExitCode {
    if settings.tls_cert.is_none() {
        return http(program, address, port, async |plain| Ok(plain));
    }
    http(program, address, port, async |plain| {
        connect_to_anybody(None, ServerName::from(address), &[], plain).await
    })
}
