//! Times in which a thread of the generator did nothing although it had to: it was stopped, swapped out, or had no CPU.
//!
//! A request that was due then left late, and an answer that came then was read late: what such a run says of latency is partly
//! said of the generator. Its turns come at least every [`EXPIRE_EVERY_NS`](super::EXPIRE_EVERY_NS), so a longer gap shows it, whatever the load is.

/// The longest time between two turns that is not a stall, nanoseconds: a turn's wait, rounded up to a millisecond, and its work.
const GAP_NS_MAX: u64 = 25_000_000;

/// The stalls of one thread within the measured part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stalls {
    /// How many there were.
    pub count: u64,
    /// Their sum, nanoseconds.
    pub total_ns: u64,
    /// The longest one, nanoseconds.
    pub longest_ns: u64,
}

impl Stalls {
    /// Adds those of another time or thread.
    pub fn add(&mut self, more: Self) {
        self.count += more.count;
        self.total_ns += more.total_ns;
        self.longest_ns = self.longest_ns.max(more.longest_ns);
    }

    /// Counts the time between two turns of which the measured part has `gap_ns`.
    pub(super) fn note(&mut self, gap_ns: u64) {
        if gap_ns > GAP_NS_MAX {
            self.add(Self { count: 1, total_ns: gap_ns, longest_ns: gap_ns });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_waits_do_not_count_and_long_ones_add_up() {
        let mut stalls = Stalls::default();
        for gap_ns in [0, 11_000_000, GAP_NS_MAX] {
            stalls.note(gap_ns);
        }
        assert_eq!(stalls, Stalls::default());
        stalls.note(500_000_000);
        stalls.note(30_000_000);
        assert_eq!(stalls, Stalls { count: 2, total_ns: 530_000_000, longest_ns: 500_000_000 });
    }
}
