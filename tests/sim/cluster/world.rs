//! The world of one seed: hosts, a log, a clock.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use pixeld::base::durability::Durability;
use pixeld::base::ids::{NodeId, Origin, Seq};
use pixeld::base::seat::SEATS;
use pixeld::engine::storage::starts;

use super::super::chance::Chance;
use super::super::host::{SEGMENT_BYTES, Up};
use super::super::oracle::{self, Oracle};
use super::super::sim_disk::{Fall, SimDisk};
use super::super::world::{Tally, newcomers_disk};
use super::log::{SimLog, Weather};
use super::place::{Place, Running};
use super::seats::Seats;

pub const MS: u64 = 1_000;
pub const SECOND: u64 = 1_000_000;
/// Virtual time after which healed hosts must agree.
const PATIENCE_US: u64 = 120 * SECOND;
const START_WALL_US: u64 = 1_700_000_000_000_000;
/// Time beyond a seed's own in which at least half of the log's kinds of faults have to occur.
const FAULTS_WITHIN_US: u64 = 60 * SECOND;
/// How often the keeper looks.
pub const KEEPER_US: u64 = 200 * MS;
/// Where segments are small, each so many turns of the keeper make a snapshot, so that segments go.
const SNAPSHOTS_ONCE_IN: u64 = 6;
/// So large that no segment fills and goes.
const LARGE_SEGMENT_BYTES: u64 = 2 * 1024 * 1024;
/// Questions for the last message of a stream that a host may ask in a second, whatever happens: what comes to nothing is tried
/// again after a pause.
const TAILS_PER_SECOND_MAX: u64 = 60;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    Write(usize),
    Step(usize),
    Synced(usize),
    Behind(usize),
    Keeper(usize),
    Link(usize),
    Net,
    Trouble,
    LoseDisk,
    Second,
    Start(usize),
    LogUp(usize),
}

pub struct Cluster {
    pub seed: u64,
    pub chance: Chance,
    pub now_us: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    pub due: BTreeMap<Event, u64>,
    order: u64,
    pub places: Vec<Place>,
    pub log: SimLog,
    pub ends_us: u64,
    pub is_healing: bool,
    pub disks_to_lose: u64,
    /// The seat that all ask for first; without one by chance.
    pub same_seat: Option<u64>,
    /// Small ones fill and go. What is in none any more nobody can give but with a snapshot, so in these seeds the trouble begins
    /// when all are members, and a disk is lost after that.
    pub segment_bytes: u64,
    /// The trouble has begun.
    pub has_gathered: bool,
    /// One write out of so many is a picture.
    pub pictures: u64,
    /// Of streams whose makers have removed segments, what another host had.
    had: BTreeMap<Origin, Seq>,
    /// Pictures that a host or a relay has once called gone.
    pub gone: [bool; 8],
    /// Questions for the last message of a stream in this second.
    pub tails: Vec<u64>,
    pub connect_after_us: Vec<u64>,
    /// Directories that were lost.
    pub lost_nodes: Vec<NodeId>,
    pub seats: Seats,
    pub oracle: Oracle,
    pub tally: Tally,
    is_traced: bool,
}

impl Cluster {
    pub fn new(seed: u64, is_traced: bool) -> Self {
        let mut chance = Chance::new(seed ^ 0x0010_6000_0000);
        let count = chance.within(2, 5) as usize;
        let first = |at: usize| if at == 0 { SimDisk::new() } else { newcomers_disk() };
        // All ask for the same seat first.
        let same_seat = chance.once_in(2).then(|| chance.below(u64::from(SEATS)));
        let places: Vec<Place> = (0..count)
            .map(|at| Place {
                disk: first(at),
                node: node_by(&mut chance, same_seat),
                durability: if chance.once_in(3) { Durability::Memory } else { Durability::Disk },
                running: None,
                wall_shift_us: chance.below(3 * SECOND).cast_signed(),
                is_starting: true,
                regressions: 0,
            })
            .collect();
        let is_bucket = chance.once_in(4);
        let often = if is_bucket { chance.within(5, 40) } else { chance.within(20, 150) };
        let weather = Weather { often, is_bucket };
        // They write several times as much, so few of them are small.
        let is_small = chance.once_in(3);
        let mut cluster = Self {
            seed,
            now_us: 0,
            events: BinaryHeap::new(),
            due: BTreeMap::new(),
            order: 0,
            log: SimLog::new(count, weather),
            ends_us: chance.within(SECOND, 6 * SECOND)
                + if is_small { 4 * SECOND } else { 0 }
                + if is_bucket { 4 * SECOND } else { 0 },
            has_gathered: false,
            is_healing: false,
            disks_to_lose: u64::from(chance.once_in(2)),
            same_seat,
            segment_bytes: if is_small { SEGMENT_BYTES } else { LARGE_SEGMENT_BYTES },
            pictures: if chance.once_in(2) { chance.within(3, 20) } else { 0 },
            had: BTreeMap::new(),
            gone: [false; 8],
            tails: vec![0; count],
            connect_after_us: vec![0; count],
            lost_nodes: Vec::new(),
            seats: Seats::default(),
            oracle: Oracle::default(),
            tally: Tally::default(),
            is_traced,
            places,
            chance,
        };
        for host in 0..count {
            let delay_us = cluster.chance.below(300 * MS);
            cluster.later(delay_us, Event::Start(host));
        }
        let delay_us = cluster.chance.within(100 * MS, 500 * MS);
        cluster.later(delay_us, Event::Trouble);
        cluster.later(SECOND, Event::Second);
        if cluster.disks_to_lose > 0 {
            let least_us = if is_small { cluster.ends_us / 2 } else { SECOND / 2 };
            let delay_us = cluster.chance.within(least_us, cluster.ends_us);
            cluster.later(delay_us, Event::LoseDisk);
        }
        cluster
    }

    /// Runs until at least half of the log's kinds of faults have occurred, and all hosts are healed and agree.
    pub fn run(mut self) -> Tally {
        while !self.is_healing || !self.is_settled() {
            let Some(Reverse((at_us, _, event))) = self.events.pop() else {
                panic!("seed {}: nothing happens any more", self.seed);
            };
            if self.due.get(&event) != Some(&at_us) {
                continue;
            }
            self.due.remove(&event);
            self.now_us = at_us;
            if !self.is_healing && self.now_us >= self.ends_us && self.has_met_faults() {
                self.heal();
            }
            let patience_us = self.ends_us + PATIENCE_US;
            assert!(self.now_us < patience_us, "seed {}: no agreement: {}", self.seed, self.standings());
            let faults_until_us = self.ends_us + FAULTS_WITHIN_US;
            assert!(
                self.is_healing || self.now_us < faults_until_us,
                "seed {}: fewer than half of the log's faults have occurred, so this proves little: {:?}{}",
                self.seed,
                self.log.tally,
                self.standings()
            );
            self.happen(event);
            self.check();
        }
        self.judge();
        self.tally.count("in a bucket", u64::from(self.log.weather.is_bucket));
        self.tally.add(&self.log.tally);
        self.tally
    }

    /// Whether all hosts are up, and each knows that all are members.
    pub fn are_members(&self) -> bool {
        let knows = |place: &Place| {
            let applied = place.up()?.shared.applied.read();
            Some(self.places.iter().all(|other| applied.members.contains(other.node)))
        };
        self.places.iter().all(|place| knows(place) == Some(true))
    }

    fn has_met_faults(&self) -> bool {
        let (all, met) = (self.log.faults(), self.log.faults().filter(|what| self.log.tally.has(what)));
        2 * met.count() >= all.count()
    }

    /// What must hold at any time.
    fn check(&mut self) {
        for place in &self.places {
            let Some(Running { up, relay, .. }) = &place.running else { continue };
            self.oracle.note(up);
            self.seats.note(self.seed, up);
            oracle::check_bounds(up);
            let (own, said) = (up.origin(), up.peering().standing.own_durable());
            let ever = self.log.ever.get(&own).copied().unwrap_or_default();
            // What its journal does not have any more all members have. The log goes on behind what another host has then.
            let had = self.had.entry(own).or_default();
            if up.oldest_segment() > 1 {
                let others = self.places.iter().filter(|other| other.node != own.node).filter_map(Place::up);
                let most = others.map(|other| other.shared.applied.read().vector.seq_of(own)).max();
                *had = most.unwrap_or(0).max(*had);
            }
            let kept = if said > ever { self.log.reach(own, *had).max(ever) } else { ever };
            assert!(said <= kept, "seed {}: of {own} {said} are called kept, the log had {kept}", self.seed);
            let counted = place.regressions + relay.counters().regressions;
            let forgotten = self.log.forgotten.get(&place.node).copied().unwrap_or_default();
            assert!(
                counted <= forgotten,
                "seed {}: a log that forgot {forgotten} times is said to have forgotten {counted} times",
                self.seed
            );
        }
    }

    fn judge(&mut self) {
        for place in &mut self.places {
            let Some(Running { relay, .. }) = &place.running else { continue };
            let counters = relay.counters();
            for (what, times) in [
                ("asked", counters.asked),
                ("flights ended", counters.flights_ended),
                ("gaps", counters.gaps),
                ("regressions", place.regressions + counters.regressions),
            ] {
                self.tally.count(what, times);
            }
        }
        for up in self.places.iter().filter_map(Place::up) {
            self.tally.count("folded", starts::folded(&up.shared));
            self.tally.count("segments gone", u64::from(up.oldest_segment() - 1));
        }
        for round in 0..2 {
            let running = self.places.iter_mut().filter_map(|place| place.running.as_mut());
            running.for_each(|running| oracle::check_canvas(&mut running.up));
            let ups: Vec<&Up> = self.places.iter().filter_map(Place::up).collect();
            for up in &ups {
                self.oracle.check_kept(up);
                oracle::check_pictures(up, |at| self.gone[at]);
            }
            ups[1..].iter().for_each(|up| oracle::check_equal(ups[0], up));
            if round == 0 {
                self.trace(|| "all are started once more".to_owned());
                for host in 0..self.places.len() {
                    self.fall(host, Fall::Power(self.seed));
                    self.start(host);
                }
            }
        }
        self.tally.count("kept by the log", self.oracle.kept_by_both());
    }

    fn is_settled(&self) -> bool {
        let ups: Vec<&Up> = self.places.iter().filter_map(Place::up).collect();
        let is_kept = |up: &&Up| up.peering().standing.own_durable() == up.committed;
        ups.len() == self.places.len()
            && ups.iter().all(|up| oracle::agree(ups[0], up) && !up.has_step() && up.is_open())
            && ups.iter().all(is_kept)
    }

    fn standings(&self) -> String {
        let of = |place: &Place| match &place.running {
            Some(Running { up, relay, .. }) => {
                let (vector, claim) = (up.shared.applied.read().vector.clone(), up.shared.claim.seat());
                let (kept, stuck) = (up.peering().standing.own_durable(), relay.stuck());
                let (joining, committed) = (up.is_joining(), up.committed);
                let goal = up.peering().joining.goal().filter(|_| joining);
                format!(
                    "\n{}: {vector:?} (joining: {joining}, open: {}, claim: {claim:?}, waits for: {:?}, goal: {goal:?}, kept {kept} of {committed}, stuck {stuck:?}, {})",
                    up.origin(),
                    up.is_open(),
                    relay.waits_to_be_told_by(),
                    relay.why()
                )
            }
            None => "\ndown".to_owned(),
        };
        self.places.iter().map(of).collect()
    }

    pub fn later(&mut self, delay_us: u64, event: Event) {
        let at_us = self.now_us + delay_us;
        let due_us = self.due.entry(event).or_insert(u64::MAX);
        if at_us < *due_us {
            *due_us = at_us;
            self.order += 1;
            self.events.push(Reverse((at_us, self.order, event)));
        }
    }

    pub fn trace(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            println!("{:>10.3} ms  {}", self.now_us as f64 / 1e3, what());
        }
    }

    pub fn wall_us(&self, host: usize) -> u64 {
        (START_WALL_US + self.now_us).saturating_add_signed(self.places[host].wall_shift_us)
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Write(host) => self.write(host),
            Event::Step(host) => self.step(host),
            Event::Synced(host) => self.disk_turn(host, "a step", Up::finish),
            Event::Behind(host) => {
                let sync = self.chance.once_in(4) || self.is_healing;
                self.disk_turn(host, "writing behind", |up| up.write_behind(sync));
            }
            Event::Keeper(host) => {
                let wall_us = self.wall_us(host);
                let now_us = self.now_us;
                self.places[host].running.iter_mut().for_each(|running| running.note(now_us));
                let is_amid = |place: &Place| place.up().is_some_and(Up::is_amid_joining);
                let was_amid = is_amid(&self.places[host]);
                let folds = self.segment_bytes == SEGMENT_BYTES && self.chance.once_in(SNAPSHOTS_ONCE_IN);
                self.disk_turn(host, "looking after the files", |up| {
                    if folds {
                        up.fold();
                    }
                    up.keep_files(wall_us)
                });
                let has_joined = was_amid && self.places[host].up().is_some_and(|up| !up.is_amid_joining());
                self.tally.count("joined by a snapshot", u64::from(has_joined));
                self.later(KEEPER_US, Event::Keeper(host));
            }
            Event::Link(host) => self.link(host),
            Event::Net => self.net(),
            Event::Trouble => self.trouble(),
            Event::LoseDisk => self.lose_a_disk(),
            Event::Second => {
                for (host, tails) in self.tails.iter_mut().enumerate() {
                    let asked = std::mem::take(tails);
                    assert!(
                        asked <= TAILS_PER_SECOND_MAX,
                        "seed {}: host {host} has asked for the log's end {asked} times in a second",
                        self.seed
                    );
                }
                // An operator's word may go with the host that has taken it.
                if self.is_healing {
                    self.lost_nodes.clone().into_iter().for_each(|node| self.forget_host(node));
                }
                self.later(SECOND, Event::Second);
            }
            Event::Start(host) if self.places[host].running.is_none() => self.start(host),
            Event::LogUp(host) => {
                if self.places[host].running.is_some() && !self.log.is_up(host) {
                    let node = self.places[host].node;
                    self.log.connect(host, node, self.now_us, &mut self.chance);
                    self.net_later();
                }
            }
            Event::Start(_) => {}
        }
    }
}

/// Makes a node by chance, of those that ask for one seat first.
pub fn node_by(chance: &mut Chance, seat: Option<u64>) -> NodeId {
    let number = chance.next();
    NodeId(seat.map_or(number, |seat| number - number % u64::from(SEATS) + seat))
}

impl Place {
    pub fn up(&self) -> Option<&Up> {
        self.running.as_ref().map(|running| &*running.up)
    }
}
