//! All agents of a run: reached together, given their parts, started together, and one run in the end.

use crate::agent::keys::Pins;
use crate::agent::limits::{
    AGENTS_MAX, END_WAIT, GREETING_WAIT, INTERVAL_NS_MAX, LOOK_EVERY, READY_WAIT, SILENCE_MAX, START_LEAD,
};
use crate::agent::part::Assignment;
use crate::agent::station::{Command, Event, Station};
use crate::agent::token::Token;
use crate::driver::live::{LiveLine, Onlooker};
use crate::driver::machine::HostUse;
use crate::driver::run::{AgentFigures, Collector, Measured, Watch};
use crate::scenario::Scenario;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

/// Time after which a wait is shown.
const SHOW_AFTER: Duration = Duration::from_millis(100);

/// Which agents are ordered.
#[derive(Clone, Debug)]
pub struct Agents {
    /// Where each listens: name or address, and port.
    pub addresses: Vec<String>,
    /// The secret shared with the agents, if there is one.
    pub token: Option<Token>,
    /// The keys that they may show.
    pub pins: Pins,
    /// Threads of all together, if that is set; else each agent takes half of its CPUs.
    pub threads: Option<usize>,
}

impl Agents {
    /// Looks whether a run can be divided among them.
    ///
    /// # Errors
    /// Returns a sentence for too many of them, one that is named twice, and fewer connections or threads than agents.
    pub fn check(&self, scenario: &Scenario) -> Result<(), String> {
        let number = self.addresses.len();
        if number > AGENTS_MAX {
            return Err(format!("{number} agents are more than {AGENTS_MAX}"));
        }
        let twice = self.addresses.iter().enumerate().find(|(at, name)| self.addresses[..*at].contains(name));
        if let Some((_, name)) = twice {
            return Err(format!(
                "--agents names {name} twice; a second agent of a host needs a port of its own"
            ));
        }
        let least = [("connections", "-c", Some(scenario.connections)), ("threads", "-t", self.threads)];
        match least.into_iter().find(|(_, _, given)| given.is_some_and(|given| given < number)) {
            Some((what, option, _)) => {
                Err(format!("there are fewer {what} than agents; give {option} {number} or more"))
            }
            None => Ok(()),
        }
    }
}

/// Agents that take orders.
pub struct Crew {
    names: Vec<String>,
    commands: Vec<Sender<Command>>,
    events: Receiver<(usize, Event)>,
    /// Set when an agent is lost.
    halt: Arc<AtomicBool>,
    /// Threads that each agent would take.
    offers: Vec<usize>,
    /// Threads of all, if that is set.
    threads: Option<usize>,
}

impl Crew {
    /// Connects to all agents at once and exchanges greetings.
    ///
    /// # Errors
    /// Returns a sentence that names each agent that does not take orders from here and why, or that there was an interrupt.
    pub fn gather(agents: &Agents, stop: &Arc<AtomicBool>) -> Result<Self, String> {
        let (tell, events) = mpsc::channel();
        let halt = Arc::new(AtomicBool::new(false));
        let mut commands = Vec::new();
        for (place, name) in agents.addresses.iter().enumerate() {
            let (order, orders) = mpsc::channel();
            let station = Station {
                place,
                name: name.clone(),
                token: agents.token.clone(),
                pins: agents.pins.clone(),
                stop: Arc::clone(stop),
                halt: Arc::clone(&halt),
                commands: orders,
                events: tell.clone(),
            };
            std::thread::Builder::new()
                .name(format!("agent-{place}"))
                .spawn(move || station.run())
                .map_err(|error| format!("cannot start a thread: {error}"))?;
            commands.push(order);
        }
        let mut crew = Self {
            names: agents.addresses.clone(),
            offers: vec![0; commands.len()],
            commands,
            events,
            halt,
            threads: agents.threads,
        };
        let (mut lost, mut known) = (Vec::new(), 0);
        let mut line = LiveLine::before_a_run();
        let mut wait = Wait::new("agents", crew.names.len(), 2 * GREETING_WAIT, &mut line);
        while known < crew.names.len() {
            let (place, event) = crew.next(&mut wait, known, stop)?;
            known += 1;
            match event {
                Event::Greeted(threads) => crew.offers[place] = threads.max(1),
                Event::Lost(why) => lost.push(crew.named(place, &why)),
                Event::Ready(_) | Event::Over(_) => {}
            }
        }
        if lost.is_empty() { Ok(crew) } else { Err(lost.join("\n")) }
    }

    /// Returns the scenario with the threads that the agents take together.
    #[must_use]
    pub fn divide(&self, scenario: &Scenario) -> Scenario {
        let threads = self.shares(scenario).iter().sum();
        Scenario { threads, interval_ns_max: INTERVAL_NS_MAX, ..scenario.clone() }
    }

    /// Returns the threads of each agent. With a number of threads it is divided; else each takes what it offers, or one for
    /// each CPU that is named, as long as there are connections for all.
    fn shares(&self, scenario: &Scenario) -> Vec<usize> {
        let agents = self.names.len();
        if let Some(threads) = self.threads {
            let threads = threads.clamp(agents, scenario.connections.max(agents));
            return (0..agents).map(|at| threads / agents + usize::from(at < threads % agents)).collect();
        }
        let mut shares = match scenario.pins.len() {
            0 => self.offers.clone(),
            pins => vec![pins; agents],
        };
        while shares.iter().sum::<usize>() > scenario.connections.max(agents) {
            if let Some(most) = shares.iter_mut().max() {
                *most -= 1;
            }
        }
        shares
    }

    /// Runs a scenario that [`Crew::divide`] returned.
    ///
    /// An agent that is lost ends the load of all: what was counted until then is returned, with the fault.
    ///
    /// # Errors
    /// Returns a sentence that names the agent that is not ready, or that there was an interrupt.
    pub fn run(&mut self, scenario: &Scenario, watch: &mut Watch<'_>) -> Result<Measured, String> {
        if self.is_broken() {
            let lost = self.events.try_iter().find_map(|(place, event)| match event {
                Event::Lost(why) => Some(self.named(place, &why)),
                _ => None,
            });
            return Err(lost.unwrap_or_else(|| "an agent was lost".into()));
        }
        let (notes, inbox) = mpsc::channel();
        let whole = Arc::new(scenario.clone());
        let mut first = 0;
        for (place, share) in self.shares(scenario).into_iter().enumerate() {
            let assignment =
                Assignment { scenario: Arc::clone(&whole), own: first..first + share, notes: notes.clone() };
            // One that is lost tells so in its events.
            let _ = self.commands[place].send(Command::Prepare(assignment));
            first += share;
        }
        drop(notes);
        let longest = self.await_all_ready(watch.stop, watch.onlooker)?;
        let server_before = watch.server.read();
        let epoch = Instant::now() + START_LEAD + longest;
        for station in &self.commands {
            let _ = station.send(Command::Start(epoch));
        }
        (watch.on_start)(epoch);
        watch.onlooker.started(epoch);
        let mut collector = Collector::new(&whole, self.names.len(), watch, epoch, server_before);
        collector.collect(&inbox);
        let mut measured = collector.finish()?;
        measured.agents = self.await_all_over(watch.onlooker)?;
        measured.host = hardest(measured.agents.iter().map(|agent| agent.measured.host));
        for agent in &mut measured.agents {
            agent.measured.server.clone_from(&measured.server);
        }
        Ok(measured)
    }

    /// Waits until all agents are ready; returns the longest of the round trips to them.
    fn await_all_ready(&self, stop: &AtomicBool, onlooker: &mut dyn Onlooker) -> Result<Duration, String> {
        let most = READY_WAIT + SILENCE_MAX;
        let mut wait = Wait::new("agents that are ready", self.names.len(), most, onlooker);
        let (mut ready, mut longest) = (0, Duration::ZERO);
        while ready < self.names.len() {
            match self.next(&mut wait, ready, stop)? {
                (_, Event::Ready(round_trip)) => longest = longest.max(round_trip),
                (place, Event::Lost(why)) => return Err(self.named(place, &why)),
                (_, Event::Greeted(_) | Event::Over(_)) => continue,
            }
            ready += 1;
        }
        Ok(longest)
    }

    /// Waits for the figures of all agents, which have ended or are lost; returns them in the agents' order.
    fn await_all_over(&self, onlooker: &mut dyn Onlooker) -> Result<Vec<AgentFigures>, String> {
        let mut wait = Wait::new("agents that have ended", self.names.len(), END_WAIT, onlooker);
        let mut over: Vec<(usize, AgentFigures)> = Vec::new();
        while over.len() < self.names.len() {
            match self.next(&mut wait, over.len(), &AtomicBool::new(false))? {
                (place, Event::Over(figures)) => over.push((place, *figures)),
                (place, Event::Lost(why)) => return Err(self.named(place, &why)),
                (_, Event::Greeted(_) | Event::Ready(_)) => {}
            }
        }
        over.sort_by_key(|(place, _)| *place);
        Ok(over.into_iter().map(|(_, figures)| figures).collect())
    }

    /// Waits for the next event and shows meanwhile how many there have been.
    fn next(&self, wait: &mut Wait<'_>, known: usize, stop: &AtomicBool) -> Result<(usize, Event), String> {
        loop {
            match self.events.recv_timeout(LOOK_EVERY) {
                Ok(event) => return Ok(event),
                Err(RecvTimeoutError::Disconnected) => return Err("no agent is left".into()),
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => {
                    return Err("interrupted before the load began".into());
                }
                Err(RecvTimeoutError::Timeout) if Instant::now() > wait.deadline => {
                    return Err("an agent did not answer in time".into());
                }
                Err(RecvTimeoutError::Timeout) => wait.show(known),
            }
        }
    }

    /// Returns whether an agent was lost, so that no further run can be made.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.halt.load(Ordering::SeqCst)
    }

    fn named(&self, place: usize, why: &str) -> String {
        format!("agent {}: {why}", self.names[place])
    }
}

/// A wait for all agents: shown after [`SHOW_AFTER`], given up at its deadline.
struct Wait<'a> {
    what: &'static str,
    all: usize,
    since: Instant,
    deadline: Instant,
    onlooker: &'a mut dyn Onlooker,
}

impl<'a> Wait<'a> {
    fn new(what: &'static str, all: usize, most: Duration, onlooker: &'a mut dyn Onlooker) -> Self {
        let since = Instant::now();
        Self { what, all, since, deadline: since + most, onlooker }
    }

    fn show(&mut self, known: usize) {
        if self.since.elapsed() > SHOW_AFTER {
            self.onlooker.awaiting(self.what, known, self.all);
        }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.onlooker.clear();
    }
}

/// Returns the figures of the hosts that had the least left, each figure for itself.
fn hardest(hosts: impl Iterator<Item = HostUse>) -> HostUse {
    let none = HostUse { idle: 1.0, ..HostUse::default() };
    hosts.fold(none, |one, other| HostUse {
        idle: one.idle.min(other.idle),
        softirq: one.softirq.max(other.softirq),
        stolen: one.stolen.max(other.stolen),
        retransmits: one.retransmits.max(other.retransmits),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(connections: usize, pins: &[usize]) -> Scenario {
        Scenario { connections, pins: pins.to_vec(), ..Scenario::sample() }
    }

    fn crew(offers: &[usize], threads: Option<usize>) -> Crew {
        Crew {
            names: offers.iter().map(|offer| format!("a:{offer}")).collect(),
            commands: Vec::new(),
            events: mpsc::channel().1,
            halt: Arc::default(),
            offers: offers.to_vec(),
            threads,
        }
    }

    #[test]
    fn threads_and_connections_are_divided_with_their_remainders() {
        for (offers, threads, connections, pins, shares) in [
            (&[1, 1][..], None, 64, &[][..], &[1, 1][..]),
            (&[4, 2], None, 64, &[], &[4, 2]),
            (&[4, 2], None, 3, &[], &[2, 1]),
            (&[4, 2], Some(5), 64, &[], &[3, 2]),
            (&[4, 2], Some(9), 5, &[], &[3, 2]),
            (&[4, 2, 1], None, 64, &[1, 3], &[2, 2, 2]),
        ] {
            let (crew, scenario) = (crew(offers, threads), scenario(connections, pins));
            assert_eq!(crew.shares(&scenario), shares, "{offers:?} {threads:?} {connections}");
            let divided = crew.divide(&scenario);
            let all: usize = (0..divided.threads).map(|thread| divided.connections_of(thread)).sum();
            assert_eq!((divided.threads, all), (shares.iter().sum(), connections));
        }
    }

    #[test]
    fn what_cannot_be_divided_is_told_before() {
        let agents = |names: &[&str], threads| Agents {
            addresses: names.iter().map(ToString::to_string).collect(),
            token: None,
            pins: Pins::new(Vec::new()).unwrap(),
            threads,
        };
        assert!(agents(&["a:1", "b:1"], Some(2)).check(&scenario(2, &[])).is_ok());
        for (agents, connections, said) in [
            (agents(&["a:1", "b:1"], None), 1, "-c 2"),
            (agents(&["a:1", "b:1"], Some(1)), 64, "-t 2"),
            (agents(&["a:1", "a:1"], None), 64, "twice"),
            (agents(&vec!["a"; 65], None), 64, "more than 64"),
        ] {
            let error = agents.check(&scenario(connections, &[])).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
