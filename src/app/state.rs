//! What the applications keep in memory: a fold over the records of all streams.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use super::heal::{Heal, Heals};
use crate::base::blob::BlobId;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::kinds::Kinds;
use crate::base::tag::{self, SHORT_RECORD_BYTES};
use crate::base::vector::VersionVector;
use crate::log::format::record;

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
    /// Which of two hosts this is; nothing on a host without a peer.
    pub side: Option<Side>,
    /// A number of the record's application, 0 at the start of each batch, for what earlier records of the same batch
    /// have been stamped with: they are not applied yet.
    pub ahead: &'a Cell<u64>,
}

/// Which of two hosts this one is, for numbers that both give and that must differ: the lowest bit of its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Its numbers are even.
    Even = 0,
    /// Its numbers are odd.
    Odd = 1,
}

impl Stamp<'_> {
    /// Returns a number for something new, larger than `last`, the largest that is applied here or was given in this batch. On
    /// a host without a peer numbers are 1, 2, 3...; with one, the time in microseconds with the host's lowest bit, so
    /// that the two never give the same. Below 2^53 until the year 2255.
    #[must_use]
    pub fn new_id(&self, last: u64) -> u64 {
        match self.side {
            None => last + 1,
            Some(side) => {
                let number = self.entry.time_us.max(last + 1);
                number + ((number ^ side as u64) & 1)
            }
        }
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
    fn tell_clock(&mut self, _clock_us: u64) {}

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

    /// Tells the blobs that a record names: they must be durable wherever the record is.
    fn blobs_of(&self, _record: &[u8], _visit: &mut dyn FnMut(BlobId)) {}

    /// Returns whether the state names a blob.
    fn names_blob(&self, _id: &BlobId) -> bool {
        false
    }

    /// Returns the first blob behind `after` that the state names, in the order of their names; from the first one on without.
    fn next_blob(&self, _after: Option<&BlobId>) -> Option<BlobId> {
        None
    }

    /// Returns whether there are blobs that it has ceased to name.
    fn has_released(&self) -> bool {
        false
    }

    /// Returns whether this one is among them.
    fn has_released_blob(&self, _id: &BlobId) -> bool {
        false
    }

    /// Gives those blobs, once. They are no part of the state.
    fn take_released(&mut self) -> Vec<BlobId> {
        Vec::new()
    }

    /// Makes records that were applied count as of another time, unless that is later than they are. `just` is the only one, if
    /// it was applied a moment ago. What a request was answered by the earlier times stays: which of two orders stands.
    fn heal(&mut self, _heal: &Heal, _just: Option<&Entry>) {}

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

/// Number of application ids: they are half of a tag's byte.
const IDS: usize = 16;

/// The state of every application, and how far the journal is applied to it. The committer writes it, everyone else
/// reads it, behind one lock.
#[derive(Default)]
pub struct Applied {
    states: [Option<Box<dyn State>>; IDS],
    /// End of the last batch applied.
    pub position: Position,
    /// For each stream, the last record applied.
    pub vector: VersionVector,
    /// Hybrid time of the latest batch applied, microseconds.
    pub time_us: u64,
    /// Which of two hosts this is; nothing on a host without a peer.
    pub side: Option<Side>,
    /// What counts as of another time than its batch says.
    pub heals: Heals,
}

impl fmt::Debug for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Applied")
            .field("position", &self.position)
            .field("vector", &self.vector)
            .field("time_us", &self.time_us)
            .finish_non_exhaustive()
    }
}

/// Makes the empty states of all applications there are, of those too that are not served.
pub type EmptyStates = fn() -> Applied;

/// A committed batch, as far as applying it needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Where its first record stands.
    pub first: Entry,
    /// Number of its records.
    pub count: u32,
    /// Its records.
    pub body: &'a [u8],
    /// Where it ends in this host's journal.
    pub end: Position,
}

impl Applied {
    /// Adds the empty state of the application `id`.
    ///
    /// # Panics
    /// Panics if `id` is taken, or too large for a tag.
    pub fn insert(&mut self, id: u8, state: Box<dyn State>) {
        let slot = &mut self.states[usize::from(id)];
        assert!(slot.is_none(), "two applications with the id {id}");
        *slot = Some(state);
    }

    /// Returns the state of one type, if its application is enabled.
    #[must_use]
    pub fn state<T: State>(&self) -> Option<&T> {
        self.states.iter().flatten().find_map(|state| (&**state as &dyn Any).downcast_ref())
    }

    /// Copies a batch's records to `out`, each stamped by its application. `first` is where the first one will stand.
    /// A stamped record may be longer than it was.
    pub fn stamp_batch(&self, first: &Entry, body: &[u8], out: &mut Vec<u8>) {
        let (mut seq, mut shorts_before) = (first.seq, 0);
        let ahead: [Cell<u64>; IDS] = Default::default();
        let mut stampers: [Option<Option<Box<dyn Stamper + '_>>>; IDS] = Default::default();
        for piece in pieces(body) {
            match piece {
                Piece::Short(run) => {
                    out.extend_from_slice(run);
                    shorts_before += (run.len() / SHORT_RECORD_BYTES) as u64;
                }
                Piece::Other(record) => {
                    let app = usize::from(tag::app_of(record[0]));
                    let (entry, vector, ahead) = (Entry { seq, ..*first }, &self.vector, &ahead[app]);
                    let at = Stamp { entry, vector, shorts_before, side: self.side, ahead };
                    match &self.states[app] {
                        Some(state) => match stampers[app].get_or_insert_with(|| state.stamper()) {
                            Some(stamper) => stamper.stamp(&at, record, out),
                            None => state.stamp(&at, record, out),
                        },
                        None => out.extend_from_slice(record),
                    }
                }
            }
            seq += piece.count();
        }
    }

    /// Returns the kinds of records that these applications and the program itself understand.
    #[must_use]
    pub fn kinds(&self) -> Kinds {
        let of_states = self.states.iter().flatten().flat_map(|state| state.kinds());
        of_states.fold(Kinds::of(&[tag::TIME_HEALED]), |kinds, (tag, _)| kinds.with(&[*tag]))
    }

    /// Returns what records with this tag are, in the plural, for an operator; nothing for a tag that no application has.
    #[must_use]
    pub fn name_of(&self, tag: u8) -> Option<&'static str> {
        let state = self.states[usize::from(tag::app_of(tag))].as_ref()?;
        state.kinds().iter().find(|(kind, _)| *kind == tag).map(|(_, name)| *name)
    }

    /// Tells every state the host's monotonic clock: see [`State::tell_clock`].
    pub fn tell_clock(&mut self, clock_us: u64) {
        self.states.iter_mut().flatten().for_each(|state| state.tell_clock(clock_us));
    }

    /// Folds a committed batch into the states. Records of applications that there are not are passed over.
    pub fn apply_batch(&mut self, batch: &Batch<'_>) {
        self.fold(batch, |_| {});
    }

    /// Folds a batch that holds short records only: its records need not be told apart.
    pub fn apply_short(&mut self, batch: &Batch<'_>) {
        debug_assert_eq!(shorts_ahead(batch.body), batch.body.len(), "there is nothing else");
        if let Some(state) = &mut self.states[usize::from(tag::app_of(tag::SHORT_FIRST))] {
            state.apply_run(&batch.first, batch.body);
        }
        self.advance(batch);
    }

    /// Folds a batch of this process: adds to `outcomes` what each record gave that is not short.
    pub fn apply_own_batch(&mut self, batch: &Batch<'_>, outcomes: &mut Vec<Option<u64>>) {
        self.fold(batch, |outcome| outcomes.push(outcome));
    }

    /// Applies a batch; `each` gets what each record gave that is not short.
    fn fold(&mut self, batch: &Batch<'_>, mut each: impl FnMut(Option<u64>)) {
        let mut seq = batch.first.seq;
        for piece in pieces(batch.body) {
            let at = Entry { seq, ..batch.first };
            let state = self.states[usize::from(tag::app_of(piece.tag()))].as_mut();
            match (piece, state) {
                (Piece::Short(run), Some(state)) => state.apply_run(&at, run),
                (Piece::Short(_), None) => {}
                (Piece::Other(record), _) if record[0] == tag::TIME_HEALED => {
                    self.heal(record);
                    each(None);
                }
                (Piece::Other(record), state) => {
                    let heals = &self.heals;
                    each(state.and_then(|state| {
                        let outcome = state.apply(&at, record);
                        heal_just(heals, &at, state.as_mut());
                        outcome
                    }));
                }
            }
            seq += piece.count();
        }
        debug_assert_eq!(seq - batch.first.seq, u64::from(batch.count), "the header counts the records");
        self.advance(batch);
    }

    /// Takes a record about times; any other one changes nothing.
    fn heal(&mut self, record: &[u8]) {
        let Some(heal) = Heal::of(record) else { return };
        self.heals.add(heal);
        self.states.iter_mut().flatten().for_each(|state| state.heal(&heal, None));
    }

    /// Notes how far the journal is applied.
    fn advance(&mut self, batch: &Batch<'_>) {
        debug_assert!(batch.end >= self.position, "the journal is applied forwards");
        self.vector.raise(batch.first.origin, batch.first.seq + u64::from(batch.count) - 1);
        self.position = batch.end;
        self.time_us = self.time_us.max(batch.first.time_us);
    }

    /// Returns a record of one of the applications, chosen by `seed`: what tests fold.
    ///
    /// # Panics
    /// Panics if no application keeps a state.
    #[must_use]
    pub fn sample(&self, seed: u64) -> Vec<u8> {
        if seed.is_multiple_of(11) {
            let streams: Vec<Origin> = self.vector.iter().map(|(origin, _)| origin).collect();
            return Heal::sample(seed / 11, &streams).record();
        }
        let states: Vec<_> = self.states.iter().flatten().collect();
        states[(seed % states.len() as u64) as usize].sample(seed / states.len() as u64)
    }

    /// Returns whether any application reads records behind `start` and up to `end` from the journal.
    #[must_use]
    pub fn lists(&self, start: &VersionVector, end: &VersionVector) -> bool {
        self.states.iter().flatten().any(|state| state.lists(start, end))
    }

    /// Ceases to list what stood before the journal's beginning, behind `start`, and is lost. `shorts` are the short records of each
    /// stream that the journal still has.
    pub fn lose_before(&mut self, start: &VersionVector, shorts: &BTreeMap<Origin, u64>) {
        self.states.iter_mut().flatten().for_each(|state| state.lose_before(start, shorts));
    }

    /// Tells the blobs that the records of a batch's body name, in order: a peer must have them before the batch.
    pub fn blobs_of_batch(&self, body: &[u8], visit: &mut dyn FnMut(BlobId)) {
        for piece in pieces(body) {
            if let Piece::Other(record) = piece
                && let Some(state) = &self.states[usize::from(tag::app_of(piece.tag()))]
            {
                state.blobs_of(record, visit);
            }
        }
    }

    /// Returns whether any state names a blob.
    #[must_use]
    pub fn names_blob(&self, id: &BlobId) -> bool {
        self.states.iter().flatten().any(|state| state.names_blob(id))
    }

    /// Returns the first blob behind `after` that any state names: all of them one by one, while others may change the states.
    #[must_use]
    pub fn next_blob(&self, after: Option<&BlobId>) -> Option<BlobId> {
        self.states.iter().flatten().filter_map(|state| state.next_blob(after)).min()
    }

    /// Returns whether there are blobs that a state has ceased to name.
    #[must_use]
    pub fn has_released(&self) -> bool {
        self.states.iter().flatten().any(|state| state.has_released())
    }

    /// Returns whether a state names this blob, or has ceased to since [`Applied::take_released`].
    #[must_use]
    pub fn needs_blob(&self, id: &BlobId) -> bool {
        self.names_blob(id) || self.states.iter().flatten().any(|state| state.has_released_blob(id))
    }

    /// Gives those blobs, once; another state may still name them.
    pub fn take_released(&mut self) -> Vec<BlobId> {
        self.states.iter_mut().flatten().flat_map(|state| state.take_released()).collect()
    }

    /// Returns the snapshot of each state, by application id.
    #[must_use]
    pub fn sections(&self) -> Vec<(u8, Vec<u8>)> {
        let mut sections = Vec::new();
        for (id, state) in (0_u8..).zip(&self.states) {
            if let Some(state) = state {
                let mut bytes = Vec::new();
                state.snapshot(&mut bytes);
                sections.push((id, bytes));
            }
        }
        if !self.heals.is_empty() {
            let mut bytes = Vec::new();
            self.heals.snapshot(&mut bytes);
            sections.push((tag::app::ENGINE, bytes));
        }
        sections
    }

    /// Takes one section of a snapshot.
    ///
    /// # Errors
    /// Fails if the bytes are not a snapshot of that state, or there is no such application.
    pub fn restore(&mut self, id: u8, bytes: &[u8]) -> Result<(), RestoreError> {
        if id == tag::app::ENGINE {
            self.heals = Heals::read(bytes).ok_or(RestoreError)?;
            return Ok(());
        }
        match self.states.get_mut(usize::from(id)).and_then(Option::as_mut) {
            Some(state) => state.restore(bytes),
            // Passed over it would be lost, on this host only.
            None => Err(RestoreError),
        }
    }
}

/// Heals the record at `at`, which was applied a moment ago, if a heal of it came before it.
fn heal_just(heals: &Heals, at: &Entry, state: &mut dyn State) {
    if heals.is_empty() {
        return;
    }
    let time_us = heals.time_us(at.origin, at.seq, at.time_us);
    if time_us < at.time_us {
        state.heal(&Heal { origin: at.origin, first: at.seq, last: at.seq, time_us }, Some(at));
    }
}

/// A batch's body in the pieces it is applied in.
#[derive(Clone, Copy)]
enum Piece<'a> {
    /// Short records that stand side by side.
    Short(&'a [u8]),
    /// One record of any other kind.
    Other(&'a [u8]),
}

impl Piece<'_> {
    fn tag(&self) -> u8 {
        match self {
            Self::Short(bytes) | Self::Other(bytes) => bytes[0],
        }
    }

    fn count(&self) -> u64 {
        match self {
            Self::Short(run) => (run.len() / SHORT_RECORD_BYTES) as u64,
            Self::Other(_) => 1,
        }
    }
}

fn pieces(body: &[u8]) -> Pieces<'_> {
    Pieces { rest: body }
}

struct Pieces<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    /// Ends early at bytes that are no record, which a checksum keeps from ever getting here.
    fn next(&mut self) -> Option<Piece<'a>> {
        let run = shorts_ahead(self.rest);
        if run > 0 {
            let (run, rest) = self.rest.split_at(run);
            self.rest = rest;
            return Some(Piece::Short(run));
        }
        let length = record::length_of(self.rest).ok()??;
        let (record, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Piece::Other(record))
    }
}

/// Returns the number of short records in a batch's body.
#[must_use]
pub fn shorts_of(body: &[u8]) -> u64 {
    pieces(body).map(|piece| if let Piece::Short(_) = piece { piece.count() } else { 0 }).sum()
}

/// Returns bytes of the short records at the start of `records`.
fn shorts_ahead(records: &[u8]) -> usize {
    let shorts = records.chunks_exact(SHORT_RECORD_BYTES).take_while(|record| tag::is_short(record[0]));
    shorts.count() * SHORT_RECORD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId};

    #[test]
    fn numbers_of_two_hosts_differ_and_grow() {
        let origin = Origin { node: NodeId(1), inc: Inc(1) };
        let vector = VersionVector::new();
        let id = |side, time_us, last| {
            let entry = Entry { origin, seq: 1, time_us };
            Stamp { entry, vector: &vector, shorts_before: 0, side, ahead: &Cell::new(0) }.new_id(last)
        };
        assert_eq!([id(None, 500, 0), id(None, 500, 7)], [1, 8]);
        for time_us in [1_795_234_432_000_000, 1_795_234_432_000_001] {
            for last in [0, time_us - 1, time_us, time_us + 1, time_us + 8] {
                let (even, odd) = (id(Some(Side::Even), time_us, last), id(Some(Side::Odd), time_us, last));
                assert!(even % 2 == 0 && odd % 2 == 1);
                assert!(even.min(odd) > last && even.max(odd) <= time_us.max(last) + 2);
            }
        }
    }
}
