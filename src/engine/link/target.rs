//! The target: where the peer is dialed. A name is looked up again for every try, on a thread of its own, because the
//! system's resolver may take longer than the peer's connections can be left alone.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use crate::os::address::{Address, Unresolved};
use crate::os::thread;

/// What is known of the peer's address.
pub enum Found {
    /// Here it is.
    Address(SocketAddr),
    /// The look-up is under way: ask again.
    NotYet,
    /// There is none now.
    No(Unresolved),
}

/// Where the peer is dialed.
pub struct Target {
    address: Address,
    under_way: Option<Receiver<Result<SocketAddr, Unresolved>>>,
}

impl Target {
    /// Returns the peer at `address`.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self { address, under_way: None }
    }

    /// Returns the address, or begins to look it up.
    pub fn find(&mut self) -> Found {
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
