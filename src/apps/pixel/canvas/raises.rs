//! What unlists pixels: the clears and cuts of a journal, for those who ask what was listed at a moment.

use crate::app::applied::Batch;
use crate::app::pieces::{Piece, pieces};
use crate::app::state::{Entry, State};
use crate::apps::pixel::tag;
use crate::base::folds::Fold;
use crate::base::ids::{Origin, Position};
use crate::base::tag as tags;
use crate::base::vector::VersionVector;
use crate::log::format::record;

use super::super::cut::{self, Floor};
use super::super::state::{Floors, GONE, PixelState};

/// A clear or a cut.
#[derive(Clone, Debug)]
pub struct Raise {
    /// As of when it counts, microseconds since 1970.
    pub time_us: u64,
    /// Where its batch ends.
    pub end: Position,
    entry: Entry,
    record: Vec<u8>,
    /// How many of the folded streams were folded before it.
    folded: usize,
}

/// Every clear and cut of a journal.
#[derive(Clone, Debug, Default)]
pub struct Raises {
    /// In the order in which they were taken.
    all: Vec<Raise>,
    /// Streams that were folded: a clear takes them without naming them.
    folded: Vec<(Origin, Floor)>,
}

impl Raises {
    /// Takes the next batch of the journal, which counts as of `time_us`.
    pub fn take(&mut self, batch: &Batch<'_>, time_us: u64) {
        let mut entry = batch.first;
        for piece in pieces(batch.body) {
            if let Piece::Other(record) = piece {
                match record[0] {
                    tags::STREAMS_FOLDED => self.fold(record, entry.origin),
                    tag::PIXEL_CLEAR | tag::PIXEL_CUT => {
                        let (end, folded) = (batch.end, self.folded.len());
                        self.all.push(Raise { time_us, end, entry, record: record.to_vec(), folded });
                    }
                    _ => {}
                }
            }
            entry.seq += piece.count();
        }
    }

    fn fold(&mut self, record: &[u8], by: Origin) {
        if let Some(fold) = Fold::read(by, record::payload(record)) {
            let origins = fold.starts.iter().map(|start| Origin { inc: start.inc, ..by });
            self.folded.extend(origins.map(|origin| (origin, Floor { seq: GONE, pixels: 0 })));
        }
    }

    /// Returns all of them, the one that counts first in front.
    #[must_use]
    pub fn by_time(&self) -> Vec<&Raise> {
        let mut sorted: Vec<&Raise> = self.all.iter().collect();
        sorted.sort_by_key(|raise| raise.time_us);
        sorted
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Applies one to a state.
    pub fn apply(&self, raise: &Raise, state: &mut PixelState) {
        if raise.record[0] == tag::PIXEL_CLEAR {
            for all in cut::records(&self.folded[..raise.folded]) {
                state.apply(&raise.entry, &all);
            }
        }
        state.apply(&raise.entry, &raise.record);
    }

    /// Returns the floors of those that `counts` takes.
    #[must_use]
    pub fn floors(&self, counts: impl Fn(&Raise) -> bool) -> Floors {
        let mut state = PixelState::default();
        self.all.iter().filter(|raise| counts(raise)).for_each(|raise| self.apply(raise, &mut state));
        state.floors()
    }

    /// Returns from when on the floors cover what the journal has lost, microseconds since 1970: no earlier moment can be shown. 0
    /// where it has lost nothing.
    #[must_use]
    pub fn earliest_us(&self, lost: &VersionVector) -> u64 {
        let mut state = PixelState::default();
        if cover(&state.floors(), lost) {
            return 0;
        }
        let mut covers = |raise: &&Raise| {
            self.apply(raise, &mut state);
            cover(&state.floors(), lost)
        };
        // What let the segments go is in the journal behind them.
        self.by_time().into_iter().find(|raise| covers(raise)).map_or(u64::MAX, |raise| raise.time_us)
    }
}

/// Returns whether nothing of what was lost is listed.
#[must_use]
pub fn cover(floors: &Floors, lost: &VersionVector) -> bool {
    lost.iter().all(|(origin, seq)| floors.of(origin) >= seq)
}
