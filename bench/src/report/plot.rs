//! Line plots in SVG: the few kinds of axes that reports need. Colours are the page's, so that they follow its light or dark; each
//! point says its values when the pointer rests on it.

use crate::quantity::{show_count, show_ns};
use std::fmt::Write;

/// Size of the drawing and of its inner rectangle, in units of which a letter has 13, and 17 on a telephone: the left has room for the
/// axis' title and `1,000,000` in these.
const SIZE: (f64, f64) = (520.0, 300.0);
const LEFT: f64 = 106.0;
const RIGHT: f64 = 38.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 52.0;
/// Colours that the page names; further lines take a hue each.
const NAMED_COLOURS: usize = 6;

/// What an axis shows, and in which scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Nanoseconds since the start, shown in seconds.
    Time,
    /// Nanoseconds on a logarithmic scale.
    LogTime,
    /// Requests per second.
    Rate,
    /// Number of nines.
    Percentile,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

impl Line {
    /// Returns a line through `points`.
    #[must_use]
    pub fn new(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self { name: name.to_string(), points }
    }
}

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot {
    /// Its heading.
    pub title: String,
    /// The horizontal axis, and what it shows.
    pub x: (Axis, &'static str),
    /// The vertical axis, and what it shows.
    pub y: (Axis, &'static str),
    /// What is drawn.
    pub lines: Vec<Line>,
    /// Upright lines: borders of steps, for example.
    pub borders: Vec<f64>,
    /// Level lines with a name: goals.
    pub bounds: Vec<(String, f64)>,
}

/// One axis laid out.
struct Scale {
    axis: Axis,
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// Returns where a value stands on the axis.
    fn place(self, value: f64) -> f64 {
        match self {
            Self::LogTime => value.max(1.0).log10(),
            Self::Time => value / 1e9,
            Self::Rate | Self::Percentile => value,
        }
    }

    /// Returns what stands beside a tick.
    fn label(self, place: f64) -> String {
        match self {
            Self::LogTime => show_ns(10f64.powf(place).round() as u64).replace(".00", "").replace(".0", ""),
            Self::Time => format!("{}", (place * 1000.0).round() / 1000.0),
            Self::Rate if place > 0.0 && place < 10.0 => format!("{place:.1}"),
            Self::Rate => show_count(place.round() as u64),
            Self::Percentile => match place.round() as u32 {
                0 => "0 %".into(),
                1 => "90 %".into(),
                2 => "99 %".into(),
                nines => format!("99.{} %", "9".repeat(nines as usize - 2)),
            },
        }
    }

    /// Returns what is said about a value.
    fn text_of(self, value: f64) -> String {
        match self {
            Self::LogTime => show_ns(value.round() as u64),
            Self::Time => format!("{:.1} s", value / 1e9),
            Self::Rate => format!("{}/s", self.label(value)),
            Self::Percentile => format!("{} %", ((1.0 - 10f64.powf(-value)) * 1e7).round() / 1e5),
        }
    }

    fn range(self, places: impl Iterator<Item = f64>) -> (f64, f64) {
        let (low, high) = places.fold((f64::MAX, f64::MIN), |(low, high), at| (low.min(at), high.max(at)));
        if low > high {
            return (0.0, 1.0);
        }
        match self {
            Self::LogTime => (low.floor(), high.ceil().max(low.floor() + 1.0)),
            Self::Percentile => (0.0, high.ceil().max(1.0)),
            Self::Time => (0.0, high.max(0.1)),
            Self::Rate => (0.0, (high * 1.1).max(1.0)),
        }
    }

    /// Places of ticks: whole numbers only, where a tick between them would say nothing, else steps of 1, 2 or 5.
    fn ticks(self, (low, high): (f64, f64)) -> Vec<f64> {
        let step = match self {
            Self::LogTime | Self::Percentile => 1.0,
            Self::Time | Self::Rate => {
                let decade = 10f64.powf(((high - low) / 5.0).log10().floor());
                let wanted = (high - low) / 5.0 / decade;
                decade * [1.0, 2.0, 5.0, 10.0].into_iter().find(|&step| step >= wanted).unwrap_or(10.0)
            }
        };
        let number = ((high - low) / step + 1e-9).floor() as usize;
        (0..=number).map(|at| low + step * at as f64).collect()
    }
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        self.at_place(self.axis.place(value))
    }

    fn at_place(&self, place: f64) -> f64 {
        self.from + (place - self.low) / (self.high - self.low) * (self.to - self.from)
    }
}

/// Returns the colour of line `at` of `all`.
fn colour(at: usize, all: usize) -> String {
    if all <= NAMED_COLOURS {
        format!("var(--line{at})")
    } else {
        format!("hsl({} 65% 48%)", 220 + 300 * at / all)
    }
}

/// Returns a text for SVG or HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Plot {
    /// Returns the lines' names in their colours, as HTML: inside of the drawing they would cover what is drawn.
    #[must_use]
    pub fn legend(&self) -> String {
        let all = self.lines.len();
        let entry = |(at, line): (usize, &Line)| {
            format!("<span><i style=\"background:{}\"></i>{}</span>", colour(at, all), escape(&line.name))
        };
        let bounds = self
            .bounds
            .iter()
            .map(|(name, _)| format!("<span><i class=\"bound\"></i>{}</span>", escape(name)));
        self.lines.iter().enumerate().map(entry).chain(bounds).collect()
    }

    /// Returns whether there is nothing to draw.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.points.is_empty())
    }

    /// Draws it.
    #[must_use]
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let bounds = self.bounds.iter().map(|bound| self.y.0.place(bound.1));
        let x_range = self.x.0.range(points().map(|point| self.x.0.place(point.0)));
        let y_range = self.y.0.range(points().map(|point| self.y.0.place(point.1)).chain(bounds));
        let x = Scale { axis: self.x.0, low: x_range.0, high: x_range.1, from: LEFT, to: SIZE.0 - RIGHT };
        let y = Scale { axis: self.y.0, low: y_range.0, high: y_range.1, from: SIZE.1 - BOTTOM, to: TOP };
        let mut svg = format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">",
            SIZE.0,
            SIZE.1,
            escape(&self.title)
        );
        self.grid(&mut svg, &x, &y);
        for &border in &self.borders {
            let at = x.at(border);
            let _ = write!(svg, "<path class=\"border\" d=\"M{at:.1} {TOP}V{:.1}\"/>", y.from);
        }
        for (name, bound) in &self.bounds {
            let at = y.at(*bound);
            let name = escape(name);
            let _ = write!(
                svg,
                "<path class=\"bound\" d=\"M{LEFT} {at:.1}H{:.1}\"><title>{name}</title></path>",
                x.to
            );
        }
        for (number, line) in self.lines.iter().enumerate() {
            self.line(&mut svg, line, &colour(number, self.lines.len()), &x, &y);
        }
        svg.push_str("</svg>");
        svg
    }

    fn grid(&self, svg: &mut String, x: &Scale, y: &Scale) {
        for place in x.axis.ticks((x.low, x.high)) {
            let (at, label) = (x.at_place(place), x.axis.label(place));
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{at:.1} {TOP}V{:.1}\"/><text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
                y.from,
                y.from + 20.0
            );
        }
        for place in y.axis.ticks((y.low, y.high)) {
            let (at, label) = (y.at_place(place), y.axis.label(place));
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                x.to,
                LEFT - 7.0,
                at + 4.5
            );
        }
        let (middle_x, middle_y) = ((x.from + x.to) / 2.0, (y.from + y.to) / 2.0);
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"{middle_x:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>\
             <text class=\"axis\" transform=\"translate(13 {middle_y:.0}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            SIZE.1 - 8.0,
            self.x.1,
            self.y.1
        );
    }

    fn line(&self, svg: &mut String, line: &Line, colour: &str, x: &Scale, y: &Scale) {
        let placed: Vec<String> =
            line.points.iter().map(|point| format!("{:.1},{:.1}", x.at(point.0), y.at(point.1))).collect();
        let _ = write!(svg, "<polyline style=\"stroke:{colour}\" points=\"{}\"/>", placed.join(" "));
        for (point, at) in line.points.iter().zip(&placed) {
            let (cx, cy) = at.split_once(',').unwrap_or((at, "0"));
            // A line of one point is that point.
            let shown = if placed.len() == 1 {
                format!(" style=\"fill:{colour}\" r=\"3\"")
            } else {
                " r=\"6\"".into()
            };
            let _ = write!(
                svg,
                "<circle cx=\"{cx}\" cy=\"{cy}\"{shown}><title>{}: {} at {}</title></circle>",
                escape(&line.name),
                self.y.0.text_of(point.1),
                self.x.0.text_of(point.0)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_say_what_they_mean() {
        for (axis, place, label) in [
            (Axis::LogTime, 6.0, "1 ms"),
            (Axis::Percentile, 0.0, "0 %"),
            (Axis::Percentile, 3.0, "99.9 %"),
            (Axis::Time, 2.5, "2.5"),
            (Axis::Rate, 500.0, "500"),
            (Axis::Rate, 20_000.0, "20,000"),
        ] {
            assert_eq!(axis.label(place), label);
        }
        assert_eq!(Axis::Time.ticks((0.0, 10.0)), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(Axis::LogTime.ticks((3.0, 6.0)), [3.0, 4.0, 5.0, 6.0]);
        assert_eq!(Axis::Percentile.text_of(3.0), "99.9 %");
    }

    #[test]
    fn nothing_one_point_and_many_are_drawn_with_their_values() {
        for points in [vec![], vec![(1e9, 5e5)], vec![(0.0, 1e3), (1e9, 1e6), (2e9, 1e9)]] {
            let lines = vec![Line::new("a<b", points.clone()), Line::new("c", points.clone())];
            let plot = Plot {
                title: "t & u".into(),
                x: (Axis::Time, "time"),
                y: (Axis::LogTime, "latency"),
                lines,
                borders: vec![5e8],
                bounds: vec![("p99<2ms".into(), 2e6)],
            };
            assert_eq!(plot.is_empty(), points.is_empty());
            let svg = plot.svg();
            assert!(svg.starts_with("<svg") && svg.contains("t &amp; u") && !svg.contains("NaN"), "{svg}");
            assert_eq!(svg.matches("<circle").count(), points.len() * 2);
            assert!(plot.legend().contains("a&lt;b") && plot.legend().contains("p99&lt;2ms"));
        }
    }

    #[test]
    fn more_lines_than_named_colours_have_a_colour_each() {
        let colours: std::collections::HashSet<String> = (0..40).map(|at| colour(at, 40)).collect();
        assert_eq!(colours.len(), 40);
    }
}
