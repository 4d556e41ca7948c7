//! The commit step: merge the lanes, stamp, seal and stage a batch, take what arrived from the peer, make it durable,
//! apply it, publish.
//!
//! One step at a time, behind one token. In `memory` the worker that gets the token runs the step at the end of its
//! turn; in `disk` the one disk thread runs it, so that no event loop waits for a disk. Time comes in as an argument
//! and bytes go out through the journal's `Disk`, so a simulation runs this code unchanged.

mod peer;

use std::sync::PoisonError;

use crate::app::applied::{Applied, Batch};
use crate::app::state::Entry;
use crate::base::durability::Durability;
use crate::base::ids::Position;
use crate::base::limits::{
    BATCH_BODY_BYTES_MAX, BATCH_TIME_US_MAX, BLOCK_BYTES, STAMP_BYTES_PER_ORIGIN, UNWRITTEN_BYTES_MAX,
};
use crate::base::tag::SHORT_RECORD_BYTES;
use crate::base::vector::VersionVector;
use crate::engine::shared::Shared;
use crate::engine::shared::space::Room;
use crate::log::lane::{Consumer, Taken};
use crate::log::write::append::{Appender, Sealed};
use crate::log::write::staged::Staged;

/// What the commit token protects.
pub struct Committer {
    lanes: Vec<Consumer>,
    /// For each lane, the position up to which the batch under way took it.
    reached: Vec<u64>,
    /// For each lane, whether the batch under way holds records of it.
    concerned: Vec<bool>,
    /// The most that can be in the lanes, bytes, with some room for what a batch adds.
    lanes_bytes: u64,
    appender: Appender,
    /// The batch of the step under way, if its lanes held any.
    own: Option<Own>,
    /// The records as the workers made them.
    merged: Vec<u8>,
    /// The records as stamped; empty when nothing needed a stamp.
    stamped: Vec<u8>,
    scratch: Vec<u8>,
    /// Of each record that is not short, its lane and the position behind it there.
    others: Vec<(usize, u64)>,
    /// What each of them gave when it was applied.
    outcomes: Vec<Option<u64>>,
    /// Which lane goes first, so that a batch that has no room for all is not always full of the same one's.
    first_lane: usize,
    /// The peer's batches of the step under way: where they stand, and their records.
    arrived: Vec<(Sealed, Vec<u8>)>,
    /// The next batch of the peer waits for room in the journal, or for the disk thread.
    is_stuck: bool,
    /// While this host joins: what the peer's snapshot covers.
    joins_at: Option<VersionVector>,
}

/// Something is staged and not yet applied: this host's own batch, then what arrived from the peer.
#[must_use = "what is staged must be applied and published"]
pub struct Prepared(());

/// The batch of this host's own records.
struct Own {
    sealed: Sealed,
    shorts: u32,
}

impl Committer {
    /// Returns a committer for `lanes` that goes on where `appender` stands.
    #[must_use]
    pub fn new(lanes: Vec<Consumer>, appender: Appender) -> Self {
        Self {
            reached: vec![0; lanes.len()],
            concerned: vec![false; lanes.len()],
            lanes_bytes: (lanes.iter().map(Consumer::capacity_bytes).sum::<usize>() + BLOCK_BYTES) as u64,
            lanes,
            merged: Vec::with_capacity(appender.body_bytes_max()),
            appender,
            own: None,
            stamped: Vec::new(),
            scratch: Vec::new(),
            others: Vec::new(),
            outcomes: Vec::new(),
            first_lane: 0,
            arrived: Vec::new(),
            is_stuck: false,
            joins_at: None,
        }
    }

    /// Returns what seals the batches; the workers have ended.
    #[must_use]
    pub fn into_appender(self) -> Appender {
        self.appender
    }

    /// Merges what the lanes hold into a batch and stages it, and then what arrived from the peer. Nothing when there
    /// is nothing, or no room in the journal (the intake is closed long before that, so the lanes' records then wait
    /// for the next segment).
    pub fn prepare(&mut self, shared: &Shared, now_us: u64, staged: &mut Staged) -> Option<Prepared> {
        let now_us = now_us.min(BATCH_TIME_US_MAX);
        self.appender.look_at_clock(now_us);
        let spare_ready = shared.spare.is_ready();
        if !self.appender.fits(self.appender.body_bytes_max(), spare_ready) {
            self.is_stuck = true;
            return None;
        }
        let joining = shared.peering.as_ref().filter(|peering| peering.is_joining());
        if let Some(peering) = joining {
            if let Some(prepared) = self.adopt(shared, peering, staged) {
                return Some(prepared);
            }
            if peering.is_snapshot_offered() {
                // It waits for the next segment, and so does everything else.
                return None;
            }
        }
        // A host that is joining loses all it has in a crash, so its own records wait in their lanes.
        let (shorts, others) = if joining.is_some() { (0, 0) } else { self.merge(shared, now_us) };
        let count = shorts + others;
        let synced = Position(shared.reach.synced());
        let segment = self.appender.segment();
        self.own = if count > 0 {
            let body = if self.stamped.is_empty() { &self.merged } else { &self.stamped };
            Some(Own { sealed: self.appender.stage(body, count, now_us, synced, staged), shorts })
        } else {
            None
        };
        if let Some(peering) = &shared.peering {
            self.ship(peering);
            self.take_arrived(shared, peering, segment, staged);
        }
        if self.own.is_none() && self.arrived.is_empty() {
            return None;
        }
        if self.appender.segment() != segment {
            // The spare is the current segment now; the keeper makes the next one.
            shared.spare.enter(self.appender.spare_number());
            shared.keeper.wake();
        }
        self.regulate(shared);
        if shared.durability == Durability::Memory {
            shared.space.set_behind(self.unwritten_bytes(shared) > UNWRITTEN_BYTES_MAX);
        }
        Some(Prepared(()))
    }

    /// Applies what was prepared, publishes it and wakes the workers that wait for it, or whose records it left behind.
    /// The worker `own` runs this itself and needs no waking.
    pub fn finish(&mut self, shared: &Shared, _prepared: &Prepared, own: Option<usize>) {
        let commit = &shared.metrics.commit;
        if let Some(Own { sealed, shorts }) = &self.own {
            if self.others.is_empty() {
                apply(shared, sealed, &self.merged, Applied::apply_short);
            } else {
                let body = if self.stamped.is_empty() { &self.merged } else { &self.stamped };
                self.outcomes.clear();
                apply(shared, sealed, body, |applied, batch| {
                    applied.tell_clock(shared.clock.now_us());
                    applied.apply_own_batch(batch, &mut self.outcomes);
                });
                hand_over_outcomes(shared, &self.others, &self.outcomes);
            }
            commit.own_time_us.set(sealed.time_us);
            commit.batches.add(1);
            commit.records.add(u64::from(sealed.count));
            commit.short_records.add(u64::from(*shorts));
        }
        if let Some(peering) = &shared.peering {
            self.finish_peers(shared, peering);
        }
        commit.end_position.set(self.appender.position().0);
        for ((worker, &reached), concerned) in
            shared.workers.iter().zip(&self.reached).zip(&mut self.concerned)
        {
            *concerned = worker.committed() != reached;
            worker.publish(reached);
        }
        match own {
            Some(_) => self.wake(shared, own),
            None => self.let_next_start(shared),
        }
    }

    /// Notes that the disk thread was started and found nothing: a worker started it before it had seen the batch that took its
    /// records. Another one may have gone to sleep meanwhile, since a batch seemed to be under way.
    pub fn stand_down(&mut self, shared: &Shared) {
        self.concerned.fill(false);
        self.let_next_start(shared);
    }

    /// Returns whether the peer's next batch waits for the keeper to make a segment, or for the disk thread of a server at
    /// `memory`; each of them rings the link's bell.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.is_stuck
    }

    /// Lets a worker start the next batch, and wakes those that have something to do now. A worker publishes its lane,
    /// raises its flag, and then looks whether a step is under way; this ends the step, and then looks at the lanes and
    /// the flags ([`crate::engine::shared::waking`]).
    fn let_next_start(&self, shared: &Shared) {
        shared.step.end();
        self.wake(shared, None);
        // What arrived meanwhile found a step under way. One that is stuck is tried again when there is a new segment.
        if !self.is_stuck || shared.spare.is_ready() {
            shared.commit_arrived();
        }
    }

    /// Returns the bytes that are, in `memory`, committed and in no file yet.
    fn unwritten_bytes(&self, shared: &Shared) -> u64 {
        self.appender.position().0.saturating_sub(shared.reach.written())
    }

    /// Wakes every worker but `own` whose records were in this batch or were left behind: one call per sleep.
    fn wake(&self, shared: &Shared, own: Option<usize>) {
        for (index, worker) in shared.workers.iter().enumerate() {
            if own != Some(index) && (self.concerned[index] || self.lanes[index].waiting() > 0) {
                worker.wake();
            }
        }
    }

    /// Takes the lanes' records in turn; gives the number of short records and that of others.
    fn merge(&mut self, shared: &Shared, now_us: u64) -> (u32, u32) {
        self.merged.clear();
        self.stamped.clear();
        self.others.clear();
        let (mut shorts, mut others) = (0_u32, 0_u32);
        let mut room = self.appender.body_bytes_max();
        let stamp_bytes = self.stamp_bytes();
        let lanes = self.lanes.len();
        for turn in 0..lanes {
            let lane = (self.first_lane + turn) % lanes;
            let (merged, positions) = (&mut self.merged, &mut self.others);
            self.reached[lane] =
                self.lanes[lane].take(&mut room, stamp_bytes, &mut self.scratch, |record| match record {
                    Taken::Short(bytes) => {
                        merged.extend_from_slice(bytes);
                        shorts += 1;
                    }
                    Taken::Other(bytes, position) => {
                        merged.extend_from_slice(bytes);
                        positions.push((lane, position));
                        others += 1;
                    }
                });
        }
        self.first_lane = (self.first_lane + 1) % lanes;
        debug_assert!(others > 0 || self.merged.len() == shorts as usize * SHORT_RECORD_BYTES);
        if others > 0 {
            let (origin, seq) = (self.appender.origin(), self.appender.next_seq());
            let entry = Entry { origin, seq, time_us: now_us };
            let applied = shared.applied.read().unwrap_or_else(PoisonError::into_inner);
            applied.stamp_batch(&entry, &self.merged, &mut self.stamped);
            debug_assert!(
                self.stamped.len() <= BATCH_BODY_BYTES_MAX,
                "the lanes were taken with room for stamps"
            );
        }
        (shorts, others)
    }

    /// Returns the most bytes by which a stamp may lengthen a record: something for every stream that is known.
    fn stamp_bytes(&self) -> usize {
        (self.appender.streams().len() + 1) * STAMP_BYTES_PER_ORIGIN
    }

    /// Tells the intake how the journal's room compares with what the lanes may hold, so that whatever is in a lane
    /// can always be committed.
    fn regulate(&self, shared: &Shared) {
        let spare_ready = shared.spare.is_ready();
        let room = self.appender.room(spare_ready);
        let (lanes_bytes, body_bytes) = (self.lanes_bytes, self.appender.body_bytes_max() as u64);
        shared.space.set_room(Room {
            for_writes: room >= lanes_bytes + 2 * body_bytes,
            for_clears: room >= lanes_bytes + body_bytes,
        });
    }
}

/// Gives the workers what their commands came to, before they see the commit.
fn hand_over_outcomes(shared: &Shared, others: &[(usize, u64)], outcomes: &[Option<u64>]) {
    debug_assert_eq!(others.len(), outcomes.len());
    for (&(lane, position), outcome) in others.iter().zip(outcomes) {
        if let Some(outcome) = *outcome {
            shared.workers[lane].outcomes.add(position, outcome);
        }
    }
}

/// Applies one batch by `fold`, and counts its bytes.
#[inline]
fn apply(shared: &Shared, sealed: &Sealed, body: &[u8], fold: impl FnOnce(&mut Applied, &Batch<'_>)) {
    let entry = Entry { origin: sealed.header.origin, seq: sealed.first_seq, time_us: sealed.time_us };
    let batch = Batch { first: entry, count: sealed.count, body, end: sealed.end };
    let mut applied = shared.applied.write().unwrap_or_else(PoisonError::into_inner);
    fold(&mut applied, &batch);
    drop(applied);
    shared.metrics.commit.journal_bytes.add(sealed.end.0 - sealed.start.0);
}
