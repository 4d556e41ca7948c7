//! What goes out: batches within the window, acknowledgements as paced, heartbeats, the last word.

use super::{Phase, Session, Settings};
use crate::base::batch::{BATCH_HEADER_BYTES, BatchHeader};
use crate::base::blob::BlobId;
use crate::base::ids::{NodeId, Origin, Seq};
use crate::base::limits::{
    ORIGINS_MAX, PEER_ACK_EVERY_BYTES, PEER_ACK_EVERY_US, PEER_OUTPUT_BYTES, PEER_OUTPUT_BYTES_MAX,
    PEER_PAYLOAD_BYTES_MAX, PEER_PING_EVERY_US, PEER_STATE_EVERY_US, PEER_TEXT_BYTES_MAX, PEER_WINDOW_BYTES,
};
use crate::base::streams::Streams;
use crate::peer::fault::{ByeCode, Close, ErrorCode, Rest, Violation};
use crate::peer::frame::{self, Kind};
use crate::peer::ledger::Line;
use crate::peer::message::{
    self, FLAG_FOLDS, FLAG_MORE, FLAG_STREAMS, HELD_BYTES, Hello, Holding, PEER_VERSION, Receipt,
};
use crate::peer::pieces::{self, FLAG_GONE};

/// Streams in one STATE frame.
const STATE_STREAMS: usize = (PEER_PAYLOAD_BYTES_MAX - 8) / HELD_BYTES;

impl Session {
    /// Returns bytes that wait for the connection.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        &self.output[self.written..]
    }

    /// Notes that the connection has taken the first `bytes` of the output.
    pub fn sent(&mut self, bytes: usize) {
        self.written += bytes;
        assert!(self.written <= self.output.len(), "no more is sent than there was");
        if self.written == self.output.len() {
            self.output.clear();
            self.output.shrink_to(2 * PEER_OUTPUT_BYTES);
            self.written = 0;
        } else if self.written >= PEER_OUTPUT_BYTES {
            self.output.drain(..self.written);
            self.written = 0;
        }
    }

    /// Returns whether there is room for a batch with a body of `body_len` bytes: in the window of what may be
    /// un-acknowledged, and before the connection.
    #[must_use]
    pub fn may_send(&self, body_len: usize) -> bool {
        let bytes = BATCH_HEADER_BYTES + body_len;
        self.has_room() && self.outbound.bytes() + bytes <= PEER_WINDOW_BYTES
    }

    /// Returns whether there is room for a piece of a blob or of a snapshot.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.phase == Phase::Live && self.output().len() < PEER_OUTPUT_BYTES
    }

    /// Sends a batch as it stands in the journal. The caller has asked [`Session::may_send`], sends the batches of a
    /// stream in order, and none that the peer has ([`Session::shipped`]).
    pub fn send_batch(&mut self, header: &BatchHeader, body: &[u8]) {
        debug_assert!(self.may_send(body.len()), "the window is asked first");
        frame::push(&mut self.output, Kind::Batch, 0, &[&header.encode(), body]);
        self.outbound.push(header.origin, header.last_seq(), BATCH_HEADER_BYTES + body.len());
        self.ledger.note_sent(header);
    }

    /// Sends a piece of a blob; the caller has asked [`Session::has_room`], and sends no other blob and no batch before
    /// the last piece of this one. At most [`crate::base::limits::PEER_PIECE_BYTES`] at once.
    pub fn send_blob(&mut self, hash: &BlobId, total: u64, offset: u64, bytes: &[u8]) {
        let head = pieces::encode_blob_head(hash, total, offset);
        frame::push(&mut self.output, Kind::Blob, 0, &[&head, bytes]);
    }

    /// Tells the peer that no record names this blob any more.
    pub fn send_blob_gone(&mut self, hash: &BlobId) {
        let head = pieces::encode_blob_head(hash, 0, 0);
        frame::push(&mut self.output, Kind::Blob, FLAG_GONE, &[&head]);
    }

    /// Asks the peer for a blob that a batch names and that is not here.
    pub fn want(&mut self, hash: &BlobId) {
        frame::push(&mut self.output, Kind::Want, 0, &[&hash.0]);
    }

    /// Begins a snapshot for a peer that is empty: `starts` is where each stream stands before the first batch that
    /// this host keeps. The pieces follow, then batches from there on, in the order of this host's journal.
    pub fn begin_snapshot(&mut self, starts: &Streams) {
        let payload = message::encode_starts(starts);
        let folds = if starts.folds().is_empty() { 0 } else { FLAG_FOLDS };
        frame::push(&mut self.output, Kind::Snap, FLAG_STREAMS | folds, &[&payload]);
        self.folding.theirs.join_folds(starts.folds());
        for start in starts.iter() {
            self.ledger.note_start(start.origin, start.seq, start.chain);
        }
    }

    /// Sends a piece of the snapshot, in order; the caller has asked [`Session::has_room`].
    pub fn send_snapshot(&mut self, total: u64, offset: u64, bytes: &[u8]) {
        let head = pieces::encode_part_head(total, offset);
        frame::push(&mut self.output, Kind::Snap, 0, &[&head, bytes]);
    }

    /// Notes what this host has of a stream: after each commit, and after each sync. `received` and `durable` never
    /// go back. It is acknowledged if it came from the peer.
    pub fn hold(&mut self, held: &Holding, now_us: u64) {
        let before = self.ledger.hold(held).held;
        let ledger = &self.ledger;
        let from_peer = self.inbound.bytes();
        self.inbound.settle(|origin| ledger.get(origin).map_or(0, |line| line.held.received));
        self.pacing.unacked_bytes += from_peer - self.inbound.bytes();
        let is_news = held.received > before.received || held.durable > before.durable;
        let is_own = held.origin == self.ledger.own().held.origin;
        if is_news && !is_own && self.phase == Phase::Live {
            self.pacing.ack_at_once |= held.durable > before.durable;
            self.make_due(held.origin);
            self.pump(now_us);
        }
    }

    /// Notes the first record that this host can still send of a stream: segments were removed.
    pub fn retain(&mut self, origin: Origin, first: Seq) {
        if let Some(line) = self.ledger.get_mut(origin) {
            line.held.first = first;
        }
    }

    /// Refuses a peer that lacks records that are not kept any more, and has others: it can't be helped.
    pub fn refuse_range(&mut self, origin: Origin, from: Seq, rest: Rest) {
        self.violated(Violation::RangeGone { origin, from, rest });
    }

    /// Refuses a peer because another process runs on a copy of the data directory `node`, which the peer has too.
    pub fn refuse_copy(&mut self, node: NodeId) {
        self.violated(Violation::Copied(node));
    }

    /// Ends the session because another one takes over, or the process stops.
    pub fn leave(&mut self, code: ByeCode) {
        self.end(Close::Left(code));
    }

    /// Ends the session because this host can't go on; the peer is told why.
    pub fn fail(&mut self, text: String) {
        self.end(Close::Failed(text));
    }

    /// Notes that the connection is gone, in words for an operator.
    pub fn lost(&mut self, why: String) {
        self.end(Close::Lost(why));
    }

    fn hello(&self) -> Hello {
        let Settings { cluster, node, inc, nonce, clock_us, lineage, is_empty, is_joining, kinds, .. } =
            self.settings;
        Hello {
            version_min: PEER_VERSION,
            version_max: PEER_VERSION,
            cluster,
            node,
            inc,
            nonce,
            clock_us,
            lineage,
            is_empty,
            is_joining,
            kinds,
        }
    }

    /// Ends the session, if it is not over yet; the reason comes as an effect. The peer is told, unless it told us or
    /// is not there.
    pub(super) fn end(&mut self, close: Close) {
        if self.phase != Phase::Closed {
            self.send_parting(&close);
            self.phase = Phase::Closed;
            self.close = Some(close);
        }
    }

    pub(super) fn violated(&mut self, violation: Violation) {
        self.end(Close::Violation(violation));
    }

    pub(super) fn send_hello(&mut self) {
        let hello = self.hello().encode();
        frame::push(&mut self.output, Kind::Hello, 0, &[&hello]);
    }

    pub(super) fn send_resync(&mut self, origin: Origin, seq: Seq) {
        frame::push(&mut self.output, Kind::Resync, 0, &[&message::encode_resync(origin, seq)]);
    }

    pub(super) fn send_state(&mut self, now_us: u64) {
        self.pacing.next_state_us = now_us + PEER_STATE_EVERY_US;
        if !self.folding.ours.is_empty() {
            let folds = message::encode_folds(&self.folding.ours);
            frame::push(&mut self.output, Kind::State, FLAG_FOLDS | FLAG_MORE, &[&folds]);
        }
        let held: Vec<Holding> =
            self.ledger.iter().map(|line| line.held).filter(|held| held.received > 0).collect();
        debug_assert!(held.len() <= ORIGINS_MAX);
        let mut parts: Vec<&[Holding]> = held.chunks(STATE_STREAMS).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        let last = parts.len() - 1;
        for (at, part) in parts.into_iter().enumerate() {
            let flags = if at == last { 0 } else { FLAG_MORE };
            frame::push(&mut self.output, Kind::State, flags, &[&message::encode_state(part)]);
        }
    }

    fn send_parting(&mut self, close: &Close) {
        let (kind, code) = match close {
            Close::Violation(violation) => (Kind::Error, violation.code() as u16),
            Close::NoHello | Close::Silent => (Kind::Error, ErrorCode::TimedOut as u16),
            Close::Failed(_) => (Kind::Error, ErrorCode::Failed as u16),
            Close::Left(code) => (Kind::Bye, *code as u16),
            Close::Refused { .. } | Close::Bye { .. } | Close::Lost(_) => return,
        };
        let text = close.to_string();
        let text = &text.as_bytes()[..text.len().min(PEER_TEXT_BYTES_MAX)];
        frame::push(&mut self.output, kind, 0, &[&code.to_le_bytes(), &[0; 2], text]);
    }

    /// Has the next ACK name this stream.
    pub(super) fn make_due(&mut self, origin: Origin) {
        if let Some(line) = self.ledger.get_mut(origin)
            && !line.is_due
        {
            line.is_due = true;
            self.pacing.due.push(origin);
        }
    }

    /// Returns when the next ACK has to go out.
    pub(super) fn ack_deadline(&self) -> Option<u64> {
        let pacing = &self.pacing;
        let at_once = pacing.ack_at_once || pacing.unacked_bytes >= PEER_ACK_EVERY_BYTES;
        match pacing.due.is_empty() || self.is_clogged() {
            true => None,
            false if at_once => Some(0),
            false => Some(pacing.acked_us + PEER_ACK_EVERY_US),
        }
    }

    /// Returns whether so much waits for the connection that nothing is added, whatever it is.
    pub(super) fn is_clogged(&self) -> bool {
        self.output().len() >= PEER_OUTPUT_BYTES_MAX
    }

    /// Sends what is due.
    pub(super) fn pump(&mut self, now_us: u64) {
        if self.phase != Phase::Live || self.is_clogged() {
            return;
        }
        if self.ack_deadline().is_some_and(|due_us| due_us <= now_us) {
            self.send_ack(now_us);
        }
        if let Some(time) = self.pacing.pong.take() {
            let receipt = self.peer.map_or(Receipt::none(self.ledger.own().held.origin), |peer| {
                let origin = Origin { node: peer.node, inc: peer.inc };
                self.ledger.get(origin).map_or(Receipt::none(origin), Line::receipt)
            });
            let pong = message::encode_pong(time, receipt.received, receipt.durable);
            frame::push(&mut self.output, Kind::Pong, 0, &[&pong]);
        }
        if now_us >= self.pacing.next_ping_us {
            self.pacing.next_ping_us = now_us + PEER_PING_EVERY_US;
            frame::push(&mut self.output, Kind::Ping, 0, &[&now_us.to_le_bytes()]);
        }
        if now_us >= self.pacing.next_state_us {
            self.send_state(now_us);
        }
    }

    fn send_ack(&mut self, now_us: u64) {
        let mut due = std::mem::take(&mut self.pacing.due);
        due.sort_unstable();
        let mut receipts = Vec::with_capacity(due.len());
        for origin in due.drain(..) {
            if let Some(line) = self.ledger.get_mut(origin) {
                line.is_due = false;
                receipts.push(line.receipt());
            }
        }
        self.pacing.due = due;
        self.pacing.acked_us = now_us;
        self.pacing.unacked_bytes = 0;
        self.pacing.ack_at_once = false;
        frame::push(&mut self.output, Kind::Ack, 0, &[&message::encode_ack(&receipts)]);
    }
}
