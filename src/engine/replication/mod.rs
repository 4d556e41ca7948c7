//! The replica: everything the link does about one connection but its sockets. Bytes and time come in, bytes come out;
//! the journal, the blobs and the parts between link and commit step are reached through what the server shares. So
//! the link's decisions are the same under a simulation.
//!
//! How the link drives it, in every turn:
//!
//! ```text
//! socket, TLS -> receive(bytes, now)     unless !wants_input()
//! turn(now)                              always: after bytes, when the bell has rung, at deadline()
//! arrivals.commit(..)                    what arrived is in the inbox
//! output() -> TLS, socket; sent(n)       and a turn more when all of the output was taken: there may be more to send
//! look_after_join(now)                   a host that was empty gets a snapshot, before any batch behind it
//! closed() -> why, once it is over       what is left of the output is worth one more write
//! ```
//!
//! One connection has one replica. A host has one at a time: the next one may begin when this one is dropped.

mod access;
mod apart;
pub mod arrivals;
mod arriving;
mod blobs_out;
pub mod history;
mod shipping;
mod taking;

use std::sync::Arc;

use self::access::peering_of;
use self::shipping::Shipping;
use self::taking::Taking;
use crate::base::ids::{NodeId, Origin, Seq};
use crate::base::limits::{PEER_BLOBS_PER_TURN, PEER_OUTPUT_BYTES_MAX, PEER_RETAIN_EVERY_US};
use crate::base::streams::{Stream, Streams};
use crate::base::vector::VersionVector;
use crate::engine::shared::Shared;
use crate::os::disk::Disk;
use crate::peer::fault::{ByeCode, Close};
use crate::peer::session::{Effect, Holding, Peer, Presence, Session, Settings};

/// One connection to the peer.
pub struct Replica {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
    session: Session,
    shipping: Shipping,
    taking: Taking,
    retain_us: u64,
    /// The last turn has left something undone, so that the connection gets its heartbeats in between.
    has_more: bool,
    closed: Option<Close>,
}

/// What a connection begins with besides what the server shares.
#[derive(Clone, Copy, Debug)]
pub struct Greeting {
    /// Random; names the connection in both hosts' logs.
    pub nonce: u64,
    /// Wall clock, microseconds since 1970.
    pub clock_us: u64,
}

impl Replica {
    /// Returns the replica of a connection that was just made. `disk` is the data directory, `now_us` the server's clock.
    ///
    /// # Panics
    /// Panics if the server was started without a peer.
    #[must_use]
    pub fn begin(shared: &Arc<Shared>, disk: &Arc<dyn Disk>, greeting: Greeting, now_us: u64) -> Self {
        let peering = peering_of(shared);
        // In this order: what an earlier session left is gone before it is asked what was committed, so what is
        // committed meanwhile comes as a change and what the commit step has in hand comes a second time at most.
        peering.inbox.clear();
        let (received, durable) = peering.progress.begin();
        let starts = shared.reader.start_vector();
        let held: Vec<Holding> = received.iter().map(|stream| held(stream, &durable, &starts)).collect();
        let settings = Settings {
            cluster: shared.cluster,
            node: shared.node,
            inc: peering.own.inc,
            nonce: greeting.nonce,
            clock_us: greeting.clock_us,
            lineage: shared.lineage,
            made: peering.outbox.sealed(),
            // It takes no writes meanwhile, so it is as empty when a snapshot comes.
            is_empty: shared.space.is_joining() && held.is_empty(),
            is_joining: shared.space.is_joining(),
            kinds: shared.understanding.own(),
        };
        Self {
            shared: Arc::clone(shared),
            session: Session::new(settings, &held, now_us).with_folds(received.folds().clone()),
            disk: Arc::clone(disk),
            shipping: Shipping::new(Arc::clone(disk)),
            taking: Taking::default(),
            retain_us: now_us + PEER_RETAIN_EVERY_US,
            has_more: false,
            closed: None,
        }
    }

    /// Takes bytes from the connection; call [`Replica::turn`] afterwards.
    pub fn receive(&mut self, bytes: &[u8], now_us: u64) {
        self.session.receive(bytes, now_us);
    }

    /// Returns whether the connection should be read: not while a snapshot waits to be adopted, nor while the peer takes
    /// nothing of what it has to be told.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        !self.taking.is_held() && !self.has_more && self.session.output().len() < PEER_OUTPUT_BYTES_MAX
    }

    /// Does what can be done now; what takes long is left for the next turn.
    pub fn turn(&mut self, now_us: u64) {
        self.report_progress(now_us);
        let kept = self.taking.blobs_kept();
        self.has_more = false;
        while !self.taking.is_held() && !self.has_more {
            let Some(effect) = self.session.next_effect(now_us) else { break };
            self.act(effect, now_us);
            // Each waits for the disk twice.
            self.has_more = self.taking.blobs_kept() - kept >= PEER_BLOBS_PER_TURN;
        }
        self.look_whether_joined();
        self.shipping.look_whether_refused(&mut self.session);
        if self.session.peer().is_some() && !self.session.is_closed() {
            self.taking.mend(&self.shared, &mut self.session);
        }
        if self.taking.is_held() || self.has_more {
            self.session.excuse_silence(now_us);
        }
        self.session.tick(now_us);
        self.has_more |= self.shipping.ship(&self.shared, &mut self.session, now_us);
        if self.session.is_closed() {
            // The reason comes as the last effect; what lies before it can't be answered any more.
            while let Some(effect) = self.session.next_effect(now_us) {
                self.act(effect, now_us);
            }
        } else if self.session.peer().is_some() {
            peering_of(&self.shared).standing.behind(self.shipping.behind_bytes(&self.shared));
        }
    }

    /// Returns bytes that wait for the connection.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.session.output()
    }

    /// Notes that the connection has taken the first `bytes` of the output.
    pub fn sent(&mut self, bytes: usize) {
        self.session.sent(bytes);
    }

    /// Returns when the next turn is due at the latest, microseconds; nothing once it is over.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let due_us = self.session.deadline()?.min(self.retain_us);
        if self.has_more {
            return Some(0);
        }
        Some(self.shipping.pause_until_us().map_or(due_us, |until_us| due_us.min(until_us)))
    }

    /// Returns whether new batches wait for the next [`Replica::deadline`].
    #[must_use]
    pub fn is_pausing(&self, now_us: u64) -> bool {
        self.shipping.pause_until_us().is_some_and(|until_us| now_us < until_us)
    }

    /// Returns who the peer is, once the session is established.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        self.session.peer()
    }

    /// Returns whether the peer seems to be there.
    #[must_use]
    pub fn presence(&self, now_us: u64) -> Presence {
        self.session.presence(now_us)
    }

    /// Returns the time from the last answered PING to its PONG, microseconds.
    #[must_use]
    pub fn rtt_us(&self) -> Option<u64> {
        self.session.rtt_us()
    }

    /// Returns whether a snapshot is being sent or received.
    #[must_use]
    pub fn is_in_snapshot(&self) -> bool {
        self.shipping.is_in_snapshot() || self.taking.is_in_snapshot()
    }

    /// Returns why it is over, once it is.
    #[must_use]
    pub fn closed(&self) -> Option<&Close> {
        self.closed.as_ref()
    }

    /// Ends it, because the process stops or another connection takes over.
    pub fn leave(&mut self, code: ByeCode, now_us: u64) {
        self.session.leave(code);
        self.turn(now_us);
    }

    /// Ends it, and tells the peer, because there are two processes on the peer's directory and a copy of it.
    pub fn refuse_copy(&mut self, now_us: u64) {
        if let Some(node) = self.session.peer().map(|peer| peer.node) {
            self.session.refuse_copy(node);
            self.turn(now_us);
        }
    }

    /// Ends it, and tells the peer, because this host can't go on.
    fn fail(&mut self, text: String, now_us: u64) {
        self.session.fail(text);
        self.taking.release();
        self.turn(now_us);
    }

    /// Notes that the connection is gone, in words for an operator. What was received before counts.
    pub fn lost(&mut self, why: &str, now_us: u64) {
        self.turn(now_us);
        self.session.lost(why.to_owned());
        self.turn(now_us);
    }

    /// Offers a snapshot that came whole to the commit step, and looks what became of it; nothing more is taken from the
    /// connection meanwhile. True if the commit step has something to do now.
    pub fn look_after_join(&mut self, now_us: u64) -> bool {
        let joining = &peering_of(&self.shared).joining;
        let join = self.taking.take_join();
        let has_offer = join.is_some();
        if let Some(join) = join {
            joining.offer(Arc::clone(&self.disk), join);
        }
        match joining.take_outcome() {
            // The journal stands at the snapshot's start, and the progress tells so.
            Some(Ok(())) => {
                self.taking.release();
                self.turn(now_us);
            }
            Some(Err(why)) => self.fail(format!("this host can't take the snapshot: {why}"), now_us),
            None => {}
        }
        has_offer
    }

    /// Tells the session what was committed and synced since, and what is kept.
    fn report_progress(&mut self, now_us: u64) {
        let peering = peering_of(&self.shared);
        if let Some(fault) = peering.inbox.take_refusal() {
            self.session.fail(format!("a batch was refused by this host's journal: {fault}"));
        }
        let changes = peering.progress.take_changes();
        for stream in changes.received {
            let Stream { origin, seq, chain } = stream;
            let before = self.session.held(origin);
            let first = before.map_or(1, |held| held.first);
            let durable = before.map_or(0, |held| held.durable);
            self.session.hold(&Holding { origin, received: seq, durable, first, chain }, now_us);
        }
        for stream in changes.durable {
            if let Some(held) = self.session.held(stream.origin) {
                self.session.hold(&Holding { durable: stream.seq.min(held.received), ..held }, now_us);
            }
        }
        let session = &self.session;
        let has = |origin, seq| match session.held(origin) {
            Some(held) => held.received >= seq,
            None => session.is_folded(origin),
        };
        peering.unpin(has);
        if now_us >= self.retain_us {
            self.retain_us = now_us + PEER_RETAIN_EVERY_US;
            for (origin, seq) in self.shared.reader.start_vector().iter() {
                self.session.retain(origin, seq + 1);
            }
        }
    }

    fn act(&mut self, effect: Effect, now_us: u64) {
        let shared = &*self.shared;
        match effect {
            Effect::Established(peer) => {
                shared.understanding.learn(peer.node, peer.kinds);
                self.note_standing(peer.node, now_us);
                // Who the peer is, is written down at once.
                shared.keeper.wake();
                taking::ask_again(shared);
                self.aim(Origin { node: peer.node, inc: peer.inc });
                self.shipping.begin(&self.shared, &mut self.session, peer.is_empty);
                self.look_whether_apart();
            }
            Effect::Receipts(receipts) => {
                for receipt in receipts {
                    shared.peer_has(receipt.origin, receipt.received, receipt.durable, now_us);
                }
            }
            Effect::State => {
                for receipt in self.session.peer_receipts() {
                    shared.peer_has(receipt.origin, receipt.received, receipt.durable, now_us);
                }
                self.note_folds();
                self.shipping.look_again(shared, &mut self.session);
                self.look_whether_apart();
            }
            Effect::SendFrom { .. } => self.shipping.plan(shared, &mut self.session, false),
            Effect::BlobWanted(id) => self.shipping.want(id, &mut self.session),
            Effect::Take { header, body } => self.taking.batch(shared, &mut self.session, header, body),
            Effect::Blob { id, total, offset, bytes } => {
                let is_last = offset + bytes.len() as u64 == total;
                self.taking.blob(shared, &mut self.session, id, &bytes, is_last);
            }
            Effect::BlobGone(id) => self.taking.blob_gone(shared, &mut self.session, id),
            Effect::SnapshotBegins { starts } => self.taking.snapshot_begins(starts),
            Effect::SnapshotPart { total, bytes, .. } => {
                self.taking.snapshot_part(shared, &mut self.session, total, &bytes);
            }
            Effect::Closed(close) => self.over(close, now_us),
        }
    }

    fn note_standing(&self, node: NodeId, now_us: u64) {
        let (mut received, mut durable) = (VersionVector::new(), VersionVector::new());
        for receipt in self.session.peer_receipts() {
            received.raise(receipt.origin, receipt.received);
            durable.raise(receipt.origin, receipt.durable);
        }
        self.shared.peer_is_met(node, received, durable, now_us);
        let standing = &peering_of(&self.shared).standing;
        self.session.peer().into_iter().for_each(|peer| standing.speaks(peer.inc));
        self.note_folds();
    }

    /// Notes that the peer has what is folded: not before it has joined, when it calls something durable.
    fn note_folds(&self) {
        let is_joining = self.session.peer().is_some_and(|peer| peer.is_joining)
            && self.session.peer_receipts().all(|receipt| receipt.durable == 0);
        if !is_joining {
            let applied = self.shared.applied.read();
            let folds = applied.vector.folds().clone();
            drop(applied);
            peering_of(&self.shared).standing.has_folded(&folds);
        }
    }

    fn over(&mut self, close: Close, now_us: u64) {
        let peering = peering_of(&self.shared);
        peering.outbox.close();
        peering.joining.withdraw();
        peering.standing.away(&close.to_string(), now_us);
        self.part(&close);
        self.shipping.end();
        self.taking.end();
        self.closed = Some(close);
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        peering_of(&self.shared).outbox.close();
    }
}

fn held(stream: Stream, durable: &Streams, starts: &VersionVector) -> Holding {
    let Stream { origin, seq, chain } = stream;
    let durable: Seq = durable.seq_of(origin).min(seq);
    Holding { origin, received: seq, durable, first: starts.seq_of(origin).saturating_add(1), chain }
}
