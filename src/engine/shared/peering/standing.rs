//! Standing: what is known of the peer. The link writes it; workers, the keeper, /health and /metrics read it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::folds::Folds;
use crate::base::ids::{Inc, NodeId, Origin, Seq};
use crate::base::vector::VersionVector;

/// The peer as of a moment ago.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerView {
    /// Its data directory; nothing before one was ever connected.
    pub node: Option<NodeId>,
    /// This start of its process; nothing before a session was established.
    pub start: Option<Inc>,
    /// Whether a session is established.
    pub connected: bool,
    /// When that last changed, microseconds of the server's clock; 0 before the first session.
    pub since_us: u64,
    /// When anything was heard of it last, microseconds of the server's clock.
    pub heard_us: u64,
    /// Why there is no session, in words for an operator; empty while there is one.
    pub why: String,
    /// Of each stream, what it has received.
    pub received: VersionVector,
    /// Of each stream, what is durable there.
    pub durable: VersionVector,
    /// Bytes of this host's journal that lie between the last batch sent and the journal's end.
    pub behind_bytes: u64,
}

/// Whether each of the two hosts can bring the other one forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bond {
    /// Yes, as far as is known.
    Sound = 0,
    /// The peer has removed what this host lacks.
    LeftBehind = 1,
    /// This host has removed what the peer lacks.
    PeerLeftBehind = 2,
    /// Both.
    Parted = 3,
}

impl Bond {
    /// All but the usual one.
    pub const UNSOUND: [Self; 3] = [Self::LeftBehind, Self::PeerLeftBehind, Self::Parted];

    /// Returns it as a label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::LeftBehind => "left_behind",
            Self::PeerLeftBehind => "peer_left_behind",
            Self::Parted => "parted",
        }
    }

    fn of(number: u8) -> Self {
        Self::UNSOUND.into_iter().find(|bond| *bond as u8 == number).unwrap_or(Self::Sound)
    }
}

/// Shared by the link and those who want to know.
pub struct Standing {
    own: Origin,
    connected: AtomicBool,
    /// Of this process's stream, what is durable at the peer: what answers at `both` wait for.
    own_durable: AtomicU64,
    bond: AtomicU8,
    picture: Mutex<PeerView>,
}

impl Standing {
    /// Makes the standing of a peer of which nothing is known. `own` is this start of the process.
    #[must_use]
    pub fn new(own: Origin) -> Self {
        let picture = PeerView { why: "not connected yet".to_owned(), ..PeerView::default() };
        Self {
            own,
            connected: AtomicBool::new(false),
            own_durable: AtomicU64::new(0),
            bond: AtomicU8::new(Bond::Sound as u8),
            picture: Mutex::new(picture),
        }
    }

    /// Takes what was known when the process ended last: what `node` had durably then.
    pub fn remember(&self, node: NodeId, durable: VersionVector) {
        let mut picture = self.picture();
        (picture.node, picture.durable) = (Some(node), durable);
    }

    /// Notes that a session with `node` is established, which has said in its STATE what it has. That replaces all that was
    /// known: the directory may be new, or have lost its tail. Returns true if more of this process's stream is durable there than was
    /// known: then those are woken who wait for it ([`crate::engine::shared::Shared::peer_is_met`] does both).
    pub fn established(
        &self,
        node: NodeId,
        received: VersionVector,
        durable: VersionVector,
        now_us: u64,
    ) -> bool {
        let own_durable = durable.seq_of(self.own);
        let is_news = own_durable > self.own_durable.swap(own_durable, Ordering::AcqRel);
        self.connected.store(true, Ordering::Release);
        *self.picture() = PeerView {
            node: Some(node),
            start: None,
            connected: true,
            since_us: now_us,
            heard_us: now_us,
            why: String::new(),
            received,
            durable,
            behind_bytes: 0,
        };
        is_news
    }

    /// Notes how far the peer says that it has come in a stream. Returns true if more of this process's stream is durable there:
    /// then those are woken who wait for it ([`crate::engine::shared::Shared::peer_has`] does both).
    pub fn acked(&self, origin: Origin, received: Seq, durable: Seq, now_us: u64) -> bool {
        let mut picture = self.picture();
        picture.heard_us = now_us;
        picture.received.raise(origin, received);
        picture.durable.raise(origin, durable);
        drop(picture);
        let is_news = origin == self.own && durable > self.own_durable.load(Ordering::Relaxed);
        if is_news {
            self.own_durable.store(durable, Ordering::Release);
        }
        is_news
    }

    /// Notes which start of the peer's process the session is with.
    pub fn speaks(&self, start: Inc) {
        self.picture().start = Some(start);
    }

    /// Notes that the peer has all of these folded streams durably: it has said so, or none of them would be folded.
    pub fn has_folded(&self, folds: &Folds) {
        let mut picture = self.picture();
        picture.received.join_folds(folds, |_| true);
        picture.durable.join_folds(folds, |_| true);
    }

    /// Notes that something was heard of the peer.
    pub fn heard(&self, now_us: u64) {
        self.picture().heard_us = now_us;
    }

    /// Notes how much of the journal is still to be sent.
    pub fn behind(&self, bytes: u64) {
        self.picture().behind_bytes = bytes;
    }

    /// Notes that there is no session any more, or that another try to get one has failed. What the peer has stays known.
    pub fn away(&self, why: &str, now_us: u64) {
        self.connected.store(false, Ordering::Release);
        let mut picture = self.picture();
        if std::mem::replace(&mut picture.connected, false) {
            picture.since_us = now_us;
        }
        why.clone_into(&mut picture.why);
    }

    /// Returns whether a session is established.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Acquire)
    }

    /// Returns the last record of this process's stream that is durable at the peer.
    #[inline]
    #[must_use]
    pub fn own_durable(&self) -> Seq {
        self.own_durable.load(Ordering::Acquire)
    }

    /// Returns whether each can bring the other one forward, as of the last session.
    #[must_use]
    pub fn bond(&self) -> Bond {
        Bond::of(self.bond.load(Ordering::Relaxed))
    }

    /// Says so; gives what was so before.
    pub fn set_bond(&self, bond: Bond) -> Bond {
        Bond::of(self.bond.swap(bond as u8, Ordering::Relaxed))
    }

    /// Returns a copy of all that is known.
    #[must_use]
    pub fn look(&self) -> PeerView {
        self.picture().clone()
    }

    fn picture(&self) -> MutexGuard<'_, PeerView> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
