//! The publisher: this host's batches on their way into its stream of the log, in order, each message behind the one before.
//!
//! Go-back-N: any message that was refused or is late ends the flight. Then, after a pause, the log is asked for its last
//! message, what stands there behind the last one that was acknowledged is read back, and the rest is sent again behind
//! it. A pipelined compare alone proves little: where a message of an earlier connection took the place of the first
//! one under way, the second one is taken and the first one is not. So a message is kept when it was acknowledged
//! itself or was read back, and not because a later one was.
//!
//! A last message below one that was acknowledged proves nothing either: a server that is cut off answers too. Only
//! an append that is acknowledged at a number that was acknowledged before says that the log has forgotten something; what is
//! appended for that is its last message once more, so that no reader finds a gap.

use std::collections::VecDeque;

use super::calls::Calls;
use super::message::{self, Batch, stream_behind};
use super::patience::Patience;
use super::port::LogCall;
use crate::base::batch::{BATCH_HEADER_BYTES, BatchHeader};
use crate::base::ids::{Inc, Origin};
use crate::base::limits::{
    RELAY_FLIGHT_MAX, RELAY_MESSAGE_BYTES, RELAY_PAUSE_US_MAX, RELAY_PAUSE_US_MIN, RELAY_STALLED_US,
};
use crate::base::streams::Stream;

/// What came of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing new.
    Nothing,
    /// The log keeps these streams up to here.
    Kept(Vec<Stream>),
    /// The log has forgotten what it had acknowledged: this number is its last one now.
    Forgotten(u64),
    /// The stream has gone on, by this many messages, without this process.
    Overtaken(u64),
    /// Another process writes to it as this node, from a copy of the directory: records of this start.
    Copied(Origin),
}

/// The batches of one connection.
pub(super) struct Publisher {
    own: Origin,
    /// Taken from the host, not known to be kept; those under way first.
    queue: VecDeque<Queued>,
    flight: VecDeque<Flying>,
    /// Batches of the queue that are under way.
    flying: usize,
    /// The number of the last message that was sent.
    number: u64,
    /// The number of the last message that is known to be kept.
    kept: u64,
    recovery: Option<Recovery>,
    pause_us: u64,
    patience: Patience,
    /// Since when an answer is owed and no message was found to be kept.
    stalled_since_us: Option<u64>,
    flights_ended: u64,
}

struct Queued {
    batch: Batch,
    /// Pictures that have to be kept before: so many were begun when it came.
    pictures: u64,
}

struct Flying {
    token: u64,
    number: u64,
    batches: usize,
    is_full: bool,
    sent_us: u64,
    is_kept: bool,
}

/// How far the next message reaches.
struct Extent {
    /// The start of which all its batches are.
    inc: Inc,
    batches: usize,
    bytes: usize,
    /// No further batch may join it.
    is_full: bool,
}

/// What is done before the next flight.
enum Recovery {
    Pause { until_us: u64 },
    Tail { token: u64, late_us: u64 },
    ReadBack { token: u64, number: u64, to: u64, late_us: u64 },
    Probe { token: u64, number: u64, late_us: u64 },
}

impl Publisher {
    /// Returns the publisher of `own`, the node's current start. The last message in its stream of the log has the number
    /// `number`; `kept` is the greatest one that was ever known to be kept, `patience` what an earlier connection waited.
    pub(super) fn new(own: Origin, number: u64, kept: u64, patience: Patience, now_us: u64) -> Self {
        let mut publisher = Self {
            own,
            queue: VecDeque::new(),
            flight: VecDeque::new(),
            flying: 0,
            number,
            kept: kept.max(number),
            recovery: None,
            pause_us: RELAY_PAUSE_US_MIN,
            patience,
            stalled_since_us: None,
            flights_ended: 0,
        };
        if kept > number {
            // Either the log has forgotten something, or the one who was asked does not know better.
            publisher.recovery = Some(Recovery::Pause { until_us: now_us });
        }
        publisher
    }

    /// Takes a batch from the host, before which so many pictures were begun.
    pub(super) fn push(&mut self, header: BatchHeader, body: Vec<u8>, pictures: u64) {
        self.queue.push_back(Queued { batch: Batch { header, body }, pictures });
    }

    /// Returns the greatest number that is known to be kept.
    pub(super) fn kept(&self) -> u64 {
        self.kept
    }

    /// Returns how long the log's word to a message is waited for.
    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Returns the bytes of batches that the host has handed over and of which it is not known that the log keeps them; at most what
    /// the session lets through, 8 MiB and a batch.
    pub(super) fn unacked_bytes(&self) -> u64 {
        self.queue.iter().map(|queued| (BATCH_HEADER_BYTES + queued.batch.body.len()) as u64).sum()
    }

    /// Returns how many flights have ended before their time.
    pub(super) fn flights_ended(&self) -> u64 {
        self.flights_ended
    }

    /// Returns whether an answer of the log is owed.
    pub(super) fn is_waiting(&self) -> bool {
        !self.flight.is_empty() || self.recovery.is_some()
    }

    /// Returns whether nothing was kept for so long that another server may do better: one that is cut off from the others answers
    /// questions and keeps nothing. The time then begins anew.
    pub(super) fn has_stalled(&mut self, now_us: u64) -> bool {
        let since_us = self.stalled_since_us.take();
        let has_stalled = since_us.is_some_and(|since_us| now_us >= since_us + RELAY_STALLED_US);
        self.stalled_since_us = match since_us {
            _ if !self.is_waiting() => None,
            Some(since_us) if !has_stalled => Some(since_us),
            _ => Some(now_us),
        };
        has_stalled
    }

    /// Does what is due and sends what may be: `pictures_kept` pictures are kept.
    pub(super) fn turn(&mut self, pictures_kept: u64, calls: &mut Calls, now_us: u64) {
        if self.deadline().is_some_and(|due_us| due_us <= now_us) {
            match self.recovery {
                Some(Recovery::Pause { .. }) => self.ask_tail(calls, now_us),
                _ => {
                    self.patience.missed();
                    self.end_flight(now_us);
                }
            }
        }
        while self.recovery.is_none() && self.flight.len() < RELAY_FLIGHT_MAX {
            let Some(next) = self.next_message(pictures_kept) else { return };
            // What is committed meanwhile goes with the next one, as in a group commit: each message makes every server sync.
            if !next.is_full && self.flight.iter().any(|flying| !flying.is_full && !flying.is_kept) {
                return;
            }
            let message = self.pack(&next);
            let Extent { inc, batches, is_full, .. } = next;
            let (token, after) = (calls.token(), self.number);
            self.number += 1;
            self.flying += batches;
            let number = self.number;
            self.flight.push_back(Flying {
                token,
                number,
                batches,
                is_full,
                sent_us: now_us,
                is_kept: false,
            });
            calls.push(LogCall::Append { token, after, inc, message });
        }
    }

    /// Returns when the next turn is due, microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        match self.recovery {
            Some(Recovery::Pause { until_us }) => Some(until_us),
            Some(
                Recovery::Tail { late_us, .. }
                | Recovery::ReadBack { late_us, .. }
                | Recovery::Probe { late_us, .. },
            ) => Some(late_us),
            None => self.flight.front().map(|first| first.sent_us + self.patience.us()),
        }
    }

    /// Returns the next message's extent: batches of one start, as many as may be; nothing if no batch may go.
    fn next_message(&self, pictures_kept: u64) -> Option<Extent> {
        let waiting = self.queue.range(self.flying..);
        let first = waiting.clone().next().filter(|first| first.pictures <= pictures_kept)?;
        let mut extent = Extent { inc: first.batch.header.origin.inc, batches: 0, bytes: 0, is_full: false };
        for queued in waiting {
            let bytes = extent.bytes + BATCH_HEADER_BYTES + queued.batch.body.len();
            if queued.batch.header.origin.inc != extent.inc
                || queued.pictures > pictures_kept
                || (extent.batches > 0 && bytes > RELAY_MESSAGE_BYTES)
            {
                extent.is_full = true;
                break;
            }
            (extent.batches, extent.bytes) = (extent.batches + 1, bytes);
        }
        extent.is_full |= extent.bytes >= RELAY_MESSAGE_BYTES;
        Some(extent)
    }

    /// Packs the next message.
    fn pack(&self, extent: &Extent) -> Vec<u8> {
        let mut message = Vec::with_capacity(extent.bytes);
        for Queued { batch, .. } in self.queue.range(self.flying..).take(extent.batches) {
            message::push(&mut message, &batch.header, &batch.body);
        }
        message
    }

    /// Takes it that a message was appended.
    pub(super) fn appended(&mut self, token: u64, number: u64, now_us: u64) -> Outcome {
        match self.recovery {
            Some(Recovery::Probe { token: probe, number: due, .. }) if probe == token && due == number => {
                (self.number, self.kept, self.recovery) = (number, number, None);
                return Outcome::Forgotten(number);
            }
            Some(Recovery::Probe { token: probe, .. }) if probe == token => {
                self.end_flight(now_us);
                return Outcome::Nothing;
            }
            _ => {}
        }
        let Some(flying) = self.flight.iter_mut().find(|flying| flying.token == token) else {
            return Outcome::Nothing;
        };
        if flying.number != number {
            self.end_flight(now_us);
            return Outcome::Nothing;
        }
        flying.is_kept = true;
        self.patience.heard(now_us.saturating_sub(flying.sent_us));
        let mut kept = Vec::new();
        while self.flight.front().is_some_and(|first| first.is_kept) {
            let Some(first) = self.flight.pop_front() else { break };
            self.flying -= first.batches;
            self.kept = self.kept.max(first.number);
            kept.extend(self.queue.drain(..first.batches).map(|queued| stream_behind(&queued.batch.header)));
        }
        self.pause_us = RELAY_PAUSE_US_MIN;
        self.stalled_since_us = None;
        if kept.is_empty() { Outcome::Nothing } else { Outcome::Kept(kept) }
    }

    /// Takes it that a message was refused.
    pub(super) fn refused(&mut self, token: u64, now_us: u64) {
        let is_probe = matches!(self.recovery, Some(Recovery::Probe { token: probe, .. }) if probe == token);
        if is_probe || self.flight.iter().any(|flying| flying.token == token) {
            self.end_flight(now_us);
        }
    }

    /// Ends the flight; a pause comes first.
    fn end_flight(&mut self, now_us: u64) {
        self.flights_ended += 1;
        self.flight.clear();
        self.flying = 0;
        self.recovery = Some(Recovery::Pause { until_us: now_us + self.pause_us });
        self.pause_us = (2 * self.pause_us).min(RELAY_PAUSE_US_MAX);
    }

    fn ask_tail(&mut self, calls: &mut Calls, now_us: u64) {
        let (token, node) = (calls.token(), self.own.node);
        calls.push(LogCall::Tail { token, node });
        self.recovery = Some(Recovery::Tail { token, late_us: now_us + self.patience.us() });
    }

    /// Takes the last message of the stream, if it was asked for with this token. The oldest that is kept has the number
    /// `first`; the next one if none is.
    pub(super) fn tail(
        &mut self,
        token: u64,
        first: u64,
        last: Option<&(u64, Vec<u8>)>,
        calls: &mut Calls,
        now_us: u64,
    ) -> Outcome {
        if !matches!(self.recovery, Some(Recovery::Tail { token: asked, .. }) if asked == token) {
            return Outcome::Nothing;
        }
        let number = last.map_or(first.saturating_sub(1), |(number, _)| *number);
        if number < self.kept {
            let (token, message) = (calls.token(), last.map_or(Vec::new(), |(_, message)| message.clone()));
            let inc = match message::end(self.own.node, &message) {
                Ok(Some(stream)) => stream.origin.inc,
                _ => self.own.inc,
            };
            calls.push(LogCall::Append { token, after: number, inc, message });
            let late_us = now_us + self.patience.us();
            self.recovery = Some(Recovery::Probe { token, number: number + 1, late_us });
            return Outcome::Nothing;
        }
        if number - self.kept > 2 * RELAY_FLIGHT_MAX as u64 {
            return Outcome::Overtaken(number - self.kept);
        }
        self.read_back(self.kept, number, calls, now_us);
        Outcome::Nothing
    }

    /// Reads back what stands behind the message `kept` up to `to`, one message after the other; then the rest goes again.
    fn read_back(&mut self, kept: u64, to: u64, calls: &mut Calls, now_us: u64) {
        if kept >= to {
            (self.number, self.kept, self.recovery) = (to, to, None);
            return;
        }
        let (token, node, number) = (calls.token(), self.own.node, kept + 1);
        calls.push(LogCall::Find { token, node, number });
        self.recovery = Some(Recovery::ReadBack { token, number, to, late_us: now_us + self.patience.us() });
    }

    /// Takes a message that is read back, if it was asked for with this token.
    pub(super) fn found(
        &mut self,
        token: u64,
        message: Option<&(u64, Vec<u8>)>,
        calls: &mut Calls,
        now_us: u64,
    ) -> Outcome {
        let Some(Recovery::ReadBack { token: asked, number, to, .. }) = self.recovery else {
            return Outcome::Nothing;
        };
        if asked != token {
            return Outcome::Nothing;
        }
        let Some((at, message)) = message.filter(|(at, _)| (number..=to).contains(at)) else {
            // It is not there any more, as little as what stood behind it.
            self.read_back(to, to, calls, now_us);
            return Outcome::Nothing;
        };
        let mut kept = Vec::new();
        for batch in message::batches(self.own.node, message).unwrap_or_default() {
            match self.match_first(&batch.header) {
                Ok(true) => {
                    self.queue.pop_front();
                    kept.push(stream_behind(&batch.header));
                }
                Ok(false) => {}
                Err(origin) => return Outcome::Copied(origin),
            }
        }
        self.read_back(*at, to, calls, now_us);
        if kept.is_empty() {
            return Outcome::Nothing;
        }
        self.pause_us = RELAY_PAUSE_US_MIN;
        self.stalled_since_us = None;
        Outcome::Kept(kept)
    }

    /// Returns whether a batch of the log is the first one of the queue.
    ///
    /// # Errors
    /// Returns the origin of one that no process on this directory can have made.
    fn match_first(&self, found: &BatchHeader) -> Result<bool, Origin> {
        if is_foreign(self.own, found.origin) {
            return Err(found.origin);
        }
        let same = |queued: &&Queued| {
            let header = &queued.batch.header;
            header.origin == found.origin && header.first_seq == found.first_seq
        };
        match self.queue.iter().find(same) {
            Some(queued) if queued.batch.header.chain != found.chain => Err(found.origin),
            _ => Ok(self.queue.front().is_some_and(|first| first.batch.header == *found)),
        }
    }
}

/// Returns whether a start of this node can't be one of this directory: starts are numbered, and `own` is the current one.
pub(super) fn is_foreign(own: Origin, other: Origin) -> bool {
    let has_numbers = own.inc.is_numbered() && other.inc.is_numbered();
    other.node == own.node && other.inc != own.inc && has_numbers && other.inc.number() >= own.inc.number()
}
