//! The commit step's part for the peer: what leaves, what arrived, and how an empty host joins.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::{Committer, Own, Prepared, apply};
use crate::base::durability::Durability;
use crate::base::ids::Position;
use crate::base::limits::{INBOX_STEP_BYTES, UNWRITTEN_BYTES_MAX};
use crate::base::streams::{Stream, StreamFault};
use crate::engine::shared::Shared;
use crate::engine::shared::peering::Peering;
use crate::engine::shared::peering::joining::Join;
use crate::engine::shared::peering::outbox::Departing;
use crate::log::recover::joining;
use crate::log::snapshot::Snapshot;
use crate::log::write::append::Sealed;
use crate::log::write::staged::Staged;

impl Committer {
    /// Hands a new batch to the link. It may leave before it is durable here: what this host loses in a power cut, the
    /// peer hands back.
    pub(super) fn ship(&self, peering: &Peering) {
        let Some(Own { sealed, .. }) = &self.own else { return };
        if peering.outbox.is_open() {
            let body = if self.stamped.is_empty() { &self.merged } else { &self.stamped };
            let Sealed { header, start, end, .. } = *sealed;
            let only_short = self.others.is_empty();
            peering.outbox.push(Departing { header, body: body.clone(), only_short, start, end });
            peering.bell.ring_for_batch();
        } else {
            peering.outbox.pass(sealed.header.last_seq());
            // A session that has begun meanwhile may have found nothing there.
            if peering.outbox.is_open() {
                peering.bell.ring();
            }
        }
    }

    /// Stages what arrived, as much as a step may take and the journal has room for. `segment` is where the step began:
    /// a step enters one new segment at most.
    pub(super) fn take_arrived(
        &mut self,
        shared: &Shared,
        peering: &Peering,
        segment: u32,
        staged: &mut Staged,
    ) {
        self.arrived.clear();
        self.is_stuck = false;
        let synced = Position(shared.reach.synced());
        let mut taken = 0;
        while taken < INBOX_STEP_BYTES && peering.inbox.waiting_bytes() > 0 {
            let spare_ready = self.appender.segment() == segment && shared.spare.is_ready();
            let mut has_room = true;
            let next = peering.inbox.take_if(|header| {
                has_room = self.has_room_for(shared, header.body_len as usize, spare_ready);
                has_room
            });
            self.is_stuck = !has_room;
            let Some(next) = next else { return };
            match self.appender.stage_verbatim(&next.header, &next.body, synced, staged) {
                Ok(sealed) => {
                    taken += next.body.len();
                    self.arrived.push((sealed, next.body));
                }
                // It came with an earlier session too.
                Err(StreamFault::Sequence { due, .. }) if next.header.last_seq() < due => {}
                Err(fault) => {
                    peering.inbox.refuse(fault);
                    peering.bell.ring();
                }
            }
        }
    }

    /// Returns whether a batch of the peer may be staged: behind it there must still be room for all that the lanes can hold
    /// and for a clear, which is what makes room.
    fn has_room_for(&self, shared: &Shared, body_len: usize, spare_ready: bool) -> bool {
        if shared.durability == Durability::Memory && self.unwritten_bytes(shared) > UNWRITTEN_BYTES_MAX {
            return false;
        }
        let kept = self.lanes_bytes + self.appender.body_bytes_max() as u64;
        self.appender.room_behind(body_len, spare_ready).is_some_and(|room| room >= kept)
    }

    /// Applies the peer's batches and tells the link how far every stream has come.
    pub(super) fn finish_peers(&mut self, shared: &Shared, peering: &Peering) {
        let synced = Position(shared.reach.synced());
        let tell = |sealed: &Sealed| {
            let header = &sealed.header;
            let stream = Stream { origin: header.origin, seq: header.last_seq(), chain: header.chain };
            peering.progress.applied(stream, sealed.end, synced);
        };
        if let Some(Own { sealed, .. }) = &self.own {
            tell(sealed);
            peering.own_committed.store(sealed.header.last_seq(), Ordering::Release);
        }
        // Of its own batches the link has heard when they were sealed, and wants to hear nothing until they are acknowledged.
        let is_news = self.own.is_none() || !self.arrived.is_empty();
        let commit = &shared.metrics.commit;
        for (sealed, body) in self.arrived.drain(..) {
            apply_arrived(shared, &sealed, &body);
            tell(&sealed);
            commit.peer_batches.add(1);
            commit.peer_records.add(u64::from(sealed.count));
        }
        self.look_whether_joined(shared, peering);
        if peering.outbox.is_awaited() || is_news {
            peering.bell.ring();
        }
    }

    /// Takes the peer's snapshot, if there is one on offer: the journal begins behind the batches that the peer does not
    /// have any more, and the state is the peer's at once.
    pub(super) fn adopt(
        &mut self,
        shared: &Shared,
        peering: &Peering,
        staged: &mut Staged,
    ) -> Option<Prepared> {
        if !peering.joining.is_offered() {
            return None;
        }
        if !shared.spare.is_ready() {
            self.is_stuck = true;
            return None;
        }
        let (disk, Join { starts, snapshot, blobs }) = peering.joining.take_offer()?;
        // From the mark on a crash wipes the directory, so it is only put where there is nothing.
        if !self.appender.is_blank() {
            peering.joining.settle(Err("this host has written something meanwhile".to_owned()));
            peering.bell.ring();
            return None;
        }
        if let Err(error) = joining::mark(&*disk) {
            peering.joining.settle(Err(format!("the directory can't be marked as joining: {error}")));
            peering.bell.ring();
            return None;
        }
        let mut applied = shared.applied.write().unwrap_or_else(PoisonError::into_inner);
        applied.tell_clock(shared.clock.now_us());
        if snapshot.sections.iter().any(|(id, bytes)| applied.restore(*id, bytes).is_err()) {
            drop(applied);
            peering.joining.settle(Err("the snapshot holds a state that this program can't read".to_owned()));
            peering.bell.ring();
            return None;
        }
        peering.progress.adopt(&starts);
        self.appender.adopt(starts, snapshot.time_us, staged);
        shared.spare.enter(self.appender.spare_number());
        shared.keeper.wake();
        applied.vector = snapshot.streams.vector();
        applied.time_us = snapshot.time_us;
        applied.position = self.appender.position();
        drop(applied);
        // The state names the blobs that came with it now.
        drop(blobs);
        self.arrived.clear();
        self.is_stuck = false;
        self.joins_at = Some(snapshot.streams.vector());
        peering.joining.settle(Ok(()));
        self.own = None;
        Some(Prepared(()))
    }

    /// Makes this host's own snapshot once the journal holds everything up to the peer's.
    fn look_whether_joined(&mut self, shared: &Shared, peering: &Peering) {
        if !self.joins_at.as_ref().is_some_and(|at| self.appender.vector().covers(at)) {
            return;
        }
        self.joins_at = None;
        let applied = shared.applied.read().unwrap_or_else(PoisonError::into_inner);
        peering.joining.reached(Snapshot {
            cluster: shared.cluster,
            node: shared.node,
            position: applied.position,
            time_us: applied.time_us,
            streams: self.appender.streams().clone(),
            sections: applied.sections(),
        });
        shared.keeper.wake();
    }
}

/// Applies a batch of the peer. What a snapshot of the peer's has brought already is kept for those who read the
/// journal, and not applied again.
fn apply_arrived(shared: &Shared, sealed: &Sealed, body: &[u8]) {
    let mut applied = shared.applied.write().unwrap_or_else(PoisonError::into_inner);
    if applied.vector.seq_of(sealed.header.origin) >= sealed.header.last_seq() {
        applied.position = sealed.end;
        return;
    }
    drop(applied);
    apply(shared, sealed, body, |applied, batch| {
        applied.tell_clock(shared.clock.now_us());
        applied.apply_batch(batch);
    });
}
