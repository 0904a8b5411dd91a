//! What is spoken to clients by TLS.

use platform::tls::{Credentials, Files};

use super::settings::Port;

/// The first that the client knows too.
const PROTOCOLS: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What the settings ask for: nothing if they name no certificate. Clients need none.
///
/// # Errors
/// One without the other, or files that can't be used, by the name of the setting.
pub(super) async fn open(port: &Port) -> anyhow::Result<Option<Credentials>> {
    let (cert, key) = (("TLS_CERT", port.tls_cert.as_ref()), ("TLS_KEY", port.tls_key.as_ref()));
    match Files::pair(cert, key)? {
        Some(files) => Ok(Some(Credentials::open(files, PROTOCOLS).await?)),
        None => Ok(None),
    }
}
