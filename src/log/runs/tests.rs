//! Runs in files: what is written is found, from both ends and by name, and what is gone is not merged.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cursor::Cursor;
use super::item::{BLOBS, ITEMS, Item};
use super::run::{Run, split_key};
use super::shelf::Shelf;
use crate::base::ids::{Inc, NodeId, Origin};
use crate::base::places::{Place, Places};
use crate::log::blobs::check::Fault;
use crate::os::disk::{Access, Disk};
use crate::os::files::RealDisk;

const LIST: u8 = 2;

fn place(seq: u64) -> Place {
    (Origin { node: NodeId(seq % 2), inc: Inc(9) }, seq)
}

fn item(seq: u64) -> Item {
    let keys = vec![(BLOBS, vec![(seq % 5) as u8; 32]), (LIST, (1_000_000 - seq).to_be_bytes().to_vec())];
    Item { place: place(seq), bytes: seq, contents_bytes: 1, value: vec![seq as u8; 300], keys }
}

fn shelf() -> (tempfile::TempDir, Arc<dyn Disk>, Shelf) {
    let directory = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(directory.path()).unwrap());
    let shelf = Shelf::new(disk.clone());
    (directory, disk, shelf)
}

fn without_keys(seq: u64) -> Item {
    Item { keys: Vec::new(), ..item(seq) }
}

#[test]
fn what_is_written_is_found() {
    let (_directory, _, shelf) = shelf();
    let items: Vec<Item> = (1..=2_000).map(item).collect();
    let run = shelf.write(3, &items).unwrap();
    assert_eq!((run.app(), run.places().len(), run.amounts().bytes), (3, 2_000, 2_000 * 2_001 / 2));
    assert!(run.table(ITEMS).unwrap().blocks() > 20);
    let mut last = None;
    for seq in 1..=2_000 {
        assert_eq!(run.item(place(seq), &mut last).unwrap(), Some(without_keys(seq)));
    }
    assert_eq!(run.item(place(2_001), &mut last).unwrap(), None);

    let mut cursor = Cursor::at(&run, LIST, &999_000_u64.to_be_bytes()).unwrap().unwrap();
    let mut forwards = Vec::new();
    while let Some((key, _)) = cursor.next().unwrap() {
        forwards.push(split_key(key).unwrap().1.1);
        cursor.advance();
    }
    assert_eq!(forwards, (1..=1_000).rev().collect::<Vec<_>>());
    let mut backwards = Vec::new();
    while let Some((key, _)) = cursor.previous().unwrap() {
        backwards.push(split_key(key).unwrap().1.1);
        cursor.retreat();
    }
    assert_eq!(backwards, (1..=2_000).collect::<Vec<_>>());
    assert!(run.may_have(BLOBS, &[4; 32]) && !run.may_have(BLOBS, &[77; 32]) && !run.may_have(99, &[]));
}

#[test]
fn a_merge_leaves_out_what_is_gone() {
    let (_directory, _, shelf) = shelf();
    let part = |from: u64| (from..from + 1_000).map(item).collect::<Vec<_>>();
    let runs = [1, 1_001].map(|from| shelf.write(3, &part(from)).unwrap());
    let gone: Places = (1..=2_000).filter(|seq| seq % 3 == 0).map(place).collect();
    let merged = shelf.merge(3, &[(&runs[0], &gone), (&runs[1], &gone)]).unwrap();
    let left: Vec<u64> = (1..=2_000).filter(|seq| seq % 3 != 0).collect();
    assert_eq!(merged.places(), &left.iter().copied().map(place).collect());
    assert_eq!(merged.amounts().bytes, left.iter().sum::<u64>());
    let mut last = None;
    for seq in 1..=2_000 {
        let found = merged.item(place(seq), &mut last).unwrap();
        assert_eq!(found, (seq % 3 != 0).then(|| without_keys(seq)), "{seq}");
    }
    // The same items make the same bytes, whatever runs they came from.
    let whole: Vec<Item> = left.iter().copied().map(item).collect();
    let again = shelf.write(3, &whole).unwrap();
    assert_eq!(again.places(), merged.places());
    let named = BTreeSet::from([merged.id()]);
    assert_eq!(shelf.sweep(&named).unwrap(), 0, "all of them are open");
    drop((runs, again));
    let left_over = shelf.sweep(&named).unwrap();
    assert!(left_over >= 2, "{left_over} removed");
    assert_eq!(shelf.open(&merged.id()).unwrap().places(), merged.places());
}

/// Reads every block.
fn read_all(run: &Run) -> std::io::Result<()> {
    run.tables().try_for_each(|number| {
        let table = run.table(number).unwrap();
        (0..table.blocks()).try_for_each(|block| run.block(table, block).map(drop))
    })
}

fn file_of(run: &Run) -> String {
    let text = run.id().to_string();
    format!("runs/{}/{}", &text[..2], &text[2..])
}

#[test]
fn a_damaged_run_is_noted_and_read_from_the_file_that_mends_it() {
    let (directory, disk, shelf) = shelf();
    let run = shelf.write(3, &(1..=200).map(item).collect::<Vec<_>>()).unwrap();
    let content = std::fs::read(directory.path().join(file_of(&run))).unwrap();
    let file = disk.open(&file_of(&run), Access::Write).unwrap();
    file.write_at(&[content[20] ^ 1], 20).unwrap();
    assert_eq!(shelf.blobs().faults().of(&run.id()), None, "nobody has read it");
    assert!(read_all(&run).is_err());
    assert_eq!(shelf.blobs().faults().of(&run.id()), Some(Fault::Damaged));
    assert!(shelf.blobs().open(&run.id()).is_err(), "it is not sent to anybody");
    drop(shelf.blobs().keep(&content).unwrap());
    // Somebody reads it before it is renewed.
    assert!(read_all(&run).is_err());
    shelf.renew(&run.id()).unwrap();
    read_all(&run).unwrap();
    assert_eq!(shelf.blobs().faults().of(&run.id()), None);
}

#[test]
fn damage_is_an_error_and_nothing_else() {
    let (_directory, disk, shelf) = shelf();
    let run = shelf.write(3, &(1..=200).map(item).collect::<Vec<_>>()).unwrap();
    let (id, name) = (run.id(), file_of(&run));
    drop(run);
    let file = disk.open(&name, Access::Write).unwrap();
    let size = file.size_bytes().unwrap();
    let mut met = 0;
    for at in (0..size).step_by(97) {
        let mut byte = [0];
        file.read_at(&mut byte, at).unwrap();
        file.write_at(&[byte[0] ^ 0x10], at).unwrap();
        met += usize::from(shelf.open(&id).and_then(|run| read_all(&run)).is_err());
        file.write_at(&byte, at).unwrap();
        shelf.blobs().faults().clear(&id);
    }
    assert!(met as u64 >= size / 97 - 1, "{met} of {}", size / 97);
    assert_eq!(shelf.open(&id).unwrap().places().len(), 200);
    file.write_at(&9_u32.to_le_bytes(), 4).unwrap();
    assert!(shelf.open(&id).unwrap_err().to_string().contains("a later pixeld wrote it"));
}
