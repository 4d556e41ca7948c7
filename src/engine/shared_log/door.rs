//! The door at which the link meets the relay: open while the relay takes a connection.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use crate::engine::shared::peering::stand::Stand;

/// The door, which the link has: with it the way to the relay ends.
pub(super) struct Door {
    state: Arc<Mutex<State>>,
    connections: mpsc::Sender<UnixStream>,
}

enum State {
    Open,
    /// The log is about to be there.
    Soon,
    /// It is away, with the reason.
    Closed(String),
}

/// The relay's side of the door.
pub(super) struct Sign {
    state: Arc<Mutex<State>>,
}

impl Door {
    /// Returns a closed door, its sign, and where connections come out of it.
    pub(super) fn new() -> (Self, Sign, mpsc::Receiver<UnixStream>) {
        let state = Arc::new(Mutex::new(State::Soon));
        let (connections, receiver) = mpsc::channel(1);
        (Self { state: state.clone(), connections }, Sign { state }, receiver)
    }
}

impl Sign {
    /// Opens the door, for one connection.
    pub(super) fn open(&self) {
        *self.state() = State::Open;
    }

    /// Closes the door for a moment.
    pub(super) fn wait(&self) {
        *self.state() = State::Soon;
    }

    /// Closes the door, with the reason.
    pub(super) fn close(&self, why: &str) {
        let mut state = self.state();
        if !matches!(&*state, State::Closed(said) if said == why) {
            *state = State::Closed(why.to_owned());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stand for Door {
    fn connect(&mut self) -> io::Result<UnixStream> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Open => {}
            State::Soon => return Err(io::ErrorKind::WouldBlock.into()),
            State::Closed(why) => return Err(io::Error::other(why.clone())),
        }
        let (ours, theirs) = UnixStream::pair()?;
        theirs.set_nonblocking(true)?;
        self.connections
            .try_send(theirs)
            .map_err(|_| io::Error::other("the log's thread is busy or has ended"))?;
        *state = State::Soon;
        Ok(ours)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn one_connection_comes_through_an_open_door_and_none_through_a_closed_one() {
        let (mut door, sign, mut connections) = Door::new();
        assert_eq!(door.connect().expect_err("closed").kind(), io::ErrorKind::WouldBlock);
        sign.open();
        let mut near = door.connect().expect("open");
        let mut far = connections.try_recv().expect("a connection");
        near.write_all(b"hello").expect("room");
        let mut heard = [0; 5];
        far.read_exact(&mut heard).expect("sent");
        assert_eq!(&heard, b"hello");
        assert_eq!(door.connect().expect_err("one only").kind(), io::ErrorKind::WouldBlock);
        sign.close("the log is away");
        assert_eq!(door.connect().expect_err("closed").to_string(), "the log is away");
        drop(door);
        assert!(connections.blocking_recv().is_none(), "the link's end is noticed");
    }
}
