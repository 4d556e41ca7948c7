//! Frames: the units of the connection to the peer.
//!
//! ```text
//!  0 u32 length of the payload   4 u8 kind   5 u8 flags   6 u16 zero   8 u32 crc32c of 0..8   12 u32 crc32c of the payload
//! 16 payload
//! ```
//!
//! The head has a checksum of its own, which is looked at before the length is believed. Nobody ever looks for the
//! next frame behind a broken one: the connection ends.

use crate::base::limits::PEER_PAYLOAD_BYTES_MAX;
use crate::base::numbers::u32_at;

/// Length of a head in bytes.
pub const HEAD_BYTES: usize = 16;
/// Memory that an empty buffer keeps, bytes.
const KEPT_BYTES: usize = 256 * 1024;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// Who speaks.
    Hello = 1,
    /// What the speaker has of each stream.
    State = 2,
    /// A batch, as it stands in the journal.
    Batch = 3,
    /// What the speaker has of the streams it was sent.
    Ack = 4,
    /// Where a stream is to be continued.
    Resync = 5,
    /// A piece of a blob.
    Blob = 6,
    /// The name of a blob that is missing.
    Want = 7,
    /// A piece of a snapshot.
    Snap = 8,
    /// Is anybody there?
    Ping = 9,
    /// Yes.
    Pong = 10,
    /// The speaker leaves, and nothing is wrong.
    Bye = 11,
    /// The speaker leaves, and this is why.
    Error = 12,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Hello,
        Self::State,
        Self::Batch,
        Self::Ack,
        Self::Resync,
        Self::Blob,
        Self::Want,
        Self::Snap,
        Self::Ping,
        Self::Pong,
        Self::Bye,
        Self::Error,
    ];

    /// Returns its word in the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 12] = [
            "HELLO", "STATE", "BATCH", "ACK", "RESYNC", "BLOB", "WANT", "SNAP", "PING", "PONG", "BYE",
            "ERROR",
        ];
        NAMES[self as usize - 1]
    }

    fn of(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte).checked_sub(1)?).copied()
    }
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The head isn't the one that was sent.
    #[error("a frame head's checksum does not match")]
    Head,
    /// The two bytes that have to be zero are not.
    #[error("a frame's head has bits set that must be zero")]
    Reserved,
    /// No such kind.
    #[error("frame kind {0} is unknown")]
    Kind(u8),
    /// A longer payload than may come now.
    #[error("a frame of {length} bytes, longer than the {max} allowed")]
    Length {
        /// What the head says.
        length: u32,
        /// What is allowed.
        max: usize,
    },
    /// The payload isn't the one that was sent.
    #[error("a frame payload's checksum does not match")]
    Payload,
}

/// A frame whose checksums agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What it is.
    pub kind: Kind,
    /// Their meaning depends on the kind; unknown ones are an error.
    pub flags: u8,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Appends a frame whose payload is `parts`, one after the other; at most [`PEER_PAYLOAD_BYTES_MAX`] bytes.
pub fn push(out: &mut Vec<u8>, kind: Kind, flags: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    assert!(length <= PEER_PAYLOAD_BYTES_MAX, "a {} of {length} bytes", kind.name());
    let mut head = [0; HEAD_BYTES];
    head[..4].copy_from_slice(&u32::try_from(length).expect("bounded above").to_le_bytes());
    head[4] = kind as u8;
    head[5] = flags;
    let crc = crc32c::crc32c(&head[..8]);
    head[8..12].copy_from_slice(&crc.to_le_bytes());
    let crc = parts.iter().fold(0, |crc, part| crc32c::crc32c_append(crc, part));
    head[12..].copy_from_slice(&crc.to_le_bytes());
    out.reserve(HEAD_BYTES + length);
    out.extend_from_slice(&head);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Bytes as they come in, cut into frames. Holds at most what was given since the last frame was taken.
#[derive(Default)]
pub struct Inflow {
    bytes: Vec<u8>,
    start: usize,
}

impl Inflow {
    /// Takes what the connection gave.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT_BYTES.max(bytes.len()));
        } else {
            self.bytes.drain(..self.start);
        }
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the number of bytes that were given and not taken as frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Returns whether all bytes were taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the next frame; nothing if it isn't there as a whole. Its payload has at most `payload_max` bytes.
    ///
    /// # Errors
    /// Fails on anything that is not a frame; the connection can not be used any more, and each later call fails alike.
    pub fn frame(&mut self, payload_max: usize) -> Result<Option<Frame<'_>>, FrameError> {
        let rest = &self.bytes[self.start..];
        let Some((head, rest)) = rest.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        if crc32c::crc32c(&head[..8]) != u32_at(head, 8) {
            return Err(FrameError::Head);
        }
        if head[6..8] != [0, 0] {
            return Err(FrameError::Reserved);
        }
        let kind = Kind::of(head[4]).ok_or(FrameError::Kind(head[4]))?;
        let length = u32_at(head, 0) as usize;
        if length > payload_max {
            return Err(FrameError::Length { length: u32_at(head, 0), max: payload_max });
        }
        let Some(payload) = rest.get(..length) else { return Ok(None) };
        if crc32c::crc32c(payload) != u32_at(head, 12) {
            return Err(FrameError::Payload);
        }
        self.start += HEAD_BYTES + length;
        Ok(Some(Frame { kind, flags: head[5], payload }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_whatever_the_pieces() {
        let mut bytes = Vec::new();
        push(&mut bytes, Kind::Ping, 0, &[b"12345678"]);
        push(&mut bytes, Kind::Bye, 3, &[]);
        push(&mut bytes, Kind::Batch, 255, &[&[7; 3], &[8; 70_000]]);
        for piece in [1, 2, 15, 16, 17, 24, 40, 41, 1000, bytes.len()] {
            let mut inflow = Inflow::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(piece) {
                inflow.extend(piece);
                while let Some(frame) = inflow.frame(PEER_PAYLOAD_BYTES_MAX).unwrap() {
                    seen.push((frame.kind, frame.flags, frame.payload.len(), frame.payload.last().copied()));
                }
            }
            let batch = (Kind::Batch, 255, 70_003, Some(8));
            assert_eq!(seen, [(Kind::Ping, 0, 8, Some(b'8')), (Kind::Bye, 3, 0, None), batch]);
            assert!(inflow.is_empty());
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_document() {
        let mut bytes = Vec::new();
        push(&mut bytes, Kind::Ping, 0, &[&7_u64.to_le_bytes()]);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "08000000090000000e7f12e58eb771760700000000000000");
    }

    #[test]
    fn every_flipped_bit_is_noticed_or_waits_for_bytes_that_never_come() {
        let mut bytes = Vec::new();
        push(&mut bytes, Kind::Want, 0, &[&[0xA5; 32]]);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let mut inflow = Inflow::default();
            inflow.extend(&flipped);
            assert!(inflow.frame(PEER_PAYLOAD_BYTES_MAX).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_head_is_refused_before_its_payload_came() {
        let head = |length: u32, kind: u8, reserved: u8| {
            let mut bytes = length.to_le_bytes().to_vec();
            bytes.extend_from_slice(&[kind, 0, reserved, 0]);
            let crc = crc32c::crc32c(&bytes);
            bytes.extend_from_slice(&crc.to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
            let mut inflow = Inflow::default();
            inflow.extend(&bytes);
            inflow.frame(1024).map(|frame| frame.map(|frame| frame.kind))
        };
        assert_eq!(head(1025, 1, 0), Err(FrameError::Length { length: 1025, max: 1024 }));
        assert_eq!(head(1024, 1, 0), Ok(None));
        assert_eq!(head(0, 1, 0), Ok(Some(Kind::Hello)));
        assert_eq!(head(0, 12, 0), Ok(Some(Kind::Error)));
        for kind in [0, 13, 255] {
            assert_eq!(head(0, kind, 0), Err(FrameError::Kind(kind)));
        }
        assert_eq!(head(0, 1, 1), Err(FrameError::Reserved));
    }
}
