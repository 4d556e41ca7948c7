//! Request bodies that are taken as they come in.

use crate::http::response::Response;
use crate::log::lane::Producer;

/// What an upload made of a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fed {
    /// Bytes that need not be given again.
    pub consumed: usize,
    /// The lane is full: give the rest once it has room.
    pub is_blocked: bool,
}

impl Fed {
    /// All of `bytes` were taken.
    #[must_use]
    pub fn all(bytes: &[u8]) -> Self {
        Self { consumed: bytes.len(), is_blocked: false }
    }

    /// The lane is full after `consumed` bytes.
    #[must_use]
    pub fn blocked(consumed: usize) -> Self {
        Self { consumed, is_blocked: true }
    }
}

/// What an upload made of its end.
#[derive(Debug)]
pub enum Ended {
    /// The lane is full: ask again once it has room.
    Blocked,
    /// The answer, to be given once all records are kept that were put into the lane.
    Done(Response),
}

/// A request body that is taken as it comes in. Each call does an amount of work in proportion to its bytes.
pub trait Upload: Send {
    /// Takes the next bytes of the body, at most [`crate::base::limits::READ_TURN_BYTES_MAX`] of them.
    fn feed(&mut self, bytes: &[u8], lane: &mut Producer) -> Fed;

    /// Bytes held in memory until the end of the body.
    fn buffered_bytes(&self) -> usize {
        0
    }

    /// Takes the end of the body. After [`Ended::Blocked`] it is called again.
    fn end(&mut self, lane: &mut Producer) -> Ended;
}
