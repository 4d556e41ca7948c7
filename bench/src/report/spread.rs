//! The spread of latencies for a terminal: a histogram, and a heat map of it over time.

use super::Report;
use crate::driver::bands::{Bands, edges_ns};
use crate::quantity::{show_count, show_ns};
use crate::report::outcomes::share;
use std::fmt::Write;

/// Characters of the longest bar.
const BAR: usize = 32;
/// Columns of the heat map, at most.
const COLUMNS: usize = 60;
/// From few to many, on a logarithmic scale: each is about four times the one before.
const SHADES: [char; 4] = ['░', '▒', '▓', '█'];

/// Writes the histogram and, of a run of several intervals, the heat map.
pub fn render(out: &mut String, report: &Report) {
    let all = Bands::of(&report.total.latency);
    let Some(ends) = all.ends() else { return };
    histogram(out, &all, ends);
    let columns = columns(report);
    if columns.len() > 1 {
        heat_map(out, &columns, report);
    }
}

fn histogram(out: &mut String, all: &Bands, (first, last): (usize, usize)) {
    let most = all.0.iter().copied().max().unwrap_or(1).max(1);
    for band in first..=last {
        let count = all.0[band];
        let bar = (count as f64 / most as f64 * BAR as f64).round() as usize;
        let bar = if count > 0 { "█".repeat(bar.max(1)) } else { String::new() };
        let name = if band == first { "histogram" } else { "" };
        let _ = writeln!(
            out,
            "{name:10} {:>16} {bar:BAR$} {:>14} {:>8}",
            label(band),
            show_count(count),
            share(count as f64 / all.total() as f64)
        );
    }
}

/// Returns the ends of a band: `1 ms to 2 ms`.
#[must_use]
pub fn label(band: usize) -> String {
    let short = |ns: u64| show_ns(ns).replace(".00", "").replace(".0", "");
    match edges_ns(band) {
        (0, Some(upper)) => format!("below {}", short(upper)),
        (lower, Some(upper)) => format!("{} to {}", short(lower), short(upper)),
        (lower, None) => format!("above {}", short(lower)),
    }
}

/// Returns the intervals' bands, neighbours added up until they fit.
#[must_use]
pub fn columns(report: &Report) -> Vec<Bands> {
    let intervals = &report.series;
    intervals
        .chunks(intervals.len().div_ceil(COLUMNS).max(1))
        .map(|chunk| {
            let mut sum = Bands::default();
            chunk.iter().for_each(|point| sum.merge(&point.bands));
            sum
        })
        .collect()
}

fn heat_map(out: &mut String, columns: &[Bands], report: &Report) {
    let mut all = Bands::default();
    columns.iter().for_each(|column| all.merge(column));
    let Some((first, last)) = all.ends() else { return };
    for band in (first..=last).rev() {
        let name = if band == last { "over time" } else { "" };
        let cells: String = columns.iter().map(|column| cell(column, band)).collect();
        let _ = writeln!(out, "{name:10} {:>16} |{cells}|", label(band));
    }
    let end = show_ns(report.window_ns);
    let _ = writeln!(out, "{:27} 0{end:>width$}", "", width = columns.len().max(end.len()));
}

fn cell(column: &Bands, band: usize) -> char {
    shade(column.0[band], column.total())
}

/// Returns the shade of a part of a moment's requests.
#[must_use]
pub fn shade(part: u64, all: u64) -> char {
    match (part, all) {
        (0, _) => ' ',
        (count, total) => {
            let share = count as f64 / total as f64;
            let shade = (SHADES.len() as f64 + share.log2() / 2.0).floor().clamp(0.0, 3.0);
            SHADES[shade as usize]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_have_names_and_shares_have_shades() {
        for (band, name) in
            [(0, "below 1 us"), (1, "1 us to 2 us"), (9, "500 us to 1 ms"), (25, "above 100 s")]
        {
            assert_eq!(label(band), name);
        }
        let mut column = Bands::default();
        (column.0[3], column.0[4], column.0[5]) = (1_000, 200, 1);
        let cells: String = [2, 3, 4, 5].map(|band| cell(&column, band)).iter().collect();
        assert_eq!(cells, " █▓░", "more than a quarter, more than a sixteenth, little");
        (column.0[3], column.0[4], column.0[5]) = (0, 97, 3);
        assert_eq!(cell(&column, 5), '▒');
    }
}
