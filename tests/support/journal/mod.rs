//! A host on a simulated disk, as far as the journal goes: what the engine does with it, without threads.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;

use pixeld::apps::pixel::raw::Pixel;
use pixeld::base::ids::{ClusterId, Inc, NodeId, Origin, Position, Seq};
use pixeld::log::read::scan::BatchView;
use pixeld::log::recover::{self, OpenOptions, Opened, RecoverError, Replay};
use pixeld::log::snapshot::{self, Snapshot};
use pixeld::log::write::spare::make_spare;
use pixeld::log::write::staged::Staged;
use pixeld::log::write::writer::WriteError;
use pixeld::os::disk::Disk;

use super::sim_disk::SimDisk;

pub const SEGMENT_BYTES: u64 = 32 * 1024;
pub const CLUSTER: ClusterId = ClusterId(*b"cluster of tests");
pub const NODE: NodeId = NodeId(0x0102_0304_0506_0708);

/// A batch as it was appended or read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub origin: Origin,
    pub first_seq: Seq,
    pub start: Position,
    pub end: Position,
    pub time_us: u64,
    pub body: Vec<u8>,
}

impl Batch {
    pub fn of(view: &BatchView<'_>) -> Self {
        let BatchView { origin, first_seq, start, end, time_us, body, .. } = *view;
        Self { origin, first_seq, start, end, time_us, body: body.to_vec() }
    }
}

/// Options of a start whose random part is the lower half of `inc`.
pub fn options(inc: u64) -> OpenOptions {
    OpenOptions {
        segment_bytes: SEGMENT_BYTES,
        accept_loss: false,
        cluster: CLUSTER,
        node: NODE,
        random: inc as u32,
    }
}

pub struct Host {
    pub disk: Arc<dyn Disk>,
    pub opened: Opened,
    /// What recovery handed out, the batches in the snapshot's section first.
    pub replayed: Vec<Batch>,
    /// What is in the journal as far as this process knows.
    pub written: Vec<Batch>,
    pub staged: Staged,
    pub spare_ready: bool,
    pub now_us: u64,
}

impl Host {
    pub fn open(disk: &SimDisk) -> Result<Self, RecoverError> {
        // The number of calls so far makes a new inc for each start; a test's disks are few.
        Self::open_with(disk, &options(1000 + disk.calls() + fresh()))
    }

    pub fn open_with(disk: &SimDisk, options: &OpenOptions) -> Result<Self, RecoverError> {
        let disk = disk.shared();
        let mut replayed = Vec::new();
        let opened = recover::open(&disk, options, &mut |replay| {
            match replay {
                Replay::Snapshot(snapshot) => {
                    replayed = decode_batches(snapshot.section(1).ok_or("no section")?);
                }
                Replay::Batch(view) => replayed.push(Batch::of(view)),
                Replay::Oldest(_) => {}
            }
            Ok(())
        })?;
        let spare_ready = opened.spare_ready;
        let (written, staged) = (replayed.clone(), Staged::default());
        Ok(Self { disk, opened, replayed, written, staged, spare_ready, now_us: 5 })
    }

    /// Seals a batch of about `bytes` bytes and makes it readable; not yet written.
    pub fn append_in_memory(&mut self, bytes: usize) {
        self.try_stage(bytes).unwrap();
        self.opened.reader.extend(&self.staged);
        self.staged.clear();
    }

    /// Writes what is only in memory.
    pub fn flush(&mut self, sync: bool) {
        self.try_flush(sync).unwrap();
    }

    pub fn try_flush(&mut self, sync: bool) -> Result<(), String> {
        let mut staged = Staged::default();
        self.opened.reader.copy_unwritten(&mut staged);
        self.opened.writer.write(&staged, sync).map_err(|error| error.to_string())?;
        self.opened.reader.written(self.opened.writer.position());
        Ok(())
    }

    /// Seals and writes a batch, as the level `disk` does.
    pub fn append(&mut self, bytes: usize, sync: bool) {
        self.try_append(bytes, sync).unwrap();
    }

    pub fn try_append(&mut self, bytes: usize, sync: bool) -> Result<(), String> {
        self.try_stage(bytes)?;
        let written = self.opened.writer.write(&self.staged, sync).map_err(|error| error.to_string());
        if written.is_ok() {
            self.opened.reader.extend(&self.staged);
            self.opened.reader.written(self.opened.writer.position());
        } else {
            self.written.pop();
        }
        self.staged.clear();
        written
    }

    /// Seals a batch and writes it once; after an error it is still staged.
    pub fn try_stage_and_write(&mut self, bytes: usize) -> Result<(), WriteError> {
        self.try_stage(bytes).unwrap();
        self.rewrite()
    }

    /// Writes what is staged, again.
    pub fn rewrite(&mut self) -> Result<(), WriteError> {
        self.opened.writer.write(&self.staged, true)
    }

    /// What was staged is written.
    pub fn take_written(&mut self) {
        self.opened.reader.extend(&self.staged);
        self.opened.reader.written(self.opened.writer.position());
        self.staged.clear();
    }

    fn try_stage(&mut self, bytes: usize) -> Result<(), String> {
        if !self.spare_ready {
            let number = self.opened.appender.spare_number();
            make_spare(&*self.disk, number, SEGMENT_BYTES).map_err(|error| error.to_string())?;
            self.spare_ready = true;
        }
        let body = body(bytes, self.written.len());
        let appender = &mut self.opened.appender;
        assert!(appender.fits(body.len(), true));
        let count = u32::try_from(body.len() / 10).unwrap();
        let synced = self.opened.writer.synced();
        self.now_us += 3;
        let sealed = appender.stage(&body, count, self.now_us, synced, &mut self.staged);
        self.spare_ready &= sealed.entered.is_none();
        self.written.push(Batch {
            origin: appender.origin(),
            first_seq: sealed.header.first_seq,
            start: sealed.start,
            end: sealed.end,
            time_us: sealed.header.time_us,
            body,
        });
        Ok(())
    }

    /// Everything that can be read.
    pub fn scanned(&self) -> Vec<Batch> {
        let mut scan = self.opened.reader.scan(Position(0), self.opened.appender.position());
        let mut batches = Vec::new();
        while let Some(view) = scan.next_batch().unwrap() {
            batches.push(Batch::of(&view));
        }
        batches
    }

    /// A snapshot at the synced position, folded from the journal; its only section holds all batches.
    pub fn snapshot(&self) -> std::io::Result<()> {
        let synced = self.opened.writer.synced();
        let kept: Vec<_> = self.written.iter().filter(|batch| batch.end <= synced).cloned().collect();
        let mut snapshot = match snapshot::load_newest(&*self.disk)? {
            Some(snapshot) => snapshot,
            None => Snapshot {
                cluster: CLUSTER,
                node: NODE,
                position: Position(SEGMENT_BYTES),
                time_us: 0,
                streams: pixeld::log::streams::Streams::default(),
                sections: Vec::new(),
            },
        };
        let mut scan = self.opened.reader.scan(snapshot.position, synced);
        while let Some(view) = scan.next_batch().map_err(std::io::Error::other)? {
            snapshot.follow(&view).unwrap();
        }
        snapshot.sections = vec![(1, encode_batches(&kept))];
        snapshot::store(&*self.disk, &snapshot).map(drop)
    }
}

/// A body of pixels of about `bytes` bytes, different for each `number`.
pub fn body(bytes: usize, number: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for index in 0..bytes.div_ceil(10).max(1) {
        let (x, y) = (i32::try_from(number).unwrap(), i32::try_from(index).unwrap());
        let value = u8::try_from(number % 256).unwrap();
        body.extend_from_slice(&Pixel { tag: 0x11, value, x, y }.encode());
    }
    body
}

/// A number that no call gave before.
pub fn fresh() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1 << 20, Ordering::Relaxed)
}

fn encode_batches(batches: &[Batch]) -> Vec<u8> {
    let mut out = Vec::new();
    for batch in batches {
        let words = [
            batch.origin.node.0,
            batch.origin.inc.0,
            batch.first_seq,
            batch.start.0,
            batch.end.0,
            batch.time_us,
            batch.body.len() as u64,
        ];
        words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        out.extend_from_slice(&batch.body);
    }
    out
}

fn decode_batches(mut bytes: &[u8]) -> Vec<Batch> {
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| u64::from_le_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap());
        let length = usize::try_from(word(6)).unwrap();
        batches.push(Batch {
            origin: Origin { node: NodeId(word(0)), inc: Inc(word(1)) },
            first_seq: word(2),
            start: Position(word(3)),
            end: Position(word(4)),
            time_us: word(5),
            body: bytes[56..56 + length].to_vec(),
        });
        bytes = &bytes[56 + length..];
    }
    batches
}
