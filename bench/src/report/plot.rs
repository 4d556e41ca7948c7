//! Line plots in SVG: the few kinds of axes that reports need.

use crate::quantity::{show_count, show_ns};
use plotters::prelude::*;

/// Size of a plot's drawing, scaled by the page.
const SIZE: (u32, u32) = (960, 380);
/// Colours that stay apart for most eyes (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

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
    /// A line through `points`.
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
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn.
    pub lines: Vec<Line>,
}

impl Axis {
    /// Where a value stands on the axis.
    fn place(self, value: f64) -> f64 {
        match self {
            Self::LogTime => value.max(1.0).log10(),
            Self::Time => value / 1e9,
            Self::Rate | Self::Percentile => value,
        }
    }

    /// What stands beside a tick.
    fn label(self, place: f64) -> String {
        match self {
            Self::LogTime => show_ns(10f64.powf(place).round() as u64),
            Self::Time => format!("{place:.1} s"),
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

    /// Whole numbers only, where a tick between them would say nothing.
    fn ticks(self, range: (f64, f64)) -> usize {
        match self {
            Self::LogTime | Self::Percentile => (range.1 - range.0).round() as usize + 1,
            Self::Time | Self::Rate => 8,
        }
    }
}

impl Plot {
    /// The lines' names in their colours, as HTML: inside of the drawing they would cover what is drawn.
    #[must_use]
    pub fn legend(&self) -> String {
        let entry = |(line, colour): (&Line, &RGBColor)| {
            let RGBColor(red, green, blue) = colour;
            let name = line.name.replace('&', "&amp;").replace('<', "&lt;");
            format!("<span><i style=\"background:rgb({red},{green},{blue})\"></i>{name}</span>")
        };
        self.lines.iter().zip(COLOURS.iter().cycle()).map(entry).collect()
    }

    /// Draws it. A plot that can't be drawn leaves a sentence: the rest of a report is worth more.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut svg = String::new();
        match self.draw(&mut svg) {
            Ok(()) => svg,
            Err(error) => format!("<p>{}: not drawn ({error})</p>", self.title),
        }
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let x_range = self.x.range(points().map(|point| self.x.place(point.0)));
        let y_range = self.y.range(points().map(|point| self.y.place(point.1)));
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .margin_right(48)
            .x_label_area_size(34)
            .y_label_area_size(80)
            .build_cartesian_2d(x_range.0..x_range.1, y_range.0..y_range.1)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 228, 232))
            .axis_style(RGBColor(140, 146, 153))
            .label_style(("sans-serif", 14))
            .x_labels(self.x.ticks(x_range))
            .y_labels(self.y.ticks(y_range))
            .x_label_formatter(&|place| self.x.label(*place))
            .y_label_formatter(&|place| self.y.label(*place))
            .draw()?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let style = colour.stroke_width(2);
            let placed: Vec<(f64, f64)> =
                line.points.iter().map(|point| (self.x.place(point.0), self.y.place(point.1))).collect();
            if let [single] = placed[..] {
                chart.draw_series([Circle::new(single, 3, colour.filled())])?;
            }
            chart.draw_series(LineSeries::new(placed, style))?;
        }
        root.present()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_say_what_they_mean() {
        for (axis, place, label) in [
            (Axis::LogTime, 6.0, "1.00 ms"),
            (Axis::Percentile, 0.0, "0 %"),
            (Axis::Percentile, 3.0, "99.9 %"),
            (Axis::Time, 2.5, "2.5 s"),
            (Axis::Rate, 500.0, "500"),
            (Axis::Rate, 20_000.0, "20,000"),
        ] {
            assert_eq!(axis.label(place), label);
        }
    }

    #[test]
    fn nothing_one_point_and_many_are_drawn() {
        for points in [vec![], vec![(1e9, 5e5)], vec![(0.0, 1e3), (1e9, 1e6), (2e9, 1e9)]] {
            let lines = vec![Line::new("a<b", points.clone()), Line::new("c", points)];
            let plot = Plot { title: "t & u".into(), x: Axis::Time, y: Axis::LogTime, lines };
            let svg = plot.svg();
            assert!(svg.starts_with("<svg") && svg.contains("t &amp; u"), "{svg}");
            assert!(plot.legend().contains("a&lt;b"));
        }
    }
}
