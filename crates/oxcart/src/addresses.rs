//! Where a running shop listens, written into its data directory for the other commands.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::config::Program;

/// Where a shop listens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    /// The REST gateway.
    pub http: SocketAddr,
    /// Whether it speaks TLS.
    #[serde(default)]
    pub tls: bool,
    /// Where metrics are served.
    #[serde(default)]
    pub metrics: Option<SocketAddr>,
    /// The gRPC servers, by the name of their program.
    pub grpc: BTreeMap<String, SocketAddr>,
}

impl Addresses {
    /// The gateway as a URL.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.http)
    }

    /// Where a program's gRPC server listens.
    ///
    /// # Errors
    /// A program that is not there.
    pub fn of(&self, program: Program) -> anyhow::Result<SocketAddr> {
        let name = program.name();
        self.grpc.get(name).copied().with_context(|| format!("the {name} server is not there"))
    }

    /// Leaves the addresses in a data directory.
    ///
    /// # Errors
    /// A file that can't be written.
    pub fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let path = file(data_dir);
        let json = serde_json::to_vec_pretty(self)?;
        fs::write(&path, json).with_context(|| format!("can't write {}", path.display()))
    }

    /// The addresses of the shop that runs, or ran last, on a data directory.
    ///
    /// # Errors
    /// No shop ever ran there.
    pub fn read(data_dir: &Path) -> anyhow::Result<Self> {
        let path = file(data_dir);
        let json = fs::read(&path).with_context(|| {
            format!("no shop was started on {} (DATA_DIR); start one with: oxcart", data_dir.display())
        })?;
        serde_json::from_slice(&json).with_context(|| format!("{} was not written by a shop", path.display()))
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join("addresses.json")
}
