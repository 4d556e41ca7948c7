//! The lanes' part of the commit step: what is taken out of them, stamped, and answered for.

use crate::app::applied::Applied;
use crate::app::foldable::foldable;
use crate::app::folding::{Ends, FoldWish};
use crate::app::state::Entry;
use crate::base::ids::Inc;
use crate::base::limits::{BATCH_BODY_BYTES_MAX, STAMP_BYTES_PER_ORIGIN};
use crate::base::tag::{self, SHORT_RECORD_BYTES};
use crate::engine::shared::Shared;
use crate::log::format::record;
use crate::log::lane::{Consumer, Taken};
use crate::log::write::append::Appender;

/// The lanes of all workers, and what the step under way has taken out of them.
pub(super) struct Lanes {
    lanes: Vec<Consumer>,
    /// For each lane, the position up to which the step took it.
    reached: Vec<u64>,
    /// For each lane, whether the step holds records of it.
    concerned: Vec<bool>,
    /// Which lane goes first, so that a batch that has no room for all is not always full of the same one's.
    first: usize,
    /// The records as the workers made them.
    merged: Vec<u8>,
    /// The records as stamped, where they are not all short.
    stamped: Vec<u8>,
    scratch: Vec<u8>,
    /// Of each record that is not short, its lane and the position behind it there.
    others: Vec<(usize, u64)>,
    /// A fold is among them.
    have_folds: bool,
    /// A fold is, a word about the ends of streams, or one that takes all that is folded.
    touch_folds: bool,
}

impl Lanes {
    /// Returns `lanes` with nothing taken; a batch has at most `body_bytes_max`.
    pub(super) fn new(lanes: Vec<Consumer>, body_bytes_max: usize) -> Self {
        Self {
            reached: vec![0; lanes.len()],
            concerned: vec![false; lanes.len()],
            lanes,
            first: 0,
            merged: Vec::with_capacity(body_bytes_max),
            stamped: Vec::new(),
            scratch: Vec::new(),
            others: Vec::new(),
            have_folds: false,
            touch_folds: false,
        }
    }

    /// Returns the most that can be in them, bytes.
    pub(super) fn capacity_bytes(&self) -> usize {
        self.lanes.iter().map(Consumer::capacity_bytes).sum()
    }

    /// Takes their records in turn, as many as a batch has room for, and stamps those that ask for it; gives the number of short
    /// records and that of others.
    pub(super) fn merge(&mut self, shared: &Shared, appender: &Appender, now_us: u64) -> (u32, u32) {
        self.merged.clear();
        self.others.clear();
        (self.have_folds, self.touch_folds) = (false, false);
        let (mut shorts, mut others) = (0_u32, 0_u32);
        let mut room = appender.body_bytes_max();
        let stamp_bytes = stamp_bytes(appender);
        let lanes = self.lanes.len();
        for turn in 0..lanes {
            let lane = (self.first + turn) % lanes;
            let (merged, positions) = (&mut self.merged, &mut self.others);
            let (have_folds, touch_folds) = (&mut self.have_folds, &mut self.touch_folds);
            self.reached[lane] =
                self.lanes[lane].take(&mut room, stamp_bytes, &mut self.scratch, |record| match record {
                    Taken::Short(bytes) => {
                        merged.extend_from_slice(bytes);
                        shorts += 1;
                    }
                    Taken::Other(bytes, position) => {
                        merged.extend_from_slice(bytes);
                        positions.push((lane, position));
                        *have_folds |= FoldWish::is_one(bytes);
                        *touch_folds |= Ends::are_said(bytes);
                        others += 1;
                    }
                });
        }
        self.first = (self.first + 1) % lanes;
        debug_assert!(others > 0 || self.merged.len() == shorts as usize * SHORT_RECORD_BYTES);
        if others > 0 {
            self.stamp(shared, appender, now_us);
        }
        (shorts, others)
    }

    fn stamp(&mut self, shared: &Shared, appender: &Appender, now_us: u64) {
        let entry = Entry { origin: appender.origin(), seq: appender.next_seq(), time_us: now_us };
        self.stamped.clear();
        let applied = shared.applied.read();
        applied.stamp_batch(&entry, &self.merged, &mut self.stamped);
        if self.have_folds {
            self.stamped = filled(&self.stamped, appender, &applied);
        }
        self.touch_folds |= self.have_folds || applied.takes_folded(&self.stamped);
        debug_assert!(
            self.stamped.len() <= BATCH_BODY_BYTES_MAX,
            "the lanes were taken with room for stamps"
        );
    }

    /// Returns the records that were taken, stamped.
    #[inline]
    pub(super) fn body(&self) -> &[u8] {
        if self.are_short() { &self.merged } else { &self.stamped }
    }

    /// Returns whether a fold is among the records that were taken, a word about ends, or one that takes all that is folded.
    #[inline]
    pub(super) fn touch_folds(&self) -> bool {
        self.touch_folds
    }

    /// Returns whether all records that were taken are short.
    #[inline]
    pub(super) fn are_short(&self) -> bool {
        self.others.is_empty()
    }

    /// Gives the workers what their commands came to, one for each record that is not short, before they see the commit.
    pub(super) fn hand_over(&self, outcomes: &[Option<u64>], shared: &Shared) {
        debug_assert_eq!(self.others.len(), outcomes.len());
        for (&(lane, position), outcome) in self.others.iter().zip(outcomes) {
            if let Some(outcome) = *outcome {
                shared.workers[lane].outcomes.add(position, outcome);
            }
        }
    }

    /// Shows each worker how far its lane is committed.
    #[inline]
    pub(super) fn publish(&mut self, shared: &Shared) {
        for ((worker, &reached), concerned) in
            shared.workers.iter().zip(&self.reached).zip(&mut self.concerned)
        {
            *concerned = worker.committed() != reached;
            worker.publish(reached);
        }
    }

    /// Notes that the step holds no records.
    pub(super) fn release(&mut self) {
        self.concerned.fill(false);
    }

    /// Wakes every worker but `own` whose records were in this batch or were left behind: one call per sleep.
    #[inline]
    pub(super) fn wake(&self, shared: &Shared, own: Option<usize>) {
        for (index, worker) in shared.workers.iter().enumerate() {
            if own != Some(index) && (self.concerned[index] || self.lanes[index].waiting() > 0) {
                worker.wake();
            }
        }
    }
}

/// Returns stamped records with their folds filled in: with what can be folded still, now that what came before is applied.
fn filled(records: &[u8], appender: &Appender, applied: &Applied) -> Vec<u8> {
    let mut out = Vec::with_capacity(records.len());
    for bytes in record::records(records).map_while(Result::ok) {
        let Some(wish) = FoldWish::of(bytes) else {
            out.extend_from_slice(bytes);
            continue;
        };
        let still = foldable(applied, appender.origin(), &wish.hosts);
        let starts: Vec<Inc> = wish.starts.into_iter().filter(|inc| still.contains(inc)).collect();
        record::push(&mut out, tag::STREAMS_FOLDED, &appender.fill(wish.hosts, &starts).payload());
    }
    out
}

/// Returns the most bytes by which a stamp may lengthen a record: something for every stream that is known.
fn stamp_bytes(appender: &Appender) -> usize {
    (appender.streams().len() + 1) * STAMP_BYTES_PER_ORIGIN
}
