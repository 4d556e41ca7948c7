//! Who watches a run while it runs: the live line, one line on stderr, or others that are told the same.

use crate::driver::tally::{Point, Tally};
use crate::quantity::{show_ns, show_rate};
use crate::scenario::Scenario;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// Is told by the collector what a run does, never by the threads that send. Whatever it does with that, it must not wait: the
/// collector reads clocks at the ends of the measured part.
pub trait Onlooker {
    /// Is told how many there are of `all` that are awaited, such as `connecting 12/64`, while that takes longer than a moment.
    fn awaiting(&mut self, _what: &'static str, _known: usize, _all: usize) {}

    /// Is told when the clock started.
    fn started(&mut self, _epoch: Instant) {}

    /// Is told the figures of an interval, and how many failures there were in all until its end.
    fn interval(&mut self, _point: &Point, _tally: Tally, _failures: u64) {}

    /// Is told that other lines may follow on stderr.
    fn clear(&mut self) {}
}

/// Nobody watches.
impl Onlooker for () {}

/// The live line; only on a terminal.
pub struct LiveLine {
    is_on: bool,
    duration_ns: u64,
}

impl LiveLine {
    /// Returns the line of a run.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        Self { duration_ns: scenario.duration_ns, ..Self::before_a_run() }
    }

    /// Returns the line of what is awaited before there is a run.
    #[must_use]
    pub fn before_a_run() -> Self {
        Self { is_on: std::io::stderr().is_terminal(), duration_ns: u64::MAX }
    }

    fn draw(&self, line: &str) {
        if self.is_on {
            let mut stderr = std::io::stderr().lock();
            let _ = write!(stderr, "\r\x1b[K{}", fitting(line, width()));
            let _ = stderr.flush();
        }
    }
}

impl Onlooker for LiveLine {
    fn awaiting(&mut self, what: &'static str, known: usize, all: usize) {
        self.draw(&format!("{what} {known}/{all}"));
    }

    fn interval(&mut self, point: &Point, tally: Tally, failures: u64) {
        self.draw(&line(point, &tally, failures, self.duration_ns));
    }

    fn clear(&mut self) {
        self.draw("");
    }
}

/// Columns of the terminal; it may be resized while a run runs.
fn width() -> usize {
    usize::from(console::Term::stderr().size().1)
}

/// Returns as much of the line as fits without going on in the next one, in whole figures.
fn fitting(whole: &str, columns: usize) -> String {
    // In the last column some terminals begin a new line.
    let room = columns.saturating_sub(1);
    if whole.chars().count() <= room {
        return whole.to_string();
    }
    let mut kept = String::new();
    for figure in whole.split_inclusive("  ") {
        if (kept.clone() + figure.trim_end()).chars().count() > room {
            break;
        }
        kept += figure;
    }
    let kept = kept.trim_end().to_string();
    if kept.trim().is_empty() { whole.chars().take(room).collect() } else { kept }
}

fn line(point: &Point, tally: &Tally, failures: u64, duration_ns: u64) -> String {
    let seconds = point.start_ns as f64 / 1e9;
    let of =
        if duration_ns == u64::MAX { String::new() } else { format!("/{:.0}", duration_ns as f64 / 1e9) };
    let lag = if tally.lag.is_empty() {
        String::new()
    } else {
        format!("  send lag {}", show_ns(tally.lag.value_at_quantile(0.99)))
    };
    format!(
        "{seconds:5.1}{of} s  {}  p50 {}  p99 {}  errors {failures}{lag}",
        show_rate(point.rate),
        show_ns(point.p50_ns),
        show_ns(point.p99_ns),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_the_terminal() {
        let whole = "  3.0/10 s  1,234/s  p50 1.00 us  p99 2.00 ms  errors 7";
        for (columns, shown) in [
            (80, whole),
            (56, whole),
            (55, "  3.0/10 s  1,234/s  p50 1.00 us  p99 2.00 ms"),
            (40, "  3.0/10 s  1,234/s  p50 1.00 us"),
            (12, "  3.0/10 s"),
            (8, "  3.0/1"),
            (1, ""),
            (0, ""),
        ] {
            assert_eq!(fitting(whole, columns), shown, "{columns}");
        }
    }

    #[test]
    fn one_line_with_everything() {
        let point = Point {
            start_ns: 3_000_000_000,
            length_ns: 100_000_000,
            rate: 1234.0,
            p50_ns: 1_000,
            p99_ns: 2_000_000,
            ..Point::default()
        };
        let mut tally = Tally::default();
        assert_eq!(
            line(&point, &tally, 7, 10_000_000_000),
            "  3.0/10 s  1,234/s  p50 1.00 us  p99 2.00 ms  errors 7"
        );
        tally.lag.record(900).unwrap();
        assert!(line(&point, &tally, 7, u64::MAX).ends_with("errors 7  send lag 900 ns"));
    }
}
