//! What a server tells about itself in `/metrics`: counters per request, and where the time of slow requests went.
//!
//! Reads Prometheus' text format. Nothing here depends on one server, except the names of the counters that are known.

use std::collections::BTreeMap;

/// One sample: name, labels, value.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// A parsed `/metrics` page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exposition {
    samples: Vec<Sample>,
}

/// One stage of a request's way through the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// Value of the histogram's label `stage`; without one its name without the unit, such as `pixeld_journal_fsync`.
    pub name: String,
    /// Times it happened.
    pub count: u64,
    /// Mean, nanoseconds.
    pub mean_ns: u64,
    /// Median, nanoseconds: the upper bound of its bucket.
    pub p50_ns: u64,
    /// 99th percentile, nanoseconds: the upper bound of its bucket.
    pub p99_ns: u64,
}

/// What a server counted between two pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stages {
    /// CPU time, nanoseconds.
    pub cpu_ns: Option<u64>,
    /// System calls of its workers.
    pub syscalls: Option<u64>,
    /// Syncs of its journal.
    pub syncs: Option<u64>,
    /// Bytes written to its journal.
    pub journal_bytes: Option<u64>,
    /// Its stages, the slowest p99 first.
    pub stages: Vec<Stage>,
}

impl Stages {
    /// Adds the counts of `later`, whose stages' latencies are kept.
    #[must_use]
    pub fn and(self, later: Self) -> Self {
        let sum = |one: Option<u64>, more: Option<u64>| Some(one? + more?);
        Self {
            cpu_ns: sum(self.cpu_ns, later.cpu_ns),
            syscalls: sum(self.syscalls, later.syscalls),
            syncs: sum(self.syncs, later.syncs),
            journal_bytes: sum(self.journal_bytes, later.journal_bytes),
            stages: later.stages,
        }
    }
}

impl Exposition {
    /// Reads a page; lines that are no samples are skipped. `None` when there is not one sample.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let samples: Vec<Sample> = text.lines().filter_map(parse_sample).collect();
        (!samples.is_empty()).then_some(Self { samples })
    }

    /// Returns the sum of all samples of a name; `None` when there are none.
    #[must_use]
    pub fn sum(&self, name: &str) -> Option<f64> {
        self.sum_of(name, None)
    }

    /// Returns the sums of a name's samples by the value of one of their labels, in the order in which the values come.
    #[must_use]
    pub fn by(&self, name: &str, label: &str) -> Vec<(&str, f64)> {
        let mut sums: Vec<(&str, f64)> = Vec::new();
        for sample in self.of(name, None) {
            let Some(value) = sample.label(label) else { continue };
            match sums.iter_mut().find(|(known, _)| *known == value) {
                Some((_, sum)) => *sum += sample.value,
                None => sums.push((value, sample.value)),
            }
        }
        sums
    }

    /// Returns the sum of all samples of one stage of a name.
    fn sum_of(&self, name: &str, stage: Option<&str>) -> Option<f64> {
        let mut values = self.of(name, stage).map(|sample| sample.value);
        let first = values.next()?;
        Some(first + values.sum::<f64>())
    }

    fn of<'a>(&'a self, name: &str, stage: Option<&str>) -> impl Iterator<Item = &'a Sample> {
        let is_of = move |sample: &&Sample| {
            sample.name == name && (stage.is_none() || sample.label("stage") == stage)
        };
        self.samples.iter().filter(is_of)
    }

    /// Returns the cumulative buckets of a histogram: upper bound in seconds (as bits, to be ordered) and count, over all labels
    /// but the stage.
    fn buckets(&self, name: &str, stage: Option<&str>) -> BTreeMap<u64, f64> {
        let mut buckets = BTreeMap::new();
        for sample in self.of(name, stage) {
            let Some(bound) = sample.label("le").and_then(|bound| bound.parse::<f64>().ok()) else {
                continue;
            };
            if bound >= 0.0 {
                *buckets.entry(bound.to_bits()).or_insert(0.0) += sample.value;
            }
        }
        buckets
    }
}

impl Sample {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// Reads `name{label="value",...} 1.5 [timestamp]`
fn parse_sample(line: &str) -> Option<Sample> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let (name, labels, rest) = match line.find('{') {
        Some(open) => {
            let close = line.rfind('}')?;
            (&line[..open], parse_labels(line.get(open + 1..close)?), &line[close + 1..])
        }
        None => {
            let (name, rest) = line.split_once(' ')?;
            (name, Vec::new(), rest)
        }
    };
    let value = rest.split_ascii_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_string(), labels, value })
}

fn parse_labels(mut text: &str) -> Vec<(String, String)> {
    let mut labels = Vec::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let Some(end) = closing_quote(rest) else { break };
        labels.push((name.trim_start_matches([',', ' ']).to_string(), rest[..end].to_string()));
        text = &rest[end + 1..];
    }
    labels
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

impl Stages {
    /// Returns what happened between two pages of one server.
    #[must_use]
    pub fn between(before: &Exposition, now: &Exposition) -> Self {
        let grew = |name: &str| {
            let growth = now.sum(name)? - before.sum(name).unwrap_or(0.0);
            (growth >= 0.0).then_some(growth)
        };
        let counted = |name: &str| grew(name).map(|growth| growth.round() as u64);
        let mut stages: Vec<Stage> = now
            .samples
            .iter()
            .filter_map(|sample| Some((sample.name.strip_suffix("_seconds_count")?, sample.label("stage"))))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .filter_map(|(name, label)| stage(name, label, before, now))
            .collect();
        stages.sort_by_key(|stage| std::cmp::Reverse(stage.p99_ns));
        Self {
            cpu_ns: grew("process_cpu_seconds_total").map(|seconds| (seconds * 1e9) as u64),
            syscalls: counted("pixeld_worker_syscalls_total"),
            syncs: counted("pixeld_journal_syncs_total")
                .or_else(|| counted("pixeld_journal_fsync_seconds_count")),
            journal_bytes: counted("pixeld_journal_written_bytes_total"),
            stages,
        }
    }
}

fn stage(name: &str, label: Option<&str>, before: &Exposition, now: &Exposition) -> Option<Stage> {
    let growth = |suffix: &str| {
        let full = format!("{name}_seconds_{suffix}");
        Some(now.sum_of(&full, label)? - before.sum_of(&full, label).unwrap_or(0.0))
    };
    let count = growth("count").filter(|&count| count >= 1.0)?;
    let buckets = format!("{name}_seconds_bucket");
    let earlier = before.buckets(&buckets, label);
    let grown: Vec<(f64, f64)> = now
        .buckets(&buckets, label)
        .into_iter()
        .map(|(bound, value)| (f64::from_bits(bound), value - earlier.get(&bound).copied().unwrap_or(0.0)))
        .collect();
    let quantile_ns = |share: f64| {
        let bound = grown.iter().find(|(_, below)| *below >= count * share).map_or(0.0, |(bound, _)| *bound);
        if bound.is_finite() { (bound * 1e9).round() as u64 } else { u64::MAX }
    };
    Some(Stage {
        name: label.unwrap_or(name).to_string(),
        count: count as u64,
        mean_ns: (growth("sum").unwrap_or(0.0) / count * 1e9).max(0.0) as u64,
        p50_ns: quantile_ns(0.5),
        p99_ns: quantile_ns(0.99),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# HELP x y\nprocess_cpu_seconds_total 1.5\npixeld_worker_syscalls_total{worker=\"0\",call=\"recv\"} 10\n\
        pixeld_journal_fsync_seconds_bucket{le=\"0.001\"} 5\npixeld_journal_fsync_seconds_bucket{le=\"+Inf\"} 5\n\
        pixeld_journal_fsync_seconds_sum 0.0025\npixeld_journal_fsync_seconds_count 5\n";
    const NOW: &str = "process_cpu_seconds_total 2.5 1700000000\npixeld_worker_syscalls_total{worker=\"0\",call=\"recv\"} 30\n\
        pixeld_worker_syscalls_total{worker=\"1\",call=\"a\\\"b}\"} 5\n\
        pixeld_journal_fsync_seconds_bucket{le=\"0.001\"} 103\npixeld_journal_fsync_seconds_bucket{le=\"0.01\"} 105\n\
        pixeld_journal_fsync_seconds_bucket{le=\"+Inf\"} 105\n\
        pixeld_journal_fsync_seconds_sum 0.1025\npixeld_journal_fsync_seconds_count 105\n";

    #[test]
    fn counts_between_two_pages() {
        let stages = Stages::between(&Exposition::parse(BEFORE).unwrap(), &Exposition::parse(NOW).unwrap());
        assert_eq!(stages.cpu_ns, Some(1_000_000_000));
        assert_eq!(stages.syscalls, Some(25));
        assert_eq!(stages.syncs, Some(100));
        assert_eq!(stages.journal_bytes, None);
        assert_eq!(
            stages.stages,
            [Stage {
                name: "pixeld_journal_fsync".into(),
                count: 100,
                mean_ns: 1_000_000,
                p50_ns: 1_000_000,
                p99_ns: 10_000_000,
            }]
        );
    }

    #[test]
    fn stages_of_one_histogram_stand_apart() {
        let page = "s_seconds_bucket{stage=\"a\",le=\"1\"} 3\ns_seconds_count{stage=\"a\"} 3\ns_seconds_sum{stage=\"a\"} 3\n\
            s_seconds_bucket{stage=\"b\",le=\"2\"} 1\ns_seconds_count{stage=\"b\"} 1\ns_seconds_sum{stage=\"b\"} 2\n";
        let stages = Stages::between(&Exposition::default(), &Exposition::parse(page).unwrap()).stages;
        let seen: Vec<_> =
            stages.iter().map(|stage| (stage.name.as_str(), stage.count, stage.p99_ns)).collect();
        assert_eq!(seen, [("b", 1, 2_000_000_000), ("a", 3, 1_000_000_000)]);
    }

    #[test]
    fn sums_by_a_label_keep_its_order() {
        let page = "a{w=\"1\",m=\"x\"} 1\na{w=\"0\",m=\"x\"} 2\na{w=\"1\",m=\"y\"} 4\na 8\n";
        let page = Exposition::parse(page).unwrap();
        assert_eq!(page.by("a", "w"), [("1", 5.0), ("0", 2.0)]);
        assert_eq!((page.sum("a"), page.by("b", "w").len()), (Some(15.0), 0));
    }

    #[test]
    fn no_samples_is_no_page() {
        assert_eq!(Exposition::parse("<html>\n404"), None);
        assert_eq!(Exposition::parse(""), None);
        assert_eq!(parse_sample("a{b=\"c\"} x"), None);
    }
}
