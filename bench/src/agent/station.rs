//! One agent as its master sees it: a thread that greets it, passes orders on and takes in what it counts.

use crate::agent::keys::Pins;
use crate::agent::limits::{
    ALIVE_EVERY, FIGURES_BYTES_MAX, GREETING_WAIT, LOOK_EVERY, ORDER_BYTES_MAX, PINGS, READY_WAIT,
    SILENCE_MAX, STOP_WAIT,
};
use crate::agent::message::{ToAgent, ToMaster, Version, line, read};
use crate::agent::order::OrderText;
use crate::agent::part::{Assignment, Part};
use crate::agent::shown::plain;
use crate::agent::token::{Side, Token};
use crate::agent::wire::Wire;
use crate::client::addresses::Addresses;
use crate::driver::machine::HostUse;
use crate::driver::run::AgentFigures;
use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

/// What a station is told.
pub(super) enum Command {
    /// Let the agent make ready for this.
    Prepare(Assignment),
    /// Start its clock at this moment.
    Start(Instant),
}

/// What a station tells.
pub(super) enum Event {
    /// The agent takes orders; it would take so many threads.
    Greeted(usize),
    /// The agent is ready; the shortest round trip to it.
    Ready(Duration),
    /// Its part of the run is over, well or not.
    Over(Box<AgentFigures>),
    /// It can't be directed, or not any more.
    Lost(String),
}

/// Why a station ends.
enum End {
    /// Nobody needs the agent any more.
    Dismissed,
    /// The agent failed, which is to be told.
    Lost(String),
    /// The agent failed in a run, which its figures have told.
    Told,
}

impl From<String> for End {
    fn from(why: String) -> Self {
        Self::Lost(why)
    }
}

/// What a station needs from the start.
pub(super) struct Station {
    /// Its place among the stations.
    pub(super) place: usize,
    /// Where the agent listens, with the port.
    pub(super) name: String,
    /// What the two share.
    pub(super) token: Option<Token>,
    /// The keys that it may show.
    pub(super) pins: Pins,
    /// Set by an interrupt, or by what ends a run early.
    pub(super) stop: Arc<AtomicBool>,
    /// Set when an agent is lost: the others' part alone is not the run that was ordered.
    pub(super) halt: Arc<AtomicBool>,
    /// Where commands come from.
    pub(super) commands: Receiver<Command>,
    /// Where events go, with the place.
    pub(super) events: Sender<(usize, Event)>,
}

impl Station {
    /// Talks to the agent until it is dismissed or lost.
    pub(super) fn run(self) {
        let end = self.greet().map_err(End::Lost).and_then(|talk| talk.direct_all());
        if let Err(End::Lost(why)) = end {
            self.halt.store(true, Ordering::SeqCst);
            self.tell(Event::Lost(why));
        }
    }

    fn tell(&self, event: Event) {
        let _ = self.events.send((self.place, event));
    }

    /// Connects, and exchanges greetings.
    fn greet(&self) -> Result<Talk<'_>, String> {
        let deadline = Instant::now() + GREETING_WAIT;
        let text = |error: io::Error| error.to_string();
        let found = self.name.to_socket_addrs().map_err(|error| format!("cannot look it up: {error}"))?;
        let addresses = Addresses::new(found.collect()).ok_or("its name has no address")?;
        let socket = addresses.connect(GREETING_WAIT).map_err(|error| {
            format!("cannot connect: {error}; start one there: pixeld bench agent --listen {}", self.name)
        })?;
        let is_remote = !socket.peer_addr().map_err(text)?.ip().is_loopback();
        if is_remote && self.token.is_none() && self.pins.is_empty() {
            let what = "whoever answers there would be sent the requests with all that is in them; give --token-file FILE, \
                 PIXELD_BENCH_TOKEN or --agent-key";
            return Err(what.into());
        }
        let session = self.pins.dial().map_err(|error| error.to_string())?;
        let mut wire = Wire::new(socket, session).map_err(text)?;
        wire.shake_hands(deadline).map_err(text)?;
        let channel = wire.channel().map_err(text)?;
        let proof = self.token.as_ref().map(|token| token.proof(Side::Master, &channel));
        wire.send(&line(&ToAgent::Hello { version: Version::own(), proof })).map_err(text)?;
        let answer = loop {
            if let Some(line) = wire.receive(LOOK_EVERY).map_err(text)? {
                break read::<ToMaster>(&line)?;
            }
            if Instant::now() >= deadline {
                return Err(format!("did not greet within {} s", GREETING_WAIT.as_secs()));
            }
        };
        let (proof, host, threads) = match answer {
            ToMaster::Hello { version, .. } if version != Version::own() => {
                let own = Version::own().show();
                return Err(format!("it is {}, this is {own}; run the same on all hosts", version.show()));
            }
            ToMaster::Hello { proof, host, threads, .. } => (proof, host, threads),
            ToMaster::Refused { text, .. } => return Err(format!("refuses: {}", plain(&text))),
            _ => return Err("it did not greet".into()),
        };
        let is_known =
            |token: &Token| proof.as_ref().is_some_and(|it| token.is_proof(it, Side::Agent, &channel));
        if !self.token.as_ref().is_none_or(is_known) {
            return Err("it has not the token, so it is not the agent that was meant".into());
        }
        wire.allow(FIGURES_BYTES_MAX);
        self.tell(Event::Greeted(threads));
        let key = wire.key().map_or(String::new(), |key| key.to_string());
        Ok(Talk { station: self, wire, host: plain(&host), key, spoke: Instant::now() })
    }
}

/// The connection after the greetings.
struct Talk<'a> {
    station: &'a Station,
    wire: Wire,
    /// Name of the agent's host.
    host: String,
    /// The key that it showed.
    key: String,
    /// When something was said last.
    spoke: Instant,
}

impl Talk<'_> {
    fn direct_all(mut self) -> Result<(), End> {
        loop {
            match self.station.commands.try_recv() {
                Ok(Command::Prepare(assignment)) => self.direct(assignment)?,
                Ok(Command::Start(_)) | Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    self.wire.close();
                    return Err(End::Dismissed);
                }
            }
            if self.listen(LOOK_EVERY)?.is_some() {
                return Err(out_of_turn());
            }
        }
    }

    /// Returns what the agent says, waiting up to `wait`, and says that its master is here.
    fn listen(&mut self, wait: Duration) -> Result<Option<ToMaster>, String> {
        if self.spoke.elapsed() >= ALIVE_EVERY {
            self.say(&ToAgent::Alive)?;
        }
        let Some(line) = self.wire.receive(wait).map_err(|error| lost(&error))? else { return Ok(None) };
        match read(&line)? {
            ToMaster::Alive => Ok(None),
            ToMaster::Leaving => Err("it was told to end".into()),
            message => Ok(Some(message)),
        }
    }

    fn say(&mut self, message: &ToAgent) -> Result<(), String> {
        self.spoke = Instant::now();
        self.wire.send(&line(message)).map_err(|error| lost(&error))
    }

    /// Directs one run.
    fn direct(&mut self, assignment: Assignment) -> Result<(), End> {
        let order =
            line(&ToAgent::Order(Box::new(OrderText::of(&assignment.scenario, assignment.own.clone()))));
        if order.len() > ORDER_BYTES_MAX {
            let most = ORDER_BYTES_MAX >> 20;
            return Err(End::Lost(format!(
                "requests and bodies are more than the {most} MiB that an agent takes; use a smaller file"
            )));
        }
        self.spoke = Instant::now();
        self.wire.send(&order).map_err(|error| lost(&error))?;
        let (round_trip_ns, is_local) = self.await_ready()?;
        let to_agent = self.time_round_trip()?;
        self.station.tell(Event::Ready(to_agent));
        let epoch = loop {
            match self.station.commands.try_recv() {
                Ok(Command::Start(epoch)) => break epoch,
                Ok(Command::Prepare(_)) | Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    let _ = self.say(&ToAgent::Stop);
                    self.wire.close();
                    return Err(End::Dismissed);
                }
            }
            if self.listen(LOOK_EVERY)?.is_some() {
                return Err(out_of_turn());
            }
        };
        let mut part = Part::new(assignment, self.station.place, &self.station.name, epoch);
        let start = epoch.saturating_duration_since(Instant::now()).saturating_sub(to_agent / 2);
        let told = self.say(&ToAgent::Go { in_ns: start.as_nanos() as u64 });
        let ended = told.and_then(|()| self.attend(&mut part));
        let (host, fault) = match ended {
            Ok(host) => (host, None),
            Err(why) => (HostUse::default(), Some(why)),
        };
        let is_lost = fault.is_some();
        if is_lost {
            self.station.halt.store(true, Ordering::SeqCst);
            part.give_up();
        }
        self.station.tell(Event::Over(Box::new(AgentFigures {
            name: self.station.name.clone(),
            host: self.host.clone(),
            key: self.key.clone(),
            threads: part.threads(),
            connections: part.connections(),
            offered: part.offered(),
            start_error_ns: (to_agent / 2).as_nanos() as u64,
            round_trip_ns,
            is_local,
            measured: part.measured(host),
            fault,
        })));
        if is_lost { Err(End::Told) } else { Ok(()) }
    }

    /// Waits until the agent is ready; returns its round trip to the target, nanoseconds, and whether that is its own host.
    fn await_ready(&mut self) -> Result<(u64, bool), String> {
        let deadline = Instant::now() + READY_WAIT;
        loop {
            match self.listen(LOOK_EVERY)? {
                Some(ToMaster::Ready { round_trip_ns, is_local }) => return Ok((round_trip_ns, is_local)),
                Some(ToMaster::Failed { text }) => return Err(plain(&text)),
                Some(_) => return Err(OUT_OF_TURN.into()),
                None if Instant::now() >= deadline => {
                    return Err(format!("is not ready after {} s", READY_WAIT.as_secs()));
                }
                None => {}
            }
        }
    }

    /// Returns the shortest of a few round trips to the agent.
    fn time_round_trip(&mut self) -> Result<Duration, String> {
        let mut shortest = SILENCE_MAX;
        for number in 0..PINGS {
            let asked = Instant::now();
            self.say(&ToAgent::Ping { number })?;
            loop {
                match self.listen(LOOK_EVERY)? {
                    Some(ToMaster::Pong { number: answered }) if answered == number => break,
                    Some(_) => return Err(OUT_OF_TURN.into()),
                    None if asked.elapsed() > SILENCE_MAX => return Err(silent()),
                    None => {}
                }
            }
            shortest = shortest.min(asked.elapsed());
        }
        Ok(shortest)
    }

    /// Takes in what the agent counts until it has ended; returns what its host did.
    fn attend(&mut self, part: &mut Part) -> Result<HostUse, String> {
        let mut stopped: Option<Instant> = None;
        loop {
            let ends_early =
                self.station.stop.load(Ordering::Relaxed) || self.station.halt.load(Ordering::Relaxed);
            if ends_early && stopped.is_none() {
                stopped = Some(Instant::now());
                self.say(&ToAgent::Stop)?;
            }
            match self.listen(LOOK_EVERY)? {
                Some(ToMaster::Done { host }) => return part.end(&host),
                Some(message) => part.take(message)?,
                None if stopped.is_some_and(|since| since.elapsed() > STOP_WAIT) => {
                    return Err(format!("did not stop within {} ms", STOP_WAIT.as_millis()));
                }
                None if part.is_late() => {
                    return Err("its load did not end in time".into());
                }
                None if self.wire.heard().elapsed() > SILENCE_MAX => return Err(silent()),
                None => {}
            }
        }
    }
}

const OUT_OF_TURN: &str = "it said what it must not say now";

fn out_of_turn() -> End {
    End::Lost(OUT_OF_TURN.into())
}

/// Says what it means that a connection broke after the greetings.
fn lost(error: &io::Error) -> String {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error.kind() {
        UnexpectedEof | ConnectionReset | BrokenPipe => {
            "the connection ended: the agent was killed, or did not like what it was told; its log says more"
                .into()
        }
        _ => error.to_string(),
    }
}

fn silent() -> String {
    format!("was silent for {} s", SILENCE_MAX.as_secs())
}
