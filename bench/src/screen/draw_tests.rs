//! What stands on screens of all sizes.

use super::*;
use crate::client::target::Target;
use crate::driver::bands::Bands;
use crate::driver::tally::{Point, Tally};
use crate::report::goal::Goal;
use crate::report::verdict::{Verdict, Wall};
use crate::scenario::request::{Bodies, RequestForm};
use crate::scenario::{Load, Scenario, pacer::Arrivals};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::sync::Arc;
use std::time::Duration;

/// The same moment at each call.
fn now() -> Instant {
    static NOW: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    *NOW.get_or_init(Instant::now)
}

fn scenario() -> Scenario {
    let target = Target::resolve("http://127.0.0.1:8000/pixel", None, "/").unwrap();
    let form = RequestForm {
        method: "POST".into(),
        path: target.path.clone(),
        host: target.host.clone(),
        headers: Vec::new(),
        bodies: Bodies::None,
    };
    Scenario { threads: 1, ..Scenario::new(target, form) }
}

/// A board after three of ten seconds: most answers within 2 ms, some errors, two goals.
fn board() -> Board {
    let goals = ["p99<2ms", "errors=0"].map(|goal| Goal::parse(goal).unwrap());
    let mut board = Board::new(Arc::new(scenario()), goals.to_vec(), true);
    board.phase = Phase::Running(now().checked_sub(Duration::from_secs(3)).unwrap());
    for at in 0..30 {
        let mut tally =
            Tally { answers: 100, answers_in_time: 100, successes_in_time: 97, ..Tally::default() };
        tally.latency.record_n(1_500_000, 96).unwrap();
        tally.latency.record(40_000_000).unwrap();
        tally.statuses.add(200, 97);
        tally.statuses.add(503, 3);
        tally.failures.add(Failure::Status, 3);
        tally.failures.add(Failure::Timeout, 1);
        let point = Point {
            start_ns: at * 100_000_000,
            length_ns: 100_000_000,
            rate: 970.0,
            p50_ns: 1_500_000,
            p99_ns: 40_000_000,
            max_ns: 40_000_000,
            bands: Bands::of(&tally.latency),
            ..Point::default()
        };
        board.add(point, &tally);
    }
    board
}

fn known() -> Known {
    let evidence = vec!["the server's busiest thread was never idle".to_string(), "more".into()];
    Known { verdict: Verdict { wall: Wall::Server, evidence }, server_cpu_ns_per_request: Some(5e3) }
}

fn drawn(width: u16, height: u16, view: &View) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| render(frame, view)).unwrap();
    let buffer = terminal.backend().buffer();
    let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_string();
    (0..height).map(row).collect()
}

#[test]
fn a_usual_terminal_shows_everything() {
    let lines = drawn(80, 24, &View::of(&board(), Some(&known()), now()));
    let text = lines.join("\n");
    for said in [
        "http://127.0.0.1:8000/pixel",
        "closed loop; 64 connections, depth 1, 1 thread",
        "3.0 s of 10.0 s",
        "rate 970/s  p50 1.50 ms  p99 40.0 ms  max 40.0 ms  errors 120",
        "20 ms to 50 ms",
        "1 ms to 2 ms",
        "status 200",
        "status 503",
        "timed out",
        "limit so far: SERVER",
        "  the server's busiest thread was never idle",
        "goal p99<2ms: missed so far, 40.0 ms",
        "goal errors=0: missed so far, 120",
    ] {
        assert!(text.contains(said), "{said}:\n{text}");
    }
    assert_eq!(lines[23], "q or Ctrl-C ends the run; the report follows");
    // A column for each tenth of a second, the quick ones dark and the slow ones light.
    let row = |name: &str| lines.iter().find(|line| line.contains(name)).unwrap();
    assert!(row("1 ms to 2 ms").ends_with(&"█".repeat(30)), "{text}");
    assert!(row("20 ms to 50 ms").ends_with(&"░".repeat(30)), "{text}");
    // The bar and the words behind it fill the row.
    assert!(lines[2].starts_with("██") && lines[2].contains("░ 3.0 s"), "{}", lines[2]);
}

#[test]
fn terminals_of_all_sizes_show_what_matters_most() {
    let known = known();
    let empty = Board::new(Arc::new(scenario()), Vec::new(), false);
    let views = [
        View::of(&board(), Some(&known), now()),
        View::of(&board(), None, now()),
        View::of(&empty, None, now()),
    ];
    for view in &views {
        for width in [1, 2, 7, 17, 18, 19, 40, 80, 300] {
            for height in 1..60 {
                let lines = drawn(width, height, view);
                let order = ["", "limit", "q or Ctrl-C"];
                for (at, said) in order.iter().enumerate().filter(|(at, _)| height as usize > at + 1) {
                    let has = lines.iter().any(|line| line.contains(said));
                    assert!(has || width < 40, "{said} ({at}) at {width}x{height}: {lines:#?}");
                }
            }
        }
    }
    assert!(drawn(80, 24, &views[2]).iter().any(|line| line.contains("each agent stands in the report")));
    let lines = drawn(80, 1, &views[0]);
    assert!(lines[0].starts_with("rate 970/s"), "{lines:?}");
    let lines = drawn(80, 2, &views[0]);
    assert!(lines[0].contains("of 10.0 s") && lines[1].starts_with("rate"), "{lines:?}");
}

#[test]
fn phases_by_table() {
    let ago = |seconds: f64| {
        let ago = Duration::from_secs_f64(seconds);
        Phase::Running(now().checked_sub(ago).unwrap())
    };
    let answered = Tally { answers: 30, ..Tally::default() };
    for (phase, scenario, said) in [
        (Phase::Opening, scenario(), "connecting"),
        (Phase::Awaiting("connecting", 3, 64), scenario(), "connecting 3/64"),
        (ago(1.0), Scenario { warmup_ns: 4_000_000_000, ..scenario() }, "warm-up, 1.0 s of 4.0 s"),
        (ago(6.0), Scenario { warmup_ns: 4_000_000_000, ..scenario() }, "2.0 s of 10.0 s"),
        (ago(10.2), scenario(), "waiting for the last answers"),
        (
            ago(1.0),
            Scenario { requests: Some(120), duration_ns: u64::MAX, ..scenario() },
            "30 of 120 answers, 1.0 s",
        ),
        (
            ago(1.0),
            Scenario { requests: Some(30), duration_ns: u64::MAX, ..scenario() },
            "waiting for the last answers",
        ),
    ] {
        let mut board = Board::new(Arc::new(scenario), Vec::new(), true);
        (board.phase, board.total) = (phase, answered.clone());
        let lines = drawn(80, 24, &View::of(&board, None, now()));
        assert!(lines[2].ends_with(said), "{said}: {lines:#?}");
        assert!(lines[3].contains("nothing measured yet"), "{lines:#?}");
    }
}

#[test]
fn a_ramp_says_its_step_and_a_schedule_its_lag() {
    let mut board = board();
    let load = Load::Open { rate: 200.0, arrivals: Arrivals::Constant };
    board.begin(Arc::new(Scenario { load, ..scenario() }), Some((2, 6)));
    let lines = drawn(80, 24, &View::of(&board, None, now()));
    assert!(lines[1].starts_with("step 2 of 6: open loop, 200/s offered"), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("1 ms to 2 ms")), "the steps before stay: {lines:#?}");
    let mut tally = Tally::default();
    tally.lag.record(12_000).unwrap();
    board.add(Point { length_ns: 1, ..Point::default() }, &tally);
    let lines = drawn(100, 24, &View::of(&board, None, now()));
    assert!(lines[3].contains("send lag p99 12.0 us"), "{lines:#?}");
}

#[test]
fn more_codes_and_goals_than_rows_are_added_up() {
    let mut board = board();
    let mut tally = Tally::default();
    (400..420).for_each(|status| tally.statuses.add(status, 10));
    board.add(Point { length_ns: 1, ..Point::default() }, &tally);
    board.goals = (0..9).map(|at| Goal::parse(&format!("errors<{at}")).unwrap()).collect();
    let text = drawn(80, 40, &View::of(&board, None, now())).join("\n");
    assert!(text.contains("others") && text.contains("and 6 goals more"), "{text}");
    assert_eq!(text.matches("goal ").count(), 3, "{text}");
}
