//! Answers at `both`: committed here, held until the peer has them durably, or until their time is up.
//!
//! Nothing here blocks: a peer that is slow or away costs the connections that asked for it, and no other.

use std::sync::atomic::Ordering;

use super::Worker;
use super::awaiting::Waiter;
use super::held::{AnswerFraming, Held, LateAnswer};
use super::read::Fate;
use super::route;
use crate::base::durability::Durability;
use crate::http::request::Version;

impl Worker {
    /// Holds an answer that is committed here, until the peer has what is committed now. The time counts from when the
    /// request was read.
    pub(super) fn await_peer(&mut self, position: u64, held: Held) {
        let Some(peering) = &self.shared.peering else {
            unreachable!("a server without a peer takes no write at `both`");
        };
        let seq = peering.own_committed.load(Ordering::Acquire);
        let due_us = held.read_us + self.shared.durability_timeout_us;
        if self.awaiting.first().is_none() {
            self.side().await_peer(true);
            self.set_timer(due_us.div_ceil(1_000));
        }
        self.awaiting.push(Waiter { seq, position, due_us, held });
        self.reconsider_express();
    }

    /// Answers the writes that the peer has by now, and those whose time is up.
    pub(super) fn take_shipped(&mut self) {
        if self.awaiting.first().is_none() {
            return;
        }
        let (mut read_us, mut samples) = (self.now_us, 0);
        while self.has_shipped_news()
            || self.awaiting.first().is_some_and(|first| first.due_us <= self.now_us)
        {
            let has_it = self.has_shipped_news();
            let Some(waiter) = self.awaiting.pop() else { break };
            if waiter.held.read_us != read_us {
                self.record_peer_wait(read_us, samples);
                (read_us, samples) = (waiter.held.read_us, 0);
            }
            samples += u64::from(waiter.held.count);
            if has_it {
                self.hand_over(waiter.held);
            } else {
                self.give_up_on_peer(waiter);
            }
        }
        self.record_peer_wait(read_us, samples);
        if self.awaiting.first().is_none() {
            self.side().await_peer(false);
        }
        self.reconsider_express();
    }

    fn record_peer_wait(&self, read_us: u64, samples: u64) {
        if samples > 0 {
            self.metrics().peer_wait_us.record(self.now_us - read_us, samples);
        }
    }

    /// Whether so many writes wait that no more are taken at `both`.
    pub(super) fn is_peer_behind(&self) -> bool {
        self.awaiting.requests() >= self.limits.peer_waiters
    }

    /// Somebody waits at `both`: batches go to the peer as they come.
    pub(super) fn hurry_link(&self) {
        if let Some(peering) = &self.shared.peering {
            peering.bell.hurry();
        }
    }

    /// Whether both hosts have what the first answer waits for.
    pub(super) fn has_shipped_news(&self) -> bool {
        let Some(first) = self.awaiting.first() else { return false };
        let has_it = |seq| self.shared.peering.as_ref().is_some_and(|p| p.standing.own_durable() >= seq);
        has_it(first.seq) && self.is_synced(first)
    }

    fn is_synced(&self, waiter: &Waiter) -> bool {
        self.reached == Durability::Disk || waiter.position <= self.shared.synced.load(Ordering::Acquire)
    }

    /// The time is up: says what was reached. Nothing that is logged is taken back.
    fn give_up_on_peer(&mut self, waiter: Waiter) {
        let level = if self.is_synced(&waiter) { Durability::Disk } else { self.reached };
        let Waiter { held, .. } = waiter;
        let usual = AnswerFraming { version: Version::Http11, keep_alive: true, head_only: false };
        let (framing, route) =
            held.late.as_ref().map_or((usual, held.route), |late| (late.asked.framing, late.asked.route));
        let response = match held.late.as_ref().map(|late| &late.answer) {
            Some(LateAnswer::Partial(response)) => response.clone(),
            _ => route::peer_late(),
        };
        self.metrics().peer_late.add(u64::from(held.count));
        self.with(held.key, |worker, connection| {
            connection.settle_held(held.count);
            for _ in 0..held.count {
                worker.put(held.key, connection, &response, framing, route, Some(level));
            }
            Fate::Stays
        });
    }
}
