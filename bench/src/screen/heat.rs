//! The spread of the latency over time, as shades: a row for each band, the quickest below, a column for each moment.

use crate::driver::bands::{BANDS, Bands};
use crate::report::spread::{label, shade};
use crate::screen::board::Column;

/// Rows of a heat map: what stands before each, and its cells.
pub type Rows = Vec<(String, String)>;

/// Returns at most `height` rows, the slowest first. Where there are more bands than rows, the slowest ones share the first row and the
/// quickest ones the last: most of what is looked for lies between.
#[must_use]
pub fn rows(columns: &[Column], height: usize) -> Rows {
    let mut all = Bands::default();
    columns.iter().for_each(|column| all.merge(&column.bands));
    let (Some((first, last)), true) = (all.ends(), height > 0) else { return Rows::new() };
    let busiest = (0..BANDS).max_by_key(|&band| all.0[band]).unwrap_or(first);
    // The window of bands that have a row of their own keeps the busiest one, and as many slower ones as fit.
    let bands = last - first + 1;
    let top = if bands <= height { last } else { last.min(busiest.max(first) + height - 1) };
    let bottom = (top + 1).saturating_sub(height).max(first);
    (bottom..=top)
        .rev()
        .map(|band| {
            let low = if band == bottom { first } else { band };
            let high = if band == top { last } else { band };
            let cells = columns.iter().map(|column| {
                let count: u64 = column.bands.0[low..=high].iter().sum();
                shade(count, column.bands.total())
            });
            (named(band, low, high), cells.collect())
        })
        .collect()
}

/// Names a row by its bands: `1 ms to 2 ms`, or an end of them where several share it.
fn named(band: usize, low: usize, high: usize) -> String {
    match (low < band, high > band) {
        (false, false) => return label(band),
        (true, true) => return "all".into(),
        _ => {}
    }
    let whole = label(band);
    let (from, to) = whole.split_once(" to ").unwrap_or(("", &whole));
    if high > band { format!("above {from}") } else { format!("below {to}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(counts: &[(usize, u64)]) -> Column {
        let mut bands = Bands::default();
        counts.iter().for_each(|&(band, count)| bands.0[band] = count);
        Column { length_ns: 1, successes: 1.0, bands }
    }

    #[test]
    fn each_band_has_a_row_while_there_is_room() {
        let columns = [column(&[(9, 90), (11, 10)]), column(&[(10, 1)]), column(&[])];
        let shown = rows(&columns, 10);
        let expected = [("2 ms to 5 ms", "▓  "), ("1 ms to 2 ms", " █ "), ("500 us to 1 ms", "█  ")];
        assert_eq!(shown, expected.map(|(name, cells)| (name.to_string(), cells.to_string())));
        assert!(rows(&columns, 0).is_empty() && rows(&[], 5).is_empty());
    }

    #[test]
    fn bands_without_a_row_share_the_outer_ones() {
        let columns = [column(&[(3, 1), (5, 1), (9, 900), (10, 50), (20, 1)])];
        for height in 1..20 {
            let shown = rows(&columns, height);
            assert_eq!(shown.len(), height.min(18), "{height}: {shown:?}");
        }
        let shown = rows(&columns, 4);
        let names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["above 5 ms", "2 ms to 5 ms", "1 ms to 2 ms", "below 1 ms"]);
        assert_eq!(shown[0].1, "░", "the slow one is still there");
        assert_eq!(rows(&columns, 1)[0].1, "█");
    }
}
