//! One run: threads connect, start together, and a collector adds up what they hand over.

use crate::driver::bands::Bands;
use crate::driver::connect_times::ConnectTimes;
use crate::driver::figures::{Finished, Note};
use crate::driver::intervals::Intervals;
use crate::driver::kinds::{self, KindFigures};
use crate::driver::live::Onlooker;
use crate::driver::machine::{HostTimes, HostUse};
use crate::driver::reasons::Reason;
use crate::driver::server::{ServerProbe, ServerReading, ServerUse};
use crate::driver::stalls::Stalls;
use crate::driver::statuses::Example;
use crate::driver::tally::{Point, Tally};
use crate::driver::team::Team;
use crate::quantity::show_count;
use crate::scenario::Scenario;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often the collector looks at the clock and at an interrupt.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What a run is given beside its scenario.
pub struct Watch<'a> {
    /// Where the server's CPU time can be read.
    pub server: &'a ServerProbe,
    /// Set by an interrupt; the run then ends and is reported.
    pub stop: &'a Arc<AtomicBool>,
    /// Who is told how it goes.
    pub onlooker: &'a mut dyn Onlooker,
    /// Asked after each interval with the figures so far and their length, nanoseconds: a reason ends the run.
    pub abort_if: &'a dyn Fn(&Tally, u64) -> Option<String>,
    /// Called once when the clock starts.
    pub on_start: &'a mut dyn FnMut(Instant),
}

/// CPU use of one thread of the generator within the measured part. Nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadUse {
    /// On a CPU.
    pub cpu_ns: u64,
    /// Waiting for one.
    pub waited_for_cpu_ns: u64,
    /// When the thread stood still, for whatever reason.
    pub stalls: Stalls,
}

impl ThreadUse {
    /// Returns the use of a thread that has ended.
    pub(crate) fn of(finished: &Finished) -> Self {
        let &Finished { cpu_ns, waited_for_cpu_ns, stalls, .. } = finished;
        Self { cpu_ns, waited_for_cpu_ns, stalls }
    }

    /// Adds the use of another run.
    pub(crate) fn add(&mut self, more: &Self) {
        self.cpu_ns += more.cpu_ns;
        self.waited_for_cpu_ns += more.waited_for_cpu_ns;
        self.stalls.add(more.stalls);
    }
}

/// Everything a run measured.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Sums over all threads and intervals.
    pub total: Tally,
    /// The time series.
    pub series: Vec<Point>,
    /// Length of the measured part, nanoseconds.
    pub window_ns: u64,
    /// The generator's threads.
    pub threads: Vec<ThreadUse>,
    /// The server's use of its host, where it could be read.
    pub server: Option<ServerUse>,
    /// The generator's host.
    pub host: HostUse,
    /// The threads' last words, in their order.
    pub finished: Vec<Finished>,
    /// Whether an interrupt ended it.
    pub is_interrupted: bool,
    /// Why [`Watch::abort_if`] ended it, if it did.
    pub aborted: Option<String>,
    /// Requests in flight at an interrupt, or unanswered long after the end.
    pub cut_off: u64,
    /// Why requests and connections failed.
    pub reasons: Vec<Reason>,
    /// The first answer of each status that is no success.
    pub examples: Vec<Example>,
    /// Figures by kind of request, in the order of the mix; empty without one.
    pub kinds: Vec<KindFigures>,
    /// How long connections took to open.
    pub connect_times: ConnectTimes,
    /// Whether the server was ended and started again meanwhile; set by who did it.
    pub was_restarted: bool,
    /// The generators, when there were several; empty when this process was the only one.
    pub agents: Vec<AgentFigures>,
}

/// What one of several generators did of a run.
#[derive(Clone, Debug)]
pub struct AgentFigures {
    /// Its address, as it was given.
    pub name: String,
    /// Name of its host.
    pub host: String,
    /// Fingerprint of the public key that it showed.
    pub key: String,
    /// Threads it was given.
    pub threads: usize,
    /// Connections it was given.
    pub connections: usize,
    /// Requests per second that its share of the schedule wanted; nothing in a closed loop.
    pub offered: Option<f64>,
    /// Most that its clock may have started earlier or later than the others', nanoseconds: half of the round trip to it.
    pub start_error_ns: u64,
    /// Time of a TCP handshake with the target, nanoseconds; 0 if not measured.
    pub round_trip_ns: u64,
    /// Whether the target runs on its host.
    pub is_local: bool,
    /// Its own figures; the server's are those of the whole run.
    pub measured: Measured,
    /// Why it did not do its share to the end, if it did not.
    pub fault: Option<String>,
}

impl Measured {
    /// Says that the target went away before the number of requests was reached, if it did.
    #[must_use]
    pub fn gave_up(&self, scenario: &Scenario) -> Option<String> {
        let all = scenario.requests.filter(|_| self.finished.iter().any(|finished| finished.gave_up))?;
        let (answers, all) = (show_count(self.total.answers), show_count(all));
        Some(format!("gave up: the target is gone, {answers} of {all} requests were answered"))
    }

    /// Answers per second that came within the measured part and are no errors.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.total.successes_in_time as f64 * 1e9 / self.window_ns.max(1) as f64
    }

    /// Answers per second that came within the measured part, errors included.
    #[must_use]
    pub fn answers_per_second(&self) -> f64 {
        self.total.answers_in_time as f64 * 1e9 / self.window_ns.max(1) as f64
    }

    /// Returns the CPU time of the generator per answer, nanoseconds.
    #[must_use]
    pub fn client_cpu_ns_per_request(&self) -> Option<f64> {
        let cpu_ns: u64 = self.threads.iter().map(|thread| thread.cpu_ns).sum();
        (self.total.answers_in_time > 0 && cpu_ns > 0)
            .then(|| cpu_ns as f64 / self.total.answers_in_time as f64)
    }

    /// Returns the CPU time of the server per answer, nanoseconds.
    #[must_use]
    pub fn server_cpu_ns_per_request(&self) -> Option<f64> {
        let cpu_ns = self.server.as_ref()?.process.cpu_ns();
        (self.total.answers_in_time > 0 && cpu_ns > 0)
            .then(|| cpu_ns as f64 / self.total.answers_in_time as f64)
    }
}

/// Runs a scenario.
///
/// # Errors
/// Returns a sentence that names the next step: target not up, limit of files too low.
pub fn run(scenario: &Scenario, watch: &mut Watch<'_>) -> Result<Measured, String> {
    assert!(scenario.threads > 0 && scenario.threads <= scenario.connections, "each thread has a connection");
    assert!(scenario.pipeline > 0, "a connection may have a request");
    let scenario = Arc::new(scenario.clone());
    let (notes, inbox) = mpsc::channel();
    let team = Team::hire(&scenario, 0..scenario.threads, &notes, watch.stop, watch.onlooker)?;
    let server_before = watch.server.read();
    let epoch = Instant::now();
    team.start(epoch);
    drop(notes);
    (watch.on_start)(epoch);
    watch.onlooker.started(epoch);
    let mut collector = Collector::new(&scenario, scenario.threads, watch, epoch, server_before);
    collector.collect(&inbox);
    team.join()?;
    collector.finish()
}

/// Adds up notes, and reads the server's and the host's clocks at both ends of the measured part.
pub struct Collector<'a, 'w> {
    scenario: &'a Scenario,
    watch: &'a mut Watch<'w>,
    epoch: Instant,
    total: Tally,
    intervals: Intervals,
    series: Vec<Point>,
    /// Why the run was ended, if it was.
    aborted: Option<String>,
    finished: Vec<Finished>,
    server_start: ServerReading,
    server_end: Option<ServerReading>,
    host_start: HostTimes,
    host_end: Option<HostTimes>,
    has_started: bool,
    /// Length of the measured part, once it is known.
    window_ns: Option<u64>,
}

impl<'a, 'w> Collector<'a, 'w> {
    /// Returns a collector of a run that starts at `epoch`, whose intervals come from so many sources.
    #[must_use]
    pub fn new(
        scenario: &'a Scenario,
        sources: usize,
        watch: &'a mut Watch<'w>,
        epoch: Instant,
        server_before: ServerReading,
    ) -> Self {
        Self {
            scenario,
            watch,
            epoch,
            total: Tally::default(),
            intervals: Intervals::new(sources),
            series: Vec::new(),
            aborted: None,
            finished: Vec::new(),
            server_start: server_before,
            server_end: None,
            host_start: HostTimes::read(),
            host_end: None,
            has_started: scenario.warmup_ns == 0,
            window_ns: None,
        }
    }

    /// Takes notes until all threads of the scenario have finished, or nobody can send one any more.
    pub fn collect(&mut self, inbox: &Receiver<Note>) {
        while self.finished.len() < self.scenario.threads {
            match inbox.recv_timeout(self.until_next_look()) {
                Ok(note) => self.take(note),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.look();
        }
        self.read_end();
        self.window_ns = Some(window_ns(self.scenario, &self.finished));
        while let Some((index, tally)) = self.intervals.take_first() {
            self.settle(index, tally);
        }
        self.watch.onlooker.clear();
    }

    fn now_ns(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// Returns how long to sleep until the next look. The ends of the measured part are met to the microsecond, all else is a
    /// matter of tens of milliseconds.
    fn until_next_look(&self) -> Duration {
        let now_ns = self.now_ns();
        [self.scenario.warmup_ns, self.scenario.end_ns()]
            .into_iter()
            .filter(|&moment_ns| moment_ns > now_ns)
            .map(|moment_ns| Duration::from_nanos(moment_ns - now_ns))
            .fold(LOOK_EVERY, Duration::min)
    }

    fn look(&mut self) {
        let now_ns = self.now_ns();
        if !self.has_started && now_ns >= self.scenario.warmup_ns {
            self.has_started = true;
            self.server_start = self.watch.server.read();
            self.host_start = HostTimes::read();
        }
        // An interrupt ends the measured part too, and the threads note it within some milliseconds.
        if now_ns >= self.scenario.end_ns() || self.watch.stop.load(Ordering::Relaxed) {
            self.read_end();
        }
    }

    fn read_end(&mut self) {
        if self.server_end.is_none() {
            self.server_end = Some(self.watch.server.read());
            self.host_end = Some(HostTimes::read());
        }
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Interval { source, index, tally } => {
                self.intervals.add(source, index, &tally);
                while let Some((index, tally)) = self.intervals.take_whole() {
                    self.settle(index, tally);
                }
            }
            Note::Finished(finished) => self.finished.push(*finished),
        }
    }

    /// Closes an interval that all sources are past.
    fn settle(&mut self, index: u64, tally: Tally) {
        let point = self.point(index, &tally);
        self.total.merge(&tally);
        self.watch.onlooker.interval(&point, tally, self.total.failures.total());
        let end_ns = point.start_ns + point.length_ns;
        self.series.push(point);
        if self.aborted.is_none() && !self.watch.stop.load(Ordering::Relaxed) {
            self.aborted = (self.watch.abort_if)(&self.total, end_ns);
            if self.aborted.is_some() {
                self.watch.stop.store(true, Ordering::SeqCst);
            }
        }
    }

    fn point(&self, index: u64, tally: &Tally) -> Point {
        let interval_ns = self.scenario.interval_ns();
        let start_ns = index * interval_ns;
        // Intervals are closed when all threads are past them; only those that the end closes may be shorter.
        let left_ns = self.window_ns.unwrap_or(u64::MAX).saturating_sub(start_ns);
        let length_ns = left_ns.clamp(1, interval_ns);
        Point {
            start_ns,
            length_ns,
            rate: tally.successes_in_time as f64 * 1e9 / length_ns as f64,
            p50_ns: tally.latency.value_at_quantile(0.5),
            p99_ns: tally.latency.value_at_quantile(0.99),
            max_ns: tally.latency.max(),
            bands: Bands::of(&tally.latency),
            failures: tally.failures,
            statuses: tally.statuses.clone(),
        }
    }

    /// Returns what the run measured.
    ///
    /// # Errors
    /// Returns the sentence of the first thread that could not go on.
    pub fn finish(mut self) -> Result<Measured, String> {
        self.finished.sort_by_key(|finished| finished.thread);
        if let Some(error) = self.finished.iter_mut().find_map(|finished| finished.error.take()) {
            return Err(error);
        }
        let is_interrupted = self.watch.stop.load(Ordering::Relaxed);
        let server_end = self.server_end.unwrap_or_default();
        let window_ns = self.window_ns.unwrap_or(0);
        let mut reasons = Vec::new();
        self.finished.iter().for_each(|finished| Reason::merge(&mut reasons, &finished.reasons));
        let mut examples = Vec::new();
        let mut connect_times = ConnectTimes::default();
        self.finished.iter().for_each(|finished| connect_times.merge(&finished.connect_times));
        let mut kinds = Vec::new();
        self.finished.iter().for_each(|finished| kinds::merge(&mut kinds, &finished.kinds));
        let of_all = self.finished.iter().flat_map(|finished| &finished.examples);
        of_all.for_each(|example| example.clone().enter(&mut examples));
        Ok(Measured {
            window_ns,
            threads: self.finished.iter().map(ThreadUse::of).collect(),
            server: server_end.since(&self.server_start).filter(|_| window_ns > 0),
            host: self.host_end.unwrap_or_default().since(&self.host_start),
            total: self.total,
            series: self.series,
            cut_off: self.finished.iter().map(|finished| finished.cut_off).sum(),
            reasons,
            examples,
            connect_times,
            kinds,
            was_restarted: false,
            agents: Vec::new(),
            finished: self.finished,
            is_interrupted: is_interrupted && self.aborted.is_none(),
            aborted: self.aborted,
        })
    }
}

/// Returns the length of the measured part: as planned, or, when the number of requests ended it, up to the last answer, the last
/// one that was given up, or the end of their schedule.
#[must_use]
pub fn window_ns(scenario: &Scenario, finished: &[Finished]) -> u64 {
    let end_ns = finished.iter().map(|f| f.end_ns).max().unwrap_or(0);
    let last_ns = finished.iter().map(|f| f.last_answer_ns.max(f.last_loss_ns)).max().unwrap_or(0);
    let has_asked_all = scenario.requests.is_some() && finished.iter().all(|f| f.has_asked_all);
    let end_ns = match scenario.schedule_end_ns() {
        Some(schedule_end_ns) if has_asked_all => last_ns.max(schedule_end_ns).min(end_ns),
        _ if has_asked_all || end_ns == u64::MAX => last_ns,
        _ => end_ns,
    };
    end_ns.saturating_sub(scenario.warmup_ns)
}
