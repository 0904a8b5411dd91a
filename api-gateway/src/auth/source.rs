//! Where a key set is published, and how it is read: within a time, up to a size, from there and from nowhere else.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use http::StatusCode;
use http::header::ACCEPT;
use reqwest::redirect::Policy;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use url::{Host, Url};

/// How long the source may take, from the first byte to the last.
pub(super) const WITHIN: Duration = Duration::from_secs(3);
/// Bytes of a key set; no longer one is read.
const LIMIT: usize = 64 * 1024;

/// Where a key set is published: `https://…`, `http://…` on a loopback address, or `file://PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySetUrl(Place);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Web(Url),
    File(PathBuf),
}

/// Why a URL is not where a key set is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is neither https://…, nor http://… on a loopback address, nor file://PATH")]
pub struct InvalidKeySetUrl;

impl FromStr for KeySetUrl {
    type Err = InvalidKeySetUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("file://") {
            return Some(path)
                .filter(|path| !path.is_empty())
                .map(|path| Self(Place::File(path.into())))
                .ok_or(InvalidKeySetUrl);
        }
        let url = Url::parse(text).map_err(|_| InvalidKeySetUrl)?;
        let of_this_machine = || match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let safe = url.scheme() == "https" || (url.scheme() == "http" && of_this_machine());
        safe.then_some(Self(Place::Web(url))).ok_or(InvalidKeySetUrl)
    }
}

/// A key set that can be read again and again.
pub(super) enum Source {
    Web(reqwest::Client, Url),
    File(PathBuf),
}

/// Why a key set was not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("it can't be read")]
    File(#[from] std::io::Error),
    #[error("it can't be fetched")]
    Http(#[source] reqwest::Error),
    #[error("it was answered with {0}")]
    Status(StatusCode),
    #[error("it has more than {LIMIT} bytes")]
    TooLarge,
    #[error("it did not come within {} s", WITHIN.as_secs())]
    TooSlow,
}

impl Source {
    pub(super) fn new(KeySetUrl(place): &KeySetUrl) -> Result<Self, reqwest::Error> {
        Ok(match place {
            Place::File(path) => Self::File(path.clone()),
            Place::Web(url) => {
                let mut client = reqwest::Client::builder().redirect(Policy::none());
                if url.scheme() == "http" {
                    // What is on this machine is not asked through another one.
                    client = client.no_proxy();
                }
                Self::Web(client.build()?, url.clone())
            }
        })
    }

    /// Its file, if it is one.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::Web(..) => None,
            Self::File(path) => Some(path),
        }
    }

    /// The document as it is now.
    pub(super) async fn read(&self) -> Result<Vec<u8>, Error> {
        let reading = async {
            match self {
                Self::Web(client, url) => fetch(client, url).await,
                Self::File(path) => read(path).await,
            }
        };
        timeout(WITHIN, reading).await.unwrap_or(Err(Error::TooSlow))
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut document = Vec::new();
    File::open(path).await?.take(LIMIT as u64 + 1).read_to_end(&mut document).await?;
    if document.len() > LIMIT {
        return Err(Error::TooLarge);
    }
    Ok(document)
}

async fn fetch(client: &reqwest::Client, url: &Url) -> Result<Vec<u8>, Error> {
    let request = client.get(url.clone()).header(ACCEPT, "application/json");
    let mut response = request.send().await?;
    if response.status() != StatusCode::OK {
        return Err(Error::Status(response.status()));
    }
    let mut document = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if document.len() + chunk.len() > LIMIT {
            return Err(Error::TooLarge);
        }
        document.extend_from_slice(&chunk);
    }
    Ok(document)
}

/// Without the URL, which may hold a password.
impl From<reqwest::Error> for Error {
    fn from(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }
}
