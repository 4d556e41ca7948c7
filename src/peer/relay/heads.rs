//! Where each stream stands: with the host, and with what was handed to it.

use std::collections::{BTreeMap, VecDeque};

use crate::base::batch::{BatchHeader, first_chain};
use crate::base::folds::Folds;
use crate::base::ids::{ClusterId, Origin, Seq};
use crate::base::streams::{Stream, Streams};

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the next one.
    Next,
    /// The host has it, or was handed it.
    Older,
    /// Records are missing before it, or those that were handed to the host are not those before it.
    Gap,
}

/// All streams but the one that the host makes now.
pub(super) struct Heads {
    cluster: ClusterId,
    folds: Folds,
    heads: BTreeMap<Origin, Head>,
}

struct Head {
    /// What the host has.
    had: (Seq, u64),
    /// Ends of batches that were handed to it and that it has not called received.
    under_way: VecDeque<(Seq, u64)>,
}

impl Head {
    fn handed(&self) -> (Seq, u64) {
        *self.under_way.back().unwrap_or(&self.had)
    }
}

impl Heads {
    /// Returns the heads of a host that has nothing but these folded streams.
    pub(super) fn new(cluster: ClusterId, folds: Folds) -> Self {
        Self { cluster, folds, heads: BTreeMap::new() }
    }

    /// Returns the cluster.
    pub(super) fn cluster(&self) -> ClusterId {
        self.cluster
    }

    /// Returns the last record of a stream that the host has.
    pub(super) fn had_of(&self, origin: Origin) -> Seq {
        self.heads.get(&origin).map_or(0, |head| head.had.0)
    }

    /// Notes that the host has a stream up to here.
    pub(super) fn note_had(&mut self, stream: Stream) {
        let Stream { origin, seq, chain } = stream;
        let head = self.heads.entry(origin).or_insert(Head { had: (0, 0), under_way: VecDeque::new() });
        if seq > head.had.0 {
            head.had = (seq, chain);
            head.under_way.retain(|(end, _)| *end > seq);
        }
    }

    /// Notes that the host has called a stream received up to `seq`; gives where it stands then, if that is news.
    pub(super) fn receive(&mut self, origin: Origin, seq: Seq) -> Option<Stream> {
        let head = self.heads.get_mut(&origin)?;
        let before = head.had;
        while let Some(end) = head.under_way.front().copied().filter(|(end, _)| *end <= seq) {
            head.had = end;
            head.under_way.pop_front();
        }
        let (seq, chain) = head.had;
        (head.had != before).then_some(Stream { origin, seq, chain })
    }

    /// Notes that a batch was handed to the host.
    pub(super) fn hand(&mut self, header: &BatchHeader) {
        let first = (0, first_chain(self.cluster, header.origin));
        let head = self.heads.entry(header.origin).or_insert(Head { had: first, under_way: VecDeque::new() });
        head.under_way.push_back((header.last_seq(), header.chain));
    }

    /// Returns the last record of a stream that the host has or was handed.
    pub(super) fn handed(&self, origin: Origin) -> Seq {
        match self.heads.get(&origin) {
            Some(head) => head.handed().0,
            None if self.folds.contains(origin) => Seq::MAX,
            None => 0,
        }
    }

    /// Judges a batch.
    pub(super) fn judge(&self, header: &BatchHeader) -> Place {
        let head = self.heads.get(&header.origin);
        if head.is_none() && self.folds.contains(header.origin) {
            return Place::Older;
        }
        let (seq, chain) = head.map_or_else(|| (0, first_chain(self.cluster, header.origin)), Head::handed);
        match header.first_seq {
            first if first == seq + 1 && header.chain == header.link(chain) => Place::Next,
            _ if header.last_seq() <= seq => Place::Older,
            _ => Place::Gap,
        }
    }

    /// Returns what the host has.
    pub(super) fn had(&self) -> Streams {
        let mut streams = Streams::default();
        let had = self.heads.iter().map(|(&origin, head)| (origin, head.had));
        had.filter(|(_, (seq, _))| *seq > 0)
            .for_each(|(origin, (seq, chain))| streams.set(Stream { origin, seq, chain }));
        streams
    }
}
