//! Prometheus' text format 0.0.4: families and their samples.

use std::fmt::Write;

use hdrhistogram::Histogram;

/// Upper bounds of every histogram's buckets, in microseconds: from a cached answer to a stalled disk.
const BUCKETS_US: [u64; 19] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// A page of families, each with its samples behind it.
pub(super) struct Page {
    text: String,
}

impl Page {
    /// Returns an empty page.
    pub(super) fn new() -> Self {
        Self { text: String::with_capacity(16 * 1024) }
    }

    /// Returns what was written.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Begins a family of the kind `counter`, `gauge` or `histogram`.
    pub(super) fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Writes a sample of the family begun last; `labels` are as they stand between the braces, or empty.
    pub(super) fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = if labels.is_empty() {
            writeln!(self.text, "{name} {value}")
        } else {
            writeln!(self.text, "{name}{{{labels}}} {value}")
        };
    }

    /// Writes a family of one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.family(name, kind, help);
        self.sample(name, "", value);
    }

    /// Writes the buckets of a histogram of microseconds, in seconds, with their sum and count.
    pub(super) fn histogram(&mut self, name: &str, labels: &str, histogram: &Histogram<u64>) {
        let comma = if labels.is_empty() { "" } else { "," };
        let mut sum_us = 0.0;
        for recorded in histogram.iter_recorded() {
            sum_us += recorded.value_iterated_to() as f64 * recorded.count_since_last_iteration() as f64;
        }
        for bound in BUCKETS_US {
            let count = histogram.count_between(0, bound);
            let le = bound as f64 / 1e6;
            self.sample(&format!("{name}_bucket"), &format!("{labels}{comma}le=\"{le}\""), count);
        }
        self.sample(&format!("{name}_bucket"), &format!("{labels}{comma}le=\"+Inf\""), histogram.len());
        self.sample(&format!("{name}_sum"), labels, sum_us / 1e6);
        self.sample(&format!("{name}_count"), labels, histogram.len());
    }
}
