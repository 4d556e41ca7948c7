//! Where each stream stands: with the host, and with what was handed to it.

use std::collections::{BTreeMap, VecDeque};

use crate::base::batch::{BatchHeader, first_chain};
use crate::base::folds::{Fold, Folds};
use crate::base::ids::{ClusterId, Origin, Seq};
use crate::base::streams::{Stream, Streams};

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the next one.
    Next,
    /// The host has it, or was handed it.
    Older,
    /// Records are missing before it, or those that were handed to the host are not those before it: of this stream, up to
    /// before this one.
    Gap(Origin, Seq),
    /// It is the next one and folds streams, and what its host had is not known yet.
    Held,
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

    /// Takes it that the host was given a snapshot, and that its streams begin here.
    pub(super) fn adopt(&mut self, starts: &Streams) {
        self.folds.join(starts.folds());
        starts.iter().for_each(|start| self.note_had(start));
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

    /// Returns whether the host was handed something of a later start of the same node.
    pub(super) fn has_later_start(&self, origin: Origin) -> bool {
        let is_later = |of: &Origin| of.node == origin.node && of.inc > origin.inc;
        self.heads.iter().any(|(of, head)| is_later(of) && head.handed().0 > 0)
    }

    /// Judges a batch. One that folds streams waits for their ends: a pair's journal has them before it, and streams of a log come
    /// each for itself.
    pub(super) fn judge(&self, header: &BatchHeader, body: &[u8]) -> Place {
        let head = self.heads.get(&header.origin);
        if head.is_none() && self.folds.contains(header.origin) {
            return Place::Older;
        }
        let (seq, chain) = head.map_or_else(|| (0, first_chain(self.cluster, header.origin)), Head::handed);
        match header.first_seq {
            first if first == seq + 1 && header.chain == header.link(chain) => {
                self.lacked_end(header, body).map_or(Place::Next, |(origin, end)| Place::Gap(origin, end + 1))
            }
            _ if header.last_seq() <= seq => Place::Older,
            first => Place::Gap(header.origin, first),
        }
    }

    /// Returns the first stream that a batch folds and that was not handed to the host to its end, with that end.
    fn lacked_end(&self, header: &BatchHeader, body: &[u8]) -> Option<(Origin, Seq)> {
        let ends = Fold::all_of(header, body).into_iter().flat_map(|fold| {
            let node = fold.by.node;
            fold.starts.into_iter().map(move |start| (Origin { node, inc: start.inc }, start.seq))
        });
        ends.into_iter().find(|(origin, end)| self.handed(*origin) < *end)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::folds::StreamEnd;
    use crate::base::ids::{Inc, NodeId};
    use crate::base::tag::STREAMS_FOLDED;

    const CLUSTER: ClusterId = ClusterId([7; 16]);

    fn start(number: u32) -> Origin {
        Origin { node: NodeId(3), inc: Inc::of_start(number, 9) }
    }

    /// Returns the first batch of a stream, with one record.
    fn first_of(origin: Origin, body: &[u8]) -> BatchHeader {
        BatchHeader::seal_touching_folds(origin, 1, 1, 5, first_chain(CLUSTER, origin), body)
    }

    #[test]
    fn a_batch_that_folds_a_stream_waits_for_the_end_of_that() {
        let mut heads = Heads::new(CLUSTER, Folds::default());
        let [ended, folding] = [1, 2].map(start);
        let starts = vec![StreamEnd { inc: ended.inc, seq: 2, chain: 8 }];
        let payload = Fold { by: folding, hosts: vec![NodeId(4)], starts }.payload();
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        let fold = [&[STREAMS_FOLDED][..], &length, &payload].concat();
        let header = first_of(folding, &fold);
        assert_eq!(heads.judge(&header, &fold), Place::Gap(ended, 3), "nothing of it is here");
        heads.hand(&first_of(ended, &[0x11; 10]));
        assert_eq!(heads.judge(&header, &fold), Place::Gap(ended, 3), "one of two");
        heads.note_had(Stream { origin: ended, seq: 2, chain: 8 });
        assert_eq!(heads.judge(&header, &fold), Place::Next);
        heads.hand(&header);
        assert_eq!(heads.judge(&header, &fold), Place::Older);
    }
}
