//! The screen: a column for each host, or one below the other where the terminal is too narrow.

use super::figures::Figures;
use super::hosts::Host;
use super::text;
use crate::quantity::show_count;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Paragraph, Row, Sparkline, Table};
use std::collections::VecDeque;

/// Narrowest column that a host's figures fit into.
const COLUMN_MIN: u16 = 40;
/// Lines of a plot.
const PLOT_LINES: u16 = 3;
/// Cells of a worker's bar.
const BAR: usize = 16;

/// Draws these hosts.
pub fn draw(frame: &mut Frame<'_>, hosts: &[Host]) {
    let [screen, foot] = Layout::vertical([Constraint::Fill(1), Constraint::Length(1)]).areas(frame.area());
    let count = hosts.len().max(1) as u16;
    let shares = vec![Constraint::Ratio(1, u32::from(count)); hosts.len()];
    let areas = if screen.width / count >= COLUMN_MIN || hosts.len() == 1 {
        Layout::horizontal(shares).split(screen)
    } else {
        Layout::vertical(shares).split(screen)
    };
    for (host, area) in hosts.iter().zip(areas.iter()) {
        draw_host(frame, host, *area);
    }
    frame.render_widget(Line::from(" q quits ").dim(), foot);
}

fn draw_host(frame: &mut Frame<'_>, host: &Host, area: Rect) {
    let title = Span::styled(format!(" {} ", host.name), Style::new().add_modifier(Modifier::BOLD));
    let block = Block::bordered().title(title);
    let inside = block.inner(area);
    match host.figures() {
        Err("") => frame.render_widget(Paragraph::new("asking ...").block(block), area),
        Err(why) => {
            let text = Paragraph::new(format!("{why}\nIt is asked again and again."));
            frame.render_widget(text.wrap(ratatui::widgets::Wrap { trim: true }).red().block(block), area);
        }
        Ok(figures) => {
            let up =
                figures.up_seconds.map_or(String::new(), |seconds| format!(" up {} ", text::span(seconds)));
            frame.render_widget(block.title(Line::from(up).right_aligned()), area);
            draw_figures(frame, host, figures, inside);
        }
    }
}

fn draw_figures(frame: &mut Frame<'_>, host: &Host, figures: &Figures, area: Rect) {
    let stages = text::stages(figures);
    let lines = lines(figures);
    let stage_lines = if stages.is_empty() { 0 } else { stages.len() as u16 + 2 };
    // What is cut off on a small terminal is what stands last.
    let [top, plots, middle, _] = Layout::vertical([
        Constraint::Length(lines.len() as u16),
        Constraint::Length(2 * (PLOT_LINES + 1)),
        Constraint::Length(stage_lines),
        Constraint::Fill(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(lines), top);
    let [requests, records] = Layout::vertical([Constraint::Length(PLOT_LINES + 1); 2]).areas(plots);
    draw_plot(frame, "requests/s", &host.requests, Color::Blue, requests);
    draw_plot(frame, "records/s", &host.records, Color::Green, records);
    let header = Row::new(["", "p50 <=", "p99 <=", "times"]).style(Style::new().add_modifier(Modifier::DIM));
    let right = |text: String| Line::from(text).right_aligned();
    let row = |[name, p50, p99, count]: [String; 4]| {
        Row::new([Line::from(name), right(p50), right(p99), right(count)])
    };
    let widths =
        [Constraint::Length(12), Constraint::Length(9), Constraint::Length(9), Constraint::Length(9)];
    if !stages.is_empty() {
        frame.render_widget(Table::new(stages.into_iter().map(row), widths).header(header), middle);
    }
}

/// Returns what stands above the plots: troubles, figures, workers.
fn lines(figures: &Figures) -> Vec<Line<'static>> {
    let troubles = figures.troubles.iter().map(|trouble| Line::from(format!("! {trouble}")).red());
    let row = |(name, value): (&'static str, String)| {
        let is_bad = name == "errors" && figures.errors.is_some_and(|rate| rate > 0.0);
        let is_away = name == "peer" && figures.peer.as_ref().is_some_and(|peer| !peer.is_connected);
        let value = Span::from(value);
        let value = if is_bad || is_away { value.red() } else { value.bold() };
        Line::from(vec![Span::from(format!("{name:<12} ")).dim(), value])
    };
    let worker = |worker: &super::figures::Worker| {
        let share = worker.cpu.unwrap_or(0.0).clamp(0.0, 1.0);
        let full = (share * BAR as f64).round() as usize;
        let colour = if share > 0.9 { Color::Red } else { Color::Cyan };
        Line::from(vec![
            Span::from(format!("worker {:<5} ", worker.name)).dim(),
            Span::styled("#".repeat(full), colour),
            Span::from(".".repeat(BAR - full)).dim(),
            Span::from(format!(
                " {:>5}  {} open",
                text::percent(worker.cpu),
                show_count(worker.connections as u64)
            )),
        ])
    };
    let rows = text::rows(figures).into_iter().map(row);
    troubles.chain(rows).chain(figures.workers.iter().map(worker)).collect()
}

/// Draws the recent past, the newest at the right edge.
fn draw_plot(frame: &mut Frame<'_>, name: &str, past: &VecDeque<Option<u64>>, colour: Color, area: Rect) {
    let width = usize::from(area.width);
    let shown: Vec<Option<u64>> = past.iter().copied().skip(past.len().saturating_sub(width)).collect();
    let most = shown.iter().flatten().max().copied().unwrap_or(0);
    let missing = vec![None; width.saturating_sub(shown.len())];
    let bars = missing.into_iter().chain(shown).map(|value| value.unwrap_or(0));
    let title = Line::from(format!("{name}, up to {}", show_count(most))).dim();
    let plot =
        Sparkline::default().block(Block::new().title(title)).data(bars).max(most.max(1)).style(colour);
    frame.render_widget(plot, area);
}

#[cfg(test)]
mod tests {
    use super::super::figures::example::{BEFORE, NOW};
    use super::*;
    use crate::driver::stages::Exposition;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::time::{Duration, Instant};

    fn hosts() -> Vec<Host> {
        let page = |text: &str| Ok(Exposition::parse(text).expect("a page"));
        let (mut one, mut other) = (Host::new("10.0.0.1:8000"), Host::new("10.0.0.2:8000"));
        let begun = Instant::now();
        one.take(page(BEFORE), begun);
        one.take(page(NOW), begun + Duration::from_secs(10));
        other.take(Err("no answer: connection refused".to_owned()), begun);
        vec![one, other]
    }

    /// Draws on a terminal of that size; gives its lines.
    fn drawn(hosts: &[Host], columns: u16, lines: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(columns, lines)).expect("a terminal");
        terminal.draw(|frame| draw(frame, hosts)).expect("drawn");
        let buffer = terminal.backend().buffer().clone();
        let line = |y| (0..columns).map(|x| buffer[(x, y)].symbol().to_owned()).collect::<String>();
        (0..lines).map(line).collect()
    }

    #[test]
    fn two_hosts_stand_side_by_side_where_there_is_room() {
        let wide = drawn(&hosts(), 100, 30);
        assert!(wide[0].contains(" 10.0.0.1:8000 ") && wide[0].contains(" 10.0.0.2:8000 "), "{wide:#?}");
        assert!(wide[1].contains("2,002/s") && wide[1].contains("connection refused"), "{wide:#?}");
        let narrow = drawn(&hosts(), 60, 40);
        assert!(!narrow[0].contains("10.0.0.2") && narrow[20..].iter().any(|line| line.contains("10.0.0.2")));
    }

    #[test]
    fn everything_is_there_and_no_size_is_too_small() {
        let all = drawn(&hosts()[..1], 80, 30).join("\n");
        for part in [
            " up ",
            "connected, lacks 12 records",
            "worker 0     ###########.....",
            "requests/s, up to 2,002",
            "250 us",
            "q quits",
        ] {
            assert!(all.contains(part), "{part} in\n{all}");
        }
        for (columns, lines) in [(1, 1), (2, 2), (10, 3), (39, 8), (300, 5)] {
            drawn(&hosts(), columns, lines);
        }
    }
}
