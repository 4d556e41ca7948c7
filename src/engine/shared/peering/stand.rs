//! A thread of this process that stands in the peer's place, as the link sees it.

use std::io;
use std::os::unix::net::UnixStream;

/// Who stands in the peer's place.
pub trait Stand: Send {
    /// Returns one end of a pair of sockets, of which the thread has the other one.
    ///
    /// # Errors
    /// Returns why it takes no connection now, in words for an operator; `WouldBlock` where it will soon.
    fn connect(&mut self) -> io::Result<UnixStream>;
}
