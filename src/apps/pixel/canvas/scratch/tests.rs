use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::*;
use crate::os::disk::{Access, DiskFile, Space};
use crate::os::files::RealDisk;

/// Where sixteen tiles share a bucket, and elsewhere.
fn key() -> impl Strategy<Value = TileKey> {
    let near = (-4..12_i32, -4..12_i32);
    let far = (-(1 << 25)..1 << 25_i32, -(1 << 25)..1 << 25_i32);
    prop_oneof![8 => near, 1 => far].prop_map(|(x, y)| TileKey { x: x >> 1, y: y >> 1 })
}

#[derive(Clone, Debug)]
enum Step {
    /// Puts so many tiles side by side, each of so many bytes.
    Put(TileKey, u16, usize),
    Take(TileKey),
    /// Takes all but every nth, from the first bucket on, and puts those back that the number says.
    Sweep(u8),
    GiveBack,
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![10 => 1..120_usize, 4 => 900..1100_usize, 3 => 3000..9000_usize, 1 => 200_000..310_000_usize];
    let step = prop_oneof![
        12 => (key(), 1..40_u16, length).prop_map(|(key, count, length)| Step::Put(key, count, length)),
        8 => key().prop_map(Step::Take),
        2 => (1..6_u8).prop_map(Step::Sweep),
        2 => Just(Step::GiveBack),
        1 => Just(Step::Clear),
    ];
    proptest::collection::vec(step, 1..60)
}

fn bytes_of(key: TileKey, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at as i32 ^ key.x ^ key.y << 3) as u8).collect()
}

fn extent_of(key: TileKey) -> [u8; 4] {
    let at = (key.x & 31) as u8;
    [at, 3, at + 31, 60]
}

type Model = BTreeMap<TileKey, Vec<u8>>;

fn put(scratch: &mut Scratch, model: &mut Model, key: TileKey, bytes: Vec<u8>) {
    if !model.contains_key(&key) {
        scratch.put(key, &bytes, extent_of(key)).unwrap();
        model.insert(key, bytes);
    }
}

fn sweep(scratch: &mut Scratch, model: &mut Model, nth: u8) {
    let mut seen = Vec::new();
    let mut bucket = 0;
    while bucket < scratch.buckets() {
        for key in scratch.keys_of(bucket, |bytes| bytes[0] % nth != 0).unwrap() {
            let bytes = scratch.take(key).unwrap().unwrap();
            assert_eq!(model.remove(&key).as_ref(), Some(&bytes));
            if seen.len() % 3 == 0 {
                let mut bytes = bytes;
                bytes[0] = 0;
                bytes.resize(bytes.len() * 2 % 5000 + 1, 7);
                put(scratch, model, key, bytes);
            }
            seen.push(key);
        }
        bucket += 1;
    }
    assert!(model.values().all(|bytes| bytes[0] % nth == 0), "every tile was seen");
}

fn check(scratch: &Scratch, model: &Model) {
    assert_eq!(scratch.count(), model.len());
    let mut all = Model::new();
    scratch
        .each(|key, bytes| {
            assert!(all.insert(key, bytes.to_vec()).is_none(), "{key:?} twice");
            Ok(())
        })
        .unwrap();
    assert!(all == *model);
    let bounds = model.keys().map(|key| Bounds::of_extent(*key, extent_of(*key))).reduce(Bounds::join);
    assert_eq!(scratch.bounds().unwrap(), bounds);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn it_is_a_map(steps in steps(), area in (-600..600_i32, -600..600_i32, 0..900_i32, 0..900_i32)) {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        let mut scratch = Scratch::make(&disk, "scratch").unwrap();
        let mut model = Model::new();
        for step in steps {
            match step {
                Step::Put(key, count, length) => {
                    for at in 0..i32::from(count) {
                        let key = TileKey { x: key.x.saturating_add(at % 7) >> 1, y: key.y.saturating_add(at / 7) };
                        put(&mut scratch, &mut model, key, bytes_of(key, length));
                    }
                }
                Step::Take(key) => {
                    prop_assert_eq!(scratch.read(key).unwrap(), model.get(&key).cloned());
                    prop_assert_eq!(scratch.take(key).unwrap(), model.remove(&key));
                    prop_assert_eq!(scratch.read(key).unwrap(), None);
                }
                Step::Sweep(nth) => sweep(&mut scratch, &mut model, nth),
                Step::GiveBack => scratch.give_back(),
                Step::Clear => {
                    scratch.clear();
                    model.clear();
                }
            }
            check(&scratch, &model);
        }
        let area = Bounds { x_min: area.0, y_min: area.1, x_max: area.0 + area.2, y_max: area.1 + area.3 };
        let mut found = Model::new();
        scratch.each_in(area, |key, bytes| {
            found.insert(key, bytes.to_vec());
            Ok(())
        }).unwrap();
        let meets = |key: &TileKey| Bounds::of_extent(*key, extent_of(*key)).meet(area).is_some();
        for (key, bytes) in model.iter().filter(|(key, _)| meets(key)) {
            prop_assert_eq!(found.get(key), Some(bytes));
        }
        prop_assert!(found.keys().all(|key| Bounds::of_tile(*key).meet(area).is_some()));
        for key in model.keys().copied().collect::<Vec<_>>() {
            scratch.take(key).unwrap();
        }
        scratch.give_back();
        prop_assert!(scratch.pages.count() <= 1 && scratch.buckets() <= 1, "what is empty takes no room");
    }
}

#[test]
fn a_tile_of_one_pixel_takes_few_bytes_of_disk_and_hardly_any_memory() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(directory.path()).unwrap();
    let mut scratch = Scratch::make(&disk, "scratch").unwrap();
    const TILES: i32 = 50_000;
    for at in 0..TILES {
        // Far from each other, so that no two share a bucket on purpose.
        let key = TileKey { x: at.wrapping_mul(7919) >> 7, y: at * 64 };
        scratch.put(key, &[1; 55], [0; 4]).unwrap();
    }
    let disk_bytes = scratch.pages.count() * PAGE_BYTES / TILES as usize;
    assert!(disk_bytes < 150, "{disk_bytes} bytes of disk each");
    let tiles_of_bucket = TILES as usize / scratch.buckets();
    assert!(tiles_of_bucket > 30, "{tiles_of_bucket} tiles for each number of a page in memory");
}

/// A disk that is full when it is told to be.
struct Filling {
    disk: RealDisk,
    is_full: Arc<AtomicBool>,
}

struct FillingFile {
    file: Arc<dyn DiskFile>,
    is_full: Arc<AtomicBool>,
}

impl Disk for Filling {
    fn create(&self, name: &str, size_bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(name, size_bytes)?;
        Ok(Arc::new(FillingFile { file, is_full: self.is_full.clone() }))
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(name, access)
    }
    fn make_directory(&self, name: &str) -> io::Result<()> {
        self.disk.make_directory(name)
    }
    fn list_in(&self, directory: &str) -> io::Result<Vec<String>> {
        self.disk.list_in(directory)
    }
    fn sync_in(&self, directory: &str) -> io::Result<()> {
        self.disk.sync_in(directory)
    }
    fn sync_directory(&self) -> io::Result<()> {
        self.disk.sync_directory()
    }
    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}

impl DiskFile for FillingFile {
    fn size_bytes(&self) -> io::Result<u64> {
        self.file.size_bytes()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.file.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) && offset + bytes.len() as u64 > self.file.size_bytes()? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(bytes, offset)
    }
    fn write_durable_at(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_durable_at(blocks, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[test]
fn a_full_disk_refuses_another_tile_and_loses_none() {
    let directory = tempfile::tempdir().unwrap();
    let is_full = Arc::new(AtomicBool::new(false));
    let disk = Filling { disk: RealDisk::open(directory.path()).unwrap(), is_full: is_full.clone() };
    let mut scratch = Scratch::make(&disk, "scratch").unwrap();
    let mut model = Model::new();
    let mut refused = 0;
    let key = |at: i32| TileKey { x: at % 97, y: at / 97 };
    for at in 0..60_000 {
        let (bytes, length) = (key(at), [40, 300, 1000, 2000][at as usize % 4]);
        let bytes = bytes_of(bytes, length);
        is_full.store(at / 1000 % 3 == 1, Ordering::Relaxed);
        match scratch.put(key(at), &bytes, extent_of(key(at))) {
            Ok(()) => _ = model.insert(key(at), bytes),
            Err(error) => {
                assert!(
                    is_full.load(Ordering::Relaxed) && error.kind() == io::ErrorKind::StorageFull,
                    "{error}"
                );
                refused += 1;
            }
        }
        let old = key(at * 7 / 11);
        if at % 3 == 0 {
            assert_eq!(scratch.take(old).unwrap(), model.remove(&old), "on a full disk, too");
        }
    }
    assert!(refused > 1000, "{refused}");
    check(&scratch, &model);
    is_full.store(true, Ordering::Relaxed);
    scratch.give_back();
    check(&scratch, &model);
}

#[test]
fn a_file_that_became_shorter_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(directory.path()).unwrap();
    let mut scratch = Scratch::make(&disk, "scratch").unwrap();
    let key = |at: i32| TileKey { x: at * 4, y: 0 };
    (0..2_000).for_each(|at| scratch.put(key(at), &[1; 3000], [0; 4]).unwrap());
    let file = std::fs::File::options().write(true).open(directory.path().join("scratch")).unwrap();
    file.set_len(0).unwrap();
    assert!((0..2_000).any(|at| scratch.read(key(at)).is_err()));
    assert!((0..2_000).any(|at| scratch.take(key(at)).is_err()));
}
