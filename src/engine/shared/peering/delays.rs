//! Delays: how long this host's batches take from their commit here to the peer's disk.

use std::collections::VecDeque;

use crate::base::batch::BatchHeader;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::limits::DELAYS_MAX;

#[derive(Clone, Copy)]
struct Sent {
    last_seq: Seq,
    time_us: u64,
    end: Position,
}

/// Batches of this process's stream that were sent and are not known to be durable at the peer.
#[derive(Default)]
pub struct Delays {
    under_way: VecDeque<Sent>,
    /// Everything before this place of the journal was sent, or need not be.
    reached: Position,
    /// The peer has everything before this place durably.
    acked: Position,
}

impl Delays {
    /// Notes that a batch was sent whose frame ends at `end`; only those of `own` are timed.
    pub fn sent(&mut self, header: &BatchHeader, own: Origin, end: Position) {
        if header.origin == own && self.under_way.len() < DELAYS_MAX {
            let (last_seq, time_us) = (header.last_seq(), header.time_us);
            self.under_way.push_back(Sent { last_seq, time_us, end });
        }
    }

    /// Notes that everything before `position` was sent, or need not be.
    pub fn reach(&mut self, position: Position) {
        self.reached = position;
        self.settle();
    }

    /// Notes that the peer has this process's stream durably up to `seq`, at `wall_us` microseconds since 1970; gives each batch's
    /// delay in microseconds to `each`.
    pub fn acked(&mut self, seq: Seq, wall_us: u64, mut each: impl FnMut(u64)) {
        while let Some(first) = self.under_way.front().filter(|first| first.last_seq <= seq) {
            each(wall_us.saturating_sub(first.time_us));
            self.acked = first.end;
            self.under_way.pop_front();
        }
        self.settle();
    }

    /// Forgets all when the session is over: what was under way is sent again, if at all.
    pub fn clear(&mut self) {
        self.reached = self.acked;
        self.under_way.clear();
    }

    /// Returns when the oldest batch was made that is not durable at the peer, microseconds since 1970.
    #[must_use]
    pub fn oldest_us(&self) -> Option<u64> {
        self.under_way.front().map(|first| first.time_us)
    }

    /// Returns the place before which everything was sent, or need not be.
    #[must_use]
    pub fn reached(&self) -> Position {
        self.reached
    }

    /// Returns the place before which the peer has all of the journal.
    #[must_use]
    pub fn acked_before(&self) -> Position {
        self.acked
    }

    /// Moves on when nothing is under way: then the peer has all that was reached.
    fn settle(&mut self) {
        if self.under_way.is_empty() {
            self.acked = self.reached;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId};

    #[test]
    fn each_batch_is_timed_once_from_its_own_time() {
        let own = Origin { node: NodeId(1), inc: Inc(1) };
        let other = Origin { node: NodeId(2), inc: Inc(1) };
        let header =
            |origin, first_seq, time_us| BatchHeader::seal(origin, first_seq, 2, time_us, 0, b"0123456789");
        let mut delays = Delays::default();
        delays.sent(&header(own, 1, 100), own, Position(10));
        delays.sent(&header(other, 1, 150), own, Position(20));
        delays.sent(&header(own, 3, 200), own, Position(30));
        delays.reach(Position(40));
        let mut seen = Vec::new();
        delays.acked(1, 500, |us| seen.push(us));
        assert_eq!((seen.len(), delays.oldest_us(), delays.acked_before()), (0, Some(100), Position(0)));
        delays.acked(3, 500, |us| seen.push(us));
        assert_eq!((delays.oldest_us(), delays.acked_before()), (Some(200), Position(10)));
        delays.acked(4, 100, |us| seen.push(us));
        assert_eq!(seen, [400, 0], "a clock that was set back gives no delay");
        assert_eq!((delays.oldest_us(), delays.acked_before()), (None, Position(40)));
        delays.sent(&header(own, 5, 300), own, Position(50));
        delays.reach(Position(50));
        delays.clear();
        assert_eq!((delays.oldest_us(), delays.reached()), (None, Position(40)), "it is sent again");
    }
}
