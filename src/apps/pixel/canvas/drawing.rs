//! The drawing: the fold of the journal's pixels into tiles, with what was cleared, and how far it has come.
//!
//! Where everything that is drawn was cleared, every cell is unset. Other floors may be a cut of the one order of all records:
//! then a cell whose last record lies below has nothing above it, and is unset where it is. If they are none, as those of a clear
//! are that has not seen the latest pixels of another host, what was overdrawn may show again: the drawing is made again from
//! what the journal lists.

use std::collections::BTreeMap;

use crate::app::applied::Batch;
use crate::app::heal::{Heal, Heals};
use crate::app::pieces::{Piece, pieces};
use crate::app::state::{Entry, State};
use crate::app::view::{Followed, Start};
use crate::apps::pixel::tag;
use crate::base::folds::Fold;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::tag as tags;
use crate::log::format::record;
use crate::log::read::scan::ReadError;

use super::super::state::{Floors, GONE, PixelState};
use super::tiles::Tiles;

/// Gives the journal's batches once more.
pub trait Past {
    /// Returns for each of these records the number of the first record of its batch, and the batch's time in microseconds since
    /// 1970; nothing for those that are not in the journal.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    fn batches_of(&self, records: &[(Origin, Seq)]) -> Result<Vec<Option<(Seq, u64)>>, ReadError>;

    /// Calls `visit` with every batch up to `to` that may hold a record above these floors, in the order of the journal.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    fn each(&self, above: &Floors, to: Position, visit: &mut dyn FnMut(&Batch<'_>)) -> Result<(), ReadError>;
}

/// Where a drawing stands: what it needs beside its tiles to follow the journal.
#[derive(Clone, Debug, Default)]
pub struct Moment {
    /// How far it has come.
    pub start: Start,
    /// What is listed.
    pub state: PixelState,
    /// What counts as of another time.
    pub heals: Heals,
    /// For each stream, the times of the first and the last batch that was drawn.
    pub times: BTreeMap<Origin, (u64, u64)>,
}

impl Moment {
    /// Notes when a batch counts.
    fn note_time(&mut self, origin: Origin, time_us: u64) {
        let (first, last) = self.times.entry(origin).or_insert((time_us, time_us));
        (*first, *last) = ((*first).min(time_us), (*last).max(time_us));
    }
}

/// The drawing.
pub struct Drawing {
    /// The tiles.
    pub tiles: Tiles,
    moment: Moment,
    floors: Floors,
}

impl Drawing {
    /// Returns a drawing of these tiles, which hold what is listed at this moment.
    #[must_use]
    pub fn new(tiles: Tiles, moment: Moment) -> Self {
        let floors = moment.state.floors();
        Self { tiles, moment, floors }
    }

    /// Returns where it stands.
    #[must_use]
    pub fn moment(&self) -> &Moment {
        &self.moment
    }

    /// Draws what a batch from before its moment still lists.
    pub fn redraw(&mut self, batch: &Batch<'_>) {
        draw(&mut self.tiles, &self.floors, &self.moment.heals, batch, Seq::MAX);
        let Entry { origin, seq, time_us } = batch.first;
        self.moment.note_time(origin, self.moment.heals.time_us(origin, seq, time_us));
    }

    /// Takes the next batch.
    ///
    /// # Errors
    /// Fails if the past is needed and can't be read; the drawing does not stand then.
    pub fn follow(&mut self, batch: &Batch<'_>, past: &dyn Past) -> Result<Followed, ReadError> {
        let first = batch.first;
        let time_us = self.moment.heals.time_us(first.origin, first.seq, first.time_us);
        self.moment.note_time(first.origin, time_us);
        let mut at = first;
        let mut followed = Followed::Taken;
        for piece in pieces(batch.body) {
            match piece {
                Piece::Short(run) => {
                    self.moment.state.apply_run(&at, run);
                    self.tiles.draw(run, time_us, at.origin, at.seq, self.floors.of(at.origin));
                }
                Piece::Other(record) if record[0] == tags::TIME_HEALED => {
                    if self.heal(record, &at) {
                        followed = Followed::Stale;
                    }
                }
                Piece::Other(record) if record[0] == tags::STREAMS_FOLDED => self.fold(record, &at),
                Piece::Other(record) if tags::app_of(record[0]) == tag::APP => {
                    let folded: Vec<Origin> = self.moment.state.folded().collect();
                    self.moment.state.apply(&at, record);
                    self.raise_floors(batch, at.seq, &folded, past)?;
                }
                Piece::Other(_) => {}
            }
            at.seq += piece.count();
        }
        self.moment.start.vector.raise(first.origin, at.seq - 1);
        self.moment.start.position = batch.end;
        Ok(if self.tiles.is_lost() { Followed::Stale } else { followed })
    }

    /// Takes a record about times; gives whether it speaks of records that are drawn.
    fn heal(&mut self, record: &[u8], at: &Entry) -> bool {
        let Some(heal) = Heal::of(record) else { return false };
        self.moment.heals.add(heal);
        heal.origin == at.origin || heal.first <= self.moment.start.vector.seq_of(heal.origin)
    }

    /// Takes a record that folds streams, which changes nothing that is drawn.
    fn fold(&mut self, record: &[u8], at: &Entry) {
        if let Some(fold) = Fold::read(at.origin, record::payload(record)) {
            let Moment { start, state, .. } = &mut self.moment;
            start.vector.fold(&fold);
            state.take_folds(&[], start.vector.folds());
            self.floors = state.floors();
        }
    }

    /// Unsets what lies below the floors that a record of `batch`, at `seq`, has raised; `folded` are the folded streams that were
    /// listed before it.
    fn raise_floors(
        &mut self,
        batch: &Batch<'_>,
        seq: Seq,
        folded: &[Origin],
        past: &dyn Past,
    ) -> Result<(), ReadError> {
        let floors = self.moment.state.floors();
        if floors == self.floors {
            return Ok(());
        }
        self.floors = floors;
        let own = batch.first.origin;
        let others = self.moment.start.vector.iter().filter(|(origin, _)| *origin != own);
        // Where they end is not known: below the floor of what is gone, and above every other.
        let folded = folded.iter().map(|origin| (*origin, GONE - 1));
        let drawn = others.chain(folded).chain((seq > 1).then_some((own, seq - 1)));
        let drawn: Vec<(Origin, Seq)> = drawn.collect();
        if drawn.iter().all(|(origin, last)| self.floors.of(*origin) >= *last) {
            self.tiles.clear();
        } else if self.is_cut(&drawn, past)? {
            self.tiles.sweep(&self.floors);
        } else {
            self.tiles.clear();
            let Self { tiles, moment, floors } = self;
            let heals = &moment.heals;
            past.each(floors, moment.start.position, &mut |batch| {
                draw(tiles, floors, heals, batch, Seq::MAX);
            })?;
            draw(tiles, floors, heals, batch, seq);
        }
        Ok(())
    }

    /// Returns whether everything `drawn` (the last record of each stream) at or below the floors comes before everything above
    /// them.
    fn is_cut(&self, drawn: &[(Origin, Seq)], past: &dyn Past) -> Result<bool, ReadError> {
        let mut edges = Edges::default();
        let mut parted = Vec::new();
        for &(origin, last) in drawn {
            let Some(&(first_us, last_us)) = self.moment.times.get(&origin) else { continue };
            match self.floors.of(origin) {
                0 => edges.note_above(first_us, origin),
                floor if floor >= last => edges.note_below(last_us, origin),
                floor => parted.extend([(origin, floor), (origin, floor + 1)]),
            }
        }
        if let [(origin, _), _] = parted[..] {
            // One stream is in order in itself: no need to know where it was parted, if all others lie around it.
            let (first_us, last_us) = self.moment.times[&origin];
            if edges.lie_around((first_us, origin), (last_us, origin)) {
                return Ok(true);
            }
        }
        for (ends, found) in parted.chunks_exact(2).zip(past.batches_of(&parted)?.chunks_exact(2)) {
            let origin = ends[0].0;
            let [Some(low), Some(high)] = *found else { return Ok(false) };
            let time_us = |(first, sealed_us)| self.moment.heals.time_us(origin, first, sealed_us);
            edges.note_below(time_us(low), origin);
            edges.note_above(time_us(high), origin);
        }
        Ok(edges.are_apart())
    }
}

/// The last batch below some floors, and the first above, by time and origin.
#[derive(Debug, Default)]
pub struct Edges {
    below: Option<(u64, Origin)>,
    above: Option<(u64, Origin)>,
}

impl Edges {
    /// Notes a batch below the floors.
    pub fn note_below(&mut self, time_us: u64, origin: Origin) {
        self.below = self.below.max(Some((time_us, origin)));
    }

    /// Notes a batch above the floors.
    pub fn note_above(&mut self, time_us: u64, origin: Origin) {
        let place = (time_us, origin);
        self.above = Some(self.above.map_or(place, |above| above.min(place)));
    }

    /// Returns whether nothing below comes behind anything above. A batch may lie on both sides.
    #[must_use]
    pub fn are_apart(&self) -> bool {
        self.above.is_none() || self.below <= self.above
    }

    /// Returns whether everything below comes before `first`, and everything above behind `last`.
    fn lie_around(&self, first: (u64, Origin), last: (u64, Origin)) -> bool {
        self.below <= Some(first) && self.above.is_none_or(|above| last <= above)
    }
}

/// Draws the pixels of a batch above these floors, up to the record `before`.
pub fn draw(tiles: &mut Tiles, floors: &Floors, heals: &Heals, batch: &Batch<'_>, before: Seq) {
    let Entry { origin, mut seq, time_us } = batch.first;
    let floor = floors.of(origin);
    if seq + u64::from(batch.count) <= floor + 1 {
        return;
    }
    let time_us = heals.time_us(origin, seq, time_us);
    for piece in pieces(batch.body) {
        if seq >= before {
            return;
        }
        if let Piece::Short(run) = piece {
            tiles.draw(run, time_us, origin, seq, floor);
        }
        seq += piece.count();
    }
}
