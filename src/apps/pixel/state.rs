//! What the pixel service keeps in memory: for each stream a count and a floor, never the pixels themselves.
//!
//! The list of pixels is the journal. A clear or a cut raises floors: a pixel is listed if its number in its stream lies above
//! that stream's floor. A floor also tells how many pixels its stream had up to it, so the number of pixels listed is
//! a difference, no matter how many a clear took away. Joining floors takes the higher of two, which commutes; so
//! both hosts arrive at the same state whatever order they saw things in.

use std::collections::BTreeMap;

use crate::app::state::{Entry, RestoreError, Stamp, State};
use crate::apps::pixel::tag::{PIXEL_CLEAR, PIXEL_CUT};
use crate::base::folds::Folds;
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::numbers::u64_at;
use crate::base::tag::{self, SHORT_RECORD_BYTES};
use crate::base::vector::VersionVector;
use crate::log::format::record;

use super::cut::{self, Floor};
use super::record::{Channel, Pixel};

/// Encoded bytes of a stream in a snapshot: its pixels and its floor.
const STREAM_BYTES: usize = 40;

/// The floor of a folded stream of which nothing is listed: above every record.
pub const GONE: Seq = Seq::MAX - 1;

/// What is known of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Who makes its records.
    pub origin: Origin,
    /// Pixels applied, ever.
    pub pixels: u64,
    /// Up to where it is not listed any more.
    pub floor: Floor,
}

impl Stream {
    /// Returns whether some of its pixels are listed.
    fn is_listed(&self) -> bool {
        self.pixels > self.floor.pixels
    }
}

/// The pixel service's state: one entry for each stream, sorted by origin. A folded stream has one as long as some of its pixels
/// are listed: it costs what is listed, and no start costs anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PixelState {
    streams: Vec<Stream>,
    folds: Folds,
}

/// The floors at one moment, for a reader of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Floors {
    floors: Vec<(Origin, Seq)>,
    /// Streams of these without a floor have nothing that is listed.
    folds: Folds,
}

impl Floors {
    /// Returns the last record of a stream that is not listed any more, 0 if all are.
    #[must_use]
    pub fn of(&self, origin: Origin) -> Seq {
        let unnamed = || if self.folds.contains(origin) { GONE } else { 0 };
        self.floors.iter().find(|(of, _)| *of == origin).map_or_else(unnamed, |(_, seq)| *seq)
    }
}

impl Floors {
    /// Returns whether a stream that this vector has folded is listed.
    #[must_use]
    pub fn list_folded(&self, vector: &VersionVector) -> bool {
        let folded = self.floors.iter().filter(|(origin, _)| self.folds.contains(*origin));
        folded.into_iter().any(|(origin, _)| vector.seq_of(*origin) == Seq::MAX)
    }
}

impl PixelState {
    /// Returns the folded streams of which some pixels are listed.
    pub fn folded(&self) -> impl Iterator<Item = Origin> {
        self.streams.iter().map(|stream| stream.origin).filter(|origin| self.folds.contains(*origin))
    }

    /// Returns the number of pixels listed.
    #[must_use]
    pub fn total(&self) -> u64 {
        // A floor may be known before the pixels below it have arrived from the peer.
        self.streams.iter().map(|stream| stream.pixels.saturating_sub(stream.floor.pixels)).sum()
    }

    /// Returns what is known of each stream, in the order of their origins.
    #[must_use]
    pub fn streams(&self) -> &[Stream] {
        &self.streams
    }

    /// Returns the floors as they are now.
    #[must_use]
    pub fn floors(&self) -> Floors {
        let is_told = |stream: &&Stream| stream.floor.seq > 0 || self.folds.contains(stream.origin);
        let told = self.streams.iter().filter(is_told);
        let floors = told.map(|stream| (stream.origin, stream.floor.seq)).collect();
        Floors { floors, folds: self.folds.clone() }
    }

    /// Returns whether a stream is folded and has nothing that is listed.
    #[must_use]
    pub fn is_gone(&self, origin: Origin) -> bool {
        self.folds.contains(origin) && self.find(origin).is_err()
    }

    fn find(&self, origin: Origin) -> Result<usize, usize> {
        self.streams.binary_search_by_key(&origin, |stream| stream.origin)
    }

    /// Raises the floors of a clear or a cut that stands at `at`.
    fn raise(&mut self, at: &Entry, record: &[u8]) {
        for (origin, mut floor) in cut::floors(record) {
            if origin == at.origin && floor.seq + 1 == at.seq {
                // The record itself is no pixel: counted in, it lets go of the segment that ends with it.
                floor.seq = at.seq;
            }
            if self.is_gone(origin) {
                continue;
            }
            let stream = self.stream(origin);
            stream.floor = stream.floor.max(floor);
        }
    }

    /// Forgets folded streams of which nothing is listed.
    fn forget(&mut self) {
        let folds = &self.folds;
        if !folds.is_empty() {
            self.streams.retain(|stream| stream.is_listed() || !folds.contains(stream.origin));
        }
    }

    fn stream(&mut self, origin: Origin) -> &mut Stream {
        let at = match self.find(origin) {
            Ok(at) => at,
            Err(at) => {
                self.streams.insert(at, Stream { origin, pixels: 0, floor: Floor::default() });
                at
            }
        };
        &mut self.streams[at]
    }

    fn shorts_of(&self, origin: Origin) -> u64 {
        self.find(origin).map_or(0, |at| self.streams[at].pixels)
    }
}

/// Returns a clear as the service asks for it: its floors are filled in when it is stamped.
#[must_use]
pub fn clear_record() -> Vec<u8> {
    let mut record = Vec::new();
    record::push(&mut record, PIXEL_CLEAR, &[]);
    record
}

impl State for PixelState {
    fn kinds(&self) -> &'static [(u8, &'static str)] {
        crate::apps::pixel::tag::KINDS
    }

    fn record_bytes_max(&self) -> usize {
        crate::apps::pixel::tag::RECORD_BYTES_MAX
    }

    /// Gives a clear the floors it stands for: everything applied here, and of its own stream everything before it.
    fn stamp(&self, at: &Stamp<'_>, record: &[u8], out: &mut Vec<u8>) {
        if record.first() != Some(&PIXEL_CLEAR) {
            return out.extend_from_slice(record);
        }
        let own = at.entry.origin;
        let own_floor = Floor { seq: at.entry.seq - 1, pixels: self.shorts_of(own) + at.shorts_before };
        let others = at.vector.iter().filter(|(origin, _)| *origin != own);
        let floors = others
            .map(|(origin, seq)| (origin, Floor { seq, pixels: self.shorts_of(origin) }))
            .chain((own_floor.seq > 0).then_some((own, own_floor)));
        let mut payload = Vec::new();
        floors.for_each(|(origin, floor)| cut::push_floor(&mut payload, origin, floor));
        record::push(out, PIXEL_CLEAR, &payload);
    }

    fn apply(&mut self, at: &Entry, record: &[u8]) -> Option<u64> {
        match record.split_first() {
            Some((&tag, _)) if tag::is_short(tag) => self.stream(at.origin).pixels += 1,
            Some((&PIXEL_CUT, _)) => {
                self.raise(at, record);
                self.forget();
            }
            Some((&PIXEL_CLEAR, _)) => {
                // Whoever made it had all that is folded: that goes without being named.
                let folds = &self.folds;
                self.streams.retain(|stream| !folds.contains(stream.origin));
                self.raise(at, record);
            }
            _ => {}
        }
        None
    }

    fn apply_run(&mut self, first: &Entry, run: &[u8]) {
        self.stream(first.origin).pixels += (run.len() / SHORT_RECORD_BYTES) as u64;
    }

    /// Returns whether the range has a record above the floor of its stream: such pixels are listed from the journal.
    fn lists(&self, start: &VersionVector, end: &VersionVector) -> bool {
        let floors = self.floors();
        // Of a stream that was folded in between nobody knows how far it had come.
        let is_between = |stream: &Stream| {
            end.seq_of(stream.origin) == Seq::MAX && start.seq_of(stream.origin) != Seq::MAX
        };
        // Records of other applications above a floor count as well: whether they are pixels is not known, and a start asks the
        // same of segments that are gone, when later pixels of the stream may be listed.
        end.iter().any(|(origin, seq)| seq > start.seq_of(origin) && seq > floors.of(origin))
            || self.streams.iter().any(|stream| stream.is_listed() && is_between(stream))
    }

    fn takes_folded(&self, record: &[u8]) -> bool {
        record.first() == Some(&PIXEL_CLEAR) && !self.folds.is_empty()
    }

    fn take_folds(&mut self, _: &[Origin], all: &Folds) {
        self.folds = all.clone();
        self.forget();
    }

    /// Counts lost pixels as if a clear had taken them, so that the count is that of the rows there are.
    fn lose_before(&mut self, start: &VersionVector, pixels: &BTreeMap<Origin, u64>) {
        let folded = self.streams.iter().map(|stream| stream.origin);
        let folded: Vec<_> = folded.filter(|origin| start.seq_of(*origin) == Seq::MAX).collect();
        let named = start.iter().filter(|(origin, _)| !self.is_gone(*origin)).collect::<Vec<_>>();
        for (origin, seq) in named.into_iter().chain(folded.into_iter().map(|origin| (origin, GONE))) {
            let stream = self.stream(origin);
            if seq > stream.floor.seq {
                let left = pixels.get(&origin).copied().unwrap_or(0);
                stream.floor = Floor { seq, pixels: stream.pixels.saturating_sub(left) };
            }
        }
        self.forget();
    }

    fn data_bytes(&self) -> u64 {
        self.total().saturating_mul(SHORT_RECORD_BYTES as u64)
    }

    fn snapshot(&self, out: &mut Vec<u8>) {
        for stream in &self.streams {
            let Stream { origin, pixels, floor } = stream;
            for word in [origin.node.0, origin.inc.0, *pixels, floor.seq, floor.pixels] {
                out.extend_from_slice(&word.to_le_bytes());
            }
        }
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let streams: Vec<Stream> = bytes
            .chunks_exact(STREAM_BYTES)
            .map(|entry| Stream {
                origin: origin_of(entry),
                pixels: word(entry, 2),
                floor: Floor { seq: word(entry, 3), pixels: word(entry, 4) },
            })
            .collect();
        let whole = bytes.len().is_multiple_of(STREAM_BYTES);
        if !whole || !streams.is_sorted_by(|a, b| a.origin < b.origin) {
            return Err(RestoreError);
        }
        *self = Self { streams, folds: Folds::default() };
        Ok(())
    }

    fn sample(&self, seed: u64) -> Vec<u8> {
        if seed.is_multiple_of(5) {
            return clear_record();
        }
        if seed.is_multiple_of(7) && !self.streams.is_empty() {
            // Floors of what is there, of what was cleared, and of what is yet to come: pixels grow with the numbers.
            let floor = |(nth, stream): (u64, &Stream)| {
                let seq = 1 + (seed >> (8 + nth)) % 20;
                (stream.origin, Floor { seq, pixels: seq / 2 })
            };
            let floors: Vec<_> = (0..8).zip(&self.streams).map(floor).collect();
            return cut::records(&floors).concat();
        }
        let channel = [Channel::R, Channel::G, Channel::B][(seed % 3) as usize];
        Pixel { x: seed as i32, y: (seed >> 32) as i32, channel, value: (seed >> 16) as u8 }.encode().to_vec()
    }
}

fn word(entry: &[u8], index: usize) -> u64 {
    u64_at(entry, 8 * index)
}

fn origin_of(entry: &[u8]) -> Origin {
    Origin { node: NodeId(word(entry, 0)), inc: Inc(word(entry, 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::applied::{Applied, Batch};
    use crate::base::ids::Position;

    const OWN: Origin = Origin { node: NodeId(1), inc: Inc(1) };
    const PEER: Origin = Origin { node: NodeId(2), inc: Inc(1) };

    fn pixels(count: usize) -> Vec<u8> {
        Pixel { x: 1, y: 2, channel: Channel::R, value: 3 }.encode().repeat(count)
    }

    fn host() -> Applied {
        let mut applied = Applied::default();
        applied.insert(crate::apps::pixel::tag::APP, Box::new(PixelState::default()));
        applied
    }

    /// Stamps and applies a batch of this host's own; gives it as its peer receives it.
    fn commit(applied: &mut Applied, origin: Origin, records: &[u8], count: u32) -> Vec<u8> {
        let first = Entry { origin, seq: applied.vector.seq_of(origin) + 1, time_us: 0 };
        let mut body = Vec::new();
        applied.stamp_batch(&first, records, &mut body);
        receive(applied, origin, &body, count);
        body
    }

    /// Applies a batch as it was sealed.
    fn receive(applied: &mut Applied, origin: Origin, body: &[u8], count: u32) {
        let first = Entry { origin, seq: applied.vector.seq_of(origin) + 1, time_us: 0 };
        applied.apply_batch(&Batch { first, count, body, end: Position(applied.position.0 + 1) });
    }

    fn total(applied: &Applied) -> u64 {
        applied.state::<PixelState>().unwrap().total()
    }

    #[test]
    fn what_is_unlisted_before_pixels_arrive_is_unlisted_after_them() {
        let mut applied = host();
        let none = VersionVector::new();
        // A record of another application, which ends a segment; pixels of the same stream follow behind it.
        receive(&mut applied, OWN, &[0x71, 0, 0, 0, 0], 1);
        let end = applied.vector.clone();
        let before = applied.lists(&none, &end);
        receive(&mut applied, OWN, &pixels(2), 2);
        assert!(before || !applied.lists(&none, &end), "it was let go, and a start would miss it");
    }

    #[test]
    fn a_clear_takes_what_was_before_it_in_its_own_batch_too() {
        let mut applied = host();
        commit(&mut applied, OWN, &pixels(5), 5);
        receive(&mut applied, PEER, &pixels(4), 4);
        assert_eq!(total(&applied), 9);
        let batch =
            [pixels(3), clear_record(), pixels(1), clear_record(), clear_record(), pixels(2)].concat();
        commit(&mut applied, OWN, &batch, 9);
        assert_eq!(total(&applied), 2);
        let floors = applied.state::<PixelState>().unwrap().floors();
        assert_eq!((floors.of(OWN), floors.of(PEER)), (12, 4), "the last clear, the 12th record, included");
    }

    #[test]
    fn a_write_that_raced_with_a_clear_survives_it() {
        let (mut here, mut there) = (host(), host());
        let first = commit(&mut there, PEER, &pixels(3), 3);
        receive(&mut here, PEER, &first, 3);
        let raced = commit(&mut there, PEER, &pixels(2), 2);
        let cleared = commit(&mut here, OWN, &[pixels(1), clear_record()].concat(), 2);
        assert_eq!(total(&here), 0);
        receive(&mut here, PEER, &raced, 2);
        receive(&mut there, OWN, &cleared, 2);
        assert_eq!((total(&here), total(&there)), (2, 2));
        assert_eq!(here.sections(), there.sections());
    }

    #[test]
    fn a_floor_may_come_before_what_it_clears() {
        let mut origin = host();
        let cleared = commit(&mut origin, OWN, &[pixels(3), clear_record(), pixels(1)].concat(), 5);
        let mut late = host();
        let clear = &cleared[30..cleared.len() - 10];
        receive(&mut late, PEER, clear, 1);
        assert_eq!(total(&late), 0);
        receive(&mut late, OWN, &cleared, 5);
        assert_eq!(total(&late), 1);
    }

    #[test]
    fn a_cut_takes_what_its_floors_say_and_joins_a_clear() {
        let mut applied = host();
        commit(&mut applied, OWN, &pixels(5), 5);
        receive(&mut applied, PEER, &pixels(4), 4);
        let cut = |floors: &[(Origin, u64)]| {
            let floors: Vec<_> =
                floors.iter().map(|(origin, seq)| (*origin, Floor { seq: *seq, pixels: *seq })).collect();
            cut::records(&floors).concat()
        };
        commit(&mut applied, OWN, &cut(&[(OWN, 2), (PEER, 3)]), 1);
        assert_eq!(total(&applied), 4);
        receive(&mut applied, PEER, &cut(&[(OWN, 1), (PEER, 4)]), 1);
        assert_eq!(total(&applied), 3, "a lower floor changes nothing");
        let floors = applied.state::<PixelState>().unwrap().floors();
        assert_eq!((floors.of(OWN), floors.of(PEER)), (2, 5), "the cut that ends its stream goes with it");
        commit(&mut applied, OWN, &[pixels(1), clear_record(), pixels(2)].concat(), 4);
        commit(&mut applied, OWN, &cut(&[(OWN, 5)]), 1);
        assert_eq!(total(&applied), 2);
    }

    #[test]
    fn what_is_no_snapshot_changes_nothing() {
        let mut state = PixelState::default();
        state.apply_run(&Entry { origin: OWN, seq: 1, time_us: 0 }, &pixels(2));
        let mut bytes = Vec::new();
        state.snapshot(&mut bytes);
        assert_eq!(state.restore(&bytes[1..]), Err(RestoreError));
        assert_eq!(state.restore(&bytes.repeat(2)), Err(RestoreError), "one stream twice");
        assert_eq!(state.total(), 2);
        assert_eq!(state.restore(&[]), Ok(()));
        assert_eq!(state.total(), 0);
    }
}
