//! Full disks on either side: named, and the same command goes on when there is room.

use crate::beside::many;
use crate::process::small_disk::SmallDisk;
use crate::process::{ANY_PORT, Server};
use crate::{Home, assert_same, backup, board, done, restore, run};

#[test]
fn a_full_target_and_a_full_directory_are_named_and_gone_on_with() {
    let home = Home::new();
    let source = home.at("source");
    let server = Server::start(ANY_PORT, &source, &[]);
    assert_eq!(board::post(&mut server.connect(), "hello", "a.png", &board::png(1)).status, 200);
    for _ in 0..3 {
        assert_eq!(server.connect().send(many(450_000)).answer().status, 200);
    }
    drop(server);
    let Some(small) = SmallDisk::new() else { return };
    let target = small.data();
    small.fill_up_to(6 << 20);
    let (code, said) = run(&mut backup(&source, &target));
    assert!(code == Some(1) && said.contains("No space left"), "{said}");
    small.make_room();
    done(&mut backup(&source, &target));
    assert_same(&source, &target);
    std::fs::rename(&target, small.data().with_file_name("kept")).expect("renamed");
    let kept = small.data().with_file_name("kept");
    let directory = small.data();
    small.fill_up_to(6 << 20);
    let (code, said) = run(&mut restore(&kept, &directory, &[]));
    assert!(code == Some(1) && said.contains("No space left"), "{said}");
    small.make_room();
    done(&mut restore(&kept, &directory, &[]));
    assert_same(&source, &directory);
}
