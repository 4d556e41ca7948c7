//! The usual answers, rendered once per second: what a stored pixel is answered, many times in a row, so that the
//! answers to a pipelined read leave with one send and without being copied first.

use crate::base::durability::Durability;
use crate::base::limits::Limits;
use crate::http::request::Version;
use crate::http::response::{self, HeadContext, Response};

/// One express route's usual answer.
pub struct UsualAnswer {
    body: &'static str,
    durability: Durability,
    /// The answer, `copies` times.
    bytes: Vec<u8>,
    /// Bytes of one answer.
    each: usize,
    copies: usize,
    /// The second its Date field names.
    second: u64,
}

impl UsualAnswer {
    /// The answer with `body`, as JSON, to a write that was kept at `durability`.
    #[must_use]
    pub fn new(body: &'static str, durability: Durability, limits: &Limits) -> Self {
        Self {
            body,
            durability,
            bytes: Vec::new(),
            each: 0,
            copies: limits.pipeline_requests,
            second: u64::MAX,
        }
    }

    /// The bytes of `count` answers; `count` is at most the limit of pipelined requests.
    pub fn times(&mut self, count: u32, second: u64, date: &[u8; 29]) -> &[u8] {
        debug_assert!(count as usize <= self.copies, "a connection holds no more than the limit");
        if self.second != second {
            self.render(date);
            self.second = second;
        }
        &self.bytes[..count as usize * self.each]
    }

    fn render(&mut self, date: &[u8; 29]) {
        let context = HeadContext {
            version: Version::Http11,
            keep_alive: true,
            head_only: false,
            date,
            durability: Some(self.durability),
        };
        let response = Response::new(200, "application/json", self.body);
        self.bytes.clear();
        for _ in 0..self.copies {
            response::write(&response, &context, &mut self.bytes);
        }
        self.each = self.bytes.len() / self.copies;
    }
}
