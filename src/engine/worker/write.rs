//! Answers on their way out.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::Ordering::Relaxed;

use super::connection::{Connection, Task};
use super::held::AnswerFraming;
use super::read::Fate;
use super::usual::UsualAnswer;
use super::{NO_ROUTE, Worker};
use crate::base::durability::Durability;
use crate::base::limits::{LINGER_DRAINING_MS, LINGER_MS, PIECE_BYTES, STATIC_PIECE_BYTES};
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::table::Key;
use crate::http::connection::{HEAD_BYTES, begins_head};
use crate::http::refusal::Refusal;
use crate::http::response::{self, HeadContext, Response};
use crate::os::socket;

/// Buffers of at most this size are kept for the next answers.
const KEPT_BUFFER_BYTES: usize = 16 * 1024;
/// How many of them.
const KEPT_BUFFERS: usize = 64;
/// How many buffers of a piece's size are kept for the next pieces: memory that is given back to the system is cleared and
/// mapped anew for each of them, which costs more than to fill it.
const KEPT_PIECES: usize = 8;

impl Worker {
    /// Puts an answer that waits for nothing behind the connection's output.
    pub(super) fn answer(
        &mut self,
        key: Key,
        connection: &mut Connection,
        response: &Response,
        framing: AnswerFraming,
        route: usize,
    ) {
        self.put(key, connection, response, framing, route, None);
    }

    /// The same for a write that has reached `durability`.
    pub(super) fn put(
        &mut self,
        key: Key,
        connection: &mut Connection,
        response: &Response,
        framing: AnswerFraming,
        route: usize,
        durability: Option<Durability>,
    ) {
        self.materialize(connection);
        self.metrics().requests.count(route, response.status, 1);
        let AnswerFraming { version, keep_alive, head_only } = framing;
        let context = HeadContext { version, keep_alive, head_only, date: self.date.bytes(), durability };
        take_buffer(&mut self.spare_buffers, &mut connection.output);
        if let Some(rest) = response::write(response, &context, &mut connection.output) {
            debug_assert!(matches!(connection.task, Task::None), "one answer at a time is under way");
            connection.task = Task::Sending(rest);
        }
        connection.closing |= !keep_alive;
        self.owe(key, connection);
    }

    /// Answers what is no request, or one over a limit; the connection ends behind it.
    pub(super) fn refuse(&mut self, key: Key, connection: &mut Connection, refusal: Refusal) {
        self.refuse_request(key, connection, refusal, None);
    }

    /// The same for a request to the route at `place`, if that is known. A body that is received is stopped.
    pub(super) fn refuse_request(
        &mut self,
        key: Key,
        connection: &mut Connection,
        refusal: Refusal,
        place: Option<usize>,
    ) {
        if matches!(connection.task, Task::Upload(_)) {
            return self.stop_upload(key, connection, refusal);
        }
        let response = self.refusal_of(refusal, place);
        let framing = AnswerFraming {
            version: crate::http::request::Version::Http11,
            keep_alive: false,
            head_only: asks_for_head(connection),
        };
        connection.task = Task::None;
        self.answer(key, connection, &response, framing, NO_ROUTE);
    }

    /// The answer that refuses a request to the route at `place`: too large a body in its application's style.
    pub(super) fn refusal_of(&self, refusal: Refusal, place: Option<usize>) -> Response {
        let route = place.filter(|_| refusal.status == 413).and_then(|place| self.router.at(place));
        let response = match route {
            Some((app, route)) => app.too_large(route.endpoint, route.body.most(&self.limits)),
            None => Response::from(refusal),
        };
        if refusal.status == 503 { response.with("Retry-After", "1") } else { response }
    }

    /// Has `key` written to at the end of this turn.
    pub(super) fn owe(&mut self, key: Key, connection: &mut Connection) {
        if !connection.dirty {
            connection.dirty = true;
            self.dirty.push(key);
        }
    }

    /// Turns usual answers that are still only counted into bytes, so that something can follow them.
    pub(super) fn materialize(&mut self, connection: &mut Connection) {
        while connection.owed > 0 {
            let usual = &mut self.usual[usize::from(connection.owed_express)];
            // A reload may have lowered the limit below what was held then.
            let count = connection.owed.min(usual.copies());
            let bytes = usual.times(count, self.second, self.date.bytes());
            take_buffer(&mut self.spare_buffers, &mut connection.output);
            connection.output.extend_from_slice(bytes);
            connection.owed -= count;
        }
    }

    /// Sends what connections are owed.
    pub(super) fn write(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for key in dirty.drain(..) {
            self.with(key, |worker, connection| {
                connection.dirty = false;
                worker.flush(key, connection)
            });
        }
        // What is owed anew, the next piece of static content, is for the next turn; the memory is used again.
        dirty.append(&mut self.dirty);
        self.dirty = dirty;
    }

    fn flush(&mut self, key: Key, connection: &mut Connection) -> Fate {
        if connection.blocked {
            self.materialize(connection);
            return Fate::Stays;
        }
        let copies = self.usual.get(usize::from(connection.owed_express)).map_or(0, UsualAnswer::copies);
        if (1..=copies).contains(&connection.owed) && connection.output.is_empty() {
            if self.send_usual(connection).is_err() {
                return Fate::Ends;
            }
        } else {
            self.materialize(connection);
        }
        let sending = matches!(connection.task, Task::Sending(_));
        let sent = if sending { self.send_content(key, connection) } else { self.send_output(connection) };
        if sent.is_err() {
            return Fate::Ends;
        }
        if connection.output.is_empty() {
            self.resume_job(key, connection);
            if connection.broken {
                return Fate::Ends;
            }
        }
        if connection.has_more_to_handle() {
            self.serve_again(key, connection);
        }
        self.settle(key, connection)
    }

    /// The usual answers, from where they lie; what the socket does not take is copied.
    fn send_usual(&mut self, connection: &mut Connection) -> io::Result<()> {
        let usual = &mut self.usual[usize::from(connection.owed_express)];
        let bytes = usual.times(connection.owed, self.second, self.date.bytes());
        connection.owed = 0;
        let sent = taken(socket::send(&connection.stream, bytes))?;
        if sent < bytes.len() {
            take_buffer(&mut self.spare_buffers, &mut connection.output);
            connection.output.extend_from_slice(&bytes[sent..]);
            connection.blocked = true;
        }
        self.metrics().sends.add(1);
        self.metrics().written_bytes.add(sent as u64);
        Ok(())
    }

    fn send_output(&mut self, connection: &mut Connection) -> io::Result<()> {
        if connection.output.is_empty() || connection.blocked {
            return Ok(());
        }
        let rest = &connection.output[connection.sent..];
        let sent = taken(socket::send(&connection.stream, rest))?;
        connection.blocked = sent < rest.len();
        connection.sent += sent;
        self.note_sent(connection, sent);
        Ok(())
    }

    /// The output and content behind it, with one call; one piece for each turn, so that the other connections get theirs.
    fn send_content(&mut self, key: Key, connection: &mut Connection) -> io::Result<()> {
        let Task::Sending(rest) = &mut connection.task else { return Ok(()) };
        if connection.blocked {
            return Ok(());
        }
        let before = &connection.output[connection.sent..];
        let piece = &rest.bytes()[..rest.bytes().len().min(STATIC_PIECE_BYTES)];
        let sent = taken(socket::send_both(&connection.stream, before, piece))?;
        connection.blocked = sent < before.len() + piece.len();
        let of_output = sent.min(before.len());
        connection.sent += of_output;
        let is_done = !rest.advance(sent - of_output);
        self.note_sent(connection, sent);
        if is_done {
            connection.task = Task::None;
        } else if !connection.blocked {
            self.owe(key, connection);
        }
        Ok(())
    }

    /// The socket took so many bytes. Gives the memory of an output that is all sent back.
    fn note_sent(&mut self, connection: &mut Connection, sent: usize) {
        if sent > 0 {
            connection.since_ms = self.now_us / 1_000;
        }
        self.metrics().sends.add(1);
        self.metrics().written_bytes.add(sent as u64);
        if connection.sent > 0 && connection.sent == connection.output.len() {
            connection.sent = 0;
            if connection.output.capacity() > KEPT_BUFFER_BYTES {
                give_piece_buffer(&mut self.piece_buffers, &mut connection.output);
            } else {
                give_buffer(&mut self.spare_buffers, &mut connection.output);
            }
        }
    }

    /// Everything is said: sends our end and listens for the client's (RFC 9112, section 9.6). Whatever of its input is
    /// unread at a close, or comes after it, makes the close a reset, and takes the answer from a client that has not read
    /// it yet.
    pub(super) fn end(&mut self, key: Key, connection: &mut Connection) -> Fate {
        if connection.stream.shutdown(Shutdown::Write).is_err() {
            return Fate::Ends;
        }
        connection.lingering = true;
        let most_ms = if self.draining { LINGER_DRAINING_MS } else { LINGER_MS };
        connection.linger_until_ms = self.now_ms() + most_ms;
        connection.input = Vec::new();
        connection.wait = connection.waits_for();
        connection.since_ms = self.now_ms();
        self.arm(key, connection);
        self.serve_again(key, connection);
        Fate::Stays
    }

    /// Closes a lent connection for good.
    pub(super) fn close(&mut self, key: Key, connection: &mut Connection) {
        // Dropping the socket takes it out of the event loop, but not while a job thread has it too.
        if matches!(connection.task, Task::Lent { .. }) {
            let _ = self.poll.registry().deregister(&mut connection.stream);
        }
        self.table.forget(key);
        self.shared.buffered_bytes.fetch_sub(connection.accounted_bytes, Relaxed);
        self.shared.connections.fetch_sub(1, Relaxed);
    }

    /// Resets a connection whose client does not take what we write.
    pub(super) fn reset(&mut self, connection: &mut Connection) -> Fate {
        self.reject(Reject::Stalled);
        socket::reset_on_close(&connection.stream);
        Fate::Ends
    }
}

/// Whether the request that is refused is HEAD, whose answer has no content. Of one that is refused unread, because there
/// are too many connections, the first bytes have often come.
fn asks_for_head(connection: &Connection) -> bool {
    let mut start = [0; HEAD_BYTES];
    connection.machine.is_head()
        || connection.machine.is_idle()
            && connection.stream.peek(&mut start).is_ok_and(|bytes| begins_head(&[], &start[..bytes]))
}

/// What a send came to; what would block counts as nothing sent.
fn taken(sent: io::Result<usize>) -> io::Result<usize> {
    match sent {
        Ok(sent) => Ok(sent),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Gives an empty output some memory that was used before.
fn take_buffer(spare: &mut Vec<Vec<u8>>, output: &mut Vec<u8>) {
    if output.capacity() == 0 {
        *output = spare.pop().unwrap_or_default();
    }
}

/// Takes the memory of an output that is all sent.
fn give_buffer(spare: &mut Vec<Vec<u8>>, output: &mut Vec<u8>) {
    let mut buffer = std::mem::take(output);
    if buffer.capacity() <= KEPT_BUFFER_BYTES && spare.len() < KEPT_BUFFERS {
        buffer.clear();
        spare.push(buffer);
    }
}

/// Takes the memory of a piece, or of an output that was one.
pub(super) fn give_piece_buffer(spare: &mut Vec<Vec<u8>>, piece: &mut Vec<u8>) {
    let mut buffer = std::mem::take(piece);
    if (PIECE_BYTES..=2 * PIECE_BYTES).contains(&buffer.capacity()) && spare.len() < KEPT_PIECES {
        buffer.clear();
        spare.push(buffer);
    }
}
