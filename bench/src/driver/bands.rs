//! Latencies in bands of 1, 2 and 5 in each decade: as coarse as a histogram or a heat map for the eye needs them.

use hdrhistogram::Histogram;

/// Upper ends of all bands but the last, nanoseconds: 1 us to 100 s.
const EDGES_NS: [u64; 25] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
    20_000_000_000,
    50_000_000_000,
    100_000_000_000,
];
/// Number of bands.
pub const BANDS: usize = EDGES_NS.len() + 1;

/// How many requests had a latency of each band, the shortest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bands(pub [u64; BANDS]);

impl Bands {
    /// Counts a histogram of nanoseconds.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Self {
        let mut bands = Self::default();
        for value in histogram.iter_recorded() {
            let band = EDGES_NS.partition_point(|&edge| edge <= value.value_iterated_to());
            bands.0[band] += value.count_at_value();
        }
        bands
    }

    /// Returns the number of all requests.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Adds another one's numbers.
    pub fn merge(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, more)| *sum += more);
    }

    /// Returns the first and the last band that has requests; nothing if there are none.
    #[must_use]
    pub fn ends(&self) -> Option<(usize, usize)> {
        let first = self.0.iter().position(|&count| count > 0)?;
        Some((first, self.0.iter().rposition(|&count| count > 0)?))
    }
}

/// Returns the lower and the upper end of a band, nanoseconds; the last one has no upper end.
#[must_use]
pub fn edges_ns(band: usize) -> (u64, Option<u64>) {
    (if band == 0 { 0 } else { EDGES_NS[band - 1] }, EDGES_NS.get(band).copied())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::tally::histogram;

    #[test]
    fn each_value_is_in_the_band_that_holds_it() {
        let mut samples = histogram();
        let values = [1, 999, 1_500, 3_000_000, 99_000_000_000, 200_000_000_000];
        values.iter().for_each(|&ns| samples.record(ns).unwrap());
        let bands = Bands::of(&samples);
        assert_eq!((bands.total(), bands.ends()), (6, Some((0, BANDS - 1))));
        for ns in values {
            let band = (0..BANDS).find(|&band| edges_ns(band).1.is_none_or(|upper| ns < upper)).unwrap();
            assert!(edges_ns(band).0 <= ns && bands.0[band] > 0, "{ns}");
        }
        assert_eq!(Bands::of(&histogram()).ends(), None);
    }
}
