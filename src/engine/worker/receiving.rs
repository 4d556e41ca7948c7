//! A body on its way to its application: what that had no room or no time for is kept, and nothing more is read
//! meanwhile.

use super::held::Asked;
use crate::app::upload::{Ended, Fed, Hold, Pause, Upload};
use crate::http::refusal::Refusal;
use crate::http::response::Response;
use crate::log::lane::Producer;

/// A streamed body and the application that takes it.
pub struct Receiving {
    /// Away while a job thread works on it.
    upload: Option<Box<dyn Upload>>,
    /// What the upload held when it went away.
    held_bytes: usize,
    /// The request.
    pub asked: Asked,
    /// What was not taken.
    rest: Vec<u8>,
    pause: Option<Pause>,
    /// The body is complete.
    ended: bool,
    /// Some of it is in the lane.
    has_logged: bool,
    answer: Option<(Response, Option<Hold>)>,
}

impl Receiving {
    /// Begins a body of which nothing has arrived.
    #[must_use]
    pub fn new(upload: Box<dyn Upload>, asked: Asked) -> Self {
        Self {
            upload: Some(upload),
            held_bytes: 0,
            asked,
            rest: Vec::new(),
            pause: None,
            ended: false,
            has_logged: false,
            answer: None,
        }
    }

    /// Returns what is waited for.
    #[must_use]
    pub fn pause(&self) -> Option<Pause> {
        self.pause
    }

    /// Returns whether pieces of it are logged as they come, or some are already; an upload that keeps them until its end logs
    /// nothing before.
    #[must_use]
    pub fn is_logging(&self) -> bool {
        self.has_logged || self.upload_bytes() == 0
    }

    /// Returns whether some of it is in the lane: only then is there anything that an answer has to wait for.
    #[must_use]
    pub fn has_logged(&self) -> bool {
        self.has_logged
    }

    /// Bytes held for it.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.rest.capacity() + self.upload_bytes()
    }

    fn upload_bytes(&self) -> usize {
        self.upload.as_ref().map_or(self.held_bytes, |upload| upload.buffered_bytes())
    }

    /// Takes a piece of the body. It may be given during a pause: it waits behind what waits already.
    pub fn feed(&mut self, bytes: &[u8], lane: &mut Producer) {
        debug_assert!(!self.ended, "nothing follows the end");
        let consumed = if self.pause.is_none() { self.give(bytes, lane) } else { 0 };
        self.rest.extend_from_slice(&bytes[consumed..]);
    }

    /// Has the body wait as if the lane were full.
    pub fn wait_for_lane(&mut self) {
        self.pause.get_or_insert(Pause::Lane);
    }

    /// Takes the end of the body.
    pub fn end(&mut self, lane: &mut Producer) {
        self.ended = true;
        if self.pause.is_none() {
            self.finish(lane);
        }
    }

    /// Tries again what found no room in the lane.
    pub fn retry(&mut self, lane: &mut Producer) {
        if self.pause == Some(Pause::Lane) {
            self.resume(lane);
        }
    }

    /// Gives the upload away, to be worked on, if that is what is waited for and it has not gone yet.
    pub fn take_work(&mut self) -> Option<Box<dyn Upload>> {
        let upload = if self.pause == Some(Pause::Work) { self.upload.take() } else { None };
        self.held_bytes = upload.as_ref().map_or(self.held_bytes, |upload| upload.buffered_bytes());
        upload
    }

    /// Takes the upload back from its work; [`Receiving::retry`] goes on with it.
    pub fn give_back(&mut self, upload: Box<dyn Upload>) {
        debug_assert!(self.upload.is_none() && self.pause == Some(Pause::Work));
        self.upload = Some(upload);
        self.pause = Some(Pause::Lane);
    }

    /// Returns the upload's answer to a body that is not read any further, if it has one of its own.
    pub fn stopped(&mut self, reason: Refusal) -> Option<Response> {
        self.upload.as_mut()?.stopped(reason)
    }

    /// Returns the answer, once every record is in the lane.
    pub fn take_answer(&mut self) -> Option<(Response, Option<Hold>)> {
        self.answer.take()
    }

    fn resume(&mut self, lane: &mut Producer) {
        self.pause = None;
        let mut rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            let consumed = self.give(&rest, lane);
            rest.drain(..consumed);
            self.rest = rest;
        }
        if self.ended && self.pause.is_none() {
            self.finish(lane);
        }
    }

    /// Gives bytes to the upload; gives how many it took.
    fn give(&mut self, bytes: &[u8], lane: &mut Producer) -> usize {
        let Some(upload) = &mut self.upload else { return 0 };
        let before = lane.position();
        let Fed { consumed, pause } = upload.feed(bytes, lane);
        self.has_logged |= lane.position() != before;
        debug_assert!(pause.is_some() || consumed == bytes.len(), "only a pause leaves something");
        self.pause = pause;
        consumed
    }

    fn finish(&mut self, lane: &mut Producer) {
        debug_assert!(self.ended && self.rest.is_empty());
        let Some(upload) = &mut self.upload else { return };
        let before = lane.position();
        let ended = upload.end(lane);
        self.has_logged |= lane.position() != before;
        match ended {
            Ended::Paused(pause) => self.pause = Some(pause),
            Ended::Done(response) => self.answer = Some((response, None)),
            Ended::Holding(response, hold) => self.answer = Some((response, Some(hold))),
        }
    }
}
