//! What goes out: a cursor over this host's journal, and at its end the outbox.
//!
//! Every batch that the peer lacks goes, whoever made it, in the order of this journal; what the peer has is passed
//! over, and what it sent itself too. Behind batches of the outbox there is a pause of [`PEER_SEND_EVERY_US`] while nobody
//! waits for them. The blobs that a batch names go before it. A peer that is empty, while the oldest
//! segments are gone here, gets a snapshot and the journal from its oldest batch on.

use std::collections::VecDeque;
use std::sync::Arc;

use super::access::{peering_of, readable_to};
use super::blobs_out::BlobsOut;
use crate::app::old;
use crate::base::batch::BatchHeader;
use crate::base::blob::BlobId;
use crate::base::ids::{Origin, Position, Seq};
use crate::base::limits::{PEER_HURRY_US, PEER_PASSED_BYTES, PEER_PIECE_BYTES, PEER_SEND_EVERY_US};
use crate::base::tag::app;
use crate::engine::shared::Shared;
use crate::engine::shared::peering::outbox::{Departing, Next};
use crate::log::blobs::Pin;
use crate::log::read::scan::Scan;
use crate::log::snapshot::{self, Snapshot};
use crate::os::disk::Disk;
use crate::peer::fault::Rest;
use crate::peer::session::{Holding, Session};

/// What is being sent.
pub(super) struct Shipping {
    disk: Arc<dyn Disk>,
    /// The journal, as far as it is being read.
    scan: Option<Scan>,
    /// Where that ends.
    scan_to: Position,
    /// What lies before this in the journal was sent, or the peer has it.
    reached: Position,
    /// A batch that waits for its blobs, or for room.
    next: Option<Outgoing>,
    blobs: BlobsOut,
    snapshot: Option<SnapshotOut>,
    /// The peer lacks this, which is not kept any more: nothing is sent.
    gone: Option<(Origin, Seq)>,
    has_begun: bool,
    /// Bytes that this turn has read and not sent: batches that the peer has, blobs that were checked.
    passed_bytes: u64,
    /// Batches were taken from the outbox since the last pause.
    has_taken: bool,
    /// When the outbox is looked into again.
    pause_until_us: Option<u64>,
    /// Until then there is no pause.
    hurry_until_us: u64,
}

struct Outgoing {
    header: BatchHeader,
    body: Vec<u8>,
    blobs: VecDeque<BlobId>,
}

struct SnapshotOut {
    blobs: VecDeque<BlobId>,
    bytes: Vec<u8>,
    offset: usize,
    /// Keeps the runs that it names.
    _runs: Vec<Pin>,
}

/// Where sending starts.
enum Plan {
    Journal(Position),
    Snapshot,
    Gone { origin: Origin, from: Seq },
}

impl Shipping {
    pub(super) fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            scan: None,
            scan_to: Position(0),
            reached: Position(0),
            next: None,
            blobs: BlobsOut::default(),
            snapshot: None,
            gone: None,
            has_begun: false,
            passed_bytes: 0,
            has_taken: false,
            pause_until_us: None,
            hurry_until_us: 0,
        }
    }

    /// Begins to send: the session is established.
    pub(super) fn begin(&mut self, shared: &Shared, session: &mut Session, peer_is_empty: bool) {
        self.has_begun = true;
        self.plan(shared, session, peer_is_empty);
    }

    /// Returns whether the peer lacks what is gone here.
    pub(super) fn is_refusing(&self) -> bool {
        self.gone.is_some()
    }

    pub(super) fn is_in_snapshot(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Ends sending: the session is over.
    pub(super) fn end(&mut self) {
        *self = Self::new(Arc::clone(&self.disk));
    }

    /// Returns bytes of the journal that are still to be looked at.
    pub(super) fn behind_bytes(&self, shared: &Shared) -> u64 {
        readable_to(shared).0.saturating_sub(self.reached.0)
    }

    /// Decides where sending starts, by what the peer has and was sent.
    pub(super) fn plan(&mut self, shared: &Shared, session: &mut Session, peer_is_empty: bool) {
        (self.next, self.gone) = (None, None);
        let to = readable_to(shared);
        self.scan_to = to;
        // The scan comes before the look at what there is: its segments stay.
        let pinned = shared.reader.scan(Position(0), to);
        match look(shared, session, peer_is_empty) {
            Plan::Journal(from) => {
                self.reached = from;
                self.scan = Some(shared.reader.scan(from, to));
            }
            Plan::Snapshot => match self.begin_snapshot(shared, session) {
                Ok(()) => {
                    self.reached = Position(0);
                    self.scan = Some(pinned);
                }
                Err(error) => session.fail(format!("this host can't read its snapshot: {error}")),
            },
            Plan::Gone { origin, from } => self.gone = Some((origin, from)),
        }
    }

    /// Looks whether the peer lacks what is gone here; it is refused once everything that it has itself is durable here: it will
    /// be made afresh then, and must not take with it what was acknowledged there.
    pub(super) fn look_whether_refused(&self, session: &mut Session) {
        let Some((origin, from)) = self.gone else { return };
        let (mut is_coming, mut is_apart) = (false, false);
        // What is folded here is whole here.
        for receipt in session.peer_receipts().filter(|receipt| !session.is_folded(receipt.origin)) {
            let held = session.held(receipt.origin);
            let (received, durable) = held.map_or((0, 0), |held| (held.received, held.durable));
            is_coming |= durable < receipt.received;
            is_apart |= received < receipt.received && session.peer_first(receipt.origin) > received + 1;
        }
        if is_apart {
            // The peer is in the same situation, and sends nothing either.
            session.refuse_range(origin, from, Rest::Apart);
        } else if !is_coming {
            let last = last_of_peer(session);
            session.refuse_range(origin, from, Rest::Taken(last));
        }
    }

    fn begin_snapshot(&mut self, shared: &Shared, session: &mut Session) -> std::io::Result<()> {
        let newest = snapshot::load_newest(&*self.disk)?.ok_or(std::io::ErrorKind::NotFound)?;
        let (runs, pins) = runs_of(shared, &newest)?;
        let bytes = newest.encode();
        let blobs = runs.into_iter().chain(shared.blobs.list()?).collect();
        session.begin_snapshot(&shared.reader.start_streams()?);
        self.snapshot = Some(SnapshotOut { blobs, bytes, offset: 0, _runs: pins });
        Ok(())
    }

    /// Looks once more at the whole state that the peer has sent. Should it lack something although nothing is under way, it is
    /// sent again.
    pub(super) fn look_again(&mut self, shared: &Shared, session: &mut Session) {
        let is_idle =
            self.scan.is_none() && self.next.is_none() && self.snapshot.is_none() && self.gone.is_none();
        // What this process makes is looked after by the outbox.
        let own = peering_of(shared).own;
        let lacks = |held: Holding| held.origin != own && session.shipped(held.origin) < held.received;
        let is_behind = session.holdings().any(lacks);
        if self.has_begun && is_idle && session.unacked_bytes() == 0 && is_behind {
            self.plan(shared, session, false);
        }
    }

    /// Takes the peer's wish for a blob.
    pub(super) fn want(&mut self, id: BlobId, session: &mut Session) {
        self.blobs.want(id, session);
    }

    /// Sends as much as there is room for; true if there may be more to be sent although there is room.
    pub(super) fn ship(&mut self, shared: &Shared, session: &mut Session, now_us: u64) -> bool {
        if peering_of(shared).bell.take_hurry() || shared.durability.waits_for_others() {
            self.hurry_until_us = now_us + PEER_HURRY_US;
        }
        if now_us < self.hurry_until_us || self.pause_until_us.is_some_and(|until_us| until_us <= now_us) {
            self.pause_until_us = None;
        }
        self.passed_bytes = 0;
        let mut has_more = false;
        while self.has_begun && session.has_room() && self.step(shared, session, now_us) {
            has_more = self.passed_bytes >= PEER_PASSED_BYTES;
            if has_more {
                break;
            }
        }
        if self.has_begun {
            peering_of(shared).reached(self.reached);
        }
        has_more
    }

    /// Returns until when the outbox is left alone, microseconds.
    pub(super) fn pause_until_us(&self) -> Option<u64> {
        self.pause_until_us
    }

    /// Makes one step; returns false if there is nothing to send, or no room for it.
    fn step(&mut self, shared: &Shared, session: &mut Session, now_us: u64) -> bool {
        if self.blobs.has_any() {
            self.passed_bytes += self.blobs.step(shared, session);
            return true;
        }
        if self.snapshot.is_some() {
            self.send_snapshot_step(shared, session);
            return true;
        }
        if self.gone.is_some() {
            return false;
        }
        if self.next.is_some() {
            return self.send_next(shared, session);
        }
        if self.scan.is_some() {
            self.read_journal(shared, session);
            return true;
        }
        self.ask_outbox(shared, session, now_us)
    }

    /// Sends the batch that waits, or the next of its blobs.
    fn send_next(&mut self, shared: &Shared, session: &mut Session) -> bool {
        let Some(next) = &mut self.next else { return false };
        if let Some(id) = next.blobs.pop_front() {
            self.blobs.send_once(shared, session, id);
            return true;
        }
        if !session.may_send(next.body.len()) {
            return false;
        }
        session.send_batch(&next.header, &next.body);
        peering_of(shared).time_sent(&next.header, self.reached);
        self.next = None;
        true
    }

    /// Looks at the next batch of the journal, and sends it if the peer lacks it and there is room.
    fn read_journal(&mut self, shared: &Shared, session: &mut Session) {
        let Some(scan) = &mut self.scan else { return };
        match scan.next_batch() {
            Ok(Some(batch)) => {
                self.reached = batch.end;
                if batch.header.last_seq() <= session.shipped(batch.origin) {
                    self.passed_bytes += batch.body.len() as u64;
                    return;
                }
                let blobs = blobs_of(shared, batch.body);
                if blobs.is_empty() && session.may_send(batch.body.len()) {
                    session.send_batch(&batch.header, batch.body);
                    peering_of(shared).time_sent(&batch.header, batch.end);
                } else {
                    self.next = Some(Outgoing { header: batch.header, body: batch.body.to_vec(), blobs });
                }
            }
            Ok(None) => {
                self.reached = self.reached.max(self.scan_to);
                self.scan = None;
                // From here on new batches are kept in memory for the peer; what was made meanwhile is in the journal.
                peering_of(shared).outbox.open();
            }
            Err(error) => {
                session.fail(format!("this host can't read its journal: {error}; {}", error.advice()));
            }
        }
    }

    /// Takes the next batch from the outbox, or goes back to the journal if it is not there.
    fn ask_outbox(&mut self, shared: &Shared, session: &Session, now_us: u64) -> bool {
        if self.pause_until_us.is_some() {
            return false;
        }
        let peering = peering_of(shared);
        let mut committed = readable_to(shared);
        match peering.outbox.take(session.shipped(peering.own)) {
            Next::Batch(Departing { header, body, only_short, end, .. }) => {
                self.reached = end;
                self.has_taken = true;
                let blobs = if only_short { VecDeque::new() } else { blobs_of(shared, &body) };
                self.next = Some(Outgoing { header, body, blobs });
                true
            }
            Next::Nothing => {
                // What else was committed by then is the peer's own.
                self.reached = self.reached.max(committed);
                if std::mem::take(&mut self.has_taken) && now_us >= self.hurry_until_us {
                    self.pause_until_us = Some(now_us + PEER_SEND_EVERY_US);
                }
                false
            }
            Next::Journal => {
                if committed <= self.reached {
                    peering.outbox.await_commit();
                    committed = readable_to(shared);
                }
                if committed <= self.reached {
                    return false;
                }
                self.scan = Some(shared.reader.scan(self.reached, committed));
                self.scan_to = committed;
                true
            }
        }
    }

    fn send_snapshot_step(&mut self, shared: &Shared, session: &mut Session) {
        let Some(out) = &mut self.snapshot else { return };
        if let Some(id) = out.blobs.pop_front() {
            return self.blobs.begin(shared, session, id);
        }
        let piece = &out.bytes[out.offset..][..PEER_PIECE_BYTES.min(out.bytes.len() - out.offset)];
        session.send_snapshot(out.bytes.len() as u64, out.offset as u64, piece);
        out.offset += piece.len();
        if out.offset == out.bytes.len() {
            self.snapshot = None;
        }
    }
}

/// Returns the runs that a snapshot names, and what keeps them until they are sent.
fn runs_of(shared: &Shared, snapshot: &Snapshot) -> std::io::Result<(Vec<BlobId>, Vec<Pin>)> {
    let (Some(section), Some(shelf)) = (snapshot.section(app::RUNS), &shared.shelf) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let named = old::named_in(section).ok_or(std::io::ErrorKind::InvalidData)?;
    let pins = named.iter().map(|id| shelf.blobs().pin(*id)).collect();
    Ok((named.into_iter().collect(), pins))
}

/// Returns where sending starts: at the last place before which the peer has everything that is kept here.
fn look(shared: &Shared, session: &Session, peer_is_empty: bool) -> Plan {
    let kept_from = shared.reader.start_vector();
    let missing = kept_from.iter().find(|&(origin, seq)| session.shipped(origin) < seq);
    if let Some(missing) =
        missing.map(|(origin, _)| origin).or_else(|| session.lacked_fold(kept_from.folds()))
    {
        if peer_is_empty {
            return Plan::Snapshot;
        }
        return Plan::Gone { origin: missing, from: session.shipped(missing).saturating_add(1) };
    }
    let mut from = Position(0);
    for segment in shared.reader.segments() {
        let (Some(end_vector), Some(end)) = (segment.end_vector, segment.end) else { break };
        let lacks = end_vector.iter().any(|(origin, seq)| session.shipped(origin) < seq);
        if lacks || session.lacked_fold(end_vector.folds()).is_some() {
            break;
        }
        from = end;
    }
    Plan::Journal(from)
}

/// Returns the last record that the peer's directory has made and that is durable here: of its latest start that made one.
fn last_of_peer(session: &Session) -> Option<(Origin, Seq)> {
    let node = session.peer()?.node;
    let of_peer = session.holdings().filter(|held| held.origin.node == node && held.durable > 0);
    of_peer.max_by_key(|held| held.origin.inc).map(|held| (held.origin, held.durable))
}

fn blobs_of(shared: &Shared, body: &[u8]) -> VecDeque<BlobId> {
    let mut blobs = VecDeque::new();
    let applied = shared.applied.read();
    applied.blobs_of_batch(body, &mut |id| blobs.push_back(id));
    blobs
}
