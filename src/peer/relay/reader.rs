//! The reader of one node's stream in the log: it looks for the first message that holds anything the host lacks, and
//! follows from there.
//!
//! Messages are in the order of the batches in them, as far as a log keeps its word, so the place is found by halving: a
//! message behind one whose batches the host all has, and which has others itself, is a place from which nothing
//! is passed over. Whether that is so is not taken on trust: each batch is judged by its number and chain.

use std::collections::VecDeque;

use super::calls::Calls;
use super::message::{self, Batch};
use super::port::LogCall;
use crate::base::ids::{NodeId, Origin, Seq};
use crate::base::limits::{RELAY_LATE_US, RELAY_PAUSE_US_MAX, RELAY_PAUSE_US_MIN};

/// What is read of one node.
pub(super) struct Reader {
    node: NodeId,
    phase: Phase,
    /// Where reading ends, for a stream that is not followed for good.
    ends_at: Option<u64>,
    is_bounded: bool,
    waiting: VecDeque<Item>,
    /// The record from which on the stream is missing, before what waits first.
    gap: Option<(Origin, Seq)>,
    pause_us: u64,
    damaged: u64,
}

/// How far it has come.
enum Phase {
    Pause {
        until_us: u64,
    },
    Tail {
        token: u64,
        late_us: u64,
    },
    /// Between a message that the host has, or the one before the oldest, and one that it has not.
    Search {
        token: u64,
        had: u64,
        lacked: u64,
        late_us: u64,
    },
    Follow {
        token: u64,
    },
    Done,
}

/// What waits to be handed to the host.
pub(super) enum Item {
    Batch(Batch),
    /// A message of so many bytes ends here.
    End {
        token: u64,
        bytes: usize,
    },
}

impl Reader {
    /// Returns the reader of a node's stream, which begins at once. A bounded one ends where the stream ends when it begins.
    pub(super) fn new(node: NodeId, is_bounded: bool, now_us: u64) -> Self {
        Self {
            node,
            phase: Phase::Pause { until_us: now_us },
            ends_at: None,
            is_bounded,
            waiting: VecDeque::new(),
            gap: None,
            pause_us: RELAY_PAUSE_US_MIN,
            damaged: 0,
        }
    }

    /// Looks for its place anew: another host has more than came.
    pub(super) fn begin_again(&mut self, now_us: u64) {
        if matches!(self.phase, Phase::Follow { .. } | Phase::Done) {
            self.phase = Phase::Pause { until_us: now_us };
        }
    }

    /// Returns messages that were damaged.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Returns the record that is missing before what waits first.
    pub(super) fn gap(&self) -> Option<(Origin, Seq)> {
        self.gap
    }

    /// Notes what is missing before what waits first.
    pub(super) fn set_gap(&mut self, gap: Option<(Origin, Seq)>) {
        self.gap = gap;
    }

    /// Returns what waits first.
    pub(super) fn first(&self) -> Option<&Item> {
        self.waiting.front()
    }

    /// Takes what waits first.
    pub(super) fn take_first(&mut self) -> Option<Item> {
        self.waiting.pop_front()
    }

    /// Returns when the next turn is due, microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        match self.phase {
            Phase::Pause { until_us } => Some(until_us),
            Phase::Tail { late_us, .. } | Phase::Search { late_us, .. } => Some(late_us),
            Phase::Follow { .. } | Phase::Done => None,
        }
    }

    /// Does what is due.
    pub(super) fn turn(&mut self, calls: &mut Calls, now_us: u64) {
        if self.deadline().is_none_or(|due_us| due_us > now_us) {
            return;
        }
        if let Phase::Pause { .. } = self.phase {
            let (token, node) = (calls.token(), self.node);
            calls.push(LogCall::Tail { token, node });
            self.phase = Phase::Tail { token, late_us: now_us + RELAY_LATE_US };
        } else {
            self.phase = Phase::Pause { until_us: now_us + self.pause_us };
            self.pause_us = (2 * self.pause_us).min(RELAY_PAUSE_US_MAX);
        }
    }

    /// Takes the end of the stream, if it was asked for with this token.
    pub(super) fn tail(
        &mut self,
        token: u64,
        first: u64,
        last: Option<&(u64, Vec<u8>)>,
        has: &impl Fn(Origin) -> Seq,
        calls: &mut Calls,
        now_us: u64,
    ) {
        if !matches!(self.phase, Phase::Tail { token: asked, .. } if asked == token) {
            return;
        }
        let before = first.saturating_sub(1);
        self.ends_at = last.map(|(number, _)| *number).filter(|_| self.is_bounded);
        match last {
            None if self.is_bounded => self.phase = Phase::Done,
            None => self.follow(before, calls),
            Some((number, message)) if self.is_had(message, has) => match self.is_bounded {
                true => self.phase = Phase::Done,
                false => self.follow(*number, calls),
            },
            Some((number, _)) => self.search(before, *number, calls, now_us),
        }
    }

    /// Takes the message that was looked for with this token.
    pub(super) fn found(
        &mut self,
        token: u64,
        message: Option<&(u64, Vec<u8>)>,
        has: &impl Fn(Origin) -> Seq,
        calls: &mut Calls,
        now_us: u64,
    ) {
        let Phase::Search { token: asked, had, lacked, .. } = self.phase else { return };
        if asked != token {
            return;
        }
        let middle = had.midpoint(lacked);
        match message {
            Some((number, message)) if *number < lacked && self.is_had(message, has) => {
                self.search(*number, lacked, calls, now_us);
            }
            _ => self.search(had, middle, calls, now_us),
        }
    }

    /// Looks between a message that the host has and one that it lacks, or follows when nothing lies between.
    fn search(&mut self, had: u64, lacked: u64, calls: &mut Calls, now_us: u64) {
        if lacked <= had + 1 {
            return self.follow(had, calls);
        }
        let (token, node, number) = (calls.token(), self.node, had.midpoint(lacked));
        calls.push(LogCall::Find { token, node, number });
        self.phase = Phase::Search { token, had, lacked, late_us: now_us + RELAY_LATE_US };
    }

    fn follow(&mut self, after: u64, calls: &mut Calls) {
        let (token, node) = (calls.token(), self.node);
        calls.push(LogCall::Follow { token, node, after });
        self.phase = Phase::Follow { token };
        (self.pause_us, self.gap) = (RELAY_PAUSE_US_MIN, None);
        self.waiting.clear();
    }

    /// Returns whether the host has all that is in a message; a damaged one says nothing.
    fn is_had(&self, message: &[u8], has: &impl Fn(Origin) -> Seq) -> bool {
        let end = message::end(self.node, message);
        end.is_ok_and(|end| end.is_none_or(|end| has(end.origin) >= end.seq))
    }

    /// Takes the next message, if it is of the call that is in force.
    pub(super) fn message(&mut self, token: u64, number: u64, bytes: &[u8], calls: &mut Calls) {
        if !matches!(self.phase, Phase::Follow { token: asked } if asked == token) {
            return;
        }
        match message::batches(self.node, bytes) {
            Ok(batches) => self.waiting.extend(batches.into_iter().map(Item::Batch)),
            // What is missing shows at the next one, or by what others have.
            Err(_) => self.damaged += 1,
        }
        self.waiting.push_back(Item::End { token, bytes: bytes.len() });
        if self.ends_at.is_some_and(|end| number >= end) {
            calls.push(LogCall::Unfollow { node: self.node });
            self.phase = Phase::Done;
        }
    }
}
