//! One old item of one copy is another one, or gone, under records that are the same: `pixeld inspect` says that the states differ,
//! and of which application.

use crate::old_items;
use crate::process;
use crate::thumbs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use old_items::{TINY, await_old, post_all};
use pixeld::base::blob::BlobId;
use pixeld::base::places::Places;
use pixeld::base::tag::app;
use pixeld::log::blobs::id_of;
use pixeld::log::runs::shelf::Shelf;
use pixeld::log::snapshot::{self, Snapshot};
use pixeld::os::disk::Disk;
use pixeld::os::files::RealDisk;
use process::pixeld;
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

/// The ids of the applications, as the answer has them.
const BOARD: u8 = 3;
const THUMBS: u8 = 4;
const TOYS: u8 = 5;

/// Where the items of a run begin, and the bytes of the checksum behind each block.
const HEAD_BYTES: usize = 16;
const CRC_BYTES: usize = 4;
/// How a snapshot names a run: its name, then two amounts, then what is gone of it.
const NAME_BYTES: usize = 32;
const AMOUNTS_BYTES: usize = 16;

/// A directory with old items of all three, of which no server runs, and why one of its pictures has no thumbnail.
struct Original {
    _directory: TempDir,
    data_dir: PathBuf,
    reason: String,
}

/// One for all tests: none of them changes it.
static ORIGINAL: LazyLock<Original> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a directory");
    let data_dir = directory.path().join("a");
    let mut server = process::Server::start(process::ANY_PORT, &data_dir, &TINY);
    post_all(&server);
    await_old(&server);
    let failed = thumbs::list(&server).into_iter().find(|one| one["state"] == "Error").expect("one that failed");
    let reason = failed["message"].as_str().expect("a reason").to_owned();
    server.signal(Signal::TERM);
    assert!(server.wait().success(), "{}", server.stderr());
    Original { _directory: directory, data_dir, reason }
});

/// A copy of it.
fn copied() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let copy = directory.path().join("b");
    let done = Command::new("cp").arg("-a").arg(&ORIGINAL.data_dir).arg(&copy).status().expect("cp");
    assert!(done.success());
    (directory, copy)
}

/// Exit code of `pixeld inspect` of the original and the copy, and what it says.
fn inspect(copy: &Path) -> (Option<i32>, Value) {
    let output = pixeld(&["inspect", "--json"]).arg(&ORIGINAL.data_dir).arg(copy).output().expect("it runs");
    let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), told)
}

/// Has it compared, and expects that it says the same of all records and contents, and that only the state of `differs` is not.
fn expect_differs(copy: &Path, differs: u8) {
    let (code, told) = inspect(copy);
    assert_eq!((code, &told["states_differ"]), (Some(4), &Value::from(vec![differs])), "{told:#}");
    assert_eq!(told["verdict"], "same", "{told:#}");
    for side in [0, 1] {
        assert_eq!(told["sides"][side]["blobs"]["faults"], Value::Array(Vec::new()), "{told:#}");
    }
    let output = pixeld(&["inspect"]).arg(&ORIGINAL.data_dir).arg(copy).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let line = format!("states: DIFFERENT digests of the applications with the ids {differs}, of the same records");
    assert!(said.contains(&line), "{said}");
}

/// Changes what a snapshot of a directory says of its runs.
fn change_snapshots(data_dir: &Path, change: impl Fn(&mut Vec<u8>)) {
    let disk = RealDisk::open(data_dir).expect("a directory");
    let files = snapshot::files(&disk).expect("snapshots");
    assert!(!files.is_empty());
    for file in files {
        let mut stored: Snapshot = snapshot::load(&disk, file).expect("a snapshot");
        for (_, section) in stored.sections.iter_mut().filter(|(id, _)| *id == app::RUNS) {
            change(section);
        }
        fs::write(data_dir.join(file.name()), stored.encode()).expect("written");
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn run_path(data_dir: &Path, id: &BlobId) -> PathBuf {
    let name = id.to_string();
    data_dir.join("runs").join(&name[..2]).join(&name[2..])
}

/// The run that has this text, with its content.
fn run_with(data_dir: &Path, text: &str) -> (BlobId, Vec<u8>) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(data_dir).expect("a directory"));
    let all = Shelf::new(disk).blobs().list().expect("runs");
    let with = |id: BlobId| (id, fs::read(run_path(data_dir, &id)).expect("a run"));
    all.into_iter().map(with).find(|(_, run)| find(run, text.as_bytes()).is_some()).expect("one with that")
}

/// The block of a run that has this byte.
fn block_of(run: &[u8], byte: usize) -> std::ops::Range<usize> {
    let mut start = HEAD_BYTES;
    let mut crc = 0;
    for end in HEAD_BYTES..run.len() - CRC_BYTES {
        if end > start && run[end..end + CRC_BYTES] == u32::to_le_bytes(crc) {
            if byte < end {
                return start..end;
            }
            (start, crc) = (end + CRC_BYTES, 0);
        } else if end >= start {
            crc = crc32c::crc32c_append(crc, &run[end..=end]);
        }
    }
    panic!("no block has it")
}

/// Changes the last byte of this text in a run: its block gets the checksum of that, the file its name, and the snapshots this.
fn change_item(data_dir: &Path, text: &str) {
    let (old, mut run) = run_with(data_dir, text);
    let last = find(&run, text.as_bytes()).expect("there") + text.len() - 1;
    let block = block_of(&run, last);
    run[last] ^= 1;
    let crc = crc32c::crc32c(&run[block.clone()]);
    run[block.end..block.end + CRC_BYTES].copy_from_slice(&crc.to_le_bytes());
    let new = id_of(&run);
    let path = run_path(data_dir, &new);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, run).expect("written");
    change_snapshots(data_dir, |section| {
        if let Some(at) = find(section, &old.0) {
            section[at..at + NAME_BYTES].copy_from_slice(&new.0);
        }
    });
}

/// Has the snapshots say that the first item is gone of the run with this text.
fn lose_item(data_dir: &Path, text: &str) {
    let (id, _) = run_with(data_dir, text);
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(data_dir).expect("a directory"));
    let all = Shelf::new(disk).open(&id).expect("a run").places().clone();
    change_snapshots(data_dir, |section| {
        let Some(at) = find(section, &id.0).map(|at| at + NAME_BYTES + AMOUNTS_BYTES) else { return };
        let (mut gone, length) = Places::read(&section[at..]).expect("a set");
        let first = all.iter().find(|place| !gone.contains(place)).expect("one that is there");
        gone.insert(first);
        let mut bytes = Vec::new();
        gone.push(&mut bytes);
        section.splice(at..at + length, bytes);
    });
}

#[test]
fn a_copy_is_the_same() {
    let (_directory, copy) = copied();
    let (code, told) = inspect(&copy);
    assert_eq!((code, &told["states_differ"]), (Some(0), &Value::Array(Vec::new())), "{told:#}");
}

#[test]
fn a_byte_of_an_old_message_is_seen() {
    let (_directory, copy) = copied();
    change_item(&copy, "message 7");
    expect_differs(&copy, BOARD);
}

#[test]
fn an_old_message_that_only_one_has_is_seen() {
    let (_directory, copy) = copied();
    lose_item(&copy, "message 7");
    expect_differs(&copy, BOARD);
}

#[test]
fn the_state_of_an_old_picture_is_seen() {
    let (_directory, copy) = copied();
    change_item(&copy, &ORIGINAL.reason);
    expect_differs(&copy, THUMBS);
}

#[test]
fn an_old_picture_that_only_one_has_is_seen() {
    let (_directory, copy) = copied();
    lose_item(&copy, &ORIGINAL.reason);
    expect_differs(&copy, THUMBS);
}

#[test]
fn a_byte_of_an_old_toy_is_seen() {
    let (_directory, copy) = copied();
    change_item(&copy, "toy 7");
    expect_differs(&copy, TOYS);
}

#[test]
fn an_old_toy_that_only_one_has_is_seen() {
    let (_directory, copy) = copied();
    lose_item(&copy, "toy 7");
    expect_differs(&copy, TOYS);
}
