//! What the relay has to know of the log before its host may connect: the last message of the host's stream, and how far the
//! log was seen to have what this process has made; for a newcomer, where the others' streams end.

use std::collections::{BTreeMap, BTreeSet};

use super::calls::Calls;
use super::message::{self, stream_behind};
use super::port::LogCall;
use crate::base::batch::first_chain;
use crate::base::ids::{ClusterId, NodeId, Origin};
use crate::base::limits::{RELAY_FLIGHT_MAX, RELAY_LATE_US};
use crate::base::streams::Stream;

/// The last message of a stream.
#[derive(Clone, Copy)]
pub(super) struct Tail {
    /// The number of the oldest message.
    first: u64,
    /// The number of the newest message.
    pub(super) number: u64,
    /// Where it ends; nothing if it carries no batches or is damaged.
    pub(super) end: Option<Stream>,
}

/// What was asked and found between two connections.
pub(super) struct Preparing {
    host: Origin,
    is_joining: bool,
    /// Last messages that were asked for, by the calls' tokens.
    asked: BTreeMap<u64, NodeId>,
    /// What stands behind the last message that is known to be kept is read back: the call's token, the message's number, the last
    /// one's.
    reading: Option<(u64, u64, u64)>,
    late_us: u64,
    /// How long an answer is waited for at first, and now: twice as long with each try, until all is known.
    least_us: u64,
    wait_us: u64,
    tails: BTreeMap<NodeId, Tail>,
    /// Up to here the log was seen to have the stream that this process makes: a last message alone does not say that
    /// all before it are there.
    seen: Stream,
}

impl Preparing {
    /// Returns the preparation of the first connection of `host`. An answer is waited for `least_us` at least, a second at most.
    pub(super) fn new(cluster: ClusterId, host: Origin, is_joining: bool, least_us: u64) -> Self {
        Self {
            host,
            is_joining,
            asked: BTreeMap::new(),
            reading: None,
            late_us: 0,
            least_us,
            wait_us: least_us,
            tails: BTreeMap::new(),
            seen: Stream { origin: host, seq: 0, chain: first_chain(cluster, host) },
        }
    }

    /// Forgets what was asked and found, but what was seen: the log can't be reached.
    pub(super) fn clear(&mut self) {
        self.asked.clear();
        self.tails.clear();
        self.reading = None;
        self.wait_us = self.least_us;
    }

    /// Notes what a connection has seen.
    pub(super) fn note_seen(&mut self, seen: Stream) {
        if seen.seq > self.seen.seq {
            self.seen = seen;
        }
    }

    /// Returns whether the log owes an answer without which nobody can connect.
    pub(super) fn is_asking(&self) -> bool {
        !self.asked.is_empty() || self.reading.is_some()
    }

    /// Returns when an answer is late, microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.is_asking().then_some(self.late_us)
    }

    /// Returns whether all is known.
    pub(super) fn is_ready(&self, nodes: &BTreeSet<NodeId>) -> bool {
        let has = |node: &NodeId| self.tails.contains_key(node);
        has(&self.host.node) && self.reading.is_none() && (!self.is_joining || nodes.iter().all(has))
    }

    /// Returns the end of the host's stream, and where those of others end; what is found for one connection is not good for
    /// another one.
    pub(super) fn take(&mut self) -> (Tail, Vec<Stream>) {
        self.wait_us = self.least_us;
        let mut tails = std::mem::take(&mut self.tails);
        let mut own = tails.remove(&self.host.node).unwrap_or(Tail { first: 1, number: 0, end: None });
        if own.end.is_some_and(|end| end.origin == self.host) {
            own.end = Some(self.seen);
        }
        (own, tails.into_values().filter_map(|tail| tail.end).collect())
    }

    /// Returns whether some stream has lost its oldest messages; a newcomer's relay has looked at all of them.
    pub(super) fn is_window(&self) -> bool {
        self.tails.values().any(|tail| tail.first > 1)
    }

    /// Asks for what is not known.
    pub(super) fn ask(&mut self, nodes: &BTreeSet<NodeId>, calls: &mut Calls, now_us: u64) {
        if self.is_asking() && now_us < self.late_us {
            return;
        }
        if self.is_asking() {
            self.wait_us = (2 * self.wait_us).min(RELAY_LATE_US);
        }
        self.asked.clear();
        if self.reading.take().is_some() {
            self.tails.remove(&self.host.node);
        }
        let others = nodes.iter().filter(|node| self.is_joining && **node != self.host.node);
        for &node in others.chain([&self.host.node]).filter(|node| !self.tails.contains_key(node)) {
            let token = calls.token();
            calls.push(LogCall::Tail { token, node });
            self.asked.insert(token, node);
        }
        self.late_us = now_us + self.wait_us;
    }

    /// Takes the last message of a stream, if it was asked for with this token; whether it was. `kept` is the greatest number of
    /// the host's stream that is known to be kept.
    pub(super) fn tail(
        &mut self,
        (token, first): (u64, u64),
        last: Option<&(u64, Vec<u8>)>,
        kept: u64,
        calls: &mut Calls,
        now_us: u64,
    ) -> bool {
        let Some(node) = self.asked.remove(&token) else { return false };
        let none = Tail { first, number: first.saturating_sub(1), end: None };
        let tail = last.map_or(none, |(number, bytes)| Tail {
            first,
            number: *number,
            end: message::end(node, bytes).unwrap_or(None),
        });
        self.tails.insert(node, tail);
        if node == self.host.node {
            self.read_back(kept, calls, now_us);
        }
        true
    }

    /// Reads back what stands in the host's stream behind the message `at`, if the last one is of this process: what was under way
    /// when the last connection ended.
    fn read_back(&mut self, at: u64, calls: &mut Calls, now_us: u64) {
        let Some(tail) = self.tails.get(&self.host.node) else { return };
        let is_ours = tail.end.is_some_and(|end| end.origin == self.host);
        let to = tail.number;
        if !is_ours || at >= to || to - at > 2 * RELAY_FLIGHT_MAX as u64 {
            return;
        }
        let (token, node, number) = (calls.token(), self.host.node, at + 1);
        calls.push(LogCall::Find { token, node, number });
        self.reading = Some((token, number, to));
        self.late_us = now_us + self.wait_us;
    }

    /// Takes a message that is read back, if it was asked for with this token; whether it was.
    pub(super) fn found(
        &mut self,
        token: u64,
        message: Option<&(u64, Vec<u8>)>,
        calls: &mut Calls,
        now_us: u64,
    ) -> bool {
        let Some((_, number, to)) = self.reading.take_if(|(asked, ..)| *asked == token) else { return false };
        let found = message.filter(|(at, _)| (number..=to).contains(at));
        for batch in
            found.and_then(|(_, bytes)| message::batches(self.host.node, bytes).ok()).unwrap_or_default()
        {
            let header = batch.header;
            let is_next = header.origin == self.host && header.first_seq == self.seen.seq + 1;
            if is_next && header.chain == header.link(self.seen.chain) {
                self.seen = stream_behind(&header);
            }
        }
        self.read_back(found.map_or(to, |(at, _)| *at), calls, now_us);
        true
    }
}
