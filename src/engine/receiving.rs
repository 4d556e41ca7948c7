//! A body on its way into the lane: what the lane had no room for is kept, and nothing more is read meanwhile.

use super::held::Asked;
use crate::apps::upload::{Ended, Upload};
use crate::http::response::Response;
use crate::log::lane::Producer;

/// A streamed body and the application that takes it.
pub struct Receiving {
    upload: Box<dyn Upload>,
    /// The request.
    pub asked: Asked,
    /// What the lane had no room for.
    rest: Vec<u8>,
    blocked: bool,
    /// The body is complete.
    ended: bool,
    answer: Option<Response>,
}

impl Receiving {
    /// Nothing of the body has arrived.
    #[must_use]
    pub fn new(upload: Box<dyn Upload>, asked: Asked) -> Self {
        Self { upload, asked, rest: Vec::new(), blocked: false, ended: false, answer: None }
    }

    /// Whether the lane is waited for.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether pieces of it are logged as they come; an upload that keeps them until its end logs all or nothing.
    #[must_use]
    pub fn is_logging(&self) -> bool {
        self.upload.buffered_bytes() == 0
    }

    /// Bytes held for it.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.rest.capacity() + self.upload.buffered_bytes()
    }

    /// Takes a piece of the body. It may be given while the lane is full: it waits behind what waits already.
    pub fn feed(&mut self, bytes: &[u8], lane: &mut Producer) {
        debug_assert!(!self.ended, "nothing follows the end");
        if self.blocked {
            self.rest.extend_from_slice(bytes);
            return;
        }
        let fed = self.upload.feed(bytes, lane);
        debug_assert!(fed.is_blocked || fed.consumed == bytes.len());
        self.blocked = fed.is_blocked;
        self.rest.extend_from_slice(&bytes[fed.consumed..]);
    }

    /// The body is complete.
    pub fn end(&mut self, lane: &mut Producer) {
        self.ended = true;
        if !self.blocked {
            self.finish(lane);
        }
    }

    /// The lane may have room again.
    pub fn retry(&mut self, lane: &mut Producer) {
        self.blocked = false;
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            let fed = self.upload.feed(&rest, lane);
            self.blocked = fed.is_blocked;
            self.rest = rest;
            self.rest.drain(..fed.consumed);
        }
        if self.ended && !self.blocked {
            self.finish(lane);
        }
    }

    /// The answer, once every record is in the lane.
    pub fn take_answer(&mut self) -> Option<Response> {
        self.answer.take()
    }

    fn finish(&mut self, lane: &mut Producer) {
        debug_assert!(self.ended && self.rest.is_empty());
        match self.upload.end(lane) {
            Ended::Blocked => self.blocked = true,
            Ended::Done(response) => self.answer = Some(response),
        }
    }
}
