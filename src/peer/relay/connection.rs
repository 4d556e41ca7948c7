//! One connection to the host, in which the log is its peer.

mod goal;
mod handing;

use std::collections::BTreeMap;

use super::asking::Asking;
use super::awaiting::Awaiting;
use super::bringing::Bringing;
use super::calls::Calls;
use super::greeting::{Greeting, Heard, Host, claims};
use super::heads::Heads;
use super::holding::hold;
use super::members::Members;
use super::message::stream_behind;
use super::patience::Patience;
use super::pictures::Pictures;
use super::port::LogEvent;
use super::publisher::{Outcome, Publisher, is_foreign};
use super::reader::Reader;
use super::settings::{Counters, Settings};
use super::words::Has;
use crate::base::folds::Folds;
use crate::base::ids::{NodeId, Origin, Seq};
use crate::base::limits::PEER_OUTPUT_BYTES_MAX;
use crate::base::streams::{Stream, Streams};
use crate::base::vector::VersionVector;
use crate::peer::fault::Close;
use crate::peer::message::Receipt;
use crate::peer::session::{Effect, Holding, Session, Settings as SessionSettings};

/// What the relay knows when the connection begins.
pub(super) struct Start {
    /// The last message of the host's stream in the log: its number, and where it ends.
    pub(super) tail: (u64, Option<Stream>),
    /// The greatest number of that stream that was ever known to be kept.
    pub(super) kept: u64,
    /// How long the log's word was waited for so far.
    pub(super) patience: Patience,
    /// What others say there is.
    pub(super) told: Vec<Stream>,
    /// Nodes that have a stream in the log.
    pub(super) nodes: Vec<NodeId>,
    /// The log has lost its oldest messages.
    pub(super) is_window: bool,
}

/// One connection.
pub(super) struct Connection {
    own: Origin,
    session: Session,
    greeting: Option<Greeting>,
    start: Start,
    heads: Heads,
    publisher: Publisher,
    readers: BTreeMap<NodeId, Reader>,
    /// Whose batches were handed on last.
    turn_of: NodeId,
    bringing: Bringing,
    awaiting: Awaiting,
    /// Streams that others were said to have, while the host joins.
    goal: Vec<Stream>,
    asking: Asking,
    pictures: Pictures,
    is_live: bool,
    closed: Option<Close>,
}

impl Connection {
    /// Returns a connection that was just made; the HELLO is in the output at once.
    pub(super) fn new(settings: &Settings, nonce: u64, clock_us: u64, start: Start, now_us: u64) -> Self {
        let Settings { cluster, host, lineage, kinds, log, .. } = *settings;
        let session = SessionSettings {
            cluster,
            node: log.node,
            inc: log.inc,
            nonce,
            clock_us,
            lineage,
            made: 0,
            is_empty: false,
            is_joining: false,
            kinds,
        };
        Self {
            own: host,
            session: Session::new(session, &[], now_us),
            greeting: Some(Greeting::default()),
            publisher: Publisher::new(host, start.tail.0, start.kept, start.patience, now_us),
            start,
            heads: Heads::new(cluster, Folds::default()),
            readers: BTreeMap::new(),
            turn_of: NodeId(0),
            bringing: Bringing::new(false, false, now_us),
            awaiting: Awaiting::default(),
            goal: Vec::new(),
            asking: Asking::default(),
            pictures: Pictures::default(),
            is_live: false,
            closed: None,
        }
    }

    /// Returns the session, for its output.
    pub(super) fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Returns bytes that wait for the connection.
    pub(super) fn output(&self) -> &[u8] {
        self.session.output()
    }

    /// Returns why it is over, once it is.
    pub(super) fn closed(&self) -> Option<&Close> {
        self.closed.as_ref()
    }

    /// Returns whether the host is to be read.
    pub(super) fn wants_input(&self) -> bool {
        !self.pictures.is_full() && self.session.output().len() < PEER_OUTPUT_BYTES_MAX
    }

    /// Returns whether an answer of the log is owed.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_live && (self.publisher.is_waiting() || self.pictures.is_waiting())
    }

    /// Returns the greatest number of the host's stream that is known to be kept.
    pub(super) fn kept(&self) -> u64 {
        self.publisher.kept()
    }

    /// Returns how long the log's word to a message is waited for.
    pub(super) fn patience(&self) -> Patience {
        self.publisher.patience()
    }

    /// Returns up to where the log was seen to have the stream that the host makes now.
    pub(super) fn seen(&self) -> Option<Stream> {
        let held = self.session.held(self.own)?;
        (held.durable == held.received).then_some(Stream {
            origin: self.own,
            seq: held.received,
            chain: held.chain,
        })
    }

    /// Returns what the host has, and of its current stream what the log keeps; nothing before it has said so. What is durable there
    /// it says as a peer does, in STATE and ACK.
    pub(super) fn has(&self) -> Option<Has> {
        let mut received = self.is_live.then(|| self.heads.had())?;
        let own = self.session.held(self.own).filter(|held| held.received > 0);
        own.iter().for_each(|held| {
            received.set(Stream { origin: self.own, seq: held.received, chain: held.chain });
        });
        let mut durable = VersionVector::new();
        self.session.peer_receipts().for_each(|receipt| durable.raise(receipt.origin, receipt.durable));
        Some(Has { received, durable })
    }

    /// Returns streams that stand still because nobody gives what comes next.
    pub(super) fn stuck(&self) -> Vec<(Origin, Seq)> {
        self.asking.stuck().collect()
    }

    /// Adds what this connection counted.
    pub(super) fn count(&self, counters: &mut Counters) {
        counters.flights_ended += self.publisher.flights_ended();
        counters.asked += self.asking.asked();
        counters.pictures_gone += self.pictures.gone();
        counters.damaged += self.readers.values().map(Reader::damaged).sum::<u64>();
    }

    /// Returns whether the log has kept nothing for too long; says so once.
    pub(super) fn has_stalled(&mut self, now_us: u64) -> bool {
        self.publisher.has_stalled(now_us)
    }

    /// Returns bytes of the host's batches that the log has not acknowledged.
    pub(super) fn unacked_bytes(&self) -> u64 {
        self.publisher.unacked_bytes()
    }

    /// Takes bytes of the host.
    pub(super) fn receive(&mut self, bytes: &[u8], now_us: u64) {
        let Some(greeting) = &mut self.greeting else { return self.session.receive(bytes, now_us) };
        let heard = greeting.hear(bytes);
        if let Heard::More = heard {
            return;
        }
        let said = greeting.take();
        self.greeting = None;
        if let Heard::Host(host) = heard {
            self.meet(&host, now_us);
        }
        self.session.receive(&said, now_us);
    }

    /// Answers the host's first STATE with what the log has.
    fn meet(&mut self, host: &Host, now_us: u64) {
        if host.origin != self.own {
            return self.session.fail("the connection to the log is not this host's own".to_owned());
        }
        let tail = self.start.tail.1;
        if tail.is_some_and(|tail| is_foreign(self.own, tail.origin)) {
            return self.session.refuse_copy(self.own.node);
        }
        self.session.set_folds(host.folds.clone());
        for claim in claims(host, tail, &self.start.told).iter().filter(|claim| claim.received > 0) {
            self.session.hold(claim, now_us);
        }
        if host.is_joining {
            self.goal.clone_from(&self.start.told);
        }
        self.bringing = Bringing::new(host.is_empty, self.start.is_window, now_us);
        self.heads = Heads::new(self.heads.cluster(), host.folds.clone());
        for &Holding { origin, received: seq, chain, .. } in &host.held {
            if origin != self.own {
                self.heads.note_had(Stream { origin, seq, chain });
            }
        }
        for node in std::mem::take(&mut self.start.nodes) {
            self.add_reader(node, now_us);
        }
        // A tail that the host has lost comes back from its own stream.
        let is_lost = |tail: Stream| tail.origin != self.own && self.heads.handed(tail.origin) < tail.seq;
        if tail.is_some_and(is_lost) {
            self.readers.insert(self.own.node, Reader::new(self.own.node, true, now_us));
        }
    }

    /// Begins to read a node's stream.
    pub(super) fn add_reader(&mut self, node: NodeId, now_us: u64) {
        if node != self.own.node && self.greeting.is_none() {
            self.readers.entry(node).or_insert_with(|| Reader::new(node, false, now_us));
        }
    }

    /// Takes what the log says to this connection.
    pub(super) fn on(&mut self, event: LogEvent, counters: &mut Counters, calls: &mut Calls, now_us: u64) {
        let (own, heads) = (self.own, &self.heads);
        let has = |origin| if origin == own { Seq::MAX } else { heads.handed(origin) };
        match event {
            LogEvent::Appended { token, number } => {
                let outcome = self.publisher.appended(token, number, now_us);
                self.take(outcome, counters, now_us);
            }
            LogEvent::Refused { token, .. } => self.publisher.refused(token, now_us),
            LogEvent::Tail { token, first, last } => {
                for reader in self.readers.values_mut() {
                    reader.tail(token, first, last.as_ref(), &has, calls, now_us);
                }
                let outcome = self.publisher.tail(token, first, last.as_ref(), calls, now_us);
                self.take(outcome, counters, now_us);
            }
            LogEvent::Found { token, message } => {
                for reader in self.readers.values_mut() {
                    reader.found(token, message.as_ref(), &has, calls, now_us);
                }
                let outcome = self.publisher.found(token, message.as_ref(), calls, now_us);
                self.take(outcome, counters, now_us);
            }
            LogEvent::Message { token, number, bytes } => {
                self.readers.values_mut().for_each(|reader| reader.message(token, number, &bytes, calls));
            }
            LogEvent::Kept { id, end } => self.pictures.note_kept(id, end, now_us),
            LogEvent::NotKept { id, why } => {
                self.session.fail(format!("the log did not keep the picture {id}: {why}"));
            }
            LogEvent::Piece { id, total, offset, bytes } => self.pictures.piece(id, total, offset, bytes),
            LogEvent::NoPicture { id } => self.pictures.no_picture(id, now_us),
            LogEvent::Answered { token, answer } => {
                self.bringing.answered(token, &answer, &mut self.session, now_us);
                self.awaiting.answered(token, &answer, now_us);
                self.asking.answered(token, &answer, now_us);
                self.pictures.answered(token, &answer, now_us);
            }
            // The relay's own.
            LogEvent::Up { .. }
            | LogEvent::Down { .. }
            | LogEvent::Node { .. }
            | LogEvent::Said { .. }
            | LogEvent::Entered { .. }
            | LogEvent::Asked { .. } => {}
        }
    }

    /// Takes it that another host has these streams.
    pub(super) fn compare(&mut self, has: &Streams, now_us: u64) {
        if !self.is_live {
            return;
        }
        for Stream { origin, seq, .. } in has.iter().filter(|stream| stream.origin != self.own) {
            let handed = self.heads.handed(origin);
            if seq > handed {
                self.asking.note(origin, seq, handed, false, now_us);
            }
        }
    }

    /// Acts on what came of an answer of the log.
    fn take(&mut self, outcome: Outcome, counters: &mut Counters, now_us: u64) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Kept(streams) => {
                for Stream { origin, seq, chain } in streams {
                    let before = self.session.held(origin).map_or(0, |held| held.received);
                    counters.published_records += seq.saturating_sub(before);
                    hold(&mut self.session, origin, seq, seq, chain, now_us);
                }
            }
            Outcome::Forgotten(_) => {
                counters.regressions += 1;
                self.session.fail("the log has forgotten records that it had acknowledged".to_owned());
            }
            Outcome::Overtaken(messages) => {
                self.session.fail(format!("this host's stream in the log has {messages} more messages"));
            }
            Outcome::Copied(origin) => self.session.refuse_copy(origin.node),
        }
    }

    /// Does what can be done now.
    pub(super) fn turn(
        &mut self,
        members: &Members,
        counters: &mut Counters,
        calls: &mut Calls,
        now_us: u64,
    ) {
        self.act(calls, counters, now_us);
        if self.is_live && !self.session.is_closed() {
            self.publisher.turn(self.pictures.kept(), calls, now_us);
            self.bring(members, calls, now_us);
            if self.bringing.is_done() {
                self.readers.values_mut().for_each(|reader| reader.turn(calls, now_us));
                self.hand_over(counters, calls, now_us);
                self.awaiting.turn(members, calls, now_us);
                self.ask(members, calls, now_us);
                self.look_after_goal(members, now_us);
            }
            self.pictures.turn(&mut self.session, members, calls, now_us);
            if self.pictures.is_late(now_us) {
                self.session.fail("the log does not keep this host's pictures".to_owned());
            }
            if self.pictures.is_full() {
                self.session.excuse_silence(now_us);
            }
        }
        self.session.tick(now_us);
        self.act(calls, counters, now_us);
    }

    /// Returns when the next turn is due, microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let session = self.session.deadline()?;
        let parts = [self.publisher.deadline(), self.bringing.deadline(), self.pictures.deadline()];
        let readers = self.readers.values().filter_map(Reader::deadline);
        let others = readers.chain(self.asking.deadline()).chain(self.awaiting.deadline());
        let others = others.filter(|_| self.bringing.is_done());
        let live = parts.into_iter().flatten().chain(others).filter(|_| self.is_live);
        live.chain([session]).min()
    }

    fn act(&mut self, calls: &mut Calls, counters: &mut Counters, now_us: u64) {
        while let Some(effect) = self.session.next_effect(now_us) {
            match effect {
                Effect::Established(_) => self.is_live = true,
                Effect::Take { header, body } if header.origin.node == self.own.node => {
                    self.publisher.push(header, body, self.pictures.begun());
                }
                // It came through the log before this connection began, and was committed since.
                Effect::Take { header, .. } => {
                    let Stream { origin, seq, chain } = stream_behind(&header);
                    self.heads.note_had(Stream { origin, seq, chain });
                    hold(&mut self.session, origin, seq, seq, chain, now_us);
                }
                Effect::Receipts(receipts) => self.note_receipts(&receipts, counters, now_us),
                Effect::SendFrom { origin, .. } => {
                    self.session.fail(format!("this host lacks records of {origin} that it was handed"));
                }
                Effect::Blob { id, total, offset, bytes } => {
                    self.pictures.put(id, total, offset, bytes, calls, now_us);
                }
                Effect::BlobWanted(id) => {
                    if !self.pictures.want(id) {
                        self.session.fail("this host wants too many pictures at once".to_owned());
                    }
                }
                Effect::Closed(close) => {
                    self.is_live = false;
                    self.closed = Some(close);
                }
                // A snapshot comes only to an empty host, which a log never is.
                Effect::State
                | Effect::BlobGone(_)
                | Effect::SnapshotBegins { .. }
                | Effect::SnapshotPart { .. } => {}
            }
        }
    }

    fn note_receipts(&mut self, receipts: &[Receipt], counters: &mut Counters, now_us: u64) {
        for receipt in receipts {
            let before = self.heads.had_of(receipt.origin);
            if let Some(Stream { origin, seq, chain }) = self.heads.receive(receipt.origin, receipt.received)
            {
                counters.received_records += seq - before;
                hold(&mut self.session, origin, seq, seq, chain, now_us);
            }
        }
    }
}
