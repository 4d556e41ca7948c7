//! Meeting: which of the connections is the one by which the two hosts exchange.

use mio::Token;

use super::{Driver, peering_of};
use crate::base::ids::NodeId;
use crate::base::kinds::Kinds;
use crate::engine::link::connections::Connection;
use crate::engine::link::greeting::{self, Greeting};
use crate::engine::link::tls;
use crate::engine::link::trouble::Trouble;
use crate::engine::replication::{self, Replica};
use crate::engine::shared::peering::Peering;
use crate::os::clock::wall_us;
use crate::os::random;
use crate::peer::fault::ByeCode;
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
    /// The peer may have said who it is, on a connection that it dialed.
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
                    self.begin(token, now_us);
                } else {
                    self.turn_away(token, Reason::Replaced, peering, now_us);
                }
            }
        }
    }

    /// This is the connection by which the two hosts exchange from now on; there is no other one.
    pub(super) fn begin(&mut self, token: Token, now_us: u64) {
        if let Some(old) = self.connections.active().map(|active| active.token)
            && let Some(mut old) = self.connections.remove(old)
            && let Some(mut replica) = old.replica.take()
        {
            self.note_parting(&replica, now_us);
            replica.leave(ByeCode::Replaced, now_us);
            old.wire.part(replica.output());
        }
        peering_of(&self.shared).delays().clear();
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
            kinds: Kinds::OWN,
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
        if self.keys.is_none() && tls::is_record(&connection.heard) {
            trouble = Some(Trouble::of_tls(connection.remote()));
        }
        connection.wire.part(session.output());
        self.lose(token, trouble, peering, now_us);
    }
}
