//! Orders that have left the memory before they were done here: since when they are known is in no run.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::places::Place as At;

use super::item::Order;

/// Since when orders are known here that are on the disk, microseconds of this process's monotonic clock. No part of the state.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Of those that were there when this state was restored.
    restored_us: u64,
    since: BTreeMap<At, u64>,
    /// When they are done.
    ends: BTreeSet<(u64, At)>,
}

impl Running {
    /// Returns it for a state that was restored at that time.
    #[must_use]
    pub fn since(restored_us: u64) -> Self {
        Self { restored_us, ..Self::default() }
    }

    /// Takes note of an order that leaves the memory at `clock_us`, and forgets those that are done by then.
    pub fn note(&mut self, order: &Order, clock_us: u64) {
        while let Some((_, done)) = self.ends.first().copied().filter(|(end_us, _)| *end_us <= clock_us) {
            self.ends.pop_first();
            self.since.remove(&done);
        }
        let end_us = order.here_us.saturating_add(order.takes_us());
        if order.is_live && end_us > clock_us {
            let at = (order.place.origin, order.place.seq);
            self.since.insert(at, order.here_us);
            self.ends.insert((end_us, at));
        }
    }

    /// Returns an order that was read as it would be if it had never left the memory.
    #[must_use]
    pub fn revived(&self, order: Order) -> Order {
        let since = self.since.get(&(order.place.origin, order.place.seq)).copied();
        Order { here_us: since.unwrap_or(self.restored_us), is_live: since.is_some(), ..order }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::toys::item::Now;
    use crate::apps::toys::place::Place;
    use crate::base::ids::{Inc, NodeId, Origin};

    #[test]
    fn an_order_that_left_the_memory_takes_as_long_as_one_that_stayed() {
        let place = |seq| Place { time_us: 90_000, origin: Origin { node: NodeId(1), inc: Inc(1) }, seq };
        let order = |seq, here_us, is_live| Order {
            place: place(seq),
            done_us: 95_000,
            here_us,
            is_live,
            fingerprint: [0; 16],
            product: "Kite".into(),
        };
        let mut running = Running::since(1_000);
        for (seq, here_us, is_live) in [(1, 1_000, false), (2, 7_000, true), (3, 2_000, true)] {
            let stayed = order(seq, here_us, is_live);
            running.note(&stayed, 7_500);
            let revived = running.revived(order(seq, 0, false));
            for (wall_us, clock_us) in
                [(0, 7_500), (91_000, 7_500), (0, 11_999), (0, 12_000), (99_000, 8_000)]
            {
                let now = Now { wall_us, clock_us };
                assert_eq!(revived.rest_us(90_000, now), stayed.rest_us(90_000, now), "{seq} {now:?}");
            }
        }
        assert_eq!((running.since.len(), running.ends.len()), (1, 1), "one is not done");
        running.note(&order(4, 0, false), 12_000);
        assert_eq!((running.since.len(), running.ends.len()), (0, 0));
    }
}
