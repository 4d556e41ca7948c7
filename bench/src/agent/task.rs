//! The orders of one master, one after the other: make ready, start with the others, send what was counted.
//!
//! A master that can't be heard any more has no load here: it ends at once.

use crate::agent::figures::{FinishedText, TallyText};
use crate::agent::limits::{
    ALIVE_EVERY, LOOK_EVERY, SILENCE_MAX, START_LEAD_MAX, UNSENT_BYTES_ENOUGH, WORDS_MAX,
};
use crate::agent::message::{HostText, ToAgent, ToMaster, line, read};
use crate::agent::order::OrderText;
use crate::agent::shown::plain;
use crate::agent::wire::Wire;
use crate::driver::figures::{Finished, Note};
use crate::driver::intervals::Intervals;
use crate::driver::machine::{HostTimes, HostUse};
use crate::driver::server::round_trip_ns;
use crate::driver::team::Team;
use crate::output;
use crate::scenario::Scenario;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

/// Why an agent and its master part.
type Parted = String;

/// The orders of one master.
pub(super) struct Tasks<'a> {
    wire: Wire,
    /// Set when this process is to end.
    stop: &'a AtomicBool,
    /// When something was said last.
    spoke: Instant,
}

impl<'a> Tasks<'a> {
    /// Takes orders from this connection until `stop` is set.
    pub(super) fn new(wire: Wire, stop: &'a AtomicBool) -> Self {
        Self { wire, stop, spoke: Instant::now() }
    }

    /// Carries out orders until the two part; returns why they did.
    pub(super) fn carry_out_all(mut self) -> Parted {
        loop {
            let outcome = match self.listen(LOOK_EVERY) {
                Ok(Some(ToAgent::Order(order))) => self.carry_out(&order),
                // A stop that came after the end.
                Ok(Some(ToAgent::Stop) | None) => Ok(()),
                Ok(Some(_)) => Err("it said what it must not say now".to_string()),
                Err(parted) => Err(parted),
            };
            if let Err(parted) = outcome {
                self.wire.close();
                return parted;
            }
        }
    }

    /// Returns what the master says, waiting up to `wait`; answers what needs no decision, and says that it is here.
    fn listen(&mut self, wait: Duration) -> Result<Option<ToAgent>, Parted> {
        if self.stop.load(Ordering::Relaxed) {
            let _ = self.say(&ToMaster::Leaving);
            return Err("this agent was told to end".into());
        }
        if self.spoke.elapsed() >= ALIVE_EVERY {
            self.say(&ToMaster::Alive)?;
        }
        let Some(line) = self.wire.receive(wait).map_err(|error| error.to_string())? else {
            // What had come meanwhile is read by now.
            return match self.wire.heard().elapsed() > SILENCE_MAX {
                true => Err(format!("it was silent for {} s", SILENCE_MAX.as_secs())),
                false => Ok(None),
            };
        };
        match read(&line)? {
            ToAgent::Alive => Ok(None),
            ToAgent::Ping { number } => self.say(&ToMaster::Pong { number }).map(|()| None),
            message => Ok(Some(message)),
        }
    }

    fn say(&mut self, message: &ToMaster) -> Result<(), Parted> {
        self.spoke = Instant::now();
        self.wire.send(&line(message)).map_err(|error| error.to_string())
    }

    /// Carries out one order.
    fn carry_out(&mut self, order: &OrderText) -> Result<(), Parted> {
        output::report(plain(&order.describe()));
        let halt = Arc::new(AtomicBool::new(false));
        let (notes, inbox) = mpsc::channel();
        let prepared = order.scenario().and_then(|(scenario, own)| {
            let scenario = Arc::new(scenario);
            let team = Team::hire(&scenario, own.clone(), &notes, &halt, &mut ())?;
            Ok((scenario, own, team))
        });
        drop(notes);
        let (scenario, own, team) = match prepared {
            Ok(prepared) => prepared,
            Err(text) => return self.say(&ToMaster::Failed { text }),
        };
        let target = &scenario.target;
        self.say(&ToMaster::Ready { round_trip_ns: round_trip_ns(target), is_local: target.is_local() })?;
        let Some(epoch) = self.await_start()? else { return Ok(()) };
        team.start(epoch);
        let mut run = Run::new(&scenario, own, epoch);
        let parted = self.attend(&mut run, &inbox, &halt).err();
        // Threads whose figures nobody wants end as those of an interrupted run.
        halt.store(parted.is_some() || halt.load(Ordering::Relaxed), Ordering::Relaxed);
        team.join()?;
        match parted {
            Some(parted) => Err(parted),
            None => self.conclude(run),
        }
    }

    /// Waits for the word to start and then for the start; returns nothing if the master gives up before.
    fn await_start(&mut self) -> Result<Option<Instant>, Parted> {
        let epoch = loop {
            match self.listen(LOOK_EVERY)? {
                Some(ToAgent::Go { in_ns }) => {
                    break Instant::now() + Duration::from_nanos(in_ns).min(START_LEAD_MAX);
                }
                Some(ToAgent::Stop) => return Ok(None),
                Some(_) => return Err("it said what it must not say before the start".into()),
                None => {}
            }
        };
        loop {
            let left = epoch.saturating_duration_since(Instant::now());
            if left <= LOOK_EVERY {
                std::thread::sleep(left);
                return Ok(Some(epoch));
            }
            if let Some(ToAgent::Stop) = self.listen(LOOK_EVERY)? {
                return Ok(None);
            }
        }
    }

    /// Passes on what the threads count until all have ended; sets `halt` when the master says stop.
    fn attend(&mut self, run: &mut Run<'_>, inbox: &Receiver<Note>, halt: &AtomicBool) -> Result<(), Parted> {
        while !run.has_ended() {
            loop {
                match inbox.try_recv() {
                    Ok(note) => run.take(note),
                    Err(TryRecvError::Empty) => break,
                    // A thread panicked, which joining it tells.
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
            while let Some((index, tally)) = run.intervals.take_whole() {
                self.say(&ToMaster::Interval { index, tally: Box::new(TallyText::of(&tally)) })?;
            }
            run.look(halt.load(Ordering::Relaxed));
            match self.listen(run.until_next_look())? {
                None => {}
                Some(ToAgent::Stop) => halt.store(true, Ordering::Relaxed),
                Some(_) => return Err("it said what it must not say while a load runs".into()),
            }
        }
        Ok(())
    }

    /// Sends what is known at the end.
    fn conclude(&mut self, mut run: Run<'_>) -> Result<(), Parted> {
        run.look(true);
        while let Some((index, tally)) = run.intervals.take_first() {
            self.say(&ToMaster::Interval { index, tally: Box::new(TallyText::of(&tally)) })?;
        }
        for finished in &run.finished {
            for words in finished.acknowledged.words().chunks(WORDS_MAX) {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                let words = STANDARD.encode(bytes);
                self.say(&ToMaster::Acknowledged { thread: finished.thread, words })?;
                while self.wire.unsent() > UNSENT_BYTES_ENOUGH {
                    self.listen(LOOK_EVERY)?;
                }
            }
            self.say(&ToMaster::Thread(Box::new(FinishedText::of(finished))))?;
        }
        let host = run.host();
        self.say(&ToMaster::Done {
            host: HostText {
                idle: host.idle,
                softirq: host.softirq,
                stolen: host.stolen,
                retransmits: host.retransmits,
            },
        })
    }
}

/// What is known of a run while it runs.
struct Run<'a> {
    scenario: &'a Scenario,
    own: Range<usize>,
    epoch: Instant,
    intervals: Intervals,
    finished: Vec<Finished>,
    host_start: HostTimes,
    host_end: Option<HostTimes>,
    is_measured: bool,
}

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario, own: Range<usize>, epoch: Instant) -> Self {
        Self {
            intervals: Intervals::new(own.len()),
            finished: Vec::new(),
            host_start: HostTimes::read(),
            host_end: None,
            is_measured: scenario.warmup_ns == 0,
            scenario,
            own,
            epoch,
        }
    }

    fn has_ended(&self) -> bool {
        self.finished.len() == self.own.len()
    }

    fn take(&mut self, note: Note) {
        match note {
            Note::Interval { source, index, tally } => {
                self.intervals.add(source - self.own.start, index, &tally);
            }
            Note::Finished(finished) => self.finished.push(*finished),
        }
    }

    /// Reads the host's clocks at both ends of the measured part; `is_over` ends it before its time.
    fn look(&mut self, is_over: bool) {
        let now_ns = self.epoch.elapsed().as_nanos() as u64;
        if !self.is_measured && now_ns >= self.scenario.warmup_ns {
            self.is_measured = true;
            self.host_start = HostTimes::read();
        }
        if self.host_end.is_none() && (is_over || now_ns >= self.scenario.end_ns()) {
            self.host_end = Some(HostTimes::read());
        }
    }

    /// Returns how long nothing has to be looked at: both ends of the measured part are met to the microsecond.
    fn until_next_look(&self) -> Duration {
        let now_ns = self.epoch.elapsed().as_nanos() as u64;
        let ends = [self.scenario.warmup_ns, self.scenario.end_ns()];
        let left =
            ends.into_iter().filter_map(|end_ns| end_ns.checked_sub(now_ns)).filter(|&left_ns| left_ns > 0);
        left.map(Duration::from_nanos).fold(LOOK_EVERY, Duration::min)
    }

    fn host(&self) -> HostUse {
        self.host_end.unwrap_or_else(HostTimes::read).since(&self.host_start)
    }
}
