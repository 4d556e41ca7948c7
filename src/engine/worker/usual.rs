//! The usual answers, rendered once per second: what a request of an express lane is answered, many times in a row, so that the
//! answers to a pipelined read leave with one send and without being copied first.

use crate::base::durability::Durability;
use crate::base::limits::Limits;
use crate::http::caching::Caching;
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
    /// Returns the answer with `body`, as JSON, to a write that was kept at `durability`.
    #[must_use]
    pub fn new(body: &'static str, durability: Durability, limits: &Limits) -> Self {
        Self {
            body,
            durability,
            bytes: Vec::new(),
            each: 0,
            copies: limits.pipeline_requests.max(1),
            second: u64::MAX,
        }
    }

    /// Returns how many answers [`UsualAnswer::times`] gives at most.
    #[must_use]
    pub fn copies(&self) -> u32 {
        self.copies as u32
    }

    /// Returns the bytes of `count` answers, at most [`UsualAnswer::copies`].
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
            // The pages that a browser loads say it: a write need not.
            hsts: None,
        };
        let response = Response::new(200, "application/json", self.body).kept_by(Caching::Unsaid);
        self.bytes.clear();
        for _ in 0..self.copies {
            let rest = response::write(&response, &context, &mut self.bytes);
            debug_assert!(rest.is_none(), "an owned body is copied");
        }
        self.each = self.bytes.len() / self.copies;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_whole_and_renewed_with_the_second() {
        let limits = Limits { pipeline_requests: 3, ..Limits::default() };
        let mut usual = UsualAnswer::new("{}", Durability::Disk, &limits);
        let first = usual.times(1, 7, b"Sun, 06 Nov 1994 08:49:37 GMT").to_vec();
        assert!(first.starts_with(b"HTTP/1.1 200 OK\r\n") && first.ends_with(b"\r\n\r\n{}"));
        assert_eq!(usual.times(3, 7, b"not looked at in this second "), [&*first, &first, &first].concat());
        assert_eq!(usual.copies(), 3);
        let later = usual.times(1, 8, b"Sun, 06 Nov 1994 08:49:38 GMT").to_vec();
        assert!(later != first && later.len() == first.len());
    }
}
