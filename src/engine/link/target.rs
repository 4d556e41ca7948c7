//! The target: where the peer is dialed. A name is looked up again for every try, on a thread of its own, because the
//! system's resolver may take longer than the peer's connections can be left alone. A thread of this process that sits in the
//! peer's place is asked for a socket.

use std::io;
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use crate::engine::shared::peering::stand::Stand;
use crate::os::address::{Address, Unresolved};
use crate::os::thread;

/// What is known of the peer's address.
pub enum Found {
    /// Here it is.
    Address(SocketAddr),
    /// Here is a connection to it.
    Connection(UnixStream),
    /// The look-up is under way, or the log is about to be there: ask again.
    NotYet,
    /// There is none now.
    No(Unresolved),
    /// The one in the peer's place takes no connection now, with the reason.
    Away(io::Error),
}

/// Where the peer is dialed.
pub enum Target {
    /// On another host.
    Host(Host),
    /// In this process.
    Inside(Box<dyn Stand>),
}

/// A peer on another host.
pub struct Host {
    address: Address,
    under_way: Option<Receiver<Result<SocketAddr, Unresolved>>>,
}

impl Target {
    /// Returns the peer at `address`.
    #[must_use]
    pub fn host(address: Address) -> Self {
        Self::Host(Host { address, under_way: None })
    }

    /// Returns the address or a connection, or begins to look the address up.
    pub fn find(&mut self) -> Found {
        match self {
            Self::Host(host) => host.find(),
            Self::Inside(stand) => match stand.connect() {
                Ok(connection) => Found::Connection(connection),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Found::NotYet,
                Err(error) => Found::Away(error),
            },
        }
    }
}

impl Host {
    fn find(&mut self) -> Found {
        if let Some(literal) = self.address.literal() {
            return Found::Address(literal);
        }
        let answer = match &self.under_way {
            Some(under_way) => under_way.try_recv(),
            None => return self.look_up(),
        };
        if !matches!(answer, Err(TryRecvError::Empty)) {
            self.under_way = None;
        }
        match answer {
            Ok(Ok(address)) => Found::Address(address),
            Ok(Err(unresolved)) => Found::No(unresolved),
            Err(_) => Found::NotYet,
        }
    }

    fn look_up(&mut self) -> Found {
        let (sender, receiver) = channel();
        let address = self.address.clone();
        let look = move || {
            // The link may have ended meanwhile.
            let _ = sender.send(address.resolve());
        };
        match thread::spawn("resolve", look) {
            Ok(_) => {
                self.under_way = Some(receiver);
                Found::NotYet
            }
            Err(source) => Found::No(Unresolved { address: self.address.clone(), source }),
        }
    }
}
