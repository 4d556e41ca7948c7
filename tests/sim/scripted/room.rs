//! The room that is kept for a clear and the snapshots after it.

use super::*;

use pixeld::apps::pixel::state::clear_record;
use pixeld::engine::shared::space::Intake;
use pixeld::log::snapshot;
use pixeld::os::disk::Disk;

use crate::host::SEGMENT_BYTES;

/// A host whose state takes tens of kilobytes and is in a snapshot; gives the snapshot's size, too.
fn with_a_state(disk: &SimDisk) -> (Scene, u64) {
    let mut scene = Scene::new(disk, Durability::Disk);
    for number in 0..12 {
        let (name, message) = ("a.png".to_owned(), "m".repeat(3_900));
        let blob = BlobId([number; 32]);
        let post = Post { id: 0, uuid: [number; 16], blob, kind: Picture::Png, size_bytes: 9, name, message };
        scene.log(&post.record());
    }
    scene.up.fold();
    let file = snapshot::files(disk).expect("names").remove(0);
    let size_bytes = disk.content(&file.name()).len() as u64;
    assert!(size_bytes > 40_000, "{size_bytes}");
    while !scene.up.lacks_spare() {
        scene.log(&pixel(1).repeat(400));
    }
    (scene, size_bytes)
}

fn leave(disk: &SimDisk, free_bytes: u64) {
    let space = disk.space().expect("figures");
    disk.set_capacity(space.total_bytes - space.free_bytes + free_bytes);
}

/// A host that has no room for a spare beside what two snapshots need, and takes no writes any more.
fn short_of_room(disk: &SimDisk) -> (Scene, u64) {
    let (mut scene, size_bytes) = with_a_state(disk);
    let reserve = 2 * size_bytes.next_multiple_of(4096);
    leave(disk, SEGMENT_BYTES + reserve - 1);
    scene.keep();
    assert!(scene.up.lacks_spare(), "a spare would take the room of two snapshots");
    while scene.up.shared.space.intake() == Intake::Open {
        scene.log(&pixel(1).repeat(400));
    }
    assert_eq!(scene.up.shared.space.intake(), Intake::FreeingOnly);
    (scene, reserve)
}

/// A clear is taken, and a snapshot that holds it can be written.
fn assert_that_a_clear_fits(scene: &mut Scene, reserve: u64) {
    let disk = scene.disk.clone();
    let free = disk.space().expect("figures").free_bytes;
    assert!(free >= reserve, "{free} of {reserve} bytes");
    let newest = snapshot::files(&disk).expect("names")[0].position;
    scene.log(&clear_record());
    scene.up.fold();
    assert!(snapshot::files(&disk).expect("names")[0].position > newest, "it holds the clear");
}

#[test]
fn a_spare_leaves_what_a_clear_needs() {
    let disk = SimDisk::new();
    let (mut scene, reserve) = short_of_room(&disk);
    assert_that_a_clear_fits(&mut scene, reserve);
}

#[test]
fn the_peers_batches_leave_what_a_clear_needs() {
    let disk = SimDisk::new();
    let (mut scene, reserve) = short_of_room(&disk);
    scene.meet(&[scene.held(0, 1)]);
    for round in 0.. {
        assert!(round < 1_000, "it takes whatever comes");
        let before = scene.applied();
        scene.send(&pixel(1));
        scene.carry();
        scene.keep();
        if scene.applied() == before {
            break;
        }
    }
    assert!(scene.up.lacks_spare() && scene.applied() > 0, "some, and then it waits");
    assert_that_a_clear_fits(&mut scene, reserve);
}

#[test]
fn a_spare_is_made_as_soon_as_it_leaves_that_room() {
    let disk = SimDisk::new();
    let (mut scene, size_bytes) = with_a_state(&disk);
    leave(&disk, SEGMENT_BYTES + 2 * size_bytes.next_multiple_of(4096));
    scene.keep();
    assert!(!scene.up.lacks_spare());
}
