//! `--tui`: a run on the whole terminal while it runs.
//!
//! The collector passes on each interval and never waits; the threads that send know nothing of it. One thread of a low
//! priority keeps the [`board`], reads keys and draws four times a second at most.

mod board;
mod draw;
mod heat;
pub(crate) mod keys;
mod meter;
pub mod terminal;

use crate::driver::live::Onlooker;
use crate::driver::server::ServerProbe;
use crate::driver::tally::{Point, Tally};
use crate::report::goal::Goal;
use crate::scenario::Scenario;
use board::{Board, Phase};
use draw::View;
use keys::{Keys, Pressed};
use meter::Meter;
use rustix::process::{Signal, getpid, kill_process, setpriority_process};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use terminal::Drawing;

/// Longest wait for a key before the news are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Least time between two drawings.
const DRAW_EVERY: Duration = Duration::from_millis(250);
/// Time between two looks at the bottleneck so far.
const JUDGE_EVERY: Duration = Duration::from_secs(1);
/// Intervals that wait to be looked at; beyond that they are added up until there is room. A terminal that is held (Ctrl-S) takes
/// none.
const WAITING_MAX: usize = 16;
/// Whoever sends goes first; with the least priority of all, 19, no key would be seen on a busy host for seconds.
const NICE: i32 = 10;

/// What the thread that draws is told.
enum News {
    Begun(Arc<Scenario>, Option<(usize, usize)>),
    Awaiting(&'static str, usize, usize),
    Started(Instant),
    Interval(Box<(Point, Tally)>),
}

/// The screen; the terminal is as before when it is dropped.
pub struct Screen {
    news: Option<Sender<News>>,
    waiting: Arc<AtomicUsize>,
    held: Option<Box<(Point, Tally)>>,
    thread: Option<JoinHandle<()>>,
}

impl Screen {
    /// Takes the terminal over and shows what `scenario` does, until it is dropped. What is `beside` the load, the server's processes
    /// and the time of a round trip in nanoseconds, tells the bottleneck so far; of a run that others send there is nothing.
    ///
    /// # Errors
    /// Returns a sentence if there is no terminal.
    pub fn open(
        scenario: &Scenario,
        goals: &[Goal],
        beside: Option<(&ServerProbe, u64)>,
    ) -> Result<Self, String> {
        terminal::check()?;
        let failed = |error: std::io::Error| format!("--tui: {error}; leave it out");
        let keys = Keys::open().map_err(failed)?;
        let drawing = terminal::take().map_err(failed)?;
        let (news, inbox) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let watcher = Watcher {
            board: Board::new(Arc::new(scenario.clone()), goals.to_vec(), beside.is_some()),
            meter: beside.map(|(probe, round_trip_ns)| Meter::new(probe, round_trip_ns)),
            known: None,
            judged_at: None,
            inbox,
            waiting: Arc::clone(&waiting),
        };
        let thread = std::thread::Builder::new()
            .name("screen".into())
            .spawn(move || watcher.run(drawing, &keys))
            .inspect_err(|_| terminal::give_back())
            .map_err(failed)?;
        Ok(Self { news: Some(news), waiting, held: None, thread: Some(thread) })
    }

    /// Says that a run begins; of a ramp, which of how many steps.
    pub fn begin(&mut self, scenario: &Scenario, step: Option<(usize, usize)>) {
        self.held = None;
        self.say(News::Begun(Arc::new(scenario.clone()), step));
    }

    fn say(&self, news: News) {
        // A thread that has ended, because the terminal has gone, misses nothing.
        let _ = self.news.as_ref().map(|sender| sender.send(news));
    }
}

impl Onlooker for Screen {
    fn awaiting(&mut self, what: &'static str, known: usize, all: usize) {
        self.say(News::Awaiting(what, known, all));
    }

    fn started(&mut self, epoch: Instant) {
        self.say(News::Started(epoch));
    }

    fn interval(&mut self, point: &Point, tally: Tally, _: u64) {
        let pair = match self.held.take() {
            None => Box::new((point.clone(), tally)),
            Some(mut held) => {
                held.0.absorb(point);
                held.1.merge(&tally);
                held
            }
        };
        if self.waiting.load(Ordering::Relaxed) < WAITING_MAX {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.say(News::Interval(pair));
        } else {
            self.held = Some(pair);
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The thread ends when there will be no news.
        self.news = None;
        let ended = self.thread.take().map(JoinHandle::join);
        terminal::give_back();
        drop(ended);
    }
}

/// The thread that draws.
struct Watcher {
    board: Board,
    meter: Option<Meter>,
    known: Option<meter::Known>,
    judged_at: Option<Instant>,
    inbox: Receiver<News>,
    waiting: Arc<AtomicUsize>,
}

impl Watcher {
    /// Draws and looks for keys until there are no more news, or the terminal has gone: the run goes on then, and its end has a report.
    fn run(mut self, mut drawing: Drawing, keys: &Keys) {
        // If it may not, it has the priority of the others.
        let _ = setpriority_process(None, NICE);
        let mut drawn_at: Option<Instant> = None;
        while self.read_news() {
            self.measure();
            if drawn_at.is_none_or(|at| at.elapsed() >= DRAW_EVERY) {
                drawn_at = Some(Instant::now());
                let view = View::of(&self.board, self.known.as_ref(), Instant::now());
                if terminal::draw(&mut drawing, |frame| draw::render(frame, &view)).is_err() {
                    return;
                }
            }
            match keys.next(LOOK_EVERY) {
                Pressed::End => interrupt(),
                Pressed::Nothing => {}
                Pressed::Gone => return,
            }
        }
    }

    /// Takes what has come; false when nothing will come any more.
    fn read_news(&mut self) -> bool {
        loop {
            match self.inbox.try_recv() {
                Ok(News::Begun(scenario, step)) => {
                    self.board.begin(scenario, step);
                    (self.known, self.judged_at) = (None, None);
                    self.meter.iter_mut().for_each(Meter::reset);
                }
                Ok(News::Awaiting(what, known, all)) => self.board.phase = Phase::Awaiting(what, known, all),
                Ok(News::Started(epoch)) => self.board.phase = Phase::Running(epoch),
                Ok(News::Interval(pair)) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    let (point, tally) = *pair;
                    self.board.add(point, &tally);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn measure(&mut self) {
        let Some(meter) = &mut self.meter else { return };
        if self.board.measured_since().is_none_or(|since| Instant::now() < since) {
            return;
        }
        if !meter.has_begun() {
            meter.begin();
        } else if self.judged_at.is_none_or(|at| at.elapsed() >= JUDGE_EVERY) && self.board.newest.is_some() {
            self.judged_at = Some(Instant::now());
            self.known = meter.judge(&self.board);
        }
    }
}

/// Does what Ctrl-C does elsewhere, so that a second one ends everything here too.
fn interrupt() {
    let _ = kill_process(getpid(), Signal::INT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_that_nobody_takes_are_added_up() {
        let (news, inbox) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut screen = Screen { news: Some(news), waiting, held: None, thread: None };
        for at in 0..100 {
            let tally = Tally { answers: 1, ..Tally::default() };
            let point = Point { start_ns: at, length_ns: 1, rate: 1e9, ..Point::default() };
            screen.interval(&point, tally, 0);
        }
        let taken: Vec<News> = inbox.try_iter().collect();
        assert_eq!(taken.len(), WAITING_MAX);
        screen.waiting.store(0, Ordering::Relaxed);
        screen.interval(&Point { length_ns: 1, ..Point::default() }, Tally::default(), 0);
        let Some(News::Interval(pair)) = inbox.try_iter().next() else { panic!("the rest") };
        let (point, tally) = *pair;
        assert_eq!(tally.answers, 100 - WAITING_MAX as u64);
        assert_eq!((point.start_ns, point.length_ns), (WAITING_MAX as u64, 101 - WAITING_MAX as u64));
    }
}
