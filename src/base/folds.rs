//! Folds: starts of a process whose streams every host has to their ends. They are counted in place of named, so that a start
//! costs nothing for ever.
//!
//! ```text
//! payload of a fold   0 u32 hosts   4 u32 zero   8 per host: u64 node   then per start: u64 inc, u64 last seq, u64 chain
//!
//! set   0 u32 nodes   then per node:
//!       0 u64 node   8 u32 highest number   12 u32 starts   16 u64 records   24 u64 hash   32 u64 by
//!      40 u32 hosts  44 u32 unnumbered   48 per host: u64 node   then per unnumbered start: u64 inc
//! ```
//!
//! A start is in the set if its number is at most the highest one and its stream is not named beside the set; one without a
//! number, if it is listed. Starts are added in any order, and one that is added twice counts once, so hosts that have
//! the same folds have the same bytes.

use xxhash_rust::xxh3::xxh3_64;

use super::batch::BatchHeader;
use super::ids::{Inc, NodeId, Origin, Seq};
use super::limits::{FOLD_HOSTS_MAX, ORIGINS_MAX};
use super::tag::{self, RECORD_HEAD_BYTES, SHORT_RECORD_BYTES};

/// Bytes of a fold's payload, and of a node's entry in a set, before what it has a number of.
const FOLD_HEAD_BYTES: usize = 8;
const NODE_HEAD_BYTES: usize = 48;
/// Bytes of a start in a fold's payload.
const START_BYTES: usize = 24;

/// Where the stream of a start ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamEnd {
    /// The start.
    pub inc: Inc,
    /// Its last record.
    pub seq: Seq,
    /// Its last batch's chain.
    pub chain: u64,
}

/// What a record says that folds starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The start that has logged it: it folds earlier ones of its own node only.
    pub by: Origin,
    /// The other hosts that have said in their own streams that they have these ends durably.
    pub hosts: Vec<NodeId>,
    /// The starts, in rising order.
    pub starts: Vec<StreamEnd>,
}

impl Fold {
    /// Returns its record's payload.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let mut out =
            Vec::with_capacity(FOLD_HEAD_BYTES + 8 * self.hosts.len() + START_BYTES * self.starts.len());
        push_u32(&mut out, self.hosts.len());
        push_u32(&mut out, 0);
        let hosts = self.hosts.iter().map(|host| host.0);
        let starts = self.starts.iter().flat_map(|start| [start.inc.0, start.seq, start.chain]);
        hosts.chain(starts).for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        out
    }

    /// Reads the payload of a record that `by` has logged; nothing for bytes of another form.
    #[must_use]
    pub fn read(by: Origin, payload: &[u8]) -> Option<Self> {
        let mut words = Words { rest: payload };
        let (hosts, zero) = words.halves()?;
        if hosts as usize > FOLD_HOSTS_MAX || zero != 0 {
            return None;
        }
        let hosts = (0..hosts).map(|_| words.next().map(NodeId)).collect::<Option<_>>()?;
        let mut starts: Vec<StreamEnd> = Vec::with_capacity(words.rest.len() / START_BYTES);
        while !words.rest.is_empty() {
            let start = StreamEnd { inc: Inc(words.next()?), seq: words.next()?, chain: words.next()? };
            if starts.last().is_some_and(|last| last.inc >= start.inc) || start.inc == by.inc {
                return None;
            }
            starts.push(start);
        }
        Some(Self { by, hosts, starts })
    }

    /// Returns the folds in a batch's body, of which only one has some whose header says so. Those of another form fold nothing.
    #[must_use]
    pub fn all_of(header: &BatchHeader, body: &[u8]) -> Vec<Self> {
        let (mut folds, mut rest) = (Vec::new(), if header.touches_folds { body } else { &[] });
        loop {
            let (tag, length) = match *rest {
                [tag, ..] if tag::is_short(tag) => (tag, SHORT_RECORD_BYTES),
                [tag, a, b, c, d, ..] if tag != 0 => {
                    (tag, RECORD_HEAD_BYTES + u32::from_le_bytes([a, b, c, d]) as usize)
                }
                _ => break,
            };
            let Some((record, after)) = rest.split_at_checked(length) else { break };
            if tag == tag::STREAMS_FOLDED {
                folds.extend(Self::read(header.origin, &record[RECORD_HEAD_BYTES..]));
            }
            rest = after;
        }
        folds
    }
}

/// The folded starts of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFolds {
    /// The node.
    pub node: NodeId,
    /// The highest number of a folded start that has one.
    pub highest: u32,
    /// How many starts are folded.
    pub starts: u32,
    /// How many records they have logged.
    pub records: u64,
    /// Sum of the hashes of their ends: equal on two hosts if the streams are.
    pub hash: u64,
    /// The hosts of the latest fold, which a start of this number has logged.
    pub hosts: Vec<NodeId>,
    by: Inc,
    /// Folded starts without a number, in rising order.
    unnumbered: Vec<Inc>,
}

impl NodeFolds {
    /// Returns the set of a node of which nothing is folded.
    #[must_use]
    pub fn new(node: NodeId) -> Self {
        let (highest, starts, records, hash, by) = (0, 0, 0, 0, Inc(0));
        Self { node, highest, starts, records, hash, hosts: Vec::new(), by, unnumbered: Vec::new() }
    }

    /// Returns whether a start that is not named beside the set is in it.
    #[must_use]
    pub fn contains(&self, inc: Inc) -> bool {
        if inc.is_numbered() {
            inc.number() <= self.highest
        } else {
            self.unnumbered.binary_search(&inc).is_ok()
        }
    }

    /// Adds the end of a stream to the number and the hash alone: what a set with this start would have.
    pub fn count(&mut self, start: &StreamEnd) {
        self.starts = self.starts.saturating_add(1);
        self.records = self.records.saturating_add(start.seq);
        self.hash = self.hash.wrapping_add(hash_of(self.node, start));
    }

    fn add(&mut self, start: &StreamEnd) {
        self.count(start);
        if start.inc.is_numbered() {
            self.highest = self.highest.max(start.inc.number());
        } else if let Err(at) = self.unnumbered.binary_search(&start.inc) {
            self.unnumbered.insert(at, start.inc);
        }
    }

    fn encoded_bytes(&self) -> usize {
        NODE_HEAD_BYTES + 8 * (self.hosts.len() + self.unnumbered.len())
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.node.0.to_le_bytes());
        out.extend_from_slice(&self.highest.to_le_bytes());
        out.extend_from_slice(&self.starts.to_le_bytes());
        [self.records, self.hash, self.by.0]
            .iter()
            .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        push_u32(out, self.hosts.len());
        push_u32(out, self.unnumbered.len());
        let hosts = self.hosts.iter().map(|host| host.0);
        hosts
            .chain(self.unnumbered.iter().map(|inc| inc.0))
            .for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
    }

    fn read(words: &mut Words<'_>) -> Option<Self> {
        let node = NodeId(words.next()?);
        let (highest, starts) = words.halves()?;
        let (records, hash, by) = (words.next()?, words.next()?, Inc(words.next()?));
        let (hosts, unnumbered) = words.halves()?;
        if hosts as usize > FOLD_HOSTS_MAX || unnumbered as usize > ORIGINS_MAX || starts == 0 {
            return None;
        }
        let hosts = (0..hosts).map(|_| words.next().map(NodeId)).collect::<Option<_>>()?;
        let unnumbered: Vec<Inc> = (0..unnumbered).map(|_| words.next().map(Inc)).collect::<Option<_>>()?;
        let is_sound =
            unnumbered.is_sorted_by(|a, b| a < b) && !unnumbered.iter().any(|inc| inc.is_numbered());
        is_sound.then_some(Self { node, highest, starts, records, hash, hosts, by, unnumbered })
    }
}

/// The folded starts of all nodes, in the order of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Folds {
    nodes: Vec<NodeFolds>,
}

impl Folds {
    /// Returns whether nothing is folded.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Returns the folded starts of each node that has some.
    pub fn iter(&self) -> impl Iterator<Item = &NodeFolds> {
        self.nodes.iter()
    }

    /// Returns the folded starts of a node, if it has some.
    #[must_use]
    pub fn of(&self, node: NodeId) -> Option<&NodeFolds> {
        self.find(node).ok().map(|at| &self.nodes[at])
    }

    /// Returns whether a stream that is not named beside the set is in it.
    #[must_use]
    pub fn contains(&self, origin: Origin) -> bool {
        !self.is_empty() && self.of(origin.node).is_some_and(|folds| folds.contains(origin.inc))
    }

    /// Returns how many starts of a node are folded.
    #[must_use]
    pub fn starts_of(&self, node: NodeId) -> u32 {
        self.of(node).map_or(0, |folds| folds.starts)
    }

    /// Returns whether of every node at least as many starts are folded as in `other`.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.iter().all(|folds| self.starts_of(folds.node) >= folds.starts)
    }

    /// Takes of every node the set that has more starts.
    pub fn join(&mut self, other: &Self) {
        for folds in &other.nodes {
            match self.find(folds.node) {
                Ok(at) if self.nodes[at].starts < folds.starts => self.nodes[at] = folds.clone(),
                Ok(_) => {}
                Err(at) => self.nodes.insert(at, folds.clone()),
            }
        }
    }

    /// Takes a fold of the starts that `is_named` finds named beside the set; the others are in it already.
    pub fn fold(&mut self, fold: &Fold, mut is_named: impl FnMut(Origin) -> bool) {
        let node = fold.by.node;
        for start in &fold.starts {
            let origin = Origin { node, inc: start.inc };
            if is_named(origin) || !self.contains(origin) {
                self.entry(node).add(start);
            }
        }
        if let Ok(at) = self.find(node)
            && self.nodes[at].by <= fold.by.inc
        {
            (self.nodes[at].by, self.nodes[at].hosts) = (fold.by.inc, fold.hosts.clone());
        }
    }

    /// Returns the length of its encoding in bytes; an empty set has none.
    #[must_use]
    pub fn encoded_bytes(&self) -> usize {
        if self.is_empty() { 0 } else { 4 + self.nodes.iter().map(NodeFolds::encoded_bytes).sum::<usize>() }
    }

    /// Appends its encoding; nothing for an empty set.
    pub fn encode(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            push_u32(out, self.nodes.len());
            self.nodes.iter().for_each(|folds| folds.encode(out));
        }
    }

    /// Reads an encoding from the start of `bytes`; gives the set and the bytes that it took, or nothing for bytes of another
    /// form. That of an empty set is not read.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let count = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let mut words = Words { rest: &bytes[4..] };
        let mut nodes: Vec<NodeFolds> = Vec::new();
        for _ in 0..count {
            let folds = NodeFolds::read(&mut words)?;
            if nodes.last().is_some_and(|last| last.node >= folds.node) {
                return None;
            }
            nodes.push(folds);
        }
        (count > 0).then_some((Self { nodes }, bytes.len() - words.rest.len()))
    }

    fn entry(&mut self, node: NodeId) -> &mut NodeFolds {
        let at = match self.find(node) {
            Ok(at) => at,
            Err(at) => {
                self.nodes.insert(at, NodeFolds::new(node));
                at
            }
        };
        &mut self.nodes[at]
    }

    fn find(&self, node: NodeId) -> Result<usize, usize> {
        self.nodes.binary_search_by_key(&node, |folds| folds.node)
    }
}

fn hash_of(node: NodeId, start: &StreamEnd) -> u64 {
    let words = [node.0, start.inc.0, start.seq, start.chain];
    let mut bytes = [0; 32];
    bytes.chunks_exact_mut(8).zip(words).for_each(|(part, word)| part.copy_from_slice(&word.to_le_bytes()));
    xxh3_64(&bytes)
}

fn push_u32(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).expect("bounded").to_le_bytes());
}

/// Words of eight bytes, one after the other.
struct Words<'a> {
    rest: &'a [u8],
}

impl Words<'_> {
    fn next(&mut self) -> Option<u64> {
        let (word, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*word))
    }

    fn halves(&mut self) -> Option<(u32, u32)> {
        self.next().map(|word| (word as u32, (word >> 32) as u32))
    }
}

#[cfg(test)]
#[path = "folds_tests.rs"]
mod tests;
