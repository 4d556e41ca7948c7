//! One connection at a time: lent out of the table, read, handled, written to, and given back or closed.

use std::io;
use std::net::IpAddr;

use mio::event::Event;
use mio::net::TcpStream;

use super::connection::{Connection, Fate, Marks, Task, Wait};
use super::deadlines::Deadlines;
use super::handshakes::note_broken;
use super::held::Held;
use super::{Worker, doors, route};
use crate::base::limits::{LINGER_DRAINING_MS, LINGER_MS, READ_TURN_BYTES_MAX, STALL_LOOK_MS};
use crate::engine::shared::entrance::Entrance;
use crate::engine::shared::metrics::Reject;
use crate::engine::shared::received::Received;
use crate::engine::shared::table::Key;
use crate::http::proxy_header::{self, Announced, PROXY_HEADER_BYTES_MAX};
use crate::http::refusal::Refusal;

impl Worker {
    /// Lends the connection of `key` to `body`, notes what is to be done for it, and closes it if that is its fate.
    #[inline]
    pub(super) fn with(&mut self, key: Key, body: impl FnOnce(&mut Self, &mut Connection) -> Fate) {
        let Some(mut connection) = self.table.lend(key) else { return };
        match body(self, &mut connection) {
            Fate::Stays => {
                self.note(&mut connection);
                self.table.give_back(key, connection);
            }
            Fate::Ends => self.close(&mut connection),
        }
    }

    /// Does what the connection was marked with: nothing, after most of what is done for it.
    #[inline]
    fn note(&mut self, connection: &mut Connection) {
        if !connection.marks.is_empty() {
            self.note_marks(connection);
        }
    }

    fn note_marks(&mut self, connection: &mut Connection) {
        if self.rota.note(connection) {
            self.deadlines.wake_at(self.context.now.ms() + STALL_LOOK_MS, &self.context);
        }
        if connection.marks.has(Marks::DEADLINE) {
            self.deadlines.arm(connection, &self.context);
        }
        connection.marks = Marks::default();
    }

    /// Takes over a connection of the predecessor. Who it is of, if a proxy has said that, only the predecessor knew.
    pub(super) fn adopt(&mut self, stream: TcpStream, entrance: Entrance) {
        let peer = stream.peer_addr().ok().filter(|_| !entrance.root.is_announced());
        self.admit(stream, entrance.of_adopted(), peer.map(|peer| peer.ip()));
    }

    /// Takes a new connection, or turns it away if there are too many. It is looked at in this very turn: its first request
    /// has often come with it.
    pub(super) fn admit(&mut self, stream: TcpStream, entrance: Entrance, from: Option<IpAddr>) {
        let context = &self.context;
        let open = context.shared.descriptors.open_connection();
        context.metrics().accepted.add(1);
        let key = self.table.next_key();
        let (served, _) =
            doors::bounds(context.limits.connections.min(context.shared.descriptors.connections_max()));
        let wire = self.handshakes.receive(stream, entrance.kind, open, context).and_then(|mut wire| {
            let registered = wire.register(self.poll.registry(), key);
            registered.map(|()| wire).map_err(|_| Reject::Connections)
        });
        let wire = match wire {
            Ok(wire) => wire,
            Err(reason) => {
                context.shared.descriptors.close_connection();
                return context.reject(reason);
            }
        };
        let is_secure = wire.is_secure();
        let mut connection = Connection::new(key, wire, entrance, context.now.ms());
        connection.client = from;
        if open > served {
            context.reject(Reject::Connections);
            self.service.refuse(&mut connection, route::CROWDED, None, context);
        } else if entrance.root.is_announced() {
            (connection.awaits_proxy, connection.closing) = (true, true);
        } else if !self.count_client(&mut connection) {
            // To a client of TLS it could be said behind a handshake only.
            if is_secure {
                return self.context.shared.descriptors.close_connection();
            }
            self.service.refuse(&mut connection, route::CROWDED_BY_ONE, None, &self.context);
        }
        if is_secure {
            self.handshakes.begin();
        }
        connection.serve_again();
        connection.arm();
        self.note(&mut connection);
        let inserted = self.table.insert(connection);
        debug_assert_eq!(inserted, key);
    }

    /// Counts a connection among those of its client; gives whether that has not too many. A proxy has as many as it needs.
    fn count_client(&self, connection: &mut Connection) -> bool {
        let context = &self.context;
        let most = context.limits.connections_per_address;
        let Some(client) = connection.client.filter(|client| most > 0 && !context.rules.trusts(*client))
        else {
            return true;
        };
        connection.is_counted = context.shared.crowd.enter(client, most);
        if !connection.is_counted {
            context.reject(Reject::Address);
        }
        connection.is_counted
    }

    /// Takes what a proxy says of a connection before its first byte.
    #[cold]
    fn take_announcement(&mut self, connection: &mut Connection, buffer: &mut [u8], closed: bool) -> Fate {
        let trusted = connection.client.is_some_and(|proxy| self.context.rules.trusts(proxy));
        if self.context.is_draining() || !trusted {
            return self.leave_unannounced(connection);
        }
        let announced = match connection.wire.look(&mut buffer[..PROXY_HEADER_BYTES_MAX]) {
            Ok(Received::Bytes(bytes)) => proxy_header::look(&buffer[..bytes]),
            Ok(Received::End) | Err(_) => return Fate::Ends,
            Ok(_) => Announced::More,
        };
        match announced {
            Announced::More => {
                // What follows comes with an event of its own.
                connection.readable = false;
                Fate::Stays
            }
            Announced::No => self.leave_unannounced(connection),
            Announced::Yes { bytes, client } => {
                if connection.wire.skip(bytes).is_err() {
                    return Fate::Ends;
                }
                (connection.awaits_proxy, connection.closing, connection.client) = (false, false, client);
                if !self.count_client(connection) {
                    if connection.wire.is_secure() {
                        return Fate::Ends;
                    }
                    self.service.refuse(connection, route::CROWDED_BY_ONE, None, &self.context);
                }
                self.serve_one(connection, buffer, closed)
            }
        }
    }

    /// Ends a connection of which nobody who is trusted has said whose it is.
    fn leave_unannounced(&self, connection: &mut Connection) -> Fate {
        if !self.context.is_draining() {
            self.context.reject(Reject::Proxy);
            connection.wire.reset_on_close();
        }
        Fate::Ends
    }

    /// Serves a connection that the kernel has news of.
    #[inline]
    pub(super) fn serve_event(&mut self, event: &Event, buffer: &mut [u8]) {
        let Some(key) = self.table.key_of(event.token()) else { return };
        self.with(key, |worker, connection| {
            if event.is_read_closed() && matches!(connection.task, Task::Watching(_)) {
                // It would be sent frames until the kernel knows that nobody takes them.
                return Fate::Ends;
            }
            connection.readable |= event.is_readable() || event.is_read_closed();
            if event.is_writable() && connection.blocked {
                match connection.wire.flush() {
                    Ok(is_done) => connection.blocked = !is_done,
                    Err(_) => return Fate::Ends,
                }
                connection.readable |= connection.wire.is_shaking();
                connection.owe();
            }
            worker.serve_one(connection, buffer, event.is_read_closed())
        });
    }

    /// Serves a connection that is left over from the turn before.
    #[inline]
    pub(super) fn serve_listed(&mut self, key: Key, buffer: &mut [u8]) {
        self.with(key, |worker, connection| {
            connection.listed.remove(Marks::AGAIN);
            worker.serve_one(connection, buffer, false)
        });
    }

    /// Has the handshake go on whose turn it is.
    pub(super) fn shake_hands(&mut self, buffer: &mut [u8]) {
        let Some(key) = self.handshakes.next() else { return };
        self.with(key, |worker, connection| {
            connection.wire.admit();
            connection.readable = true;
            // Whether the client's end has come is not known here: it is looked for.
            worker.serve_one(connection, buffer, true)
        });
        if let Some(first) = self.handshakes.first() {
            self.rota.turn_for(first);
        }
    }

    /// Reads what there is, and handles it, up to a bound that keeps the other connections' turn near.
    fn serve_one(&mut self, connection: &mut Connection, buffer: &mut [u8], closed: bool) -> Fate {
        if connection.closing {
            return match connection.awaits_proxy {
                true => self.take_announcement(connection, buffer, closed),
                false => self.discard(connection, buffer),
            };
        }
        // A body that was taken whole while the lane was full owes its end although nothing more will arrive.
        if !connection.input.is_empty() || connection.machine.owes_event() {
            self.handle_kept(connection, buffer);
        }
        let mut budget = READ_TURN_BYTES_MAX;
        while connection.readable
            && connection.may_read(&self.context.limits)
            && connection.input.len() < buffer.len()
        {
            if budget == 0 {
                connection.serve_again();
                break;
            }
            match self.read_once(connection, buffer, closed) {
                Ok(bytes) => budget = budget.saturating_sub(bytes),
                Err(_) => return Fate::Ends,
            }
        }
        // One that begins this late is taken if it is there as a whole.
        self.service.stop_if_ending(connection, &self.context);
        self.settle(connection)
    }

    /// Receives once and handles what came; gives the number of bytes.
    fn read_once(
        &mut self,
        connection: &mut Connection,
        buffer: &mut [u8],
        closed: bool,
    ) -> io::Result<usize> {
        let kept = connection.input.len();
        self.context.metrics().recvs.add(1);
        let received = connection.wire.receive(&mut buffer[kept..]);
        let received = received.inspect_err(|error| note_broken(connection, error, &self.context))?;
        let (bytes, has_more) = match received {
            // A short read emptied the socket: asking again would only be told so. The client's end comes with an event
            // of its own, or came with this one, and then has to be read.
            Received::Bytes(bytes) => (bytes, kept + bytes == buffer.len() || closed),
            Received::Decrypted(bytes) => (bytes, connection.wire.has_more() || closed),
            Received::End => {
                connection.readable = false;
                connection.read_closed = true;
                return Ok(0);
            }
            Received::Nothing => {
                connection.readable = false;
                return Ok(0);
            }
            Received::Interrupted => return Ok(0),
            Received::Records(bytes) => {
                connection.readable = connection.wire.has_more() || closed;
                return Ok(bytes);
            }
            of_tls => {
                if let Some(refusal) = self.handshakes.take(connection, of_tls, &self.context) {
                    self.service.refuse(connection, refusal, None, &self.context);
                }
                return Ok(0);
            }
        };
        self.context.metrics().read_bytes.add(bytes as u64);
        connection.readable = has_more;
        if kept > 0 {
            buffer[..kept].copy_from_slice(&connection.input);
        }
        self.service.handle(connection, &buffer[..kept + bytes], &self.context);
        Ok(bytes)
    }

    /// Handles input that was kept because it was incomplete or because something before it was not answered.
    fn handle_kept(&mut self, connection: &mut Connection, buffer: &mut [u8]) {
        if connection.may_read(&self.context.limits) {
            let kept = connection.input.len();
            buffer[..kept].copy_from_slice(&connection.input);
            self.service.handle(connection, &buffer[..kept], &self.context);
        }
    }

    /// Drops what comes behind the last request that is answered, so that a client which sends before it reads comes to
    /// read; a bounded amount, that keeps the other connections' turn near.
    fn discard(&mut self, connection: &mut Connection, buffer: &mut [u8]) -> Fate {
        let mut budget = READ_TURN_BYTES_MAX;
        while connection.readable {
            if budget == 0 {
                connection.serve_again();
                break;
            }
            match connection.wire.discard(buffer) {
                Ok(Received::End) => (connection.readable, connection.read_closed) = (false, true),
                Ok(Received::Bytes(bytes) | Received::Decrypted(bytes) | Received::Records(bytes)) => {
                    budget = budget.saturating_sub(bytes);
                    if connection.lingering {
                        connection.since_ms = self.context.now.ms();
                    }
                }
                Ok(Received::Nothing) => connection.readable = false,
                Ok(_) => {}
                Err(_) => return Fate::Ends,
            }
        }
        self.settle(connection)
    }

    /// Sends what the connection of `key` is owed.
    #[inline]
    pub(super) fn write_to(&mut self, key: Key) {
        self.with(key, |worker, connection| {
            connection.listed.remove(Marks::SENDS);
            worker.flush(connection)
        });
    }

    fn flush(&mut self, connection: &mut Connection) -> Fate {
        let was_blocked = connection.blocked;
        if self.service.output.send(connection, &self.context).is_err() {
            return Fate::Ends;
        }
        if was_blocked {
            return Fate::Stays;
        }
        if connection.output.is_empty() {
            self.service.resume_job(connection, &self.context);
            if connection.broken {
                return Fate::Ends;
            }
        }
        if connection.has_more_to_handle() {
            connection.serve_again();
        }
        self.settle(connection)
    }

    /// Gives an answer whose level is reached to its connection, if that is still there.
    pub(super) fn hand_over(&mut self, held: Held) {
        let Some(late) = held.late else { return self.hand_over_usual(&held) };
        self.with(held.key, |worker, connection| {
            connection.settle_held(held.count);
            let level = late.asked.durability;
            worker.service.give(connection, *late, level, &worker.context);
            Fate::Stays
        });
    }

    /// Hands over usual answers. The connection need not be lent for that, and has something to send afterwards, nothing else.
    #[inline]
    pub(super) fn hand_over_usual(&mut self, held: &Held) {
        let Some(connection) = self.table.at(held.key) else { return };
        connection.settle_held(held.count);
        self.service.output.owe_usual(connection, held.count, held.route, &self.context);
        self.rota.note_output(connection);
    }

    /// Does what is due for a connection whose entry in the wheel fired; nothing if the entry was early or an old one.
    pub(super) fn look_at(&mut self, connection: &mut Connection) -> Fate {
        let now_ms = self.context.now.ms();
        if !Deadlines::is_current(connection, now_ms) {
            return Fate::Stays;
        }
        connection.scheduled_ms = u64::MAX;
        if self.service.end_wait(connection, &self.context) {
            return self.settle(connection);
        }
        connection.arm();
        if connection.wait == Wait::Us || now_ms < self.deadlines.due_ms(connection, &self.context) {
            return Fate::Stays;
        }
        match connection.wait {
            Wait::Header | Wait::Body => {
                self.context.reject(Reject::Slow);
                let late = Refusal::new(408, "the request did not arrive in time");
                self.service.refuse(connection, late, None, &self.context);
                Fate::Stays
            }
            // Its client does not take what we write.
            Wait::Write => {
                self.context.reject(Reject::Stalled);
                connection.wire.reset_on_close();
                Fate::Ends
            }
            Wait::FirstByte | Wait::Idle
                if self.stays_behind(connection) && !connection.wire.is_shaking() =>
            {
                self.end(connection)
            }
            Wait::FirstByte | Wait::Idle | Wait::Linger | Wait::Us => Fate::Ends,
        }
    }

    /// Notes what a connection waits for after it was served; gives whether it ends.
    pub(super) fn settle(&mut self, connection: &mut Connection) -> Fate {
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
                connection.wire.close_in_order();
            }
            // Requests that came before the client's end are still answered; a part of one has gone into the machine.
            let said_all = connection.read_closed && (connection.input.is_empty() || connection.closing);
            let leaves = self.context.is_draining() && connection.is_quiet() && !connection.closing;
            let stays_behind = self.stays_behind(connection);
            if leaves && !said_all && self.context.is_handing_over() && !stays_behind {
                self.doors.pass_on(connection, self.poll.registry());
                return Fate::Ends;
            }
            if said_all || leaves && !stays_behind {
                return Fate::Ends;
            }
            if connection.closing && !connection.lingering {
                return self.end(connection);
            }
        }
        let wait = connection.waits_for();
        if wait != connection.wait {
            connection.body_bytes = 0;
            connection.wait = wait;
            connection.since_ms = self.context.now.ms();
            if !self.deadlines.entry_will_do(connection, &self.context) {
                connection.arm();
            }
        }
        Fate::Stays
    }

    /// Ends a connection on which everything is said: sends our end and listens for the client's (RFC 9112, section 9.6). Whatever
    /// of its input is unread at a close, or comes after it, makes the close a reset, and takes the answer from a client that has
    /// not read it yet.
    fn end(&self, connection: &mut Connection) -> Fate {
        if connection.wire.shut_down().is_err() {
            return Fate::Ends;
        }
        let now_ms = self.context.now.ms();
        connection.lingering = true;
        let most_ms = if self.context.is_draining() { LINGER_DRAINING_MS } else { LINGER_MS };
        connection.linger_until_ms = now_ms + most_ms;
        connection.input = Vec::new();
        connection.wait = connection.waits_for();
        connection.since_ms = now_ms;
        connection.arm();
        connection.serve_again();
        Fate::Stays
    }

    /// Returns whether a successor can't go on with the connection, so that it stays for a while in which its client may be
    /// sending.
    fn stays_behind(&self, connection: &Connection) -> bool {
        self.context.is_handing_over() && connection.wire.is_secure()
    }

    /// Closes a lent connection for good.
    fn close(&mut self, connection: &mut Connection) {
        // Dropping the socket takes it out of the event loop, but not while a job thread has it too.
        if matches!(connection.task, Task::Lent { .. }) {
            connection.wire.deregister(self.poll.registry());
        }
        if connection.wire.is_shaking() {
            self.handshakes.end();
        } else if connection.has_said_all() {
            connection.wire.say_end();
        }
        self.table.forget(connection.key);
        self.context.shared.buffered.release(connection.accounted_bytes);
        self.context.shared.descriptors.close_connection();
        if let Some(client) = connection.client.filter(|_| connection.is_counted) {
            self.context.shared.crowd.leave(client);
        }
    }
}
