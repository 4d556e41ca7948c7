//! `application/vnd.pixeld`: the log's own ten bytes for each pixel.

use crate::app::upload::{Ended, Fed, Upload};
use crate::apps::pixel::detail::{Details, Fault, Input, Location};
use crate::apps::pixel::record::Record;
use crate::base::tag::{self, SHORT_RECORD_BYTES};
use crate::http::refusal::Refusal;
use crate::http::response::Response;
use crate::log::lane::Producer;

use super::tally::Tally;

/// An upload of records.
#[derive(Debug, Default)]
pub struct Binary {
    /// The start of a record whose end has not come yet.
    partial: Record,
    partial_bytes: usize,
    tally: Tally,
}

impl Binary {
    /// Takes whole records as far as the lane has room; gives the bytes taken.
    fn take(&mut self, records: &[u8], lane: &mut Producer) -> usize {
        let mut rest = records;
        let mut room = lane.free();
        while let Some(&first) = rest.first() {
            if !tag::is_short(first) {
                self.tally.reject(|| bad_tag(first));
                rest = &rest[SHORT_RECORD_BYTES..];
                continue;
            }
            let run = run_ahead(&rest[..rest.len().min(room)]);
            if run == 0 || !lane.push(&rest[..run]) {
                break;
            }
            self.tally.accept((run / SHORT_RECORD_BYTES) as u64);
            room -= run;
            rest = &rest[run..];
        }
        records.len() - rest.len()
    }
}

/// Returns bytes of the pixels at the start of `records`.
fn run_ahead(records: &[u8]) -> usize {
    let pixels = records.chunks_exact(SHORT_RECORD_BYTES).take_while(|record| tag::is_short(record[0]));
    pixels.count() * SHORT_RECORD_BYTES
}

fn bad_tag(tag: u8) -> Details {
    Details::one(&Fault::NoChannel, Location::Field("channel"), Input::Json(&tag.to_string()))
}

impl Upload for Binary {
    fn feed(&mut self, bytes: &[u8], lane: &mut Producer) -> Fed {
        let mut consumed = 0;
        if self.partial_bytes > 0 {
            let missing = (SHORT_RECORD_BYTES - self.partial_bytes).min(bytes.len());
            let filled = self.partial_bytes + missing;
            self.partial[self.partial_bytes..filled].copy_from_slice(&bytes[..missing]);
            let record = self.partial;
            if filled == SHORT_RECORD_BYTES && self.take(&record, lane) == 0 {
                // The record's end is not consumed, so it comes again.
                return Fed::blocked(0);
            }
            self.partial_bytes = filled % SHORT_RECORD_BYTES;
            consumed = missing;
        }
        let whole = (bytes.len() - consumed) / SHORT_RECORD_BYTES * SHORT_RECORD_BYTES;
        let taken = self.take(&bytes[consumed..consumed + whole], lane);
        consumed += taken;
        if taken < whole {
            return Fed::blocked(consumed);
        }
        let left = &bytes[consumed..];
        // Nothing is left when the piece ended inside the record that an earlier one began.
        if !left.is_empty() {
            self.partial[..left.len()].copy_from_slice(left);
            self.partial_bytes = left.len();
        }
        Fed::all(bytes)
    }

    fn end(&mut self, _lane: &mut Producer) -> Ended {
        if self.partial_bytes > 0 {
            self.partial_bytes = 0;
            let fault = Fault::TooShort(SHORT_RECORD_BYTES);
            self.tally.reject(|| Details::one(&fault, Location::Body, Input::Json("null")));
        }
        Ended::Done(self.tally.response())
    }

    fn stopped(&mut self, reason: Refusal) -> Option<Response> {
        let accepted = self.tally.accepted();
        Some(self.tally.stopped(reason, accepted))
    }
}
