//! Where a request comes from.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::HeaderMap;

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address such as 10.0.0.7 or a network such as 10.0.0.0/8")]
pub struct InvalidNetwork;

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or a single `10.0.0.7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// Whether the address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let differing_bits = match (self.address, address.to_canonical()) {
            (IpAddr::V4(here), IpAddr::V4(there)) => (here.to_bits() ^ there.to_bits()).leading_zeros(),
            (IpAddr::V6(here), IpAddr::V6(there)) => (here.to_bits() ^ there.to_bits()).leading_zeros(),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        differing_bits >= self.prefix
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| InvalidNetwork)?,
            None => bits,
        };
        if prefix > bits {
            return Err(InvalidNetwork);
        }
        Ok(Self { address, prefix })
    }
}

/// The address of the client: the peer of the connection, unless that is a proxy we trust. Then it is the last
/// entry of `X-Forwarded-For` that no trusted proxy made: entries further to the left are the client's own words.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    let lines: Vec<&str> =
        headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or_default()).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_trusted(client) {
            break;
        }
        match parse_hop(hop.trim()) {
            Some(address) => client = address.to_canonical(),
            // Nobody knows who is behind what can't be read: the proxy that wrote it stands for them.
            None => break,
        }
    }
    client
}

/// An address with or without a port.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.trim_start_matches('[').trim_end_matches(']');
    let with_port = || hop.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    bare.parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, lines: &[&str], trusted: &[&str]) -> String {
        let headers =
            lines.iter().map(|line| ("x-forwarded-for".parse().unwrap(), line.parse().unwrap())).collect();
        let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn nobody_else_may_say_who_asks() {
        assert_eq!(client("203.0.113.9", &["1.1.1.1"], &[]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &["1.1.1.1"], &["10.0.0.0/8"]), "203.0.113.9");
        assert_eq!(client("::ffff:203.0.113.9", &[], &[]), "203.0.113.9");
    }

    #[test]
    fn a_trusted_proxy_is_asked_from_the_right() {
        let trusted = ["10.0.0.0/8", "fd00::/8"];
        for (lines, wanted) in [
            (vec![], "10.0.0.1"),
            (vec!["203.0.113.9"], "203.0.113.9"),
            (vec!["6.6.6.6, 203.0.113.9"], "203.0.113.9"),
            (vec!["6.6.6.6, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            (vec!["6.6.6.6", "203.0.113.9,10.0.0.2"], "203.0.113.9"),
            (vec!["203.0.113.9", "fd00::2"], "203.0.113.9"),
            (vec!["203.0.113.9:1234"], "203.0.113.9"),
            (vec!["[2001:db8::1]:80"], "2001:db8::1"),
            (vec!["2001:db8::1"], "2001:db8::1"),
            (vec!["6.6.6.6, unknown"], "10.0.0.1"),
            (vec!["6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2"),
            (vec!["10.0.0.3"], "10.0.0.3"),
            (vec![""], "10.0.0.1"),
        ] {
            assert_eq!(client("10.0.0.1", &lines, &trusted), wanted, "{lines:?}");
        }
    }

    #[test]
    fn networks_are_read_or_refused() {
        let all: Network = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("8.8.8.8".parse().unwrap()) && !all.contains("::1".parse().unwrap()));
        let one: Network = " 10.0.0.7 ".parse().unwrap();
        assert!(one.contains("::ffff:10.0.0.7".parse().unwrap()));
        assert!(!one.contains("10.0.0.6".parse().unwrap()));
        for bad in ["", "x", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0.0/"] {
            assert_eq!(bad.parse::<Network>(), Err(InvalidNetwork), "{bad}");
        }
    }
}
