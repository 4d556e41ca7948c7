//! The plots of the HTML report: what each of them shows.

use super::plot::{Axis, Line, Plot, escape};
use super::spread::{columns, label};
use super::{Point, Report, Step};
use crate::driver::bands::Bands;
use crate::quantity::{show_count, show_rate};
use hdrhistogram::Histogram;
use std::fmt::Write;

/// Widths of the percentile axis: 1 - 1/10^5 is its end.
const NINES: u32 = 5;
/// Size of the heat map, in the units of a plot.
const HEAT: (f64, f64) = (520.0, 300.0);
/// Height of a line of text on a telephone, likewise.
const LINE: f64 = 19.0;

/// Writes all plots that the report has figures for.
pub fn figures(out: &mut String, report: &Report) {
    let mut plots = Vec::new();
    if report.steps.len() > 1 {
        plots.push(load_curve(report));
    }
    plots.push(by_percentile(report));
    plots.push(latency_over_time(report));
    plots.push(rate_over_time(report));
    // Axes without a line would look like a line that can't be seen.
    plots.retain(|plot| !plot.is_empty());
    for plot in &plots {
        let _ = writeln!(
            out,
            "<figure><h2>{}</h2>{}<figcaption>{}</figcaption></figure>",
            escape(&plot.title),
            plot.svg(),
            plot.legend()
        );
    }
    heat_map(out, report);
}

fn by_percentile(report: &Report) -> Plot {
    let mut lines = vec![Line::new("latency", percentile_points(&report.total.latency))];
    if report.is_open {
        lines.push(Line::new("uncorrected", percentile_points(report.uncorrected())));
        lines.push(Line::new("send lag", percentile_points(&report.total.lag)));
    }
    if !report.steps.is_empty() {
        let line = |step: &Step| Line::new(&show_rate(step.offered), percentile_points(&step.total.latency));
        lines = report.steps.iter().map(line).collect();
    }
    Plot {
        title: "Latency by percentile".into(),
        x: (Axis::Percentile, "share of the requests that were as quick"),
        y: (Axis::LogTime, "latency"),
        lines,
        borders: Vec::new(),
        bounds: Vec::new(),
    }
}

/// Returns the points of the percentile curve, whose axis counts nines: 0 is 0 %, 1 is 90 %, 2 is 99 %.
fn percentile_points(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    if histogram.is_empty() {
        return Vec::new();
    }
    if histogram.len() == 1 {
        // A line from a point to itself can't be seen; a point can.
        return vec![(0.0, histogram.max() as f64)];
    }
    let end = (histogram.len() as f64).log10().min(f64::from(NINES));
    (0..=100)
        .map(|at| f64::from(at) / 100.0 * end)
        .map(|nines| (nines, histogram.value_at_quantile(1.0 - 10f64.powf(-nines)) as f64))
        .collect()
}

/// Returns where the steps of a ramp begin, nanoseconds; without the first one, whose border is the axis.
fn step_borders(report: &Report) -> Vec<f64> {
    let mut start = 0;
    let ends = report.steps.iter().map(|step| {
        start += step.window_ns;
        start as f64
    });
    let mut borders: Vec<f64> = ends.collect();
    borders.pop();
    borders
}

fn latency_over_time(report: &Report) -> Plot {
    let line = |name: &str, of: fn(&Point) -> u64| {
        let points = report.series.iter().filter(|point| point.max_ns > 0);
        Line::new(name, points.map(|point| (point.start_ns as f64, of(point) as f64)).collect())
    };
    let bounds = report.goals.iter().filter_map(|goal| Some((goal.goal.clone(), goal.latency_bound_ns?)));
    Plot {
        title: "Latency over time".into(),
        x: (Axis::Time, "seconds since the start"),
        y: (Axis::LogTime, "latency"),
        lines: vec![line("p50", |p| p.p50_ns), line("p99", |p| p.p99_ns), line("max", |p| p.max_ns)],
        borders: step_borders(report),
        bounds: bounds.collect(),
    }
}

fn rate_over_time(report: &Report) -> Plot {
    let line = |name: &str, of: &dyn Fn(&Point) -> f64| {
        Line::new(name, report.series.iter().map(|point| (point.start_ns as f64, of(point))).collect())
    };
    let per_second = |count: u64, point: &Point| count as f64 * 1e9 / point.length_ns.max(1) as f64;
    let mut lines = vec![
        line("answers", &|point| point.rate),
        line("errors", &|point| per_second(point.failures.total(), point)),
    ];
    let offered = offered(report);
    if !offered.is_empty() {
        lines.push(Line::new("offered", offered));
    }
    Plot {
        title: "Requests per second over time".into(),
        x: (Axis::Time, "seconds since the start"),
        y: (Axis::Rate, "requests per second"),
        lines,
        borders: step_borders(report),
        bounds: Vec::new(),
    }
}

/// Returns what the schedule wanted: a level line, or one for each step.
fn offered(report: &Report) -> Vec<(f64, f64)> {
    if let (Some(rate), true) = (report.scenario["rate"].as_f64(), report.steps.is_empty()) {
        return vec![(0.0, rate), (report.window_ns as f64, rate)];
    }
    let mut start = 0;
    let mut points = Vec::new();
    for step in &report.steps {
        points.push((start as f64, step.offered));
        start += step.window_ns;
        points.push((start as f64, step.offered));
    }
    points
}

fn load_curve(report: &Report) -> Plot {
    let line = |name: &str, quantile: f64| {
        let point = |step: &Step| (step.offered, step.total.latency.value_at_quantile(quantile) as f64);
        Line::new(
            name,
            report.steps.iter().filter(|step| !step.total.latency.is_empty()).map(point).collect(),
        )
    };
    Plot {
        title: "Latency by offered rate".into(),
        x: (Axis::Rate, "requests per second that were offered"),
        y: (Axis::LogTime, "latency"),
        lines: vec![line("p50", 0.5), line("p99", 0.99), line("p99.9", 0.999)],
        borders: Vec::new(),
        bounds: Vec::new(),
    }
}

fn heat_map(out: &mut String, report: &Report) {
    let columns = columns(report);
    let mut all = Bands::default();
    columns.iter().for_each(|column| all.merge(column));
    let (Some((first, last)), true) = (all.ends(), columns.len() > 1) else { return };
    let (left, bottom, top) = (186.0, 34.0, 6.0);
    let width = (HEAT.0 - left - 6.0) / columns.len() as f64;
    let height = (HEAT.1 - bottom - top) / (last - first + 1) as f64;
    let _ = write!(
        out,
        "<figure><h2>Spread of the latency over time</h2><svg class=\"heat\" viewBox=\"0 0 {} {}\" role=\"img\" \
         aria-label=\"Spread of the latency over time\">",
        HEAT.0, HEAT.1
    );
    // Where rows are lower than a line of text, not every row has room for its name.
    let named = (LINE / height).ceil() as usize;
    for band in first..=last {
        let y = top + (last - band) as f64 * height;
        if (band - first).is_multiple_of(named) {
            let _ = write!(
                out,
                "<text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                left - 6.0,
                y + height / 2.0 + 4.5,
                label(band)
            );
        }
        for (at, column) in columns.iter().enumerate().filter(|(_, column)| column.0[band] > 0) {
            let share = column.0[band] as f64 / column.total() as f64;
            // A single slow request among thousands is what one looks for.
            let shade = (1.0 + share.log10() / 5.0).clamp(0.15, 1.0);
            let _ = write!(
                out,
                "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{width:.2}\" height=\"{height:.2}\" fill-opacity=\"{shade:.2}\"><title>{}: \
                 {} requests, {:.2} %</title></rect>",
                left + at as f64 * width,
                label(band),
                show_count(column.0[band]),
                share * 100.0
            );
        }
    }
    let _ = writeln!(
        out,
        "<text class=\"axis\" x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">time, {} in all</text></svg></figure>",
        (left + HEAT.0) / 2.0,
        HEAT.1 - 10.0,
        crate::quantity::show_ns(report.window_ns)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::tally::histogram;

    #[test]
    fn the_percentile_axis_ends_where_the_samples_end() {
        let mut samples = histogram();
        (1..=1_000).for_each(|us| samples.record(us * 1_000).unwrap());
        let points = percentile_points(&samples);
        let (first, last) = (points[0], points[100]);
        assert!(first.0 == 0.0 && (last.0 - 3.0).abs() < 1e-9);
        assert!((last.1 - 999e3).abs() < 2e3, "{last:?}");
        assert!(percentile_points(&histogram()).is_empty());
        let mut single = histogram();
        single.record(1_000).unwrap();
        assert_eq!(percentile_points(&single).len(), 1, "drawn as a point");
    }
}
