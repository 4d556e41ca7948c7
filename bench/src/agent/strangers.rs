//! Connections that have not shown that they come from a master: few at a time, and the newest stay.

use crate::agent::limits::STRANGERS_MAX;
use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The connections, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Strangers(Mutex<VecDeque<(SocketAddr, TcpStream)>>);

impl Strangers {
    /// Takes in a connection. Where there are too many, the oldest one is ended: a master greets at once, so those that wait
    /// are no masters, and can't keep one out.
    ///
    /// # Errors
    /// Returns the system's error if there is no descriptor left.
    pub(super) fn enter(&self, from: SocketAddr, socket: &TcpStream) -> io::Result<()> {
        let socket = socket.try_clone()?;
        let mut all = self.all();
        all.push_back((from, socket));
        if all.len() > STRANGERS_MAX
            && let Some((_, oldest)) = all.pop_front()
        {
            // Its thread sees the end, and so does the other side.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        Ok(())
    }

    /// Lets a connection go that has shown what it is, or has ended.
    pub(super) fn leave(&self, from: SocketAddr) {
        self.all().retain(|(other, _)| *other != from);
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<(SocketAddr, TcpStream)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    #[test]
    fn the_oldest_has_to_go() {
        let (listener, strangers) = (TcpListener::bind("127.0.0.1:0").unwrap(), Strangers::default());
        let mut ends = Vec::new();
        for _ in 0..STRANGERS_MAX + 3 {
            let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (ours, from) = listener.accept().unwrap();
            strangers.enter(from, &ours).unwrap();
            ends.push((theirs, ours, from));
        }
        let mut has_ended = |at: usize| {
            let (theirs, _, _) = &mut ends[at];
            theirs.set_nonblocking(true).unwrap();
            matches!(theirs.read(&mut [0]), Ok(0))
        };
        assert!((0..3).all(&mut has_ended) && !(3..STRANGERS_MAX + 3).any(&mut has_ended));
        ends.iter().for_each(|(_, _, from)| strangers.leave(*from));
        assert!(strangers.all().is_empty());
    }
}
