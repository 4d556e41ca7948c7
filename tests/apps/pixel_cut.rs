//! A cut of the pixels leaves exactly what is asked for, whatever streams the journal holds: against a list in memory.

use crate::journal;
use crate::sim_disk;

use std::collections::BTreeMap;
use std::sync::Arc;

use journal::{CLUSTER, NODE, SEGMENT_BYTES, options};
use pixeld::app::applied::{Applied, Batch};
use pixeld::app::heal::{Heal, Heals};
use pixeld::app::state::Entry;
use pixeld::apps::pixel::cut::{self, Floor};
use pixeld::apps::pixel::finder::{Finder, Measure};
use pixeld::apps::pixel::record::{Channel, Pixel};
use pixeld::apps::pixel::state::PixelState;
use pixeld::apps::pixel::times::{Key, Times};
use pixeld::apps::registry;
use pixeld::base::ids::{Inc, NodeId, Origin, Position};
use pixeld::log::batch::{BatchHeader, first_chain};
use pixeld::log::format::record;
use pixeld::log::recover::{self, Opened, Replay};
use pixeld::log::write::spare::make_spare;
use pixeld::log::write::staged::Staged;
use pixeld::os::disk::Disk;
use proptest::prelude::*;
use sim_disk::SimDisk;

/// Streams of another host: two of its starts.
const OTHERS: [Origin; 2] =
    [Origin { node: NodeId(7), inc: Inc(9) }, Origin { node: NodeId(9), inc: Inc(2) }];
const PEX_STEP: u8 = 0x21;

/// A pixel as it was committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    key: Key,
    batch: Position,
    index: u32,
}

/// A journal and a state, and all pixels in the order in which they were committed.
struct Site {
    disk: Arc<dyn Disk>,
    opened: Opened,
    applied: Applied,
    chains: BTreeMap<Origin, u64>,
    is_spare_ready: bool,
    kept: Vec<Kept>,
    times: Times,
}

impl Site {
    fn new() -> Self {
        let disk = SimDisk::new().shared();
        let refuse = &mut |_: Replay<'_>| Err("the disk is new".to_owned());
        let opened = recover::open(&disk, &options(journal::fresh()), refuse).expect("a new directory");
        Self {
            is_spare_ready: opened.spare_ready,
            disk,
            opened,
            applied: registry::new_applied(),
            chains: BTreeMap::new(),
            kept: Vec::new(),
            times: Times::default(),
        }
    }

    /// Commits a batch of a stream, 0 for this host's own, at about `time_us`. Of `records`, those that are true are pixels.
    fn commit(&mut self, stream: usize, time_us: u64, records: &[bool]) {
        let mut body = Vec::new();
        for is_pixel in records {
            match is_pixel {
                true => body.extend_from_slice(&Pixel { x: 1, y: 2, channel: Channel::R, value: 3 }.encode()),
                false => record::push(&mut body, PEX_STEP, &[0; 5]),
            }
        }
        let (first, batch) = self.seal(stream, time_us, &body, u32::try_from(records.len()).unwrap());
        for (index, _) in (0..).zip(records).filter(|(_, is_pixel)| **is_pixel) {
            let key = Key { time_us: first.time_us, origin: first.origin, seq: first.seq + u64::from(index) };
            self.kept.push(Kept { key, batch, index });
        }
    }

    /// Does what the committer does with one batch; gives where its first record and its frame stand.
    fn seal(&mut self, stream: usize, time_us: u64, body: &[u8], count: u32) -> (Entry, Position) {
        if !self.is_spare_ready {
            make_spare(&*self.disk, self.opened.appender.spare_number(), SEGMENT_BYTES).expect("room");
            self.is_spare_ready = true;
        }
        let Opened { appender, writer, reader, .. } = &mut self.opened;
        let (synced, mut staged) = (writer.synced(), Staged::default());
        let sealed = match stream.checked_sub(1).map(|other| OTHERS[other]) {
            None => appender.stage(body, count, time_us, synced, &mut staged),
            Some(origin) => {
                let seq = self.applied.vector.seq_of(origin) + 1;
                let chain = self.chains.entry(origin).or_insert_with(|| first_chain(CLUSTER, origin));
                let header = BatchHeader::seal(origin, seq, count, time_us, *chain, body);
                *chain = header.chain;
                appender.stage_verbatim(&header, body, synced, &mut staged).unwrap()
            }
        };
        self.is_spare_ready &= sealed.entered.is_none();
        writer.write(&staged, true).expect("a disk that works");
        reader.extend(&staged);
        reader.written(writer.position());
        let first = Entry {
            origin: sealed.header.origin,
            seq: sealed.header.first_seq,
            time_us: sealed.header.time_us,
        };
        self.applied.apply_batch(&Batch { first, count, body, end: sealed.end });
        (first, sealed.start)
    }

    /// The pixels that are listed.
    fn listed(&self) -> Vec<Kept> {
        let floors = self.state().floors();
        self.kept.iter().filter(|kept| kept.key.seq > floors.of(kept.key.origin)).copied().collect()
    }

    fn state(&self) -> &PixelState {
        self.applied.state::<PixelState>().unwrap()
    }

    /// Finds floors and logs them as a cut.
    fn cut(&mut self, find: impl FnOnce(&Finder<'_>) -> BTreeMap<Origin, Floor>) {
        self.follow(&Heals::default());
        let finder = Finder::new(&self.times, &self.opened.reader, self.state().streams());
        assert_eq!(finder.listed(Measure::Pixels), self.listed().len() as u64);
        let floors: Vec<_> = find(&finder).into_iter().collect();
        for record in cut::records(&floors) {
            self.seal(0, 1, &record, 1);
        }
        let listed = self.listed().len() as u64;
        assert_eq!(self.state().total(), listed, "floors count what they take off");
    }

    fn follow(&mut self, heals: &Heals) {
        while !self.times.follow(&self.opened.reader, self.applied.position, heals).unwrap() {}
    }
}

fn newest(kept: &[Kept], count: usize) -> Vec<Kept> {
    let mut sorted = kept.to_vec();
    sorted.sort_by_key(|kept| kept.key);
    sorted.split_off(sorted.len() - count.min(sorted.len()))
}

fn sorted(mut kept: Vec<Kept>) -> Vec<Kept> {
    kept.sort_by_key(|kept| kept.key);
    kept
}

/// Batches: the stream, the time since its last one, and what they hold.
fn batches() -> impl Strategy<Value = Vec<(usize, u64, Vec<bool>)>> {
    let records = prop_oneof![
        2 => prop::collection::vec(Just(true), 1..600),
        1 => prop::collection::vec(any::<bool>(), 1..60),
    ];
    prop::collection::vec((0..3_usize, prop_oneof![1..5_u64, Just(1_000_000_000)], records), 1..60)
}

fn site(batches: &[(usize, u64, Vec<bool>)]) -> Site {
    let (mut site, mut clocks) = (Site::new(), [1_000_u64; 3]);
    for (stream, passed, records) in batches {
        clocks[*stream] += passed;
        site.commit(*stream, clocks[*stream], records);
    }
    site
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exactly_the_newest_are_left(batches in batches(), shares in prop::collection::vec(0..101_usize, 1..4)) {
        let mut site = site(&batches);
        for share in shares {
            let before = site.listed();
            let count = before.len() * share / 100;
            let excess = (before.len() - count) as u64;
            site.cut(|finder| {
                let key = finder.exactly(Measure::Pixels, excess).unwrap();
                finder.floors(key, true, &|_| true).unwrap()
            });
            prop_assert_eq!(sorted(site.listed()), newest(&before, count));
        }
    }

    #[test]
    fn a_rough_cut_and_one_by_bytes_leave_no_less(batches in batches(), share in 0..101_usize) {
        let mut site = site(&batches);
        let before = site.listed();
        let count = before.len() * share / 100;
        let excess = (before.len() - count) as u64;
        site.cut(|finder| {
            finder.floors(finder.roughly(Measure::Pixels, excess), false, &|_| true).unwrap()
        });
        let after = site.listed();
        prop_assert!(newest(&before, count).iter().all(|kept| after.contains(kept)));
        let (mut bytes, mut left) = (0, 0);
        site.cut(|finder| {
            bytes = finder.listed(Measure::Bytes);
            let key = finder.exactly(Measure::Bytes, bytes * share as u64 / 100).unwrap();
            finder.floors(key, true, &|_| true).unwrap()
        });
        site.cut(|finder| {
            left = finder.listed(Measure::Bytes);
            BTreeMap::new()
        });
        // A stretch that is cut in two counts by its pixels: to a batch.
        let slack = 4 * 6_100;
        prop_assert!(left + slack >= bytes - bytes * share as u64 / 100, "{} of {}", left, bytes);
        prop_assert!(left <= bytes - bytes * share as u64 / 100 + slack, "{} of {}", left, bytes);
    }

    #[test]
    fn what_was_kept_before_a_time_or_a_place_goes(batches in batches(), at in any::<prop::sample::Index>()) {
        for by_place in [false, true] {
            let mut site = site(&batches);
            let before = site.listed();
            if before.is_empty() {
                continue;
            }
            let Kept { key, batch, index } = before[at.index(before.len())];
            site.cut(|finder| match by_place {
                true => finder.floors_at(batch, index).unwrap(),
                false => finder.floors(Key::of_time(key.time_us), true, &|_| true).unwrap(),
            });
            let stays = |kept: &&Kept| match by_place {
                true => (kept.batch, kept.index) > (batch, index),
                false => kept.key.time_us >= key.time_us,
            };
            let expected: Vec<Kept> = before.iter().filter(stays).copied().collect();
            prop_assert_eq!(site.listed(), expected);
        }
    }
}

#[test]
fn two_cuts_made_apart_leave_at_least_what_either_leaves() {
    let mut site = site(&[(0, 10, vec![true; 50]), (1, 20, vec![true; 50]), (0, 30, vec![true; 50])]);
    let before = site.listed();
    site.follow(&Heals::default());
    let finder = Finder::new(&site.times, &site.opened.reader, site.state().streams());
    let floors = |excess, is_exact| {
        let key = if is_exact {
            finder.exactly(Measure::Pixels, excess).unwrap()
        } else {
            finder.roughly(Measure::Pixels, excess)
        };
        finder.floors(key, is_exact, &|_| true).unwrap()
    };
    let (one, other) = (floors(60, true), floors(70, false));
    let records: Vec<_> = [one, other].map(|floors| floors.into_iter().collect::<Vec<_>>()).concat();
    for record in cut::records(&records) {
        site.seal(0, 1, &record, 1);
    }
    let after = site.listed();
    assert!(newest(&before, 80).iter().all(|kept| after.contains(kept)));
}

#[test]
fn a_time_that_was_healed_counts_and_one_that_lies_ahead_holds_its_stream_only() {
    let far_us = 1 << 50;
    let mut site = site(&[(0, 10, vec![true; 5]), (1, 20, vec![true; 5])]);
    site.commit(1, far_us, &[true; 5]);
    site.commit(0, 2_000, &[true; 5]);
    let left = |site: &mut Site, heals: &Heals| {
        site.follow(heals);
        let finder = Finder::new(&site.times, &site.opened.reader, site.state().streams());
        let floors = finder.floors(Key::of_time(5_000), true, &|_| true).unwrap();
        let is_left =
            |kept: &&Kept| floors.get(&kept.key.origin).is_none_or(|floor| floor.seq < kept.key.seq);
        site.kept.iter().filter(is_left).count()
    };
    assert_eq!(left(&mut site, &Heals::default()), 5);
    let mut heals = Heals::default();
    heals.add(Heal { origin: OTHERS[0], first: 6, last: 10, time_us: 1_500 });
    assert_eq!(left(&mut site, &heals), 0);
}

#[test]
fn cuts_of_the_age_of_some_streams_leave_the_others() {
    let mut site = site(&[(0, 10, vec![true; 5]), (1, 20, vec![true; 5])]);
    site.cut(|finder| finder.floors(Key::of_time(u64::MAX), true, &|origin| origin.node == NODE).unwrap());
    assert!(site.listed().len() == 5 && site.listed().iter().all(|kept| kept.key.origin == OTHERS[0]));
    site.follow(&Heals::default());
    let finder = Finder::new(&site.times, &site.opened.reader, site.state().streams());
    assert!(!finder.is_worth(&BTreeMap::new()));
    assert_eq!(finder.oldest_us(&|origin| origin.node == NODE), None);
}
