//! Reading and handling: from the socket's bytes to records in the lane or answers in the output.

use std::io;

use super::Worker;
use super::connection::{Connection, Task, Wait};
use super::held::Held;
use crate::base::limits::READ_TURN_BYTES_MAX;
use crate::engine::shared::table::Key;
use crate::os::socket;

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on.
    Stays,
    /// Its socket is to be closed at once.
    Ends,
}

impl Worker {
    /// Serves every connection that the kernel has news of, then those left over from the turn before.
    pub(super) fn serve(&mut self) {
        std::mem::swap(&mut self.again, &mut self.serving);
        let mut buffer = std::mem::take(&mut self.buffer);
        let events = std::mem::replace(&mut self.events, mio::Events::with_capacity(0));
        for event in &events {
            if let Some(key) = self.table.key_of(event.token()) {
                self.with(key, |worker, connection| {
                    connection.readable |= event.is_readable() || event.is_read_closed();
                    if event.is_writable() && connection.blocked {
                        connection.blocked = false;
                        worker.owe(key, connection);
                    }
                    worker.serve_one(key, connection, &mut buffer, event.is_read_closed())
                });
            }
        }
        self.events = events;
        let serving = std::mem::take(&mut self.serving);
        for &key in &serving {
            self.with(key, |worker, connection| {
                connection.listed = false;
                worker.serve_one(key, connection, &mut buffer, false)
            });
        }
        self.serving = serving;
        self.serving.clear();
        self.buffer = buffer;
    }

    /// Lends the connection of `key` to `body` and closes it if that is its fate.
    pub(super) fn with(&mut self, key: Key, body: impl FnOnce(&mut Self, &mut Connection) -> Fate) {
        let Some(mut connection) = self.table.lend(key) else { return };
        match body(self, &mut connection) {
            Fate::Stays => self.table.give_back(key, connection),
            Fate::Ends => self.close(key, &mut connection),
        }
    }

    /// Reads what there is, and handles it, up to a bound that keeps the other connections' turn near.
    fn serve_one(&mut self, key: Key, connection: &mut Connection, buffer: &mut [u8], closed: bool) -> Fate {
        if connection.closing {
            return self.discard(key, connection, buffer);
        }
        // A body that was taken whole while the lane was full owes its end although nothing more will arrive.
        if !connection.input.is_empty() || connection.machine.owes_event() {
            self.handle_kept(key, connection, buffer);
        }
        let mut budget = READ_TURN_BYTES_MAX;
        while connection.readable
            && connection.may_read(&self.limits)
            && connection.input.len() < buffer.len()
        {
            if budget == 0 {
                self.serve_again(key, connection);
                break;
            }
            match self.read_once(key, connection, buffer, closed) {
                Ok(bytes) => budget = budget.saturating_sub(bytes),
                Err(_) => return Fate::Ends,
            }
        }
        // One that begins this late is taken if it is there as a whole.
        if self.bodies_stopped {
            self.stop_unless_at_work(key, connection);
        }
        self.settle(key, connection)
    }

    /// One recv and the handling of what it brought; gives the number of bytes.
    fn read_once(
        &mut self,
        key: Key,
        connection: &mut Connection,
        buffer: &mut [u8],
        closed: bool,
    ) -> io::Result<usize> {
        let kept = connection.input.len();
        self.metrics().recvs.add(1);
        let bytes = match socket::receive(&connection.stream, &mut buffer[kept..]) {
            Ok(0) => {
                connection.readable = false;
                connection.read_closed = true;
                return Ok(0);
            }
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                connection.readable = false;
                return Ok(0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(0),
            Err(error) => return Err(error),
        };
        self.metrics().read_bytes.add(bytes as u64);
        // A short read emptied the socket: asking again would only be told so. The client's end comes with an event
        // of its own, or came with this one, and then has to be read.
        connection.readable = kept + bytes == buffer.len() || closed;
        if kept > 0 {
            buffer[..kept].copy_from_slice(&connection.input);
        }
        self.handle(key, connection, &buffer[..kept + bytes]);
        Ok(bytes)
    }

    /// Handles input that was kept because it was incomplete or because something before it was not answered.
    fn handle_kept(&mut self, key: Key, connection: &mut Connection, buffer: &mut [u8]) {
        if connection.may_read(&self.limits) {
            let kept = connection.input.len();
            buffer[..kept].copy_from_slice(&connection.input);
            self.handle(key, connection, &buffer[..kept]);
        }
    }

    /// Handles `input`, which is everything received and not yet consumed, and keeps what remains of it.
    fn handle(&mut self, key: Key, connection: &mut Connection, input: &[u8]) {
        let mut at = 0;
        while connection.may_read(&self.limits) {
            at += self.express(key, connection, &input[at..]);
            // What follows a held answer is only handled once that is out, so that it sees the write (I-2) and is
            // answered in its turn.
            if connection.held > 0 {
                break;
            }
            if at == input.len() && !connection.machine.owes_event() {
                break;
            }
            let (consumed, more) = self.step(key, connection, &input[at..]);
            at += consumed;
            if !more {
                break;
            }
        }
        debug_assert!(at <= input.len());
        keep(&mut connection.input, &input[at..]);
    }

    /// The usual writes at the start of `input`: a remembered head, a body that the route's scanner takes, room in the
    /// lane. Gives the bytes it consumed.
    #[inline]
    fn express(&mut self, key: Key, connection: &mut Connection, input: &[u8]) -> usize {
        if !connection.machine.is_idle() || !self.takes_writes() {
            return 0;
        }
        let (mut at, mut count, mut route) = (0, 0, 0);
        // Saturating: a reload may have lowered the limit below what is held already.
        let room = (self.limits.pipeline_requests as u32).saturating_sub(connection.held);
        while count < room {
            let Some(hit) = self.heads.find(connection.head_hint, &input[at..]) else { break };
            let body = at + hit.head_len;
            let Some(end) = body.checked_add(hit.content_length as usize) else { break };
            // Only one kind of usual answer at a time may be owed.
            if count > 0 && hit.value.route != route || end > input.len() {
                break;
            }
            let Some(record) = (hit.value.scan)(&input[body..end]) else { break };
            if !self.producer.push_pixel(&record) {
                break;
            }
            (at, count, route) = (end, count + 1, hit.value.route);
        }
        if count > 0 {
            self.hold(key, connection, count, usize::from(route));
        }
        at
    }

    fn hold(&mut self, key: Key, connection: &mut Connection, count: u32, route: usize) {
        connection.held += count;
        let (position, read_us) = (self.producer.position(), self.now_us);
        self.held.push(Held { key, count, position, read_us, route, late: None });
    }

    /// Drops what comes behind the last request that is answered, so that a client which sends before it reads comes to
    /// read; a bounded amount, that keeps the other connections' turn near.
    fn discard(&mut self, key: Key, connection: &mut Connection, buffer: &mut [u8]) -> Fate {
        let mut budget = READ_TURN_BYTES_MAX;
        while connection.readable {
            if budget == 0 {
                self.serve_again(key, connection);
                break;
            }
            match socket::discard(&connection.stream, buffer) {
                Ok(0) => (connection.readable, connection.read_closed) = (false, true),
                Ok(bytes) => {
                    budget = budget.saturating_sub(bytes);
                    if connection.lingering {
                        connection.since_ms = self.now_ms();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.readable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Fate::Ends,
            }
        }
        self.settle(key, connection)
    }

    /// After a connection was served: what it waits for now, and whether it ends.
    pub(super) fn settle(&mut self, key: Key, connection: &mut Connection) -> Fate {
        let cut_off = connection.read_closed && connection.input.is_empty();
        let busy = match connection.task {
            Task::None => false,
            Task::Upload(_) => !(cut_off && connection.is_receiving()),
            _ => true,
        };
        let idle = connection.held == 0 && !busy;
        if idle && connection.output.is_empty() {
            if connection.until_close && !connection.broken {
                connection.until_close = false;
                socket::close_in_order(&connection.stream);
            }
            // Requests that came before the client's end are still answered; a part of one has gone into the machine.
            let said_all = connection.read_closed && (connection.input.is_empty() || connection.closing);
            let leaves = self.draining && connection.is_quiet() && !connection.closing;
            if leaves && !said_all && self.passing.is_some() {
                return self.pass(connection);
            }
            if said_all || leaves {
                return Fate::Ends;
            }
            if connection.closing && !connection.lingering {
                return self.end(key, connection);
            }
        }
        let wait = connection.waits_for();
        if wait != connection.wait {
            connection.body_bytes = 0;
            connection.wait = wait;
            connection.since_ms = self.now_ms();
            // An idle connection's time only moves on, and one that waits for us has none unless it found the lane
            // full or its application named one: both do with an entry that fires before, which they have at every usual request.
            let kept = match wait {
                Wait::Idle => connection.scheduled_ms <= connection.since_ms + self.limits.idle_ms,
                Wait::Us => !matches!(connection.task, Task::Stalled { .. } | Task::Waiting { .. }),
                _ => false,
            };
            let kept = kept && connection.scheduled_ms != u64::MAX;
            if !kept || self.crowded {
                self.arm(key, connection);
            }
        }
        Fate::Stays
    }
}

/// Puts what is left of the input aside; an empty rest gives the memory back, so that an idle connection has none.
fn keep(input: &mut Vec<u8>, rest: &[u8]) {
    if rest.is_empty() {
        if input.capacity() > 0 {
            *input = Vec::new();
        }
    } else {
        input.clear();
        input.extend_from_slice(rest);
    }
}
