use std::sync::Arc;

use super::*;
use crate::app::state::{Entry, State};
use crate::apps::pixel::canvas::checkpoint;
use crate::apps::pixel::canvas::drawing::{Drawing, Moment};
use crate::apps::pixel::canvas::drawing_tests::floors_record;
use crate::apps::pixel::canvas::scratch::Scratch;
use crate::apps::pixel::canvas::tile::TILE_BYTES;
use crate::apps::pixel::record::{Channel, Pixel};
use crate::apps::pixel::state::PixelState;
use crate::base::ids::{Inc, NodeId};
use crate::os::disk::Disk;
use crate::os::files::RealDisk;

const ORIGIN: Origin = Origin { node: NodeId(1), inc: Inc(1) };

/// Memory for a few tiles; the others go to a scratch file.
fn few_in_memory(disk: &Arc<dyn Disk>) -> Tiles {
    let disk = disk.clone();
    Tiles::new(4 * TILE_BYTES, Some(Box::new(move || Scratch::make(&*disk, "scratch"))))
}

/// Sets a cell in each of so many tiles.
fn spread(tiles: &mut Tiles, count: i32) {
    for at in 0..count {
        let pixel = Pixel { x: at * 640, y: 0, channel: Channel::R, value: at as u8 }.encode();
        tiles.draw(&pixel, 1 + at as u64, ORIGIN, 1 + at as u64, 0);
    }
}

fn disk() -> (tempfile::TempDir, Arc<dyn Disk>) {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(RealDisk::open(directory.path()).unwrap());
    (directory, disk)
}

#[test]
fn stored_tiles_that_memory_has_no_room_for_go_to_the_scratch_file_as_they_are() {
    let (_directory, disk) = disk();
    let mut all = Tiles::new(1 << 30, None);
    spread(&mut all, 40);
    let mut stored = Vec::new();
    all.each_stored(|bytes| {
        stored.push(bytes.to_vec());
        Ok(())
    })
    .unwrap();
    let mut few = few_in_memory(&disk);
    few.runs_mut().origin_id(ORIGIN);
    assert!(stored.iter().all(|bytes| few.put_back(bytes)));
    let (here, in_scratch) = few.counts();
    assert!(here >= 4 && here + in_scratch == 40, "{here} in memory, {in_scratch} not");
    let are_first = (0..here).all(|at| few.store.find(all.store.tiles[at].key).is_some());
    assert!(are_first, "those that came first have not made room for others");
    assert_eq!((few.set(), few.bounds()), (all.set(), all.bounds()));
}

#[test]
fn a_cut_of_more_tiles_than_watchers_are_told_of_notes_none() {
    let (_directory, disk) = disk();
    let mut tiles = few_in_memory(&disk);
    spread(&mut tiles, 20);
    tiles.note_changes();
    // Each of these is to be told, and has to leave memory before it is.
    for at in 0..20 {
        let pixel = Pixel { x: at * 640, y: 1, channel: Channel::G, value: 1 }.encode();
        tiles.draw(&pixel, 100, ORIGIN, 21 + at as u64, 0);
    }
    assert!(matches!(tiles.changes(), Told::TooMuch));
    let noted = tiles.changes.tiles.len();
    let mut state = PixelState::default();
    let first = Entry { origin: ORIGIN, seq: 41, time_us: 101 };
    state.apply(&first, &floors_record(&[(ORIGIN, 20, 20)]));
    tiles.sweep(&state.floors());
    assert_eq!(tiles.set(), 20);
    assert_eq!(tiles.changes.tiles.len(), noted);
    tiles.told();
    assert!(matches!(tiles.changes(), Told::Nothing));
    assert!(tiles.store.tiles.iter().all(|tile| !tile.is_changed), "none stays in memory to be told");
}

#[test]
fn a_drawing_of_which_a_tile_is_lost_is_not_stored() {
    let (directory, disk) = disk();
    let mut tiles = few_in_memory(&disk);
    // So many cells that a tile is not in one of the file's pages that are in memory.
    let cell = |at: i32| Pixel {
        x: at / 100 * 640 + at % 100 % 64,
        y: at % 100 / 64,
        channel: Channel::B,
        value: 1,
    };
    let cells: Vec<u8> = (0..4_000).flat_map(|at| cell(at).encode()).collect();
    tiles.draw(&cells, 1, ORIGIN, 1, 0);
    let mut drawing = Drawing::new(tiles, Moment::default());
    checkpoint::store(&drawing, NodeId(1), &*disk, "tiles").unwrap();
    let before = std::fs::read(directory.path().join("tiles")).unwrap();
    std::fs::File::create(directory.path().join("scratch")).unwrap();
    (0..40).for_each(|at| _ = drawing.tiles.store.open(TileKey { x: at * 10, y: 0 }));
    assert!(drawing.tiles.is_lost());
    // All that is left of it can be read, too.
    drawing.tiles.store.clear();
    drawing.tiles.store.refuses = None;
    let error = checkpoint::store(&drawing, NodeId(1), &*disk, "tiles").unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(std::fs::read(directory.path().join("tiles")).unwrap(), before);
}
