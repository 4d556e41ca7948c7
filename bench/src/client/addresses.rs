//! The addresses of a name: all of them are tried, as browsers and curl do, and the one that accepts is kept.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// At least one address, and which of them is in use. Clones share that choice.
#[derive(Clone, Debug)]
pub struct Addresses {
    all: Arc<[SocketAddr]>,
    used: Arc<AtomicUsize>,
}

impl Addresses {
    /// Takes the addresses in the resolver's order; returns nothing if there is none.
    #[must_use]
    pub fn new(all: Vec<SocketAddr>) -> Option<Self> {
        (!all.is_empty()).then(|| Self { all: all.into(), used: Arc::default() })
    }

    /// Returns the address in use: the first one until another one accepted.
    #[must_use]
    pub fn used(&self) -> SocketAddr {
        self.all[self.used.load(Ordering::Relaxed)]
    }

    /// Returns true if there is no choice.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.all.len() == 1
    }

    /// Connects to the address in use or else to the first other one that accepts, which is in use from then on.
    ///
    /// # Errors
    /// Returns the system's error for the address in use, if no address accepts within `wait` each.
    pub fn connect(&self, wait: Duration) -> io::Result<TcpStream> {
        let used = self.used.load(Ordering::Relaxed);
        let mut first = None;
        let others = (0..self.all.len()).filter(|&at| at != used);
        for at in std::iter::once(used).chain(others) {
            match TcpStream::connect_timeout(&self.all[at], wait) {
                Ok(stream) => {
                    self.used.store(at, Ordering::Relaxed);
                    return Ok(stream);
                }
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
    }

    /// Returns all addresses for people: `[::1]:8000 and 127.0.0.1:8000`.
    #[must_use]
    pub fn show(&self) -> String {
        self.all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }
}

impl PartialEq for Addresses {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for Addresses {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_address_that_accepts_is_kept() {
        let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let alive = listener.local_addr().unwrap();
        let addresses = Addresses::new(vec![dead, alive]).unwrap();
        let clone = addresses.clone();
        assert_eq!((addresses.used(), addresses.is_single()), (dead, false));
        addresses.connect(Duration::from_secs(5)).unwrap();
        assert_eq!(clone.used(), alive);
        drop(listener);
        let error = addresses.connect(Duration::from_secs(5)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(addresses.show(), format!("{dead} and {alive}"));
        assert!(Addresses::new(Vec::new()).is_none());
    }
}
