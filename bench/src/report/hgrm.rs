//! The percentile distribution as HdrHistogram's plotters read it (`.hgrm`): value in milliseconds, percentile, count
//! so far, 1/(1-percentile).

use hdrhistogram::Histogram;
use std::fmt::Write;

/// Points for each halving of the distance to 100 %.
const TICKS_PER_HALF: u32 = 5;

/// Writes the distribution of a histogram of nanoseconds.
#[must_use]
pub fn render(histogram: &Histogram<u64>) -> String {
    let ms = |ns: f64| ns / 1e6;
    let mut out =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut below = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF) {
        below += step.count_since_last_iteration();
        let value = ms(step.value_iterated_to() as f64);
        let quantile = step.quantile_iterated_to();
        let _ = if quantile < 1.0 {
            writeln!(out, "{value:>12.6} {quantile:>14.12} {below:>10} {:>14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(out, "{value:>12.6} {quantile:>14.12} {below:>10} {:>14}", "inf")
        };
    }
    let _ = writeln!(
        out,
        "#[Mean    = {:>12.6}, StdDeviation   = {:>12.6}]\n#[Max     = {:>12.6}, Total count    = {:>12}]\n\
         #[Buckets = {:>12}, SubBuckets     = {:>12}]",
        ms(histogram.mean()),
        ms(histogram.stdev()),
        ms(histogram.max() as f64),
        histogram.len(),
        histogram.buckets(),
        2048
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::tally::histogram;

    #[test]
    fn ends_at_the_maximum_with_all_samples() {
        let mut samples = histogram();
        for ms in 1..=1_000u64 {
            samples.record(ms * 1_000_000).unwrap();
        }
        let text = render(&samples);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|field| field.parse().unwrap()).collect())
            .collect();
        let last = rows.last().unwrap();
        assert_eq!((last[1], last[2], last[3]), (1.0, 1000.0, f64::INFINITY));
        assert!((last[0] - 1_000.0).abs() < 1.0);
        let median = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert!((median[0] - 500.0).abs() < 1.0 && (median[2] - 500.0).abs() < 2.0);
        assert!(rows.windows(2).all(|w| w[0][0] <= w[1][0] && w[0][1] <= w[1][1]));
    }
}
