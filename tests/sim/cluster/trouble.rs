//! What goes wrong with hosts and with the log, and the end of that.

use pixeld::base::durability::Durability;
use pixeld::base::ids::NodeId;

use super::super::host::{SEGMENT_BYTES, Up};
use super::super::sim_disk::{Failure, Fall};
use super::super::world::newcomers_disk;
use super::place::{Place, Running};
use super::world::{Cluster, Event, MS, SECOND, node_by};

impl Cluster {
    /// One of the things that go wrong.
    pub fn trouble(&mut self) {
        if self.is_healing {
            return;
        }
        let delay_us = self.chance.within(20 * MS, 400 * MS);
        self.later(delay_us, Event::Trouble);
        self.has_gathered |= self.segment_bytes > SEGMENT_BYTES || self.are_members();
        if !self.has_gathered {
            return;
        }
        let host = self.chance.below(self.places.len() as u64) as usize;
        let is_up = self.places[host].running.is_some();
        match self.chance.below(16) {
            0 | 1 if is_up => self.fall_by_chance(host),
            2 if is_up => {
                let (call, seed) = (self.chance.below(30), self.chance.next());
                self.places[host].disk.fail_at(call, Failure::Crash, seed);
            }
            3 => {
                let jump_us = self.chance.below(20 * SECOND).cast_signed() - (10 * SECOND).cast_signed();
                self.places[host].wall_shift_us += jump_us;
            }
            4 | 5 => {
                let length_us = self.chance.within(100 * MS, 5 * SECOND);
                self.log.still_until_us = self.now_us + length_us;
                self.log.tally.count("log: stood still", 1);
                self.trace(|| format!("the log stands still for {} ms", length_us / MS));
            }
            6 => {
                let length_us = self.chance.within(100 * MS, 4 * SECOND);
                self.log.refusing_until_us = self.now_us + length_us;
                self.trace(|| format!("the log refuses appends for {} ms", length_us / MS));
            }
            7 | 8 => {
                let node = self.log.forget_end(&mut self.chance);
                self.trace(|| format!("the log forgets the end of {node:?}"));
            }
            9 | 10 => {
                let node = self.log.make_hole(&mut self.chance);
                self.trace(|| format!("the log has a hole in {node:?}"));
            }
            11 if self.chance.once_in(2) => {
                self.log.disappear(&mut self.chance);
                self.trace(|| "the log disappears".to_owned());
                self.lose_register();
            }
            11 => self.lose_register(),
            12 | 13 if is_up && self.log.is_up(host) => {
                self.log.tally.count("log: unreachable", 1);
                self.trace(|| format!("host {host} can't reach the log"));
                self.cut_off(host);
            }
            14 | 15 => self.log.forget_picture(&mut self.chance),
            _ => {}
        }
    }

    /// The register is lost. A seat that nobody but its host knows of may be given once more: what is left of such a claim is in that
    /// host alone, which may be away.
    fn lose_register(&mut self) {
        self.trace(|| "the register is lost".to_owned());
        self.log.lose_register();
        let ups: Vec<&Up> = self.places.iter().filter_map(Place::up).collect();
        for place in &self.places {
            let knows = |up: &&&Up| {
                up.origin().node != place.node && up.shared.applied.read().members.contains(place.node)
            };
            if !ups.iter().any(|up| knows(&up)) {
                self.seats.excused.insert(place.node);
            }
        }
    }

    /// The process or the machine goes down, and the relay with it.
    pub fn fall(&mut self, host: usize, fall: Fall) {
        self.trace(|| format!("host {host}: {fall:?}"));
        let place = &mut self.places[host];
        if let Some(Running { up, relay, .. }) = place.running.take() {
            self.oracle.note(&up);
            place.regressions += relay.counters().regressions;
        }
        self.oracle.fell(place.node);
        place.disk = place.disk.fall_for_good(fall);
        self.log.disconnect(host);
    }

    pub fn fall_by_chance(&mut self, host: usize) {
        let fall = if self.chance.once_in(2) { Fall::Kill } else { Fall::Power(self.chance.next()) };
        self.tally.count(if fall == Fall::Kill { "kills" } else { "power cuts" }, 1);
        self.fall(host, fall);
        let most_us = if self.chance.once_in(3) { 4 * SECOND } else { 100 * MS };
        let delay_us = self.chance.within(5 * MS, most_us);
        self.places[host].is_starting = true;
        self.later(delay_us, Event::Start(host));
    }

    /// A host that has joined loses its disk, and comes back as another node that joins.
    pub fn lose_a_disk(&mut self) {
        if self.is_healing || self.disks_to_lose == 0 {
            return;
        }
        let host = self.chance.below(self.places.len() as u64) as usize;
        if !self.are_members() || !self.has_gathered {
            return self.later(20 * MS, Event::LoseDisk);
        }
        self.disks_to_lose -= 1;
        self.trace(|| format!("host {host} loses its disk"));
        self.tally.count("disks lost", 1);
        self.fall(host, Fall::Kill);
        let node = self.places[host].node;
        self.oracle.lost_disk(node);
        self.log.spared.insert(node);
        if self.log.lossy.contains(&node) {
            self.log.cut_behind_hole(node);
            // What was answered when the log had it, and what it has lost since, rests on those who have read it.
            let durable = |place: &Place| {
                let up = place.up().filter(|_| place.durability == Durability::Disk)?;
                Some(up.shared.applied.read().vector.clone())
            };
            let vectors: Vec<_> = self.places.iter().filter_map(durable).collect();
            self.oracle.rests_on(node, |origin| {
                vectors.iter().map(|vector| vector.seq_of(origin)).max().unwrap_or_default()
            });
        }
        self.lost_nodes.push(node);
        self.forget_host(node);
        let next = node_by(&mut self.chance, self.same_seat);
        let place = &mut self.places[host];
        (place.disk, place.node, place.regressions) = (newcomers_disk(), next, 0);
        place.is_starting = true;
        self.later(300 * MS, Event::Start(host));
    }

    /// An operator says on some host that another one is gone for good: nothing waits for it.
    pub fn forget_host(&mut self, node: NodeId) {
        for host in 0..self.places.len() {
            let wall_us = self.wall_us(host);
            let Some(Running { up, .. }) = &mut self.places[host].running else { continue };
            let record = up.shared.applied.read().members.forget_record(node);
            if record.is_some_and(|record| up.log(&record, wall_us)) {
                return self.look(host);
            }
        }
    }

    /// Nothing goes wrong any more.
    pub fn heal(&mut self) {
        self.trace(|| "healed".to_owned());
        self.is_healing = true;
        self.ends_us = self.now_us;
        self.log.heal();
        for host in 0..self.places.len() {
            self.places[host].disk.spare_failure();
            if self.places[host].running.is_none() && !self.places[host].is_starting {
                self.later(1, Event::Start(host));
            }
            self.later(2, Event::Link(host));
        }
    }
}
