//! Finds a cut: which floors leave what is asked for.
//!
//! Whole stretches need no reading. For an exact cut the segments are read in which it lies, twice or thrice: first to count
//! how much was kept when, then to find the record.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::cut::Floor;
use super::limits::CUT_BUCKETS;
use super::state::Stream;
use super::times::{Key, Stretch, Times};
use crate::app::pieces::shorts_of;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::tag;
use crate::log::format::record;
use crate::log::read::reader::Reader;
use crate::log::read::scan::{BatchView, ReadError};

/// Fractions of a byte or of a pixel that weights are counted in.
const FRACTIONS: u64 = 256;

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Pixels.
    Pixels,
    /// Bytes of their batches in the journal: a batch that is listed in part counts in part.
    Bytes,
}

/// A stretch, and what of it is listed.
#[derive(Clone, Copy, Debug)]
struct Share {
    stretch: Stretch,
    /// Pixels of its stream up to where it begins.
    before: u64,
    listed: u64,
}

/// The stretches at one moment.
pub struct Finder<'a> {
    times: &'a Times,
    reader: &'a Arc<Reader>,
    floors: BTreeMap<Origin, Floor>,
    shares: Vec<Share>,
}

impl<'a> Finder<'a> {
    /// Returns one for the streams as the state has them where `times` ends.
    #[must_use]
    pub fn new(times: &'a Times, reader: &'a Arc<Reader>, streams: &[Stream]) -> Self {
        let floors: BTreeMap<_, _> = streams.iter().map(|stream| (stream.origin, stream.floor)).collect();
        let counts: BTreeMap<_, _> = streams.iter().map(|stream| (stream.origin, stream.pixels)).collect();
        let mut shares = Vec::new();
        for (origin, stretches) in times.streams() {
            let floor = floors.get(&origin).copied().unwrap_or_default();
            let mut behind = counts.get(&origin).copied().unwrap_or(0);
            for stretch in stretches.iter().rev() {
                let before = behind.saturating_sub(stretch.pixels);
                let listed = if floor.seq < stretch.first.seq {
                    stretch.pixels
                } else if floor.seq >= stretch.last.seq {
                    0
                } else {
                    behind.saturating_sub(floor.pixels)
                };
                shares.push(Share { stretch: *stretch, before, listed });
                behind = before;
            }
        }
        shares.sort_unstable_by_key(|share| share.stretch.first);
        Self { times, reader, floors, shares }
    }

    /// Returns how much is listed.
    #[must_use]
    pub fn listed(&self, measure: Measure) -> u64 {
        self.shares.iter().map(|share| share.weight(measure)).sum::<u64>() / FRACTIONS
    }

    /// Returns the time as of which the oldest stretch that is listed begins, microseconds since 1970.
    #[must_use]
    pub fn oldest_us(&self, is_of: &dyn Fn(Origin) -> bool) -> Option<u64> {
        let mut listed =
            self.shares.iter().filter(|share| share.listed > 0 && is_of(share.stretch.first.origin));
        listed.next().map(|share| share.stretch.first.time_us)
    }

    /// Returns a key before which no more than `excess` is listed, whichever part of a stretch that is; the later one of
    /// those at which a stretch begins. Reads nothing.
    #[must_use]
    pub fn roughly(&self, measure: Measure, excess: u64) -> Key {
        let mut sum = 0;
        for share in &self.shares {
            sum += share.weight(measure);
            if sum > excess.saturating_mul(FRACTIONS) {
                return share.stretch.first;
            }
        }
        self.shares.iter().map(|share| share.stretch.last).max().map_or(Key::of_time(0), Key::next)
    }

    /// Returns the key before which exactly `excess` pixels are listed, or no more than that many bytes.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    pub fn exactly(&self, measure: Measure, excess: u64) -> Result<Key, ReadError> {
        let rough = self.roughly(measure, excess);
        let excess = excess.saturating_mul(FRACTIONS);
        // All that lies wholly before it.
        let below = |share: &&Share| share.stretch.last < rough;
        let needed = excess.saturating_sub(self.shares.iter().filter(below).map(|s| s.weight(measure)).sum());
        let cut: Vec<&Share> = self.straddling(rough, needed, measure);
        if needed == 0 || cut.is_empty() {
            return Ok(rough);
        }
        let first_us = cut.iter().map(|share| share.stretch.first.time_us).min().unwrap_or(0);
        let last_us = cut.iter().map(|share| share.stretch.last.time_us).max().unwrap_or(0);
        let mut narrow = Narrow { low_us: first_us, high_us: last_us, needed };
        loop {
            let buckets = self.count(&cut, measure, &narrow)?;
            let Some((at, before, batches)) = buckets.crossing(narrow.needed) else {
                return Ok(rough);
            };
            let width_us = buckets.width_us;
            let low_us = narrow.low_us + at as u64 * width_us;
            narrow = Narrow { low_us, high_us: low_us + width_us - 1, needed: narrow.needed - before };
            if width_us == 1 || batches <= CUT_BUCKETS as u64 {
                return Ok(self.record_in(&cut, measure, &narrow)?.unwrap_or(rough));
            }
        }
    }

    /// Returns the floors that a cut before `key` raises in the streams that `is_of` accepts. Without `is_exact` no stretch is cut
    /// in two and nothing is read.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    pub fn floors(
        &self,
        key: Key,
        is_exact: bool,
        is_of: &dyn Fn(Origin) -> bool,
    ) -> Result<BTreeMap<Origin, Floor>, ReadError> {
        let mut found: BTreeMap<Origin, Floor> = BTreeMap::new();
        let mut raise = |origin, floor: Floor| {
            let found = found.entry(origin).or_default();
            *found = floor.max(*found);
        };
        let mut straddling: BTreeMap<u32, BTreeMap<Origin, u64>> = BTreeMap::new();
        for Share { stretch, before, .. } in &self.shares {
            let origin = stretch.first.origin;
            if !is_of(origin) || stretch.first >= key {
                continue;
            }
            if stretch.last < key {
                raise(origin, Floor { seq: stretch.last.seq, pixels: before + stretch.pixels });
            } else if is_exact {
                straddling.entry(stretch.segment).or_default().insert(origin, *before);
            }
        }
        for (segment, mut counts) in straddling {
            self.times.read_segment(self.reader, segment, &mut |time_us, batch| {
                let Some(count) = counts.get_mut(&batch.origin) else { return };
                let (seq, pixels) = before_key(key, time_us, batch);
                *count += pixels;
                if seq >= batch.first_seq {
                    raise(batch.origin, Floor { seq, pixels: *count });
                }
            })?;
        }
        found.retain(|origin, floor| self.floors.get(origin).is_none_or(|known| *floor > *known));
        Ok(found)
    }

    /// Returns the floors that clear what this host lists up to a place: the record number `index` of the batch that starts at
    /// `batch`, included.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    pub fn floors_at(&self, batch: Position, index: u32) -> Result<BTreeMap<Origin, Floor>, ReadError> {
        let segment = self.reader.layout().segment_of(batch);
        let mut found: BTreeMap<Origin, Floor> = BTreeMap::new();
        let mut counts = BTreeMap::new();
        for Share { stretch, before, .. } in &self.shares {
            let origin = stretch.first.origin;
            if stretch.segment < segment {
                let floor = Floor { seq: stretch.last.seq, pixels: before + stretch.pixels };
                let found = found.entry(origin).or_default();
                *found = floor.max(*found);
            } else if stretch.segment == segment {
                counts.insert(origin, *before);
            }
        }
        self.times.read_segment(self.reader, segment, &mut |_, view| {
            let listed = match view.start.cmp(&batch) {
                Ordering::Less => u64::from(view.count),
                Ordering::Equal => u64::from(view.count).min(u64::from(index) + 1),
                Ordering::Greater => return,
            };
            let end = view.first_seq + listed;
            let count = counts.entry(view.origin).or_default();
            *count += pixels_behind(view, 0).take_while(|seq| *seq < end).count() as u64;
            found.insert(view.origin, Floor { seq: end - 1, pixels: *count });
        })?;
        found.retain(|origin, floor| self.floors.get(origin).is_none_or(|known| *floor > *known));
        Ok(found)
    }

    /// Returns whether floors take something off the list, or a whole segment at the journal's beginning.
    #[must_use]
    pub fn is_worth(&self, floors: &BTreeMap<Origin, Floor>) -> bool {
        let floor_of = |origin: &Origin| self.floors.get(origin).copied().unwrap_or_default();
        let takes_off = floors.iter().any(|(origin, floor)| floor.pixels > floor_of(origin).pixels);
        let last = self.shares.iter().map(|share| share.stretch.segment).max();
        let needed_from = |floors: &dyn Fn(&Origin) -> Floor| {
            let needed = self
                .shares
                .iter()
                .filter(|share| share.stretch.last.seq > floors(&share.stretch.first.origin).seq);
            needed.map(|share| share.stretch.segment).min().or(last)
        };
        let raised = |origin: &Origin| floors.get(origin).copied().unwrap_or_default().max(floor_of(origin));
        takes_off || needed_from(&raised) > needed_from(&floor_of)
    }

    /// Returns the stretches of which a part may belong to what is still `needed` behind `rough`.
    fn straddling(&self, rough: Key, needed: u64, measure: Measure) -> Vec<&Share> {
        let open = self.shares.iter().filter(|share| share.listed > 0 && share.stretch.last >= rough);
        let mut open: Vec<&Share> = open.collect();
        // Where it is certain that enough lies before a stretch, that one is not concerned.
        let mut ends: Vec<(Key, u64)> =
            open.iter().map(|share| (share.stretch.last, share.weight(measure))).collect();
        ends.sort_unstable();
        let mut sum = 0;
        let enough = ends.iter().find(|(_, weight)| {
            sum += weight;
            sum >= needed
        });
        if let Some((end, _)) = enough {
            open.retain(|share| share.stretch.first <= *end);
        }
        open
    }

    /// Counts what of these stretches is listed, by its time within the narrowed span.
    fn count(&self, cut: &[&Share], measure: Measure, narrow: &Narrow) -> Result<Buckets, ReadError> {
        let width_us = (narrow.high_us - narrow.low_us) / CUT_BUCKETS as u64 + 1;
        let mut buckets = Buckets { width_us, weights: vec![0; CUT_BUCKETS], batches: vec![0; CUT_BUCKETS] };
        self.read(cut, measure, &mut |time_us, batch, of_pixel| {
            if (narrow.low_us..=narrow.high_us).contains(&time_us) {
                let bucket = ((time_us - narrow.low_us) / width_us) as usize;
                buckets.weights[bucket] += of_pixel * self.listed_in(batch);
                buckets.batches[bucket] += 1;
            }
        })?;
        Ok(buckets)
    }

    /// Returns the key within the narrowed span before which all that is needed lies.
    fn record_in(&self, cut: &[&Share], measure: Measure, narrow: &Narrow) -> Result<Option<Key>, ReadError> {
        let mut found: Vec<(Key, u64)> = Vec::new();
        self.read(cut, measure, &mut |time_us, batch, of_pixel| {
            let listed = self.listed_in(batch);
            if (narrow.low_us..=narrow.high_us).contains(&time_us) && listed > 0 {
                let key = Key { time_us, origin: batch.origin, seq: batch.first_seq };
                found.push((key, of_pixel * listed));
            }
        })?;
        found.sort_unstable();
        let mut needed = narrow.needed;
        let crossing = found.iter().find(|(_, weight)| {
            let is_here = *weight >= needed;
            needed = if is_here { needed } else { needed - weight };
            is_here
        });
        let Some((key, weight)) = crossing else { return Ok(None) };
        // So many of the batch's pixels belong to it: where bytes count all of them, or none.
        let count = match measure {
            Measure::Pixels => needed / FRACTIONS,
            Measure::Bytes if needed == *weight => u64::MAX,
            Measure::Bytes => 0,
        };
        if count == 0 {
            return Ok(Some(*key));
        }
        let mut last = key.seq;
        self.read(cut, measure, &mut |_, batch, _| {
            if batch.origin == key.origin && batch.first_seq == key.seq {
                let floor = self.floor_of(batch.origin);
                last = pixels_behind(batch, floor).take(count as usize).last().unwrap_or(last);
            }
        })?;
        Ok(Some(Key { seq: last + 1, ..*key }))
    }

    /// Reads the batches of these stretches; each is visited with its time and the weight of one of its pixels.
    fn read(
        &self,
        cut: &[&Share],
        measure: Measure,
        visit: &mut dyn FnMut(u64, &BatchView<'_>, u64),
    ) -> Result<(), ReadError> {
        let segments: BTreeSet<u32> = cut.iter().map(|share| share.stretch.segment).collect();
        for segment in segments {
            let of_segment = cut.iter().filter(|share| share.stretch.segment == segment);
            let weights: BTreeMap<Origin, u64> =
                of_segment.map(|share| (share.stretch.first.origin, share.of_pixel(measure))).collect();
            self.times.read_segment(self.reader, segment, &mut |time_us, batch| {
                if let Some(of_pixel) = weights.get(&batch.origin) {
                    visit(time_us, batch, *of_pixel);
                }
            })?;
        }
        Ok(())
    }

    fn floor_of(&self, origin: Origin) -> Seq {
        self.floors.get(&origin).map_or(0, |floor| floor.seq)
    }

    fn listed_in(&self, batch: &BatchView<'_>) -> u64 {
        let floor = self.floor_of(batch.origin);
        if floor < batch.first_seq {
            shorts_of(batch.body)
        } else if floor >= batch.header.last_seq() {
            0
        } else {
            pixels_behind(batch, floor).count() as u64
        }
    }
}

impl Share {
    /// Returns the weight of one of its pixels.
    fn of_pixel(&self, measure: Measure) -> u64 {
        match measure {
            Measure::Pixels => FRACTIONS,
            Measure::Bytes => (self.stretch.bytes * FRACTIONS).checked_div(self.stretch.pixels).unwrap_or(0),
        }
    }

    fn weight(&self, measure: Measure) -> u64 {
        self.of_pixel(measure) * self.listed
    }
}

impl Key {
    /// Returns the key behind it in its stream.
    fn next(self) -> Self {
        Self { seq: self.seq + 1, ..self }
    }
}

/// A span of time, and what of it belongs to the cut.
struct Narrow {
    low_us: u64,
    high_us: u64,
    needed: u64,
}

/// What is listed in each part of a span.
struct Buckets {
    width_us: u64,
    weights: Vec<u64>,
    batches: Vec<u64>,
}

impl Buckets {
    /// Returns the bucket in which `needed` is reached, what lies before it, and how many batches are in it.
    fn crossing(&self, needed: u64) -> Option<(usize, u64, u64)> {
        let mut before = 0;
        for (at, weight) in self.weights.iter().enumerate() {
            if *weight > 0 && before + weight >= needed {
                return Some((at, before, self.batches[at]));
            }
            before += weight;
        }
        None
    }
}

/// Returns the last of a batch's records before `key`, and how many pixels stand up to it in the batch.
fn before_key(key: Key, time_us: u64, batch: &BatchView<'_>) -> (Seq, u64) {
    let last = batch.header.last_seq();
    let at = |seq| Key { time_us, origin: batch.origin, seq };
    if at(last) < key {
        return (last, shorts_of(batch.body));
    }
    if at(batch.first_seq) >= key {
        return (batch.first_seq - 1, 0);
    }
    let pixels = pixels_behind(batch, 0).take_while(|seq| *seq < key.seq).count();
    (key.seq - 1, pixels as u64)
}

/// Returns the numbers of a batch's pixels behind `floor`.
fn pixels_behind<'a>(batch: &BatchView<'a>, floor: Seq) -> impl Iterator<Item = Seq> + use<'a> {
    let numbered = (batch.first_seq..).zip(record::records(batch.body));
    let is_pixel = |record: &&[u8]| record.first().is_some_and(|tag| tag::is_short(*tag));
    let pixels = numbered.filter(move |(_, record)| record.as_ref().is_ok_and(is_pixel));
    pixels.map(|(seq, _)| seq).filter(move |seq| *seq > floor)
}
