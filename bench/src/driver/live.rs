//! The live line: one line on stderr while a run runs, only on a terminal.

use crate::driver::tally::{Point, Tally};
use crate::quantity::{show_ns, show_rate};
use crate::scenario::Scenario;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Pause between two looks at connections that are made.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// The line's state.
pub struct Live {
    is_on: bool,
    duration_ns: u64,
}

impl Live {
    /// Returns a line that is shown when `wanted` and stderr is a terminal.
    #[must_use]
    pub fn new(wanted: bool, scenario: &Scenario) -> Self {
        Self { is_on: wanted && std::io::stderr().is_terminal(), duration_ns: scenario.duration_ns }
    }

    /// Shows an interval's figures.
    pub fn show(&self, point: &Point, tally: &Tally, failures: u64) {
        if self.is_on {
            let mut stderr = std::io::stderr().lock();
            let whole = line(point, tally, failures, self.duration_ns);
            let _ = write!(stderr, "\r\x1b[K{}", fitting(&whole, width()));
            let _ = stderr.flush();
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if self.is_on {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// The line while connections are made, or others are awaited.
pub struct Connecting {
    is_on: bool,
    what: &'static str,
    all: usize,
    since: Instant,
}

impl Connecting {
    /// Returns a line that is shown when `wanted`, stderr is a terminal, and it takes longer than a moment.
    #[must_use]
    pub fn new(wanted: bool, what: &'static str, all: usize) -> Self {
        Self { is_on: wanted && std::io::stderr().is_terminal(), what, all, since: Instant::now() }
    }

    /// Shows how many of all there are, such as `connecting 12/64`.
    pub fn show(&self, open: usize) {
        if self.is_on && self.since.elapsed() > SHOW_EVERY {
            let _ = write!(std::io::stderr(), "\r\x1b[K{} {open}/{}", self.what, self.all);
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if self.is_on {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }

    /// Waits for the next of `news` and meanwhile shows how many connections are open.
    ///
    /// # Errors
    /// Returns a sentence if the one who has the news panicked.
    pub fn show_until<T>(&self, news: &Receiver<T>, opened: &AtomicUsize) -> Result<T, String> {
        loop {
            match news.recv_timeout(SHOW_EVERY) {
                Ok(news) => {
                    self.end();
                    return Ok(news);
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err("a thread of the generator panicked; this is a bug".into());
                }
                Err(RecvTimeoutError::Timeout) => self.show(opened.load(Ordering::Relaxed)),
            }
        }
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
