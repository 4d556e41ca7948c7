//! Where items are changes nothing: with the oldest of them in runs on the disk, whenever they go there, merged or not, every
//! state says what it says with all of them in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::{Sealed, Sent, apply, comes_behind_what_it_saw, empty, fold, folding_steps, run};
use crate::app::applied::Applied;
use crate::app::applied_lock::AppliedLock;
use crate::app::heal::Heals;
use crate::app::state::State;
use crate::app::trimming::Trimmed;
use crate::app::{naming, shelving};
use crate::apps::board::old::OldMessages;
use crate::apps::board::record::{Post, delete_record};
use crate::apps::board::state::BoardState;
use crate::apps::pictures::kind::Kind;
use crate::base::blob::BlobId;
use crate::log::blobs::store::{BlobReader, BlobStore, Unfinished};
use crate::log::runs::shelf::Shelf;

/// Runs in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<BlobId, Arc<Vec<u8>>>>>);

struct New(Memory, Vec<u8>);

struct Content(Arc<Vec<u8>>);

impl BlobStore for Memory {
    fn begin(&self) -> io::Result<Box<dyn Unfinished>> {
        Ok(Box::new(New(self.clone(), Vec::new())))
    }
    fn open(&self, id: &BlobId) -> io::Result<Box<dyn BlobReader>> {
        let content = self.0.lock().unwrap().get(id).cloned().ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Content(content)))
    }
    fn remove(&self, id: &BlobId) -> io::Result<bool> {
        Ok(self.0.lock().unwrap().remove(id).is_some())
    }
    fn list(&self) -> io::Result<Vec<BlobId>> {
        Ok(self.0.lock().unwrap().keys().copied().collect())
    }
    fn remove_unfinished(&self) -> io::Result<u64> {
        Ok(0)
    }
}

impl Unfinished for New {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.1.extend_from_slice(piece);
        Ok(())
    }
    fn read_back(&self) -> io::Result<Vec<u8>> {
        Ok(self.1.clone())
    }
    fn finish(self: Box<Self>, id: &BlobId) -> io::Result<()> {
        self.0.0.lock().unwrap().insert(*id, Arc::new(self.1));
        Ok(())
    }
    fn discard(self: Box<Self>) -> io::Result<()> {
        Ok(())
    }
}

impl BlobReader for Content {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (&self.0[..]).read_at(buffer, offset)
    }
}

/// What is done between two batches.
#[derive(Clone, Copy, Debug)]
enum Move {
    Nothing,
    /// A snapshot is folded that lacks the last batches, of items beyond so many bytes.
    Age {
        behind: usize,
        young_bytes: u64,
    },
    /// What was removed is read.
    Tell,
    /// The process starts again.
    Restart,
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let age = (0..4_usize, prop_oneof![Just(0), Just(2_500)]);
    let one = prop_oneof![
        3 => Just(Move::Nothing),
        5 => age.prop_map(|(behind, young_bytes)| Move::Age { behind, young_bytes }),
        1 => Just(Move::Tell),
        1 => Just(Move::Restart),
    ];
    prop::collection::vec(one, 1..80)
}

/// A host whose oldest items go to runs.
struct Host {
    shelf: Shelf,
    live: AppliedLock,
    /// The last snapshot, and the batches behind it.
    snapshot: Applied,
    behind: Vec<Sealed>,
}

impl Host {
    fn new() -> Self {
        let shelf = Shelf::over(Box::<Memory>::default());
        let blank = || empty().with_shelf(Some(shelf.clone()));
        Self { live: AppliedLock::new(blank()), snapshot: blank(), shelf: shelf.clone(), behind: Vec::new() }
    }

    /// Returns what a start finds: the snapshot's sections, read again.
    fn restored(&self) -> Applied {
        let mut applied = empty().with_shelf(Some(self.shelf.clone()));
        for (id, bytes) in self.snapshot.sections() {
            applied.restore(id, &bytes).unwrap();
        }
        let (position, time_us) = (self.snapshot.position, self.snapshot.time_us);
        applied.stand_at(position, self.snapshot.vector.clone(), time_us);
        applied
    }

    fn take(&mut self, batch: &Sealed) {
        apply(&mut self.live.write(), batch);
        self.behind.push(batch.clone());
    }

    fn make(&mut self, what: Move) {
        match what {
            Move::Nothing => {}
            Move::Age { behind, young_bytes } => {
                let mut folded = self.restored();
                let now = self.behind.len().saturating_sub(behind);
                self.behind.drain(..now).for_each(|batch| apply(&mut folded, &batch));
                let ageing = folded.age(young_bytes).unwrap();
                self.snapshot = folded;
                shelving::adopt(&self.live, &ageing);
            }
            Move::Tell => while shelving::tell_gone(&self.live).unwrap() {},
            Move::Restart => {
                let mut applied = self.restored();
                self.behind.iter().for_each(|batch| apply(&mut applied, batch));
                self.live = AppliedLock::new(applied);
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
    for batch in &*taken.borrow() {
        host.take(batch);
        host.make(moves.next().unwrap());
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

/// Those of which a start would find that nothing names them, of all that there may be and one more.
fn unnamed(applied: &AppliedLock) -> Vec<BlobId> {
    let all: Vec<BlobId> = (0..6).rev().map(|byte| BlobId([byte; 32])).collect();
    let left = naming::unnamed_now(applied, all.clone()).unwrap();
    assert_eq!(naming::unnamed(&applied.read(), all).unwrap(), left);
    left
}

/// Numbers and times of all messages, the newest first.
fn listed(board: &BoardState, heals: &Heals) -> Vec<(u64, u64)> {
    let old = OldMessages::of(board, heals).newest(u64::MAX, usize::MAX).unwrap();
    let young = board.newest(u64::MAX).map(|(key, message)| (*key, message.clone()));
    let mut all: Vec<_> = young.chain(old).collect();
    all.sort_unstable_by_key(|(key, _)| std::cmp::Reverse(*key));
    all.iter().map(|(key, message)| (key.id, message.time_us)).collect()
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
