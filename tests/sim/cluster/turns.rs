//! What a host's threads do, when they have something to do.

use pixeld::apps::pixel::raw::Pixel;
use pixeld::apps::pixel::tag::PIXEL_CUT;
use pixeld::base::ids::Inc;
use pixeld::base::tag::{MEMBER, SHORT_RECORD_BYTES};

use super::super::cuts;
use super::super::host::{SEGMENT_BYTES, Up};
use super::super::oracle;
use super::super::pictures;
use super::super::sim_disk::Failure;
use super::place::{Place, Running};
use super::world::{Cluster, Event, KEEPER_US, MS};

/// Pixels of a write that is to fill messages.
const MANY: u64 = 450;

impl Cluster {
    /// Schedules what a host's threads have to do now.
    pub fn look(&mut self, host: usize) {
        let Some(up) = self.places[host].up() else { return };
        let (has_rung, has_step, is_behind, lacks) =
            (up.peering().bell.has_rung(false), up.has_step(), up.is_behind(), up.lacks_spare());
        if has_rung {
            self.later(1, Event::Link(host));
        }
        if has_step {
            self.later(1, Event::Step(host));
        }
        if is_behind {
            let delay_us = self.chance.within(200, 1_500);
            self.later(delay_us, Event::Behind(host));
        }
        if lacks {
            let delay_us = self.chance.within(100, 5 * MS);
            self.later(delay_us, Event::Keeper(host));
        }
    }

    pub fn write(&mut self, host: usize) {
        let is_open = self.places[host].up().is_some_and(Up::is_open);
        if is_open && self.chance.once_in(self.pictures) {
            self.post_picture(host);
        } else if is_open && self.chance.once_in(25) {
            self.cut(host);
        } else if is_open {
            self.log_records(host);
            self.look(host);
        }
        if !self.is_healing {
            let rate_us = if self.chance.once_in(4) { 4 * MS } else { 60 * MS };
            let delay_us = self.chance.within(100, rate_us);
            self.later(delay_us, Event::Write(host));
        }
    }

    fn log_records(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        // Small segments are to fill.
        let often = if self.segment_bytes == SEGMENT_BYTES { 3 } else { 30 };
        let count = if self.chance.once_in(often) { MANY } else { self.chance.within(1, 6) };
        let seeds: Vec<u64> = (0..count).map(|_| self.chance.next()).collect();
        let Some(Running { up, .. }) = &mut self.places[host].running else { return };
        let mut records = Vec::with_capacity(MANY as usize * SHORT_RECORD_BYTES);
        if count == MANY {
            let pixel = |&seed: &u64| Pixel { tag: 0x11, value: 9, x: (seed % 4096) as i32, y: 7 }.encode();
            seeds.iter().map(pixel).for_each(|record| records.extend_from_slice(&record));
        } else {
            let applied = up.shared.applied.read();
            for record in seeds.iter().map(|&seed| applied.sample(seed)) {
                // One that names a picture names one that is nowhere, which takes its time.
                let mut names_any = false;
                applied.blobs_of_batch(&record, &mut |_| names_any = true);
                // Nor is there a member that is no host: others would wait for it. A sample of a cut says numbers of pixels that are
                // not so, which no list can be held against; [`Self::cut`] makes sound ones.
                if !names_any && ![MEMBER, PIXEL_CUT].contains(&record[0]) {
                    records.extend_from_slice(&record);
                }
            }
        }
        if !records.is_empty() && up.log(&records, wall_us) {
            self.tally.count("records", count);
        }
    }

    /// Cuts the oldest pixels.
    fn cut(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let (hundredths, is_exact) = (self.chance.below(101), self.chance.once_in(2));
        let mut is_logged = false;
        self.disk_turn(host, "looking for a cut", |up| {
            is_logged = cuts::log_leaving(up, hundredths, is_exact, wall_us)?;
            Ok(())
        });
        self.tally.count("cuts", u64::from(is_logged));
    }

    fn post_picture(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let all = pictures::all();
        let large = all.len() as u64 - 1;
        let chosen = if self.chance.once_in(50) { large } else { self.chance.below(large) };
        let uuid = [self.chance.next().to_le_bytes(), self.chance.next().to_le_bytes()].concat();
        let uuid = uuid.try_into().expect("sixteen bytes");
        self.tally.count("pictures", 1);
        let content = &all[chosen as usize].1;
        self.disk_turn(host, "keeping a picture", |up| up.post_picture(content, uuid, wall_us).map(|_| ()));
    }

    pub fn step(&mut self, host: usize) {
        let wall_us = self.wall_us(host);
        let Some(Running { up, .. }) = &mut self.places[host].running else { return };
        if up.has_step() && up.prepare(wall_us) {
            let stall = self.chance.once_in(30);
            let delay_us = if stall { self.chance.below(300 * MS) } else { self.chance.within(80, 2_000) };
            self.later(delay_us, Event::Synced(host));
        }
        self.disk_turn(host, "the begin of a step", |_| Ok(()));
    }

    /// Something that waits for the disk, which may fall meanwhile.
    pub fn disk_turn(&mut self, host: usize, what: &str, turn: impl FnOnce(&mut Up) -> Result<(), String>) {
        let Some(Running { up, .. }) = &mut self.places[host].running else { return };
        let outcome = turn(up);
        let is_down = self.places[host].disk.is_down();
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

    pub fn start(&mut self, host: usize) {
        if !self.is_healing && self.chance.once_in(12) {
            let (call, seed) = (self.chance.below(12), self.chance.next());
            self.places[host].disk.fail_at(call, Failure::Crash, seed);
        }
        let (inc, random) = (Inc(self.chance.next()), self.chance.next());
        let Place { disk, node, durability, .. } = &self.places[host];
        let disk = disk.clone();
        match Up::start_in(&disk, *node, inc, *durability, self.segment_bytes) {
            Ok(up) => {
                self.trace(|| {
                    let what = if up.is_joining() { ", to join" } else { "" };
                    format!("host {host} starts as {}{what}", up.origin())
                });
                oracle::check_pictures(&up, |at| self.gone[at]);
                self.places[host].running = Some(Running::new(up, random));
                self.places[host].is_starting = false;
                self.look(host);
                for (event, most_us) in [
                    (Event::Write(host), 20 * MS),
                    (Event::Keeper(host), KEEPER_US),
                    (Event::LogUp(host), 50 * MS),
                    (Event::Link(host), MS),
                ] {
                    let delay_us = self.chance.below(most_us);
                    self.later(delay_us, event);
                }
            }
            Err(error) => {
                assert!(disk.is_down(), "seed {}: host {host} can't start: {error}", self.seed);
                self.tally.count("crashes in calls", 1);
                self.fall_by_chance(host);
            }
        }
    }
}
