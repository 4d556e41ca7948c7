//! Answers that wait: for their commit, then for a sync of this host's disk or for the peer, if they ask for more.
//!
//! Nothing here blocks: a peer that is slow or away costs the connections that asked for it, and no other.

use std::collections::VecDeque;

use super::awaiting::{Awaiting, Waiter};
use super::connection::{Connection, Task};
use super::context::Context;
use super::held::{Held, HeldAnswers, Late, LateAnswer};
use super::route;
use crate::app::upload::Hold;
use crate::base::durability::Durability;
use crate::base::limits::Limits;

/// The answers of one worker that wait.
pub(super) struct Answers {
    held: HeldAnswers,
    /// The level that is reached when a write is committed: `memory`, or `disk` at every other one.
    reached: Durability,
    /// Writes that wait for a sync on a server at `memory`: the journal position they need on the disk.
    unsynced: VecDeque<(u64, Held)>,
    /// Writes that wait for the peer.
    awaiting: Awaiting,
    /// What records need that were answered before they were committed, with the lane's position behind each.
    overdue: Vec<(u64, Hold)>,
}

/// What the wait for the peer came to.
pub(super) enum Confirmation {
    /// The peer has the write.
    There(Held),
    /// The time is up: what was reached.
    Late(Held, Durability),
}

impl Answers {
    /// Makes the answers of a server at `level`.
    pub(super) fn new(level: Durability) -> Self {
        Self {
            held: HeldAnswers::default(),
            reached: level.min(Durability::Disk),
            unsynced: VecDeque::new(),
            awaiting: Awaiting::default(),
            overdue: Vec::new(),
        }
    }

    /// Holds `count` usual answers of the row `route` until the lane is committed up to `position`.
    #[inline]
    pub(super) fn hold_usual(
        &mut self,
        connection: &mut Connection,
        count: u32,
        route: usize,
        position: u64,
        context: &Context,
    ) {
        connection.held += count;
        let (key, read_us) = (connection.key, context.now.us());
        self.held.push(Held { key, count, position, read_us, route, late: None });
    }

    /// Holds any other answer until the lane is committed up to `position`.
    pub(super) fn hold(
        &mut self,
        connection: &mut Connection,
        late: Box<Late>,
        position: u64,
        context: &Context,
    ) {
        connection.held += 1;
        if late.asked.durability > context.shared.durability {
            connection.task = Task::Exceeding;
        }
        let (key, read_us, route) = (connection.key, context.now.us(), late.asked.route);
        self.held.push(Held { key, count: 1, position, read_us, route, late: Some(late) });
    }

    /// Returns whether an answer's records are all committed.
    #[inline]
    pub(super) fn is_due(&self, committed: u64) -> bool {
        self.held.is_due(committed)
    }

    /// Takes the next answer whose records are all committed.
    #[inline]
    pub(super) fn committed(&mut self, committed: u64) -> Option<Held> {
        self.held.pop(committed)
    }

    /// Returns whether an answer is the usual one, and its level is reached when its records are committed.
    #[inline]
    pub(super) fn is_usual(&self, held: &Held, context: &Context) -> bool {
        held.late.is_none() && context.shared.durability <= self.reached
    }

    /// Returns an answer whose records are committed, if its connection gets it now; else it is held until its level is reached.
    pub(super) fn due(&mut self, mut held: Held, context: &Context) -> Option<Held> {
        if let Some(late) = held.late.take() {
            held.late = Some(with_outcome(late, held.position, context));
        }
        let level = held.late.as_ref().map_or(context.shared.durability, |late| late.asked.durability);
        if level <= self.reached {
            return Some(held);
        }
        self.await_level(level, held, context);
        None
    }

    /// Holds the answer to a write that asked for more than a commit reaches here. It waits for a sync of what is committed now,
    /// or for the peer.
    fn await_level(&mut self, level: Durability, held: Held, context: &Context) {
        let shared = &context.shared;
        let mut needed = shared.metrics.commit.end_position.value();
        if self.reached == Durability::Memory {
            // A request that was met by what is applied this very moment is told of it before the counter moves.
            needed = needed.max(shared.applied.read().position.0);
            shared.reach.want_sync();
            shared.disk.wake();
        }
        match level {
            Durability::Both | Durability::Cluster => self.await_peer(needed, held, context),
            _ => self.unsynced.push_back((needed, held)),
        }
    }

    /// Holds an answer until the peer has what is committed now. The time counts from when the request was read.
    fn await_peer(&mut self, position: u64, held: Held, context: &Context) {
        let Some(peering) = &context.shared.peering else {
            unreachable!("a host that is alone takes no write at `both` or `cluster`");
        };
        let seq = peering.committed();
        let due_us = held.read_us + context.shared.durability_timeout_us;
        if !self.awaits_peer() {
            context.side().await_peer(true);
        }
        self.awaiting.push(Waiter { seq, position, due_us, held });
    }

    /// Takes the next write that waited for a sync and has it.
    #[inline]
    pub(super) fn synced(&mut self, context: &Context) -> Option<Held> {
        if !self.has_synced_news(context) {
            return None;
        }
        self.unsynced.pop_front().map(|(_, held)| held)
    }

    /// Returns whether a sync has covered a write that waits for one.
    #[inline]
    pub(super) fn has_synced_news(&self, context: &Context) -> bool {
        let synced = || context.shared.reach.synced();
        self.unsynced.front().is_some_and(|(needed, _)| *needed <= synced())
    }

    /// Returns whether an answer waits for the peer.
    #[inline]
    pub(super) fn awaits_peer(&self) -> bool {
        self.awaiting.first().is_some()
    }

    /// Returns when the time of the first one that waits for the peer is up, milliseconds of the worker's clock; the largest number
    /// if none does.
    #[inline]
    pub(super) fn peer_due_ms(&self) -> u64 {
        self.awaiting.first().map_or(u64::MAX, |first| first.due_us.div_ceil(1_000))
    }

    /// Takes the next write that the peer has by now, or whose time is up.
    pub(super) fn confirmed(&mut self, context: &Context) -> Option<Confirmation> {
        let has_it = self.has_shipped_news(context);
        let is_late = self.awaiting.first()?.due_us <= context.now.us();
        if !has_it && !is_late {
            return None;
        }
        let waiter = self.awaiting.pop()?;
        if !self.awaits_peer() {
            context.side().await_peer(false);
        }
        if has_it {
            return Some(Confirmation::There(waiter.held));
        }
        let level = if self.is_synced(&waiter, context) { Durability::Disk } else { self.reached };
        Some(Confirmation::Late(waiter.held, level))
    }

    /// Returns whether so many writes wait that no more are taken which would wait.
    pub(super) fn is_peer_behind(&self, limits: &Limits) -> bool {
        self.awaiting.requests() >= limits.peer_waiters
    }

    /// Returns whether both hosts have what the first answer waits for.
    #[inline]
    pub(super) fn has_shipped_news(&self, context: &Context) -> bool {
        let Some(first) = self.awaiting.first() else { return false };
        let has_it = |seq| context.shared.peering.as_ref().is_some_and(|peering| peering.has_durable(seq));
        has_it(first.seq) && self.is_synced(first, context)
    }

    fn is_synced(&self, waiter: &Waiter, context: &Context) -> bool {
        self.reached == Durability::Disk || waiter.position <= context.shared.reach.synced()
    }

    /// Lets go of what committed records needed that were answered before.
    pub(super) fn release_overdue(&mut self, committed: u64) {
        self.overdue.retain(|(position, _)| *position > committed);
    }

    /// Takes the next answer whose request was read before `before_us` and whose records are not committed: it is given
    /// without knowing what comes of them. A blob must stay until the record that names it is applied, answered or not.
    pub(super) fn overdue(&mut self, before_us: u64, committed: u64) -> Option<Held> {
        let mut held = self.held.pop_older(before_us, committed)?;
        if let Some(hold) = held.late.as_mut().and_then(|late| late.hold.take()) {
            self.overdue.push((held.position, hold));
        }
        Some(held)
    }
}

/// Adds what a command came to, which is only kept for the asking in the order of the lane.
fn with_outcome(mut late: Box<Late>, position: u64, context: &Context) -> Box<Late> {
    late.answer = match late.answer {
        LateAnswer::Command(then) => match context.side().outcomes.take(position) {
            Some(outcome) => LateAnswer::Applied(then, outcome),
            None => LateAnswer::Made(route::not_applied()),
        },
        answer => answer,
    };
    late
}
