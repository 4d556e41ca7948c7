//! Any one byte of any one file of a real directory, pictures included, is flipped, cut or gone: the outcome is the exact state,
//! an exact earlier state that is named, or a refusal that names the file and leaves everything as it was. `pixeld inspect` and
//! a start say the same.
//!
//! `PIXELD_TRIALS=10000` tries as many; otherwise as many as take a few seconds.

use crate::board;
use crate::process;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pixeld::app::applied::Applied;
use pixeld::apps::registry;
use pixeld::base::ids::NodeId;
use pixeld::base::kinds::Kinds;
use pixeld::base::limits::SEGMENT_BYTES_MIN;
use pixeld::base::vector::VersionVector;
use pixeld::engine::lifecycle::inspection;
use pixeld::engine::lifecycle::opening::{self, Opening};
use pixeld::engine::lifecycle::rebuilding::Rebuilding;
use pixeld::engine::shared::settings::{Reserve, Settings};
use pixeld::log::files::known_peer::KnownPeer;
use pixeld::log::inspect;
use pixeld::log::recover::{self, Replay};
use pixeld::log::runs::shelf::Shelf;
use pixeld::os::disk::Disk;
use pixeld::os::files::RealDisk;
use process::pair::await_that;
use process::small_disk::SmallDisk;
use process::{ANY_PORT, Server, pixeld};

const SETTINGS: [&str; 6] = ["--workers", "1", "--segment-size", "4MiB", "--disk-reserve", "0B"];

/// What is done to a file.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Flip(usize, u8),
    Cut(usize),
    Missing,
}

/// What became of the trials with a kind of file.
#[derive(Default)]
struct Tally {
    trials: u64,
    earlier: u64,
    refused: u64,
}

/// All files, by their path below the directory.
type Content = BTreeMap<String, Vec<u8>>;
/// The state of every application.
type State = Vec<(u8, Vec<u8>)>;

fn content(directory: &Path) -> Content {
    let mut found = Content::new();
    let mut due = vec![directory.to_owned()];
    while let Some(path) = due.pop() {
        for entry in fs::read_dir(path).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                due.push(path);
                continue;
            }
            let name = path.strip_prefix(directory).expect("below").to_string_lossy().into_owned();
            found.insert(name, fs::read(path).expect("a file"));
        }
    }
    found
}

fn post_pixels(server: &Server) {
    let part = process::client::post_pixels(90_000);
    for _ in 0..5 {
        assert_eq!(server.connect().send(&part).answer().status, 200);
    }
}

fn post_picture(server: &Server, seed: u8) {
    let answer = board::post(&mut server.connect(), "a picture", "a.png", &board::png(seed));
    assert!(answer.status < 400, "{}", answer.text());
}

/// A directory that has been through something: two snapshots, segments that the list needs, a spare, pictures, a torn
/// tail's copy, a peer; and a last batch that nothing says was durable.
fn make(data: &Path) {
    let server = Server::start(ANY_PORT, data, &SETTINGS);
    post_picture(&server, 1);
    post_pixels(&server);
    assert_eq!(server.ask("DELETE", "/pixels", "").0, 200);
    await_that("room", || data.join("0000000001.seg").exists(), |is_there| !is_there);
    post_picture(&server, 2);
    post_pixels(&server);
    drop(server);
    let last = content(data).into_iter().rfind(|(name, bytes)| name.ends_with(".seg") && bytes[0] != 0);
    let (name, mut bytes) = last.expect("a segment");
    let end = bytes.iter().rposition(|&byte| byte != 0).expect("a frame");
    bytes[end + 100..end + 300].fill(9);
    fs::write(data.join(name), bytes).expect("written");
    let server = Server::start(ANY_PORT, data, &SETTINGS);
    post_picture(&server, 3);
    for _ in 0..3 {
        assert_eq!(server.ask("POST", "/pixel", r#"{"x":1,"y":2,"channel":"R","value":3}"#).0, 200);
    }
    drop(server);
    let disk = RealDisk::open(data).expect("a directory");
    let peer = KnownPeer { node: NodeId(7), kinds: Kinds::FIRST, durable: VersionVector::new() };
    peer.store(&disk).expect("stored");
}

fn start(data: &Path) -> Result<Opening, opening::OpenError> {
    opening::open(&Settings {
        apps: registry::all(),
        empty_states: registry::new_applied,
        reserve: Reserve::Bytes(0),
        segment_bytes: SEGMENT_BYTES_MIN,
        ..Settings::base(data.to_owned())
    })
}

/// A directory as it was made, one to harm, and what the sound one holds.
struct Bench {
    sound: Content,
    data: PathBuf,
    /// The sound one once more, to read.
    reference: PathBuf,
    state: State,
    vector: VersionVector,
}

impl Bench {
    fn new(directory: &Path) -> Self {
        let (reference, data) = (directory.join("sound"), directory.join("data"));
        make(&reference);
        let sound = content(&reference);
        let mut bench = Self { sound, data, reference, state: State::new(), vector: VersionVector::new() };
        bench.restore();
        let opening = start(&bench.data).expect("a sound directory");
        (bench.state, bench.vector) = (opening.applied.sections(), opening.applied.vector.clone());
        bench
    }

    /// Makes the directory that is harmed what it was.
    fn restore(&self) {
        let _ = fs::remove_dir_all(&self.data);
        for (name, bytes) in &self.sound {
            let path = self.data.join(name);
            fs::create_dir_all(path.parent().expect("a directory")).expect("made");
            fs::write(path, bytes).expect("written");
        }
    }

    fn harm(&self, name: &str, harm: Harm) {
        let mut bytes = self.sound[name].clone();
        match harm {
            Harm::Flip(at, bit) => bytes[at] ^= 1 << bit,
            Harm::Cut(length) => bytes.truncate(length),
            Harm::Missing => return fs::remove_file(self.data.join(name)).expect("removed"),
        }
        fs::write(self.data.join(name), bytes).expect("written");
    }

    /// The state of the sound directory as of this vector; and how many batches follow.
    fn earlier(&self, vector: &VersionVector) -> Option<(State, usize)> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(&self.reference).expect("a directory"));
        let mut rebuilding = Rebuilding::new(false, registry::new_applied, Shelf::new(disk.clone()));
        let (mut found, mut behind) = (None, 0);
        recover::examine(&*disk, &mut |replay| {
            let is_batch = matches!(replay, Replay::Batch(_));
            if found.is_some() && is_batch {
                behind += 1;
                return Ok(());
            }
            rebuilding.take(replay)?;
            let applied: &Applied = rebuilding.applied();
            if is_batch && applied.vector == *vector {
                found = Some(applied.sections());
            }
            Ok(())
        })
        .expect("a sound directory");
        Some((found?, behind))
    }

    /// Tries one; tells whether an earlier state came of it, or a refusal.
    fn trial(&self, name: &str, harm: Harm) -> (bool, bool) {
        let context = format!("{name}: {harm:?}");
        self.harm(name, harm);
        let before = content(&self.data);
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(&self.data).expect("a directory"));
        let examined = inspection::examine(&disk, registry::new_applied);
        let verified = inspect::verify(&*disk);
        assert!(content(&self.data) == before, "{context}: looking changes nothing");
        let outcome = match start(&self.data) {
            Ok(opening) => {
                assert!(examined.is_ok(), "{context}: it starts, and inspect says no: {examined:?}");
                let is_earlier = opening.applied.vector != self.vector;
                if is_earlier {
                    let (state, behind) = self.earlier(&opening.applied.vector).expect("a state there was");
                    assert!(opening.applied.sections() == state, "{context}: a state there never was");
                    assert_eq!(behind, 1, "{context}: only what nothing says was durable may go");
                    let cut = opening.opened.report.cut.as_ref().expect("it is told");
                    assert!(cut.fault.is_some() && !cut.copies.is_empty(), "{context}: {cut:?}");
                    let torn = verified.as_ref().is_ok_and(|summary| summary.torn.is_some());
                    assert!(torn, "{context}: inspect does not tell of it");
                } else {
                    assert!(opening.applied.sections() == self.state, "{context}: another state");
                }
                (is_earlier, false)
            }
            Err(error) => {
                assert!(examined.is_err(), "{context}: inspect says that it starts, and: {error}");
                assert!(content(&self.data) == before, "{context}: a refusal changes nothing");
                let told = error.to_string();
                assert!(told.contains(name), "{context}: {told}");
                (false, true)
            }
        };
        self.restore();
        outcome
    }

    /// What the command says of the same harm: 0 if a start takes it and every picture is whole.
    fn inspect(&self, name: &str, harm: Harm, is_refused: bool) {
        self.harm(name, harm);
        let output = pixeld(&["inspect"]).arg(&self.data).output().expect("it runs");
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let file = name.rsplit('/').next().expect("a name");
        match output.status.code() {
            Some(0) => assert!(!is_refused && !name.starts_with("blobs/"), "{name}: {harm:?}: {told}"),
            Some(1) => assert!(told.contains(file), "{name}: {harm:?}: {told}"),
            code => panic!("{name}: {harm:?}: {code:?} {told}"),
        }
        self.restore();
    }
}

fn kind_of(name: &str) -> &'static str {
    let kinds = [".seg", ".snap", ".torn", "peer.key", "peer", "identity", "lock"];
    if name.starts_with("blobs/") {
        return "blob";
    }
    kinds.into_iter().find(|kind| name.ends_with(kind)).unwrap_or("other")
}

/// xorshift64*.
fn next(state: &mut u64) -> usize {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    (state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as usize
}

/// Something to do to a file of these bytes: anywhere, where there is something, or at the end of that, where the last batch is.
fn any_harm(bytes: &[u8], random: &mut u64) -> Harm {
    let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    let places = match next(random) % 8 {
        0 => used.saturating_sub(300)..used,
        1..=4 => 0..used,
        _ => 0..bytes.len(),
    };
    match next(random) % 8 {
        _ if places.is_empty() => Harm::Missing,
        0 => Harm::Missing,
        1 | 2 => Harm::Cut(places.start + next(random) % places.len()),
        _ => Harm::Flip(places.start + next(random) % places.len(), (next(random) % 8) as u8),
    }
}

#[test]
fn any_one_byte_of_any_one_file_of_a_real_directory() {
    let trials: usize = std::env::var("PIXELD_TRIALS").map_or(80, |trials| trials.parse().expect("a number"));
    // In memory where we may mount; elsewhere it is only slower.
    let (small, directory) = (SmallDisk::new(), tempfile::tempdir().expect("a directory"));
    let place = small.as_ref().map_or(directory.path().to_owned(), |disk| disk.data());
    let bench = Bench::new(&place);
    let names: Vec<&String> = bench.sound.keys().collect();
    let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
    let mut random = 0x9E37_79B9_7F4A_7C15;
    for turn in 0..trials {
        let name = names[turn % names.len()];
        let harm = any_harm(&bench.sound[name], &mut random);
        let (is_earlier, is_refused) = bench.trial(name, harm);
        let kind = kind_of(name);
        if turn % 16 == 0 || kind == "blob" && turn % 4 == 0 {
            bench.inspect(name, harm, is_refused);
        }
        let tally = tallies.entry(kind).or_default();
        tally.trials += 1;
        tally.earlier += u64::from(is_earlier);
        tally.refused += u64::from(is_refused);
        let is_needless = !["identity", ".seg"].contains(&kind);
        assert!(!is_refused || !is_needless, "{name}: {harm:?} refuses, and no start needs it");
    }
    for (kind, Tally { trials, earlier, refused }) in &tallies {
        println!("{kind:10} {trials:6} trials, {earlier:6} an earlier state, {refused:6} refused");
    }
    let share =
        |kind: &str| tallies.get(kind).map_or(0.0, |tally| tally.refused as f64 / tally.trials as f64);
    // What both snapshots and the list do without, padding and zeros refuse nothing.
    assert!(share(".seg") < 0.8, "{} of segments", share(".seg"));
    // Every byte of an identity is under its checksum, and the way back is `pixeld init --mend`.
    let of_all = tallies.values().map(|tally| tally.refused).sum::<u64>() as f64 / trials as f64;
    assert!(of_all < 0.4, "{of_all} of all");
}

/// Whoever gives records up has their bytes beside the journal, and the pictures that they name.
#[test]
fn pictures_that_records_name_which_were_given_up_are_kept() {
    let directory = tempfile::tempdir().expect("a directory");
    let data = directory.path();
    let settings = [&SETTINGS[..], &["--durability", "disk"]].concat();
    let mut server = Server::start(ANY_PORT, data, &settings);
    post_picture(&server, 1);
    let behind_first = fs::read(data.join("0000000001.seg")).expect("a segment");
    let behind_first = behind_first.iter().rposition(|&byte| byte != 0).expect("a frame");
    (2..6).for_each(|seed| post_picture(&server, seed));
    server.kill();
    let pictures = board::blob_files(data);
    assert!(pictures.len() >= 5);
    let segment = data.join("0000000001.seg");
    let mut bytes = fs::read(&segment).expect("a segment");
    let second = (behind_first + 1..).find(|&at| bytes[at] != 0).expect("another frame");
    bytes[second + 100] ^= 1;
    fs::write(&segment, bytes).expect("written");
    let start = |said: &str, more: &[&str]| {
        Server::start(ANY_PORT, data, &[&settings[..], more].concat()).wait_for(said);
    };
    start("kept blobs that no record names", &["--accept-loss"]);
    start("kept blobs that no record names", &[]);
    assert_eq!(board::blob_files(data), pictures);
    let aside = tempfile::tempdir().expect("a directory");
    for entry in fs::read_dir(data).expect("a directory").flatten() {
        if entry.path().extension().is_some_and(|end| end == "lost") {
            fs::rename(entry.path(), aside.path().join(entry.file_name())).expect("moved");
        }
    }
    let server = Server::start(ANY_PORT, data, &settings);
    await_that("they go", || board::blob_files(data).len(), |left| *left == 1);
    server.wait_for("they are removed");
}
