//! How far this host has come in each stream: received (in its journal and applied) and durable, for STATE and ACK.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::folds::Fold;
use crate::base::ids::{Inc, NodeId, Origin, Position, Seq};
use crate::base::streams::{Stream, Streams};
use crate::base::vector::VersionVector;

/// Batches that wait for a sync, each for itself; beyond that one stands for several of its stream, and becomes durable
/// with the last.
const PENDING_MAX: usize = 64;

/// What changed since it was asked last; a stream is named once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Streams that have grown.
    pub received: Vec<Stream>,
    /// Streams of which more is durable.
    pub durable: Vec<Stream>,
}

impl Changes {
    /// Returns whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.received.is_empty() && self.durable.is_empty()
    }
}

/// Written by the commit step and the thread that syncs, read by the link.
pub struct Progress {
    own: Origin,
    state: Mutex<State>,
}

struct State {
    received: Streams,
    durable: Streams,
    /// What becomes durable with a sync up to a position, in rising order of these.
    pending: VecDeque<(Position, Stream)>,
    /// The same of folds, which come behind the batches that they are in.
    pending_folds: VecDeque<(Position, Fold)>,
    /// While this host joins it calls nothing durable: nobody may rely on a host that does not serve, and of which a crash
    /// may take everything.
    is_withheld: bool,
    /// Everything before this is on the disk.
    synced: Position,
    changes: Changes,
}

impl Progress {
    /// Makes the progress of a journal that was just opened by the start `own` of the process: all of it is durable.
    #[must_use]
    pub fn new(own: Origin, streams: Streams) -> Self {
        let state = State {
            received: streams.clone(),
            durable: streams,
            pending: VecDeque::new(),
            pending_folds: VecDeque::new(),
            is_withheld: false,
            synced: Position(0),
            changes: Changes::default(),
        };
        Self { own, state: Mutex::new(state) }
    }

    /// Returns all streams, as far as they are received and as far as they are durable. That includes what changed before.
    /// A session begins with it.
    #[must_use]
    pub fn begin(&self) -> (Streams, Streams) {
        let mut state = self.state();
        state.changes = Changes::default();
        let durable = if state.is_withheld { Streams::default() } else { state.durable.clone() };
        (state.received.clone(), durable)
    }

    /// Returns what changed since the last call.
    #[must_use]
    pub fn take_changes(&self) -> Changes {
        std::mem::take(&mut self.state().changes)
    }

    /// Returns whether something that came from the peer is not durable yet: it waits for a word about that.
    #[must_use]
    pub fn owes_sync(&self) -> bool {
        let state = self.state();
        state.pending.iter().any(|(end, stream)| stream.origin != self.own && *end > state.synced)
    }

    /// Notes that a batch is applied: its stream stands at `stream`, its frame ends at `end`, and everything before `synced` is
    /// durable.
    pub fn applied(&self, stream: Stream, end: Position, synced: Position) {
        let mut state = self.state();
        state.received.set(stream);
        note(&mut state.changes.received, stream);
        state.wait_for(end, stream);
        state.release(synced);
    }

    /// Notes that the folds of a batch are applied whose frame ends at `end`; that of its stream was noted before.
    pub fn folded(&self, folds: Vec<Fold>, end: Position) {
        if folds.is_empty() {
            return;
        }
        let mut state = self.state();
        for fold in folds {
            // The journal has checked it.
            let _ = state.received.fold(&fold);
            state.pending_folds.push_back((end, fold));
        }
        let synced = state.synced;
        state.release(synced);
    }

    /// Returns where the streams of a node end on this host's disk, but that of the start `current`, which may go on: the latest one
    /// that is known, if nothing is said. Nothing while one of them is not there as a whole.
    #[must_use]
    pub fn durable_ends(&self, node: NodeId, current: Option<Inc>) -> Vec<(Inc, Seq)> {
        let state = self.state();
        let of_node = || state.received.iter().filter(|stream| stream.origin.node == node);
        let Some(current) = current.or_else(|| of_node().map(|stream| stream.origin.inc).max()) else {
            return Vec::new();
        };
        let ended: Vec<Stream> = of_node().filter(|stream| stream.origin.inc != current).collect();
        let is_durable = |stream: &Stream| state.durable.seq_of(stream.origin) >= stream.seq;
        if state.is_withheld || !ended.iter().all(is_durable) {
            return Vec::new();
        }
        ended.into_iter().map(|stream| (stream.origin.inc, stream.seq)).collect()
    }

    /// Notes that this host is joining: it calls nothing durable before [`Progress::joined`].
    pub fn withhold(&self) {
        self.state().is_withheld = true;
    }

    /// Returns whether everything up to `goal` is on the disk.
    #[must_use]
    pub fn is_durable(&self, goal: &VersionVector) -> bool {
        let state = self.state();
        goal.iter().all(|(origin, seq)| state.durable.seq_of(origin) >= seq)
    }

    /// Returns whether something of another node is on the disk.
    #[must_use]
    pub fn has_of_another(&self) -> bool {
        let (state, own) = (self.state(), self.own.node);
        state.durable.iter().any(|stream| stream.origin.node != own)
            || state.durable.folds().iter().any(|folds| folds.node != own)
    }

    /// Notes that a journal that was empty stands behind these streams now; what lies before them is not asked for any more.
    /// Nothing is called durable before [`Progress::joined`].
    pub fn adopt(&self, starts: &Streams) {
        let mut state = self.state();
        (state.received, state.durable) = (starts.clone(), starts.clone());
        for stream in starts.iter() {
            note(&mut state.changes.received, stream);
        }
        state.is_withheld = true;
    }

    /// Notes that the host has joined: all that is durable is called so.
    pub fn joined(&self) {
        let mut state = self.state();
        state.is_withheld = false;
        for stream in state.durable.clone().iter() {
            note(&mut state.changes.durable, stream);
        }
    }

    /// Notes that everything before `synced` is durable.
    pub fn synced(&self, synced: Position) {
        self.state().release(synced);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wait_for(&mut self, end: Position, stream: Stream) {
        if self.pending.len() >= PENDING_MAX
            && let Some(last) = self.pending.iter().rposition(|(_, known)| known.origin == stream.origin)
        {
            self.pending.remove(last);
        }
        self.pending.push_back((end, stream));
    }

    fn release(&mut self, synced: Position) {
        self.synced = self.synced.max(synced);
        while self.pending.front().is_some_and(|(end, _)| *end <= self.synced) {
            let Some((_, stream)) = self.pending.pop_front() else { break };
            self.durable.set(stream);
            if !self.is_withheld {
                note(&mut self.changes.durable, stream);
            }
        }
        while self.pending_folds.front().is_some_and(|(end, _)| *end <= self.synced) {
            let Some((_, fold)) = self.pending_folds.pop_front() else { break };
            // All that came before the fold is durable with it.
            let _ = self.durable.fold(&fold);
        }
    }
}

/// Notes a stream that changed; the last word on it is the one that counts. Few streams change at a time, and the current one is
/// at the end.
fn note(changed: &mut Vec<Stream>, stream: Stream) {
    match changed.iter_mut().rev().find(|known| known.origin == stream.origin) {
        Some(known) => *known = stream,
        None => changed.push(stream),
    }
}
