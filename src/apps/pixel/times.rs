//! When the pixels of each stream were kept: for each segment and stream the first and the last time, and how many pixels.
//!
//! The state knows how many pixels a stream has had, the journal when each was kept. This is what lies between: read once from
//! the journal and followed as that grows, a few words for each segment. It finds a cut without reading more than the
//! segments in which the cut lies.
//!
//! All hosts share one order of all records: by the time of their batch, then their stream, then their number. A stream's
//! times only grow; where healed times would have them go back, a batch counts as late as those before it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::limits::CUT_STEP_BYTES;
use crate::app::heal::Heals;
use crate::app::pieces::shorts_of;
use crate::base::ids::{Inc, NodeId, Origin, Position, Seq};
use crate::log::format::frame::frame_bytes;
use crate::log::read::reader::Reader;
use crate::log::read::scan::{BatchView, ReadError};

/// A record's place in the order that all hosts share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Time of its batch, microseconds since 1970.
    pub time_us: u64,
    /// Its stream.
    pub origin: Origin,
    /// Its number there.
    pub seq: Seq,
}

impl Key {
    /// Returns the key before which stands what was kept before a time, microseconds since 1970.
    #[must_use]
    pub fn of_time(time_us: u64) -> Self {
        Self { time_us, origin: Origin { node: NodeId(0), inc: Inc(0) }, seq: 0 }
    }
}

/// The batches of one stream in one segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The segment's number.
    pub segment: u32,
    /// Its first record.
    pub first: Key,
    /// Its last record.
    pub last: Key,
    /// Its pixels.
    pub pixels: u64,
    /// Bytes of those of its batches that hold pixels, in the journal.
    pub bytes: u64,
}

/// All stretches of what the journal holds up to a position.
#[derive(Debug, Default)]
pub struct Times {
    end: Position,
    heals: Heals,
    streams: BTreeMap<Origin, VecDeque<Stretch>>,
}

impl Times {
    /// Reads on up to `to`, where a batch ends, but no more than [`CUT_STEP_BYTES`]. Returns whether it has come there.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    pub fn follow(&mut self, reader: &Arc<Reader>, to: Position, heals: &Heals) -> Result<bool, ReadError> {
        if self.heals != *heals {
            // Other times than those that were read.
            *self = Self { heals: heals.clone(), ..Self::default() };
        }
        self.forget_removed(reader);
        let mut scan = reader.scan(self.end, to);
        let mut read_bytes = 0;
        while read_bytes < CUT_STEP_BYTES {
            let Some(batch) = scan.next_batch()? else {
                self.end = to;
                return Ok(true);
            };
            self.add(reader.layout().segment_of(batch.start), &batch);
            self.end = batch.end;
            read_bytes += batch.body.len();
        }
        Ok(false)
    }

    /// Returns each stream's stretches, the oldest first.
    pub fn streams(&self) -> impl Iterator<Item = (Origin, &VecDeque<Stretch>)> {
        self.streams.iter().map(|(origin, stretches)| (*origin, stretches))
    }

    /// Reads the batches of a segment, as far as they are known, each with the time as of which it counts.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    pub fn read_segment(
        &self,
        reader: &Arc<Reader>,
        segment: u32,
        visit: &mut dyn FnMut(u64, &BatchView<'_>),
    ) -> Result<(), ReadError> {
        let layout = reader.layout();
        let to = layout.start_of(segment + 1).min(self.end);
        let mut scan = reader.scan(layout.start_of(segment), to);
        let of_segment = |stretch: &&Stretch| stretch.segment == segment;
        let firsts = self.streams.iter().filter_map(|(origin, all)| {
            let first = all.iter().find(of_segment)?;
            Some((*origin, first.first.time_us))
        });
        let mut times: BTreeMap<Origin, u64> = firsts.collect();
        while let Some(batch) = scan.next_batch()? {
            let time_us = times.entry(batch.origin).or_default();
            *time_us = self.healed_us(&batch).max(*time_us);
            visit(*time_us, &batch);
        }
        Ok(())
    }

    /// Forgets what the journal does not hold any more.
    fn forget_removed(&mut self, reader: &Reader) {
        let oldest = reader.segments().first().map_or(0, |oldest| oldest.number);
        for stretches in self.streams.values_mut() {
            while stretches.front().is_some_and(|first| first.segment < oldest) {
                stretches.pop_front();
            }
        }
        self.streams.retain(|_, stretches| !stretches.is_empty());
    }

    fn healed_us(&self, batch: &BatchView<'_>) -> u64 {
        if self.heals.is_empty() {
            return batch.time_us;
        }
        let of = |seq| self.heals.time_us(batch.origin, seq, batch.time_us);
        of(batch.first_seq).max(of(batch.header.last_seq()))
    }

    fn add(&mut self, segment: u32, batch: &BatchView<'_>) {
        let healed_us = self.healed_us(batch);
        let stretches = self.streams.entry(batch.origin).or_default();
        let time_us = stretches.back().map_or(healed_us, |last| healed_us.max(last.last.time_us));
        let at = |seq| Key { time_us, origin: batch.origin, seq };
        let pixels = shorts_of(batch.body);
        let bytes = if pixels > 0 { frame_bytes(batch.body.len()) } else { 0 };
        let last = at(batch.header.last_seq());
        match stretches.back_mut().filter(|stretch| stretch.segment == segment) {
            Some(stretch) => {
                stretch.last = last;
                stretch.pixels += pixels;
                stretch.bytes += bytes;
            }
            None => {
                let first = at(batch.first_seq);
                stretches.push_back(Stretch { segment, first, last, pixels, bytes });
            }
        }
    }
}
