//! Messages: what stands in the payloads of frames. All numbers are little endian.
//!
//! ```text
//! HELLO   0 u16 least version  2 u16 greatest version  4 u32 flags  8 u128 cluster  24 u64 node  32 u64 inc
//!        40 u64 nonce  48 u64 wall clock, us  56 u64 lineage  64 kinds (32 bytes); what a later version adds stands behind
//! STATE   0 u32 count  4 u32 zero  8 per stream: u64 node, inc, received, durable, first, chain
//!         with flag FOLDS:   the folded streams (base/folds.rs); the first frame of a STATE, if there are any
//! ACK     0 u32 count  4 u32 zero  8 per stream: u64 node, inc, received, durable
//! RESYNC  0 u64 node  8 u64 inc  16 u64 seq
//! SNAP    with flag STREAMS: 0 u32 count  4 u32 zero  8 per stream: u64 node, inc, seq, chain
//!                            with flag FOLDS too, behind them the folded streams
//! PING    0 u64 time       PONG  0 u64 that time  8 u64 received  16 u64 durable
//! BYE, ERROR  0 u16 code  2 u16 zero  4 text
//! ```
//!
//! A BATCH carries a batch's header and body as they stand in the journal ([`crate::base::batch`]). What carries a piece of a blob
//! or of a snapshot is in [`super::pieces`].

use super::fault::Violation;
use super::frame::Kind;
use crate::base::folds::Folds;
use crate::base::ids::{ClusterId, Inc, NodeId, Origin, Seq};
use crate::base::kinds::{KINDS_BYTES, Kinds};
use crate::base::limits::ORIGINS_MAX;
use crate::base::numbers::{u16_at, u32_at, u64_at};
use crate::base::streams::{STREAM_BYTES, Streams};

/// The version of the protocol that is spoken here.
pub const PEER_VERSION: u16 = 1;
/// Length of a HELLO in bytes.
pub const HELLO_BYTES: usize = HELLO_BYTES_LEAST + KINDS_BYTES;
/// Length of the first program's, which says nothing of kinds.
const HELLO_BYTES_LEAST: usize = 64;
/// In a HELLO: the speaker's directory is empty, and it takes a snapshot.
const HELLO_EMPTY: u32 = 1;
/// In a HELLO: the speaker's directory is joining, and does not have everything of its first host yet.
const HELLO_JOINING: u32 = 2;
/// In a STATE: the next frame continues it.
pub const FLAG_MORE: u8 = 1;
/// In a SNAP: it carries streams.
pub const FLAG_STREAMS: u8 = 2;
/// In a STATE or a SNAP: it carries folded streams.
pub const FLAG_FOLDS: u8 = 4;
/// Bytes per stream in a STATE.
pub const HELD_BYTES: usize = 48;
/// Bytes per stream in an ACK.
const RECEIPT_BYTES: usize = 32;
/// Bytes before the entries of a list.
const LIST_HEAD_BYTES: usize = 8;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The least version of the protocol it speaks.
    pub version_min: u16,
    /// The greatest.
    pub version_max: u16,
    /// The cluster it belongs to.
    pub cluster: ClusterId,
    /// Its data directory.
    pub node: NodeId,
    /// This start of its process.
    pub inc: Inc,
    /// Random; names the connection in both hosts' logs.
    pub nonce: u64,
    /// Its wall clock, microseconds since 1970; for people.
    pub clock_us: u64,
    /// The line of descent that its records are of; 0 until a restore draws another one.
    pub lineage: u64,
    /// Its directory is empty, and it takes a snapshot.
    pub is_empty: bool,
    /// Its directory is joining.
    pub is_joining: bool,
    /// Which kinds of records it understands.
    pub kinds: Kinds,
}

/// What a host has of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The stream.
    pub origin: Origin,
    /// The last record that is committed there; 0 for none.
    pub received: Seq,
    /// The last record that is on its disk, at most `received`.
    pub durable: Seq,
    /// The first record that it can still send, `received` + 1 if none.
    pub first: Seq,
    /// The chain at `received`.
    pub chain: u64,
}

/// How far a stream was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The stream.
    pub origin: Origin,
    /// The last record that is committed there; 0 for none.
    pub received: Seq,
    /// The last record that is on its disk, at most `received`.
    pub durable: Seq,
}

impl Receipt {
    /// Makes the receipt of a stream of which nothing was received.
    #[must_use]
    pub fn none(origin: Origin) -> Self {
        Self { origin, received: 0, durable: 0 }
    }
}

fn origin(bytes: &[u8]) -> Origin {
    Origin { node: NodeId(u64_at(bytes, 0)), inc: Inc(u64_at(bytes, 8)) }
}

pub(super) fn invalid(kind: Kind, what: &'static str) -> Violation {
    Violation::Payload { kind, what }
}

/// Returns the payload, if it has this length.
pub(super) fn exactly(kind: Kind, payload: &[u8], length: usize) -> Result<&[u8], Violation> {
    if payload.len() == length { Ok(payload) } else { Err(invalid(kind, "its length is wrong")) }
}

impl Hello {
    /// Returns its payload.
    #[must_use]
    pub fn encode(&self) -> [u8; HELLO_BYTES] {
        let mut bytes = [0; HELLO_BYTES];
        bytes[..2].copy_from_slice(&self.version_min.to_le_bytes());
        bytes[2..4].copy_from_slice(&self.version_max.to_le_bytes());
        let empty = if self.is_empty { HELLO_EMPTY } else { 0 };
        let joining = if self.is_joining { HELLO_JOINING } else { 0 };
        bytes[4..8].copy_from_slice(&(empty | joining).to_le_bytes());
        bytes[8..24].copy_from_slice(&self.cluster.0);
        let Self { node, inc, nonce, clock_us, lineage, .. } = self;
        for (at, value) in [(24, node.0), (32, inc.0), (40, *nonce), (48, *clock_us), (56, *lineage)] {
            bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes[HELLO_BYTES_LEAST..].copy_from_slice(self.kinds.bytes());
        bytes
    }

    /// Reads a payload. Flags, and what stands behind the known fields, are a later version's: passed over.
    ///
    /// # Errors
    /// Fails if the payload is too short, or the range of versions is empty.
    pub fn decode(payload: &[u8]) -> Result<Self, Violation> {
        let Some((bytes, rest)) = payload.split_at_checked(HELLO_BYTES_LEAST) else {
            return Err(invalid(Kind::Hello, "it is too short"));
        };
        let kinds = match rest.first_chunk() {
            Some(kinds) => Kinds::read(kinds),
            None if rest.is_empty() => Kinds::FIRST,
            None => return Err(invalid(Kind::Hello, "it ends within its kinds")),
        };
        let (version_min, version_max) = (u16_at(bytes, 0), u16_at(bytes, 2));
        if version_min == 0 || version_min > version_max {
            return Err(invalid(Kind::Hello, "its range of versions is empty"));
        }
        Ok(Self {
            version_min,
            version_max,
            cluster: ClusterId(bytes[8..24].try_into().expect("sixteen bytes")),
            node: NodeId(u64_at(bytes, 24)),
            inc: Inc(u64_at(bytes, 32)),
            nonce: u64_at(bytes, 40),
            clock_us: u64_at(bytes, 48),
            lineage: u64_at(bytes, 56),
            is_empty: u32_at(bytes, 4) & HELLO_EMPTY != 0,
            is_joining: u32_at(bytes, 4) & HELLO_JOINING != 0,
            kinds,
        })
    }
}

/// Returns the entries of a list, in rising order of their streams.
fn entries(
    kind: Kind,
    payload: &[u8],
    entry_bytes: usize,
) -> Result<std::slice::ChunksExact<'_, u8>, Violation> {
    let Some((head, rest)) = payload.split_at_checked(LIST_HEAD_BYTES) else {
        return Err(invalid(kind, "it is too short"));
    };
    let count = u32_at(head, 0) as usize;
    if u32_at(head, 4) != 0 || count > ORIGINS_MAX || rest.len() != count * entry_bytes {
        return Err(invalid(kind, "its length and its count differ"));
    }
    let entries = rest.chunks_exact(entry_bytes);
    if !entries.clone().map(origin).is_sorted_by(|a, b| a < b) {
        return Err(invalid(kind, "its streams are out of order"));
    }
    Ok(entries)
}

fn list_head(count: usize) -> [u8; LIST_HEAD_BYTES] {
    let mut head = [0; LIST_HEAD_BYTES];
    head[..4].copy_from_slice(&u32::try_from(count).expect("bounded").to_le_bytes());
    head
}

/// Returns the payload of a STATE, or of a part of one.
#[must_use]
pub fn encode_state(held: &[Holding]) -> Vec<u8> {
    let mut out = list_head(held.len()).to_vec();
    for entry in held {
        let Holding { origin, received, durable, first, chain } = *entry;
        for value in [origin.node.0, origin.inc.0, received, durable, first, chain] {
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
    out
}

/// Reads the payload of a STATE.
///
/// # Errors
/// Fails if the payload is not a valid STATE.
pub fn decode_state(payload: &[u8]) -> Result<Vec<Holding>, Violation> {
    let read = |entry: &[u8]| {
        let held = Holding {
            origin: origin(entry),
            received: u64_at(entry, 16),
            durable: u64_at(entry, 24),
            first: u64_at(entry, 32),
            chain: u64_at(entry, 40),
        };
        let is_possible = (1..u64::MAX).contains(&held.received)
            && held.durable <= held.received
            && (1..=held.received + 1).contains(&held.first);
        if is_possible { Ok(held) } else { Err(invalid(Kind::State, "its numbers are impossible")) }
    };
    entries(Kind::State, payload, HELD_BYTES)?.map(read).collect()
}

/// Returns the payload of an ACK.
#[must_use]
pub fn encode_ack(receipts: &[Receipt]) -> Vec<u8> {
    let mut out = list_head(receipts.len()).to_vec();
    for Receipt { origin, received, durable } in receipts {
        for value in [origin.node.0, origin.inc.0, *received, *durable] {
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
    out
}

/// Reads the payload of an ACK.
///
/// # Errors
/// Fails if the payload is not a valid ACK.
pub fn decode_ack(payload: &[u8]) -> Result<Vec<Receipt>, Violation> {
    let read = |entry: &[u8]| {
        let (received, durable) = (u64_at(entry, 16), u64_at(entry, 24));
        if durable > received || received == u64::MAX {
            return Err(invalid(Kind::Ack, "its numbers are impossible"));
        }
        Ok(Receipt { origin: origin(entry), received, durable })
    };
    entries(Kind::Ack, payload, RECEIPT_BYTES)?.map(read).collect()
}

/// Returns the payload of a RESYNC.
#[must_use]
pub fn encode_resync(origin: Origin, seq: Seq) -> [u8; 24] {
    let mut out = [0; 24];
    for (at, value) in [(0, origin.node.0), (8, origin.inc.0), (16, seq)] {
        out[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    out
}

/// Reads the payload of a RESYNC.
///
/// # Errors
/// Fails if the payload is not a valid RESYNC.
pub fn decode_resync(payload: &[u8]) -> Result<(Origin, Seq), Violation> {
    let payload = exactly(Kind::Resync, payload, 24)?;
    match u64_at(payload, 16) {
        0 => Err(invalid(Kind::Resync, "records are numbered from 1")),
        seq => Ok((origin(payload), seq)),
    }
}

/// Returns the payload of a SNAP with streams; its rest is left to the encoding of [`Streams`].
#[must_use]
pub fn encode_starts(streams: &Streams) -> Vec<u8> {
    let mut out = list_head(streams.len()).to_vec();
    streams.encode(&mut out);
    streams.folds().encode(&mut out);
    out
}

/// Reads the payload of a SNAP with streams, and with folded ones if its flags say so.
///
/// # Errors
/// Fails if the payload is not a valid SNAP.
pub fn decode_starts(flags: u8, payload: &[u8]) -> Result<Streams, Violation> {
    let count = payload.first_chunk().map_or(0, |count| u32::from_le_bytes(*count)) as usize;
    let has_folds = flags & FLAG_FOLDS != 0;
    let named =
        if has_folds { LIST_HEAD_BYTES + count.min(ORIGINS_MAX) * STREAM_BYTES } else { payload.len() };
    let (named, folds) = payload
        .split_at_checked(named)
        .ok_or_else(|| invalid(Kind::Snap, "its length and its count differ"))?;
    let entries = entries(Kind::Snap, named, STREAM_BYTES)?;
    let streams = Streams::decode(&named[LIST_HEAD_BYTES..][..entries.len() * STREAM_BYTES])
        .ok_or_else(|| invalid(Kind::Snap, "its numbers are impossible"))?;
    Ok(if has_folds { streams.with_folds(decode_folds(Kind::Snap, folds)?) } else { streams })
}

/// Returns the payload of the frame of a STATE that carries folded streams, of which there are some.
#[must_use]
pub fn encode_folds(folds: &Folds) -> Vec<u8> {
    let mut out = Vec::with_capacity(folds.encoded_bytes());
    folds.encode(&mut out);
    out
}

/// Reads folded streams that take all of `bytes`.
///
/// # Errors
/// Fails if they are of another form.
pub fn decode_folds(kind: Kind, bytes: &[u8]) -> Result<Folds, Violation> {
    let read = Folds::decode(bytes).filter(|(_, length)| *length == bytes.len());
    read.map(|(folds, _)| folds).ok_or_else(|| invalid(kind, "its folded streams are of another form"))
}

/// Reads the payload of a PING.
///
/// # Errors
/// Fails if the payload is not a valid PING.
pub fn decode_ping(payload: &[u8]) -> Result<u64, Violation> {
    Ok(u64_at(exactly(Kind::Ping, payload, 8)?, 0))
}

/// Returns the payload of a PONG: the time of the PING, and what the speaker has of the stream that its peer makes now.
#[must_use]
pub fn encode_pong(time: u64, received: Seq, durable: Seq) -> [u8; 24] {
    let mut out = [0; 24];
    for (at, value) in [(0, time), (8, received), (16, durable)] {
        out[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    out
}

/// Reads the payload of a PONG; `own` is the stream that this process makes.
///
/// # Errors
/// Fails if the payload is not a valid PONG.
pub fn decode_pong(payload: &[u8], own: Origin) -> Result<(u64, Receipt), Violation> {
    let payload = exactly(Kind::Pong, payload, 24)?;
    let receipt = Receipt { origin: own, received: u64_at(payload, 8), durable: u64_at(payload, 16) };
    if receipt.durable > receipt.received {
        return Err(invalid(Kind::Pong, "its numbers are impossible"));
    }
    Ok((u64_at(payload, 0), receipt))
}

/// Reads the payload of a BYE or ERROR: its code and its text, made printable.
///
/// # Errors
/// Fails if the payload is too short for a code.
pub fn decode_parting(kind: Kind, payload: &[u8]) -> Result<(u16, String), Violation> {
    match payload.split_at_checked(4) {
        Some((head, text)) => Ok((u16_at(head, 0), super::fault::printable(text))),
        None => Err(invalid(kind, "it is too short")),
    }
}
