//! The ledger: for every stream, what this host has, what it has taken from the connection, what it has sent, and what
//! the peer says it has.

use std::collections::BTreeMap;

use super::fault::Violation;
use super::frame::Kind;
use super::message::{Holding, Receipt};
use crate::base::batch::{BatchHeader, first_chain};
use crate::base::ids::{ClusterId, Origin, Seq};
use crate::base::limits::ORIGINS_MAX;

/// One stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// What this host has committed of it.
    pub held: Holding,
    /// The last record that this host has committed or taken from the connection, and the chain there.
    pub taken: (Seq, u64),
    /// The last record that was sent on this connection, and the chain there; 0 before the first.
    pub sent: (Seq, u64),
    /// The last record that was ever sent on this connection.
    pub sent_most: Seq,
    /// What the peer has.
    pub peer: Receipt,
    /// The first record that the peer can still send; 0 if it has none of the stream.
    pub peer_first: Seq,
    /// Where the stream is to be continued was said, and it wasn't continued there yet.
    pub is_resyncing: bool,
    /// The next ACK names it.
    pub is_due: bool,
}

/// What becomes of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// The next one of its stream.
    Next,
    /// This host has it already.
    Older,
    /// There are records missing before it, from this one on.
    Gap(Seq),
}

/// All streams that either host knows.
pub(super) struct Ledger {
    cluster: ClusterId,
    /// The stream that this process makes.
    own: Origin,
    /// The last record of it that the peer may have although it is not committed here.
    made: Seq,
    lines: BTreeMap<Origin, Line>,
}

impl Ledger {
    pub(super) fn new(cluster: ClusterId, own: Origin, made: Seq, held: &[Holding]) -> Self {
        let mut ledger = Self { cluster, own, made, lines: BTreeMap::new() };
        ledger.line(own);
        for held in held {
            ledger.hold(held);
        }
        ledger
    }

    pub(super) fn own(&self) -> &Line {
        &self.lines[&self.own]
    }

    pub(super) fn get(&self, origin: Origin) -> Option<&Line> {
        self.lines.get(&origin)
    }

    pub(super) fn get_mut(&mut self, origin: Origin) -> Option<&mut Line> {
        self.lines.get_mut(&origin)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Line> {
        self.lines.values()
    }

    fn line(&mut self, origin: Origin) -> &mut Line {
        let cluster = self.cluster;
        self.lines.entry(origin).or_insert_with(|| {
            let chain = first_chain(cluster, origin);
            Line {
                held: Holding { origin, received: 0, durable: 0, first: 1, chain },
                taken: (0, chain),
                sent: (0, chain),
                sent_most: 0,
                peer: Receipt { origin, received: 0, durable: 0 },
                peer_first: 0,
                is_resyncing: false,
                is_due: false,
            }
        })
    }

    /// Returns the line of a stream that the peer spoke of.
    fn line_of_peer(&mut self, origin: Origin) -> Result<&mut Line, Violation> {
        if !self.lines.contains_key(&origin) && self.lines.len() >= ORIGINS_MAX {
            return Err(Violation::TooManyOrigins);
        }
        Ok(self.line(origin))
    }

    /// Notes what this host has now; gives the line as it was before.
    pub(super) fn hold(&mut self, held: &Holding) -> Line {
        let line = self.line(held.origin);
        let before = *line;
        debug_assert!(held.received >= line.held.received && held.durable >= line.held.durable);
        line.held = *held;
        if held.received > line.taken.0 {
            line.taken = (held.received, held.chain);
        }
        before
    }

    /// Notes that a batch was sent.
    pub(super) fn note_sent(&mut self, header: &BatchHeader) {
        let line = self.line(header.origin);
        line.sent = (header.last_seq(), header.chain);
        line.sent_most = line.sent_most.max(header.last_seq());
    }

    /// Notes that the peer was told to start a stream behind `seq`.
    pub(super) fn note_start(&mut self, origin: Origin, seq: Seq, chain: u64) {
        let line = self.line(origin);
        line.sent = (seq, chain);
        line.sent_most = line.sent_most.max(seq);
    }

    /// Starts a stream of a snapshot that this host takes: it goes on behind `seq`.
    pub(super) fn start_from(&mut self, origin: Origin, seq: Seq, chain: u64) -> Result<(), Violation> {
        self.line_of_peer(origin)?.taken = (seq, chain);
        Ok(())
    }

    /// Takes what the peer says it has of a stream, in a STATE.
    pub(super) fn peer_holds(&mut self, theirs: &Holding) -> Result<(), Violation> {
        let (own, made) = (self.own, self.made);
        let line = self.line_of_peer(theirs.origin)?;
        let known = [(line.held.received, line.held.chain), line.taken, line.sent];
        let differs = |&(seq, chain): &(Seq, u64)| seq == theirs.received && chain != theirs.chain;
        let made = line.held.received.max(line.sent_most).max(made);
        if known.iter().any(differs) || (theirs.origin == own && theirs.received > made) {
            return Err(Violation::OtherHistory { origin: theirs.origin, seq: theirs.received });
        }
        line.peer_first = theirs.first;
        line.peer_has(
            Kind::State,
            Receipt { origin: theirs.origin, received: theirs.received, durable: theirs.durable },
        )
    }

    /// Takes what the peer says it has of a stream, in an ACK or a PONG.
    pub(super) fn peer_received(&mut self, kind: Kind, receipt: Receipt) -> Result<(), Violation> {
        let origin = receipt.origin;
        let impossible = |what| Violation::Impossible { kind, what, origin };
        let line = self.lines.get_mut(&origin).ok_or_else(|| impossible("something"))?;
        // Of any other stream the peer may have more: it had a batch in hand when the last connection ended, which
        // this host has lost since.
        let most = line.held.received.max(line.sent_most).max(line.peer.received).max(self.made);
        if origin == self.own && receipt.received > most {
            return Err(impossible("that more was received than there is"));
        }
        line.peer_has(kind, receipt)
    }

    /// Judges a batch that came; takes it if it is the next one of its stream.
    pub(super) fn judge(&mut self, header: &BatchHeader) -> Result<Continuity, Violation> {
        let (own, made) = (self.own, self.made);
        let (origin, first, last) = (header.origin, header.first_seq, header.last_seq());
        let line = self.line_of_peer(origin)?;
        let other_history = Violation::OtherHistory { origin, seq: first };
        let (taken, chain) = line.taken;
        if origin == own {
            let made = line.held.received.max(line.sent_most).max(made);
            return if last > made { Err(other_history) } else { Ok(Continuity::Older) };
        }
        if first == taken + 1 || cfg!(seeded_bug = "gap_accepted") && first > taken {
            if first == taken + 1 && header.chain != header.link(chain) {
                return Err(other_history);
            }
            line.taken = (last, header.chain);
            line.is_resyncing = false;
            return Ok(Continuity::Next);
        }
        if first > taken {
            return Ok(Continuity::Gap(taken + 1));
        }
        // The same stream has the same batches, and so ends of batches at the same numbers.
        if last > taken || (last == taken && header.chain != chain) {
            return Err(other_history);
        }
        Ok(Continuity::Older)
    }
}

impl Line {
    fn peer_has(&mut self, kind: Kind, receipt: Receipt) -> Result<(), Violation> {
        if receipt.received < self.peer.received || receipt.durable < self.peer.durable {
            let what = "that less was received than before";
            return Err(Violation::Impossible { kind, what, origin: receipt.origin });
        }
        self.peer = receipt;
        Ok(())
    }

    pub(super) fn receipt(&self) -> Receipt {
        let Holding { origin, received, durable, .. } = self.held;
        Receipt { origin, received, durable }
    }
}
