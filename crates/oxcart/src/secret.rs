//! The key that signs the shop's tokens where nobody configured one: made on first use, kept with the data.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use api_gateway::auth::random_secret;
use secrecy::{ExposeSecret as _, SecretString};

/// The secret of a data directory, made if there is none yet. Only the owner may read its file.
///
/// # Errors
/// A directory or file that can't be written or read.
pub(crate) fn of(data_dir: &Path) -> anyhow::Result<SecretString> {
    fs::create_dir_all(data_dir)
        .with_context(|| format!("can't make the data directory {}", data_dir.display()))?;
    let path = file(data_dir);
    let mut options = fs::OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let secret = random_secret();
            file.write_all(secret.expose_secret().as_bytes())
                .with_context(|| format!("can't write {}", path.display()))?;
            Ok(secret)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => existing(data_dir),
        Err(error) => Err(error).with_context(|| format!("can't write {}", path.display())),
    }
}

/// The secret that the shop of a data directory signs with.
///
/// # Errors
/// No shop ever made one there.
pub(crate) fn existing(data_dir: &Path) -> anyhow::Result<SecretString> {
    let secret = fs::read_to_string(file(data_dir)).with_context(|| {
        let data_dir = data_dir.display();
        format!("no shop that makes its own secret was started on {data_dir} (DATA_DIR)")
    })?;
    Ok(secret.trim().to_owned().into())
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("jwt-secret")
}

#[cfg(test)]
mod tests {
    use testkit::TempDir;

    use super::*;

    #[test]
    fn is_made_once_and_kept() {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        assert!(existing(&data).is_err() && !data.exists(), "who only reads makes nothing");
        let first = of(&data).unwrap();
        assert!(first.expose_secret().len() >= 32);
        assert_eq!(of(&data).unwrap().expose_secret(), first.expose_secret());
        assert_eq!(existing(&data).unwrap().expose_secret(), first.expose_secret());
    }
}
