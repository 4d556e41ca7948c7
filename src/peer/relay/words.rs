//! What hosts of a log tell each other beside it: beats, questions and answers. All numbers are little endian.
//!
//! ```text
//! beat      0 u8 version (2)  1 u8 1: whole  2 two zeros  4 u32 streams  8 u64 node  16 u64 inc  24 u64 lineage
//!           32 if whole, what the host has of each stream (base/streams.rs), then what is durable there
//!           (base/vector.rs); folded streams are not named
//! question  0 u8 1: RECORDS   1 u64 node  9 u64 inc  17 u64 seq
//!           0 u8 2: PICTURE   1 sha256   33 u64 offset
//! answer    0 u8 0: I don't have it
//!           0 u8 1: records   1 batches, back to back, from that record on
//!           0 u8 2: a piece   1 u64 length of the picture  9 u64 offset  17 bytes
//! ```

use crate::base::blob::BlobId;
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::numbers::{u32_at, u64_at};
use crate::base::streams::{STREAM_BYTES, Streams};
use crate::base::vector::VersionVector;

/// The version of the beats that are spoken here.
const BEAT_VERSION: u8 = 2;
/// Bytes of a beat before its streams.
const BEAT_HEAD_BYTES: usize = 32;

/// By which a host tells that it is there, and now and then what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// The host's directory, and this start of its process.
    pub origin: Origin,
    /// The line of descent that its records are of.
    pub lineage: u64,
    /// What it has; nothing in most beats.
    pub has: Option<Has>,
}

/// What a host has of each stream that is not folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Has {
    /// In its journal, be it on its disk or not.
    pub received: Streams,
    /// On its disk, at least; a host that is joining calls nothing so.
    pub durable: VersionVector,
}

/// What one host asks another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Batches of a stream, from the one that begins with this record on.
    Records {
        /// The stream.
        origin: Origin,
        /// The first record.
        seq: Seq,
    },
    /// A piece of a picture.
    Picture {
        /// Its name.
        id: BlobId,
        /// Where the piece begins.
        offset: u64,
    },
}

/// What the other one answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does not have that.
    Nothing,
    /// Batches, back to back.
    Records(Vec<u8>),
    /// A piece of a picture.
    Piece {
        /// The picture's length in bytes.
        total: u64,
        /// Where the piece begins.
        offset: u64,
        /// The piece.
        bytes: Vec<u8>,
    },
}

impl Beat {
    /// Returns its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![BEAT_VERSION, u8::from(self.has.is_some()), 0, 0];
        let streams = self.has.as_ref().map_or(0, |has| has.received.len());
        bytes.extend_from_slice(&u32::try_from(streams).expect("bounded").to_le_bytes());
        for word in [self.origin.node.0, self.origin.inc.0, self.lineage] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        if let Some(Has { received, durable }) = &self.has {
            received.encode(&mut bytes);
            durable.encode(&mut bytes);
        }
        bytes
    }

    /// Reads a beat; nothing if it is of another form.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(BEAT_HEAD_BYTES)?;
        let origin = Origin { node: NodeId(u64_at(head, 8)), inc: Inc(u64_at(head, 16)) };
        let has = match (head[0], head[1]) {
            (BEAT_VERSION, 0) if rest.is_empty() => None,
            (BEAT_VERSION, 1) => Some(Has::decode(rest, u32_at(head, 4))?),
            _ => return None,
        };
        Some(Self { origin, lineage: u64_at(head, 24), has })
    }
}

impl Has {
    fn decode(bytes: &[u8], streams: u32) -> Option<Self> {
        let (received, durable) = bytes.split_at_checked((streams as usize).checked_mul(STREAM_BYTES)?)?;
        let (vector, length) = VersionVector::decode(durable)?;
        let received = Streams::decode(received).filter(|_| length == durable.len())?;
        Some(Self { received, durable: vector })
    }
}

impl Question {
    /// Returns its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Records { origin, seq } => {
                let words = [origin.node.0, origin.inc.0, *seq].map(u64::to_le_bytes);
                [&[1][..], &words.concat()].concat()
            }
            Self::Picture { id, offset } => [&[2][..], &id.0, &offset.to_le_bytes()].concat(),
        }
    }

    /// Reads a question; nothing if it is of another form.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match (bytes.first()?, bytes.len()) {
            (1, 25) => {
                let origin = Origin { node: NodeId(u64_at(bytes, 1)), inc: Inc(u64_at(bytes, 9)) };
                Some(Self::Records { origin, seq: u64_at(bytes, 17) })
            }
            (2, 41) => Some(Self::Picture { id: BlobId::read(&bytes[1..])?, offset: u64_at(bytes, 33) }),
            _ => None,
        }
    }
}

impl Answer {
    /// Returns its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Nothing => vec![0],
            Self::Records(batches) => [&[1][..], batches].concat(),
            Self::Piece { total, offset, bytes } => {
                [&[2][..], &total.to_le_bytes(), &offset.to_le_bytes(), bytes].concat()
            }
        }
    }

    /// Reads an answer; nothing if it is of another form.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match (bytes.split_first()?, bytes.len()) {
            ((0, _), 1) => Some(Self::Nothing),
            ((1, batches), _) => Some(Self::Records(batches.to_vec())),
            ((2, _), 18..) => {
                let (total, offset) = (u64_at(bytes, 1), u64_at(bytes, 9));
                Some(Self::Piece { total, offset, bytes: bytes[17..].to_vec() })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::streams::Stream;

    #[test]
    fn words_come_out_as_they_went_in_and_nothing_shorter_does() {
        let origin = Origin { node: NodeId(3), inc: Inc(4) };
        let mut has = Has::default();
        has.received.set(Stream { origin, seq: 5, chain: 6 });
        has.durable.raise(origin, 4);
        for has in [None, Some(Has::default()), Some(has)] {
            let beat = Beat { origin, lineage: 9, has };
            let bytes = beat.encode();
            assert_eq!(Beat::decode(&bytes), Some(beat));
            assert!(
                (0..bytes.len()).filter(|length| *length != 32).all(|l| Beat::decode(&bytes[..l]).is_none())
            );
        }
        let picture = Question::Picture { id: BlobId([7; 32]), offset: 8 };
        for question in [Question::Records { origin, seq: 9 }, picture] {
            let bytes = question.encode();
            assert_eq!(Question::decode(&bytes), Some(question));
            assert!((0..bytes.len()).all(|length| Question::decode(&bytes[..length]).is_none()));
        }
        let piece = Answer::Piece { total: 5, offset: 1, bytes: vec![1, 2] };
        for answer in [Answer::Nothing, Answer::Records(vec![1, 2, 3]), piece] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(
            (Answer::decode(&[]), Answer::decode(&[0, 0]), Answer::decode(&[2; 17])),
            (None, None, None)
        );
    }
}
