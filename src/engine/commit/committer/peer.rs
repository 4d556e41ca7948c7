//! The commit step's part for the peer: what leaves, what arrived, and how an empty host joins.

use std::sync::atomic::Ordering;

use super::applying::apply;
use crate::base::durability::Durability;
use crate::base::folds::Fold;
use crate::base::ids::Position;
use crate::base::limits::{INBOX_STEP_BYTES, UNWRITTEN_BYTES_MAX};
use crate::base::streams::{Stream, StreamFault};
use crate::base::vector::VersionVector;
use crate::engine::shared::Shared;
use crate::engine::shared::peering::Peering;
use crate::engine::shared::peering::joining::Join;
use crate::engine::shared::peering::outbox::Departing;
use crate::log::recover::joining;
use crate::log::snapshot::Snapshot;
use crate::log::write::append::{Appender, Sealed};
use crate::log::write::staged::Staged;

/// What arrived from the peer, as far as the step under way has taken it.
#[derive(Default)]
pub(super) struct Arrivals {
    /// Where the batches stand, and their records.
    batches: Vec<(Sealed, Vec<u8>)>,
    /// The next batch waits for room in the journal, or for the disk thread.
    is_stuck: bool,
    /// While this host joins: what the peer's snapshot covers.
    joins_at: Option<VersionVector>,
}

/// Hands a new batch to the link. It may leave before it is durable here: what this host loses in a power cut, the
/// peer hands back.
pub(super) fn ship(peering: &Peering, sealed: &Sealed, body: &[u8], only_short: bool) {
    if peering.outbox.is_open() {
        let Sealed { header, start, end, .. } = *sealed;
        peering.outbox.push(Departing { header, body: body.to_vec(), only_short, start, end });
        peering.bell.ring_for_batch();
    } else {
        peering.outbox.pass(sealed.header.last_seq());
        // A session that has begun meanwhile may have found nothing there.
        if peering.outbox.is_open() {
            peering.bell.ring();
        }
    }
}

impl Arrivals {
    /// Returns whether the step took nothing.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Returns whether the next batch waits for the keeper to make a segment, or for the disk thread of a server at `memory`.
    #[inline]
    pub(super) fn are_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Notes that the journal has no room for anything.
    pub(super) fn wait_for_segment(&mut self) {
        self.is_stuck = true;
    }

    /// Stages what arrived, as much as a step may take and the journal has room for: behind it there must still be `kept_bytes`.
    /// `segment` is where the step began: a step enters one new segment at most.
    pub(super) fn take(
        &mut self,
        shared: &Shared,
        peering: &Peering,
        appender: &mut Appender,
        segment: u32,
        kept_bytes: u64,
        staged: &mut Staged,
    ) {
        self.batches.clear();
        self.is_stuck = false;
        let synced = Position(shared.reach.synced());
        let mut taken = 0;
        while taken < INBOX_STEP_BYTES && peering.inbox.waiting_bytes() > 0 {
            let spare_ready = appender.segment() == segment && shared.spare.is_ready();
            let mut has_room = true;
            let next = peering.inbox.take_if(|header| {
                let room = appender.room_behind(header.body_len as usize, spare_ready);
                has_room = !is_behind(shared, appender) && room.is_some_and(|room| room >= kept_bytes);
                has_room
            });
            self.is_stuck = !has_room;
            let Some(next) = next else { return };
            match appender.stage_verbatim(&next.header, &next.body, synced, staged) {
                Ok(sealed) => {
                    taken += next.body.len();
                    self.batches.push((sealed, next.body));
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

    /// Applies what was taken, and says to the link how far every stream has come; `own` is this host's batch of the same step.
    pub(super) fn finish(
        &mut self,
        shared: &Shared,
        peering: &Peering,
        appender: &Appender,
        own: Option<(&Sealed, &[u8])>,
    ) {
        let synced = Position(shared.reach.synced());
        let applied = |sealed: &Sealed, body: &[u8]| {
            let header = &sealed.header;
            let stream = Stream { origin: header.origin, seq: header.last_seq(), chain: header.chain };
            peering.progress.applied(stream, sealed.end, synced);
            peering.progress.folded(Fold::all_of(header, body), sealed.end);
        };
        if let Some((sealed, body)) = own {
            applied(sealed, body);
            peering.own_committed.store(sealed.header.last_seq(), Ordering::Release);
        }
        // Of its own batches the link has heard when they were sealed, and wants to hear nothing until they are acknowledged.
        let is_news = own.is_none() || !self.batches.is_empty();
        let commit = &shared.metrics.commit;
        for (sealed, body) in self.batches.drain(..) {
            apply_arrived(shared, &sealed, &body);
            applied(&sealed, &body);
            commit.peer_batches.add(1);
            commit.peer_records.add(u64::from(sealed.header.count));
        }
        self.look_whether_joined(shared, peering, appender);
        if peering.outbox.is_awaited() || is_news {
            peering.bell.ring();
        }
    }

    /// Takes the peer's snapshot, if there is one on offer: the journal begins behind the batches that the peer does not
    /// have any more, and the state is the peer's at once. Returns whether it was taken.
    pub(super) fn adopt(
        &mut self,
        shared: &Shared,
        peering: &Peering,
        appender: &mut Appender,
        staged: &mut Staged,
    ) -> bool {
        if !peering.joining.is_offered() {
            return false;
        }
        if !shared.spare.is_ready() {
            self.is_stuck = true;
            return false;
        }
        let Some((disk, Join { starts, snapshot, blobs, runs })) = peering.joining.take_offer() else {
            return false;
        };
        let refuse = |why: String| {
            peering.joining.settle(Err(why));
            peering.bell.ring();
            false
        };
        // From the mark on a crash wipes the directory, so it is only put where there is nothing.
        if !appender.is_blank() && !cfg!(seeded_bug = "snapshot_replaces") {
            return refuse("this host has written something meanwhile".to_owned());
        }
        if let Err(error) = joining::mark(&*disk) {
            return refuse(format!("the directory can't be marked as joining: {error}"));
        }
        let mut applied = shared.applied.write();
        applied.set_clock(shared.clock.now_us());
        if snapshot.sections.iter().any(|(id, bytes)| applied.restore(*id, bytes).is_err()) {
            drop(applied);
            return refuse("the snapshot holds a state that this program can't read".to_owned());
        }
        peering.progress.adopt(&starts);
        appender.adopt(starts, snapshot.time_us, staged);
        shared.spare.enter(appender.spare_number());
        shared.keeper.wake();
        applied.stand_at(appender.position(), snapshot.streams.vector(), snapshot.time_us);
        drop(applied);
        // The state names the blobs that came with it now.
        drop((blobs, runs));
        self.batches.clear();
        self.is_stuck = false;
        self.joins_at = Some(snapshot.streams.vector());
        peering.joining.settle(Ok(()));
        true
    }

    /// Makes this host's own snapshot once the journal holds everything up to the peer's.
    fn look_whether_joined(&mut self, shared: &Shared, peering: &Peering, appender: &Appender) {
        if !self.joins_at.as_ref().is_some_and(|at| appender.vector().covers(at)) {
            return;
        }
        self.joins_at = None;
        let applied = shared.applied.read();
        peering.joining.reached(Snapshot {
            cluster: shared.cluster,
            node: shared.node,
            position: applied.position,
            time_us: applied.time_us,
            streams: appender.streams().clone(),
            sections: applied.sections(),
        });
        shared.keeper.wake();
    }
}

/// Returns whether, in `memory`, so much is in no file yet that the peer's batches have to wait.
pub(super) fn is_behind(shared: &Shared, appender: &Appender) -> bool {
    let unwritten_bytes = appender.position().0.saturating_sub(shared.reach.written());
    shared.durability == Durability::Memory && unwritten_bytes > UNWRITTEN_BYTES_MAX
}

/// Applies a batch of the peer. What a snapshot of the peer's has brought already is kept for those who read the
/// journal, and not applied again.
fn apply_arrived(shared: &Shared, sealed: &Sealed, body: &[u8]) {
    let mut applied = shared.applied.write();
    if applied.vector.seq_of(sealed.header.origin) >= sealed.header.last_seq() {
        applied.position = sealed.end;
        return;
    }
    drop(applied);
    apply(shared, sealed, body, |applied, batch| {
        applied.set_clock(shared.clock.now_us());
        applied.apply_batch(batch);
    });
}
