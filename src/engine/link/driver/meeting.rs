//! Which of the connections is the one by which the two hosts exchange, how two hosts come to know each other, and how connections
//! end.

use std::io;
use std::sync::atomic::Ordering;

use mio::Token;

use super::Driver;
use super::words::Words;
use crate::base::ids::NodeId;
use crate::base::secret::{SECRET_BYTES, Secret};
use crate::engine::link::connections::Connection;
use crate::engine::link::dialer::LASTING_US;
use crate::engine::link::greeting::{self, Greeting};
use crate::engine::link::pairing::{self, Answer};
use crate::engine::link::tls;
use crate::engine::link::trouble::Trouble;
use crate::engine::replication::{self, Replica};
use crate::engine::shared::peering::Peering;
use crate::engine::shared::peering::counters::Failure;
use crate::os::clock::wall_us;
use crate::os::random;
use crate::peer::fault::{ByeCode, Close};
use crate::peer::session::{Effect, Session, Settings};

/// Why a connection is not listened to.
#[derive(Clone, Copy)]
enum Reason {
    /// What a session finds wrong with what was said first.
    Hello,
    /// There is another one.
    Replaced,
    /// By a later process on a copy of the same directory.
    Copied(NodeId),
}

impl Driver {
    /// Looks whether the peer has said who it is, on a connection that it dialed.
    pub(super) fn greet(&mut self, token: Token, peering: &Peering, now_us: u64) {
        let (cluster, own) = (self.shared.cluster, self.shared.node);
        let Some(connection) = self.connections.get(token) else { return };
        match greeting::look(&connection.heard, cluster, own) {
            Greeting::More => {}
            Greeting::Stranger => self.turn_away(token, Reason::Hello, peering, now_us),
            Greeting::Host(hello) if self.starts.is_former(hello.node, hello.inc, now_us) => {
                self.turn_away(token, Reason::Copied(hello.node), peering, now_us);
            }
            Greeting::Host(hello) => {
                let gives_way = |active: &mut Connection| active.gives_way_to(&hello, own, now_us);
                if self.connections.active().is_none_or(gives_way) {
                    self.begin(token, peering, now_us);
                } else {
                    self.turn_away(token, Reason::Replaced, peering, now_us);
                }
            }
        }
    }

    /// Makes this the connection by which the two hosts exchange from now on; there is no other one.
    pub(super) fn begin(&mut self, token: Token, peering: &Peering, now_us: u64) {
        if let Some(old) = self.connections.active().map(|active| active.token)
            && let Some(mut old) = self.connections.remove(old)
            && let Some(mut replica) = old.replica.take()
        {
            self.note_parting(&replica, now_us);
            replica.leave(ByeCode::Replaced, now_us);
            old.wire.part(replica.output());
        }
        peering.delays().clear();
        let greeting =
            replication::Greeting { nonce: random::number().unwrap_or_default(), clock_us: wall_us() };
        let mut replica = Replica::begin(&self.shared, &self.disk, greeting, now_us);
        if let Some(connection) = self.connections.get(token) {
            replica.receive(&std::mem::take(&mut connection.heard), now_us);
            replica.turn(now_us);
            connection.replica = Some(replica);
        }
    }

    /// Tells the other side why it is not listened to.
    fn turn_away(&mut self, token: Token, reason: Reason, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let settings = Settings {
            cluster: self.shared.cluster,
            node: self.shared.node,
            inc: peering.own.inc,
            nonce: 0,
            clock_us: wall_us(),
            lineage: self.shared.lineage,
            made: 0,
            is_empty: false,
            is_joining: false,
            kinds: self.shared.understanding.own(),
        };
        let mut session = Session::new(settings, &[], now_us);
        match reason {
            Reason::Hello => session.receive(&connection.heard, now_us),
            Reason::Replaced => session.leave(ByeCode::Replaced),
            Reason::Copied(node) => session.refuse_copy(node),
        }
        let mut trouble = None;
        while let Some(effect) = session.next_effect(now_us) {
            if let Effect::Closed(close) = effect {
                trouble = Trouble::of_close(&close, connection.remote(), true);
            }
        }
        if self.ways.is_plain() && tls::is_record(&connection.heard) {
            trouble = Some(Trouble::of_tls(connection.remote()));
        }
        connection.wire.part(session.output());
        self.lose(token, trouble, peering, now_us);
    }

    /// Takes the end of a session.
    pub(super) fn close(&mut self, token: Token, close: &Close, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let trouble = Trouble::of_close(close, connection.remote(), true);
        if trouble.is_none() && connection.met_us.is_some() {
            self.words.left(close);
        }
        self.lose(token, trouble, peering, now_us);
    }

    pub(super) fn lose_to_error(&mut self, token: Token, error: &io::Error, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let is_connected = matches!(connection.wire.is_connected(), Ok(true));
        let trouble = if connection.dialed && connection.wire.is_pairing() && tls::is_refusal(error) {
            Trouble::of_invitation(connection.remote(), None)
        } else {
            Trouble::of_socket(error, connection.remote(), is_connected, self.ways.known())
        };
        self.lose(token, Some(trouble), peering, now_us);
    }

    /// Takes the end of a connection, or of a try that came to nothing.
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
            self.words.forget();
        }
        if was_ours {
            self.ways.pause(trouble.as_ref().is_some_and(Trouble::needs_operator), now_us);
        }
        let Some(trouble) = trouble else { return };
        let has_active = self.connections.has_active();
        if !was_ours && trouble.is_strangers(has_active) {
            peering.counters.strangers.add(1);
            Words::stranger(&trouble);
            return;
        }
        peering.counters.failed(trouble.failure);
        if !has_active {
            self.note_away(&trouble, peering, now_us);
        }
        self.words.lost(&trouble, was_there, now_us);
    }

    /// Notes that a try came to nothing before there was a connection.
    pub(super) fn not_reached(&mut self, trouble: &Trouble, peering: &Peering, now_us: u64) {
        self.ways.pause(false, now_us);
        peering.counters.failed(trouble.failure);
        self.note_away(trouble, peering, now_us);
        self.words.not_reached(trouble, now_us);
    }

    /// Notes that there is no session because of `trouble`. A host that is left behind goes on while the other one is away.
    fn note_away(&self, trouble: &Trouble, peering: &Peering, now_us: u64) {
        peering.standing.away(&trouble.why, now_us);
        if matches!(trouble.failure, Failure::Network | Failure::Silence) {
            self.shared.space.set_left_behind(None);
        }
    }

    /// Notes that the process that a session was with is not connected any more. One that was refused as a copy's is not noted:
    /// that it tries again is no sign of it having been there.
    fn note_parting(&mut self, replica: &Replica, now_us: u64) {
        let peer = replica.peer().map(|peer| (peer.node, peer.inc));
        if let Some((node, inc)) = peer.filter(|&(node, inc)| !self.starts.is_former(node, inc, now_us)) {
            self.starts.part(node, inc, now_us);
        }
    }

    /// Returns whether nobody waits for anything: there is no peer, or it has all that this process made.
    pub(super) fn is_even(&self, peering: &Peering) -> bool {
        let has_all = || peering.standing.own_durable() >= peering.own_committed.load(Ordering::Acquire);
        !self.connections.has_active() || (self.shared.stopping.has_committed_rest() && has_all())
    }

    /// Says the secret to the host that has invited this one, once its key was verified, and takes its answer.
    pub(super) fn introduce(&mut self, token: Token, peering: &Peering, now_us: u64) {
        let Some(connection) = self.connections.get(token) else { return };
        let remote = connection.remote();
        match pairing::read_answer(&connection.heard) {
            Answer::Refused(reason) => {
                let trouble = Trouble::of_invitation(remote, Some(&reason));
                self.lose(token, Some(trouble), peering, now_us);
            }
            Answer::Paired => {
                tracing::info!(%remote, "paired with the host that has invited this one");
                if let Err(error) = self.pairing.proven() {
                    tracing::warn!(%error, "the secret of the invitation, which is used, could not be removed");
                }
                self.lose(token, None, peering, now_us);
            }
            Answer::More => {
                let is_new =
                    connection.wire.is_secured() && !std::mem::replace(&mut connection.has_asked, true);
                if let (true, Some(secret)) = (is_new, self.pairing.secret()) {
                    connection.words.extend_from_slice(&secret.0);
                }
            }
        }
    }

    /// Takes the key of a host that says the secret of an invitation, or tells it why not.
    pub(super) fn admit(&mut self, token: Token, peering: &Peering, now_us: u64) {
        let has_peer = self.connections.active().is_some_and(|active| !active.is_suspect(now_us));
        let Some(connection) = self.connections.get(token) else { return };
        let said = connection.heard.first_chunk::<SECRET_BYTES>().copied().map(Secret);
        let (Some(secret), Some(key)) = (said, connection.wire.introduced()) else { return };
        let remote = connection.remote();
        let outcome = self.pairing.admit(secret, key, has_peer, wall_us());
        match &outcome {
            Ok(()) => tracing::info!(%key, %remote, "paired with the host that was invited"),
            Err(refused) => self.words.not_admitted(refused, remote, now_us),
        }
        connection.wire.part(&pairing::answer(&outcome));
        self.lose(token, None, peering, now_us);
    }

    /// Says goodbye.
    pub(super) fn end(&mut self) {
        let now_us = self.shared.clock.now_us();
        if let Some(active) = self.connections.active()
            && let Some(replica) = &mut active.replica
        {
            replica.leave(ByeCode::Stopping, now_us);
            active.wire.part(replica.output());
        }
    }
}
