//! Wheel, worker and connections together, through silences: each deadline comes once, never early, and at most one grain
//! late, although nothing else happens on the worker.

use std::io::Write;

use proptest::prelude::*;

use super::Worker;
use super::connection::{Connection, Task, Wait};
use super::held::{AnswerFraming, Asked};
use super::service::start_wait;
use super::simulated::{Ground, Simulated};
use super::wheel::TICK_MS;
use crate::app::application::{Action, Resume, View, Wait as Held};
use crate::app::wait::News;
use crate::base::durability::Durability;
use crate::base::limits::{LINGER_MS, LINGER_PAUSE_MS, Limits};
use crate::engine::shared::table::Key;
use crate::http::request::Version;
use crate::http::response::Response;

/// Everything that a connection may have a deadline for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    FirstByte,
    Header,
    Idle,
    Body,
    Write,
    Linger,
    /// The application waits for so many milliseconds.
    Waiting(u64),
    /// The same, and then once more in the same request; longer than the first may be late.
    WaitingTwice(u64),
    Stalled,
}

/// One deadline.
#[derive(Debug)]
struct Due {
    kind: Kind,
    key: Key,
    due_ms: u64,
    came_ms: Option<u64>,
}

struct Again(u64);

impl Resume for Again {
    fn resume(self: Box<Self>, _view: &View<'_>, news: News) -> Action {
        assert_eq!(news, News::Time);
        match self.0 {
            0 => Action::Respond(Response::new(200, "", "")),
            until_us => Action::Wait(Held { until_us: Some(until_us), then: Box::new(Self(0)) }),
        }
    }
}

/// Brings a new connection to wait for `kind`.
fn begin(simulated: &mut Simulated, kind: Kind) -> (Due, std::net::TcpStream) {
    let limits = simulated.worker.context.limits.clone();
    let (key, mut client) = simulated.connect();
    let (sent, wait, ms) = match kind {
        Kind::FirstByte => ("", Wait::FirstByte, limits.first_byte_ms),
        Kind::Header => ("GET /pixels/count HT", Wait::Header, limits.header_ms),
        Kind::Idle => ("GET /pixels/count HTTP/1.1\r\nHost: x\r\n\r\n", Wait::Idle, limits.idle_ms),
        Kind::Body => (
            "POST /pixel HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{",
            Wait::Body,
            limits.body_grace_ms,
        ),
        Kind::Write => ("", Wait::Write, limits.write_stall_ms),
        Kind::Linger => ("nonsense\r\n\r\n", Wait::Linger, LINGER_PAUSE_MS),
        Kind::Waiting(ms) => ("", Wait::Us, ms),
        Kind::WaitingTwice(ms) => ("", Wait::Us, 2 * ms),
        Kind::Stalled => {
            while simulated.worker.service.lane.push_short(&[0x11; 10]) {}
            let stalled = "POST /pixel HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 39\r\n\r\n\
                           {\"x\":1,\"y\":2,\"channel\":\"R\",\"value\":123}";
            (stalled, Wait::Us, limits.lane_full_ms)
        }
    };
    client.write_all(sent.as_bytes()).expect("sent");
    let due_ms = simulated.now_ms() + ms;
    match kind {
        Kind::Waiting(_) => hold(simulated, key, due_ms * 1_000, 0),
        Kind::WaitingTwice(ms) => hold(simulated, key, (due_ms - ms) * 1_000, due_ms * 1_000),
        Kind::Write => simulated.hear(key, |_, connection| {
            if !connection.blocked && connection.output.is_empty() {
                connection.output = vec![0; 1 << 20];
                connection.owe();
            }
            connection.wait == Wait::Write
        }),
        _ => {}
    }
    let mut came = false;
    simulated.hear(key, |_, connection| {
        came |= connection.wait == wait;
        came
    });
    (Due { kind, key, due_ms, came_ms: None }, client)
}

/// Has the application of `key` wait until `until_us`, and then until `then_us` unless that is 0.
fn hold(simulated: &mut Simulated, key: Key, until_us: u64, then_us: u64) {
    let framing = AnswerFraming { version: Version::Http11, keep_alive: true, head_only: false };
    let asked = Asked {
        framing,
        route: 0,
        durability: Durability::Disk,
        names_no_level: false,
        reached: None,
        frees_space: false,
        form: None,
    };
    simulated.worker.with(key, |worker, connection| {
        let wait = Held { until_us: Some(until_us), then: Box::new(Again(then_us)) };
        start_wait(connection, wait, asked, &worker.context);
        worker.settle(connection)
    });
}

impl Due {
    fn look(&mut self, worker: &mut Worker, now_ms: u64) {
        let is_over = worker.table.at(self.key).is_none_or(|connection| self.is_over(connection));
        if is_over && self.came_ms.is_none() {
            self.came_ms = Some(now_ms);
        }
    }

    fn is_over(&self, connection: &Connection) -> bool {
        match self.kind {
            Kind::Header | Kind::Body => connection.closing,
            Kind::Waiting(_) | Kind::WaitingTwice(_) => !matches!(connection.task, Task::Waiting { .. }),
            Kind::Stalled => !matches!(connection.task, Task::Stalled { .. }),
            Kind::FirstByte | Kind::Idle | Kind::Write | Kind::Linger => false,
        }
    }
}

/// Times up to an hour, short and long ones alike.
fn time() -> impl Strategy<Value = u64> {
    prop_oneof![10..200_u64, 200..30_000_u64, 20_000..30_000_u64, 30_000..=3_600_000_u64]
}

fn limits() -> impl Strategy<Value = Limits> {
    (time(), time(), time(), time(), time(), 1..=60_000_u64).prop_map(
        |(first_byte_ms, header_ms, idle_ms, body_grace_ms, write_stall_ms, lane_full_ms)| Limits {
            first_byte_ms,
            header_ms,
            idle_ms,
            body_grace_ms,
            write_stall_ms,
            lane_full_ms,
            ..Limits::default()
        },
    )
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::FirstByte),
        Just(Kind::Header),
        Just(Kind::Idle),
        Just(Kind::Body),
        Just(Kind::Write),
        Just(Kind::Linger),
        time().prop_map(Kind::Waiting),
        time().prop_map(|ms| Kind::WaitingTwice(ms + 2 * TICK_MS)),
        Just(Kind::Stalled),
    ]
}

/// Lets each of `plan` begin after its silence, and gives what is wrong with the deadlines' coming.
fn run(ground: &Ground, limits: Limits, plan: &[(u64, Kind)]) -> Result<(), String> {
    let mut simulated = ground.worker(limits);
    let (mut all, mut clients): (Vec<Due>, Vec<_>) = (Vec::new(), Vec::new());
    for (silence_ms, kind) in plan {
        simulated.pass(*silence_ms, |worker, now_ms| all.iter_mut().for_each(|due| due.look(worker, now_ms)));
        let (due, client) = begin(&mut simulated, *kind);
        // What came while that began is seen at its time.
        let now_ms = simulated.now_ms();
        all.iter_mut().for_each(|due| due.look(&mut simulated.worker, now_ms));
        all.push(due);
        clients.push(client);
    }
    let rest_ms = 4 * 3_600_000;
    simulated.pass(rest_ms, |worker, now_ms| all.iter_mut().for_each(|due| due.look(worker, now_ms)));
    for due in &all {
        let late_ms = due.came_ms.and_then(|came_ms| came_ms.checked_sub(due.due_ms));
        if late_ms.is_none_or(|late_ms| late_ms > TICK_MS + 1) {
            return Err(format!("{due:?}"));
        }
    }
    Ok(())
}

#[test]
fn each_deadline_comes_once_and_in_time_after_any_silence() {
    let ground = Ground::new();
    let config = ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(limits in limits(), plan in proptest::collection::vec((time(), kind()), 1..10))| {
        run(&ground, limits, &plan).map_err(TestCaseError::fail)?;
    });
}

#[test]
fn every_kind_comes_after_a_silence_that_is_longer_than_the_wheel_is_round() {
    let ground = Ground::new();
    let kinds = [
        Kind::FirstByte,
        Kind::Header,
        Kind::Idle,
        Kind::Body,
        Kind::Write,
        Kind::Linger,
        Kind::Waiting(5_000),
        Kind::WaitingTwice(500),
        Kind::Stalled,
    ];
    for kind in kinds {
        assert_eq!(run(&ground, Limits::default(), &[(60_000, kind)]), Ok(()));
        assert_eq!(run(&ground, Limits::default(), &[(20_600, kind), (9_000, kind)]), Ok(()));
    }
}

#[test]
fn a_body_at_its_least_rate_is_not_late_and_one_that_stops_is() {
    let ground = Ground::new();
    let mut simulated =
        ground.worker(Limits { body_grace_ms: 1_000, body_rate_bytes: 100, ..Limits::default() });
    let (key, mut client) = simulated.connect();
    let head =
        "POST /pixel HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n";
    client.write_all(head.as_bytes()).expect("sent");
    simulated.hear(key, |_, connection| connection.wait == Wait::Body);
    let is_open = |simulated: &mut Simulated| simulated.worker.table.at(key).is_some_and(|c| !c.closing);
    // A byte for each ten milliseconds is the rate. The first ten are ahead of it.
    for sent in 1..=31 {
        client.write_all(b"0123456789").expect("sent");
        simulated.hear(key, |_, connection| connection.body_bytes == 10 * sent);
        if sent < 31 {
            simulated.pass(100, |_, _| ());
        }
        assert!(is_open(&mut simulated), "{sent}");
    }
    simulated.pass(100, |_, _| ());
    assert!(is_open(&mut simulated));
    simulated.pass(TICK_MS + 2, |_, _| ());
    assert!(!is_open(&mut simulated));
}

#[test]
fn a_limit_that_is_lowered_holds_for_connections_that_wait_already() {
    let ground = Ground::new();
    let mut simulated = ground.worker(Limits { idle_ms: 3_600_000, ..Limits::default() });
    let (due, _client) = begin(&mut simulated, Kind::Idle);
    simulated.pass(1_000, |_, _| ());
    simulated.worker.context.limits = std::sync::Arc::new(Limits { idle_ms: 2_000, ..Limits::default() });
    simulated.worker.sweep(|_| true);
    simulated.pass(1_000 + TICK_MS + 2, |_, _| ());
    assert!(simulated.worker.table.at(due.key).is_none());
}

#[test]
fn a_client_that_sends_on_behind_its_last_answer_is_heard_for_a_bounded_time() {
    let ground = Ground::new();
    let mut simulated = ground.worker(Limits::default());
    let (Due { key, .. }, mut client) = begin(&mut simulated, Kind::Linger);
    let began_ms = simulated.now_ms();
    while simulated.now_ms() + LINGER_PAUSE_MS < began_ms + LINGER_MS {
        simulated.pass(LINGER_PAUSE_MS - 1, |_, _| ());
        assert!(simulated.worker.table.at(key).is_some());
        client.write_all(b"more").expect("sent");
        let now_ms = simulated.now_ms();
        simulated.hear(key, |_, connection| connection.since_ms == now_ms);
    }
    simulated.pass(began_ms + LINGER_MS - simulated.now_ms(), |_, _| ());
    assert!(simulated.worker.table.at(key).is_some());
    simulated.pass(TICK_MS + 2, |_, _| ());
    assert!(simulated.worker.table.at(key).is_none());
}
