//! Ports for programs that must be told theirs.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpSocket;

/// A port of 127.0.0.1 on which nobody listens until a program is told to, that may then end and start again.
///
/// A port that was only found to be free is given to the next one who asks for any, by the time that the program
/// starts. This one is held by a socket that is bound and does not listen: the system gives it to nobody who binds
/// to port 0 or connects, and lets who names it and reuses addresses listen, as all our servers do.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    _held: TcpSocket,
}

impl Port {
    /// Takes one.
    ///
    /// # Panics
    /// When there is none.
    pub fn hold() -> Self {
        let held = TcpSocket::new_v4().expect("a socket");
        held.set_reuseaddr(true).expect("an address that can be shared");
        held.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Self { address: held.local_addr().expect("its address"), _held: held }
    }

    /// Takes some.
    ///
    /// # Panics
    /// When there are none.
    pub fn hold_some(count: usize) -> Vec<Self> {
        (0..count).map(|_| Self::hold()).collect()
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.address.port()
    }

    /// It and its host.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use tokio::net::{TcpListener, TcpStream};

    use super::Port;

    #[tokio::test]
    async fn only_who_is_told_of_it_listens() {
        let port = Port::hold();
        for _ in 0..2 {
            let refused = TcpStream::connect(port.address()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let listener = TcpListener::bind(port.address()).await.unwrap();
            let second = TcpListener::bind(port.address()).await.unwrap_err();
            assert_eq!(second.kind(), ErrorKind::AddrInUse);
            TcpStream::connect(port.address()).await.unwrap();
            drop(listener);
        }
    }
}
