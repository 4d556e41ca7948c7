//! What an application keeps in memory: a fold over the records of all streams.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use super::aging::Aging;
use super::heal::Heal;
use super::references::References;
use crate::base::blob::BlobId;
use crate::base::folds::Folds;
use crate::base::ids::{Origin, Seq};
use crate::base::seat::Seat;
use crate::base::tag::SHORT_RECORD_BYTES;
use crate::base::vector::VersionVector;

/// Where a record stands in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose stream.
    pub origin: Origin,
    /// Its number in that stream.
    pub seq: Seq,
    /// Hybrid time of its batch, microseconds.
    pub time_us: u64,
}

/// What a record may be stamped with: the order it got, and what was applied before it.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Where the record will stand.
    pub entry: Entry,
    /// What is applied here, up to the batch that is being made: of the record's own stream, its records between this
    /// vector and `entry.seq` stand in that same batch.
    pub vector: &'a VersionVector,
    /// Short records among those.
    pub shorts_before: u64,
    /// This host's place among those that give numbers; nothing on a host that was always alone.
    pub seat: Option<Seat>,
    /// A number of the record's application, 0 at the start of each batch, for what earlier records of the same batch
    /// have been stamped with: they are not applied yet.
    pub ahead: &'a Cell<u64>,
}

impl Stamp<'_> {
    /// Returns a number for something new, larger than `last`, the largest that is applied here or was given in this batch. On
    /// a host that was always alone numbers are 1, 2, 3...; on others, the time in microseconds with the host's seat as its low
    /// seven bits, so that no two hosts give the same. Below 2^53 until the year 2255; with more than 7,812 a second for long
    /// they run ahead of the clock.
    #[must_use]
    pub fn new_id(&self, last: u64) -> u64 {
        self.seat.map_or(last + 1, |seat| seat.next_number(self.entry.time_us.max(last + 1)))
    }
}

/// The bytes are no snapshot of this application's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreError;

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it holds a state that this program can't read; a later program may have made it")
    }
}

impl std::error::Error for RestoreError {}

/// One application's state.
///
/// Streams may be interleaved in any way that keeps each one's own order; the state, and the bytes of its snapshot,
/// must come out the same. A property test holds every registered application to that.
pub trait State: Any + Send + Sync {
    /// Fills in what depends on the record's place in the log; runs under the commit token, before its batch is
    /// sealed. Appends the whole record to `out`; most records need nothing.
    fn stamp(&self, _at: &Stamp<'_>, record: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(record);
    }

    /// Returns what stamps the records of one batch where each depends on those before it, which are not applied yet. Made for
    /// every batch with such a record; without one, [`State::stamp`] is called.
    fn stamper(&self) -> Option<Box<dyn Stamper + '_>> {
        None
    }

    /// Tells the host's monotonic clock, microseconds since its start, before records are applied as they are committed: what
    /// has to wait waits by it. What a start replays is applied without. It is no part of the state.
    fn set_clock(&mut self, _clock_us: u64) {}

    /// Takes one committed record. Total: what cannot be understood changes nothing. Gives what the answer to the
    /// command that made it is made from ([`super::application::Action::Command`]), nothing for records of other requests.
    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64>;

    /// Takes a run of short records, of which the first stands at `first`.
    fn apply_run(&mut self, first: &Entry, run: &[u8]) {
        for (record, seq) in run.chunks_exact(SHORT_RECORD_BYTES).zip(first.seq..) {
            self.apply(&Entry { seq, ..*first }, record);
        }
    }

    /// Returns whether a record behind `start` and up to `end` is still read from the journal, because the state holds only
    /// where it is. Segments without such records may go once a snapshot covers them.
    fn lists(&self, _start: &VersionVector, _end: &VersionVector) -> bool {
        false
    }

    /// Ceases to list what stood before the journal's beginning, behind `start`: that is lost. `shorts` are the short records of
    /// each stream that the journal still has.
    fn lose_before(&mut self, _start: &VersionVector, _shorts: &BTreeMap<Origin, u64>) {}

    /// Returns the bytes of what it keeps: records that are listed, texts, contents.
    fn data_bytes(&self) -> u64 {
        0
    }

    /// Returns those of them that are contents of blobs.
    fn contents_bytes(&self) -> u64 {
        0
    }

    /// Tells the blobs that a record names: they must be durable wherever the record is.
    fn blobs_of(&self, _record: &[u8], _visit: &mut dyn FnMut(BlobId)) {}

    /// Returns the blobs that the state names; nothing where records name none.
    fn references(&self) -> Option<&References> {
        None
    }

    /// Returns the same, to be emptied of those that it has ceased to name.
    fn references_mut(&mut self) -> Option<&mut References> {
        None
    }

    /// Returns whether the state names a blob.
    fn names_blob(&self, id: &BlobId) -> bool {
        self.references().is_some_and(|references| references.contains(id))
    }

    /// Returns the first blob behind `after` that the state names, in the order of their names; from the first one on without.
    fn next_blob(&self, after: Option<&BlobId>) -> Option<BlobId> {
        self.references()?.next(after)
    }

    /// Returns whether there are blobs that it has ceased to name.
    fn has_released(&self) -> bool {
        self.references().is_some_and(References::has_released)
    }

    /// Returns whether this one is among them.
    fn has_released_blob(&self, id: &BlobId) -> bool {
        self.references().is_some_and(|references| references.has_released_blob(id))
    }

    /// Gives those blobs, once. They are no part of the state.
    fn take_released(&mut self) -> Vec<BlobId> {
        self.references_mut().map(References::take_released).unwrap_or_default()
    }

    /// Makes records that were applied count as of another time, unless that is later than they are. `just` is the only one, if
    /// it was applied a moment ago. What a request was answered by the earlier times stays: which of two orders stands.
    fn heal(&mut self, _heal: &Heal, _just: Option<&Entry>) {}

    /// Takes note that streams are folded: every host has all of them, whoever logs a record from now on has them too, and their
    /// names are to be forgotten. `all` are folded by now; after [`State::restore`] it is called with none that are new.
    fn take_folds(&mut self, _streams: &[Origin], _all: &Folds) {}

    /// Returns whether a record, stamped, takes all that is folded where it is made without naming it. Whoever applies it has folded that too.
    fn takes_folded(&self, _record: &[u8]) -> bool {
        false
    }

    /// Returns the same state as one whose oldest items go to the disk; nothing for one that holds all in memory. The bytes of
    /// [`State::snapshot`] are without those items then, and [`State::references`] without the blobs that only they name.
    fn aging(&self) -> Option<&dyn Aging> {
        None
    }

    /// Returns the same, to be changed.
    fn aging_mut(&mut self) -> Option<&mut dyn Aging> {
        None
    }

    /// Returns the tags of all its records, each with what they are, in the plural, for an operator. A host logs none of
    /// them before the other host knows them too.
    fn kinds(&self) -> &'static [(u8, &'static str)];

    /// Returns the bytes of its longest record before it is stamped, at most [`crate::base::limits::RECORD_BYTES_MAX`].
    fn record_bytes_max(&self) -> usize;

    /// Appends the state's bytes: equal states are equal bytes.
    fn snapshot(&self, out: &mut Vec<u8>);

    /// Becomes the state that was written by [`State::snapshot`].
    ///
    /// # Errors
    /// Fails if the bytes are not a snapshot; the state is unchanged.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError>;

    /// Returns a record as an application might make it, chosen by `seed`: what tests fold.
    fn sample(&self, seed: u64) -> Vec<u8>;
}

/// Stamps the records of one application in one batch, in their order: see [`State::stamper`].
pub trait Stamper {
    /// Stamps a record as [`State::stamp`] does.
    fn stamp(&mut self, at: &Stamp<'_>, record: &[u8], out: &mut Vec<u8>);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId};

    #[test]
    fn numbers_of_all_hosts_differ_and_grow() {
        let origin = Origin { node: NodeId(1), inc: Inc(1) };
        let vector = VersionVector::new();
        let id = |seat, time_us, last| {
            let entry = Entry { origin, seq: 1, time_us };
            Stamp { entry, vector: &vector, shorts_before: 0, seat, ahead: &Cell::new(0) }.new_id(last)
        };
        assert_eq!([id(None, 500, 0), id(None, 500, 7)], [1, 8]);
        for time_us in [1_795_234_432_000_000, 1_795_234_432_000_001] {
            for last in [0, time_us - 1, time_us, time_us + 1, time_us + 200] {
                let given: Vec<u64> = Seat::all().map(|seat| id(Some(seat), time_us, last)).collect();
                let range = (last + 1).max(time_us)..=time_us.max(last + 1) + 127;
                assert!(given.iter().all(|number| range.contains(number)));
                assert_eq!(given.iter().collect::<std::collections::BTreeSet<_>>().len(), given.len());
            }
        }
    }

    /// As programs of before seats gave them: the time, rounded up to the host's lowest bit.
    #[test]
    fn numbers_of_a_pair_never_meet_those_of_a_host_of_before_seats() {
        let before = |bit: u64, number: u64| number + ((number ^ bit) & 1);
        for (is_first, others_bit) in [(true, 1), (false, 0)] {
            let seat = Seat::of_pair(is_first);
            for time_us in 1_795_234_432_000_000..1_795_234_432_000_256 {
                assert!(seat.next_number(time_us) % 2 != before(others_bit, time_us) % 2);
            }
        }
    }
}
