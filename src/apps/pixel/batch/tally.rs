//! What became of a batch's pixels, and the answer that says so.

use serde_json::Value;

use crate::app::answer;
use crate::apps::pixel::detail::Details;
use crate::apps::pixel::limits::BATCH_REJECTS_MAX;
use crate::http::refusal::Refusal;
use crate::http::response::Response;

/// Bytes of details after which further ones are counted only: inputs are echoed, and may be long.
const DETAIL_BYTES_MAX: usize = 1024 * 1024;

/// Counts of a batch, and the details of what was rejected.
#[derive(Debug, Default)]
pub struct Tally {
    accepted: u64,
    rejected: u64,
    /// Entries of the answer's list, with commas between them.
    entries: Vec<u8>,
    entries_count: usize,
}

impl Tally {
    /// Returns the number of the next pixel in the batch, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.accepted + self.rejected
    }

    /// Counts pixels that are taken.
    pub fn accept(&mut self, pixels: u64) {
        self.accepted += pixels;
    }

    /// Counts one that is not; `details` is asked for only while there is room for it.
    pub fn reject(&mut self, details: impl FnOnce() -> Details) {
        let index = self.index();
        self.rejected += 1;
        if self.entries_count == BATCH_REJECTS_MAX || self.entries.len() > DETAIL_BYTES_MAX {
            return;
        }
        if self.entries_count > 0 {
            self.entries.push(b',');
        }
        self.entries_count += 1;
        self.entries.extend_from_slice(format!("{{\"index\":{index},\"detail\":").as_bytes());
        details().write_list(&mut self.entries);
        self.entries.push(b'}');
    }

    /// Returns the answer: 200 if all were taken, 207 if some, 422 if none.
    #[must_use]
    pub fn response(&mut self) -> Response {
        let status = match (self.accepted, self.rejected) {
            (_, 0) => 200,
            (0, _) => 422,
            _ => 207,
        };
        let mut body = format!("{{\"accepted\":{},", self.accepted).into_bytes();
        self.write_rejected(&mut body);
        body.push(b'}');
        answer::json(status, body)
    }

    /// Returns the answer to a batch of which `accepted` pixels were taken before it was stopped, for `reason`. That and what was
    /// rejected tell together where the client goes on.
    #[must_use]
    pub fn stopped(&mut self, reason: Refusal, accepted: u64) -> Response {
        let Refusal { status, reason } = reason;
        let outcome = match accepted {
            0 => "nothing was stored".to_owned(),
            1 => "1 pixel is stored: send only what comes after it".to_owned(),
            _ => format!("{accepted} pixels are stored: send only what comes after them"),
        };
        let detail = Value::from(format!("{reason}; {outcome}"));
        let mut body = format!("{{\"detail\":{detail},\"accepted\":{accepted}").into_bytes();
        if self.rejected > 0 {
            body.push(b',');
            self.write_rejected(&mut body);
        }
        body.push(b'}');
        answer::json(status, body)
    }

    /// Pixels that were taken.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    fn write_rejected(&mut self, body: &mut Vec<u8>) {
        body.extend_from_slice(b"\"rejected\":[");
        body.append(&mut self.entries);
        body.push(b']');
        if self.rejected > self.entries_count as u64 {
            body.extend_from_slice(format!(",\"rejected_total\":{}", self.rejected).as_bytes());
        }
    }
}
