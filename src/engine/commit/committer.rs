//! The commit step: merge the lanes, stamp, seal and stage a batch, take what arrived from the peer, make it durable,
//! apply it, publish.
//!
//! One step at a time, behind one token. In `memory` the worker that gets the token runs the step at the end of its
//! turn; in `disk` the one disk thread runs it, so that no event loop waits for a disk. Time comes in as an argument
//! and bytes go out through the journal's `Disk`, so a simulation runs this code unchanged.

mod applying;
mod lanes;
mod peer;

use self::applying::apply;
use self::lanes::Lanes;
use self::peer::{Arrivals, is_behind, ship};
use crate::app::applied::Applied;
use crate::base::durability::Durability;
use crate::base::ids::Position;
use crate::base::limits::{BATCH_TIME_US_MAX, BLOCK_BYTES};
use crate::engine::shared::Shared;
use crate::engine::shared::space::Room;
use crate::log::lane::Consumer;
use crate::log::write::append::{Appender, Sealed};
use crate::log::write::staged::Staged;

/// What the commit token protects. Its parts own what a step takes from the lanes and from the peer, and don't know each other.
pub struct Committer {
    lanes: Lanes,
    arrivals: Arrivals,
    appender: Appender,
    /// The most that can be in the lanes, bytes, with some room for what a batch adds.
    lanes_bytes: u64,
    /// The batch of the step under way, if its lanes held any.
    own: Option<Own>,
    /// What each record that is not short gave when it was applied.
    outcomes: Vec<Option<u64>>,
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
        let lanes = Lanes::new(lanes, appender.body_bytes_max());
        Self {
            lanes_bytes: (lanes.capacity_bytes() + BLOCK_BYTES) as u64,
            lanes,
            arrivals: Arrivals::default(),
            appender,
            own: None,
            outcomes: Vec::new(),
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
            self.arrivals.wait_for_segment();
            return None;
        }
        let joining = shared.peering.as_ref().filter(|peering| peering.is_joining());
        if let Some(peering) = joining {
            if self.arrivals.adopt(shared, peering, &mut self.appender, staged) {
                self.own = None;
                return Some(Prepared(()));
            }
            if peering.is_snapshot_offered() {
                // It waits for the next segment, and so does everything else.
                return None;
            }
        }
        // A host that is joining loses all it has in a crash, so its own records wait in their lanes.
        let is_joining = joining.is_some();
        let (shorts, others) =
            if is_joining { (0, 0) } else { self.lanes.merge(shared, &self.appender, now_us) };
        let count = shorts + others;
        let synced = Position(shared.reach.synced());
        let segment = self.appender.segment();
        self.own = if count > 0 {
            let body = self.lanes.body();
            let sealed = match self.lanes.touch_folds() {
                true => self.appender.stage_touching_folds(body, count, now_us, synced, staged),
                false => self.appender.stage(body, count, now_us, synced, staged),
            };
            Some(Own { sealed, shorts })
        } else {
            None
        };
        if let Some(peering) = &shared.peering {
            if let Some(Own { sealed, .. }) = &self.own {
                ship(peering, sealed, self.lanes.body(), self.lanes.are_short());
            }
            // There must be room left for all that the lanes can hold, and for a clear, which is what makes room.
            let kept_bytes = self.lanes_bytes + self.appender.body_bytes_max() as u64;
            self.arrivals.take(shared, peering, &mut self.appender, segment, kept_bytes, staged);
        }
        if self.own.is_none() && self.arrivals.is_empty() {
            return None;
        }
        if self.appender.segment() != segment {
            // The spare is the current segment now; the keeper makes the next one.
            shared.spare.enter(self.appender.spare_number());
            shared.keeper.wake();
        }
        self.regulate(shared);
        if shared.durability == Durability::Memory {
            shared.space.set_behind(is_behind(shared, &self.appender));
        }
        Some(Prepared(()))
    }

    /// Applies what was prepared, publishes it and wakes the workers that wait for it, or whose records it left behind.
    /// The worker `own` runs this itself and needs no waking.
    pub fn finish(&mut self, shared: &Shared, _prepared: &Prepared, own: Option<usize>) {
        let commit = &shared.metrics.commit;
        if let Some(Own { sealed, shorts }) = &self.own {
            if self.lanes.are_short() {
                apply(shared, sealed, self.lanes.body(), Applied::apply_short);
            } else {
                self.outcomes.clear();
                apply(shared, sealed, self.lanes.body(), |applied, batch| {
                    applied.set_clock(shared.clock.now_us());
                    applied.apply_own_batch(batch, &mut self.outcomes);
                });
                self.lanes.hand_over(&self.outcomes, shared);
            }
            commit.own_time_us.set(sealed.header.time_us);
            commit.batches.add(1);
            commit.records.add(u64::from(sealed.header.count));
            commit.short_records.add(u64::from(*shorts));
        }
        if let Some(peering) = &shared.peering {
            let own = self.own.as_ref().map(|own| (&own.sealed, self.lanes.body()));
            self.arrivals.finish(shared, peering, &self.appender, own);
        }
        commit.end_position.set(self.appender.position().0);
        self.lanes.publish(shared);
        match own {
            Some(_) => self.lanes.wake(shared, own),
            None => self.let_next_start(shared),
        }
    }

    /// Notes that the disk thread was started and found nothing: a worker started it before it had seen the batch that took its
    /// records. Another one may have gone to sleep meanwhile, since a batch seemed to be under way.
    pub fn stand_down(&mut self, shared: &Shared) {
        self.lanes.release();
        self.let_next_start(shared);
    }

    /// Returns whether the peer's next batch waits for the keeper to make a segment, or for the disk thread of a server at
    /// `memory`; each of them rings the link's bell.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.arrivals.are_stuck()
    }

    /// Lets a worker start the next batch, and wakes those that have something to do now. A worker publishes its lane,
    /// raises its flag, and then looks whether a step is under way; this ends the step, and then looks at the lanes and
    /// the flags ([`crate::engine::shared::waking`]).
    fn let_next_start(&self, shared: &Shared) {
        shared.step.end();
        self.lanes.wake(shared, None);
        // What arrived meanwhile found a step under way. One that is stuck is tried again when there is a new segment.
        if !self.arrivals.are_stuck() || shared.spare.is_ready() {
            shared.commit_arrived();
        }
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
