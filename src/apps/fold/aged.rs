//! Where items are changes nothing: with the oldest of them in runs on the disk, whenever they go there, merged or not, every
//! state says what it says with all of them in memory.

use std::cell::RefCell;
use std::sync::Arc;

use proptest::prelude::*;

use super::memory::Memory;
use super::{Sealed, Sent, apply, comes_behind_what_it_saw, empty, fold, folding_steps, run, shown};
use crate::app::applied::Applied;
use crate::app::applied_lock::AppliedLock;
use crate::app::heal::Heals;
use crate::app::shelving::Ageing;
use crate::app::state::State;
use crate::app::trimming::{Item, Trimmed};
use crate::app::{naming, returning, shelving};
use crate::apps::board::old::OldMessages;
use crate::apps::board::record::{Post, delete_record};
use crate::apps::board::state::BoardState;
use crate::apps::pictures::kind::Kind;
use crate::apps::thumbs::item::Item as Picture;
use crate::apps::thumbs::media::{Frame, Media, Style};
use crate::apps::thumbs::old::OldPictures;
use crate::apps::thumbs::record::{Change, Picture as Submitted, Thumbnail};
use crate::apps::thumbs::state::{Key, ThumbsState, order_of};
use crate::apps::toys::item::Product;
use crate::apps::toys::limits::TOYS_KEPT_US_MIN;
use crate::apps::toys::old::OldToys;
use crate::apps::toys::place::Place;
use crate::apps::toys::state::ToysState;
use crate::base::blob::BlobId;
use crate::base::ids::{Origin, Seq};
use crate::log::runs::shelf::Shelf;

/// What is done between two batches.
#[derive(Clone, Copy, Debug)]
pub(super) enum Move {
    Nothing,
    /// A snapshot is folded that lacks the last batches, of items beyond so many bytes.
    Age {
        behind: usize,
        young_bytes: u64,
    },
    /// What was removed is read.
    Tell,
    /// Old items are read to be brought back; before they are put into memory a batch comes, and a snapshot is folded.
    TellAmid {
        behind: usize,
        young_bytes: u64,
    },
    /// The process starts again.
    Restart,
    /// A server that was to end goes on with what it has in memory, doubts included.
    GoOn,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let age = || (0..4_usize, prop_oneof![Just(0), Just(2_500)]);
    let one = prop_oneof![
        3 => Just(Move::Nothing),
        5 => age().prop_map(|(behind, young_bytes)| Move::Age { behind, young_bytes }),
        2 => age().prop_map(|(behind, young_bytes)| Move::TellAmid { behind, young_bytes }),
        1 => Just(Move::Tell),
        1 => Just(Move::Restart),
        1 => Just(Move::GoOn),
    ];
    prop::collection::vec(one, 1..80)
}

/// A host whose oldest items go to runs.
pub(super) struct Host {
    pub(super) memory: Memory,
    shelf: Shelf,
    pub(super) live: Arc<AppliedLock>,
    /// The last snapshot, and the batches behind it.
    snapshot: Applied,
    behind: Vec<Sealed>,
}

impl Host {
    pub(super) fn new() -> Self {
        let memory = Memory::default();
        let shelf = Shelf::over(Box::new(memory.clone()));
        let blank = || empty().with_shelf(Some(shelf.clone()));
        Self {
            memory,
            live: Arc::new(AppliedLock::new(blank())),
            snapshot: blank(),
            shelf: shelf.clone(),
            behind: Vec::new(),
        }
    }

    /// Returns what a start finds: the snapshot's sections, read again.
    fn restored(&self) -> Applied {
        self.copy(&self.snapshot)
    }

    fn copy(&self, state: &Applied) -> Applied {
        let mut applied = empty().with_shelf(Some(self.shelf.clone()));
        for (id, bytes) in state.sections() {
            applied.restore(id, &bytes).unwrap();
        }
        applied.stand_at(state.position, state.vector.clone(), state.time_us);
        applied
    }

    pub(super) fn take(&mut self, batch: &Sealed) {
        apply(&mut self.live.write(), batch);
        self.behind.push(batch.clone());
    }

    /// Folds a snapshot; the state in force has not heard of it.
    pub(super) fn fold(&mut self, behind: usize, young_bytes: u64) -> Ageing {
        let mut folded = self.restored();
        let now = self.behind.len().saturating_sub(behind);
        self.behind.drain(..now).for_each(|batch| apply(&mut folded, &batch));
        let ageing = folded.age(young_bytes).unwrap();
        self.snapshot = folded;
        ageing
    }

    fn age(&mut self, behind: usize, young_bytes: u64) {
        let ageing = self.fold(behind, young_bytes);
        shelving::adopt(&self.live, &ageing);
    }

    /// Takes a batch, and does something behind it.
    fn take_and_make(&mut self, batch: &Sealed, what: Move) {
        let Move::TellAmid { behind, young_bytes } = what else {
            self.take(batch);
            return self.make(what);
        };
        // The state itself stays where it is, so whoever reads may go on.
        let live = self.live.clone();
        returning::take_back_amid(&live, || {
            self.take(batch);
            self.age(behind, young_bytes);
        })
        .unwrap();
    }

    pub(super) fn make(&mut self, what: Move) {
        match what {
            Move::Nothing => {}
            Move::Age { behind, young_bytes } => self.age(behind, young_bytes),
            Move::TellAmid { .. } => self.make(Move::Tell),
            Move::Tell => {
                while returning::take_back(&self.live).unwrap() {}
                while shelving::tell_gone(&self.live).unwrap() {}
            }
            Move::GoOn => {
                let (snapshot, live) = {
                    let live = self.live.read();
                    (self.copy(&live), self.copy(&live))
                };
                self.snapshot = snapshot;
                self.behind.clear();
                self.live = Arc::new(AppliedLock::new(live));
            }
            Move::Restart => {
                let mut applied = self.restored();
                self.behind.iter().for_each(|batch| apply(&mut applied, batch));
                self.live = Arc::new(AppliedLock::new(applied));
            }
        }
    }
}

/// Applies the batches in the order in which `fold` would, with these moves in between.
fn aged(sent: &Sent, order: &[usize], moves: &[Move]) -> Host {
    let mut host = Host::new();
    let mut moves = moves.iter().copied().cycle();
    let taken = RefCell::new(Vec::new());
    fold(sent, order, |applied, batch| {
        let may_come = comes_behind_what_it_saw(applied, batch);
        if may_come {
            taken.borrow_mut().push(batch.clone());
        }
        may_come
    });
    let mut plain = empty();
    for batch in &*taken.borrow() {
        apply(&mut plain, batch);
        host.take_and_make(batch, moves.next().unwrap());
        shown::check(&host.live.read(), &plain);
    }
    host.make(Move::Tell);
    host
}

/// Every blob that is named, in order.
fn named(applied: &AppliedLock) -> Vec<BlobId> {
    let mut all: Vec<BlobId> = Vec::new();
    while let Some(id) = naming::next_named(applied, all.last()).unwrap() {
        assert!(naming::is_named(applied, &id).unwrap(), "{id}");
        all.push(id);
    }
    all
}

/// Returns those that nothing names, as the scrub finds them after a start, of all that there may be and one more.
fn unnamed(applied: &AppliedLock) -> Vec<BlobId> {
    let all: Vec<BlobId> = (0..6).rev().map(|byte| BlobId([byte; 32])).collect();
    naming::unnamed(applied, all).unwrap()
}

/// Numbers and times of all messages, the newest first.
fn listed(board: &BoardState, heals: &Heals) -> Vec<(u64, u64)> {
    let old = OldMessages::of(board, heals).newest(u64::MAX, usize::MAX).unwrap();
    let young = board.newest(u64::MAX).map(|(key, message)| (*key, message.clone()));
    let mut all: Vec<_> = young.chain(old).collect();
    all.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
    all.iter().map(|(key, message)| (key.id, message.time_us)).collect()
}

/// All items in the order in which cuts take them, with their bytes, and which of them have to stay.
fn cut_first(state: &impl Trimmed, heals: &Heals, now_us: u64) -> Vec<(u64, Origin, Seq, u64, bool)> {
    let mut items: Vec<_> = state.oldest(now_us).collect();
    if let Some(mut old) = state.old_list(heals, now_us) {
        let old: Vec<_> = std::iter::from_fn(|| (old.next)().unwrap()).collect();
        assert!(old.is_sorted_by_key(|item| (item.order, item.origin, item.seq)));
        items.extend(old);
    }
    let fields = |item: &Item| (item.time_us, item.origin, item.seq, item.bytes, item.is_open);
    let mut all: Vec<_> = items.iter().map(fields).collect();
    all.sort_unstable();
    all
}

/// All pictures in the order of the list, page by page of the disk; each is found by its name.
fn pictures(state: &ThumbsState, heals: &Heals) -> Vec<(Key, Picture)> {
    let (old, mut found, mut after) = (OldPictures::of(state, heals), Vec::new(), None);
    loop {
        let mut row = old.behind(after, 2).unwrap();
        let page: Vec<_> = std::iter::from_fn(|| row.step().unwrap()).take(2).collect();
        let Some((last, _)) = page.last() else { break };
        after = Some(*last);
        for (key, item) in page {
            assert!(old.may_have(&item.picture.uuid));
            // Two samples may have one name.
            let named = old.find(&item.picture.uuid).unwrap().unwrap().1;
            assert_eq!(named.picture.uuid, item.picture.uuid);
            if let Some(thumbnail) = item.progress.thumbnail() {
                let order = order_of(&item.picture);
                assert!(old.may_have_made(&order) && old.made(&order).unwrap().is_some(), "{thumbnail:?}");
            }
            found.push((key, item));
        }
    }
    found.extend(state.list(None).map(|(key, item)| (*key, item.clone())));
    found.sort_unstable_by_key(|(key, _)| *key);
    found
}

/// Where the first toy with each number stands, that one of them gave way or not, and which toy is meant by it.
fn numbered(shop: &ToysState, heals: &Heals) -> Vec<(Option<Place>, Option<Product>)> {
    let old = OldToys::of(shop, heals);
    let first = |id| {
        let on_disk = if old.may_have(id) { old.numbered(id).unwrap() } else { None };
        let is_meant = |(place, _): &(Place, Product)| shop.place(id).is_none_or(|young| *place < young);
        let meant = on_disk.clone().filter(is_meant).map(|(_, product)| product);
        let first = [on_disk.map(|(place, _)| place), shop.place(id)].into_iter().flatten().min();
        (first, meant.or_else(|| shop.product(id).cloned()))
    };
    (0..40).map(first).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn items_on_the_disk_are_what_they_are_in_memory(
        steps in folding_steps(),
        order in prop::collection::vec(0..64_usize, 0..160),
        moves in moves(),
    ) {
        let sent = run(&steps, true);
        let plain = fold(&sent, &order, comes_behind_what_it_saw);
        let mut host = aged(&sent, &order, &moves);
        let digests = plain.digests().unwrap();
        prop_assert_eq!(&host.live.read().digests().unwrap(), &digests);
        {
            let live = host.live.read();
            let (own, other) = (live.state::<BoardState>().unwrap(), plain.state::<BoardState>().unwrap());
            prop_assert_eq!(own.size().0, other.size().0);
            for (origin, _) in plain.vector.iter() {
                prop_assert!(Trimmed::numbers(own, origin).eq(Trimmed::numbers(other, origin)));
            }
            for id in 0..16 {
                prop_assert_eq!(live.data_bytes(id), plain.data_bytes(id), "application {}", id);
            }
            prop_assert_eq!(live.contents_bytes(), plain.contents_bytes());
            prop_assert_eq!(listed(own, &live.heals), listed(other, &plain.heals));
            let (own, other) = (live.state::<ThumbsState>().unwrap(), plain.state::<ThumbsState>().unwrap());
            prop_assert_eq!(own.extent(), other.extent());
            for (origin, _) in plain.vector.iter() {
                prop_assert!(Trimmed::numbers(own, origin).eq(Trimmed::numbers(other, origin)));
            }
            prop_assert_eq!(cut_first(own, &live.heals, 0), cut_first(other, &plain.heals, 0));
            prop_assert_eq!(pictures(own, &live.heals), pictures(other, &plain.heals));
            let (shop, all) = (live.state::<ToysState>().unwrap(), plain.state::<ToysState>().unwrap());
            prop_assert_eq!(shop.extent(), all.extent());
            prop_assert_eq!(shop.count(), all.count());
            for (origin, _) in plain.vector.iter() {
                prop_assert!(Trimmed::numbers(shop, origin).eq(Trimmed::numbers(all, origin)));
            }
            for now_us in [0, TOYS_KEPT_US_MIN + 20, u64::MAX] {
                prop_assert_eq!(cut_first(shop, &live.heals, now_us), cut_first(all, &plain.heals, now_us));
            }
            prop_assert_eq!(shown::standing(&live), shown::standing(&plain));
            prop_assert_eq!(shown::toys(shop, &live.heals), shown::toys(all, &plain.heals));
            prop_assert_eq!(numbered(shop, &live.heals), numbered(all, &plain.heals));
        }
        let plain = AppliedLock::new(plain);
        prop_assert_eq!(named(&host.live), named(&plain));
        prop_assert_eq!(unnamed(&host.live), unnamed(&plain));
        // A start finds the same, and so does one behind which nothing is young any more.
        host.make(Move::Restart);
        prop_assert_eq!(&host.live.read().digests().unwrap(), &digests);
        host.make(Move::Age { behind: 0, young_bytes: 0 });
        prop_assert_eq!(&host.live.read().digests().unwrap(), &digests);
        prop_assert_eq!(host.live.read().young_bytes(), 0);
        // A thumbnail that was said of an old picture is named until somebody has read whether the picture's own stands above it.
        host.make(Move::Tell);
        prop_assert_eq!(named(&host.live), named(&plain));
        prop_assert_eq!(unnamed(&host.live), unnamed(&plain));
    }
}

/// Some messages go while a snapshot is folded that still has one of them and merges their run without the others.
#[test]
fn what_is_removed_while_runs_are_merged_stays_removed_and_is_told() {
    let (mut source, mut sent, mut host) = (super::Host::new(0), Sent::new(), Host::new());
    let origin = source.origin();
    let mut take = |host: &mut Host, seq: u64, record: &[u8]| {
        source.seal(1_000_000 * seq, 1, record, &mut sent);
        host.take(sent[&origin].last().unwrap());
    };
    for seq in 1..=8 {
        let (uuid, blob, name) = ([seq as u8; 16], BlobId([seq as u8; 32]), "a.png".to_owned());
        let post = Post { id: 0, uuid, blob, kind: Kind::Png, size_bytes: 9, name, message: "hi".to_owned() };
        take(&mut host, seq, &post.record());
    }
    host.make(Move::Age { behind: 0, young_bytes: 0 });
    for seq in 1..=4 {
        take(&mut host, 8 + seq, &delete_record(origin, seq));
    }
    host.make(Move::Age { behind: 1, young_bytes: 0 });
    assert_eq!(host.live.read().state::<BoardState>().unwrap().size().0, 4);
    host.make(Move::Tell);
    let mut live = host.live.write();
    let mut released = live.take_released();
    released.sort_unstable();
    assert_eq!(released, [1, 2, 3, 4].map(|seq| BlobId([seq; 32])));
    let board = live.state::<BoardState>().unwrap();
    assert_eq!(board.recent().count(), 8 + 4, "each post and each delete is an event");
    assert_eq!(board.data_bytes(), 4 * (9 + 7), "what is left: pictures, names and texts");
}

/// The end of a picture changes while a snapshot is folded that has not heard of it, and when it is on the disk.
#[test]
fn what_is_said_of_an_old_picture_brings_it_back_and_counts() {
    let (mut source, mut sent, mut host) = (super::Host::new(0), Sent::new(), Host::new());
    let place = (source.origin(), 1);
    let style = Style::usual(Media::Png);
    let (raw, uuid, frame) = (BlobId([100; 32]), [1; 16], Frame::USUAL);
    let picture = Submitted { uuid, media: Media::Png, frame, style, raw, raw_bytes: 9 };
    let small = |hash: u8| Thumbnail { blob: BlobId([hash; 32]), bytes: u64::from(hash) };
    let mut take = |host: &mut Host, seq: u64, change: &Change| {
        source.seal(1_000_000 * seq, 1, &change.record(), &mut sent);
        host.take(sent[&place.0].last().unwrap());
    };
    let end = |host: &Host| {
        let live = host.live.read();
        let all = pictures(live.state::<ThumbsState>().unwrap(), &live.heals);
        all.iter().map(|(_, item)| item.progress.thumbnail().unwrap().bytes).collect::<Vec<_>>()
    };
    let now = |host: &Host| (end(host), host.live.read().young_bytes());
    take(&mut host, 1, &Change::Known(picture, small(5)));
    take(&mut host, 2, &Change::Done(place, small(6)));
    host.make(Move::Age { behind: 1, young_bytes: 0 });
    assert_eq!(now(&host), (vec![5], 0), "what the snapshot has not heard changes nothing");
    // The next one takes it back for that, and keeps it in memory.
    host.make(Move::Age { behind: 0, young_bytes: 10_000 });
    assert_eq!(now(&host), (vec![5], 0));
    host.make(Move::Age { behind: 0, young_bytes: 0 });
    assert_eq!(now(&host), (vec![5], 0));
    take(&mut host, 3, &Change::Done(place, small(4)));
    host.make(Move::Tell);
    take(&mut host, 4, &Change::Done(place, small(3)));
    host.make(Move::Age { behind: 1, young_bytes: 0 });
    assert_eq!(now(&host), (vec![3], 800), "the snapshot has another one");
    host.make(Move::Age { behind: 0, young_bytes: 0 });
    assert_eq!(now(&host), (vec![3], 0));
    // It says nothing new, so the same run is written again.
    take(&mut host, 5, &Change::Done(place, small(4)));
    assert_eq!(end(&host), [3]);
    host.make(Move::Age { behind: 0, young_bytes: 0 });
    assert_eq!(now(&host), (vec![3], 0));
    take(&mut host, 6, &Change::Done(place, small(2)));
    assert_eq!(now(&host), (vec![2], 0), "at once");
    host.make(Move::Tell);
    assert_eq!(now(&host), (vec![2], 800), "it is in memory again");
    assert_eq!(named(&host.live), [BlobId([2; 32])]);
    host.make(Move::Age { behind: 0, young_bytes: 0 });
    take(&mut host, 7, &Change::Done(place, small(1)));
    take(&mut host, 8, &Change::Delete(place));
    host.make(Move::Tell);
    let mut live = host.live.write();
    let mut released = live.take_released();
    released.sort_unstable();
    released.dedup();
    assert_eq!(released, [1, 2, 3, 4, 5, 6].map(|hash| BlobId([hash; 32])));
    assert_eq!((live.data_bytes(4), live.state::<ThumbsState>().unwrap().count()), (Some(0), 0));
}
