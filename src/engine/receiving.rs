//! A body on its way to its application: what that had no room or no time for is kept, and nothing more is read
//! meanwhile.

use super::held::Asked;
use crate::apps::upload::{Ended, Fed, Hold, Pause, Upload};
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
    answer: Option<(Response, Option<Hold>)>,
}

impl Receiving {
    /// Nothing of the body has arrived.
    #[must_use]
    pub fn new(upload: Box<dyn Upload>, asked: Asked) -> Self {
        let upload = Some(upload);
        Self { upload, held_bytes: 0, asked, rest: Vec::new(), pause: None, ended: false, answer: None }
    }

    /// What is waited for.
    #[must_use]
    pub fn pause(&self) -> Option<Pause> {
        self.pause
    }

    /// Whether pieces of it are logged as they come; an upload that keeps them until its end logs all or nothing.
    #[must_use]
    pub fn is_logging(&self) -> bool {
        self.upload_bytes() == 0
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
        match &mut self.upload {
            Some(upload) if self.pause.is_none() => {
                let fed = upload.feed(bytes, lane);
                self.take_note(fed, bytes.len());
                self.rest.extend_from_slice(&bytes[fed.consumed..]);
            }
            _ => self.rest.extend_from_slice(bytes),
        }
    }

    /// The body is complete.
    pub fn end(&mut self, lane: &mut Producer) {
        self.ended = true;
        if self.pause.is_none() {
            self.finish(lane);
        }
    }

    /// The lane may have room again.
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

    /// Takes the upload back from its work.
    pub fn give_back(&mut self, upload: Box<dyn Upload>, lane: &mut Producer) {
        debug_assert!(self.upload.is_none() && self.pause == Some(Pause::Work));
        self.upload = Some(upload);
        self.resume(lane);
    }

    /// The answer, once every record is in the lane.
    pub fn take_answer(&mut self) -> Option<(Response, Option<Hold>)> {
        self.answer.take()
    }

    fn resume(&mut self, lane: &mut Producer) {
        self.pause = None;
        let mut rest = std::mem::take(&mut self.rest);
        if let Some(upload) = self.upload.as_mut().filter(|_| !rest.is_empty()) {
            let fed = upload.feed(&rest, lane);
            self.take_note(fed, rest.len());
            rest.drain(..fed.consumed);
            self.rest = rest;
        }
        if self.ended && self.pause.is_none() {
            self.finish(lane);
        }
    }

    fn take_note(&mut self, fed: Fed, given: usize) {
        debug_assert!(fed.pause.is_some() || fed.consumed == given, "only a pause leaves something");
        self.pause = fed.pause;
    }

    fn finish(&mut self, lane: &mut Producer) {
        debug_assert!(self.ended && self.rest.is_empty());
        let Some(upload) = &mut self.upload else { return };
        match upload.end(lane) {
            Ended::Paused(pause) => self.pause = Some(pause),
            Ended::Done(response) => self.answer = Some((response, None)),
            Ended::Holding(response, hold) => self.answer = Some((response, Some(hold))),
        }
    }
}
