//! What a host's threads do, when they have something to do.

use pixeld::apps::board::record::delete_record;
use pixeld::apps::pixel::raw::Pixel;
use pixeld::apps::pixel::tag::PIXEL_CUT;
use pixeld::base::ids::Inc;
use pixeld::base::tag::SHORT_RECORD_BYTES;

use super::super::chance::Chance;
use super::super::cuts;
use super::super::host::Up;
use super::super::oracle;
use super::super::pictures;
use super::super::sim_disk::{Failure, Fall};
use super::{Event, MS, SECOND, World};

/// Pixels of a write that is to fill segments.
const MANY: u64 = 450;
/// How often the keeper looks.
const KEEPER_US: u64 = 200 * MS;

impl World {
    /// Schedules what a host's threads have to do now.
    pub(super) fn look(&mut self, host: usize) {
        let Some(up) = &self.hosts[host].up else { return };
        if up.peering().bell.has_rung(false) {
            self.later(1, Event::Link(host));
        }
        let Some(up) = &self.hosts[host].up else { return };
        let (has_step, is_behind) = (up.has_step(), up.is_behind());
        let is_awaited = up.lacks_spare() || up.is_amid_joining();
        if has_step {
            self.later(1, Event::Step(host));
        }
        if is_behind {
            let delay_us = self.chance.within(200, 1_500);
            self.later(delay_us, Event::Behind(host));
        }
        if is_awaited {
            let most_us = if self.kind.is_slow { 400 * MS } else { 5 * MS };
            let delay_us = self.chance.within(100, most_us);
            self.later(delay_us, Event::Keeper(host));
        }
    }

    pub(super) fn write(&mut self, host: usize) {
        // Requests are refused then; the records of background threads are not, and wait in their lane.
        let is_open =
            |up: &Up, chance: &mut Chance| !up.is_joining() || (up.is_amid_joining() && chance.once_in(2));
        if self.hosts[host].up.as_ref().is_some_and(|up| is_open(up, &mut self.chance)) {
            let is_picture = self.chance.once_in(self.kind.pictures);
            let is_many = self.chance.once_in(if self.kind.is_heavy { 2 } else { 30 });
            let is_cut = self.chance.once_in(if self.kind.is_heavy { 6 } else { 60 });
            match (is_picture, is_many) {
                _ if is_cut => self.cut(host),
                (true, _) if self.posts.len() > self.chance.below(8) as usize => self.delete_picture(host),
                (true, _) => self.post_picture(host),
                (false, true) => self.log_many(host),
                (false, false) => self.log_some(host),
            }
            self.look(host);
        }
        if !self.is_healing {
            let slow_us = if self.kind.is_long { 200 * MS } else { 40 * MS };
            let rate_us = if self.chance.once_in(4) { 2 * MS } else { slow_us };
            let delay_us = self.chance.within(100, rate_us);
            self.later(delay_us, Event::Write(host));
        }
    }

    /// Records of any application, but for samples of cuts: these say numbers of pixels that are not so, which no list can be held
    /// against. [`Self::cut`] makes sound ones.
    fn log_some(&mut self, host: usize) {
        let (wall_us, count) = (self.wall_us(host), self.chance.within(1, 6));
        let seeds: Vec<u64> = (0..count).map(|_| self.chance.next()).collect();
        let Some(up) = &mut self.hosts[host].up else { return };
        let applied = up.shared.applied.read();
        let mut records = Vec::new();
        for &seed in &seeds {
            let mut samples = (seed..).map(|seed| applied.sample(seed));
            let sample = samples.find(|sample| sample.first() != Some(&PIXEL_CUT)).expect("there are others");
            records.extend_from_slice(&sample);
        }
        drop(applied);
        if up.log(&records, wall_us) {
            self.tally.count("records", count);
        }
    }

    fn log_many(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let y = self.chance.next() as i32;
        let Some(up) = &mut self.hosts[host].up else { return };
        let mut records = Vec::with_capacity(MANY as usize * SHORT_RECORD_BYTES);
        (0..MANY as i32)
            .for_each(|x| records.extend_from_slice(&Pixel { tag: 0x11, value: 9, x, y }.encode()));
        if up.log(&records, wall_us) {
            self.tally.count("records", MANY);
        }
    }

    /// Cuts the oldest pixels; the keeper removes the segments that go with them, and may come down amid that.
    fn cut(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let (hundredths, is_exact) = (self.chance.below(101), self.chance.once_in(2));
        let mut is_logged = false;
        self.disk_turn(host, "looking for a cut", |up| {
            is_logged = cuts::log_leaving(up, hundredths, is_exact, wall_us)?;
            Ok(())
        });
        self.tally.count("cuts", u64::from(is_logged));
        if is_logged && self.chance.once_in(3) {
            self.trace(|| format!("host {host} cuts its pixels to {hundredths} %"));
            let delay_us = self.chance.within(1, 3 * MS);
            self.later(delay_us, Event::Fold(host));
            let (call, seed) = (self.chance.below(40), self.chance.next());
            if !self.is_healing && self.chance.once_in(2) {
                self.hosts[host].disk.fail_at(call, Failure::Crash, seed);
            }
        }
    }

    fn post_picture(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let all = pictures::all();
        let large = all.len() as u64 - 1;
        let chosen =
            if self.chance.once_in(100) { large } else { self.chance.below(self.kind.kinds_of_pictures) };
        let uuid = [self.chance.next().to_le_bytes(), self.chance.next().to_le_bytes()].concat();
        let uuid = uuid.try_into().expect("sixteen bytes");
        self.tally.count("pictures", 1);
        self.trace(|| format!("host {host} posts picture {chosen}"));
        let content = &all[chosen as usize].1;
        let mut place = None;
        self.disk_turn(host, "keeping a picture", |up| {
            place = up.post_picture(content, uuid, wall_us)?.map(|seq| (up.origin(), seq));
            Ok(())
        });
        self.posts.extend(place);
    }

    /// Takes a picture off the board that either host has posted, so that its content goes and comes again.
    fn delete_picture(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let at = self.chance.below(self.posts.len() as u64) as usize;
        let (origin, seq) = self.posts.swap_remove(at);
        if let Some(up) = &mut self.hosts[host].up {
            up.log(&delete_record(origin, seq), wall_us);
            self.trace(|| format!("host {host} takes off post {seq} of {origin}"));
        }
        // The content may go before the record is on the disk, and then the power may.
        if self.chance.once_in(3) {
            let delay_us = self.chance.within(1, 600);
            self.later(delay_us, Event::Keeper(host));
            if self.chance.once_in(4) {
                let delay_us = self.chance.within(delay_us, 3 * MS);
                self.later(delay_us, Event::Fall(host));
            }
        }
    }

    pub(super) fn step(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let Some(up) = self.hosts[host].up.as_mut().filter(|up| up.has_step()) else { return };
        if up.prepare(wall_us) {
            let stall = self.chance.once_in(30);
            let delay_us = if stall { self.chance.below(300 * MS) } else { self.chance.within(80, 2_000) };
            self.later(delay_us, Event::Synced(host));
        }
        let is_amid_joining = self.hosts[host].up.as_ref().is_some_and(|up| up.is_amid_joining());
        if is_amid_joining && !self.is_healing && self.chance.once_in(8) {
            // What came so far is worth nothing then.
            return self.fall_by_chance(host);
        }
        // The step that adopts a snapshot writes a mark.
        self.disk_turn(host, "the begin of a step", |_| Ok(()));
    }

    pub(super) fn keep_files(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let Some(up) = &self.hosts[host].up else { return };
        let (was_amid, oldest) = (up.is_amid_joining(), up.oldest_segment());
        self.disk_turn(host, "looking after the files", |up| up.keep_files(wall_us));
        if let Some(up) = &self.hosts[host].up {
            let (has_joined, removed) =
                (was_amid && !up.is_amid_joining(), u64::from(up.oldest_segment() - oldest));
            self.tally.count("joined by a snapshot", u64::from(has_joined));
            self.tally.count("segments removed", removed);
            if has_joined {
                self.trace(|| format!("host {host} has joined"));
                if !self.is_healing && self.chance.once_in(3) {
                    // What it calls its own from now on has to be on the disk.
                    self.later(1, Event::Fall(host));
                }
            }
            if removed > 0 {
                self.trace(|| format!("host {host} removes {removed} segments"));
            }
            self.later(KEEPER_US, Event::Keeper(host));
        }
    }

    /// Something that waits for the disk, which may fall meanwhile.
    pub(super) fn disk_turn(
        &mut self,
        host: usize,
        what: &str,
        turn: impl FnOnce(&mut Up) -> Result<(), String>,
    ) {
        let Some(up) = &mut self.hosts[host].up else { return };
        let outcome = turn(up);
        let is_down = self.hosts[host].disk.is_down();
        if let Err(error) = outcome {
            assert!(is_down, "seed {}: {what}: {error}", self.seed);
        }
        if is_down {
            self.tally.count("crashes in calls", 1);
            self.trace(|| format!("host {host} falls amid {what}"));
            self.fall_by_chance(host);
        } else {
            self.look(host);
        }
    }

    pub(super) fn start(&mut self, host: usize) {
        if !self.is_healing && self.chance.once_in(12) {
            let (call, seed) = (self.chance.below(12), self.chance.next());
            self.hosts[host].disk.fail_at(call, Failure::Crash, seed);
        }
        let inc = Inc(self.chance.next());
        let (disk, node, durability) =
            (self.hosts[host].disk.clone(), self.hosts[host].node, self.hosts[host].durability);
        match Up::start(&disk, node, inc, durability) {
            Ok(up) => {
                let what = if up.is_joining() { ", to join" } else { "" };
                self.trace(|| format!("host {host} starts as {node}/{inc} at {durability:?}{what}"));
                self.oracle.check_claims(&up);
                oracle::check_pictures(&up, |at| self.gone[at]);
                self.hosts[host].up = Some(Box::new(up));
                self.hosts[host].is_starting = false;
                self.look(host);
                let delay_us = self.chance.below(20 * MS);
                self.later(delay_us, Event::Write(host));
                let delay_us = self.chance.below(KEEPER_US);
                self.later(delay_us, Event::Keeper(host));
            }
            Err(error) => {
                assert!(disk.is_down(), "seed {}: host {host} can't start: {error}", self.seed);
                self.trace(|| format!("host {host} falls amid its start"));
                self.tally.count("crashes in calls", 1);
                self.fall_by_chance(host);
            }
        }
    }

    pub(super) fn fall_if_up(&mut self, host: usize) {
        if self.hosts[host].up.is_some() && !self.is_healing {
            self.fall_by_chance(host);
        }
    }

    pub(super) fn fall_by_chance(&mut self, host: usize) {
        let fall = if self.chance.once_in(2) { Fall::Kill } else { Fall::Power(self.chance.next()) };
        self.tally.count(if fall == Fall::Kill { "kills" } else { "power cuts" }, 1);
        self.fall(host, fall);
        let is_long = self.chance.once_in(if self.kind.is_restless { 20 } else { 3 });
        let most_us = if is_long { 4 * SECOND } else { 100 * MS };
        let delay_us = self.chance.within(5 * MS, most_us);
        self.hosts[host].is_starting = true;
        self.later(delay_us, Event::Start(host));
    }
}
