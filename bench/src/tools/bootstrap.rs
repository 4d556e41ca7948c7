//! Ratios of two sides with an interval: which differences are real, and which ones could not have been seen.
//!
//! The rounds of both sides are pairs (they ran one after the other, so the machine's drift hits both). Of the pairs'
//! log ratios the middle half is averaged, which one stalled round can't move, and resampled with replacement. Few
//! pairs make bootstrap intervals too narrow: their quantiles are moved outwards as Hesterberg (2015, "What Teachers
//! Should Know About the Bootstrap", section 4.2) derives from Student's t, and the interval is never narrower than
//! Yuen's (1974) for trimmed means.

use crate::scenario::random::Random;

/// Resamples of an interval.
const RESAMPLES: usize = 4_000;
/// Differences below this share are not called differences, whatever the interval: other runs would not repeat them.
const SMALLEST: f64 = 0.01;
/// Standard errors that a difference must have to be found four times in five at 95 % (1.96 + 0.84).
const DETECTABLE: f64 = 2.8;

/// Which direction is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Rates.
    Higher,
    /// Times and costs.
    Lower,
}

/// What a comparison says about the second side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Better than the first side.
    Faster,
    /// Worse than the first side.
    Slower,
    /// The interval holds 1, or the difference is below 1 %.
    NoDifference,
}

impl Outcome {
    /// Returns the words of the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Faster => "FASTER",
            Self::Slower => "SLOWER",
            Self::NoDifference => "NO DIFFERENCE",
        }
    }
}

/// A ratio, second side over first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The estimate.
    pub ratio: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Smallest difference, as a share, that these rounds would have shown four times in five.
    pub detectable: f64,
}

impl Ratio {
    /// Returns what it says.
    #[must_use]
    pub fn outcome(&self, better: Better) -> Outcome {
        let is_real = (self.low > 1.0 || self.high < 1.0) && (self.ratio - 1.0).abs() >= SMALLEST;
        match (is_real, better, self.ratio > 1.0) {
            (false, ..) => Outcome::NoDifference,
            (true, Better::Higher, true) | (true, Better::Lower, false) => Outcome::Faster,
            _ => Outcome::Slower,
        }
    }
}

/// Returns the ratio of paired rounds; `None` with fewer than three pairs or values that are not positive.
#[must_use]
pub fn paired(first: &[f64], second: &[f64]) -> Option<Ratio> {
    let logs: Vec<f64> = first.iter().zip(second).map(|(a, b)| (b / a).ln()).collect();
    if logs.len() < 3 || !logs.iter().all(|log| log.is_finite()) {
        return None;
    }
    let mut random = Random::new(0xB007);
    let n = logs.len();
    let draws = (0..RESAMPLES).map(|_| {
        let resample: Vec<f64> = (0..n).map(|_| logs[random.below(n as u64) as usize]).collect();
        middle_mean(resample)
    });
    Some(interval(middle_mean(logs.clone()), draws.collect(), n, yuen(&logs)))
}

/// Returns the ratio of two runs that were not interleaved, from their intervals; `None` with fewer than three intervals each.
#[must_use]
pub fn unpaired(first: &[f64], second: &[f64]) -> Option<Ratio> {
    let logs = |values: &[f64]| values.iter().map(|value| value.ln()).collect::<Vec<_>>();
    let (first, second) = (logs(first), logs(second));
    let n = first.len().min(second.len());
    if n < 3 || !first.iter().chain(&second).all(|log| log.is_finite()) {
        return None;
    }
    let mut random = Random::new(0xB007);
    let mut resample = |values: &[f64]| {
        middle_mean((0..values.len()).map(|_| values[random.below(values.len() as u64) as usize]).collect())
    };
    let draws = (0..RESAMPLES).map(|_| resample(&second) - resample(&first)).collect();
    let half_width = yuen(&first).hypot(yuen(&second));
    Some(interval(middle_mean(second.clone()) - middle_mean(first.clone()), draws, n, half_width))
}

/// Returns the ratio of the means of two runs that were not interleaved, for rates and tails: a stall and a tail are not in the
/// middle of the intervals, so none is cut off. `None` as for [`unpaired`].
#[must_use]
pub fn unpaired_means(first: &[f64], second: &[f64]) -> Option<Ratio> {
    let n = first.len().min(second.len());
    let is_known = first.iter().chain(second).all(|value| value.is_finite() && *value >= 0.0);
    if n < 3 || !is_known || mean(first) == 0.0 || mean(second) == 0.0 {
        return None;
    }
    let mut random = Random::new(0xB007);
    let mut resample = |values: &[f64]| {
        let draw = |_| values[random.below(values.len() as u64) as usize];
        mean(&(0..values.len()).map(draw).collect::<Vec<_>>()).ln()
    };
    let draws = (0..RESAMPLES).map(|_| resample(second) - resample(first)).collect();
    let half_width = student(n - 1) * relative_error(first).hypot(relative_error(second));
    Some(interval((mean(second) / mean(first)).ln(), draws, n, half_width))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the standard error of the mean as a share of it.
fn relative_error(values: &[f64]) -> f64 {
    let (n, mean) = (values.len() as f64, mean(values));
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / (n * (n - 1.0))).sqrt() / mean
}

fn interval(estimate: f64, mut draws: Vec<f64>, n: usize, half_width: f64) -> Ratio {
    draws.sort_by(f64::total_cmp);
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / draws.len() as f64;
    let tail = tail(n);
    let at = |share: f64| draws[((share * draws.len() as f64) as usize).min(draws.len() - 1)];
    Ratio {
        ratio: estimate.exp(),
        low: at(tail).min(estimate - half_width).exp(),
        high: at(1.0 - tail).max(estimate + half_width).exp(),
        detectable: (DETECTABLE * variance.sqrt()).exp() - 1.0,
    }
}

/// Returns the mean of the middle half: a quarter is cut off at both ends.
fn middle_mean(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let cut = values.len() / 4;
    let middle = &values[cut..values.len() - cut];
    middle.iter().sum::<f64>() / middle.len() as f64
}

/// Returns half of Yuen's 95 % interval of the middle mean, from the winsorized variance.
fn yuen(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (n, cut) = (sorted.len(), sorted.len() / 4);
    let (low, high) = (sorted[cut], sorted[n - 1 - cut]);
    let winsorized: Vec<f64> = sorted.iter().map(|value| value.clamp(low, high)).collect();
    let mean = winsorized.iter().sum::<f64>() / n as f64;
    let squares: f64 = winsorized.iter().map(|value| (value - mean).powi(2)).sum();
    let kept = (n - 2 * cut) as f64;
    student(n - 2 * cut - 1) * (squares / (kept * (kept - 1.0))).sqrt()
}

/// Returns the share to cut off at each end for 95 %: Phi(-sqrt(n/(n-1)) * t), t of Student with n-1 degrees of freedom.
fn tail(n: usize) -> f64 {
    normal_tail((n as f64 / (n - 1) as f64).sqrt() * student(n - 1))
}

/// Returns the 97.5 % quantile of Student's t, exact for few degrees of freedom, else Cornish and Fisher's expansion.
fn student(degrees: usize) -> f64 {
    let z: f64 = 1.959_964;
    let n = degrees as f64;
    match degrees {
        0 | 1 => 12.706,
        2 => 4.303,
        3 => 3.182,
        4 => 2.776,
        _ => {
            z + (z.powi(3) + z) / (4.0 * n)
                + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n.powi(2))
        }
    }
}

/// Returns P(Z > z) of the standard normal distribution (Abramowitz and Stegun 26.2.17; error below 1e-7).
fn normal_tail(z: f64) -> f64 {
    let k = 1.0 / (1.0 + 0.231_641_9 * z);
    let polynomial = k
        * (0.319_381_530
            + k * (-0.356_563_782 + k * (1.781_477_937 + k * (-1.821_255_978 + k * 1.330_274_429))));
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * polynomial
}

/// Returns the median; 0 of nothing.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds with 2 % of noise; one in ten is a stall that triples the value.
    fn rounds(random: &mut Random, n: usize, level: f64, stalls: bool) -> Vec<f64> {
        (0..n)
            .map(|_| {
                let noise: f64 = (0..12).map(|_| random.unit()).sum::<f64>() - 6.0;
                let stall = if stalls && random.below(10) == 0 { 3.0 } else { 1.0 };
                level * (1.0 + 0.02 * noise) * stall
            })
            .collect()
    }

    fn found(n: usize, level: f64, stalls: bool) -> usize {
        let mut random = Random::new(42);
        (0..200)
            .filter(|_| {
                let (a, b) = (rounds(&mut random, n, 1.0, stalls), rounds(&mut random, n, level, stalls));
                match paired(&a, &b).unwrap().outcome(Better::Lower) {
                    Outcome::Slower => true,
                    Outcome::Faster => level == 1.0,
                    Outcome::NoDifference => false,
                }
            })
            .count()
    }

    #[test]
    fn the_same_is_no_difference_at_least_19_times_in_20() {
        for (n, stalls) in [(6, false), (10, false), (20, true)] {
            let wrong = found(n, 1.0, stalls);
            assert!(wrong <= 10, "{n} rounds, stalls {stalls}: {wrong} of 200");
        }
    }

    #[test]
    fn five_percent_are_seen() {
        assert!(found(10, 1.05, false) >= 190, "{}", found(10, 1.05, false));
        // One round in ten stalls on either side: still seen in most comparisons of 20 rounds.
        assert!(found(20, 1.05, true) >= 120, "{}", found(20, 1.05, true));
    }

    #[test]
    fn outcomes_by_table() {
        let ratio = |ratio, low, high| Ratio { ratio, low, high, detectable: 0.0 };
        for (ratio, better, outcome) in [
            (ratio(1.1, 1.05, 1.15), Better::Higher, Outcome::Faster),
            (ratio(1.1, 1.05, 1.15), Better::Lower, Outcome::Slower),
            (ratio(0.9, 0.85, 0.95), Better::Higher, Outcome::Slower),
            (ratio(0.9, 0.85, 0.95), Better::Lower, Outcome::Faster),
            (ratio(1.1, 0.99, 1.2), Better::Lower, Outcome::NoDifference),
            (ratio(1.005, 1.001, 1.009), Better::Lower, Outcome::NoDifference),
        ] {
            assert_eq!(ratio.outcome(better), outcome, "{ratio:?}");
        }
    }

    #[test]
    fn too_little_is_not_compared() {
        assert_eq!(paired(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(paired(&[1.0, 0.0, 1.0], &[1.0, 1.0, 1.0]), None);
        assert_eq!(unpaired(&[1.0; 2], &[1.0; 9]), None);
        assert!((unpaired(&[1.0; 5], &[2.0; 5]).unwrap().ratio - 2.0).abs() < 1e-9);
    }

    #[test]
    fn tails_by_table() {
        let spikes =
            |often: usize| (0..20).map(|at| if at < often { 1_000.0 } else { 1.0 }).collect::<Vec<_>>();
        for (often, outcome) in [
            (0, Outcome::NoDifference),
            (1, Outcome::NoDifference),
            (8, Outcome::Slower),
            (20, Outcome::Slower),
        ] {
            let ratio = unpaired_means(&spikes(0), &spikes(often)).unwrap();
            assert_eq!(ratio.outcome(Better::Lower), outcome, "{often} of 20: {ratio:?}");
        }
        assert_eq!(unpaired(&spikes(0), &spikes(4)).unwrap().outcome(Better::Lower), Outcome::NoDifference);
        assert_eq!(unpaired_means(&[1.0; 2], &[1.0; 9]), None);
    }

    #[test]
    fn known_quantiles() {
        assert!((normal_tail(1.959_964) - 0.025).abs() < 1e-6);
        assert!(tail(1_000_000) > 0.0249 && tail(5) < 0.005, "{}", tail(5));
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 2.0]), median(&[])), (2.0, 3.0, 0.0));
    }
}
