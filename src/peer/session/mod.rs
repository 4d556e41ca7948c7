//! The session: one connection to the peer, from its first byte to its last. Pure: bytes and time come in, bytes and
//! effects go out. Times are microseconds of a monotonic clock, the same one for all calls.
//!
//! How it is driven, in every turn of the one who has the connection:
//!
//! ```text
//! receive(bytes read, now)        -> while let Some(effect) = next_effect(now) { do it }
//! hold(streams that changed, now)    after each commit, and after each sync
//! send_batch(..) while may_send(..)
//! tick(now)                          at deadline() at the latest
//! write output(), then sent(n)
//! ```
//!
//! Frames are looked at one by one as effects are asked for, so whatever an effect makes the driver tell the session
//! is known before the next frame is judged, and any split of the bytes gives the same effects. After
//! [`Effect::Closed`] there are no more effects; what is left of the output (an ERROR or a BYE) is worth a try.

mod receive;
mod send;

#[cfg(test)]
mod tests;

use super::fault::Close;
use super::flight::Flight;
use super::folding::Folding;
use super::frame::Inflow;
use super::ledger::Ledger;
use super::transfer::{BlobIn, SnapIn};
use crate::base::batch::BatchHeader;
use crate::base::blob::BlobId;
use crate::base::folds::Folds;
use crate::base::ids::{ClusterId, Inc, NodeId, Origin, Seq};
use crate::base::kinds::Kinds;
use crate::base::limits::{PEER_DEAD_US, PEER_HELLO_US, PEER_SUSPECT_US};
use crate::base::streams::Streams;

pub use super::message::{Holding, Receipt};

/// Who this host is.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The cluster.
    pub cluster: ClusterId,
    /// The data directory.
    pub node: NodeId,
    /// This start of the process.
    pub inc: Inc,
    /// Random; names the connection in both hosts' logs.
    pub nonce: u64,
    /// The wall clock, microseconds since 1970; only told to the peer.
    pub clock_us: u64,
    /// The line of descent that this host's records are of.
    pub lineage: u64,
    /// The last record of this start's own stream that may have been sent on an earlier connection; committed or not.
    pub made: Seq,
    /// The journal is empty: a snapshot is welcome.
    pub is_empty: bool,
    /// The directory is joining: it does not have everything of its first host yet.
    pub is_joining: bool,
    /// Which kinds of records are understood here; a batch with another one is refused.
    pub kinds: Kinds,
}

/// Who the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its data directory.
    pub node: NodeId,
    /// Its start of the process.
    pub inc: Inc,
    /// The version of the protocol that both speak.
    pub version: u16,
    /// Its journal is empty, and it takes a snapshot.
    pub is_empty: bool,
    /// Its directory is joining: it has no records of its own, and lacks any.
    pub is_joining: bool,
    /// Which kinds of records it understands.
    pub kinds: Kinds,
    /// Its nonce.
    pub nonce: u64,
    /// Its wall clock less this host's when it said HELLO, microseconds; for people.
    pub clock_ahead_us: i64,
}

/// What the one who drives the session has to do or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// HELLO and STATE of the peer are there: [`Session::peer_has`] and [`Session::peer_first`] tell what it has.
    Established(Peer),
    /// The next batch of its stream; all that can be checked without the journal was checked. It is to be committed
    /// after those taken before. Its bytes count against the window until [`Session::hold`] covers it.
    Take {
        /// Its header.
        header: BatchHeader,
        /// Its records.
        body: Vec<u8>,
    },
    /// The peer has told how far it has come in these streams.
    Receipts(Vec<Receipt>),
    /// The peer has told its whole state once more. If it lacks something although nothing is under way to it, sending
    /// has to start over.
    State,
    /// The peer lacks this stream from this record on, although it was sent; sending starts there.
    SendFrom {
        /// The stream.
        origin: Origin,
        /// The first record it lacks.
        seq: Seq,
    },
    /// The peer sends a snapshot: the retained range of its journal begins behind these places, and the batches that
    /// follow go on from there.
    SnapshotBegins {
        /// Where each stream stands before the first batch that will come.
        starts: Streams,
    },
    /// The next bytes of that snapshot. With the last one `offset` + length is `total`, and the batches begin.
    SnapshotPart {
        /// Length of the snapshot in bytes.
        total: u64,
        /// Where these stand.
        offset: u64,
        /// They.
        bytes: Vec<u8>,
    },
    /// The next bytes of a blob, from the first to the last without another blob in between. With the last one
    /// `offset` + length is `total`, and the content has been found to have this hash.
    Blob {
        /// Its name.
        id: BlobId,
        /// Its length in bytes.
        total: u64,
        /// Where these bytes stand.
        offset: u64,
        /// They.
        bytes: Vec<u8>,
    },
    /// The peer does not have this blob any more: a later record says why, so no batch has to wait for it.
    BlobGone(BlobId),
    /// The peer wants this blob: send it, or say that it is gone.
    BlobWanted(BlobId),
    /// The session has ended; the last effect.
    Closed(Close),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing of the peer is known.
    Hello,
    /// Its HELLO was good, its STATE is not complete.
    State,
    /// Everything else.
    Live,
    /// Nothing more goes out or is listened to.
    Closed,
}

/// One connection.
pub struct Session {
    settings: Settings,
    phase: Phase,
    peer: Option<Peer>,
    ledger: Ledger,
    inflow: Inflow,
    output: Vec<u8>,
    written: usize,
    /// Sent, and not acknowledged by the peer.
    outbound: Flight,
    /// Taken, and not acknowledged to the peer.
    inbound: Flight,
    snap: Option<SnapIn>,
    blob: Option<BlobIn>,
    /// A batch was taken: it is too late for a snapshot.
    has_taken: bool,
    /// Parts of a STATE are there, the last one isn't.
    is_amid_state: bool,
    last_state_origin: Option<Origin>,
    folding: Folding,
    pacing: Pacing,
    /// HELLO and STATE of the peer were good.
    has_met: bool,
    close: Option<Close>,
}

/// What is due when.
struct Pacing {
    heard_us: u64,
    /// When the phase before `Live` has to be over.
    greeted_by_us: u64,
    next_ping_us: u64,
    next_state_us: u64,
    /// The time that the last PING bore which was not answered yet.
    pong: Option<u64>,
    acked_us: u64,
    /// Bytes of taken batches that were committed since the last ACK.
    unacked_bytes: usize,
    /// Something was synced since the last ACK.
    ack_at_once: bool,
    /// Streams that the next ACK names.
    due: Vec<Origin>,
    rtt_us: Option<u64>,
}

/// Whether the peer seems to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// HELLO and STATE are still to come.
    Unknown,
    /// It was heard lately.
    Here,
    /// It was not heard for [`PEER_SUSPECT_US`].
    Suspect,
    /// The session has ended.
    Gone,
}

impl Session {
    /// Returns the session of a connection that was just made. `held` is what this host has of each stream, without those it
    /// has nothing of. The HELLO is in the output at once.
    #[must_use]
    pub fn new(settings: Settings, held: &[Holding], now_us: u64) -> Self {
        let own = Origin { node: settings.node, inc: settings.inc };
        let mut session = Self {
            settings,
            phase: Phase::Hello,
            peer: None,
            ledger: Ledger::new(settings.cluster, own, settings.made, held),
            inflow: Inflow::default(),
            output: Vec::new(),
            written: 0,
            outbound: Flight::default(),
            inbound: Flight::default(),
            snap: None,
            blob: None,
            has_taken: false,
            is_amid_state: false,
            last_state_origin: None,
            folding: Folding::default(),
            pacing: Pacing {
                heard_us: now_us,
                greeted_by_us: now_us + PEER_HELLO_US,
                next_ping_us: 0,
                next_state_us: 0,
                pong: None,
                acked_us: 0,
                unacked_bytes: 0,
                ack_at_once: false,
                due: Vec::new(),
                rtt_us: None,
            },
            has_met: false,
            close: None,
        };
        session.send_hello();
        session
    }

    /// Returns the same of a host that has folded these streams, beside those that it holds.
    #[must_use]
    pub fn with_folds(mut self, folds: Folds) -> Self {
        self.set_folds(folds);
        self
    }

    /// Takes it that this host has folded these streams; before anything is received.
    pub(super) fn set_folds(&mut self, folds: Folds) {
        self.folding.ours = folds;
    }

    /// Returns whether this host had folded a stream when the session began.
    #[must_use]
    pub fn is_folded(&self, origin: Origin) -> bool {
        self.folding.is_ours(&self.ledger, origin)
    }

    /// Returns whether the peer had folded a stream when the session began.
    #[must_use]
    pub fn has_peer_folded(&self, origin: Origin) -> bool {
        self.folding.theirs.is_folded(origin)
    }

    /// Returns a start that is folded in `folds` and that the peer may lack, if there is one: it is joining, and has folded fewer.
    #[must_use]
    pub fn lacked_fold(&self, folds: &Folds) -> Option<Origin> {
        let theirs = self.folding.theirs.folds();
        let is_joining = self.peer.is_some_and(|peer| peer.is_joining);
        let lacked = folds.iter().find(|of| is_joining && theirs.starts_of(of.node) < of.starts);
        lacked.map(|of| Origin { node: of.node, inc: Inc::of_start(of.highest, 0) })
    }

    /// Returns who the peer is, once its HELLO and STATE were found good; also when the session is over.
    #[must_use]
    pub fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref().filter(|_| self.has_met)
    }

    /// Returns what the peer has of a stream, as far as it has said so.
    #[must_use]
    pub fn peer_has(&self, origin: Origin) -> Receipt {
        self.ledger.get(origin).map_or(Receipt::none(origin), |line| line.peer)
    }

    /// Returns what the peer has of every stream that either host knows, in rising order.
    pub fn peer_receipts(&self) -> impl Iterator<Item = Receipt> + '_ {
        self.ledger.iter().map(|line| line.peer)
    }

    /// Returns the first record of a stream that the peer can still send; 0 if it has none of it.
    #[must_use]
    pub fn peer_first(&self, origin: Origin) -> Seq {
        self.ledger.get(origin).map_or(0, |line| line.peer_first)
    }

    /// Returns what this host has of a stream, as it was told.
    #[must_use]
    pub fn held(&self, origin: Origin) -> Option<Holding> {
        self.ledger.get(origin).map(|line| line.held)
    }

    /// Returns what this host has of every stream that either host knows, in rising order.
    pub fn holdings(&self) -> impl Iterator<Item = Holding> + '_ {
        self.ledger.iter().map(|line| line.held)
    }

    /// Returns the last record of a stream that the peer has or was sent. The stream that the peer makes now is never sent: it
    /// has all of it, although not all may be committed there yet.
    #[must_use]
    pub fn shipped(&self, origin: Origin) -> Seq {
        match self.peer {
            Some(Peer { node, inc, .. }) if origin == (Origin { node, inc }) => Seq::MAX,
            // What both have to the end goes to neither.
            _ if self.has_peer_folded(origin) => Seq::MAX,
            Some(peer) if !peer.is_joining && self.is_folded(origin) => Seq::MAX,
            _ => self.ledger.get(origin).map_or(0, |line| line.peer.received.max(line.sent.0)),
        }
    }

    /// Returns the last record of a stream that was taken from the peer or is held here.
    #[must_use]
    pub fn taken(&self, origin: Origin) -> Seq {
        self.ledger.get(origin).map_or(0, |line| line.taken.0)
    }

    /// Returns whether the peer seems to be there.
    #[must_use]
    pub fn presence(&self, now_us: u64) -> Presence {
        match self.phase {
            Phase::Hello | Phase::State => Presence::Unknown,
            Phase::Live if now_us.saturating_sub(self.pacing.heard_us) < PEER_SUSPECT_US => Presence::Here,
            Phase::Live => Presence::Suspect,
            Phase::Closed => Presence::Gone,
        }
    }

    /// Returns when something was last heard from the peer, microseconds.
    #[must_use]
    pub fn heard_us(&self) -> u64 {
        self.pacing.heard_us
    }

    /// Returns the time from the last answered PING to its PONG, microseconds.
    #[must_use]
    pub fn rtt_us(&self) -> Option<u64> {
        self.pacing.rtt_us
    }

    /// Returns bytes of batches that were sent and are not acknowledged.
    #[must_use]
    pub fn unacked_bytes(&self) -> usize {
        self.outbound.bytes()
    }

    /// Returns whether the session has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Takes it that the peer is not silent: this host does not read for the moment, for a reason of its own.
    pub fn excuse_silence(&mut self, now_us: u64) {
        self.pacing.heard_us = now_us;
    }

    /// Returns when [`Session::tick`] has something to do at the latest, microseconds; nothing once the session has ended.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let pacing = &self.pacing;
        match self.phase {
            Phase::Hello | Phase::State => Some(pacing.greeted_by_us),
            // Nothing more is said before the connection takes something; then there is a turn anyway.
            Phase::Live if self.is_clogged() => Some(pacing.heard_us + PEER_DEAD_US),
            Phase::Live => {
                let heard = [pacing.heard_us + PEER_DEAD_US, pacing.next_ping_us, pacing.next_state_us];
                heard.into_iter().chain(self.ack_deadline()).min()
            }
            Phase::Closed => None,
        }
    }

    /// Does what is due: PING, ACK, STATE; ends the session when the peer is silent for too long. The end comes as an
    /// effect.
    pub fn tick(&mut self, now_us: u64) {
        let silent = match self.phase {
            Phase::Hello | Phase::State if now_us >= self.pacing.greeted_by_us => Close::NoHello,
            Phase::Live if now_us >= self.pacing.heard_us + PEER_DEAD_US => Close::Silent,
            Phase::Closed => return,
            _ => return self.pump(now_us),
        };
        self.end(silent);
    }
}
