//! What hosts of a log tell each other beside it: beats, questions and answers. All numbers are little endian.
//!
//! ```text
//! beat      0 u8 version (2)  1 u8 1: whole  2 two zeros  4 u32 streams  8 u64 node  16 u64 inc  24 u64 lineage
//!           32 if whole, what the host has of each stream (base/streams.rs), then what is durable there
//!           (base/vector.rs); folded streams are not named
//! question  0 u8 1: RECORDS   1 u64 node  9 u64 inc  17 u64 seq
//!           0 u8 2: PICTURE   1 sha256   33 u64 offset
//!           0 u8 3: BEGINNING
//!           0 u8 4: CONTENTS  1 sha256 behind which to begin; zeros: with the first one
//!           0 u8 5: SNAPSHOT  1 u64 key  9 u64 offset
//!           0 u8 6: STANDING  1 u64 node  9 u64 inc  17 u64 seq
//! answer    0 u8 0: I don't have it
//!           0 u8 1: records   1 batches, back to back, from that record on
//!           0 u8 2: a piece   1 u64 length of the whole  9 u64 offset  17 bytes
//!           0 u8 3: I keep everything from the first records on
//!           0 u8 4: a beginning  1 u8 1: with folded streams  2 u64 key of the snapshot  10 u64 its length
//!                   18 where each stream starts, as in a SNAP (peer/message.rs)
//!           0 u8 5: contents  1 their names, rising; none behind the last one
//!           0 u8 6: where each stream stood (base/vector.rs); folded streams are not named
//! ```

use crate::base::blob::BlobId;
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::numbers::{u32_at, u64_at};
use crate::base::streams::{STREAM_BYTES, Streams};
use crate::base::vector::VersionVector;
use crate::peer::message::{FLAG_FOLDS, decode_starts, encode_starts};

/// The version of the beats that are spoken here.
const BEAT_VERSION: u8 = 2;
/// Stands where no content is named: no content has this hash.
const NOTHING: [u8; 32] = [0; 32];
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
    /// Where the other one's journal begins, and which snapshot goes with that: the asker has nothing.
    Beginning,
    /// Names of the contents that a snapshot may name, behind this one; from the first one on without it.
    Contents {
        /// The last one that is known.
        after: Option<BlobId>,
    },
    /// A piece of a snapshot.
    Snapshot {
        /// Names it, on the host that has told of it.
        key: u64,
        /// Where the piece begins.
        offset: u64,
    },
    /// The standing of the other one in each stream when this record was added to its journal.
    Standing {
        /// The record's stream.
        origin: Origin,
        /// Its number there.
        seq: Seq,
    },
}

/// What the other one answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does not have that.
    Nothing,
    /// Batches, back to back.
    Records(Vec<u8>),
    /// A piece of a picture or of a snapshot.
    Piece {
        /// The length of the whole in bytes.
        total: u64,
        /// Where the piece begins.
        offset: u64,
        /// The piece.
        bytes: Vec<u8>,
    },
    /// It keeps everything from the first records on: they can be asked for.
    Whole,
    /// Its journal begins later, and a snapshot goes with it.
    Beginning(Beginning),
    /// Names of contents, in rising order; none if there are no more.
    Contents(Vec<BlobId>),
    /// Its standing in each stream that was not folded, that record included; if it does not know when it was added, or does
    /// not have it, how far it has come.
    Standing(VersionVector),
}

/// Where the journal of a host begins that does not keep its oldest records any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beginning {
    /// Names the snapshot, on that host.
    pub key: u64,
    /// The snapshot's length in bytes.
    pub total: u64,
    /// Where each stream stands before the first batch that is kept; the snapshot covers that.
    pub starts: Streams,
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
            Self::Records { origin, seq } => encode_place(1, *origin, *seq),
            Self::Picture { id, offset } => [&[2][..], &id.0, &offset.to_le_bytes()].concat(),
            Self::Beginning => vec![3],
            Self::Contents { after } => [&[4][..], &after.map_or(NOTHING, |id| id.0)].concat(),
            Self::Snapshot { key, offset } => [&[5][..], &key.to_le_bytes(), &offset.to_le_bytes()].concat(),
            Self::Standing { origin, seq } => encode_place(6, *origin, *seq),
        }
    }

    /// Reads a question; nothing if it is of another form.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match (*bytes.first()?, bytes.len()) {
            (kind @ (1 | 6), 25) => {
                let origin = Origin { node: NodeId(u64_at(bytes, 1)), inc: Inc(u64_at(bytes, 9)) };
                let seq = u64_at(bytes, 17);
                Some(if kind == 1 { Self::Records { origin, seq } } else { Self::Standing { origin, seq } })
            }
            (2, 41) => Some(Self::Picture { id: BlobId::read(&bytes[1..])?, offset: u64_at(bytes, 33) }),
            (3, 1) => Some(Self::Beginning),
            (4, 33) => Some(Self::Contents { after: BlobId::read(&bytes[1..]).filter(|id| id.0 != NOTHING) }),
            (5, 17) => Some(Self::Snapshot { key: u64_at(bytes, 1), offset: u64_at(bytes, 9) }),
            _ => None,
        }
    }
}

fn encode_place(kind: u8, origin: Origin, seq: Seq) -> Vec<u8> {
    let words = [origin.node.0, origin.inc.0, seq].map(u64::to_le_bytes);
    [&[kind][..], &words.concat()].concat()
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
            Self::Whole => vec![3],
            Self::Beginning(Beginning { key, total, starts }) => {
                let has_folds = u8::from(!starts.folds().is_empty());
                [&[4, has_folds][..], &key.to_le_bytes(), &total.to_le_bytes(), &encode_starts(starts)]
                    .concat()
            }
            Self::Contents(ids) => [5].into_iter().chain(ids.iter().flat_map(|id| id.0)).collect(),
            Self::Standing(vector) => {
                let mut bytes = vec![6];
                vector.encode(&mut bytes);
                bytes
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
            ((3, _), 1) => Some(Self::Whole),
            ((4, _), 18..) if bytes[1] <= 1 => {
                let (key, total) = (u64_at(bytes, 2), u64_at(bytes, 10));
                let starts = decode_starts(FLAG_FOLDS * bytes[1], &bytes[18..]).ok()?;
                Some(Self::Beginning(Beginning { key, total, starts }))
            }
            ((5, ids), _) => {
                let (ids, rest) = ids.as_chunks();
                rest.is_empty().then(|| Self::Contents(ids.iter().map(|id| BlobId(*id)).collect()))
            }
            ((6, vector), _) => {
                let read = VersionVector::decode(vector).filter(|(_, length)| *length == vector.len());
                read.map(|(vector, _)| Self::Standing(vector))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::folds::{Fold, Folds, StreamEnd};
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
        let contents = [None, Some(BlobId([7; 32]))].map(|after| Question::Contents { after });
        let snapshot = Question::Snapshot { key: 5, offset: 8 };
        let bare = [Question::Beginning, Question::Standing { origin, seq: 9 }];
        let rest = [Question::Records { origin, seq: 9 }, picture, snapshot];
        for question in rest.into_iter().chain(contents).chain(bare) {
            let bytes = question.encode();
            assert_eq!(Question::decode(&bytes), Some(question));
            assert!((0..bytes.len()).all(|length| Question::decode(&bytes[..length]).is_none()));
        }
        let piece = Answer::Piece { total: 5, offset: 1, bytes: vec![1, 2] };
        let mut starts = Streams::default();
        starts.set(Stream { origin, seq: 5, chain: 6 });
        let fold =
            Fold { by: origin, hosts: Vec::new(), starts: vec![StreamEnd { inc: Inc(9), seq: 1, chain: 2 }] };
        let mut folds = Folds::default();
        folds.fold(&fold, |_| false);
        let beginnings = [starts.clone(), starts.with_folds(folds)]
            .map(|starts| Answer::Beginning(Beginning { key: 5, total: 6, starts }));
        let contents = [Vec::new(), vec![BlobId([7; 32]), BlobId([8; 32])]].map(Answer::Contents);
        let mut vector = VersionVector::new();
        vector.raise(origin, 7);
        let standing = Answer::Standing(vector);
        let rest = [Answer::Nothing, Answer::Records(vec![1, 2, 3]), piece, Answer::Whole, standing];
        for answer in rest.into_iter().chain(beginnings).chain(contents) {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(
            (Answer::decode(&[]), Answer::decode(&[0, 0]), Answer::decode(&[2; 17])),
            (None, None, None)
        );
    }
}
