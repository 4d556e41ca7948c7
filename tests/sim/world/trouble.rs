//! What goes wrong, and the end of that.

use pixeld::base::ids::NodeId;
use pixeld::log::recover::joining;

use super::super::sim_disk::{Failure, Fall};
use super::super::wire::Weather;
use super::{Event, MS, SECOND, World, newcomers_disk};

/// How far a clock is set wrong: 300 years.
const FAR_US: u64 = 300 * 365 * 86_400 * SECOND;

impl World {
    /// One of the things that go wrong.
    pub(super) fn trouble(&mut self) {
        if self.is_healing {
            return;
        }
        let most_us = if self.kind.is_restless { 400 * MS } else { 2 * SECOND };
        let delay_us = self.chance.within(20 * MS, most_us);
        self.later(delay_us, Event::Trouble);
        let host = self.chance.below(2) as usize;
        if self.kind.is_restless && self.hosts[host].up.is_some() && self.chance.once_in(2) {
            return self.fall_by_chance(host);
        }
        match self.chance.below(8) {
            0 | 1 if self.hosts[host].up.is_some() => self.fall_by_chance(host),
            2 if self.hosts[host].up.is_some() => {
                let (call, seed) = (self.chance.below(30), self.chance.next());
                self.hosts[host].disk.fail_at(call, Failure::Crash, seed);
            }
            3 => self.partition(host),
            4 => {
                self.tally.count("cut", u64::from(self.wire.is_some()));
                self.cut_wire();
            }
            5 => {
                self.tally.count("clock jumps", 1);
                // Now and then to a time that no batch may bear, or to before 1970.
                let reach_us = if self.chance.once_in(4) { FAR_US } else { 10 * SECOND };
                let jump_us = self.chance.below(2 * reach_us).cast_signed() - reach_us.cast_signed();
                self.hosts[host].wall_shift_us += jump_us;
                self.trace(|| format!("the clock of host {host} jumps by {} ms", jump_us / 1_000));
            }
            _ => self.later(1, Event::Fold(host)),
        }
    }

    fn partition(&mut self, host: usize) {
        self.tally.count("partitions", 1);
        let least_us = if self.kind.is_long { 6 * SECOND } else { 0 };
        let until_us = self.now_us + self.chance.within(least_us, 8 * SECOND);
        let is_one_way = self.chance.once_in(2);
        self.trace(|| format!("from host {host} nothing arrives until {} ms", until_us / MS));
        self.dark_until_us = until_us;
        if let Some(wire) = &mut self.wire {
            wire.ways[host].stalled_until_us = until_us;
            if !is_one_way {
                wire.ways[1 - host].stalled_until_us = until_us;
            }
        }
    }

    /// The process or the machine goes down.
    pub(super) fn fall(&mut self, host: usize, fall: Fall) {
        self.trace(|| format!("host {host}: {fall:?}"));
        if let Some(up) = self.hosts[host].up.take() {
            self.oracle.note(&up);
        }
        if let Some(other) = &self.hosts[1 - host].up {
            self.oracle.note_claims(other);
        }
        self.oracle.fell(self.hosts[host].node);
        let disk = self.hosts[host].disk.fall_for_good(fall);
        let was_joining = joining::is_marked(&disk).expect("a disk without a plan to fail");
        self.tally.count("joining broken off", u64::from(was_joining));
        self.hosts[host].disk = disk;
        // The peer hears of it, or it doesn't.
        if self.wire.is_some() {
            if matches!(fall, Fall::Kill) || self.chance.once_in(2) {
                self.cut_wire();
            } else {
                self.close_wire();
            }
        }
    }

    /// A disk is lost, if what was promised at `both` can survive that; else a little later.
    pub(super) fn lose_a_disk(&mut self) {
        if self.is_healing || self.disks_to_lose == 0 {
            return;
        }
        // A second one only when the first one's successor has everything.
        let is_first = self.hosts.iter().all(|host| host.up.as_ref().is_some_and(|up| !up.is_joining()));
        let was_lost = self.tally.has("disks lost");
        if (was_lost && !self.is_settled()) || !is_first {
            return self.later(20 * MS, Event::LoseDisk);
        }
        self.disks_to_lose -= 1;
        let host = self.chance.below(2) as usize;
        self.lose_disk(host);
        if self.disks_to_lose > 0 {
            let delay_us = self.chance.below(SECOND);
            self.later(delay_us, Event::LoseDisk);
        }
    }

    /// The host comes back with an empty directory, as another node that joins.
    fn lose_disk(&mut self, host: usize) {
        self.trace(|| format!("host {host} loses its disk"));
        self.tally.count("disks lost", 1);
        self.fall(host, Fall::Kill);
        self.oracle.lost_disk(self.hosts[host].node);
        self.hosts[host].disk = newcomers_disk();
        self.hosts[host].node = NodeId(self.chance.next());
        if self.chance.once_in(2) {
            let (call, seed) = (self.chance.below(60), self.chance.next());
            self.hosts[host].disk.fail_at(call, Failure::Crash, seed);
        }
        self.hosts[host].is_starting = true;
        self.later(300 * MS, Event::Start(host));
    }

    /// Nothing goes wrong any more.
    pub(super) fn heal(&mut self) {
        self.trace(|| "healed".to_owned());
        self.is_healing = true;
        self.weather = Weather { latency_us: self.weather.latency_us, ..Weather::default() };
        self.dark_until_us = 0;
        // Whatever a falsified connection still carries ends with it.
        self.cut_wire();
        if let Some(wire) = &mut self.wire {
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
