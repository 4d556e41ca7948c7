//! Request bodies that are taken as they come in.

use std::any::Any;

use crate::http::refusal::Refusal;
use crate::http::response::Response;
use crate::log::lane::Producer;

/// Why an upload takes nothing for the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The lane is full: give the rest once it has room.
    Lane,
    /// It has something to do that a worker must not wait for: call [`Upload::work`] on a job thread first.
    Work,
}

/// What an upload made of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Bytes that need not be given again.
    pub consumed: usize,
    /// Why it stopped there, if it did.
    pub pause: Option<Pause>,
}

impl Fed {
    /// Says that all of `bytes` were taken.
    #[must_use]
    pub fn all(bytes: &[u8]) -> Self {
        Self { consumed: bytes.len(), pause: None }
    }

    /// Says that the lane is full after `consumed` bytes.
    #[must_use]
    pub fn blocked(consumed: usize) -> Self {
        Self { consumed, pause: Some(Pause::Lane) }
    }

    /// Says that there is work to be done after `consumed` bytes.
    #[must_use]
    pub fn work(consumed: usize) -> Self {
        Self { consumed, pause: Some(Pause::Work) }
    }
}

/// Something that is kept until an answer's records are applied, for what its end does: a blob's pin.
pub type Hold = Box<dyn Any + Send>;

/// What an upload made of its end.
pub enum Ended {
    /// Not yet: ask again once the lane has room, or the work is done.
    Paused(Pause),
    /// The answer, to be given once all records are kept that were put into the lane.
    Done(Response),
    /// The same, and what is to be kept until those records are applied.
    Holding(Response, Hold),
}

/// A request body that is taken as it comes in. Each call does an amount of work in proportion to its bytes.
pub trait Upload: Send {
    /// Takes the next bytes of the body, at most [`crate::base::limits::READ_TURN_BYTES_MAX`] of them.
    fn feed(&mut self, bytes: &[u8], lane: &mut Producer) -> Fed;

    /// Returns the tags of the records that it may log, but for short ones: it is refused while the peer does not know one of them.
    fn kinds(&self) -> &'static [u8] {
        &[]
    }

    /// Returns the bytes held in memory until the end of the body.
    fn buffered_bytes(&self) -> usize {
        0
    }

    /// Does what [`Pause::Work`] asked for; may wait for the disk. Called on a job thread.
    fn work(&mut self) {}

    /// Takes the end of the body. After [`Ended::Paused`] it is called again.
    fn end(&mut self, lane: &mut Producer) -> Ended;

    /// Answers a body that is not read any further, for `reason`; nothing where the route's usual refusal does. An upload
    /// that logs before its end has to say how much of it is in the lane: this answer waits for that. It is the last call.
    fn stopped(&mut self, _reason: Refusal) -> Option<Response> {
        None
    }
}

/// Reads a body that is of no use, and answers behind it: a client that is still sending does not listen.
pub struct Unwanted {
    response: Option<Response>,
}

impl Unwanted {
    /// Gives this answer in the end.
    #[must_use]
    pub fn new(response: Response) -> Self {
        Self { response: Some(response) }
    }
}

impl Upload for Unwanted {
    fn feed(&mut self, bytes: &[u8], _lane: &mut Producer) -> Fed {
        Fed::all(bytes)
    }

    fn end(&mut self, _lane: &mut Producer) -> Ended {
        Ended::Done(self.response.take().unwrap_or_else(|| Response::new(400, "", "")))
    }

    /// Returns the answer that the head was given if the body is too long: it does not depend on the body's length.
    fn stopped(&mut self, reason: Refusal) -> Option<Response> {
        if reason.status == 413 { self.response.take() } else { None }
    }
}
