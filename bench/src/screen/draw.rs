//! What stands on the screen, from the board: first what is shown, then where there is room for it.

use crate::driver::tally::Failure;
use crate::quantity::{show_count, show_ns, show_rate};
use crate::report::goal::Figures;
use crate::report::outcomes::{explained, share};
use crate::screen::board::{Board, Column, Columns, Phase};
use crate::screen::heat;
use crate::screen::meter::Known;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{Sparkline, Widget};
use std::time::Instant;

/// Columns of what stands before a row of a plot.
const LABEL: u16 = 18;
/// Rows of codes, and of goals, at most.
const LIST_MAX: usize = 4;
/// Rows of the plot of the rate where there is room, and rows that a heat map needs to say something.
const RATE_ROWS: u16 = 3;
const HEAT_ROWS_MIN: u16 = 3;

/// A piece of a row.
type Piece = (String, Style);
type Row = Vec<Piece>;

/// What is shown, whatever the size of the terminal.
pub struct View {
    title: Row,
    load: Row,
    /// The share of the run that is over, where its end is known, and how it is said.
    progress: (Option<f64>, String),
    figures: Row,
    codes: Vec<Row>,
    limit: Vec<Row>,
    goals: Vec<Row>,
    columns: Columns,
}

fn plain(text: impl Into<String>) -> Piece {
    (text.into(), Style::new())
}

fn faint(text: impl Into<String>) -> Piece {
    (text.into(), Style::new().fg(Color::DarkGray))
}

fn strong(text: impl Into<String>) -> Piece {
    (text.into(), Style::new().add_modifier(Modifier::BOLD))
}

fn bad(text: impl Into<String>) -> Piece {
    (text.into(), Style::new().fg(Color::Red))
}

fn good(text: impl Into<String>) -> Piece {
    (text.into(), Style::new().fg(Color::Green))
}

impl View {
    /// Makes what is shown of what is known at a time.
    pub fn of(board: &Board, known: Option<&Known>, now: Instant) -> Self {
        Self {
            title: vec![strong(board.scenario.target.url.clone())],
            load: vec![faint(load(board))],
            progress: progress(board, now),
            figures: figures(board),
            codes: codes(board),
            limit: limit(board, known),
            goals: goals(board, known),
            columns: board.columns.clone(),
        }
    }
}

fn load(board: &Board) -> String {
    let scenario = &board.scenario;
    let load = scenario
        .rate()
        .map_or("closed loop".into(), |rate| format!("open loop, {} offered", show_rate(rate)));
    let step = board.step.map_or(String::new(), |(step, of)| format!("step {step} of {of}: "));
    let threads =
        if scenario.threads == 1 { "1 thread".into() } else { format!("{} threads", scenario.threads) };
    format!("{step}{load}; {} connections, depth {}, {threads}", scenario.connections, scenario.pipeline)
}

fn progress(board: &Board, now: Instant) -> (Option<f64>, String) {
    let scenario = &board.scenario;
    let epoch = match board.phase {
        Phase::Opening => return (None, "connecting".into()),
        Phase::Awaiting(what, known, all) => {
            return (Some(known as f64 / all.max(1) as f64), format!("{what} {known}/{all}"));
        }
        Phase::Running(epoch) => epoch,
    };
    let now_ns = now.saturating_duration_since(epoch).as_nanos() as u64;
    let seconds = |ns: u64| format!("{:.1} s", ns as f64 / 1e9);
    if now_ns < scenario.warmup_ns {
        let part = now_ns as f64 / scenario.warmup_ns as f64;
        return (Some(part), format!("warm-up, {} of {}", seconds(now_ns), seconds(scenario.warmup_ns)));
    }
    let measured_ns = now_ns - scenario.warmup_ns;
    match (scenario.requests, scenario.duration_ns) {
        (Some(all), _) if board.total.answers >= all => (Some(1.0), "waiting for the last answers".into()),
        (_, ns) if measured_ns >= ns => (Some(1.0), "waiting for the last answers".into()),
        (Some(all), _) => {
            let answers = board.total.answers;
            let said =
                format!("{} of {} answers, {}", show_count(answers), show_count(all), seconds(measured_ns));
            (Some(answers as f64 / all.max(1) as f64), said)
        }
        (None, ns) => {
            (Some(measured_ns as f64 / ns as f64), format!("{} of {}", seconds(measured_ns), seconds(ns)))
        }
    }
}

fn figures(board: &Board) -> Row {
    let Some(newest) = &board.newest else { return vec![faint("nothing measured yet")] };
    let errors = board.total.failures.total();
    let mut row = vec![
        faint("rate "),
        strong(show_rate(newest.rate)),
        faint("  p50 "),
        plain(show_ns(newest.p50_ns)),
        faint("  p99 "),
        plain(show_ns(newest.p99_ns)),
        faint("  max "),
        plain(show_ns(newest.max_ns)),
        faint("  errors "),
        if errors > 0 { bad(show_count(errors)) } else { plain("0") },
    ];
    let lag = &board.total.lag;
    if !lag.is_empty() {
        row.push(faint("  send lag p99 "));
        row.push(plain(show_ns(lag.value_at_quantile(0.99))));
    }
    row
}

/// Returns a row for each status code and each kind of error, the most frequent first; the last row has those without a row.
fn codes(board: &Board) -> Vec<Row> {
    let total = &board.total;
    let mut found: Vec<(u64, String, bool)> = total
        .statuses
        .sorted()
        .into_iter()
        .map(|(status, count)| (count, format!("status {status}"), status >= 400))
        .collect();
    let failures = Failure::ALL.into_iter().filter(|&kind| kind != Failure::Status);
    found.extend(failures.map(|kind| (total.failures.of(kind), explained(kind).to_string(), true)));
    found.retain(|(count, ..)| *count > 0);
    found.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
    let all: u64 = found.iter().map(|(count, ..)| count).sum();
    if found.len() > LIST_MAX {
        let others = found.split_off(LIST_MAX - 1);
        found.push((others.iter().map(|(count, ..)| count).sum(), "others".into(), true));
    }
    found
        .into_iter()
        .map(|(count, name, is_bad)| {
            let figures = format!("{:>14} {:>10}  ", show_count(count), share(count as f64 / all as f64));
            vec![plain(figures), if is_bad { bad(name) } else { plain(name) }]
        })
        .collect()
}

fn limit(board: &Board, known: Option<&Known>) -> Vec<Row> {
    if !board.sends_itself {
        return vec![vec![faint("limit so far: that of each agent stands in the report")]];
    }
    let Some(known) = known else { return vec![vec![faint("limit so far: not known yet")]] };
    let mut rows = vec![vec![faint("limit so far: "), strong(known.verdict.wall.name())]];
    rows.extend(known.verdict.evidence.first().map(|why| vec![plain(format!("  {why}"))]));
    rows
}

fn goals(board: &Board, known: Option<&Known>) -> Vec<Row> {
    let figures = Figures {
        total: &board.total,
        rate: board.rate(),
        server_cpu_ns_per_request: known.and_then(|known| known.server_cpu_ns_per_request),
    };
    let row = |goal: &crate::report::goal::Goal| {
        let outcome = goal.check(&figures);
        let word = match (outcome.value, outcome.is_met) {
            (None, _) => faint("not known yet"),
            (Some(value), true) => good(format!("met so far, {}", goal.show(value))),
            (Some(value), false) => bad(format!("missed so far, {}", goal.show(value))),
        };
        vec![faint("goal "), plain(format!("{}: ", goal.text)), word]
    };
    let mut rows: Vec<Row> = board.goals.iter().take(LIST_MAX).map(row).collect();
    if board.goals.len() > LIST_MAX {
        rows[LIST_MAX - 1] = vec![faint(format!("and {} goals more", board.goals.len() - LIST_MAX + 1))];
    }
    rows
}

/// Rows that each part gets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rooms {
    title: u16,
    load: u16,
    progress: u16,
    figures: u16,
    rate: u16,
    heat: u16,
    codes: u16,
    limit: u16,
    goals: u16,
    keys: u16,
}

impl Rooms {
    /// Gives each part its rows, the most important one first, until there are no more.
    fn of(height: u16, view: &View) -> Self {
        let mut left = height;
        let mut take = |wanted: usize| {
            let got = usize::from(left).min(wanted) as u16;
            left -= got;
            got
        };
        // In this order they are evaluated.
        let mut rooms = Self {
            figures: take(1),
            progress: take(1),
            limit: take(1),
            keys: take(1),
            codes: take(view.codes.len()),
            goals: take(view.goals.len()),
            title: take(1),
            ..Self::default()
        };
        let heat = if left >= HEAT_ROWS_MIN { HEAT_ROWS_MIN } else { 0 };
        left -= heat;
        let mut take = |wanted: usize| {
            let got = usize::from(left).min(wanted) as u16;
            left -= got;
            got
        };
        rooms.load = take(1);
        rooms.limit += take(view.limit.len().saturating_sub(usize::from(rooms.limit)));
        rooms.rate = take(usize::from(RATE_ROWS));
        // What is left is the heat map's, unless it has no room: then it stays empty.
        rooms.heat = if heat > 0 { heat + left } else { 0 };
        rooms
    }
}

/// Draws it.
pub fn render(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    let rooms = Rooms::of(area.height, view);
    let buffer = frame.buffer_mut();
    let mut rest = area;
    let mut part = |rows: u16| {
        let (own, others) = (Rect { height: rows, ..rest }, rest.height - rows);
        rest = Rect { y: rest.y + rows, height: others, ..rest };
        own
    };
    list(buffer, part(rooms.title), std::slice::from_ref(&view.title));
    list(buffer, part(rooms.load), std::slice::from_ref(&view.load));
    gauge(buffer, part(rooms.progress), &view.progress);
    list(buffer, part(rooms.figures), std::slice::from_ref(&view.figures));
    let cells = area.width.saturating_sub(LABEL);
    let columns = view.columns.fitting(usize::from(cells));
    rate(buffer, part(rooms.rate), &columns);
    heat_map(buffer, part(rooms.heat), &columns);
    list(buffer, part(rooms.codes), &view.codes);
    list(buffer, part(rooms.limit), &view.limit);
    list(buffer, part(rooms.goals), &view.goals);
    let keys = vec![faint("q or Ctrl-C ends the run; the report follows")];
    list(buffer, part(rooms.keys), std::slice::from_ref(&keys));
}

/// Writes rows of pieces, as much of each as fits.
fn list(buffer: &mut Buffer, area: Rect, rows: &[Row]) {
    for (y, row) in (area.y..area.bottom()).zip(rows) {
        let mut x = area.x;
        for (text, style) in row {
            let room = usize::from(area.right().saturating_sub(x));
            if room == 0 {
                break;
            }
            (x, _) = buffer.set_stringn(x, y, text, room, *style);
        }
    }
}

/// Writes how far the run is: a bar, and words behind it.
fn gauge(buffer: &mut Buffer, area: Rect, (part, said): &(Option<f64>, String)) {
    let bar = usize::from(area.width.saturating_sub(said.chars().count() as u16 + 2).min(60));
    let full = (part.unwrap_or(0.0).clamp(0.0, 1.0) * bar as f64).round() as usize;
    let done = ("█".repeat(full), Style::new().fg(Color::Green));
    let open = faint("░".repeat(bar - full));
    let gap = if bar > 0 { " " } else { "" };
    list(buffer, area, &[vec![done, open, plain(format!("{gap}{said}"))]]);
}

fn rate(buffer: &mut Buffer, area: Rect, columns: &[Column]) {
    let most = columns.iter().map(Column::rate).fold(0.0, f64::max);
    if area.height == 0 || area.width <= LABEL || most <= 0.0 {
        return;
    }
    let label = Rect { width: LABEL, ..area };
    list(buffer, label, &[vec![faint(format!("{:>17}", show_rate(most)))]]);
    let plot = Rect { x: area.x + LABEL, width: area.width - LABEL, ..area };
    // Whole numbers are asked for, and rates may be below 1.
    let values: Vec<u64> = columns.iter().map(|column| (column.rate() / most * 1e6) as u64).collect();
    Sparkline::default()
        .data(&values)
        .max(1_000_000)
        .style(Style::new().fg(Color::Cyan))
        .render(plot, buffer);
}

fn heat_map(buffer: &mut Buffer, area: Rect, columns: &[Column]) {
    if area.width <= LABEL {
        return;
    }
    let cells = Style::new().fg(Color::Yellow);
    let rows = heat::rows(columns, usize::from(area.height));
    let rows = rows.into_iter().map(|(name, shades)| vec![faint(format!("{name:>17} ")), (shades, cells)]);
    list(buffer, area, &rows.collect::<Vec<_>>());
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
