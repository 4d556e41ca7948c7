//! The relay: a log in the peer's place. It speaks the peer protocol to its own host, carries that host's batches verbatim into
//! the log, and hands it everybody else's. Pure: bytes, events of the log and time come in; bytes and calls to the log
//! go out. Times are microseconds of a monotonic clock, the same one for all calls. Told in `docs/cluster.md`.
//!
//! ```text
//! host -- session -- Connection -- Publisher -- Append, Tail, Find --+
//!                          |  `-- Reader of each other node --------+-- the log port (port.rs)
//!                          |  `-- Asking, Pictures -----------------+
//!                          |  `-- Bringing, Awaiting ---------------+
//!                         Heads: what the host has and was handed
//!                         Seats -- Register: who has which seat
//! ```
//!
//! How it is driven:
//!
//! ```text
//! on(event, now)                     every event of the port, in order
//! is_ready()                         the host may connect; connect(..) when it has
//! receive(bytes, now), turn(now)     while wants_input(); turn also at deadline() at the latest
//! output(), then sent(n)             to the host
//! next_call()                        to the port, in order
//! list(roster), claimed()            what the host has logged of seats; the one that the log has given to it
//! next_question(), answer(..)        another host asks: whoever reads this host's journal answers
//! closed() -> lost(..)               the connection is over
//! ```
//!
//! Correctness does not rest on the log: a host takes the next batch of a stream by number and chain, and nothing else. The log's
//! word counts in one thing only: what it has acknowledged is called durable.

mod asking;
mod awaiting;
mod bringing;
mod calls;
mod connection;
mod greeting;
mod heads;
mod holding;
mod members;
pub mod message;
mod patience;
mod pictures;
pub mod port;
mod preparing;
mod publisher;
mod reader;
mod register;
mod seats;
mod settings;
pub mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};

use self::calls::Calls;
use self::connection::{Connection, Start};
pub use self::greeting::log_node;
pub use self::members::{Member, Members};
use self::patience::Patience;
use self::port::{LogCall, LogEvent};
use self::preparing::Preparing;
pub use self::register::{Listed, Roster, Standing};
use self::seats::Seats;
pub use self::settings::{Counters, Settings};
use self::words::{Answer, Beat, Question};
use crate::base::ids::{NodeId, Origin, Seq};
use crate::base::limits::{RELAY_BEAT_EVERY_US, RELAY_BEATS_PER_WHOLE, RELAY_QUESTIONS_MAX, RELAY_SILENT_US};
use crate::base::seat::Seat;
use crate::peer::fault::Close;

/// Whether the log can be reached.
enum Reach {
    Away,
    Up {
        /// Since then an answer is owed and nothing was heard.
        quiet_since_us: u64,
    },
}

/// The relay of one host's process.
pub struct Relay {
    settings: Settings,
    calls: Calls,
    reach: Reach,
    /// Why the log can't be reached.
    why: String,
    nodes: BTreeSet<NodeId>,
    members: Members,
    preparing: Preparing,
    seats: Seats,
    connection: Option<Box<Connection>>,
    /// The greatest number of this host's stream that was known to be kept, as far as the log has not forgotten it.
    kept: u64,
    /// How long its word to a message was waited for.
    patience: Patience,
    next_beat_us: u64,
    beats: u64,
    questions: VecDeque<(u64, Question)>,
    counters: Counters,
}

impl Relay {
    /// Returns the relay of a process whose log was not reached yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            calls: Calls::default(),
            reach: Reach::Away,
            why: "not reached yet".to_owned(),
            nodes: BTreeSet::new(),
            members: Members::default(),
            preparing: Preparing::new(
                settings.cluster,
                settings.host,
                settings.is_joining,
                settings.late_us_min,
            ),
            seats: Seats::new(settings.host),
            connection: None,
            kept: 0,
            patience: Patience::of_least(settings.late_us_min),
            next_beat_us: 0,
            beats: 0,
            questions: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes what the log says.
    pub fn on(&mut self, event: LogEvent, now_us: u64) {
        if let Reach::Up { quiet_since_us } = &mut self.reach {
            *quiet_since_us = now_us;
        }
        match event {
            LogEvent::Up { nodes } => {
                self.reach = Reach::Up { quiet_since_us: now_us };
                self.members.listen(now_us);
                self.nodes.extend(nodes);
                self.next_beat_us = now_us;
            }
            LogEvent::Down { why } => self.fall(why, now_us),
            LogEvent::Node { node } => self.meet(node, now_us),
            LogEvent::Said { node, bytes } => self.hear(node, &bytes, now_us),
            LogEvent::Entered { token, value } => {
                self.seats.entered(token, value);
                self.seats.turn(&mut self.calls, now_us);
            }
            LogEvent::Asked { token, question } => {
                if let Some(question) = Question::decode(&question)
                    && self.questions.len() < RELAY_QUESTIONS_MAX
                {
                    self.questions.push_back((token, question));
                }
            }
            event => self.pass_on(event, now_us),
        }
        self.turn(now_us);
    }

    /// Passes on what concerns the next connection or this one.
    fn pass_on(&mut self, event: LogEvent, now_us: u64) {
        let (preparing, calls) = (&mut self.preparing, &mut self.calls);
        let is_taken = match &event {
            LogEvent::Tail { token, first, last } => {
                preparing.tail((*token, *first), last.as_ref(), self.kept, calls, now_us)
            }
            LogEvent::Found { token, message } => preparing.found(*token, message.as_ref(), calls, now_us),
            _ => false,
        };
        if is_taken {
            return;
        }
        if let Some(connection) = &mut self.connection {
            let before = self.counters.regressions;
            let number = if let LogEvent::Appended { number, .. } = event { number } else { 0 };
            connection.on(event, &mut self.counters, &mut self.calls, now_us);
            let has_forgotten = self.counters.regressions > before;
            self.kept = if has_forgotten { number } else { connection.kept().max(self.kept) };
        }
    }

    /// Takes it that the log can't be reached: every call is void, and the host is told why.
    fn fall(&mut self, why: String, now_us: u64) {
        self.reach = Reach::Away;
        self.calls.clear();
        self.preparing.clear();
        self.seats.begin(now_us);
        self.questions.clear();
        if let Some(connection) = &mut self.connection {
            connection.session().fail(format!("the log can't be reached: {why}"));
            connection.turn(&self.members, &mut self.counters, &mut self.calls, now_us);
        }
        self.why = why;
    }

    fn meet(&mut self, node: NodeId, now_us: u64) {
        if node != self.settings.host.node
            && self.nodes.insert(node)
            && let Some(connection) = &mut self.connection
        {
            connection.add_reader(node, now_us);
        }
    }

    fn hear(&mut self, node: NodeId, bytes: &[u8], now_us: u64) {
        let Some(beat) = Beat::decode(bytes) else { return };
        let Settings { host, lineage, .. } = self.settings;
        if beat.origin.node != node || node == host.node || beat.lineage != lineage {
            return;
        }
        self.meet(node, now_us);
        if let (Some(connection), Some(has)) = (&mut self.connection, &beat.has) {
            connection.compare(&has.received, now_us);
        }
        self.members.hear(beat, now_us);
    }

    /// Returns whether the host may connect: the log is there, and it is known what it has.
    #[must_use]
    pub fn is_ready(&self, now_us: u64) -> bool {
        let is_up = matches!(self.reach, Reach::Up { .. });
        let is_told =
            !self.settings.is_joining || self.members.has_told() || self.members.has_heard_all(now_us);
        is_up && self.connection.is_none() && self.preparing.is_ready(&self.nodes) && is_told
    }

    /// Returns why the host can't connect, in words for an operator.
    #[must_use]
    pub fn why(&self) -> &str {
        match self.reach {
            Reach::Away => &self.why,
            Reach::Up { .. } => "the log has not said yet what it has",
        }
    }

    /// Takes it that the host's connection was made, when [`Relay::is_ready`] said so. `nonce` is random; `clock_us` is the wall
    /// clock, microseconds since 1970.
    pub fn connect(&mut self, nonce: u64, clock_us: u64, now_us: u64) {
        let is_window = self.preparing.is_window();
        let (tail, others) = self.preparing.take();
        let start = Start {
            tail: (tail.number, tail.end),
            kept: self.kept,
            patience: self.patience,
            told: others.into_iter().chain(self.members.streams()).collect(),
            nodes: self.nodes.iter().copied().collect(),
            is_window,
        };
        self.connection = Some(Box::new(Connection::new(&self.settings, nonce, clock_us, start, now_us)));
    }

    /// Takes bytes of the host; call [`Relay::turn`] afterwards.
    pub fn receive(&mut self, bytes: &[u8], now_us: u64) {
        if let Some(connection) = &mut self.connection {
            connection.receive(bytes, now_us);
        }
    }

    /// Returns whether the host is to be read.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.wants_input())
    }

    /// Returns bytes that wait for the host.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        self.connection.as_ref().map_or(&[], |connection| connection.output())
    }

    /// Notes that the host has taken the first `bytes` of the output.
    pub fn sent(&mut self, bytes: usize) {
        self.connection.iter_mut().for_each(|connection| connection.session().sent(bytes));
    }

    /// Returns why the connection is over, once it is: what is left of the output is worth one more write, then it is to be
    /// closed, and [`Relay::lost`] called.
    #[must_use]
    pub fn closed(&self) -> Option<&Close> {
        self.connection.as_ref().and_then(|connection| connection.closed())
    }

    /// Notes that there is no connection to the host any more.
    pub fn lost(&mut self, now_us: u64) {
        if let Some(connection) = self.connection.take() {
            connection.count(&mut self.counters);
            self.patience = connection.patience();
            connection.seen().into_iter().for_each(|seen| self.preparing.note_seen(seen));
        }
        self.turn(now_us);
    }

    /// Does what is due.
    pub fn turn(&mut self, now_us: u64) {
        let Reach::Up { quiet_since_us } = self.reach else { return };
        if self.connection.is_none() {
            self.preparing.ask(&self.nodes, &mut self.calls, now_us);
        }
        if let Some(connection) = &mut self.connection {
            connection.turn(&self.members, &mut self.counters, &mut self.calls, now_us);
        }
        self.seats.turn(&mut self.calls, now_us);
        if now_us >= self.next_beat_us {
            self.beat(now_us);
        }
        let is_waiting = self.preparing.is_asking()
            || self.connection.as_ref().is_some_and(|connection| connection.is_waiting());
        let is_silent = is_waiting && now_us >= quiet_since_us + RELAY_SILENT_US;
        let has_stalled = self.connection.as_mut().is_some_and(|connection| connection.has_stalled(now_us));
        if is_silent || has_stalled {
            self.calls.push(LogCall::Reconnect);
        }
        if (is_silent || !is_waiting)
            && let Reach::Up { quiet_since_us } = &mut self.reach
        {
            *quiet_since_us = now_us;
        }
    }

    fn beat(&mut self, now_us: u64) {
        self.next_beat_us = now_us + RELAY_BEAT_EVERY_US;
        let is_whole = self.beats.is_multiple_of(RELAY_BEATS_PER_WHOLE);
        let has = self.connection.as_ref().filter(|_| is_whole).and_then(|connection| connection.has());
        // A host that can't say yet what it has says so with its next beat.
        self.beats += u64::from(!is_whole || has.is_some());
        let Settings { host: origin, lineage, .. } = self.settings;
        self.calls.push(LogCall::Say { bytes: Beat { origin, lineage, has }.encode() });
    }

    /// Returns when [`Relay::turn`] is due at the latest, microseconds; nothing while the log is away and nobody is connected.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let Reach::Up { quiet_since_us } = self.reach else { return None };
        let connection = self.connection.as_ref();
        let tails = self.preparing.deadline();
        let is_waiting = tails.is_some() || connection.is_some_and(|connection| connection.is_waiting());
        let silence = is_waiting.then_some(quiet_since_us + RELAY_SILENT_US);
        let connection = connection.and_then(|connection| connection.deadline());
        [Some(self.next_beat_us), tails, silence, connection, self.seats.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Returns the next call to the log.
    pub fn next_call(&mut self) -> Option<LogCall> {
        self.calls.next()
    }

    /// Returns the next question of another host, for whoever reads this host's journal and pictures.
    pub fn next_question(&mut self) -> Option<(u64, Question)> {
        self.questions.pop_front()
    }

    /// Answers such a question.
    pub fn answer(&mut self, token: u64, answer: &Answer) {
        self.calls.push(LogCall::Answer { token, answer: answer.encode() });
    }

    /// Takes what the host has logged of its cluster's members, and whether it wants a seat.
    pub fn list(&mut self, roster: Roster, now_us: u64) {
        self.seats.take(roster, now_us);
    }

    /// Returns the seat that the log has given to this host and to nobody else, until the host has logged it.
    #[must_use]
    pub fn claimed(&self) -> Option<Seat> {
        self.seats.claimed()
    }

    /// Returns the member that has to tell the register what it knows before this host gets a seat; nothing where none has to.
    #[must_use]
    pub fn waits_to_be_told_by(&self) -> Option<NodeId> {
        self.seats.waits_for()
    }

    /// Returns the other hosts that were heard.
    #[must_use]
    pub fn members(&self) -> &Members {
        &self.members
    }

    /// Returns what was counted, and is being counted by the present connection.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut counters = self.counters;
        self.connection.iter().for_each(|connection| connection.count(&mut counters));
        counters
    }

    /// Returns the bytes of batches that the host has handed over and of which it is not known that the log keeps them; 0 while the
    /// host is not connected.
    #[must_use]
    pub fn unacked_bytes(&self) -> u64 {
        self.connection.as_ref().map_or(0, |connection| connection.unacked_bytes())
    }

    /// Returns streams that stand still, with the record that nobody gives.
    #[must_use]
    pub fn stuck(&self) -> Vec<(Origin, Seq)> {
        self.connection.as_ref().map_or(Vec::new(), |connection| connection.stuck())
    }
}
