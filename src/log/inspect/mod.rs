//! Looking into a data directory without changing it: is every byte what it should be, what is in it, as text.
//!
//! A server may be running on the directory meanwhile; what it writes behind the end that was read is none of ours.

pub mod compare;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use xxhash_rust::xxh3::Xxh3Default;

use super::snapshot::{self, LoadError, SnapshotFile};
use crate::base::ids::{Origin, Position, Seq};
use crate::log::files::identity::{IDENTITY_NAME, Identity};
use crate::log::format::damage::{Damage, Located};
use crate::log::format::record::{self, RecordError};
use crate::log::format::segment::SegmentHeader;
use crate::log::read::reader::Reader;
use crate::log::read::scan::BatchView;
use crate::log::recover::cut;
use crate::log::recover::replay::{Segments, Walk};
use crate::log::recover::tear::Tear;
use crate::log::write::append::End;
use crate::os::disk::{Access, Disk};

/// What is wrong with a directory.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// There is no journal.
    #[error("not a data directory: the file {IDENTITY_NAME} is missing")]
    NoJournal,
    /// The disk failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Acknowledged data is damaged; says in which segment, at which offset.
    #[error("{0}")]
    Damaged(Box<Damage>),
    /// A batch whose checksums agree holds no proper records.
    #[error("{}: {error}", At(*segment, *offset))]
    Records {
        /// Number of the segment.
        segment: u32,
        /// Offset of the frame in its file, bytes.
        offset: u64,
        /// What is wrong.
        error: RecordError,
    },
    /// A server removed a segment before it could be read.
    #[error("{} was removed while the journal was being read; try again", crate::log::format::segment::name(*segment))]
    Removed {
        /// Number of the segment.
        segment: u32,
    },
    /// Contents are not what records say of them.
    #[error(
        "{faults} of {named} contents that records name are missing or damaged; they are listed. With the peer there, a \
             server fetches them from it; else post them again or take them from a backup"
    )]
    Blobs {
        /// So many.
        faults: usize,
        /// Of so many.
        named: u64,
    },
    /// A snapshot can't be read.
    #[error("snapshot {name}: {source}")]
    Snapshot {
        /// Its file.
        name: String,
        /// Why.
        #[source]
        source: snapshot::LoadError,
    },
    /// A start would be refused.
    #[error(transparent)]
    Start(#[from] super::recover::RecoverError),
}

struct At(u32, u64);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at offset {}", crate::log::format::segment::name(self.0), self.1)
    }
}

fn io_error(what: &'static str) -> impl Fn(io::Error) -> InspectError {
    move |source| InspectError::Io { what, source }
}

/// What a journal holds.
#[derive(Debug)]
pub struct Summary {
    /// Who the directory is.
    pub identity: Identity,
    /// Numbers of the oldest and the newest segment that hold anything; nothing while no batch was written.
    pub segments: Option<(u32, u32)>,
    /// Where the journal ends.
    pub end: Position,
    /// Batches that are still there.
    pub batches: u64,
    /// Records that are still there, by the tag's value.
    pub records: BTreeMap<u8, u64>,
    /// Times of the first and the last batch, microseconds since 1970.
    pub times_us: Option<(u64, u64)>,
    /// What is there of each stream.
    pub streams: BTreeMap<Origin, StreamSummary>,
    /// The snapshots, newest first.
    pub snapshots: Vec<SnapshotFile>,
    /// A torn tail behind the end: what is wrong there. The next start cuts it off; nobody was promised it.
    pub torn: Option<Located>,
}

/// What is there of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamSummary {
    /// Number of the first record that is still there.
    pub first_seq: Seq,
    /// Number of the last record.
    pub last_seq: Seq,
    /// Chain of the last batch: equal on both hosts if the whole streams up to it are.
    pub chain: u64,
    /// xxh3-64 of the bytes of all its batches that are still there, headers and bodies: equal on both hosts if these
    /// are, byte for byte.
    pub hash: u64,
}

/// Checks every checksum, sequence and chain, every record's bounds and every snapshot, and counts.
///
/// # Errors
/// Returns the first thing that is wrong, with segment and offset.
pub fn verify(disk: &dyn Disk) -> Result<Summary, InspectError> {
    let mut journal = Journal::open(disk)?;
    let mut count = Count::default();
    let torn = journal.read(disk, &mut |batch| {
        record::check(batch.body, batch.count)?;
        count.add(batch);
        Ok(())
    })?;
    let snapshots = snapshot::files(disk).map_err(io_error("listing snapshots"))?;
    for &file in &snapshots {
        check_snapshot(disk, file)?;
    }
    let Journal { segments, end, .. } = journal;
    let newest = segments.layout.segment_of(end.position);
    let oldest = segments.oldest();
    Ok(Summary {
        identity: segments.identity,
        segments: (segments.layout.offset_of(end.position) > 0).then_some((oldest, newest)),
        end: end.position,
        batches: count.batches,
        records: count.records,
        times_us: count.times_us,
        streams: count.streams.into_iter().map(|(origin, stream)| (origin, stream.summary())).collect(),
        snapshots,
        torn,
    })
}

/// Shows every batch from the oldest segment on, as [`verify`] reads them.
///
/// # Errors
/// Fails as [`verify`] does.
pub fn batches(disk: &dyn Disk, on_batch: &mut dyn FnMut(&BatchView<'_>)) -> Result<(), InspectError> {
    Journal::open(disk)?.show(disk, on_batch)
}

/// Shows every batch as [`batches`] does, and returns a reader of the journal as far as it was shown, with its end. Without the
/// directory's lock nothing keeps a server from removing segments that the reader is still to read.
///
/// # Errors
/// Fails as [`verify`] does.
pub fn open(
    disk: &Arc<dyn Disk>,
    on_batch: &mut dyn FnMut(&BatchView<'_>),
) -> Result<(Arc<Reader>, Position), InspectError> {
    let mut journal = Journal::open(&**disk)?;
    journal.show(&**disk, on_batch)?;
    let Journal { segments, end, headers } = journal;
    let end = end.position;
    let partial = cut::partial_block(&segments, end).map_err(io_error("reading the last block"))?;
    let reader = Reader::new(disk.clone(), segments.layout, segments.key, &headers, end, &partial);
    Ok((Arc::new(reader), end))
}

/// Checks a snapshot. A server may remove the oldest one at any time; one that is gone is not damaged.
fn check_snapshot(disk: &dyn Disk, file: SnapshotFile) -> Result<(), InspectError> {
    match snapshot::load(disk, file) {
        Ok(_) => Ok(()),
        Err(LoadError::Machine(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(InspectError::Snapshot { name: file.name(), source }),
    }
}

/// Returns a record in words, or nothing for one that is shown as bytes.
pub type Show = dyn Fn(&[u8]) -> Option<String>;

/// Writes all records as text, one a line: position of the batch, origin, seq, time in microseconds, what.
///
/// # Errors
/// Fails as [`verify`] does, or with the error of `out`.
pub fn dump(disk: &dyn Disk, show: &Show, out: &mut dyn Write) -> Result<(), InspectError> {
    let mut journal = Journal::open(disk)?;
    let mut outcome = Ok(());
    journal.read(disk, &mut |batch| {
        if outcome.is_ok() {
            outcome = dump_batch(batch, show, out);
        }
        record::check(batch.body, batch.count)
    })?;
    outcome.and_then(|()| out.flush()).map_err(io_error("writing the dump"))
}

fn dump_batch(batch: &BatchView<'_>, show: &Show, out: &mut dyn Write) -> io::Result<()> {
    for (seq, record) in (batch.first_seq..).zip(record::records(batch.body).map_while(Result::ok)) {
        write!(out, "{} {} {seq} {} ", batch.start, batch.origin, batch.time_us)?;
        match show(record) {
            Some(words) => writeln!(out, "{words}")?,
            None => {
                write!(out, "tag=0x{:02x} payload=", record[0])?;
                record::payload(record).iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
                writeln!(out)?;
            }
        }
    }
    Ok(())
}

/// A journal that is read from its oldest segment on.
struct Journal<'d> {
    segments: Segments<'d>,
    end: End,
    /// Of the segments that were read.
    headers: Vec<SegmentHeader>,
}

impl<'d> Journal<'d> {
    fn open(disk: &'d dyn Disk) -> Result<Self, InspectError> {
        let identity = Identity::load(disk).map_err(io_error("reading the identity"))?;
        let identity = identity.ok_or(InspectError::NoJournal)?;
        let segments = Segments::open(disk, identity, Access::Read)?;
        let first = segments.oldest();
        let position = segments.layout.start_of(first);
        let mut end = End { position, ..End::default() };
        // Of the oldest segment there is nothing to compare the header with; of a broken one the walk will tell.
        if let Ok(header) = segments.header(first) {
            (end.previous_end, end.streams) = (header.previous_end, header.streams);
        }
        Ok(Self { segments, end, headers: Vec::new() })
    }

    /// Shows each batch once.
    fn show(
        &mut self,
        disk: &'d dyn Disk,
        on_batch: &mut dyn FnMut(&BatchView<'_>),
    ) -> Result<(), InspectError> {
        let mut seen = Position(0);
        let read = self.read(disk, &mut |batch| {
            // A second look at a journal that grows begins where the first one ended, or before.
            if batch.end > seen {
                seen = batch.end;
                on_batch(batch);
            }
            Ok(())
        });
        read.map(drop)
    }

    /// Reads all batches; gives what is wrong behind the last one if that is a mere tear.
    fn read(
        &mut self,
        disk: &'d dyn Disk,
        on_batch: &mut dyn FnMut(&BatchView<'_>) -> Result<(), RecordError>,
    ) -> Result<Option<Located>, InspectError> {
        let fault = self.walk(on_batch)?;
        let damage = match Tear::find(&self.segments, &self.end, fault).judge(&self.segments, &self.end) {
            Ok(torn) => return Ok(torn),
            Err(damage) => damage,
        };
        // A server that writes meanwhile leaves the same traces. But then there is more to read by now.
        let identity = self.segments.identity;
        self.segments = Segments::open(disk, identity, Access::Read)?;
        if damage.at.segment < self.segments.oldest() {
            return Err(InspectError::Removed { segment: damage.at.segment });
        }
        self.walk(on_batch)?;
        if self.end.position > damage.readable_to { Ok(None) } else { Err(InspectError::Damaged(damage)) }
    }

    fn walk(
        &mut self,
        on_batch: &mut dyn FnMut(&BatchView<'_>) -> Result<(), RecordError>,
    ) -> Result<Option<Located>, InspectError> {
        let layout = self.segments.layout;
        let mut walk = Walk::new(&self.segments, std::mem::take(&mut self.end));
        let fault = walk.run(&mut |batch: &BatchView<'_>| {
            on_batch(batch).map_err(|error| InspectError::Records {
                segment: layout.segment_of(batch.start),
                offset: layout.offset_of(batch.start),
                error,
            })
        })?;
        self.end = walk.end;
        self.headers.append(&mut walk.headers);
        Ok(fault)
    }
}

#[derive(Default)]
struct Count {
    batches: u64,
    records: BTreeMap<u8, u64>,
    times_us: Option<(u64, u64)>,
    streams: BTreeMap<Origin, StreamCount>,
}

impl Count {
    fn add(&mut self, batch: &BatchView<'_>) {
        self.batches += 1;
        for record in record::records(batch.body).map_while(Result::ok) {
            *self.records.entry(record[0]).or_default() += 1;
        }
        let first = self.times_us.map_or(batch.time_us, |(first, _)| first);
        self.times_us = Some((first, batch.time_us));
        let stream = self.streams.entry(batch.origin).or_insert_with(|| StreamCount {
            first_seq: batch.first_seq,
            last_seq: 0,
            chain: 0,
            hash: Xxh3Default::new(),
        });
        stream.last_seq = batch.header.last_seq();
        stream.chain = batch.header.chain;
        stream.hash.update(&batch.header.encode());
        stream.hash.update(batch.body);
    }
}

struct StreamCount {
    first_seq: Seq,
    last_seq: Seq,
    chain: u64,
    hash: Xxh3Default,
}

impl StreamCount {
    fn summary(&self) -> StreamSummary {
        let (first_seq, last_seq, chain) = (self.first_seq, self.last_seq, self.chain);
        StreamSummary { first_seq, last_seq, chain, hash: self.hash.digest() }
    }
}
