//! Streams the list of pixels out of the journal: the job behind `GET /pixels`.
//!
//! What is listed is fixed when the request is taken: up to which position, above which floors, and (without a
//! filter) how many. A client that reads slowly sees that moment, and holds no thread while it does. With a filter
//! the journal is read twice, because the total stands before the pixels.

use std::sync::Arc;

use crate::app::answer;
use crate::app::application::{Job, JobStep, Start};
use crate::base::ids::{NodeId, Position};
use crate::base::limits::{BATCH_BODY_BYTES_MAX, PIECE_BYTES};
use crate::http::caching::Caching;
use crate::http::response::{Response, StreamHead};
use crate::log::read::reader::Reader;
use crate::log::read::scan::{BatchView, ReadError, Scan};

use super::page::{self, Page, Place};
use super::query::Query;
use super::render::Format;
use super::state::Floors;

/// Bytes of journal read in one step, so that a filter that lets little through does not hold a job thread for long.
const STEP_BYTES: usize = 4 * BATCH_BODY_BYTES_MAX;

/// The moment that a listing shows.
#[derive(Debug)]
pub struct Moment {
    /// This host.
    pub node: NodeId,
    /// End of what is applied.
    pub end: Position,
    /// What was cleared.
    pub floors: Floors,
    /// Pixels listed, whatever they are like.
    pub total: u64,
}

/// The job.
pub struct List {
    query: Query,
    format: Format,
    end: Position,
    total: u64,
    page: Page,
    scan: Scan,
    /// Finds out first how many pass the filter.
    counting: Option<Scan>,
    is_open: bool,
    held: Option<Held>,
    trouble: Option<ReadError>,
}

/// The rest of a batch that did not fit into a piece.
struct Held {
    place: Place,
    records: Vec<u8>,
    /// Bytes of them that are listed.
    listed: usize,
}

impl Held {
    /// Keeps `records`, of which the first stands at `place`; nothing if there are none.
    fn of(place: Place, records: &[u8]) -> Option<Self> {
        (!records.is_empty()).then(|| Self { place, records: records.to_vec(), listed: 0 })
    }
}

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Again,
    Over,
}

impl List {
    /// Returns the job of one request.
    #[must_use]
    pub fn new(reader: &Arc<Reader>, query: Query, format: Format, moment: Moment) -> Self {
        let Moment { node, end, floors, total } = moment;
        let page = Page::new(node, format, &query, floors);
        let from = query.after.map_or(Position(0), |after| after.batch);
        let scan = reader.scan(from, end);
        let is_counted = query.filter.is_open() || format != Format::Json;
        let counting = (!is_counted).then(|| reader.scan(Position(0), end));
        let total = if is_counted { total } else { 0 };
        Self { query, format, end, total, page, scan, counting, is_open: false, held: None, trouble: None }
    }

    /// Finds the place behind the cursor; false if there is no such place.
    fn seek(&mut self) -> bool {
        let Some(after) = self.query.after else { return true };
        if after.batch >= self.end {
            return false;
        }
        let Ok(batch) = self.scan.next_batch() else { return false };
        if let Some(batch) = batch {
            // A segment in which nothing is listed any more may be gone; what follows it is listed from its start.
            let is_same = batch.start == after.batch;
            let read = if is_same { after.index.saturating_add(1).min(batch.count) } else { 0 };
            self.held = Held::of(place_of(&batch, read), page::skip(batch.body, read));
        }
        true
    }

    fn count(&mut self, scan: &mut Scan) -> Result<Progress, ReadError> {
        let mut read_bytes = 0;
        while read_bytes < STEP_BYTES {
            let Some(batch) = scan.next_batch()? else { return Ok(Progress::Over) };
            self.total += self.page.count(&place_of(&batch, 0), batch.body);
            read_bytes += batch.body.len();
        }
        Ok(Progress::Again)
    }

    fn list(&mut self, out: &mut Vec<u8>) -> Result<Progress, ReadError> {
        let out_bytes = out.len() + PIECE_BYTES;
        let mut read_bytes = 0;
        loop {
            if let Some(held) = &mut self.held {
                held.listed +=
                    self.page.render(&mut held.place, &held.records[held.listed..], out, out_bytes);
                if held.listed == held.records.len() {
                    self.held = None;
                }
            }
            if self.page.is_full() {
                return Ok(Progress::Over);
            }
            if out.len() >= out_bytes || read_bytes >= STEP_BYTES {
                return Ok(Progress::Again);
            }
            let Some(batch) = self.scan.next_batch()? else { return Ok(Progress::Over) };
            let mut place = place_of(&batch, 0);
            let read = self.page.render(&mut place, batch.body, out, out_bytes);
            read_bytes += batch.body.len();
            self.held = Held::of(place, &batch.body[read..]);
        }
    }

    fn step(&mut self, out: &mut Vec<u8>) -> Result<JobStep, ReadError> {
        if let Some(mut scan) = self.counting.take() {
            if self.count(&mut scan)? == Progress::Again {
                self.counting = Some(scan);
            }
            return Ok(JobStep::More);
        }
        if !std::mem::replace(&mut self.is_open, true) {
            self.page.open(self.total, out);
        }
        if self.list(out)? == Progress::Again {
            return Ok(JobStep::More);
        }
        self.page.close(out);
        Ok(JobStep::Done)
    }
}

impl Job for List {
    fn start(&mut self) -> Start {
        if self.seek() {
            Start::Stream(StreamHead {
                status: 200,
                content_type: self.format.media_type(),
                headers: vec![("Vary", "Accept".to_owned())],
                caching: Caching::NoStore,
                length: None,
            })
        } else {
            Start::Whole(gone())
        }
    }

    fn next(&mut self, out: &mut Vec<u8>) -> JobStep {
        self.step(out).unwrap_or_else(|error| {
            self.trouble = Some(error);
            JobStep::Failed
        })
    }

    fn trouble(&mut self) -> Option<String> {
        self.trouble
            .take()
            .map(|error| format!("the list of pixels can't be read: {error}; {}", error.advice()))
    }
}

/// Returns the answer to a cursor whose place is not in this host's journal.
#[must_use]
pub fn gone() -> Response {
    answer::detail(
        410,
        "This cursor belongs to another host or to a journal that is gone; start again without it",
    )
}

/// Returns the answer to a DELETE up to such a cursor. It must not lead to one without a bound, which removes everything.
#[must_use]
pub fn no_bound() -> Response {
    answer::detail(
        410,
        "This cursor belongs to another host or to a journal that is gone; nothing was removed: send a cursor of this host, or a time",
    )
}

fn place_of(batch: &BatchView<'_>, index: u32) -> Place {
    Place { origin: batch.origin, first_seq: batch.first_seq, batch: batch.start, index }
}
