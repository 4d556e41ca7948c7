//! What a comparison says in the end: which figures were judged and what of, and whose errors forbid a verdict.
//!
//! A closed loop is judged by the server's CPU and the rate, an open one, whose rate is given, by CPU, rate and its tail. What is
//! slower in one of them is slower: a server that saves CPU and lets one in a hundred wait is not the faster one.

use crate::quantity::show_count;
use crate::tools::bootstrap::{Better, Outcome, Ratio};

/// The least change that counts of a figure which other load on the machine moves, beside its interval.
const NOISY: f64 = 0.05;
/// The least change of CPU time that counts: two runs of one server differ by up to 1.6 % now and then, with a narrow interval.
const OF_CPU: f64 = 0.02;
/// A share of errors that is this much above the other's, and more than twice as large, is one that the other has not.
const MORE: f64 = 0.001;

/// A verdict and the figures that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The verdict.
    pub outcome: Outcome,
    /// Names of the figures.
    pub about: Vec<&'static str>,
}

impl std::fmt::Display for Judgement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} in {}", self.outcome.name(), self.about.join(" and "))
    }
}

/// Returns the names of the figures by which a load is judged.
#[must_use]
pub fn judged(is_open: bool) -> &'static [&'static str] {
    if is_open { &["server CPU", "rate", "p99"] } else { &["server CPU", "rate"] }
}

/// Says what a ratio of the figure `name` means.
#[must_use]
pub fn outcome(name: &str, ratio: &Ratio, better: Better) -> Outcome {
    let least = if name.ends_with("CPU") { OF_CPU } else { NOISY };
    match ratio.outcome(better) {
        _ if ratio.ratio.max(1.0 / ratio.ratio) - 1.0 < least => Outcome::NoDifference,
        outcome => outcome,
    }
}

/// Draws the verdict of single figures together; `None` when none of them is known.
#[must_use]
pub fn overall(figures: &[(&'static str, Outcome)]) -> Option<Judgement> {
    [Outcome::Slower, Outcome::Faster, Outcome::NoDifference].into_iter().find_map(|outcome| {
        let about: Vec<_> =
            figures.iter().filter(|(_, own)| *own == outcome).map(|(name, _)| *name).collect();
        (!about.is_empty()).then_some(Judgement { outcome, about })
    })
}

/// Requests of one side and how many of them failed otherwise than by waiting for a connection that never came free.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Errors {
    /// Requests.
    pub requests: f64,
    /// Those that failed.
    pub failed: f64,
}

impl Errors {
    /// Adds another count.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self { requests: self.requests + more.requests, failed: self.failed + more.failed }
    }

    fn share(self) -> f64 {
        self.failed / self.requests.max(self.failed).max(1.0)
    }

    fn exceeds(self, other: Self) -> bool {
        let (own, others) = (self.share(), other.share());
        own > 0.0 && (others == 0.0 || (own > 2.0 * others && own > others + MORE))
    }
}

/// Says why two sides can't be judged because of errors: one has some that the other has not, or all failed.
#[must_use]
pub fn objection(first: (&str, Errors), second: (&str, Errors)) -> Option<String> {
    for ((name, own), (other, others)) in [(second, first), (first, second)] {
        if own.exceeds(others) {
            return Some(format!(
                "{} of {} requests of {name} failed, {} of {} of {other}",
                show_count(own.failed as u64),
                show_count(own.requests as u64),
                show_count(others.failed as u64),
                show_count(others.requests as u64),
            ));
        }
    }
    let has_no_success = |errors: Errors| errors.failed >= errors.requests;
    (has_no_success(first.1) || has_no_success(second.1)).then(|| "nothing was answered with success".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_by_table() {
        use Outcome::{Faster, NoDifference, Slower};
        for (figures, said) in [
            (
                &[("server CPU", NoDifference), ("rate", NoDifference)][..],
                "NO DIFFERENCE in server CPU and rate",
            ),
            (&[("server CPU", Faster), ("rate", NoDifference)], "FASTER in server CPU"),
            (&[("server CPU", Faster), ("p99", Slower)], "SLOWER in p99"),
            (&[("server CPU", Slower), ("p99", Slower)], "SLOWER in server CPU and p99"),
            (&[("rate", NoDifference), ("p99", Faster)], "FASTER in p99"),
        ] {
            assert_eq!(overall(figures).unwrap().to_string(), said);
        }
        assert_eq!(overall(&[]), None);
    }

    #[test]
    fn small_changes_of_noisy_figures_do_not_count() {
        let ratio = |ratio: f64| Ratio { ratio, low: ratio - 0.005, high: ratio + 0.005, detectable: 0.01 };
        for (name, value, expected) in [
            ("server CPU", 1.05, Outcome::Slower),
            ("client CPU", 0.95, Outcome::Faster),
            ("p99", 1.04, Outcome::NoDifference),
            ("p99", 0.97, Outcome::NoDifference),
            ("p99", 1.15, Outcome::Slower),
            ("p50", 0.85, Outcome::Faster),
        ] {
            assert_eq!(outcome(name, &ratio(value), Better::Lower), expected, "{name} {value}");
        }
    }

    #[test]
    fn errors_by_table() {
        let of = |failed: f64, requests: f64| Errors { requests, failed };
        for (first, second, objects) in [
            (of(0.0, 1e5), of(0.0, 1e5), false),
            (of(0.0, 1e5), of(1.0, 1e5), true),
            (of(1.0, 1e5), of(0.0, 1e5), true),
            (of(10.0, 1e5), of(12.0, 1e5), false),
            (of(10.0, 1e5), of(90.0, 1e5), false),
            (of(10.0, 1e5), of(900.0, 1e5), true),
            (of(1e5, 1e5), of(1e5, 1e5), true),
            (of(0.0, 0.0), of(0.0, 1e5), true),
        ] {
            assert_eq!(objection(("a", first), ("b", second)).is_some(), objects, "{first:?} {second:?}");
        }
        let said = objection(("a", of(0.0, 10.0)), ("b", of(7.0, 9.0))).unwrap();
        assert_eq!(said, "7 of 9 requests of b failed, 0 of 10 of a");
    }
}
