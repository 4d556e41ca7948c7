//! Folding: streams of earlier starts are counted in place of named, once every host has them to their ends.
//!
//! ```text
//! ends  0xe2  0 u64 node   8 per start: u64 inc, u64 last seq
//! fold  0xe3  asked:   0 u32 hosts   4 u32 zero   8 per host: u64 node   then per start: u64 inc
//!             stamped: see base/folds.rs
//! ```
//!
//! A host says in its own stream, with a record of ends, which streams of another node it has durably. What it logs behind that
//! record was made by one that has them whole. So a host folds streams of its own node when all others have said so in
//! batches that are applied here: whatever arrives behind the fold was made by somebody who knows all of what is folded. Beside a log, where
//! each stream comes for itself, that holds as a batch with such a word waits for all that its maker had.

use std::collections::BTreeMap;

use super::fields::{Fields, push_origin};
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::limits::FOLD_HOSTS_MAX;
use crate::base::tag::{ENDS_HELD, STREAMS_FOLDED};
use crate::base::vector::VersionVector;
use crate::log::format::record;

/// What hosts have said that they have durably of each other's streams, without those that are folded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// By who has said it, and of which stream.
    said: BTreeMap<(NodeId, Origin), Seq>,
}

impl Ends {
    /// Returns the last record of a stream that a host has said that it has durably; 0 if it has said nothing.
    #[must_use]
    pub fn of(&self, host: NodeId, origin: Origin) -> Seq {
        self.said.get(&(host, origin)).copied().unwrap_or(0)
    }

    /// Returns whether a record is such a word.
    #[must_use]
    pub fn are_said(record: &[u8]) -> bool {
        record.first() == Some(&ENDS_HELD)
    }

    /// Returns whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// Returns the streams of `node` of which a host has said something.
    pub(super) fn by(&self, host: NodeId, node: NodeId) -> impl Iterator<Item = Origin> + '_ {
        let from = (host, Origin { node, inc: Inc(0) });
        let of_node = self.said.range(from..).map(|(key, _)| *key);
        of_node.take_while(move |(by, origin)| *by == host && origin.node == node).map(|(_, origin)| origin)
    }

    fn add(&mut self, host: NodeId, origin: Origin, seq: Seq) {
        let said = self.said.entry((host, origin)).or_default();
        *said = seq.max(*said);
    }

    /// Takes the payload of a record that `host` has logged; what it says of folded streams is known.
    pub(super) fn hear(&mut self, host: NodeId, payload: &[u8], vector: &VersionVector) {
        let mut fields = Fields::of(payload);
        let Some(node) = fields.u64().map(NodeId).filter(|node| *node != host) else { return };
        while let (Some(inc), Some(seq)) = (fields.u64(), fields.u64()) {
            let origin = Origin { node, inc: Inc(inc) };
            if vector.seq_of(origin) != Seq::MAX {
                self.add(host, origin, seq);
            }
        }
    }

    /// Forgets what was said of streams that are folded now, in rising order.
    pub(super) fn forget(&mut self, folded: &[Origin]) {
        self.said.retain(|(_, origin), _| folded.binary_search(origin).is_err());
    }

    /// Appends their bytes.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        for ((host, origin), seq) in &self.said {
            out.extend_from_slice(&host.0.to_le_bytes());
            push_origin(out, *origin);
            out.extend_from_slice(&seq.to_le_bytes());
        }
    }

    /// Reads the bytes; returns nothing if they are invalid.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (mut ends, mut fields) = (Self::default(), Fields::of(bytes));
        while !fields.is_empty() {
            let (key, seq) = ((NodeId(fields.u64()?), fields.origin()?), fields.u64()?);
            if ends.said.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            ends.said.insert(key, seq);
        }
        Some(ends)
    }
}

/// Returns the record that says that this host has these streams of `node` durably.
#[must_use]
pub fn ends_record(node: NodeId, ends: &[(Inc, Seq)]) -> Vec<u8> {
    let mut payload = node.0.to_le_bytes().to_vec();
    for (inc, seq) in ends {
        payload.extend_from_slice(&inc.0.to_le_bytes());
        payload.extend_from_slice(&seq.to_le_bytes());
    }
    let mut out = Vec::new();
    record::push(&mut out, ENDS_HELD, &payload);
    out
}

/// A fold as it is asked for: the commit step fills in where the streams end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldWish {
    /// The other hosts that have said that they have them.
    pub hosts: Vec<NodeId>,
    /// The starts, in rising order.
    pub starts: Vec<Inc>,
}

impl FoldWish {
    /// Returns its record, to be stamped.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let mut payload = u64::from(u32::try_from(self.hosts.len()).expect("bounded")).to_le_bytes().to_vec();
        let words = self.hosts.iter().map(|host| host.0).chain(self.starts.iter().map(|inc| inc.0));
        words.for_each(|word| payload.extend_from_slice(&word.to_le_bytes()));
        let mut out = Vec::new();
        record::push(&mut out, STREAMS_FOLDED, &payload);
        out
    }

    /// Returns whether a record is one.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.first() == Some(&STREAMS_FOLDED)
    }

    /// Reads a record that is to be stamped; nothing for bytes of another form.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::of(record::payload(bytes));
        let (hosts, zero) = (fields.u32()? as usize, fields.u32()?);
        if !Self::is_one(bytes) || hosts > FOLD_HOSTS_MAX || zero != 0 {
            return None;
        }
        let hosts = (0..hosts).map(|_| fields.u64().map(NodeId)).collect::<Option<_>>()?;
        let mut starts = Vec::new();
        while !fields.is_empty() {
            starts.push(Inc(fields.u64()?));
        }
        Some(Self { hosts, starts })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::app::applied::{Applied, Batch};
    use crate::app::state::Entry;
    use crate::base::folds::{Fold, StreamEnd};
    use crate::base::ids::Position;

    pub(in crate::app) const NODE: NodeId = NodeId(1);
    pub(in crate::app) const PEER: NodeId = NodeId(2);

    /// Returns the start of a node with this number.
    pub(in crate::app) fn start(node: NodeId, number: u32) -> Origin {
        Origin { node, inc: Inc::of_start(number, 5) }
    }

    /// Applies a batch of one record, the next one of its stream.
    pub(in crate::app) fn apply(applied: &mut Applied, origin: Origin, body: &[u8]) {
        let first = Entry { origin, seq: applied.vector.seq_of(origin) + 1, time_us: 0 };
        applied.apply_batch(&Batch { first, count: 1, body, end: Position(applied.position.0 + 1) });
    }

    #[test]
    fn a_fold_forgets_what_was_said_and_what_is_said_later() {
        let (mut applied, any) = (Applied::default(), [0x71, 0, 0, 0, 0]);
        [1, 2].iter().for_each(|number| apply(&mut applied, start(NODE, *number), &any));
        let ends = ends_record(NODE, &[(start(NODE, 1).inc, 1), (start(NODE, 2).inc, 1)]);
        apply(&mut applied, start(PEER, 1), &ends);
        let starts = vec![StreamEnd { inc: start(NODE, 1).inc, seq: 1, chain: 7 }];
        let fold = Fold { by: start(NODE, 3), hosts: vec![PEER], starts };
        let mut body = Vec::new();
        record::push(&mut body, STREAMS_FOLDED, &fold.payload());
        apply(&mut applied, fold.by, &body);
        assert_eq!(applied.ends.said.len(), 1);
        apply(&mut applied, start(PEER, 1), &ends);
        assert_eq!(applied.ends.said.len(), 1);
        assert_eq!(applied.vector.folds().starts_of(NODE), 1);
        assert_eq!(applied.vector.len(), 3);
    }

    #[test]
    fn golden_bytes() {
        let record = ends_record(NODE, &[(Inc(3), 4)]);
        assert_eq!(
            record,
            [&[0xE2, 24, 0, 0, 0][..], &[1_u64, 3, 4].map(u64::to_le_bytes).concat()].concat()
        );
        let wish = FoldWish { hosts: vec![PEER], starts: vec![Inc(3)] };
        let words = [1_u64, 2, 3].map(u64::to_le_bytes).concat();
        assert_eq!(wish.record(), [&[0xE3, 24, 0, 0, 0][..], &words].concat());
        assert_eq!(FoldWish::of(&wish.record()), Some(wish));
        assert_eq!(FoldWish::of(&record), None);
    }
}
