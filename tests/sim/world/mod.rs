//! The world of one seed: two hosts, a connection, a clock, and what goes wrong.

mod connection;
mod tally;
mod trouble;
mod turns;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use pixeld::base::durability::Durability;
use pixeld::base::ids::{NodeId, Origin, Seq};
use pixeld::base::limits::FOLD_STARTS_MIN;
use pixeld::log::files::newcomer;

pub use self::tally::Tally;
use super::chance::Chance;
use super::host::Up;
use super::oracle::{self, Oracle};
use super::pictures;
use super::sim_disk::{Fall, SimDisk};
use super::wire::{Weather, Wire};

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;
/// Later than everything.
const NEVER: u64 = u64::MAX;
/// Virtual time after which healed hosts must agree.
const PATIENCE_US: u64 = 60 * SECOND;
const START_WALL_US: u64 = 1_700_000_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Write(usize),
    Step(usize),
    Synced(usize),
    Behind(usize),
    Keeper(usize),
    Fold(usize),
    Link(usize),
    Dial,
    Trouble,
    LoseDisk,
    Fall(usize),
    Start(usize),
}

impl Event {
    const COUNT: usize = 22;

    /// A number of its own below [`Event::COUNT`].
    fn number(self) -> usize {
        match self {
            Self::Dial => 0,
            Self::Trouble => 1,
            Self::LoseDisk => 2,
            Self::Write(host) => 4 + host,
            Self::Step(host) => 6 + host,
            Self::Synced(host) => 8 + host,
            Self::Behind(host) => 10 + host,
            Self::Keeper(host) => 12 + host,
            Self::Fold(host) => 14 + host,
            Self::Link(host) => 16 + host,
            Self::Fall(host) => 18 + host,
            Self::Start(host) => 20 + host,
        }
    }
}

struct Host {
    disk: SimDisk,
    node: NodeId,
    durability: Durability,
    up: Option<Box<Up>>,
    wall_shift_us: i64,
    is_starting: bool,
}

/// What kind of a world a seed makes.
#[derive(Clone, Copy)]
struct Kind {
    /// Writes much, so that segments fill and go, and then loses a disk.
    is_heavy: bool,
    /// Takes so long that a silent peer is given up.
    is_long: bool,
    /// One write out of so many is a picture.
    pictures: u64,
    /// So many different ones are posted.
    kinds_of_pictures: u64,
    /// The keeper takes its time, so that everything waits for a segment.
    is_slow: bool,
    /// The hosts start so often that their earlier starts are folded.
    is_restless: bool,
}

pub struct World {
    seed: u64,
    chance: Chance,
    now_us: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    /// When each of them is due, by its number.
    due: [u64; Event::COUNT],
    order: u64,
    hosts: [Host; 2],
    wire: Option<Wire>,
    weather: Weather,
    /// Whether the network changes bytes or frames before it is healed.
    is_falsifying: bool,
    /// No connection can be made before this.
    dark_until_us: u64,
    ends_us: u64,
    kind: Kind,
    is_healing: bool,
    disks_to_lose: u64,
    /// Posts of pictures that were not taken off.
    posts: Vec<(Origin, Seq)>,
    /// Pictures that a host has once called gone.
    gone: [bool; 8],
    oracle: Oracle,
    tally: Tally,
    is_traced: bool,
}

/// A directory of a host that joins the other one.
pub fn newcomers_disk() -> SimDisk {
    let disk = SimDisk::new();
    newcomer::mark(&disk).expect("a disk without a plan to fail");
    disk
}

impl World {
    pub fn new(seed: u64, is_traced: bool) -> Self {
        let mut chance = Chance::new(seed);
        let mut rare = |often: u64| if chance.once_in(3) { chance.within(often / 4, often) } else { 0 };
        let (late, cut, flip, double, swap) = (rare(40), rare(60), rare(200), rare(40), rare(40));
        let latency_us = if chance.once_in(3) { 40 * MS } else { 400 };
        let weather = Weather { latency_us, late, cut, flip, double, swap };
        let hosts = [SimDisk::new(), newcomers_disk()].map(|disk| Host {
            disk,
            node: NodeId(chance.next()),
            durability: if chance.once_in(3) { Durability::Memory } else { Durability::Disk },
            up: None,
            wall_shift_us: chance.below(3 * SECOND).cast_signed(),
            is_starting: false,
        });
        let (is_heavy, is_long) = (chance.once_in(12), chance.once_in(24));
        let has_pictures = chance.once_in(2) || (is_heavy && chance.once_in(2));
        let pictures = if has_pictures { chance.within(2, 20) } else { 0 };
        let kinds_of_pictures = if chance.once_in(2) { 2 } else { pictures::all().len() as u64 - 1 };
        let (is_slow, is_restless) = (chance.once_in(6), chance.once_in(5));
        let ends_us = match (is_long, is_restless) {
            (true, _) => chance.within(200 * MS, 16 * SECOND),
            (false, true) => chance.within(2 * SECOND, 8 * SECOND),
            (false, false) => chance.within(200 * MS, 4 * SECOND),
        };
        let disks_to_lose = if is_heavy { chance.within(1, 2) } else { u64::from(chance.once_in(6)) };
        let mut world = Self {
            seed,
            chance,
            now_us: 0,
            events: BinaryHeap::new(),
            due: [NEVER; Event::COUNT],
            order: 0,
            hosts,
            wire: None,
            is_falsifying: flip + double + swap > 0,
            weather,
            dark_until_us: 0,
            ends_us,
            kind: Kind { is_heavy, is_long, pictures, kinds_of_pictures, is_slow, is_restless },
            is_healing: false,
            disks_to_lose,
            posts: Vec::new(),
            gone: [false; 8],
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
        if disks_to_lose > 0 {
            let delay_us = world.chance.within(ends_us / 3, ends_us - 1);
            world.later(delay_us, Event::LoseDisk);
        }
        world
    }

    /// Runs until both hosts are healed and agree.
    pub fn run(mut self) -> Tally {
        while !self.is_healing || !self.is_settled() {
            let Some(Reverse((at_us, _, event))) = self.events.pop() else {
                panic!("seed {}: nothing happens any more", self.seed);
            };
            let due_us = &mut self.due[event.number()];
            if *due_us != at_us {
                continue;
            }
            *due_us = NEVER;
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
        self.close_wire();
        for up in self.hosts.iter().filter_map(|host| host.up.as_ref()) {
            let applied = up.shared.applied.read();
            let folded: u64 = applied.vector.folds().iter().map(|folds| u64::from(folds.starts)).sum();
            self.tally.count("starts folded", folded);
        }
        for round in 0..2 {
            self.hosts.iter_mut().filter_map(|host| host.up.as_mut()).for_each(|up| oracle::check_canvas(up));
            let [Some(a), Some(b)] = [&self.hosts[0].up, &self.hosts[1].up] else {
                panic!("seed {}: both are up", self.seed);
            };
            for up in [a, b] {
                self.oracle.check_kept(up);
                oracle::check_pictures(up, |_| false);
            }
            oracle::check_equal(a, b);
            let filled = a.shared.reader.segments().len().saturating_sub(1);
            self.tally.count("segments filled", filled as u64);
            if round == 0 {
                // What a start makes of it is the same once more.
                self.trace(|| "both are started once more".to_owned());
                for host in 0..2 {
                    self.fall(host, Fall::Power(self.seed));
                    self.start(host);
                }
            }
        }
        self.tally.count("kept by both", self.oracle.kept_by_both());
    }

    fn is_settled(&self) -> bool {
        match [&self.hosts[0].up, &self.hosts[1].up] {
            [Some(a), Some(b)] => {
                let named =
                    [a, b].map(|up| oracle::starts_named(up, self.hosts.each_ref().map(|host| host.node)));
                // Few are not folded: those that are too few, not spoken of, or listed in part.
                let is_folded = named.into_iter().all(|named| named <= 4 * FOLD_STARTS_MIN + 6);
                oracle::agree(a, b) && is_folded && !a.has_step() && !b.has_step()
            }
            _ => false,
        }
    }

    fn standings(&self) -> String {
        let of = |host: &Host| match &host.up {
            Some(up) => {
                let vector = &up.shared.applied.read().vector;
                format!("{vector:?} (joining: {}, {})", up.is_joining(), up.is_amid_joining())
            }
            None => "down".to_owned(),
        };
        format!("{} and {}", of(&self.hosts[0]), of(&self.hosts[1]))
    }

    fn later(&mut self, delay_us: u64, event: Event) {
        let at_us = self.now_us + delay_us;
        // Each thread sleeps once, until the earliest time that it has something to do.
        let due_us = &mut self.due[event.number()];
        if at_us < *due_us {
            *due_us = at_us;
            self.order += 1;
            self.events.push(Reverse((at_us, self.order, event)));
        }
    }

    fn trace(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            println!("{:>10.3} ms  {}", self.now_us as f64 / 1e3, what());
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
            Event::Keeper(host) => self.keep_files(host),
            Event::Fold(host) => {
                self.tally.count("snapshots", 1);
                self.disk_turn(host, "making a snapshot", |up| {
                    up.fold();
                    Ok(())
                });
            }
            Event::Link(host) => self.link(host),
            Event::Dial => self.dial(),
            Event::Trouble => self.trouble(),
            Event::LoseDisk => self.lose_a_disk(),
            Event::Fall(host) => self.fall_if_up(host),
            Event::Start(host) if self.hosts[host].up.is_none() => self.start(host),
            Event::Start(_) => {}
        }
    }
}
