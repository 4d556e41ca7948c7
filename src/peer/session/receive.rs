//! What comes in: one frame after the other, each judged by what came before.

use super::{Effect, Peer, Phase, Session};
use crate::base::batch::{BATCH_HEADER_BYTES, BatchHeader};
use crate::base::limits::{
    ORIGINS_MAX, PEER_DEAD_US, PEER_HELLO_BYTES_MAX, PEER_PAYLOAD_BYTES_MAX, PEER_PING_EVERY_US,
    PEER_WINDOW_BYTES,
};
use crate::base::tag;
use crate::peer::fault::{Close, Violation};
use crate::peer::frame::{Frame, Kind};
use crate::peer::ledger::Continuity;
use crate::peer::message::{self, FLAG_FOLDS, FLAG_MORE, FLAG_STREAMS, Hello, PEER_VERSION};
use crate::peer::pieces::{self, FLAG_GONE, Piece};
use crate::peer::transfer::{BlobIn, SnapIn};

impl Session {
    /// Takes bytes from the connection. Ask for the effects before giving more: then no more than one frame and what
    /// is given at once is ever kept.
    pub fn receive(&mut self, bytes: &[u8], now_us: u64) {
        if self.phase != Phase::Closed && !bytes.is_empty() {
            self.pacing.heard_us = now_us;
            self.inflow.extend(bytes);
        }
    }

    /// Returns the next effect of what was received, or of time.
    pub fn next_effect(&mut self, now_us: u64) -> Option<Effect> {
        while self.phase != Phase::Closed {
            let payload_max =
                if self.phase == Phase::Hello { PEER_HELLO_BYTES_MAX } else { PEER_PAYLOAD_BYTES_MAX };
            let mut inflow = std::mem::take(&mut self.inflow);
            let outcome = match inflow.frame(payload_max) {
                Ok(None) => {
                    self.inflow = inflow;
                    self.pump(now_us);
                    return None;
                }
                Ok(Some(frame)) => self.on_frame(frame, now_us),
                Err(error) => Err(error.into()),
            };
            self.inflow = inflow;
            match outcome {
                Ok(Some(effect)) => return Some(effect),
                Ok(None) => {}
                Err(violation) => self.violated(violation),
            }
        }
        self.close.take().map(Effect::Closed)
    }

    fn on_frame(&mut self, frame: Frame<'_>, now_us: u64) -> Result<Option<Effect>, Violation> {
        let Frame { kind, flags, payload } = frame;
        let known = match kind {
            Kind::State => FLAG_MORE | FLAG_FOLDS,
            Kind::Snap => FLAG_STREAMS | FLAG_FOLDS,
            Kind::Blob => FLAG_GONE,
            _ => 0,
        };
        if flags & !known != 0 {
            return Err(Violation::Payload { kind, what: "its flags are unknown" });
        }
        if let Kind::Bye | Kind::Error = kind {
            let (code, text) = message::decode_parting(kind, payload)?;
            let is_bye = kind == Kind::Bye;
            self.end(if is_bye { Close::Bye { code, text } } else { Close::Refused { code, text } });
            return Ok(None);
        }
        match (self.phase, kind) {
            (Phase::Hello, Kind::Hello) => self.on_hello(&Hello::decode(payload)?, now_us).map(|()| None),
            (Phase::Hello, _) => Err(Violation::Unexpected { kind, when: "before a HELLO" }),
            (Phase::State | Phase::Live, Kind::State) => self.on_state(flags, payload, now_us),
            (Phase::State, _) => Err(Violation::Unexpected { kind, when: "before a STATE" }),
            _ if self.is_amid_state => Err(Violation::Unexpected { kind, when: "amid a STATE" }),
            (_, Kind::Hello) => Err(Violation::Unexpected { kind, when: "after the first one" }),
            (_, Kind::Batch) => self.on_batch(payload, now_us),
            (_, Kind::Ack) => self.on_ack(payload),
            (_, Kind::Resync) => self.on_resync(payload),
            (_, Kind::Ping) => {
                self.pacing.pong = Some(message::decode_ping(payload)?);
                Ok(None)
            }
            (_, Kind::Pong) => self.on_pong(payload, now_us),
            (_, Kind::Want) => Ok(Some(Effect::BlobWanted(pieces::decode_want(payload)?))),
            (_, Kind::Blob) => self.on_blob(flags, payload).map(Some),
            (_, Kind::Snap) => self.on_snap(flags, payload),
            (_, Kind::Bye | Kind::Error | Kind::State) => unreachable!("taken above"),
        }
    }

    fn on_hello(&mut self, theirs: &Hello, now_us: u64) -> Result<(), Violation> {
        let ours = &self.settings;
        // The least that can be said comes first: whoever is not of this cluster learns nothing else.
        if theirs.cluster != ours.cluster {
            return Err(Violation::OtherCluster { theirs: theirs.cluster, ours: ours.cluster });
        }
        if theirs.node == ours.node {
            return Err(Violation::OwnNode(ours.node));
        }
        if !(theirs.version_min..=theirs.version_max).contains(&PEER_VERSION) {
            let (min, max, own) = (theirs.version_min, theirs.version_max, PEER_VERSION);
            return Err(Violation::Version { min, max, own });
        }
        if theirs.lineage != ours.lineage {
            return Err(Violation::OtherLineage { theirs: theirs.lineage, ours: ours.lineage });
        }
        if theirs.is_joining && ours.is_joining {
            return Err(Violation::BothJoining { theirs: theirs.node, ours: ours.node });
        }
        self.peer = Some(Peer {
            node: theirs.node,
            inc: theirs.inc,
            version: PEER_VERSION,
            is_empty: theirs.is_empty,
            is_joining: theirs.is_joining,
            kinds: theirs.kinds,
            nonce: theirs.nonce,
            clock_ahead_us: theirs.clock_us.cast_signed().wrapping_sub(ours.clock_us.cast_signed()),
        });
        if !self.folding.ours.is_empty() && !theirs.kinds.contains(tag::STREAMS_FOLDED) {
            return Err(Violation::FoldsUnknown);
        }
        self.phase = Phase::State;
        self.pacing.greeted_by_us = now_us + PEER_DEAD_US;
        self.send_state(now_us);
        Ok(())
    }

    fn on_state(&mut self, flags: u8, payload: &[u8], now_us: u64) -> Result<Option<Effect>, Violation> {
        if flags & FLAG_FOLDS != 0 {
            return self.on_state_folds(flags, payload).map(|()| None);
        }
        let held = message::decode_state(payload)?;
        let is_first_state = self.phase == Phase::State;
        let is_first = self.folding.begin_names(is_first_state) || !self.is_amid_state;
        if is_first {
            self.last_state_origin = None;
        }
        let (has_more, is_empty) = (flags & FLAG_MORE != 0, held.is_empty());
        let follows = held.first().is_none_or(|first| self.last_state_origin < Some(first.origin));
        if !follows || (is_empty && (has_more || !is_first)) {
            return Err(Violation::Payload {
                kind: Kind::State,
                what: "its parts don't follow on each other",
            });
        }
        self.last_state_origin = held.last().map(|last| last.origin);
        let is_joining = self.peer.is_some_and(|peer| peer.is_joining);
        for theirs in &held {
            if is_first_state {
                self.folding.note_named(theirs);
            }
            // A host that is joining gets the rest of what is folded here from the journal.
            if is_joining || !self.is_folded(theirs.origin) {
                self.ledger.peer_holds(theirs)?;
            }
        }
        if is_first_state && !has_more {
            let peer = self.peer.filter(|peer| !peer.is_joining && !self.settings.is_joining);
            self.folding.compare(&mut self.ledger, peer.map(|peer| [self.settings.node, peer.node]))?;
        }
        self.settle_outbound();
        self.is_amid_state = has_more;
        match (has_more, self.phase, self.peer) {
            (false, Phase::State, Some(peer)) => {
                self.phase = Phase::Live;
                self.has_met = true;
                // A host that is empty waits for the answer.
                let delay_us = if self.settings.is_empty { 0 } else { PEER_PING_EVERY_US };
                self.pacing.next_ping_us = now_us + delay_us;
                Ok(Some(Effect::Established(peer)))
            }
            (false, ..) => Ok(Some(Effect::State)),
            (true, ..) => Ok(None),
        }
    }

    /// Takes the folded streams that a STATE begins with.
    fn on_state_folds(&mut self, flags: u8, payload: &[u8]) -> Result<(), Violation> {
        let folds = message::decode_folds(Kind::State, payload)?;
        if self.is_amid_state || flags & FLAG_MORE == 0 {
            let what = "its folded streams don't stand at its beginning";
            return Err(Violation::Payload { kind: Kind::State, what });
        }
        self.is_amid_state = true;
        self.folding.begin_state(folds);
        Ok(())
    }

    fn on_batch(&mut self, payload: &[u8], now_us: u64) -> Result<Option<Effect>, Violation> {
        const KIND: Kind = Kind::Batch;
        let Some((header, body)) = payload.split_first_chunk::<BATCH_HEADER_BYTES>() else {
            return Err(Violation::Payload { kind: KIND, what: "it is too short" });
        };
        let header = BatchHeader::decode(header)?;
        if header.body_len as usize != body.len() || crc32c::crc32c(body) != header.body_crc {
            return Err(Violation::Payload { kind: KIND, what: "its body does not match its header" });
        }
        if self.blob.is_some() {
            return Err(Violation::Unexpected { kind: KIND, when: "amid a blob" });
        }
        if self.snap.is_some() {
            return Err(Violation::Unexpected { kind: KIND, when: "amid a snapshot" });
        }
        match self.ledger.judge(&header)? {
            Continuity::Next => {
                if let Some((before, tag)) = self.settings.kinds.first_unknown(body) {
                    let (origin, seq) = (header.origin, header.first_seq + before);
                    return Err(Violation::UnknownKind { origin, seq, tag });
                }
                let bytes = payload.len();
                self.inbound.push(header.origin, header.last_seq(), bytes);
                if self.inbound.bytes() > PEER_WINDOW_BYTES {
                    return Err(Violation::Window);
                }
                self.has_taken = true;
                Ok(Some(Effect::Take { header, body: body.to_vec() }))
            }
            Continuity::Older => {
                // The sender waits for it to be acknowledged like any other.
                self.make_due(header.origin);
                self.pump(now_us);
                Ok(None)
            }
            Continuity::Gap(seq) => {
                let line = self.ledger.get_mut(header.origin).expect("judged above");
                if !std::mem::replace(&mut line.is_resyncing, true) {
                    self.send_resync(header.origin, seq);
                }
                Ok(None)
            }
        }
    }

    fn on_ack(&mut self, payload: &[u8]) -> Result<Option<Effect>, Violation> {
        let receipts = message::decode_ack(payload)?;
        for receipt in &receipts {
            self.ledger.peer_received(Kind::Ack, *receipt)?;
        }
        self.settle_outbound();
        Ok(Some(Effect::Receipts(receipts)))
    }

    fn on_pong(&mut self, payload: &[u8], now_us: u64) -> Result<Option<Effect>, Violation> {
        let (time, receipt) = message::decode_pong(payload, self.ledger.own().held.origin)?;
        self.ledger.peer_received(Kind::Pong, receipt)?;
        self.settle_outbound();
        self.pacing.rtt_us = now_us.checked_sub(time);
        Ok(Some(Effect::Receipts(vec![receipt])))
    }

    fn on_resync(&mut self, payload: &[u8]) -> Result<Option<Effect>, Violation> {
        let (origin, seq) = message::decode_resync(payload)?;
        let Some(line) = self.ledger.get_mut(origin).filter(|line| seq <= line.sent.0) else {
            let what = "that something was sent that wasn't,";
            return Err(Violation::Impossible { kind: Kind::Resync, what, origin });
        };
        if seq <= line.peer.received {
            let what = "that something is missing that was acknowledged,";
            return Err(Violation::Impossible { kind: Kind::Resync, what, origin });
        }
        line.sent = (0, line.sent.1);
        self.outbound.forget(origin);
        Ok(Some(Effect::SendFrom { origin, seq }))
    }

    fn on_blob(&mut self, flags: u8, payload: &[u8]) -> Result<Effect, Violation> {
        let (hash, piece) = pieces::decode_blob(flags, payload)?;
        let Some(piece) = piece else {
            return match self.blob {
                None => Ok(Effect::BlobGone(hash)),
                Some(_) => Err(Violation::Unexpected { kind: Kind::Blob, when: "amid another one" }),
            };
        };
        let blob = self.blob.get_or_insert_with(|| BlobIn::new(hash, &piece));
        if blob.take(&hash, &piece)? {
            self.blob = None;
        }
        let Piece { total, offset, bytes } = piece;
        Ok(Effect::Blob { id: hash, total, offset, bytes: bytes.to_vec() })
    }

    fn on_snap(&mut self, flags: u8, payload: &[u8]) -> Result<Option<Effect>, Violation> {
        const KIND: Kind = Kind::Snap;
        if !self.settings.is_empty || self.has_taken {
            return Err(Violation::Unexpected { kind: KIND, when: "although this host is not empty" });
        }
        if flags & FLAG_STREAMS != 0 {
            let starts = message::decode_starts(flags, payload)?;
            return match self.snap.replace(SnapIn::new(starts.clone())) {
                _ if starts.len() >= ORIGINS_MAX => Err(Violation::TooManyOrigins),
                Some(_) => Err(Violation::Unexpected { kind: KIND, when: "amid another one" }),
                None => Ok(Some(Effect::SnapshotBegins { starts })),
            };
        }
        if flags & FLAG_FOLDS != 0 {
            return Err(Violation::Payload { kind: KIND, what: "its flags are unknown" });
        }
        let piece = pieces::decode_part(payload)?;
        let Some(snap) = &mut self.snap else {
            return Err(Violation::Unexpected { kind: KIND, when: "before it was begun" });
        };
        if let Some(starts) = snap.take(&piece)? {
            for start in starts.iter() {
                self.ledger.start_from(start.origin, start.seq, start.chain)?;
            }
            self.folding.ours.join(starts.folds());
            self.snap = None;
            // There is one snapshot, and batches behind it.
            self.has_taken = true;
        }
        let Piece { total, offset, bytes } = piece;
        Ok(Some(Effect::SnapshotPart { total, offset, bytes: bytes.to_vec() }))
    }

    fn settle_outbound(&mut self) {
        let ledger = &self.ledger;
        self.outbound.settle(|origin| ledger.get(origin).map_or(0, |line| line.peer.received));
    }
}
