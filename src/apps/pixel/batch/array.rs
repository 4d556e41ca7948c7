//! `application/json`: an array of pixels, taken whole or not at all when its syntax is broken.

use crate::app::answer;
use crate::app::upload::{Ended, Fed, Pause, Upload};
use crate::apps::pixel::body;
use crate::apps::pixel::detail::{Details, Fault, Input, Location};
use crate::apps::pixel::validate::{self, Refusal};
use crate::base::tag::SHORT_RECORD_BYTES;
use crate::http::refusal::Refusal as Stop;
use crate::http::response::Response;
use crate::log::lane::Producer;

use super::elements::{Elements, Event};
use super::tally::Tally;

/// An upload of one array. Elements are judged as they come in; their records wait for the end.
#[derive(Debug)]
pub struct Array {
    /// Longest element, bytes.
    element_bytes_max: usize,
    elements: Elements,
    /// The start of an element whose end has not come yet; before the array, the text so far.
    partial: Vec<u8>,
    records: Vec<u8>,
    /// Bytes of `records` that the lane has.
    pushed: usize,
    /// Bytes of the body seen.
    seen: usize,
    tally: Tally,
    refused: Option<Refused>,
}

/// Why the whole array is refused.
#[derive(Debug)]
enum Refused {
    Details(Details),
    NotUtf8,
    /// An element is longer than this.
    TooLong(usize),
    /// It doesn't begin as an array; what it is can be told at the end.
    NoArray,
}

impl Array {
    /// Returns an upload whose elements may have `element_bytes_max` bytes each.
    #[must_use]
    pub fn new(element_bytes_max: usize) -> Self {
        Self {
            element_bytes_max,
            elements: Elements::default(),
            partial: Vec::new(),
            records: Vec::new(),
            pushed: 0,
            seen: 0,
            tally: Tally::default(),
            refused: None,
        }
    }

    /// Refuses the whole array; what was read from it is given back.
    fn refuse(&mut self, why: Refused) {
        self.records = Vec::new();
        self.partial = Vec::new();
        self.refused = Some(why);
    }

    fn refuse_syntax(&mut self, reason: &str, at: usize) {
        let place = Location::Character(at);
        let details = Details::one(&Fault::JsonInvalid(reason), place, Input::Json("{}"));
        self.refuse(Refused::Details(details));
    }

    /// Judges an element, which starts at the byte `start` of the body.
    fn element(&mut self, text: &[u8], start: usize) {
        // It may stand before a whole text, and an element is not one.
        if text.starts_with("\u{FEFF}".as_bytes()) {
            return self.refuse_syntax("malformed element", start);
        }
        match body::read(text) {
            Ok(pixel) => {
                self.tally.accept(1);
                self.records.extend_from_slice(&pixel.encode());
            }
            Err(Refusal::Invalid(details)) => self.tally.reject(|| details),
            Err(Refusal::Malformed(_)) => self.refuse_syntax("malformed element", start),
            Err(Refusal::NotUtf8) => self.refuse(Refused::NotUtf8),
        }
    }

    fn keep(&mut self, part: &[u8]) {
        if self.partial.len() + part.len() > self.element_bytes_max {
            return self.refuse(Refused::TooLong(self.element_bytes_max));
        }
        self.partial.extend_from_slice(part);
    }

    /// Keeps text of what may be no array for the echo only, so that a single pixel sent here by mistake comes back; white space
    /// before it too, or the answer would depend on how the text was cut.
    fn keep_for_echo(&mut self, text: &[u8]) {
        let room = self.element_bytes_max - self.partial.len();
        self.partial.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn take(&mut self, event: Event, bytes: &[u8]) {
        match event {
            Event::Nothing => {}
            Event::Part => self.keep(bytes),
            Event::Element if self.partial.is_empty() && bytes.len() <= self.element_bytes_max => {
                self.element(bytes, self.seen);
            }
            Event::Element => {
                let start = self.seen - self.partial.len();
                self.keep(bytes);
                if self.refused.is_none() {
                    let text = std::mem::take(&mut self.partial);
                    self.element(&text, start);
                }
            }
            Event::Broken => self.refuse_syntax("not an array of objects", self.seen + bytes.len()),
        }
    }

    /// Returns what the body is, given that it is no array.
    fn no_array(&self) -> Response {
        if self.seen > self.partial.len() {
            let details = Details::one(&Fault::NoList, Location::Body, Input::Json("null"));
            return answer::json(422, details.body());
        }
        match validate::no_list(&self.partial) {
            Refusal::Malformed(details) | Refusal::Invalid(details) => answer::json(422, details.body()),
            Refusal::NotUtf8 => unparsable(),
        }
    }

    fn refusal(&self, why: &Refused) -> Response {
        match why {
            Refused::Details(details) => answer::json(422, details.body()),
            Refused::NotUtf8 => unparsable(),
            Refused::TooLong(most) => {
                answer::detail(413, &format!("An element of the array is longer than {most} bytes"))
            }
            Refused::NoArray => self.no_array(),
        }
    }
}

/// Returns the same refusal, which says that no pixel of the array was taken, as every answer to a batch says how many were.
fn none_accepted(refusal: &Response) -> Response {
    let members = refusal.body.strip_suffix(b"}").unwrap_or(&refusal.body);
    answer::json(refusal.status, [members, b",\"accepted\":0}"].concat())
}

/// Returns the answer to a body that is not UTF-8.
#[must_use]
pub fn unparsable() -> Response {
    answer::detail(400, "There was an error parsing the body")
}

impl Upload for Array {
    fn feed(&mut self, bytes: &[u8], _lane: &mut Producer) -> Fed {
        let mut rest = bytes;
        while !rest.is_empty() && self.refused.is_none() {
            let was_before = self.elements.is_before();
            let (event, end) = self.elements.next(rest);
            if event == Event::Broken && self.elements.is_before() {
                let begun = std::mem::take(&mut self.partial);
                self.refuse(Refused::NoArray);
                self.partial = begun;
                break;
            }
            if self.elements.is_before() {
                self.keep_for_echo(&rest[..end]);
            } else if was_before {
                self.partial.clear();
            }
            self.take(event, &rest[..end]);
            self.seen += end;
            rest = &rest[end..];
        }
        if matches!(self.refused, Some(Refused::NoArray)) {
            self.keep_for_echo(rest);
            self.seen += rest.len();
        }
        Fed::all(bytes)
    }

    fn buffered_bytes(&self) -> usize {
        self.partial.capacity() + self.records.capacity()
    }

    fn end(&mut self, lane: &mut Producer) -> Ended {
        if self.seen == 0 && self.refused.is_none() {
            self.refuse(Refused::NoArray);
        }
        if !self.elements.is_whole() && self.refused.is_none() {
            self.refuse_syntax("the array has no end", self.seen);
        }
        if let Some(why) = &self.refused {
            return Ended::Done(none_accepted(&self.refusal(why)));
        }
        while self.pushed < self.records.len() {
            let room = lane.free() / SHORT_RECORD_BYTES * SHORT_RECORD_BYTES;
            let end = self.records.len().min(self.pushed + room);
            if room == 0 || !lane.push(&self.records[self.pushed..end]) {
                return Ended::Paused(Pause::Lane);
            }
            self.pushed = end;
        }
        Ended::Done(self.tally.response())
    }

    /// Returns the answer that says how many pixels are stored: none before the end of the array has come.
    fn stopped(&mut self, reason: Stop) -> Option<Response> {
        let accepted = (self.pushed / SHORT_RECORD_BYTES) as u64;
        Some(self.tally.stopped(reason, accepted))
    }
}
