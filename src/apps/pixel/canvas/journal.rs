//! The journal as the canvas reads it once more: for drawings that are made again, pictures of the past, histories of cells.

use std::sync::Arc;

use crate::app::applied::Batch;
use crate::app::state::Entry;
use crate::base::ids::{Origin, Position, Seq};
use crate::log::read::reader::{Reader, SegmentInfo};
use crate::log::read::scan::{BatchView, ReadError};

use super::super::state::Floors;
use super::drawing::Past;

/// The journal of this host, up to a position where a batch ends.
pub struct Journal<'a> {
    /// What reads it.
    pub reader: &'a Arc<Reader>,
    /// The position.
    pub end: Position,
}

impl Journal<'_> {
    /// Returns where the first segment begins that may hold a record above these floors, or a place before it.
    #[must_use]
    pub fn start_above(&self, floors: &Floors) -> Position {
        let mut start = Position(0);
        for segment in self.reader.segments() {
            let (Some(vector), Some(end)) = (&segment.end_vector, segment.end) else { break };
            if vector.iter().any(|(origin, seq)| seq > floors.of(origin)) || floors.list_folded(vector) {
                break;
            }
            start = end;
        }
        start
    }
}

impl Past for Journal<'_> {
    fn batches_of(&self, records: &[(Origin, Seq)]) -> Result<Vec<Option<(Seq, u64)>>, ReadError> {
        let mut found = vec![None; records.len()];
        let mut from = Position(0);
        for segment in self.reader.segments() {
            let start = std::mem::replace(&mut from, segment.end.unwrap_or(Position(u64::MAX)));
            if !records.iter().any(|record| has(&segment, *record)) {
                continue;
            }
            let mut scan = self.reader.scan(start, segment.end.map_or(self.end, |end| end.min(self.end)));
            while let Some(batch) = scan.next_batch()? {
                let last = batch.first_seq + u64::from(batch.count) - 1;
                for (record, found) in records.iter().zip(&mut found) {
                    if record.0 == batch.origin && (batch.first_seq..=last).contains(&record.1) {
                        *found = Some((batch.first_seq, batch.time_us));
                    }
                }
                if found.iter().all(Option::is_some) {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }

    fn each(&self, above: &Floors, to: Position, visit: &mut dyn FnMut(&Batch<'_>)) -> Result<(), ReadError> {
        let mut scan = self.reader.scan(self.start_above(above), to);
        while let Some(batch) = scan.next_batch()? {
            visit(&as_applied(&batch));
        }
        Ok(())
    }
}

/// Returns whether a segment may have a record.
fn has(segment: &SegmentInfo, (origin, seq): (Origin, Seq)) -> bool {
    let reaches = segment.end_vector.as_ref().is_none_or(|end| end.seq_of(origin) >= seq);
    segment.start_vector.seq_of(origin) < seq && reaches
}

/// Returns a batch as it is applied.
#[must_use]
pub fn as_applied<'a>(batch: &BatchView<'a>) -> Batch<'a> {
    let first = Entry { origin: batch.origin, seq: batch.first_seq, time_us: batch.time_us };
    Batch { first, count: batch.count, body: batch.body, end: batch.end }
}
