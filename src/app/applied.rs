//! The states of all applications together, and how far the journal is applied to them.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use super::aging::Aging;
use super::folding::Ends;
use super::heal::{Heal, Heals};
use super::members::{Members, Seating};
use super::old::Old;
use super::pieces::{Piece, pieces, shorts_ahead};
use super::state::{Entry, RestoreError, Stamp, Stamper, State};
use crate::base::blob::BlobId;
use crate::base::folds::Fold;
use crate::base::ids::{Origin, Position};
use crate::base::kinds::Kinds;
use crate::base::tag::{self, SHORT_RECORD_BYTES};
use crate::base::vector::VersionVector;
use crate::log::format::record;
use crate::log::runs::shelf::Shelf;

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
    /// By which rule this host gives numbers. No part of the state.
    pub seating: Seating,
    /// What counts as of another time than its batch says.
    pub heals: Heals,
    /// What hosts have said that they have of each other's streams.
    pub ends: Ends,
    /// The hosts of the cluster, as far as it is logged.
    pub members: Members,
    /// Where old items are; without one all of them stay in memory.
    pub shelf: Option<Shelf>,
}

/// A section of a snapshot can't be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// It is no state of its application.
    #[error(transparent)]
    State(#[from] RestoreError),
    /// A run that it names can't be opened.
    #[error(
        "old items can't be read: {0}. Bring the file back from a backup, or set this host up afresh from its peer"
    )]
    Run(String),
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
    /// Returns the same states, whose old items are on `shelf`.
    #[must_use]
    pub fn with_shelf(self, shelf: Option<Shelf>) -> Self {
        Self { shelf, ..self }
    }

    /// Adds the empty state of the application `id`.
    ///
    /// # Panics
    /// Panics if `id` is taken, or too large for a tag.
    pub fn insert(&mut self, id: u8, state: Box<dyn State>) {
        let slot = &mut self.states[usize::from(id)];
        assert!(slot.is_none(), "two applications with the id {id}");
        *slot = Some(state);
    }

    /// Returns every state, behind its application's id.
    pub(super) fn states(&self) -> impl Iterator<Item = (u8, &dyn State)> {
        (0_u8..).zip(&self.states).filter_map(|(id, state)| Some((id, &**state.as_ref()?)))
    }

    /// Returns those whose old items go to the disk.
    pub fn aging(&self) -> impl Iterator<Item = (u8, &dyn Aging)> {
        self.states().filter_map(|(id, state)| Some((id, state.aging()?)))
    }

    /// Returns the same, to be changed.
    pub(super) fn aging_mut(&mut self) -> impl Iterator<Item = (u8, &mut dyn Aging)> {
        let states = (0_u8..).zip(&mut self.states);
        states.filter_map(|(id, state)| Some((id, state.as_mut()?.aging_mut()?)))
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
        let seat = self.seating.seat(&self.members);
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
                    let at = Stamp { entry, vector, shorts_before, seat, ahead };
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

    /// Returns whether a stamped batch has a record that takes all that is folded here without naming it.
    #[must_use]
    pub fn takes_folded(&self, body: &[u8]) -> bool {
        let takes = |piece: Piece<'_>| match piece {
            Piece::Short(_) => false,
            Piece::Other(record) => {
                let state = self.states[usize::from(tag::app_of(record[0]))].as_ref();
                state.is_some_and(|state| state.takes_folded(record))
            }
        };
        !self.vector.folds().is_empty() && pieces(body).any(takes)
    }

    /// Returns the kinds of records that these applications and the program itself understand.
    #[must_use]
    pub fn kinds(&self) -> Kinds {
        let of_states = self.states.iter().flatten().flat_map(|state| state.kinds());
        let own = Kinds::of(&[tag::TIME_HEALED, tag::ENDS_HELD, tag::STREAMS_FOLDED, tag::MEMBER]);
        of_states.fold(own, |kinds, (tag, _)| kinds.with(&[*tag]))
    }

    /// Returns what records with this tag are, in the plural, for an operator; nothing for a tag that no application has.
    #[must_use]
    pub fn name_of(&self, tag: u8) -> Option<&'static str> {
        let state = self.states[usize::from(tag::app_of(tag))].as_ref()?;
        state.kinds().iter().find(|(kind, _)| *kind == tag).map(|(_, name)| *name)
    }

    /// Tells every state the host's monotonic clock: see [`State::set_clock`].
    pub fn set_clock(&mut self, clock_us: u64) {
        self.states.iter_mut().flatten().for_each(|state| state.set_clock(clock_us));
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
                (Piece::Other(record), _) if tag::app_of(record[0]) == tag::app::ENGINE => {
                    self.apply_engine(&at, record);
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

    /// Takes a record of the engine's that stands at `at`; one of another kind or form changes nothing.
    fn apply_engine(&mut self, at: &Entry, record: &[u8]) {
        let by = at.origin;
        match record[0] {
            tag::TIME_HEALED => self.heal(record),
            tag::MEMBER => self.members.hear(at.time_us, record::payload(record)),
            tag::ENDS_HELD => self.ends.hear(by.node, record::payload(record), &self.vector),
            tag::STREAMS_FOLDED => {
                if let Some(fold) = Fold::read(by, record::payload(record)) {
                    self.fold_streams(&fold);
                }
            }
            _ => {}
        }
    }

    fn fold_streams(&mut self, fold: &Fold) {
        let folded = fold.starts.iter().map(|start| Origin { node: fold.by.node, inc: start.inc });
        let folded: Vec<Origin> = folded.collect();
        self.vector.fold(fold);
        self.ends.forget(&folded);
        self.show_folds(&folded);
    }

    /// Shows every state that these streams are folded now, beside all that the vector says.
    fn show_folds(&mut self, folded: &[Origin]) {
        let all = self.vector.folds();
        self.states.iter_mut().flatten().for_each(|state| state.take_folds(folded, all));
    }

    /// Takes it that a snapshot whose sections were restored stands there.
    pub fn stand_at(&mut self, position: Position, vector: VersionVector, time_us: u64) {
        (self.position, self.vector, self.time_us) = (position, vector, time_us);
        self.show_folds(&[]);
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
        if seed.is_multiple_of(13) {
            return Members::sample(seed / 13);
        }
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

    /// Returns the bytes of what one application keeps; nothing for one that keeps nothing.
    #[must_use]
    pub fn data_bytes(&self, id: u8) -> Option<u64> {
        self.states.get(usize::from(id))?.as_ref().map(|state| state.data_bytes())
    }

    /// Returns the bytes of all contents of blobs.
    #[must_use]
    pub fn contents_bytes(&self) -> u64 {
        self.states.iter().flatten().map(|state| state.contents_bytes()).fold(0, u64::saturating_add)
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
        if !self.ends.is_empty() {
            let mut bytes = Vec::new();
            self.ends.snapshot(&mut bytes);
            sections.push((tag::app::ENDS, bytes));
        }
        if !self.members.is_empty() {
            let mut bytes = Vec::new();
            self.members.snapshot(&mut bytes);
            sections.push((tag::app::MEMBERS, bytes));
        }
        let mut runs = Vec::new();
        for (id, aging) in self.aging().filter(|(_, aging)| !aging.old().is_empty()) {
            runs.push(id);
            aging.old().push(&mut runs);
        }
        if !runs.is_empty() {
            sections.push((tag::app::RUNS, runs));
        }
        sections
    }

    /// Takes one section of a snapshot. That of runs comes behind the others.
    ///
    /// # Errors
    /// Fails if the bytes are not a snapshot of that state, there is no such application, or a run can't be opened.
    pub fn restore(&mut self, id: u8, bytes: &[u8]) -> Result<(), SectionError> {
        if id == tag::app::RUNS {
            return self.restore_runs(bytes);
        }
        if id == tag::app::ENGINE {
            self.heals = Heals::read(bytes).ok_or(RestoreError)?;
            return Ok(());
        }
        if id == tag::app::ENDS {
            self.ends = Ends::read(bytes).ok_or(RestoreError)?;
            return Ok(());
        }
        if id == tag::app::MEMBERS {
            self.members = Members::read(bytes).ok_or(RestoreError)?;
            return Ok(());
        }
        match self.states.get_mut(usize::from(id)).and_then(Option::as_mut) {
            Some(state) => Ok(state.restore(bytes)?),
            // Passed over it would be lost, on this host only.
            None => Err(RestoreError.into()),
        }
    }

    fn restore_runs(&mut self, bytes: &[u8]) -> Result<(), SectionError> {
        let shelf = self.shelf.clone().ok_or(RestoreError)?;
        let mut rest = bytes;
        while let Some((app, after)) = rest.split_first() {
            let read = Old::read(after, *app, &shelf).map_err(|error| SectionError::Run(error.to_string()));
            let (old, length) = read?;
            let (_, aging) = self.aging_mut().find(|(id, _)| id == app).ok_or(RestoreError)?;
            *aging.old_mut() = old;
            rest = &after[length..];
        }
        Ok(())
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
