//! How milliseconds are spread.

use std::fmt;

/// Times beyond this are counted as this long.
const MOST_MS: usize = 60_000;

/// Counts of milliseconds.
#[derive(Default)]
pub struct Spread {
    counts: Vec<u64>,
    total: u64,
}

impl Spread {
    /// Counts a time.
    pub fn add(&mut self, ms: u64) {
        let at = usize::try_from(ms).map_or(MOST_MS, |ms| ms.min(MOST_MS));
        if self.counts.len() <= at {
            self.counts.resize(at + 1, 0);
        }
        self.counts[at] += 1;
        self.total += 1;
    }

    /// Returns the time that so much of all takes at most, milliseconds.
    fn percentile(&self, percent: u64) -> usize {
        let wanted = (self.total * percent).div_ceil(100);
        let mut seen = 0;
        self.counts
            .iter()
            .position(|count| {
                seen += count;
                seen >= wanted
            })
            .unwrap_or(0)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, most] = [50, 99, 100].map(|percent| self.percentile(percent));
        write!(f, "{{\"p50\":{p50},\"p99\":{p99},\"max\":{most}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_counted() {
        let mut spread = Spread::default();
        assert_eq!(spread.to_string(), "{\"p50\":0,\"p99\":0,\"max\":0}");
        (1..=200).for_each(|ms| spread.add(ms));
        spread.add(1 << 40);
        assert_eq!(spread.to_string(), "{\"p50\":101,\"p99\":199,\"max\":60000}");
    }
}
