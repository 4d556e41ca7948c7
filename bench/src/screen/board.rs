//! What has been seen of a run so far: the sums, the newest interval, and a series that never grows beyond a bound.

use crate::driver::bands::Bands;
use crate::driver::tally::{Point, Tally};
use crate::report::goal::Goal;
use crate::scenario::Scenario;
use std::sync::Arc;
use std::time::Instant;

/// Columns of the series; beyond that neighbours are added up.
const COLUMNS_MAX: usize = 512;

/// Some intervals added up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Column {
    /// Their length, nanoseconds.
    pub length_ns: u64,
    /// Answers below 400 in them.
    pub successes: f64,
    /// The spread of their latencies.
    pub bands: Bands,
}

impl Column {
    fn of(point: &Point) -> Self {
        Self {
            length_ns: point.length_ns,
            successes: point.rate * point.length_ns as f64 / 1e9,
            bands: point.bands,
        }
    }

    fn merge(&mut self, other: &Self) {
        self.length_ns += other.length_ns;
        self.successes += other.successes;
        self.bands.merge(&other.bands);
    }

    /// Returns answers below 400 per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.successes * 1e9 / self.length_ns.max(1) as f64
    }

    fn sum(columns: &[Self]) -> Self {
        let mut sum = Self::default();
        columns.iter().for_each(|column| sum.merge(column));
        sum
    }
}

/// The series.
#[derive(Clone, Debug)]
pub struct Columns {
    kept: Vec<Column>,
    /// Intervals in each column but the last one, which may have fewer.
    per_column: usize,
    in_last: usize,
}

impl Default for Columns {
    fn default() -> Self {
        Self { kept: Vec::new(), per_column: 1, in_last: 1 }
    }
}

impl Columns {
    /// Adds an interval.
    pub fn add(&mut self, point: &Point) {
        match self.kept.last_mut() {
            Some(last) if self.in_last < self.per_column => {
                last.merge(&Column::of(point));
                self.in_last += 1;
            }
            _ => {
                if self.kept.len() == COLUMNS_MAX {
                    self.kept = self.kept.chunks(2).map(Column::sum).collect();
                    self.per_column *= 2;
                }
                self.kept.push(Column::of(point));
                self.in_last = 1;
            }
        }
    }

    /// Returns as many columns as fit, neighbours added up.
    #[must_use]
    pub fn fitting(&self, width: usize) -> Vec<Column> {
        let each = self.kept.len().div_ceil(width.max(1)).max(1);
        self.kept.chunks(each).map(Column::sum).collect()
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Its connections are made.
    #[default]
    Opening,
    /// What is awaited, of which so many of so many are there.
    Awaiting(&'static str, usize, usize),
    /// The clock runs since then.
    Running(Instant),
}

/// What has been seen.
pub struct Board {
    /// What runs now.
    pub scenario: Arc<Scenario>,
    /// Of a ramp, which of how many steps; from 1.
    pub step: Option<(usize, usize)>,
    /// What must hold.
    pub goals: Vec<Goal>,
    /// Whether this process sends the load, so that its bottleneck can be seen from here.
    pub sends_itself: bool,
    /// Where the run stands.
    pub phase: Phase,
    /// The intervals of all runs.
    pub columns: Columns,
    /// The newest interval.
    pub newest: Option<Point>,
    /// Sums of this run.
    pub total: Tally,
    /// Length of what they are of, nanoseconds.
    pub measured_ns: u64,
}

impl Board {
    /// Returns the board of a first run that has not begun.
    #[must_use]
    pub fn new(scenario: Arc<Scenario>, goals: Vec<Goal>, sends_itself: bool) -> Self {
        Self {
            scenario,
            goals,
            sends_itself,
            step: None,
            phase: Phase::Opening,
            columns: Columns::default(),
            newest: None,
            total: Tally::default(),
            measured_ns: 0,
        }
    }

    /// Notes that a run begins; sums begin anew, the series goes on.
    pub fn begin(&mut self, scenario: Arc<Scenario>, step: Option<(usize, usize)>) {
        (self.scenario, self.step, self.phase) = (scenario, step, Phase::Opening);
        (self.total, self.measured_ns, self.newest) = (Tally::default(), 0, None);
    }

    /// Notes an interval.
    pub fn add(&mut self, point: Point, tally: &Tally) {
        self.total.merge(tally);
        self.measured_ns = self.measured_ns.max(point.start_ns + point.length_ns);
        self.columns.add(&point);
        self.newest = Some(point);
    }

    /// Returns answers below 400 per second of this run so far.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.total.successes_in_time as f64 * 1e9 / self.measured_ns.max(1) as f64
    }

    /// Returns when the measured part of this run began, or will.
    #[must_use]
    pub fn measured_since(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running(epoch) => Some(epoch + std::time::Duration::from_nanos(self.scenario.warmup_ns)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(rate: f64, band: usize) -> Point {
        let mut bands = Bands::default();
        bands.0[band] = 1;
        Point { length_ns: 1_000_000_000, rate, bands, ..Point::default() }
    }

    #[test]
    fn a_series_is_bounded_and_loses_nothing() {
        for number in [1, 2, COLUMNS_MAX, COLUMNS_MAX + 1, 5 * COLUMNS_MAX + 3, 40 * COLUMNS_MAX] {
            let mut columns = Columns::default();
            (0..number).for_each(|at| columns.add(&point(100.0, at % 3)));
            assert!(columns.kept.len() <= COLUMNS_MAX, "{number}");
            for width in [1, 7, 80, 10_000] {
                let shown = columns.fitting(width);
                assert!(shown.len() <= width, "{number} in {width}");
                let sum = Column::sum(&shown);
                assert_eq!(
                    (sum.bands.total(), sum.length_ns),
                    (number as u64, number as u64 * 1_000_000_000)
                );
                assert!(
                    shown.iter().all(|column| (column.rate() - 100.0).abs() < 1e-6),
                    "{number} in {width}"
                );
            }
        }
        assert!(Columns::default().fitting(80).is_empty());
    }

    #[test]
    fn columns_are_of_equal_length_but_for_the_last() {
        let mut columns = Columns::default();
        (0..3 * COLUMNS_MAX + 1).for_each(|_| columns.add(&point(1.0, 0)));
        let lengths: Vec<u64> = columns.kept.iter().map(|column| column.length_ns).collect();
        assert!(lengths[..lengths.len() - 1].iter().all(|&length| length == lengths[0]), "{lengths:?}");
    }
}
