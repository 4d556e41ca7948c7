//! What is said over the connections: reading, writing, and what comes of it.

use mio::Token;

use super::Driver;
use crate::base::limits::PEER_OUTPUT_BYTES;
use crate::engine::link::connections::Connection;
use crate::engine::link::dialer::LASTING_US;
use crate::engine::link::tls;
use crate::engine::link::trouble::Trouble;
use crate::engine::link::wire::Reading;
use crate::engine::replication::Replica;
use crate::engine::shared::peering::Peering;
use crate::os::clock::wall_us;
use crate::peer::fault::Close;

/// Rounds of sending before what arrived gets its turn.
const SENDS_MAX: usize = 16;
/// Reads from one connection before what arrived is committed and others get their turn.
const READS_MAX: usize = 8;

impl Driver {
    /// Sends, and does what is due on one connection. True if there is more to do at once.
    pub(super) fn serve(&mut self, token: Token, peering: &Peering, now_us: u64) -> bool {
        let mut is_busy = false;
        for _ in 0..SENDS_MAX {
            let Some(connection) = self.connections.get(token) else { return false };
            let waited = connection.replica.as_mut().map(|replica| {
                replica.turn(now_us);
                replica.output().len()
            });
            let output = connection.replica.as_ref().map_or(&connection.words[..], Replica::output);
            let taken = match connection.wire.write(output) {
                Ok(taken) => taken,
                Err(error) => {
                    self.lose_to_error(token, &error, peering, now_us);
                    return false;
                }
            };
            match &mut connection.replica {
                Some(replica) => replica.sent(taken),
                None => drop(connection.words.drain(..taken)),
            }
            peering.counters.sent_bytes.add(taken as u64);
            // Less than there is room for was all that there is to send.
            is_busy = taken >= PEER_OUTPUT_BYTES && waited == Some(taken);
            if !is_busy {
                break;
            }
        }
        let waiting = self.waiting_bytes(token);
        let is_there = self.look_after(token, peering, now_us);
        // Looking after it may have made it say something.
        is_there && (is_busy || self.waiting_bytes(token) > waiting)
    }

    fn waiting_bytes(&mut self, token: Token) -> usize {
        let replica = self.connections.get(token).and_then(|connection| connection.replica.as_ref());
        replica.map_or(0, |replica| replica.output().len())
    }

    /// Looks what became of a connection. False if it is no more.
    fn look_after(&mut self, token: Token, peering: &Peering, now_us: u64) -> bool {
        let Some(connection) = self.connections.get(token) else { return false };
        let Some(replica) = &mut connection.replica else {
            if now_us >= connection.greeted_by_us() {
                let is_secured = connection.wire.is_secured();
                let trouble = Trouble::of_close(&Close::NoHello, connection.remote(), is_secured);
                self.lose(token, trouble, peering, now_us);
                return false;
            }
            return true;
        };
        if replica.look_after_join(now_us) {
            self.arrivals.commit(wall_us());
            replica.look_after_join(now_us);
        }
        peering.time_durable(wall_us());
        peering.counters.rtt_us.set(replica.rtt_us().unwrap_or(0));
        if let (Some(peer), None) = (replica.peer().copied(), connection.met_us) {
            connection.met_us = Some(now_us);
            if self.starts.is_former(peer.node, peer.inc, now_us) {
                replica.refuse_copy(now_us);
            } else {
                self.starts.meet(peer.node, peer.inc, now_us);
            }
            self.words.connected(&peer, connection.remote(), now_us);
            peering.counters.sessions.add(1);
            self.ways.met(peer.node);
        }
        if connection.met_us.is_some_and(|met_us| now_us >= met_us + LASTING_US) {
            self.ways.lasted();
        }
        let closed = connection.replica.as_ref().and_then(Replica::closed).cloned();
        if let Some(close) = &closed {
            self.close(token, close, peering, now_us);
        }
        closed.is_none()
    }

    /// Reads what the connections have.
    pub(super) fn read(&mut self, peering: &Peering) {
        for token in self.connections.tokens() {
            for _ in 0..READS_MAX {
                if !self.read_once(token, peering) {
                    break;
                }
            }
        }
    }

    /// Reads once; returns false if there is no more to be read from this connection for now.
    fn read_once(&mut self, token: Token, peering: &Peering) -> bool {
        let now_us = self.shared.clock.now_us();
        let Some(connection) = self.connections.get(token) else { return false };
        let reading = match connection.wire.is_connected() {
            Ok(true) if !connection.has_input() && !connection.may_begin() => return false,
            Ok(true) => connection.wire.read(&mut self.buffer, &mut self.plain),
            Ok(false) => return false,
            Err(error) => Err(error),
        };
        if let Ok(Reading::Bytes(count)) = reading {
            peering.counters.received_bytes.add(count as u64);
        }
        // What came before an end or an error is still good.
        let plain = std::mem::take(&mut self.plain);
        let is_there = self.hear(token, &plain, peering, now_us);
        self.plain = plain;
        self.plain.clear();
        match reading {
            _ if !is_there => false,
            Ok(Reading::Bytes(_)) => true,
            Ok(Reading::Nothing) => false,
            Ok(Reading::End) => {
                let is_plain = self.ways.is_plain();
                let of_end = |connection: &mut Connection| {
                    Trouble::of_end(connection.remote(), is_plain && connection.met_us.is_none())
                };
                let trouble = self.connections.get(token).map(of_end);
                self.lose(token, trouble, peering, now_us);
                false
            }
            Err(error) => {
                self.lose_to_error(token, &error, peering, now_us);
                false
            }
        }
    }

    /// Passes on what a connection said. False if the connection is no more.
    fn hear(&mut self, token: Token, plain: &[u8], peering: &Peering, now_us: u64) -> bool {
        let Some(connection) = self.connections.get(token) else { return false };
        let is_first = !plain.is_empty() && !std::mem::replace(&mut connection.has_spoken, true);
        if let Some(replica) = &mut connection.replica {
            if is_first && self.ways.is_plain() && tls::is_record(plain) {
                // An alert: what this host said first is no TLS.
                let trouble = Trouble::of_tls(connection.remote());
                self.lose(token, Some(trouble), peering, now_us);
                return false;
            }
            if !plain.is_empty() {
                replica.receive(plain, now_us);
                replica.turn(now_us);
                self.arrivals.commit(wall_us());
            }
        } else if connection.wire.is_pairing() && connection.dialed {
            connection.heard.extend_from_slice(plain);
            self.introduce(token, peering, now_us);
        } else if connection.wire.introduced().is_some() {
            connection.heard.extend_from_slice(plain);
            self.admit(token, peering, now_us);
        } else if connection.dialed {
            // The host that dials speaks first.
            connection.heard.extend_from_slice(plain);
            if connection.may_begin() {
                // The peer may have reached this host meanwhile.
                if self.connections.active().is_some_and(|active| !active.is_suspect(now_us)) {
                    self.lose(token, None, peering, now_us);
                    return false;
                }
                self.begin(token, peering, now_us);
            }
        } else {
            connection.heard.extend_from_slice(plain);
            self.greet(token, peering, now_us);
        }
        self.look_after(token, peering, now_us)
    }
}
