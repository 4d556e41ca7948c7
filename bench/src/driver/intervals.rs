//! Figures of intervals that several sources hand over, each in its own time: an interval is whole when all are past it.

use crate::driver::tally::Tally;
use std::collections::BTreeMap;

/// Intervals to which a source may still add something.
#[derive(Debug)]
pub struct Intervals {
    pending: BTreeMap<u64, Tally>,
    /// The interval that each source handed over last.
    progress: Vec<u64>,
}

impl Intervals {
    /// Expects figures of so many sources, each of which hands its intervals over in their order.
    #[must_use]
    pub fn new(sources: usize) -> Self {
        Self { pending: BTreeMap::new(), progress: vec![0; sources] }
    }

    /// Adds what `source` counted in interval `index`.
    pub fn add(&mut self, source: usize, index: u64, tally: &Tally) {
        self.pending.entry(index).or_default().merge(tally);
        self.progress[source] = index;
    }

    /// Takes the first interval that all sources are past; nothing if there is none.
    pub fn take_whole(&mut self) -> Option<(u64, Tally)> {
        let passed = self.progress.iter().copied().min()?;
        let first = self.pending.first_entry()?;
        (*first.key() < passed).then(|| first.remove_entry())
    }

    /// Takes the first interval, whole or not: for when no source adds to it any more.
    pub fn take_first(&mut self) -> Option<(u64, Tally)> {
        self.pending.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(answers: u64) -> Tally {
        Tally { answers, ..Tally::default() }
    }

    #[test]
    fn an_interval_waits_for_the_slowest_source() {
        let mut intervals = Intervals::new(2);
        let mut taken = Vec::new();
        for (source, index, answers) in [(0, 0, 1), (0, 1, 2), (1, 0, 4), (1, 3, 8), (0, 4, 16)] {
            intervals.add(source, index, &tally(answers));
            while let Some((index, sum)) = intervals.take_whole() {
                taken.push((index, sum.answers));
            }
        }
        assert_eq!(taken, [(0, 5), (1, 2)], "1 has passed over 1 and 2, and may add to 3");
        let rest: Vec<_> =
            std::iter::from_fn(|| intervals.take_first()).map(|(at, sum)| (at, sum.answers)).collect();
        assert_eq!(rest, [(3, 8), (4, 16)]);
    }
}
