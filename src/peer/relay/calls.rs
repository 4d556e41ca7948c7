//! Calls to the log on their way out.

use std::collections::VecDeque;

use super::port::LogCall;

/// Calls in order, and the tokens that name them.
#[derive(Default)]
pub(super) struct Calls {
    waiting: VecDeque<LogCall>,
    tokens: u64,
}

impl Calls {
    /// Returns a token that no call has had.
    pub(super) fn token(&mut self) -> u64 {
        self.tokens += 1;
        self.tokens
    }

    /// Adds a call.
    pub(super) fn push(&mut self, call: LogCall) {
        self.waiting.push_back(call);
    }

    /// Takes the oldest call.
    pub(super) fn next(&mut self) -> Option<LogCall> {
        self.waiting.pop_front()
    }

    /// Forgets the calls that were not taken: the log can't be reached.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }
}
