//! The appender: gives each batch its place, number, time and chain. Pure; whoever holds the commit token has it.

use super::staged::Staged;
use crate::base::folds::{Fold, StreamEnd};
use crate::base::ids::{ClusterId, Inc, NodeId, Origin, Position, Seq};
use crate::base::limits::{
    BATCH_BODY_BYTES_MAX, BATCH_TIME_US_MAX, BLOCK_BYTES, CLOCK_AHEAD_US_MAX, ORIGINS_MAX,
};
use crate::base::vector::VersionVector;
use crate::log::batch::BatchHeader;
use crate::log::format::frame::{FRAME_HEAD_BYTES, SLOT_BYTES, Slot, SlotKey, frame_bytes};
use crate::log::format::segment::{Layout, SegmentHeader, header_bytes_most};
use crate::log::streams::{Stream, StreamFault, Streams};

/// Batches that [`Appender::room`] allows for: their frames' heads and padding are taken off the room.
const ROOM_BATCHES: u64 = 1024;

/// Where the journal ends and what the next batch follows on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Behind the last frame. At the start of a segment: not even its header is written.
    pub position: Position,
    /// Behind the last frame of the segment before; what the header of the segment at `position` says.
    pub previous_end: Position,
    /// How far each stream has come.
    pub streams: Streams,
    /// The latest time of any batch, microseconds since 1970.
    pub time_us: u64,
}

/// Adds batches at the end of the journal: those of this process's origin, and those of others as they are.
pub struct Appender {
    cluster: ClusterId,
    key: SlotKey,
    layout: Layout,
    own: Stream,
    /// The time of this start's last batch; 0 before the first.
    own_us: u64,
    /// The latest time of all other batches that was within the bound of this host's clock; what a start found may lie beyond.
    others_us: u64,
    /// The latest time of this host's clock that was given to it.
    clock_us: u64,
    end: End,
}

/// What a batch became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Its header. Its time is [`Appender::next_time_us`].
    pub header: BatchHeader,
    /// Where its frame starts.
    pub start: Position,
    /// Where the next frame starts.
    pub end: Position,
    /// The segment whose first batch this is: it was the spare until now, unless it is the journal's first.
    pub entered: Option<u32>,
}

impl Appender {
    /// Returns an appender for a new start `inc` of the process on `node`, going on at `end`.
    #[must_use]
    pub fn new(cluster: ClusterId, node: NodeId, inc: Inc, layout: Layout, end: End) -> Self {
        let own = end.streams.of(cluster, Origin { node, inc });
        assert_eq!(own.seq, 0, "each start of the process has an inc of its own");
        assert!(end.position.0 >= layout.segment_bytes, "segments are numbered from 1");
        let (own_us, others_us, clock_us) = (0, end.time_us, 0);
        Self { cluster, key: SlotKey::new(cluster, node), layout, own, own_us, others_us, clock_us, end }
    }

    /// Returns the same end of the journal for another start `inc` of the process.
    #[must_use]
    pub fn renewed(self, inc: Inc) -> Self {
        Self::new(self.cluster, self.own.origin.node, inc, self.layout, self.end)
    }

    /// Returns how positions and segments correspond.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Returns who makes the records.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.own.origin
    }

    /// Returns the number that the next record gets.
    #[must_use]
    pub fn next_seq(&self) -> Seq {
        self.own.seq + 1
    }

    /// Returns the position behind the last frame.
    #[must_use]
    pub fn position(&self) -> Position {
        self.end.position
    }

    /// Returns how far each origin's stream has come.
    #[must_use]
    pub fn vector(&self) -> VersionVector {
        self.end.streams.vector()
    }

    /// Returns how far each origin's stream has come, with chains.
    #[must_use]
    pub fn streams(&self) -> &Streams {
        &self.end.streams
    }

    /// Returns the latest time of any batch, microseconds since 1970.
    #[must_use]
    pub fn time_us(&self) -> u64 {
        self.end.time_us
    }

    /// Returns the time of this start's last batch, microseconds since 1970; 0 before the first.
    #[must_use]
    pub fn own_time_us(&self) -> u64 {
        self.own_us
    }

    /// Tells this host's clock, microseconds since 1970: batches of others that are staged from now on are judged by it.
    pub fn look_at_clock(&mut self, now_us: u64) {
        self.clock_us = now_us;
    }

    /// Returns the time that a batch sealed now will have: `now_us`, but later than this start's batches and than those of others,
    /// unless these lie beyond what a right clock can differ by. Nothing lies above [`BATCH_TIME_US_MAX`].
    #[inline]
    #[must_use]
    pub fn next_time_us(&self, now_us: u64) -> u64 {
        let others_us = if is_near(self.others_us, now_us) { self.others_us } else { 0 };
        now_us.max(self.own_us.max(others_us) + 1).min(BATCH_TIME_US_MAX)
    }

    /// Returns the segment that the last frame is in.
    #[must_use]
    pub fn segment(&self) -> u32 {
        self.layout.segment_of(self.end.position)
    }

    /// Returns the segment that has to be made ahead: the one behind the current one.
    #[must_use]
    pub fn spare_number(&self) -> u32 {
        self.segment() + 1
    }

    /// Returns bytes of bodies that surely fit, whatever batches (up to 1024) they come in, with or without the spare.
    #[must_use]
    pub fn room(&self, spare_ready: bool) -> u64 {
        let current = self.rest_of_segment();
        let spare = if spare_ready { self.capacity() } else { 0 };
        // Records that don't fit into the rest of this segment all go into the spare, so it is one or the other.
        current.max(spare).saturating_sub(ROOM_BATCHES * (FRAME_HEAD_BYTES as u64 + 8))
    }

    /// Returns the longest body that a commit step of this journal makes: what the format allows, and no more than a quarter of
    /// a segment. Only tests have segments so small that it matters.
    #[must_use]
    pub fn body_bytes_max(&self) -> usize {
        let quarter = usize::try_from(self.layout.segment_bytes / 4).unwrap_or(usize::MAX);
        BATCH_BODY_BYTES_MAX.min(quarter)
    }

    /// Returns what [`Appender::room`] would say behind a batch with a body of `body_len` bytes; nothing if that has no place.
    #[must_use]
    pub fn room_behind(&self, body_len: usize, spare_ready: bool) -> Option<u64> {
        if !self.fits(body_len, spare_ready) {
            return None;
        }
        let (length, rest) = (frame_bytes(body_len), self.rest_of_segment());
        let behind = if length >= rest {
            self.capacity() - length
        } else if spare_ready {
            (rest - length).max(self.capacity())
        } else {
            rest - length
        };
        Some(behind.saturating_sub(ROOM_BATCHES * (FRAME_HEAD_BYTES as u64 + 8)))
    }

    /// Returns whether a batch with a body of `body_len` bytes has a place. A segment is never filled to its last byte, so that
    /// a position at a segment's start always means that nothing of it is written.
    #[must_use]
    pub fn fits(&self, body_len: usize, spare_ready: bool) -> bool {
        let length = frame_bytes(body_len);
        length < self.rest_of_segment() || (spare_ready && length < self.capacity())
    }

    /// Bytes for frames in a segment whose header is written next.
    fn capacity(&self) -> u64 {
        // Ours may not have a batch yet, and one of the peer's may be new in this very step.
        self.layout.segment_bytes.saturating_sub(header_bytes_most(&self.end.streams, 2) as u64)
    }

    fn rest_of_segment(&self) -> u64 {
        match self.layout.offset_of(self.end.position) {
            0 => self.capacity(),
            offset => self.layout.segment_bytes - offset,
        }
    }

    /// Seals a batch of `count` records and appends its frame to `out`, behind the header of a new segment if the
    /// current one is full. `now_us` is the clock, microseconds since 1970; `synced` is how far the disk has got.
    ///
    /// The caller has asked [`Appender::fits`], and makes the next spare when [`Sealed::entered`] tells.
    pub fn stage(
        &mut self,
        body: &[u8],
        count: u32,
        now_us: u64,
        synced: Position,
        out: &mut Staged,
    ) -> Sealed {
        let time_us = self.next_time_us(now_us);
        let header =
            BatchHeader::seal(self.own.origin, self.next_seq(), count, time_us, self.own.chain, body);
        self.push_own(&header, body, synced, out)
    }

    /// Does the same with records of which one takes all that is folded, says ends, or is a fold as [`Appender::fill`] has made it.
    pub fn stage_touching_folds(
        &mut self,
        body: &[u8],
        count: u32,
        now_us: u64,
        synced: Position,
        out: &mut Staged,
    ) -> Sealed {
        let (time_us, seq) = (self.next_time_us(now_us), self.next_seq());
        let header =
            BatchHeader::seal_touching_folds(self.own.origin, seq, count, time_us, self.own.chain, body);
        let sealed = self.push_own(&header, body, synced, out);
        for fold in Fold::all_of(&header, body) {
            self.end.streams.fold(&fold).expect("it says what the streams say");
        }
        sealed
    }

    /// Returns the fold of those of these earlier starts of this node that have a stream and are not folded.
    #[must_use]
    pub fn fill(&self, hosts: Vec<NodeId>, starts: &[Inc]) -> Fold {
        let by = self.own.origin;
        let end = |&inc: &Inc| {
            let stream = self.end.streams.of(self.cluster, Origin { node: by.node, inc });
            (stream.seq > 0 && inc != by.inc).then_some(StreamEnd {
                inc,
                seq: stream.seq,
                chain: stream.chain,
            })
        };
        Fold { by, hosts, starts: starts.iter().filter_map(end).collect() }
    }

    #[inline]
    fn push_own(&mut self, header: &BatchHeader, body: &[u8], synced: Position, out: &mut Staged) -> Sealed {
        let sealed = self.push(header, body, synced, out);
        self.own = Stream { origin: header.origin, seq: header.last_seq(), chain: header.chain };
        self.own_us = header.time_us;
        self.end.streams.set(self.own);
        sealed
    }

    /// Appends a batch that another start of a process has sealed, on this host or on its peer: the same bytes, in a
    /// frame of this journal. `body` is what the header's checksum says, which the caller has verified.
    ///
    /// The caller has asked [`Appender::fits`], as for [`Appender::stage`].
    ///
    /// # Errors
    /// Fails if the batch doesn't continue its stream, folds one that ends elsewhere here, names this process as its origin, or would take the last place for an
    /// origin, which is kept for the next start of this host. Nothing has changed then.
    pub fn stage_verbatim(
        &mut self,
        header: &BatchHeader,
        body: &[u8],
        synced: Position,
        out: &mut Staged,
    ) -> Result<Sealed, StreamFault> {
        assert_eq!(body.len(), header.body_len as usize, "a header says how long its body is");
        debug_assert_eq!(crc32c::crc32c(body), header.body_crc, "the body was verified when it arrived");
        if header.origin == self.own.origin {
            return Err(StreamFault::Own { origin: header.origin, seq: header.first_seq });
        }
        let stream = self.end.streams.behind(self.cluster, header)?;
        if header.first_seq == 1 && self.origins() + 2 > ORIGINS_MAX {
            return Err(StreamFault::TooMany);
        }
        let folds = Fold::all_of(header, body);
        folds.iter().try_for_each(|fold| self.end.streams.check_fold(fold))?;
        let sealed = self.push(header, body, synced, out);
        self.end.streams.set(stream);
        folds.iter().try_for_each(|fold| self.end.streams.fold(fold))?;
        if is_near(header.time_us, self.clock_us) {
            let before_us = if is_near(self.others_us, self.clock_us) { self.others_us } else { 0 };
            self.others_us = before_us.max(header.time_us);
        }
        Ok(sealed)
    }

    /// Returns whether no batch was ever staged, by this start of the process or by an earlier one.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.end.streams.is_empty() && self.layout.offset_of(self.end.position) == 0
    }

    /// Begins a journal behind streams that another host has: enters the spare, whose header says where they stand, and
    /// gives its number. Its first segment stays blank, so that nobody can take this journal for one that is whole.
    ///
    /// # Panics
    /// Panics if the journal is not blank.
    pub fn adopt(&mut self, starts: Streams, time_us: u64, out: &mut Staged) -> u32 {
        assert!(
            self.is_blank() || cfg!(seeded_bug = "snapshot_replaces"),
            "only a host that has nothing takes what another one has"
        );
        // As if the segment before it held its header and nothing else.
        self.end.previous_end = Position(self.end.position.0 + BLOCK_BYTES as u64);
        self.end.position = self.layout.start_of(self.segment() + 1);
        (self.end.time_us, self.others_us) = (time_us, time_us);
        self.end.streams = starts;
        self.begin_segment(0, Position(0), out)
    }

    /// Origins there are, with this process's own whether it has made a batch or not.
    fn origins(&self) -> usize {
        self.end.streams.len() + usize::from(self.own.seq == 0)
    }

    /// Appends a sealed batch's frame; the streams stand where they did before it.
    #[inline]
    fn push(&mut self, header: &BatchHeader, body: &[u8], synced: Position, out: &mut Staged) -> Sealed {
        assert!(!body.is_empty() && body.len() <= BATCH_BODY_BYTES_MAX, "a body has bounds");
        assert!(synced <= self.end.position, "nothing is synced before it is staged");
        let length = frame_bytes(body.len());
        let entered = self.enter_segment(length, synced, out);
        let start = self.end.position;
        let slot = Slot { segment: self.segment(), position: start, synced };
        out.extend_at(start, |bytes| push_frame(bytes, &frame_head(slot, self.key, header), body, length));
        self.end.time_us = self.end.time_us.max(header.time_us);
        self.end.position = Position(start.0 + length);
        Sealed { header: *header, start, end: self.end.position, entered }
    }

    /// Appends a segment's header if this frame begins a segment, and gives that segment's number.
    #[inline]
    fn enter_segment(&mut self, length: u64, synced: Position, out: &mut Staged) -> Option<u32> {
        let offset = self.layout.offset_of(self.end.position);
        if offset > 0 && length < self.layout.segment_bytes - offset {
            return None;
        }
        Some(self.begin_segment(length, synced, out))
    }

    #[cold]
    fn begin_segment(&mut self, length: u64, synced: Position, out: &mut Staged) -> u32 {
        if self.layout.offset_of(self.end.position) > 0 {
            self.end.previous_end = self.end.position;
            self.end.position = self.layout.start_of(self.segment() + 1);
        }
        let number = self.segment();
        let header = SegmentHeader {
            number,
            cluster: self.cluster,
            node: self.own.origin.node,
            segment_bytes: self.layout.segment_bytes,
            previous_end: self.end.previous_end,
            synced,
            time_us: self.end.time_us,
            streams: self.end.streams.clone(),
        };
        let start = self.end.position;
        self.end.position = Position(start.0 + header.length() as u64);
        assert!(
            self.layout.segment_of(self.end.position) == number
                && length < self.layout.segment_bytes - self.layout.offset_of(self.end.position),
            "the caller asked whether the batch fits"
        );
        out.enter(start, header);
        number
    }
}

/// Returns whether a time may be that of a clock that is as right as this host's, which says `clock_us`.
fn is_near(time_us: u64, clock_us: u64) -> bool {
    time_us <= clock_us.saturating_add(CLOCK_AHEAD_US_MAX)
}

/// Returns the slot and the header as they stand in front of a body.
#[inline]
fn frame_head(slot: Slot, key: SlotKey, header: &BatchHeader) -> [u8; FRAME_HEAD_BYTES] {
    let mut head = [0; FRAME_HEAD_BYTES];
    head[..SLOT_BYTES].copy_from_slice(&slot.encode(key));
    head[SLOT_BYTES..].copy_from_slice(&header.encode());
    head
}

#[inline]
fn push_frame(out: &mut Vec<u8>, head: &[u8; FRAME_HEAD_BYTES], body: &[u8], length: u64) {
    let end = out.len() + usize::try_from(length).expect("a frame fits into memory");
    out.reserve(end - out.len());
    out.extend_from_slice(head);
    out.extend_from_slice(body);
    out.resize(end, 0);
}
