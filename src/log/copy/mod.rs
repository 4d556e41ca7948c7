//! Copying a journal: following it from beside the server that writes it, and looking at a copy as at a data directory.
//!
//! ```text
//! Follower: snapshot -> batches behind it -> what was written since -> ...      reads as a start does, changes nothing
//! ```
//!
//! A server may write, start and end meanwhile. What is not whole yet is looked at again; what stays so is damage or a
//! torn tail, by the rules of a start.

pub mod file;
pub mod upto;
pub mod view;

use std::io;
use std::sync::Arc;

use crate::base::ids::Position;
use crate::log::files::identity::Identity;
use crate::log::format::damage::{Damage, Fault, Located};
use crate::log::format::segment::{self, SegmentHeader};
use crate::log::read::reader::SegmentInfo;
use crate::log::read::scan::BatchView;
use crate::log::recover::anchor::{self, Found, Promised};
use crate::log::recover::replay::{Segments, Walk};
use crate::log::recover::tear::Tear;
use crate::log::recover::{OnReplay, RecoverError, Replay, Report};
use crate::log::write::append::End;
use crate::os::disk::{Access, Disk};

/// How often a place that does not read well is looked at, while nothing comes behind it.
const TRIES: u32 = 5;
/// How often the end is looked for while a server moves it, if all that was promised is there by then.
const CHASES: u32 = 20;

/// A journal as far as it was read.
pub struct Follower {
    disk: Arc<dyn Disk>,
    identity: Identity,
    end: End,
    promised: Position,
    /// Waits for as long as a server needs to write a batch.
    pause: fn(),
    /// Time of the first batch behind the last instant that was wanted.
    cut_before: Option<u64>,
}

/// Why reading ended.
enum Stop {
    /// The one who rebuilds the state refused a batch.
    Refused(String),
    /// A batch is later than the last instant that is wanted: its time.
    Late(u64),
}

impl Follower {
    /// Reads the newest snapshot and all batches behind it, and hands them to `on_replay`. With `until`, microseconds since
    /// 1970, the journal ends before the first batch that is later. `pause` is called between two looks at a place where a
    /// server may be writing, and waits for some milliseconds.
    ///
    /// # Errors
    /// Fails as a start without `accept_loss` does.
    pub fn begin(
        disk: Arc<dyn Disk>,
        until: Option<u64>,
        pause: fn(),
        on_replay: &mut OnReplay<'_>,
    ) -> Result<Self, RecoverError> {
        let identity = Identity::load(&*disk).map_err(failed("reading the identity"))?;
        let identity = identity.ok_or(RecoverError::NoIdentity)?;
        let segments = Segments::open(&*disk, identity, Access::Read)?;
        let anchor = match anchor::find(&*disk, &segments, false, &mut Report::default())? {
            Found::Anchor(anchor) => *anchor,
            Found::Unplaced(unplaced) => return Err(RecoverError::Damaged(Box::new(unplaced.damage))),
        };
        let snapshot = anchor.snapshot.map(|(_, snapshot)| snapshot);
        if let Some(snapshot) = &snapshot {
            on_replay(Replay::Snapshot(snapshot)).map_err(RecoverError::Refused)?;
        }
        let end = anchor::start(&segments, snapshot, anchor.headers.last());
        drop(segments);
        let promised = anchor.promised.position;
        let mut follower = Self { disk, identity, end, promised, pause, cut_before: None };
        follower.read(until, true, on_replay)?;
        if let Some(oldest) = anchor.headers.first() {
            on_replay(Replay::Oldest(oldest)).map_err(RecoverError::Refused)?;
        }
        Ok(follower)
    }

    /// Reads what was written since, and hands it to `on_replay`.
    ///
    /// # Errors
    /// Fails as [`Follower::begin`] does.
    pub fn advance(&mut self, on_replay: &mut OnReplay<'_>) -> Result<(), RecoverError> {
        self.read(None, false, on_replay)
    }

    /// Reads to the end. With `is_thorough` it looks whether something stands behind the end that was acknowledged.
    fn read(
        &mut self,
        until: Option<u64>,
        is_thorough: bool,
        on_replay: &mut OnReplay<'_>,
    ) -> Result<(), RecoverError> {
        let (disk, mut tries, mut chases) = (Arc::clone(&self.disk), 0, 0);
        loop {
            let segments = Segments::open(&*disk, self.identity, Access::Read)?;
            let from = self.end.position;
            let mut walk = Walk::new(&segments, self.end.clone());
            let mut take = |batch: &BatchView<'_>| {
                if until.is_some_and(|until| batch.time_us > until) {
                    return Err(Stop::Late(batch.time_us));
                }
                on_replay(Replay::Batch(batch)).map_err(Stop::Refused)
            };
            let outcome = walk.run(&mut take);
            self.end = walk.end;
            let fault = match outcome {
                Ok(fault) => fault,
                Err(Stop::Late(time_us)) => {
                    self.cut_before = Some(time_us);
                    return Ok(());
                }
                Err(Stop::Refused(why)) => return Err(RecoverError::Refused(why)),
            };
            let (has_moved, is_promised) = (self.end.position > from, self.end.position >= self.promised);
            let is_end = fault.is_none() && is_promised;
            // What a server writes meanwhile looks like a tear at one look, and is a batch at the next.
            if has_moved && (chases < CHASES && (is_thorough || !is_end) || !is_promised) {
                (tries, chases) = (0, chases + 1);
                (self.pause)();
                continue;
            }
            // Where the end has moved in this very look, a server writes behind it. The next look goes on from there.
            if has_moved || is_end && !is_thorough {
                return Ok(());
            }
            match self.judge(&segments, fault) {
                Ok(()) if is_end || tries >= TRIES => return Ok(()),
                Err(error) if tries >= TRIES => return Err(error),
                _ => {}
            }
            tries += 1;
            (self.pause)();
        }
    }

    /// Decides whether what stands behind the end was acknowledged: then it is damage, and otherwise a torn tail.
    fn judge(&self, segments: &Segments<'_>, fault: Option<Located>) -> Result<(), RecoverError> {
        let promised = Promised { position: self.promised, ..Promised::default() };
        let tear = Tear::find(segments, &self.end, fault).with_promise(promised);
        tear.decide(segments, &self.end, false).map(drop)
    }

    /// Returns whose journal it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns where the last batch ends that was read.
    #[must_use]
    pub fn position(&self) -> Position {
        self.end.position
    }

    /// Returns the latest time of any batch that was read, microseconds since 1970.
    #[must_use]
    pub fn time_us(&self) -> u64 {
        self.end.time_us
    }

    /// Returns the time of the first batch behind the last instant that was wanted, microseconds since 1970; nothing if the
    /// journal ends before that instant.
    #[must_use]
    pub fn cut_before(&self) -> Option<u64> {
        self.cut_before
    }

    /// Returns what the headers say of the segments, oldest first, up to the one that the end is in.
    ///
    /// # Errors
    /// Returns the error of the disk, or what is wrong with a header.
    pub fn infos(&self) -> Result<Vec<SegmentInfo>, RecoverError> {
        let segments = Segments::open(&*self.disk, self.identity, Access::Read)?;
        let mut infos: Vec<SegmentInfo> = Vec::new();
        let numbers = self.segments().map_err(failed("listing the directory"))?;
        for number in numbers {
            let header = segments.header(number).map_err(|fault| {
                let at = Located { segment: number, offset: 0, fault };
                let start = segments.layout.start_of(number);
                let missing = Vec::new();
                RecoverError::damaged(Box::new(Damage { at, readable_to: start, synced_to: start, missing }))
            })?;
            let start_vector = Arc::new(header.streams.vector());
            if let Some(last) = infos.last_mut() {
                last.end_vector = Some(Arc::clone(&start_vector));
                last.end = Some(header.previous_end);
            }
            infos.push(SegmentInfo { number, start_vector, end_vector: None, end: None, is_pinned: false });
        }
        Ok(infos)
    }

    /// Returns the numbers of the segments, oldest first, up to the one that is being written; nothing before the first batch.
    ///
    /// # Errors
    /// Returns the error of listing the directory.
    pub fn segments(&self) -> io::Result<Vec<u32>> {
        let current = self.current();
        let mut numbers: Vec<u32> =
            self.disk.list()?.iter().filter_map(|name| segment::number_of(name)).collect();
        numbers.retain(|number| current.is_some_and(|current| *number <= current));
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Returns the segment that the end is in; nothing before the first batch.
    #[must_use]
    pub fn current(&self) -> Option<u32> {
        let layout = segment::Layout { segment_bytes: self.identity.segment_bytes };
        (layout.offset_of(self.end.position) > 0).then(|| layout.segment_of(self.end.position))
    }

    /// Returns the end's offset in the file of its segment.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.end.position.0 % self.identity.segment_bytes
    }

    /// Reads every batch of a segment, checks it, and gives how many bytes of the file are used. A later one follows it, or it has the end.
    ///
    /// # Errors
    /// Returns [`RecoverError::Damaged`], which says what is wrong where.
    pub fn check(&self, number: u32) -> Result<u64, RecoverError> {
        let segments = Segments::open(&*self.disk, self.identity, Access::Read)?;
        let start = segments.layout.start_of(number);
        let has_end = self.current() == Some(number);
        let next = if has_end { Err(Fault::Lost) } else { segments.header(number + 1) };
        let mut reached = start;
        let fault = segments.header(number).and_then(|header| {
            let end = End {
                position: Position(start.0 + header.length() as u64),
                previous_end: header.previous_end,
                streams: header.streams.clone(),
                time_us: header.time_us,
            };
            let mut walk = Walk::new(&segments, end);
            let fault = walk.run_segment(number, &mut |_| Ok::<(), ()>(())).unwrap_or(None);
            reached = walk.end.position;
            let is_due = |next: &SegmentHeader| {
                next.previous_end == walk.end.position && next.streams == walk.end.streams
            };
            match (fault, &next) {
                _ if has_end && walk.end.position >= self.end.position => Ok(()),
                (None, Ok(next)) if is_due(next) => Ok(()),
                (fault, _) => Err(fault.unwrap_or(Fault::Lost)),
            }
        });
        segments.check()?;
        let fault = match (fault, next) {
            (Ok(()), _) => return Ok(reached.0 - start.0),
            (Err(fault), _) => fault,
        };
        let at = Located { segment: number, offset: reached.0 - start.0, fault };
        let synced_to = segments.layout.start_of(number + 1);
        Err(RecoverError::damaged(Box::new(Damage {
            at,
            readable_to: reached,
            synced_to,
            missing: Vec::new(),
        })))
    }
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> RecoverError {
    move |source| RecoverError::Io { what, source }
}
