//! One old item of one copy is another one, or gone, under records that are the same: `pixeld inspect` says that the states differ,
//! and of which application.

use crate::old_items;
use crate::process;
use crate::thumbs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use old_items::{TINY, await_old, post_all};
use pixeld::base::blob::BlobId;
use pixeld::base::places::{Places, place_bytes};
use pixeld::base::tag::app;
use pixeld::log::blobs::id_of;
use pixeld::log::runs::shelf::Shelf;
use pixeld::log::snapshot::{self, Snapshot};
use pixeld::os::disk::Disk;
use pixeld::os::files::RealDisk;
use process::{ANY_PORT, Server, pixeld};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

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

/// A directory with old items of all three, of which no server runs.
struct Original {
    directory: TempDir,
    /// Why one of its pictures has no thumbnail.
    reason: String,
    /// The name of a message's picture.
    name: [u8; 16],
}

impl Original {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let mut server = Server::start(ANY_PORT, &directory.path().join("a"), &TINY);
        post_all(&server);
        await_old(&server);
        let failed = thumbs::list(&server).into_iter().find(|one| one["state"] == "Error");
        let reason = failed.expect("one that failed")["message"].as_str().expect("a reason").to_owned();
        let url = old_items::messages(&server)[20]["image_url"].as_str().expect("an address").to_owned();
        let name = url.split(['/', '_']).find_map(|part| Uuid::try_parse(part).ok()).expect(&url);
        server.signal(Signal::TERM);
        assert!(server.wait().success(), "{}", server.stderr());
        Self { directory, reason, name: name.into_bytes() }
    }

    fn data_dir(&self) -> PathBuf {
        self.directory.path().join("a")
    }

    /// Makes a copy of it.
    fn copy(&self, name: &str) -> PathBuf {
        let copy = self.directory.path().join(name);
        let done = Command::new("cp").arg("-a").arg(self.data_dir()).arg(&copy).status().expect("cp");
        assert!(done.success());
        copy
    }

    /// Has a copy compared with it, and expects that both have the same records and contents, and other states of `differ` only.
    fn compare(&self, copy: &Path, differ: &[u8]) {
        let inspect = |flags: &[&str]| {
            let output = pixeld(&["inspect"]).args(flags).arg(self.data_dir()).arg(copy).output();
            let output = output.expect("it runs");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let expected = Some(if differ.is_empty() { 0 } else { 4 });
        let (code, told) = inspect(&["--json"]);
        let told: Value = serde_json::from_str(&told).unwrap_or_default();
        assert_eq!((code, &told["states_differ"]), (expected, &Value::from(differ)), "{copy:?}: {told:#}");
        assert_eq!(told["verdict"], "same", "{told:#}");
        for side in [0, 1] {
            assert_eq!(told["sides"][side]["blobs"]["faults"], Value::Array(Vec::new()), "{told:#}");
        }
        let (code, said) = inspect(&[]);
        let line = match differ {
            [] => "states: every application has the same digest in both".to_owned(),
            [id, ..] => format!(
                "states: DIFFERENT digests of the applications with the ids {id}, of the same records"
            ),
        };
        assert!(code == expected && said.contains(&line), "{said}");
    }
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

/// The run that has these bytes, with its content.
fn run_with(data_dir: &Path, part: &[u8]) -> (BlobId, Vec<u8>) {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(data_dir).expect("a directory"));
    let all = Shelf::new(disk).blobs().list().expect("runs");
    let with = |id: BlobId| (id, fs::read(run_path(data_dir, &id)).expect("a run"));
    all.into_iter().map(with).find(|(_, run)| find(run, part).is_some()).expect("one with that")
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

/// Changes the last byte of these in a run, where they stand there for the `nth` time: its block gets the checksum of that, the file
/// its name, and the snapshots this.
fn change(data_dir: &Path, part: &[u8], nth: usize) {
    let (old, mut run) = run_with(data_dir, part);
    let mut all = (0..).zip(run.windows(part.len())).filter(|(_, window)| *window == part);
    let last = all.nth(nth).expect("there").0 + part.len() - 1;
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

fn places(data_dir: &Path, run: &BlobId) -> Places {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(data_dir).expect("a directory"));
    Shelf::new(disk).open(run).expect("a run").places().clone()
}

/// Has the snapshots say that the first item is gone of the run with this text.
fn lose_item(data_dir: &Path, text: &str) {
    let (id, _) = run_with(data_dir, text.as_bytes());
    let all = places(data_dir, &id);
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
fn one_old_item_that_is_not_the_same_is_seen() {
    let original = Original::new();
    original.compare(&original.copy("same"), &[]);
    for (app, text) in [(BOARD, "message 7"), (THUMBS, &*original.reason), (TOYS, "toy 7")] {
        let changed = original.copy(&format!("changed-{app}"));
        change(&changed, text.as_bytes(), 0);
        original.compare(&changed, &[app]);
        let lacking = original.copy(&format!("lacking-{app}"));
        lose_item(&lacking, text);
        original.compare(&lacking, &[app]);
    }
}

#[test]
fn a_table_that_does_not_lead_to_its_items_is_seen() {
    let original = Original::new();
    let astray = original.copy("astray");
    // Behind the item itself; keys stand there without what they share with the one before.
    change(&astray, &original.name[4..], 1);
    original.compare(&astray, &[BOARD]);
}

#[test]
fn a_run_that_lacks_an_item_is_named() {
    let original = Original::new();
    let broken = original.copy("broken");
    let (run, _) = run_with(&broken, b"toy 7");
    let first = places(&broken, &run).iter().next().expect("one");
    change(&broken, &place_bytes(first), 0);
    let output = pixeld(&["inspect"]).arg(original.data_dir()).arg(&broken).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("an item is missing"), "{said}");
}
