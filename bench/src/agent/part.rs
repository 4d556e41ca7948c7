//! An agent's part of a run as the master learns of it: intervals, acknowledged numbers, the ends of its threads.

use crate::agent::figures::{FinishedText, TallyText};
use crate::agent::limits::{END_WAIT, INTERVAL_MAX, NUMBERS_MAX};
use crate::agent::message::{HostText, ToMaster};
use crate::driver::bitmap::Bitmap;
use crate::driver::connect_times::ConnectTimes;
use crate::driver::figures::{Finished, Note};
use crate::driver::machine::HostUse;
use crate::driver::reasons::Reason;
use crate::driver::run::{Measured, ThreadUse, window_ns};
use crate::driver::tally::Tally;
use crate::scenario::Scenario;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// What is an agent's.
pub(super) struct Assignment {
    /// The whole run.
    pub(super) scenario: Arc<Scenario>,
    /// The threads that are the agent's.
    pub(super) own: Range<usize>,
    /// Where its figures go.
    pub(super) notes: Sender<Note>,
}

/// What an agent has counted of its part so far.
pub(super) struct Part {
    assignment: Assignment,
    /// The agent's place, by which its intervals are told from others'.
    place: usize,
    /// Its name, which stands before its errors.
    name: String,
    /// When its load must have ended.
    deadline: Option<Instant>,
    total: Tally,
    /// Its threads that have ended, without the acknowledged numbers.
    finished: Vec<Finished>,
    /// Thread and acknowledged numbers of the end that comes next.
    acknowledged: Option<(usize, Bitmap)>,
}

impl Part {
    /// Returns a part of which nothing is known, of a run that starts at `epoch`.
    pub(super) fn new(assignment: Assignment, place: usize, name: &str, epoch: Instant) -> Self {
        let end_ns = assignment.scenario.end_ns();
        let end = epoch.checked_add(Duration::from_nanos(end_ns).saturating_add(END_WAIT));
        Self {
            assignment,
            place,
            name: name.to_string(),
            deadline: end.filter(|_| end_ns != u64::MAX),
            total: Tally::default(),
            finished: Vec::new(),
            acknowledged: None,
        }
    }

    /// Returns whether its load should have ended long ago.
    pub(super) fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() > deadline)
    }

    /// Returns the number of threads that are the agent's.
    pub(super) fn threads(&self) -> usize {
        self.assignment.own.len()
    }

    /// Returns the connections that are the agent's.
    pub(super) fn connections(&self) -> usize {
        self.assignment.own.clone().map(|thread| self.assignment.scenario.connections_of(thread)).sum()
    }

    /// Returns the agent's share of the rate, requests per second; nothing in a closed loop.
    pub(super) fn offered(&self) -> Option<f64> {
        let (own, all) = (self.assignment.own.len() as f64, self.assignment.scenario.threads as f64);
        self.assignment.scenario.rate().map(|rate| rate * own / all)
    }

    /// Takes in what the agent says while its load runs.
    ///
    /// # Errors
    /// Returns a sentence for what can't be true, and for what is not said then.
    pub(super) fn take(&mut self, message: ToMaster) -> Result<(), String> {
        match message {
            ToMaster::Interval { index, tally } => self.take_interval(index, &tally),
            ToMaster::Acknowledged { thread, words } => self.take_acknowledged(thread, &words),
            ToMaster::Thread(finished) => self.take_finished(&finished),
            _ => Err("it said what it must not say while a load runs".into()),
        }
    }

    fn take_interval(&mut self, index: u64, tally: &TallyText) -> Result<(), String> {
        if index > INTERVAL_MAX {
            return Err("it counted after the end".into());
        }
        let tally = tally.tally()?;
        self.total.merge(&tally);
        let _ =
            self.assignment.notes.send(Note::Interval { source: self.place, index, tally: Box::new(tally) });
        Ok(())
    }

    fn take_acknowledged(&mut self, thread: usize, words: &str) -> Result<(), String> {
        let wrong = || "it acknowledged what can't be".to_string();
        let bytes = STANDARD.decode(words).map_err(|_| wrong())?;
        let (_, numbers) = self.acknowledged.get_or_insert_with(|| (thread, Bitmap::default()));
        numbers.extend(
            bytes
                .chunks_exact(8)
                .map(|word| word.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte))),
        );
        let is_sound = bytes.len() % 8 == 0 && numbers.size() as u64 <= NUMBERS_MAX / 64;
        let is_of_thread = self.acknowledged.as_ref().is_some_and(|(known, _)| *known == thread);
        if is_sound && is_of_thread { Ok(()) } else { Err(wrong()) }
    }

    fn take_finished(&mut self, text: &FinishedText) -> Result<(), String> {
        let finished = text.finished()?;
        let thread = finished.thread;
        let has_ended = self.finished.iter().any(|known| known.thread == thread);
        let acknowledged = self.acknowledged.take();
        if has_ended
            || !self.assignment.own.contains(&thread)
            || acknowledged.as_ref().is_some_and(|it| it.0 != thread)
        {
            return Err("it ended a thread that it has not".into());
        }
        let error = finished.error.as_ref().map(|error| format!("agent {}: {error}", self.name));
        self.finished.push(finished.clone());
        let acknowledged = acknowledged.map(|(_, numbers)| numbers).unwrap_or_default();
        let whole = Finished { acknowledged, error, ..finished };
        let _ = self.assignment.notes.send(Note::Finished(Box::new(whole)));
        Ok(())
    }

    /// Ends the part; returns what the agent's host did.
    ///
    /// # Errors
    /// Returns a sentence if a thread has not ended, or for shares that can't be.
    pub(super) fn end(&self, host: &HostText) -> Result<HostUse, String> {
        let shares = [host.idle, host.softirq, host.stolen, host.retransmits];
        if self.finished.len() != self.assignment.own.len()
            || shares.iter().any(|share| !(0.0..=1.0).contains(share))
        {
            return Err("it ended before its threads, or with figures that can't be".into());
        }
        Ok(HostUse {
            idle: host.idle,
            softirq: host.softirq,
            stolen: host.stolen,
            retransmits: host.retransmits,
        })
    }

    /// Lets the run go on to its end without the agent: threads that have not ended never will.
    pub(super) fn give_up(&self) {
        for thread in self.assignment.own.clone() {
            if !self.finished.iter().any(|known| known.thread == thread) {
                let gone = Finished { thread, ..Finished::default() };
                let _ = self.assignment.notes.send(Note::Finished(Box::new(gone)));
            }
        }
    }

    /// Returns the agent's own figures, with what its host did.
    pub(super) fn measured(self, host: HostUse) -> Measured {
        let window_ns = window_ns(&self.assignment.scenario, &self.finished);
        let mut reasons = Vec::new();
        self.finished.iter().for_each(|finished| Reason::merge(&mut reasons, &finished.reasons));
        let mut connect_times = ConnectTimes::default();
        self.finished.iter().for_each(|finished| connect_times.merge(&finished.connect_times));
        Measured {
            total: self.total,
            series: Vec::new(),
            window_ns,
            threads: self.finished.iter().map(ThreadUse::of).collect(),
            server: None,
            host,
            cut_off: self.finished.iter().map(|finished| finished.cut_off).sum(),
            finished: self.finished,
            is_interrupted: false,
            aborted: None,
            reasons,
            examples: Vec::new(),
            kinds: Vec::new(),
            connect_times,
            was_restarted: false,
            agents: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{self, Receiver};

    fn part() -> (Part, Receiver<Note>) {
        let scenario = Scenario { threads: 4, connections: 9, ..Scenario::sample() };
        let (notes, inbox) = mpsc::channel();
        let assignment = Assignment { scenario: Arc::new(scenario), own: 1..3, notes };
        (Part::new(assignment, 5, "a:1", Instant::now()), inbox)
    }

    fn ended(thread: usize) -> ToMaster {
        ToMaster::Thread(Box::new(FinishedText::of(&Finished { thread, numbered: 3, ..Finished::default() })))
    }

    fn acknowledged(thread: usize, words: &[u64]) -> ToMaster {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        ToMaster::Acknowledged { thread, words: STANDARD.encode(bytes) }
    }

    #[test]
    fn what_an_agent_says_becomes_notes() {
        let (mut part, inbox) = part();
        assert_eq!((part.connections(), part.offered(), part.is_late()), (4, None, false));
        let tally = Tally { answers: 7, ..Tally::default() };
        part.take(ToMaster::Interval { index: 2, tally: Box::new(TallyText::of(&tally)) }).unwrap();
        for message in [acknowledged(2, &[1]), acknowledged(2, &[1 << 63]), ended(2)] {
            part.take(message).unwrap();
        }
        part.give_up();
        assert_eq!(part.measured(HostUse::default()).total.answers, 7);
        let notes: Vec<Note> = inbox.try_iter().collect();
        let [Note::Interval { source: 5, index: 2, .. }, Note::Finished(own), Note::Finished(gone)] =
            &notes[..]
        else {
            panic!("{notes:?}")
        };
        assert_eq!((own.thread, own.acknowledged.iter().collect::<Vec<_>>()), (2, vec![0, 127]));
        assert_eq!((gone.thread, gone.numbered), (1, 0));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let shares = |idle: f64| HostText { idle, ..HostText::default() };
        for messages in [
            vec![ended(0)],
            vec![ended(3)],
            vec![ended(1), ended(1)],
            vec![acknowledged(1, &[1]), ended(2)],
            vec![acknowledged(1, &[1]), acknowledged(2, &[1])],
            vec![ToMaster::Acknowledged { thread: 1, words: "AAAA".into() }],
            vec![ToMaster::Interval { index: u64::MAX, tally: Box::default() }],
            vec![ToMaster::Alive],
        ] {
            let (mut part, _inbox) = part();
            let said = format!("{messages:?}");
            assert!(messages.into_iter().try_for_each(|message| part.take(message)).is_err(), "{said}");
        }
        let (mut part, _inbox) = part();
        assert!(part.end(&shares(0.5)).is_err(), "its threads run");
        [ended(1), ended(2)].into_iter().for_each(|message| part.take(message).unwrap());
        assert!(part.end(&shares(0.5)).is_ok() && part.end(&shares(f64::NAN)).is_err());
    }
}
