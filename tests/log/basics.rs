//! The journal as its users see it: what was appended is read back, by scans and by the next start.

use std::io;
use std::sync::{Arc, Mutex};

use crate::journal;
use crate::sim_disk;

use journal::{Host, SEGMENT_BYTES};
use pixeld::base::ids::Position;
use pixeld::log::copy::Follower;
use pixeld::log::recover::Replay;
use pixeld::os::disk::{Access, Disk, DiskFile, Space};
use sim_disk::{Fall, SimDisk};

#[test]
fn a_new_directory_takes_batches_and_gives_them_back() {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    assert!(host.opened.report.is_new && host.replayed.is_empty());
    for number in 0..40 {
        host.append(100 + number * 37, true);
    }
    assert!(host.opened.appender.segment() > 1, "the workload rolls over");
    assert_eq!(host.scanned(), host.written);
    let again = Host::open(&disk.fall(Fall::Power(1))).unwrap();
    assert_eq!(again.replayed, host.written);
    assert_eq!(again.scanned(), host.written);
    assert!(again.opened.report.cut.is_none());
    assert_eq!(again.opened.appender.vector(), host.opened.appender.vector());
    assert_ne!(again.opened.appender.origin(), host.opened.appender.origin());
}

#[test]
fn bytes_in_memory_are_readable_before_they_are_in_a_file() {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    for number in 0..60 {
        host.append_in_memory(900 + number * 17);
        assert_eq!(host.scanned(), host.written);
        if number % 7 == 0 {
            host.flush(number % 14 == 0);
            assert_eq!(host.opened.reader.unwritten_bytes(), 0);
            assert_eq!(host.scanned(), host.written);
        }
    }
    host.flush(false);
    assert!(host.opened.appender.segment() > 2);
    let again = Host::open(&disk.fall(Fall::Kill)).unwrap();
    assert_eq!(again.replayed, host.written);
}

#[test]
fn a_scan_may_start_at_any_batch_and_keeps_its_segments() {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    for number in 0..120 {
        host.append(900 + number, true);
    }
    let reader = host.opened.reader.clone();
    let end = host.opened.appender.position();
    for (at, batch) in host.written.iter().enumerate() {
        let mut scan = reader.scan(batch.start, end);
        let first = scan.next_batch().unwrap().unwrap();
        assert_eq!((first.start, first.body), (batch.start, &host.written[at].body[..]));
    }
    let last = reader.segments().last().unwrap().number;
    assert!(last > 3);
    let scan = reader.scan(Position(2 * SEGMENT_BYTES), end);
    assert_eq!(reader.remove_before(last).unwrap(), 1, "segment 2 is pinned");
    drop(scan);
    assert_eq!(reader.remove_before(u32::MAX).unwrap(), last as usize - 2, "all but the current one");
    let kept: Vec<_> = reader.segments();
    assert_eq!((kept.len(), kept[0].number, kept[0].end), (1, last, None));
    let rest = host.scanned();
    assert!(!rest.is_empty() && rest == host.written[host.written.len() - rest.len()..]);
}

#[test]
fn a_start_has_few_files_open_however_many_there_are() {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    while host.opened.appender.segment() < 40 {
        host.append(20_000, true);
    }
    let disk = disk.fall(Fall::Power(1));
    let again = Host::open(&disk).unwrap();
    assert_eq!(again.scanned(), host.written);
    assert!(disk.open_files_max() <= 3, "{} files were open", disk.open_files_max());
}

#[test]
fn a_snapshot_of_nothing_is_a_place_to_start_from() {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    for position in [Position(0), Position(SEGMENT_BYTES)] {
        let snapshot = pixeld::log::snapshot::Snapshot {
            cluster: host.opened.identity.cluster,
            node: host.opened.identity.node,
            position,
            time_us: 0,
            streams: pixeld::log::streams::Streams::default(),
            sections: vec![(1, Vec::new())],
        };
        pixeld::log::snapshot::store(&*host.disk, &snapshot).unwrap();
        let again = Host::open(&disk).unwrap();
        assert_eq!(again.opened.report.snapshot.map(|file| file.position), Some(position));
    }
    host.append(100, true);
    assert_eq!(Host::open(&disk).unwrap().replayed, host.written);
}

/// Does something with each read: the bytes that were read, and where they stand in the file.
type OnRead = Arc<dyn Fn(&mut [u8], u64) + Send + Sync>;

/// A disk beside which something else happens at each read of a file.
struct Busy {
    disk: SimDisk,
    on_read: OnRead,
}

struct BusyFile {
    file: Arc<dyn DiskFile>,
    on_read: OnRead,
}

impl Disk for Busy {
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(BusyFile { file: self.disk.open(name, access)?, on_read: self.on_read.clone() }))
    }
    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
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

impl DiskFile for BusyFile {
    fn size_bytes(&self) -> io::Result<u64> {
        self.file.size_bytes()
    }
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let read = self.file.read_at(buffer, offset)?;
        (self.on_read)(&mut buffer[..read], offset);
        Ok(read)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
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
fn a_journal_that_grows_all_the_time_is_followed_and_not_taken_for_damaged() {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    host.append(100, true);
    let host = Arc::new(Mutex::new(host));
    let server = host.clone();
    // Each look finds another end.
    let on_read: OnRead = Arc::new(move |_, _| server.lock().unwrap().append(300, true));
    let growing = Busy { disk, on_read };
    let mut read = 0;
    let mut take = |replay: Replay<'_>| {
        read += usize::from(matches!(replay, Replay::Batch(_)));
        Ok(())
    };
    let mut follower = Follower::begin(Arc::new(growing), None, || (), &mut take).unwrap();
    for _ in 0..40 {
        let before = follower.position();
        follower.advance(&mut take).unwrap();
        assert!(follower.position() > before);
    }
    assert!(read > 40 && read < host.lock().unwrap().written.len());
}

#[test]
fn a_journal_is_followed_to_where_it_was_synced_however_many_looks_that_takes() {
    let disk = SimDisk::new();
    let mut host = Host::open(&disk).unwrap();
    (0..40).for_each(|_| host.append(100, true));
    assert_eq!(host.opened.appender.segment(), 1);
    let synced = host.opened.appender.position();
    // A snapshot says how far it was synced, and can't be read.
    let name = pixeld::log::snapshot::SnapshotFile::first(synced).name();
    disk.create(&name, 0).unwrap().write_at(b"damaged", 0).unwrap();
    // Each read sees a little more of the file than the one before, as from a cache that is late.
    let seen = Mutex::new(6 * 1024_u64);
    let on_read: OnRead = Arc::new(move |bytes, offset| {
        let mut seen = seen.lock().unwrap();
        *seen += 128;
        let end = seen.saturating_sub(offset).min(bytes.len() as u64);
        bytes[end as usize..].fill(0);
    });
    let mut read = 0;
    let mut take = |replay: Replay<'_>| {
        read += usize::from(matches!(replay, Replay::Batch(_)));
        Ok(())
    };
    let follower = Follower::begin(Arc::new(Busy { disk, on_read }), None, || (), &mut take).unwrap();
    assert_eq!((follower.position(), read), (synced, 40));
}
