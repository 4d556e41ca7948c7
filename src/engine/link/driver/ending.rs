//! Ending: connections that are over, and why.

use std::io;
use std::sync::atomic::Ordering;

use mio::Token;

use super::Driver;
use crate::engine::link::dialer::{Dialer, LASTING_US};
use crate::engine::link::trouble::Trouble;
use crate::engine::replication::Replica;
use crate::engine::shared::peering::Peering;
use crate::engine::shared::peering::counters::Failure;
use crate::peer::fault::{ByeCode, Close};

impl Driver {
    /// A session has ended.
    pub(super) fn close(&mut self, token: Token, close: &Close, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let trouble = Trouble::of_close(close, connection.remote(), true);
        if trouble.is_none() && connection.met_us.is_some() {
            tracing::info!(why = %close, "the peer has left");
        }
        self.lose(token, trouble, peering, now_us);
    }

    pub(super) fn lose_to_error(&mut self, token: Token, error: &io::Error, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let is_connected = matches!(connection.wire.is_connected(), Ok(true));
        let trouble = Trouble::of_socket(error, connection.remote(), is_connected, self.known);
        self.lose(token, Some(trouble), peering, now_us);
    }

    /// A connection is over, or came to nothing.
    pub(super) fn lose(&mut self, token: Token, trouble: Option<Trouble>, peering: &Peering, now_us: u64) {
        let Some(mut connection) = self.connections.remove(token) else { return };
        let was_there = connection.met_us.is_some();
        let has_lasted = connection.met_us.is_some_and(|met_us| now_us >= met_us + LASTING_US);
        connection.wire.part(connection.replica.as_ref().map_or(&[], Replica::output));
        if connection.replica.is_some() {
            peering.delays().clear();
        }
        if let Some(replica) = &connection.replica {
            self.note_parting(replica, now_us);
        }
        let was_ours = connection.dialed || connection.replica.is_some();
        drop(connection);
        if has_lasted {
            // What went wrong before was over.
            self.told.forget();
        }
        let needs_operator = trouble.as_ref().is_some_and(Trouble::needs_operator);
        if was_ours && needs_operator {
            self.dialer.iter_mut().for_each(Dialer::despaired);
        }
        if was_ours {
            self.pause(now_us);
        }
        let Some(trouble) = trouble else { return };
        let has_active = self.connections.has_active();
        if !was_ours && trouble.is_strangers(has_active) {
            peering.counters.strangers.add(1);
            tracing::debug!(why = trouble.why, "a stranger connected to the peer port");
            return;
        }
        let Trouble { failure, why } = trouble;
        peering.counters.failed(failure);
        if !has_active {
            self.note_away(failure, &why, peering, now_us);
        }
        if self.told.is_news(&why, now_us) {
            let event = if was_there { "lost the peer" } else { "no connection to the peer" };
            if needs_operator {
                tracing::error!(why, "{event}; trying again, which helps once something is done about it");
            } else {
                tracing::warn!(why, "{event}; trying again");
            }
        }
    }

    /// There is no session because of this. A host that is left behind goes on while the other one is away.
    pub(super) fn note_away(&self, failure: Failure, why: &str, peering: &Peering, now_us: u64) {
        peering.standing.away(why, now_us);
        if matches!(failure, Failure::Network | Failure::Silence) {
            self.shared.space.set_left_behind(None);
        }
    }

    /// The process that a session was with is not connected any more. One that was refused as a copy's is not noted: that it
    /// tries again is no sign of it having been there.
    pub(super) fn note_parting(&mut self, replica: &Replica, now_us: u64) {
        let peer = replica.peer().map(|peer| (peer.node, peer.inc));
        if let Some((node, inc)) = peer.filter(|&(node, inc)| !self.starts.is_former(node, inc, now_us)) {
            self.starts.part(node, inc, now_us);
        }
    }

    /// Whether nobody waits for anything: there is no peer, or it has all that this process made.
    pub(super) fn is_even(&self, peering: &Peering) -> bool {
        let has_all = || peering.standing.own_durable() >= peering.own_committed.load(Ordering::Acquire);
        !self.connections.has_active() || (self.shared.stopping.has_committed_rest() && has_all())
    }

    /// Says goodbye.
    pub(super) fn end(&mut self) {
        let now_us = self.now_us();
        if let Some(active) = self.connections.active()
            && let Some(replica) = &mut active.replica
        {
            replica.leave(ByeCode::Stopping, now_us);
            active.wire.part(replica.output());
        }
    }
}
