//! The report as one self-contained HTML file: the table for people and plots in SVG.

use super::Report;
use super::plot::{Axis, Line, Plot};
use super::table;
use crate::quantity::{show_ns, show_rate};
use hdrhistogram::Histogram;

/// Widths of the percentile axis: 1 - 1/10^5 is its end.
const NINES: u32 = 5;

/// Writes the page.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut plots = Vec::new();
    if report.steps.len() > 1 {
        plots.push(load_curve(report));
    }
    plots.push(by_percentile(report));
    plots.push(latency_over_time(report));
    plots.push(rate_over_time(report));
    let figure =
        |plot: &Plot| format!("<figure>{}<figcaption>{}</figcaption></figure>\n", plot.svg(), plot.legend());
    let figures: String = plots.iter().map(figure).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>pixeld bench: {url}</title>\n\
         <style>{STYLE}</style>\n<h1>{rate}</h1>\n<p class=\"limit\">limit: <b>{limit}</b></p>\n\
         <pre>{table}</pre>\n{figures}<h2>Conditions</h2>\n<pre>{command}\n{environment:#}</pre>\n</html>\n",
        url = escape(&report.url),
        rate = escape(&headline(report)),
        limit = report.verdict.wall.name(),
        table = escape(&table::render(report)),
        command = escape(&report.command),
        environment = Escaped(&report.environment),
    )
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;\
    color:#1a1d21;background:#fff}h1{font-size:1.5rem}h2{font-size:1.1rem}pre{background:#f4f5f7;padding:1rem;\
    overflow-x:auto;font:13px/1.45 ui-monospace,monospace;border-radius:6px}figure{margin:1.5rem 0}\
    svg{width:100%;height:auto}.limit{color:#555}\
    figcaption{text-align:center;font-size:13px}figcaption span{margin:0 .8em}figcaption i{display:inline-block;\
    width:1.4em;height:3px;margin-right:.4em;vertical-align:middle}";

fn headline(report: &Report) -> String {
    let bound = if report.verdict.wall.is_lower_bound() && !report.is_open { "at least " } else { "" };
    let p99 = show_ns(report.total.latency.value_at_quantile(0.99));
    format!("{bound}{}, p99 {p99}", show_rate(report.rate))
}

fn by_percentile(report: &Report) -> Plot {
    let mut lines = vec![Line::new("latency", percentile_points(&report.total.latency))];
    if report.is_open {
        lines.push(Line::new("uncorrected", percentile_points(report.uncorrected())));
        lines.push(Line::new("send lag", percentile_points(&report.total.lag)));
    }
    let step_lines = report
        .steps
        .iter()
        .take(6)
        .map(|step| Line::new(&show_rate(step.offered), percentile_points(&step.total.latency)));
    if !report.steps.is_empty() {
        lines = step_lines.collect();
    }
    Plot { title: "Latency by percentile".into(), x: Axis::Percentile, y: Axis::LogTime, lines }
}

/// The percentile axis counts nines: 0 is 0 %, 1 is 90 %, 2 is 99 %.
fn percentile_points(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    if histogram.is_empty() {
        return Vec::new();
    }
    let end = (histogram.len() as f64).log10().min(f64::from(NINES));
    (0..=100)
        .map(|at| f64::from(at) / 100.0 * end)
        .map(|nines| (nines, histogram.value_at_quantile(1.0 - 10f64.powf(-nines)) as f64))
        .collect()
}

fn latency_over_time(report: &Report) -> Plot {
    let line = |name: &str, of: fn(&super::Point) -> u64| {
        let points = report.series.iter().filter(|point| point.max_ns > 0);
        Line::new(name, points.map(|point| (point.start_ns as f64, of(point) as f64)).collect())
    };
    Plot {
        title: "Latency over time".into(),
        x: Axis::Time,
        y: Axis::LogTime,
        lines: vec![line("p50", |p| p.p50_ns), line("p99", |p| p.p99_ns), line("max", |p| p.max_ns)],
    }
}

fn rate_over_time(report: &Report) -> Plot {
    let points = report.series.iter().map(|point| (point.start_ns as f64, point.rate)).collect();
    Plot {
        title: "Answers per second over time".into(),
        x: Axis::Time,
        y: Axis::Rate,
        lines: vec![Line::new("rate", points)],
    }
}

fn load_curve(report: &Report) -> Plot {
    let line = |name: &str, quantile: f64| {
        let point =
            |step: &super::Step| (step.offered, step.total.latency.value_at_quantile(quantile) as f64);
        Line::new(
            name,
            report.steps.iter().filter(|step| !step.total.latency.is_empty()).map(point).collect(),
        )
    };
    Plot {
        title: "Latency by offered rate".into(),
        x: Axis::Rate,
        y: Axis::LogTime,
        lines: vec![line("p50", 0.5), line("p99", 0.99), line("p999", 0.999)],
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

struct Escaped<'a>(&'a serde_json::Value);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&escape(&format!("{:#}", self.0)))
    }
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
    }

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(escape("<a href='&'>"), "&lt;a href='&amp;'&gt;");
    }
}
