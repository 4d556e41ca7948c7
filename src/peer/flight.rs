//! What was sent and is not acknowledged yet, oldest first. Both sides keep one: the sender to stay within the window,
//! the receiver to hold it to that.

use std::collections::VecDeque;

use crate::base::ids::{Origin, Seq};

/// Batches under way.
#[derive(Default)]
pub struct Flight {
    batches: VecDeque<Sent>,
    bytes: usize,
}

struct Sent {
    origin: Origin,
    last_seq: Seq,
    bytes: usize,
}

impl Flight {
    /// Adds a batch of `bytes` bytes that ends with `last_seq`.
    pub fn push(&mut self, origin: Origin, last_seq: Seq, bytes: usize) {
        self.batches.push_back(Sent { origin, last_seq, bytes });
        self.bytes += bytes;
    }

    /// Bytes under way.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes out batches from the oldest on, as long as `received` covers them: the number up to which a stream was
    /// received. Batches are received in the order in which they were sent, so one that is not covered stands before
    /// others that aren't either.
    pub fn settle(&mut self, received: impl Fn(Origin) -> Seq) {
        while let Some(oldest) = self.batches.front()
            && received(oldest.origin) >= oldest.last_seq
        {
            self.bytes -= oldest.bytes;
            self.batches.pop_front();
        }
    }

    /// Takes out every batch of a stream: the receiver has thrown them away.
    pub fn forget(&mut self, origin: Origin) {
        self.batches.retain(|sent| sent.origin != origin);
        self.bytes = self.batches.iter().map(|sent| sent.bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId};

    #[test]
    fn counts_what_is_under_way() {
        let [a, b] = [1, 2].map(|node| Origin { node: NodeId(node), inc: Inc(1) });
        let mut flight = Flight::default();
        for (origin, last_seq, bytes) in [(a, 3, 10), (b, 1, 20), (a, 5, 40), (b, 2, 80)] {
            flight.push(origin, last_seq, bytes);
        }
        flight.settle(|origin| if origin == a { 4 } else { 0 });
        assert_eq!(flight.bytes(), 140);
        flight.settle(|origin| if origin == a { 5 } else { 1 });
        assert_eq!(flight.bytes(), 80);
        flight.push(a, 9, 160);
        flight.forget(b);
        assert_eq!(flight.bytes(), 160);
        flight.settle(|_| 9);
        assert!(flight.batches.is_empty() && flight.bytes() == 0);
    }
}
