//! How long connections took to open: no latency of a request has that time in it.

use hdrhistogram::Histogram;

/// Longest time that is told apart, nanoseconds: a minute.
const TIME_NS_MAX: u64 = 60_000_000_000;

/// Times from the start of a connect until requests could be sent, nanoseconds with two significant digits.
#[derive(Clone, Debug)]
pub struct ConnectTimes(Histogram<u64>);

impl Default for ConnectTimes {
    fn default() -> Self {
        let empty = Histogram::new_with_bounds(1, TIME_NS_MAX, 2);
        Self(empty.expect("the bounds are constants that hdrhistogram accepts"))
    }
}

impl ConnectTimes {
    /// Takes over times with the bounds of [`ConnectTimes::histogram`].
    #[must_use]
    pub const fn of(times: Histogram<u64>) -> Self {
        Self(times)
    }

    /// Takes the time of one connection.
    pub fn took(&mut self, ns: u64) {
        self.0.saturating_record(ns.max(1));
    }

    /// Adds another one's times.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("all have the same bounds");
    }

    /// Returns the times.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_add_up_and_are_bounded() {
        let mut one = ConnectTimes::default();
        [0, 1_000_000, u64::MAX].into_iter().for_each(|ns| one.took(ns));
        let mut sum = ConnectTimes::default();
        sum.merge(&one);
        sum.merge(&one);
        assert_eq!((sum.histogram().len(), sum.histogram().min()), (6, 1));
        assert!((TIME_NS_MAX..TIME_NS_MAX * 2).contains(&sum.histogram().max()));
    }
}
