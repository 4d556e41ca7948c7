//! `application/x-ndjson`: one pixel a line.

use crate::app::upload::{Ended, Fed, Pause, Upload};
use crate::apps::pixel::body;
use crate::apps::pixel::detail::{Details, Fault, Input, Location};
use crate::apps::pixel::record::Record;
use crate::apps::pixel::validate::Refusal;
use crate::http::refusal::Refusal as Stop;
use crate::http::response::Response;
use crate::log::lane::Producer;

use super::tally::Tally;

/// An upload of lines. Empty lines are passed over and not counted.
#[derive(Debug)]
pub struct Lines {
    /// Longest line, bytes.
    line_bytes_max: usize,
    /// The start of a line whose end has not come yet.
    partial: Vec<u8>,
    /// Within a line that is too long, after it was rejected.
    skipping: bool,
    /// A pixel that found the lane full.
    held: Option<Record>,
    tally: Tally,
}

impl Lines {
    /// Returns an upload whose lines may have `line_bytes_max` bytes.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Self {
        Self { line_bytes_max, partial: Vec::new(), skipping: false, held: None, tally: Tally::default() }
    }

    /// Puts the held pixel into the lane; false if there is still no room.
    fn release(&mut self, lane: &mut Producer) -> bool {
        match self.held {
            Some(record) if !lane.push_short(&record) => false,
            _ => {
                self.held = None;
                true
            }
        }
    }

    /// Takes a whole line; false if the lane was full, in which case the pixel is held.
    fn line(&mut self, line: &[u8], lane: &mut Producer) -> bool {
        let Some(record) = self.read(line) else { return true };
        self.tally.accept(1);
        if lane.push_short(&record) {
            return true;
        }
        self.held = Some(record);
        false
    }

    #[inline]
    fn read(&mut self, line: &[u8]) -> Option<Record> {
        if let Some(pixel) = body::read_usual(line) {
            return Some(pixel.encode());
        }
        let line = trimmed(line);
        if line.is_empty() {
            return None;
        }
        match body::read(line) {
            Ok(pixel) => Some(pixel.encode()),
            Err(refusal) => {
                self.tally.reject(|| details(refusal));
                None
            }
        }
    }

    /// Keeps the start of a line, or rejects it when it gets too long.
    fn keep(&mut self, start: &[u8]) {
        if self.skipping {
            return;
        }
        if self.partial.len() + start.len() <= self.line_bytes_max {
            return self.partial.extend_from_slice(start);
        }
        self.partial.clear();
        self.skipping = true;
        self.reject_long();
    }

    fn reject_long(&mut self) {
        let most = self.line_bytes_max;
        self.tally.reject(|| Details::one(&Fault::TooLong(most), Location::Body, Input::Json("null")));
    }

    /// Takes the end of the line that earlier pieces began.
    fn finish_partial(&mut self, end: &[u8], lane: &mut Producer) -> bool {
        self.keep(end);
        if std::mem::take(&mut self.skipping) {
            return true;
        }
        let line = std::mem::take(&mut self.partial);
        let taken = self.line(&line, lane);
        self.partial = line;
        self.partial.clear();
        taken
    }
}

/// Takes JSON's white space off both ends of a line; ASCII has more.
fn trimmed(line: &[u8]) -> &[u8] {
    let is_other = |byte: &u8| !matches!(byte, b' ' | b'\t' | b'\r');
    let start = line.iter().position(is_other).unwrap_or(line.len());
    let end = line.iter().rposition(is_other).map_or(start, |last| last + 1);
    &line[start..end]
}

fn details(refusal: Refusal) -> Details {
    match refusal {
        Refusal::Malformed(details) | Refusal::Invalid(details) => details,
        Refusal::NotUtf8 => {
            Details::one(&Fault::JsonInvalid("not UTF-8"), Location::Character(0), Input::Json("{}"))
        }
    }
}

impl Upload for Lines {
    fn feed(&mut self, bytes: &[u8], lane: &mut Producer) -> Fed {
        if !self.release(lane) {
            return Fed::blocked(0);
        }
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            let taken = if self.skipping || !self.partial.is_empty() {
                self.finish_partial(line, lane)
            } else if line.len() > self.line_bytes_max {
                self.reject_long();
                true
            } else {
                self.line(line, lane)
            };
            if !taken {
                return Fed::blocked(bytes.len() - rest.len());
            }
        }
        self.keep(rest);
        Fed::all(bytes)
    }

    fn end(&mut self, lane: &mut Producer) -> Ended {
        if !self.release(lane) {
            return Ended::Paused(Pause::Lane);
        }
        if (self.skipping || !self.partial.is_empty()) && !self.finish_partial(&[], lane) {
            return Ended::Paused(Pause::Lane);
        }
        Ended::Done(self.tally.response())
    }

    fn stopped(&mut self, reason: Stop) -> Option<Response> {
        // The one that is held was counted, and is not in the lane.
        let accepted = self.tally.accepted() - u64::from(self.held.is_some());
        Some(self.tally.stopped(reason, accepted))
    }
}
