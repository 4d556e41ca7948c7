//! Reading: what comes, and whom it is for.

use mio::Token;

use super::Driver;
use crate::engine::link::connections::Connection;
use crate::engine::link::tls;
use crate::engine::link::trouble::Trouble;
use crate::engine::link::wire::Reading;
use crate::engine::shared::peering::Peering;
use crate::os::clock::wall_us;

/// Reads from one connection before what arrived is committed and others get their turn.
const READS_MAX: usize = 8;

impl Driver {
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

    /// One read. False if there is no more to be read from this connection for now.
    pub(super) fn read_once(&mut self, token: Token, peering: &Peering) -> bool {
        let now_us = self.now_us();
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
                let is_plain = self.keys.is_none();
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
    pub(super) fn hear(&mut self, token: Token, plain: &[u8], peering: &Peering, now_us: u64) -> bool {
        let Some(connection) = self.connections.get(token) else { return false };
        let is_first = !plain.is_empty() && !std::mem::replace(&mut connection.has_spoken, true);
        if let Some(replica) = &mut connection.replica {
            if is_first && self.keys.is_none() && tls::is_record(plain) {
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
        } else if connection.dialed {
            // The host that dials speaks first.
            connection.heard.extend_from_slice(plain);
            if connection.may_begin() {
                // The peer may have reached this host meanwhile.
                if self.connections.active().is_some_and(|active| !active.is_suspect(now_us)) {
                    self.lose(token, None, peering, now_us);
                    return false;
                }
                self.begin(token, now_us);
            }
        } else {
            connection.heard.extend_from_slice(plain);
            self.greet(token, peering, now_us);
        }
        self.look_after(token, peering, now_us)
    }
}
