//! The world of one seed: two hosts, a connection, a clock, and what goes wrong.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use pixeld::base::durability::Durability;
use pixeld::base::ids::{Inc, NodeId};
use pixeld::log::record::Pixel;
use pixeld::peer::fault::Close;

use super::chance::Chance;
use super::host::Up;
use super::oracle::{self, Oracle};
use super::sim_disk::{Failure, Fall, SimDisk};
use super::wire::{Weather, Wire};

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;
/// Virtual time after which healed hosts must agree.
const PATIENCE_US: u64 = 60 * SECOND;
const START_WALL_US: u64 = 1_700_000_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Write(usize),
    Step(usize),
    Synced(usize),
    Behind(usize),
    Spare(usize),
    Fold(usize),
    Link(usize),
    Dial,
    Trouble,
    Start(usize),
}

/// What happened in some seeds, added up.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub records: u64,
    pub kept_by_both: u64,
    pub connections: u64,
    pub kills: u64,
    pub power_cuts: u64,
    pub disks_lost: u64,
    pub crashes_in_calls: u64,
    pub partitions: u64,
    pub clock_jumps: u64,
    pub snapshots: u64,
    pub doubled: u64,
    pub reordered: u64,
    pub falsified: u64,
    pub cut: u64,
    pub silent: u64,
    pub violations: u64,
    pub segments: u64,
}

impl Tally {
    fn numbers(&mut self) -> [&mut u64; 17] {
        [
            &mut self.records,
            &mut self.kept_by_both,
            &mut self.connections,
            &mut self.kills,
            &mut self.power_cuts,
            &mut self.disks_lost,
            &mut self.crashes_in_calls,
            &mut self.partitions,
            &mut self.clock_jumps,
            &mut self.snapshots,
            &mut self.doubled,
            &mut self.reordered,
            &mut self.falsified,
            &mut self.cut,
            &mut self.silent,
            &mut self.violations,
            &mut self.segments,
        ]
    }

    pub fn add(&mut self, other: &Self) {
        let mut other = other.clone();
        for (sum, number) in self.numbers().into_iter().zip(other.numbers()) {
            *sum += *number;
        }
    }

    /// Whether everything that can happen did.
    pub fn is_lively(&self) -> bool {
        self.clone().numbers().iter().all(|number| **number > 0)
    }
}

struct Host {
    disk: SimDisk,
    node: NodeId,
    durability: Durability,
    up: Option<Up>,
    wall_shift_us: i64,
    is_starting: bool,
}

pub struct World {
    seed: u64,
    chance: Chance,
    now_us: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// When each of them is due.
    due: BTreeMap<Event, u64>,
    order: u64,
    hosts: [Host; 2],
    wire: Option<Wire>,
    weather: Weather,
    /// Whether the network changes bytes or frames before it is healed.
    is_falsifying: bool,
    /// No connection can be made before this.
    dark_until_us: u64,
    ends_us: u64,
    /// Writes much, so that segments fill.
    is_heavy: bool,
    /// Takes so long that a silent peer is given up.
    is_long: bool,
    is_healing: bool,
    disks_to_lose: u64,
    oracle: Oracle,
    tally: Tally,
    is_traced: bool,
}

impl World {
    pub fn new(seed: u64, is_traced: bool) -> Self {
        let mut chance = Chance::new(seed);
        let mut rare = |often: u64| if chance.once_in(3) { chance.within(often / 4, often) } else { 0 };
        let (late, cut, flip, double, swap) = (rare(40), rare(60), rare(200), rare(40), rare(40));
        let latency_us = if chance.once_in(3) { 40 * MS } else { 400 };
        let weather = Weather { latency_us, late, cut, flip, double, swap };
        let hosts = [0, 1].map(|_| Host {
            disk: SimDisk::new(),
            node: NodeId(chance.next()),
            durability: if chance.once_in(3) { Durability::Memory } else { Durability::Disk },
            up: None,
            wall_shift_us: chance.below(3 * SECOND).cast_signed(),
            is_starting: false,
        });
        let (is_heavy, is_long) = (chance.once_in(24), chance.once_in(24));
        let ends_us = chance.within(200 * MS, if is_long { 16 * SECOND } else { 4 * SECOND });
        let disks_to_lose = u64::from(chance.once_in(6));
        let mut world = Self {
            seed,
            chance,
            now_us: 0,
            events: BinaryHeap::new(),
            due: BTreeMap::new(),
            order: 0,
            hosts,
            wire: None,
            is_falsifying: flip + double + swap > 0,
            weather,
            dark_until_us: 0,
            ends_us,
            is_heavy,
            is_long,
            is_healing: false,
            disks_to_lose,
            oracle: Oracle::default(),
            tally: Tally::default(),
            is_traced,
        };
        for host in 0..2 {
            world.hosts[host].is_starting = true;
            let delay_us = world.chance.below(200 * MS);
            world.later(delay_us, Event::Start(host));
        }
        world.later(50 * MS, Event::Dial);
        let delay_us = world.chance.below(ends_us);
        world.later(delay_us, Event::Trouble);
        world
    }

    /// Runs until both hosts are healed and agree.
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
            if !self.is_healing && self.now_us >= self.ends_us {
                self.heal();
            }
            assert!(
                self.now_us < self.ends_us + PATIENCE_US,
                "seed {}: healed hosts don't agree: {}",
                self.seed,
                self.standings()
            );
            self.happen(event);
            for host in 0..2 {
                if let Some(up) = &self.hosts[host].up {
                    self.oracle.note(up);
                    oracle::check_bounds(up);
                }
            }
        }
        self.judge();
        self.tally
    }

    fn judge(&mut self) {
        for round in 0..2 {
            let [Some(a), Some(b)] = [&self.hosts[0].up, &self.hosts[1].up] else {
                panic!("seed {}: both are up", self.seed);
            };
            self.oracle.check_kept(a);
            self.oracle.check_kept(b);
            oracle::check_equal(a, b);
            self.tally.segments += a.shared.reader.segments().len().saturating_sub(1) as u64;
            if round == 0 {
                // What a start makes of it is the same once more.
                self.trace("both are started once more".to_owned());
                for host in 0..2 {
                    self.fall(host, Fall::Power(self.seed));
                    self.start(host);
                }
            }
        }
        self.tally.kept_by_both = self.oracle.kept_by_both();
    }

    fn is_settled(&self) -> bool {
        match [&self.hosts[0].up, &self.hosts[1].up] {
            [Some(a), Some(b)] => oracle::agree(a, b) && !a.has_step() && !b.has_step(),
            _ => false,
        }
    }

    fn standings(&self) -> String {
        let of = |host: &Host| match &host.up {
            Some(up) => format!("{:?}", up.shared.applied.read().unwrap().vector),
            None => "down".to_owned(),
        };
        format!("{} and {}", of(&self.hosts[0]), of(&self.hosts[1]))
    }

    fn later(&mut self, delay_us: u64, event: Event) {
        let at_us = self.now_us + delay_us;
        // Each thread sleeps once, until the earliest time that it has something to do.
        if self.due.get(&event).is_none_or(|due_us| at_us < *due_us) {
            self.due.insert(event, at_us);
            self.order += 1;
            self.events.push(Reverse((at_us, self.order, event)));
        }
    }

    fn trace(&self, what: String) {
        if self.is_traced {
            println!("{:>10.3} ms  {what}", self.now_us as f64 / 1e3);
        }
    }

    fn wall_us(&self, host: usize) -> u64 {
        (START_WALL_US + self.now_us).saturating_add_signed(self.hosts[host].wall_shift_us)
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
            Event::Spare(host) => {
                let wall_us = self.wall_us(host);
                self.disk_turn(host, "making a segment", |up| match up.lacks_spare() {
                    true => up.make_spare(wall_us),
                    false => Ok(()),
                });
            }
            Event::Fold(host) => {
                self.tally.snapshots += 1;
                self.disk_turn(host, "making a snapshot", Up::fold);
            }
            Event::Link(host) => self.link(host),
            Event::Dial => self.dial(),
            Event::Trouble => self.trouble(),
            Event::Start(host) if self.hosts[host].up.is_none() => self.start(host),
            Event::Start(_) => {}
        }
    }

    /// Schedules what a host's threads have to do now.
    fn look(&mut self, host: usize) {
        let Some(up) = &self.hosts[host].up else { return };
        let (has_step, is_behind, lacks_spare) = (up.has_step(), up.is_behind(), up.lacks_spare());
        if has_step {
            self.later(1, Event::Step(host));
        }
        if is_behind {
            let delay_us = self.chance.within(200, 1_500);
            self.later(delay_us, Event::Behind(host));
        }
        if lacks_spare {
            let delay_us = self.chance.within(100, 5 * MS);
            self.later(delay_us, Event::Spare(host));
        }
        self.later(1, Event::Link(host));
    }

    fn write(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let count = self.chance.within(1, 6);
        let is_many = self.chance.once_in(if self.is_heavy { 2 } else { 30 });
        let seeds: Vec<u64> = (0..count).map(|_| self.chance.next()).collect();
        if let Some(up) = &mut self.hosts[host].up {
            let records: Vec<u8> = if is_many {
                (0..200).flat_map(|x| Pixel { tag: 0x11, value: 9, x, y: seeds[0] as i32 }.encode()).collect()
            } else {
                let applied = up.shared.applied.read().unwrap();
                seeds.iter().flat_map(|&seed| applied.sample(seed)).collect()
            };
            if up.log(&records, wall_us) {
                self.tally.records += if is_many { 200 } else { count };
            }
            self.look(host);
        }
        if !self.is_healing {
            let slow_us = if self.is_long { 200 * MS } else { 40 * MS };
            let rate_us = if self.chance.once_in(4) { 2 * MS } else { slow_us };
            let delay_us = self.chance.within(100, rate_us);
            self.later(delay_us, Event::Write(host));
        }
    }

    fn step(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let Some(up) = self.hosts[host].up.as_mut().filter(|up| up.has_step()) else { return };
        if up.prepare(wall_us) {
            let stall = self.chance.once_in(30);
            let delay_us = if stall { self.chance.below(300 * MS) } else { self.chance.within(80, 2_000) };
            self.later(delay_us, Event::Synced(host));
        }
        self.look(host);
    }

    /// Something that waits for the disk, which may fall meanwhile.
    fn disk_turn(&mut self, host: usize, what: &str, turn: impl FnOnce(&mut Up) -> Result<(), String>) {
        let Some(up) = &mut self.hosts[host].up else { return };
        match turn(up) {
            Ok(()) => self.look(host),
            Err(error) => {
                assert!(self.hosts[host].disk.is_down(), "seed {}: {what}: {error}", self.seed);
                self.tally.crashes_in_calls += 1;
                self.trace(format!("host {host} falls amid {what}"));
                self.fall_by_chance(host);
            }
        }
    }

    fn fall_by_chance(&mut self, host: usize) {
        let fall = if self.chance.once_in(2) { Fall::Kill } else { Fall::Power(self.chance.next()) };
        match fall {
            Fall::Kill => self.tally.kills += 1,
            Fall::Power(_) => self.tally.power_cuts += 1,
        }
        self.fall(host, fall);
        let most_us = if self.chance.once_in(3) { 4 * SECOND } else { 100 * MS };
        let delay_us = self.chance.within(5 * MS, most_us);
        self.hosts[host].is_starting = true;
        self.later(delay_us, Event::Start(host));
    }

    /// The process or the machine goes down.
    fn fall(&mut self, host: usize, fall: Fall) {
        self.trace(format!("host {host}: {fall:?}"));
        if let Some(up) = self.hosts[host].up.take() {
            self.oracle.note(&up);
        }
        self.oracle.fell(self.hosts[host].node);
        self.hosts[host].disk = self.hosts[host].disk.fall(fall);
        if let Some(wire) = &mut self.wire {
            // The other host hears of it, or it doesn't.
            if matches!(fall, Fall::Kill) || self.chance.once_in(2) {
                wire.cut();
            } else {
                self.wire = None;
            }
        }
    }

    fn start(&mut self, host: usize) {
        if !self.is_healing && self.chance.once_in(12) {
            let (call, seed) = (self.chance.below(12), self.chance.next());
            self.hosts[host].disk.fail_at(call, Failure::Crash, seed);
        }
        let inc = Inc(self.chance.next());
        let (disk, node, durability) =
            (self.hosts[host].disk.clone(), self.hosts[host].node, self.hosts[host].durability);
        match Up::start(&disk, node, inc, durability) {
            Ok(up) => {
                self.trace(format!("host {host} starts as {node}/{inc} at {durability:?}"));
                self.hosts[host].up = Some(up);
                self.hosts[host].is_starting = false;
                self.look(host);
                let delay_us = self.chance.below(20 * MS);
                self.later(delay_us, Event::Write(host));
            }
            Err(error) => {
                assert!(disk.is_down(), "seed {}: host {host} can't start: {error}", self.seed);
                self.trace(format!("host {host} falls amid its start"));
                self.tally.crashes_in_calls += 1;
                self.fall_by_chance(host);
            }
        }
    }

    /// Both ends of a new connection; an old one is given up.
    fn dial(&mut self) {
        self.later(100 * MS, Event::Dial);
        let is_dark = self.now_us < self.dark_until_us;
        let is_linked = |host: &Host| host.up.as_ref().is_some_and(|up| up.replica.is_some());
        let are_up = self.hosts.iter().all(|host| host.up.is_some());
        if is_dark || !are_up || self.hosts.iter().all(is_linked) {
            return;
        }
        self.tally.connections += 1;
        self.trace("a connection".to_owned());
        self.wire = Some(Wire::default());
        let nonce = self.chance.next();
        for host in 0..2 {
            let (clock_us, now_us) = (self.wall_us(host), self.now_us);
            if let Some(up) = &mut self.hosts[host].up {
                up.connect(nonce, clock_us, now_us);
            }
            self.link(host);
        }
    }

    /// A turn of a host's link.
    fn link(&mut self, host: usize) {
        let (now_us, wall_us) = (self.now_us, self.wall_us(host));
        let Some(mut up) = self.hosts[host].up.take() else { return };
        if let Some(mut replica) = up.replica.take() {
            while replica.wants_input()
                && let Some(bytes) = self.wire.as_mut().and_then(|wire| wire.take(host, now_us))
            {
                replica.receive(&bytes, now_us);
                replica.turn(now_us);
            }
            if self.wire.as_ref().is_some_and(|wire| wire.is_over(host)) {
                replica.lost("the connection was cut", now_us);
            }
            replica.turn(now_us);
            up.replica = Some(replica);
            up.commit_arrived(wall_us);
            self.converse(host, &mut up);
        }
        let deadline_us = up.replica.as_ref().and_then(pixeld::engine::peering::replica::Replica::deadline);
        let arrives_us = self.wire.as_ref().and_then(|wire| wire.arrives(host));
        let is_linked = up.replica.is_some();
        self.hosts[host].up = Some(up);
        if is_linked && let Some(next_us) = deadline_us.into_iter().chain(arrives_us).min() {
            self.later(next_us.saturating_sub(now_us).max(1), Event::Link(host));
        }
        self.look_without_link(host);
    }

    /// Schedules the threads beside the link.
    fn look_without_link(&mut self, host: usize) {
        let Some(up) = &self.hosts[host].up else { return };
        let (has_step, is_behind) = (up.has_step(), up.is_behind());
        if has_step {
            self.later(1, Event::Step(host));
        }
        if is_behind {
            let delay_us = self.chance.within(200, 1_500);
            self.later(delay_us, Event::Behind(host));
        }
    }

    /// Sends what the replica says, piece by piece, as a socket takes it.
    fn converse(&mut self, host: usize, up: &mut Up) {
        let now_us = self.now_us;
        let Some(replica) = &mut up.replica else { return };
        replica.turn(now_us);
        while !replica.output().is_empty() {
            let all = replica.output().len() as u64;
            // Frames that are doubled or reordered have to be whole.
            let is_whole = self.weather.double + self.weather.swap > 0;
            let most = if !is_whole && self.chance.once_in(4) { self.chance.within(1, all) } else { all };
            let piece = &replica.output()[..most as usize];
            let what = match &mut self.wire {
                Some(wire) => wire.say(host, piece, now_us, &self.weather, &mut self.chance),
                None => None,
            };
            replica.sent(most as usize);
            replica.turn(now_us);
            match what {
                Some("doubled") => self.tally.doubled += 1,
                Some("reordered") => self.tally.reordered += 1,
                Some("falsified") => self.tally.falsified += 1,
                Some(_) => self.tally.cut += 1,
                None => {}
            }
            if let (true, Some(what)) = (self.is_traced, what) {
                println!("{:>10.3} ms  what host {host} says is {what}", now_us as f64 / 1e3);
            }
        }
        if let Some(close) = replica.closed() {
            match close {
                Close::Silent => self.tally.silent += 1,
                Close::Violation(violation) => {
                    self.tally.violations += 1;
                    assert!(self.is_falsifying, "seed {}: without a fault: {violation}", self.seed);
                }
                Close::Failed(why) => panic!("seed {}: host {host} fails: {why}", self.seed),
                _ => {}
            }
            if self.is_traced {
                println!("{:>10.3} ms  host {host} ends the connection: {close}", now_us as f64 / 1e3);
            }
            up.replica = None;
            if let Some(wire) = &mut self.wire {
                wire.cut();
            }
        }
        // The other host looks when something arrives.
        if let Some(at_us) = self.wire.as_ref().and_then(|wire| wire.arrives(1 - host)) {
            self.later(at_us.saturating_sub(now_us).max(1), Event::Link(1 - host));
        } else {
            self.later(MS, Event::Link(1 - host));
        }
    }

    /// One of the things that go wrong.
    fn trouble(&mut self) {
        if self.is_healing {
            return;
        }
        let delay_us = self.chance.within(20 * MS, 2 * SECOND);
        self.later(delay_us, Event::Trouble);
        let host = self.chance.below(2) as usize;
        match self.chance.below(9) {
            0 | 1 if self.hosts[host].up.is_some() => self.fall_by_chance(host),
            2 if self.hosts[host].up.is_some() => {
                let (call, seed) = (self.chance.below(30), self.chance.next());
                self.hosts[host].disk.fail_at(call, Failure::Crash, seed);
            }
            3 if self.disks_to_lose > 0 && self.hosts.iter().all(|host| host.up.is_some()) => {
                self.disks_to_lose -= 1;
                self.lose_disk(host);
            }
            4 => {
                self.tally.partitions += 1;
                let until_us = self.now_us + self.chance.below(8 * SECOND);
                let is_one_way = self.chance.once_in(2);
                self.trace(format!("from host {host} nothing arrives until {} ms", until_us / MS));
                self.dark_until_us = until_us;
                if let Some(wire) = &mut self.wire {
                    wire.ways[host].stalled_until_us = until_us;
                    if !is_one_way {
                        wire.ways[1 - host].stalled_until_us = until_us;
                    }
                }
            }
            5 => {
                if let Some(wire) = &mut self.wire {
                    self.tally.cut += 1;
                    wire.cut();
                }
            }
            6 => {
                self.tally.clock_jumps += 1;
                let jump_us = self.chance.below(20 * SECOND).cast_signed() - (10 * SECOND).cast_signed();
                self.hosts[host].wall_shift_us += jump_us;
                self.trace(format!("the clock of host {host} jumps by {} ms", jump_us / 1_000));
            }
            _ => self.later(1, Event::Fold(host)),
        }
    }

    /// The host comes back with an empty directory, as another node.
    fn lose_disk(&mut self, host: usize) {
        self.trace(format!("host {host} loses its disk"));
        self.tally.disks_lost += 1;
        self.fall(host, Fall::Kill);
        self.oracle.lost_disk(self.hosts[host].node);
        self.hosts[host].disk = SimDisk::new();
        self.hosts[host].node = NodeId(self.chance.next());
        self.hosts[host].is_starting = true;
        self.later(300 * MS, Event::Start(host));
    }

    /// Nothing goes wrong any more.
    fn heal(&mut self) {
        self.trace("healed".to_owned());
        self.is_healing = true;
        self.weather = Weather { latency_us: self.weather.latency_us, ..Weather::default() };
        self.dark_until_us = 0;
        // Whatever a falsified connection still carries ends with it.
        if let Some(wire) = &mut self.wire {
            wire.cut();
            wire.ways.iter_mut().for_each(|way| way.stalled_until_us = 0);
        }
        for host in 0..2 {
            self.hosts[host].disk.spare_failure();
            if self.hosts[host].up.is_none() && !self.hosts[host].is_starting {
                self.later(1, Event::Start(host));
            }
            self.later(2, Event::Link(host));
        }
    }
}
