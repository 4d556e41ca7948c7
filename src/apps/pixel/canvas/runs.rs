//! Runs: who made the values of cells. A run is a part of one batch, up to [`RUN_RECORDS`] records in a row; a cell names the run
//! and the record's offset in it, which together are the record's place in the one order that all hosts share: the time of the
//! batch, then its origin, then the number in its stream.

use std::cmp::Ordering;

use crate::base::ids::{Origin, Seq};

use super::super::state::Floors;

/// Most records of a run: an offset in it is one byte.
pub const RUN_RECORDS: usize = 256;
/// Most runs that are known at once: a cell has 24 bits for one.
pub const RUNS_MAX: usize = (1 << 24) - 1;
/// Bytes of a run in memory.
pub const RUN_BYTES: usize = size_of::<Run>();

/// Number of a run in the table; 0 is none.
pub type RunId = u32;

/// Records in a row of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// As of when its records count, microseconds since 1970.
    pub time_us: u64,
    /// Number of its first record in its stream.
    pub first: Seq,
    /// Place of its origin in the table of origins.
    pub origin: u32,
}

/// The runs that cells name.
#[derive(Debug, Default)]
pub struct Runs {
    /// That of id 1 first.
    runs: Vec<Run>,
    origins: Vec<Origin>,
    /// The latest place in the order that was ever added.
    latest: Option<(u64, Origin, Seq)>,
}

impl Runs {
    /// Adds a run; gives its id, and whether it is later than all that were added before.
    pub fn add(&mut self, time_us: u64, origin: Origin, first: Seq) -> (RunId, bool) {
        let place = (time_us, origin, first);
        let is_latest = self.latest.is_none_or(|latest| latest < place);
        if is_latest {
            self.latest = Some(place);
        }
        let origin = self.origin_id(origin);
        self.runs.push(Run { time_us, first, origin });
        (self.runs.len() as RunId, is_latest)
    }

    /// Returns the place of an origin in the table, which it is put into if need be.
    pub fn origin_id(&mut self, origin: Origin) -> u32 {
        // The latest start is what is looked for nearly always.
        let found = self.origins.iter().rposition(|known| *known == origin);
        let at = found.unwrap_or_else(|| {
            self.origins.push(origin);
            self.origins.len() - 1
        });
        at as u32
    }

    /// Returns the origins, each at its place.
    #[must_use]
    pub fn origins(&self) -> &[Origin] {
        &self.origins
    }

    /// Returns the run of an id.
    ///
    /// # Panics
    /// Panics if there is none.
    #[inline]
    #[must_use]
    pub fn get(&self, id: RunId) -> Run {
        self.runs[id as usize - 1]
    }

    /// Takes note of a run that a tile in the scratch file names.
    pub fn note_stored(&mut self, run: &Run) {
        let place = (run.time_us, self.origins[run.origin as usize], run.first);
        self.latest = self.latest.max(Some(place));
    }

    /// Adds a run that was stored, whose origin is at the same place.
    pub fn put_back(&mut self, run: Run) -> RunId {
        self.note_stored(&run);
        self.runs.push(run);
        self.runs.len() as RunId
    }

    /// Returns how two runs stand in the order.
    #[must_use]
    pub fn compare(&self, a: RunId, b: RunId) -> Ordering {
        let (a, b) = (self.get(a), self.get(b));
        let origin = |run: &Run| self.origins[run.origin as usize];
        a.time_us.cmp(&b.time_us).then_with(|| origin(&a).cmp(&origin(&b))).then(a.first.cmp(&b.first))
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.runs.len()
    }

    /// Forgets all runs: no cell is set any more.
    pub fn clear(&mut self) {
        self.runs = Vec::new();
        self.latest = None;
    }

    /// Returns for each id how many of its run's records, from the first on, lie at or below these floors. 0 stands for id 0.
    #[must_use]
    pub fn below(&self, floors: &Floors) -> Vec<u16> {
        let of_origin: Vec<Seq> = self.origins.iter().map(|origin| floors.of(*origin)).collect();
        let below = |run: &Run| below(run, of_origin[run.origin as usize]);
        std::iter::once(0).chain(self.runs.iter().map(below)).collect()
    }

    /// Returns the same for the run of one id.
    #[must_use]
    pub fn below_of(&self, id: RunId, floors: &Floors) -> u16 {
        let run = self.get(id);
        below(&run, floors.of(self.origins[run.origin as usize]))
    }

    /// Keeps the runs whose ids `is_named` says are named by a cell; gives the new id of each.
    pub fn keep(&mut self, is_named: &[bool]) -> Vec<RunId> {
        let mut renamed = vec![0; self.runs.len() + 1];
        let mut kept = Vec::new();
        for (id, run) in (1..).zip(&self.runs) {
            if is_named[id] {
                kept.push(*run);
                renamed[id] = kept.len() as RunId;
            }
        }
        self.runs = kept;
        renamed
    }
}

/// Returns how many records of a run lie at or below a floor of its stream.
#[must_use]
pub fn below(run: &Run, floor: Seq) -> u16 {
    (floor + 1).saturating_sub(run.first).min(RUN_RECORDS as u64) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId};

    const A: Origin = Origin { node: NodeId(1), inc: Inc(1) };
    const B: Origin = Origin { node: NodeId(2), inc: Inc(1) };

    #[test]
    fn the_order_is_time_then_origin_then_number() {
        let mut runs = Runs::default();
        let (late, is_latest) = runs.add(20, A, 5);
        assert!(is_latest);
        let (early, is_latest) = runs.add(10, B, 9);
        assert!(!is_latest);
        let (same_time, is_latest) = runs.add(20, B, 1);
        assert!(is_latest);
        let (next, _) = runs.add(20, B, 257);
        assert!(
            [(early, late), (late, same_time), (same_time, next)]
                .iter()
                .all(|(a, b)| runs.compare(*a, *b) == Ordering::Less)
        );
        let renamed = runs.keep(&[false, false, true, false, true]);
        assert_eq!((renamed, runs.count()), (vec![0, 0, 1, 0, 2], 2));
        assert_eq!(runs.get(2).first, 257);
    }

    #[test]
    fn a_floor_takes_the_front_of_a_run() {
        let run = Run { time_us: 0, first: 10, origin: 0 };
        let counts = [0, 8, 9, 10, 11, 264, 265, 266, 9_999].map(|floor| below(&run, floor));
        assert_eq!(counts, [0, 0, 0, 1, 2, 255, 256, 256, 256]);
    }
}
