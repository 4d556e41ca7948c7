//! TLS of one connection: between what is on the wire and what HTTP reads and writes.
//!
//! A handshake costs a worker as much as dozens of requests, so it goes on only when the worker says that its turn has come
//! ([`TlsSession::admit`]).

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::server::ServerConfig;
use rustls::{HandshakeKind, ServerConnection};

use crate::base::limits::{TLS_HANDSHAKE_READS, TLS_PIECE_BYTES};
use crate::engine::shared::received::Received;

/// The socket below a session.
pub trait Raw: Read + Write {
    /// Copies the first bytes of what came and leaves them there; gives how many, 0 for the client's end.
    ///
    /// # Errors
    /// Fails with `WouldBlock` when nothing has arrived, or with the error of recv.
    fn first(&self, bytes: &mut [u8]) -> io::Result<usize>;
}

/// Where the handshake is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has arrived: what comes may not be TLS.
    New,
    /// It is under way.
    Shaking,
    /// It is over.
    Open,
}

/// Whether the handshake may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// Nobody has asked for a turn.
    Unasked,
    /// Its turn will come.
    Waits,
    /// Its turn is now.
    Now,
}

/// The server's side of one connection.
pub struct TlsSession {
    connection: ServerConnection,
    stage: Stage,
    turn: Turn,
    /// Decrypted bytes that nobody has taken.
    decrypted: usize,
    /// The socket may have more.
    may_have_more: bool,
    /// The client has said that it sends no more.
    has_ended: bool,
    /// Bytes that are encrypted and not sent as a whole. The caller still has them and offers them again.
    taken: usize,
}

impl TlsSession {
    pub(super) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: ServerConnection::new(config)?,
            stage: Stage::New,
            turn: Turn::Unasked,
            decrypted: 0,
            may_have_more: true,
            has_ended: false,
            taken: 0,
        })
    }

    /// Lets the handshake go on once.
    pub fn admit(&mut self) {
        self.turn = Turn::Now;
    }

    /// Returns whether the handshake is under way.
    pub fn is_shaking(&self) -> bool {
        self.stage != Stage::Open
    }

    /// Returns whether the handshake went on with an earlier session.
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Returns whether there may be more to receive, although the event loop tells nothing.
    pub fn has_more(&self) -> bool {
        self.may_have_more || self.decrypted > 0 || self.has_ended
    }

    /// Reads once at most and decrypts into `buffer`.
    ///
    /// # Errors
    /// Fails with `InvalidData` for what is no TLS or has been changed on the way, with `UnexpectedEof` where the client's end
    /// came without its close_notify (RFC 8446, section 6.1), and with those of recv.
    pub fn receive(&mut self, socket: &mut impl Raw, buffer: &mut [u8]) -> io::Result<Received> {
        if self.is_shaking() {
            return self.shake(socket);
        }
        let mut read = 0;
        if self.decrypted == 0 {
            read = match self.read(socket) {
                Ok(0) => return Ok(Received::End),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(if self.flush(socket)? { Received::Nothing } else { Received::Full });
                }
                Err(error) => return nothing_yet(error),
            };
        }
        if self.decrypted == 0 {
            return Ok(if self.has_ended { Received::End } else { Received::Records(read) });
        }
        let bytes = self.connection.reader().read(buffer)?;
        self.decrypted -= bytes;
        Ok(Received::Decrypted(bytes))
    }

    /// Goes on with the handshake if its turn has come, and asks for a turn otherwise.
    fn shake(&mut self, socket: &mut impl Raw) -> io::Result<Received> {
        match self.turn {
            Turn::Waits => return Ok(Received::Nothing),
            Turn::Unasked => {
                self.turn = Turn::Waits;
                return Ok(Received::WantsTurn);
            }
            Turn::Now => self.turn = Turn::Unasked,
        }
        if self.stage == Stage::New {
            let mut first = [0];
            match socket.first(&mut first) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                // No record of TLS begins with a letter, and every request of HTTP does.
                Ok(_) if first[0].is_ascii_alphabetic() => return Ok(Received::NotTls),
                Ok(_) => self.stage = Stage::Shaking,
                Err(error) => return nothing_yet(error),
            }
        }
        for _ in 0..TLS_HANDSHAKE_READS {
            match self.read(socket) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) => return nothing_yet(error),
            }
            if !self.connection.is_handshaking() {
                self.stage = Stage::Open;
                return Ok(Received::Shaken);
            }
            if self.connection.wants_write() {
                return Ok(Received::Full);
            }
        }
        Ok(Received::WantsTurn).inspect(|_| self.turn = Turn::Waits)
    }

    /// Reads from the socket once, and sends what TLS itself has to say about it. Gives 0 at the client's end.
    fn read(&mut self, socket: &mut impl Raw) -> io::Result<usize> {
        let mut measured = Measured { socket: &mut *socket, asked: 0 };
        let read = self.connection.read_tls(&mut measured)?;
        if read == 0 {
            return if self.has_ended { Ok(0) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        // A short read has emptied the socket, and the event loop tells what comes then.
        self.may_have_more = read == measured.asked;
        let state = self.connection.process_new_packets();
        let waits = state.is_ok() && self.is_shaking() && !self.connection.is_handshaking();
        // What follows a handshake goes with the first answer, whose request is often there already.
        if self.connection.wants_write() && self.taken == 0 && !waits {
            // An alert says why it ends; whether the client gets it is up to the client.
            let sent = self.flush(socket);
            if state.is_ok() {
                sent?;
            }
        }
        let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        self.decrypted = state.plaintext_bytes_to_read();
        self.has_ended = state.peer_has_closed();
        Ok(read)
    }

    /// Encrypts `first` and `second` behind it and sends them, with whatever TLS itself has still to say; gives how much of them the
    /// socket took as whole records. What is encrypted and not sent is counted when it is, so the caller has to offer the same bytes
    /// again. Behind the last ones the client is told that nothing more comes.
    ///
    /// # Errors
    /// Returns the error of send: the connection is gone.
    pub fn send(
        &mut self,
        socket: &mut impl Raw,
        [first, second]: [&[u8]; 2],
        are_last: bool,
    ) -> io::Result<usize> {
        if self.is_shaking() {
            return Ok(0);
        }
        let (all, mut sent) = (first.len() + second.len(), 0);
        while sent < all {
            if self.taken == 0 {
                let [first, second] = piece(first, second, sent);
                self.taken =
                    self.connection.writer().write_vectored(&[IoSlice::new(first), IoSlice::new(second)])?;
                if are_last && sent + self.taken == all {
                    self.connection.send_close_notify();
                }
            }
            if !self.flush(socket)? || self.taken == 0 {
                return Ok(sent);
            }
            sent += std::mem::take(&mut self.taken);
            debug_assert!(sent <= all, "what was offered before is offered again");
        }
        Ok(sent)
    }

    /// Sends what is encrypted; gives whether nothing is left.
    ///
    /// # Errors
    /// Fails as [`TlsSession::send`] does.
    pub fn flush(&mut self, socket: &mut impl Raw) -> io::Result<bool> {
        while self.connection.wants_write() {
            match self.connection.write_tls(socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Says that nothing more is sent, as far as the socket takes it.
    pub fn close(&mut self, socket: &mut impl Raw) {
        self.connection.send_close_notify();
        // A client that does not take it sees an end that TLS did not announce, which it is.
        let _ = self.flush(socket);
    }
}

/// Returns the part of two slices from `start` on that is encrypted at once.
fn piece<'a>(first: &'a [u8], second: &'a [u8], start: usize) -> [&'a [u8]; 2] {
    let (in_first, in_second) = (start.min(first.len()), start.saturating_sub(first.len()));
    let (first, second) = (&first[in_first..], &second[in_second..]);
    let of_first = first.len().min(TLS_PIECE_BYTES);
    [&first[..of_first], &second[..second.len().min(TLS_PIECE_BYTES - of_first)]]
}

/// Returns what a read that failed came to: a socket without anything is no failure.
fn nothing_yet(error: io::Error) -> io::Result<Received> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(Received::Nothing),
        io::ErrorKind::Interrupted => Ok(Received::Interrupted),
        _ => Err(error),
    }
}

/// A socket that is read, with how much was asked for.
struct Measured<'a, S> {
    socket: &'a mut S,
    asked: usize,
}

impl<S: Read> Read for Measured<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.asked = buffer.len();
        self.socket.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_goes_from_one_slice_into_the_other_and_has_a_bound() {
        let (first, second) = (vec![1; TLS_PIECE_BYTES - 3], vec![2; TLS_PIECE_BYTES]);
        let of = |start| piece(&first, &second, start).map(<[u8]>::len);
        assert_eq!(of(0), [TLS_PIECE_BYTES - 3, 3]);
        assert_eq!(of(TLS_PIECE_BYTES - 5), [2, TLS_PIECE_BYTES - 2]);
        assert_eq!(of(TLS_PIECE_BYTES - 3), [0, TLS_PIECE_BYTES]);
        assert_eq!(of(TLS_PIECE_BYTES), [0, TLS_PIECE_BYTES - 3]);
        assert_eq!(of(2 * TLS_PIECE_BYTES - 3), [0, 0]);
    }
}
