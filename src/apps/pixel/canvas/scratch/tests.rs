use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::os::disk::{Access, DiskFile, Space};
use crate::os::files::RealDisk;

/// Gives places where sixteen tiles share a bucket, and others up to the edges.
fn key() -> impl Strategy<Value = TileKey> {
    let near = (-2..6_i32, -2..6_i32);
    let far = (-(1 << 25)..1 << 25_i32, -(1 << 25)..1 << 25_i32);
    let edge = (prop_oneof![Just(-(1 << 25)), Just((1 << 25) - 1)], -1..1_i32);
    prop_oneof![8 => near, 1 => far, 1 => edge].prop_map(|(x, y)| TileKey { x, y })
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
    if let Entry::Vacant(vacant) = model.entry(key) {
        scratch.put(key, &bytes, extent_of(key)).unwrap();
        vacant.insert(bytes);
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
    assert_eq!(reached(scratch), scratch.pages.count(), "no page is in use that nothing leads to");
}

/// Returns how many pages buckets and tiles lead to.
fn reached(scratch: &Scratch) -> usize {
    let mut pages = 0;
    for bucket in 0..scratch.buckets() {
        scratch
            .each_page(bucket, |page| {
                pages += 1;
                entries::each(page, |entry, _| {
                    pages += if entry.is_inside() { 0 } else { pages_of(entry.length) };
                });
            })
            .unwrap();
    }
    pages
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
                        let x = (key.x + at % 7).min((1 << 25) - 1);
                        let key = TileKey { x, y: (key.y + at / 7).min((1 << 25) - 1) };
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
        let everywhere = Bounds { x_min: i32::MIN, y_min: i32::MIN, x_max: i32::MAX, y_max: i32::MAX };
        for area in [area, everywhere] {
            let mut found = Model::new();
            scratch.each_in(area, |key, bytes| {
                assert!(found.insert(key, bytes.to_vec()).is_none(), "{key:?} twice");
                Ok(())
            }).unwrap();
            let meets = |key: &TileKey| Bounds::of_extent(*key, extent_of(*key)).meet(area).is_some();
            let expected: Model = model.iter().filter(|(key, _)| meets(key)).map(|(key, bytes)| (*key, bytes.clone())).collect();
            prop_assert!(found == expected);
        }
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

/// A fault of a disk.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wrong {
    Nothing,
    /// There is no room for a longer file.
    Full,
    /// There is no room for any change, as on file systems that never write in place.
    FullForChanges,
    /// The same before this place.
    FullBefore(u64),
    Reads,
    Writes,
}

/// A disk that does wrong as it is told.
struct Filling {
    disk: RealDisk,
    wrong: Arc<Mutex<Wrong>>,
}

struct FillingFile {
    file: Arc<dyn DiskFile>,
    wrong: Arc<Mutex<Wrong>>,
}

impl Disk for Filling {
    fn create(&self, name: &str, size_bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.create(name, size_bytes)?;
        Ok(Arc::new(FillingFile { file, wrong: self.wrong.clone() }))
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
        match *self.wrong.lock().unwrap() {
            Wrong::Reads => Err(io::Error::from_raw_os_error(5)),
            _ => self.file.read_at(buffer, offset),
        }
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match *self.wrong.lock().unwrap() {
            Wrong::Full if offset + bytes.len() as u64 > self.file.size_bytes()? => {
                Err(io::ErrorKind::StorageFull.into())
            }
            Wrong::FullForChanges => Err(io::ErrorKind::StorageFull.into()),
            Wrong::FullBefore(end) if offset < end => Err(io::ErrorKind::StorageFull.into()),
            Wrong::Writes => Err(io::Error::from_raw_os_error(5)),
            _ => self.file.write_at(bytes, offset),
        }
    }
    fn write_durable_at(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_durable_at(blocks, offset)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

/// Puts and takes tiles on a disk that does wrong at times, more pages than there are in memory; gives how often it failed.
fn against(wrong: Wrong) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(Wrong::Nothing));
    let disk = Filling { disk: RealDisk::open(directory.path()).unwrap(), wrong: told.clone() };
    let mut scratch = Scratch::make(&disk, "scratch").unwrap();
    let mut model = Model::new();
    let mut failed = 0;
    let key = |at: i32| TileKey { x: at % 97, y: at / 97 };
    for at in 0..30_000 {
        *told.lock().unwrap() = if at > 5_000 && at / 500 % 3 == 1 { wrong } else { Wrong::Nothing };
        let bytes = bytes_of(key(at), [40, 300, 990, 2000, 900][at as usize % 5]);
        match scratch.put(key(at), &bytes, extent_of(key(at))) {
            Ok(()) => _ = model.insert(key(at), bytes),
            Err(_) => failed += 1,
        }
        let old = key(at * 7 / 11);
        if at % 3 == 0 {
            match scratch.take(old) {
                Ok(taken) => assert_eq!(taken, model.remove(&old)),
                Err(error) => {
                    assert!(!matches!(wrong, Wrong::Full | Wrong::FullForChanges), "{error}");
                    failed += 1;
                }
            }
        }
    }
    if matches!(wrong, Wrong::Full | Wrong::FullForChanges) {
        *told.lock().unwrap() = wrong;
        scratch.give_back();
    }
    assert_eq!(scratch.is_damaged(), wrong == Wrong::Reads, "an error of writing loses nothing");
    *told.lock().unwrap() = Wrong::Nothing;
    assert!(scratch.pages.count() > 2_000, "more than there are in memory");
    check(&scratch, &model);
    scratch.give_back();
    check(&scratch, &model);
    failed
}

#[test]
fn a_full_disk_refuses_another_tile_and_loses_none() {
    assert!(against(Wrong::Full) > 100);
}

#[test]
fn a_disk_on_which_every_change_needs_room_loses_no_tile() {
    assert!(against(Wrong::FullForChanges) > 100);
}

#[test]
fn an_error_of_the_disk_changes_nothing() {
    assert!(against(Wrong::Reads) > 100);
    assert!(against(Wrong::Writes) > 100);
}

#[test]
fn freed_places_are_used_again_whatever_comes() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(directory.path()).unwrap();
    let mut scratch = Scratch::make(&disk, "scratch").unwrap();
    let key = |at: i32| TileKey { x: at * 4, y: 0 };
    let mut most = 0;
    for at in 0..6_000 {
        let length = [5_000, 100, 310_000, 20_000, 1_000, 60_000][(at / 500 + at) as usize % 6];
        scratch.put(key(at), &bytes_of(key(at), length), [0; 4]).unwrap();
        if at >= 100 {
            scratch.take(key(at - 100)).unwrap().unwrap();
        }
        most = most.max(scratch.pages.count());
    }
    let room = scratch.pages.room();
    assert!(room < 3 * most, "{room} pages for {most}");
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

#[test]
fn a_page_that_was_changed_is_an_error_and_no_empty_page() {
    let directory = tempfile::tempdir().unwrap();
    let disk = RealDisk::open(directory.path()).unwrap();
    let mut scratch = Scratch::make(&disk, "scratch").unwrap();
    let key = |at: i32| TileKey { x: at * 4, y: 0 };
    for at in 0..12_000 {
        scratch.put(key(at), &[1; 3_000][..if at % 9 == 0 { 3_000 } else { 990 }], [0; 4]).unwrap();
    }
    let file = std::fs::File::options().write(true).open(directory.path().join("scratch")).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(0).unwrap();
    file.set_len(length).unwrap();
    let kinds = (0..12_000).map(|at| match scratch.read(key(at)) {
        Ok(found) => found.map(|_| io::ErrorKind::Other),
        Err(error) => Some(error.kind()),
    });
    let kinds: Vec<_> = kinds.collect();
    assert!(kinds.iter().all(Option::is_some), "none is taken for one that is not there");
    assert!(kinds.contains(&Some(io::ErrorKind::InvalidData)) && scratch.is_damaged());
    assert!(
        kinds.iter().step_by(9).all(|kind| *kind == Some(io::ErrorKind::InvalidData)),
        "large tiles, too"
    );
    assert!(scratch.bounds().is_err() && scratch.each(|_, _| Ok(())).is_err());
}

#[test]
fn pages_that_wait_for_room_are_written_when_there_is_some() {
    let directory = tempfile::tempdir().unwrap();
    let told = Arc::new(Mutex::new(Wrong::Nothing));
    let disk = Filling { disk: RealDisk::open(directory.path()).unwrap(), wrong: told.clone() };
    let mut scratch = Scratch::make(&disk, "scratch").unwrap();
    let key = |at: i32| TileKey { x: at * 4, y: 0 };
    (0..12_000).for_each(|at| scratch.put(key(at), &[1; 990], [0; 4]).unwrap());
    // Changes pages all over the file.
    let (mut at, mut here) = (0, vec![true; 12_000]);
    let mut change = |scratch: &mut Scratch, times: i32| {
        for _ in 0..times {
            at = (at + 7) % 12_000;
            let bytes = scratch.take(key(at)).unwrap();
            assert_eq!(bytes.is_some(), here[at as usize]);
            // One that needs another page is refused.
            here[at as usize] = scratch.put(key(at), &[1; 990], [0; 4]).is_ok();
        }
    };
    *told.lock().unwrap() = Wrong::FullForChanges;
    change(&mut scratch, 3_000);
    let most = scratch.pages.waiting();
    assert!(most > 1_000, "{most} wait");
    // Some blocks can be changed and others not: those are no obstacle to these.
    *told.lock().unwrap() = Wrong::FullBefore(40 * PAGE_BYTES as u64);
    change(&mut scratch, 12_000);
    let few = scratch.pages.waiting();
    assert!(0 < few && few <= 40, "{few} wait");
    *told.lock().unwrap() = Wrong::Nothing;
    change(&mut scratch, 3_000);
    assert_eq!(scratch.pages.waiting(), 0);
    assert!((0..12_000).all(|at| scratch.read(key(at)).unwrap().is_some() == here[at as usize]));
}

/// A bucket of four pages in a file that is changed from outside.
struct Changed {
    scratch: Scratch,
    file: std::fs::File,
    _directory: tempfile::TempDir,
}

/// The nth tile of the bucket; four are in each page.
fn nth(at: i32) -> TileKey {
    TileKey { x: at % 4, y: at / 4 }
}

impl Changed {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        let mut scratch = Scratch::make(&disk, "scratch").unwrap();
        (0..16).for_each(|at| scratch.put(nth(at), &[at as u8; 990], [0; 4]).unwrap());
        scratch.pages.forget();
        let file =
            std::fs::File::options().read(true).write(true).open(directory.path().join("scratch")).unwrap();
        Self { scratch, file, _directory: directory }
    }

    /// Returns the pages of the bucket in order.
    fn chain(&self) -> Vec<PageId> {
        let mut ids = vec![self.scratch.buckets[self.scratch.bucket_of(nth(0))]];
        self.scratch
            .each_page(self.scratch.bucket_of(nth(0)), |page| ids.extend(entries::next(page)))
            .unwrap();
        ids
    }

    fn page(&self, id: PageId) -> Page {
        let mut page = [0; PAGE_BYTES];
        self.file.read_exact_at(&mut page, u64::from(id) * PAGE_BYTES as u64).unwrap();
        page
    }

    fn set_page(&self, id: PageId, page: &Page) {
        self.file.write_all_at(page, u64::from(id) * PAGE_BYTES as u64).unwrap();
    }

    fn is_found_out(&mut self, key: TileKey) {
        let kind = |error: io::Error| error.kind();
        assert_eq!(self.scratch.read(key).map_err(kind), Err(io::ErrorKind::InvalidData));
        assert_eq!(self.scratch.take(key).map_err(kind), Err(io::ErrorKind::InvalidData));
        assert!(self.scratch.is_damaged());
        // Whatever else comes, nothing panics.
        (0..200).for_each(|at| _ = self.scratch.put(TileKey { x: at * 4, y: 9 }, &[1; 990], [0; 4]));
        (0..200).for_each(|at| _ = self.scratch.take(TileKey { x: at * 4, y: 9 }));
        self.scratch.give_back();
    }
}

#[test]
fn a_page_in_the_place_of_another_one_is_an_error() {
    let mut changed = Changed::new();
    let ids = changed.chain();
    assert_eq!(ids.len(), 4);
    changed.set_page(ids[1], &changed.page(ids[2]));
    changed.is_found_out(nth(5));
}

#[test]
fn pages_that_lead_in_a_circle_are_an_error() {
    let mut changed = Changed::new();
    changed.scratch.take(nth(15)).unwrap().unwrap();
    changed.scratch.pages.forget();
    let ids = changed.chain();
    let mut page = changed.page(ids[3]);
    entries::set_next(&mut page, Some(ids[1]));
    let checksum = pages::checksum(ids[3], &page);
    page[..4].copy_from_slice(&checksum);
    changed.set_page(ids[3], &page);
    // All pages are looked through for what is not there.
    changed.is_found_out(nth(15));
}

#[test]
fn a_write_that_the_disk_has_lost_is_an_error() {
    let mut changed = Changed::new();
    let ids = changed.chain();
    let before = changed.page(ids[0]);
    for at in 4..8 {
        assert_eq!(changed.scratch.take(nth(at)).unwrap().unwrap(), [at as u8; 990]);
    }
    changed.scratch.pages.forget();
    assert_eq!(changed.chain(), [ids[0], ids[2], ids[3]]);
    changed.scratch.pages.forget();
    // It leads to a page that is free, and says what was true before.
    changed.set_page(ids[0], &before);
    changed.is_found_out(nth(5));
}
