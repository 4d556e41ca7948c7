//! The relay against a bare session that plays its host, and a log that is played by hand.

mod folds;
mod newcomer;
mod pictures;
mod publishing;
mod seats;

use super::port::{LogCall, LogEvent};
use super::words::{Answer, Beat, Has, Question};
use super::*;
use crate::base::batch::{BatchHeader, first_chain};
use crate::base::blob::BlobId;
use crate::base::ids::{ClusterId, Inc};
use crate::base::kinds::Kinds;
use crate::base::limits::{RELAY_LATE_US_MIN, RELAY_STALLED_US};
use crate::base::sha256::Sha256;
use crate::base::streams::Stream;
use crate::peer::fault::ErrorCode;
use crate::peer::message::{Holding, Receipt};
use crate::peer::session::{self, Effect, Session};

const CLUSTER: ClusterId = ClusterId([7; 16]);
const MS: u64 = 1_000;
const NODE: NodeId = NodeId(1);
const OTHER: NodeId = NodeId(2);

fn start(node: NodeId, number: u32) -> Origin {
    Origin { node, inc: Inc::of_start(number, 9) }
}

fn host() -> Origin {
    start(NODE, 5)
}

/// Makes the batches of one stream.
struct Maker(Stream);

impl Maker {
    fn new(origin: Origin) -> Self {
        Self(Stream { origin, seq: 0, chain: first_chain(CLUSTER, origin) })
    }

    fn next(&mut self) -> (BatchHeader, Vec<u8>) {
        self.next_of(1)
    }

    /// Returns the next batch, of so many records.
    fn next_of(&mut self, records: u32) -> (BatchHeader, Vec<u8>) {
        let Stream { origin, seq, chain } = self.0;
        let body = vec![0x11; 10 * records as usize];
        let header = BatchHeader::seal(origin, seq + 1, records, 5 + seq, chain, &body);
        (self.0.seq, self.0.chain) = (header.last_seq(), header.chain);
        (header, body)
    }

    /// Returns a message with the next `count` batches.
    fn message(&mut self, count: usize) -> Vec<u8> {
        let mut message = Vec::new();
        for _ in 0..count {
            let (header, body) = self.next();
            message::push(&mut message, &header, &body);
        }
        message
    }

    fn held(&self) -> Holding {
        let Stream { origin, seq, chain } = self.0;
        Holding { origin, received: seq, durable: seq, first: 1, chain }
    }
}

/// A relay and its host.
struct Scene {
    relay: Relay,
    host: Session,
    now_us: u64,
    heard: Vec<Effect>,
}

impl Scene {
    /// The log has this last message of the host's stream, and a stream of another node; the host has `held`.
    fn new(tail: Option<(u64, Vec<u8>)>, held: &[Holding]) -> Self {
        let mut scene = Self::begun(held, false);
        let token = scene.tail_of(NODE);
        let first = tail.as_ref().map_or(1, |(number, _)| *number);
        scene.relay.on(LogEvent::Tail { token, first, last: tail.clone() }, 0);
        // What is of this process is read back before anything rests on it.
        while let Some(LogCall::Find { token, .. }) = scene.calls().pop() {
            scene.relay.on(LogEvent::Found { token, message: tail.clone() }, 0);
        }
        scene.connect();
        scene
    }

    /// The log was just reached; the host has `held`, or nothing at all and joins.
    fn begun(held: &[Holding], is_joining: bool) -> Self {
        let kinds = Kinds::FIRST;
        let log = Origin { node: log_node(CLUSTER), inc: Inc(77) };
        let late_us_min = RELAY_LATE_US_MIN;
        let settings =
            Settings { cluster: CLUSTER, host: host(), log, lineage: 0, kinds, is_joining, late_us_min };
        let of_host = session::Settings {
            cluster: CLUSTER,
            node: NODE,
            inc: host().inc,
            nonce: 1,
            clock_us: 0,
            lineage: 0,
            made: 0,
            is_empty: is_joining,
            is_joining,
            kinds,
        };
        let mut relay = Relay::new(settings);
        assert!(!relay.is_ready(0));
        relay.on(LogEvent::Up { nodes: vec![OTHER] }, 0);
        let host = Session::new(of_host, held, 0);
        Self { relay, host, now_us: 0, heard: Vec::new() }
    }

    fn connect(&mut self) {
        assert!(self.relay.is_ready(self.now_us));
        self.relay.connect(2, 0, self.now_us);
        self.carry();
    }

    fn on(&mut self, event: LogEvent) {
        self.relay.on(event, self.now_us);
        self.carry();
    }

    /// Carries what both say.
    fn carry(&mut self) {
        for _ in 0..4 {
            self.relay.receive(self.host.output(), self.now_us);
            self.host.sent(self.host.output().len());
            self.relay.turn(self.now_us);
            self.host.receive(self.relay.output(), self.now_us);
            self.relay.sent(self.relay.output().len());
            while let Some(effect) = self.host.next_effect(self.now_us) {
                if let Effect::Take { header, .. } = &effect {
                    let Stream { origin, seq, chain } = message::stream_behind(header);
                    let held = Holding { origin, received: seq, durable: seq, first: 1, chain };
                    self.host.hold(&held, self.now_us);
                }
                self.heard.push(effect);
            }
        }
    }

    fn pass(&mut self, us: u64) {
        self.now_us += us;
        self.carry();
    }

    /// Returns calls to the log, but beats.
    fn calls(&mut self) -> Vec<LogCall> {
        std::iter::from_fn(|| self.relay.next_call())
            .filter(|call| !matches!(call, LogCall::Say { .. }))
            .collect()
    }

    fn tail_of(&mut self, node: NodeId) -> u64 {
        let tail = |call: &LogCall| match call {
            LogCall::Tail { token, node: of } if *of == node => Some(*token),
            _ => None,
        };
        let calls = self.calls();
        calls.iter().find_map(tail).unwrap_or_else(|| panic!("{node}: no tail asked for: {calls:?}"))
    }

    /// Returns appends: token, number of the message before, message.
    fn appends(&mut self) -> Vec<(u64, u64, Vec<u8>)> {
        let append = |call| match call {
            LogCall::Append { token, after, message, .. } => Some((token, after, message)),
            _ => None,
        };
        self.calls().into_iter().filter_map(append).collect()
    }

    /// The host commits a batch and sends it; returns it as a message.
    fn publish(&mut self, maker: &mut Maker) -> Vec<u8> {
        self.publish_of(maker, 1)
    }

    /// The same, of so many records.
    fn publish_of(&mut self, maker: &mut Maker, records: u32) -> Vec<u8> {
        let (header, body) = maker.next_of(records);
        self.host.hold(&maker.held(), self.now_us);
        self.host.send_batch(&header, &body);
        self.carry();
        let mut message = Vec::new();
        message::push(&mut message, &header, &body);
        message
    }

    fn kept(&self) -> Receipt {
        self.host.peer_has(host())
    }

    /// Other's stream is followed from the message `after`; returns the call's token.
    fn follow(&mut self, tail: Option<(u64, Vec<u8>)>) -> u64 {
        let token = self.tail_of(OTHER);
        self.on(LogEvent::Tail { token, first: 1, last: tail });
        let calls = self.calls();
        match calls[..] {
            [LogCall::Follow { token, node: OTHER, after: 0 }] => token,
            _ => panic!("{calls:?}"),
        }
    }
}

#[test]
fn others_batches_come_in_order_and_a_gap_is_asked_for() {
    let (mut scene, mut other) = (Scene::new(None, &[]), Maker::new(start(OTHER, 3)));
    let token = scene.follow(None);
    let messages: Vec<Vec<u8>> = (0..4).map(|_| other.message(2)).collect();
    let heard = |scene: &Scene| scene.host.held(start(OTHER, 3)).map_or(0, |held| held.received);
    // One is doubled, one is damaged.
    for (number, at) in [(1, 0), (1, 0), (2, 1), (4, 3)] {
        scene.on(LogEvent::Message { token, number, bytes: messages[at].clone() });
    }
    assert_eq!(heard(&scene), 4);
    let asked = |call| match call {
        LogCall::Ask { token, question, .. } => Some((token, Question::decode(&question))),
        _ => None,
    };
    let questions: Vec<_> = scene.calls().into_iter().filter_map(asked).collect();
    let [(question, Some(Question::Records { origin, seq: 5 }))] = questions[..] else {
        panic!("{questions:?}")
    };
    assert_eq!(origin, start(OTHER, 3));
    scene.on(LogEvent::Answered { token: question, answer: Answer::Records(messages[2].clone()).encode() });
    assert_eq!(heard(&scene), 8);
    assert_eq!((scene.relay.counters().gaps, scene.relay.counters().received_records), (1, 8));
}

#[test]
fn what_another_host_has_and_the_log_does_not_give_is_asked_for() {
    let (mut scene, mut other) = (Scene::new(None, &[]), Maker::new(start(OTHER, 3)));
    scene.follow(None);
    let message = other.message(2);
    let mut has = Has::default();
    has.received.set(other.0);
    let beat = Beat { origin: start(NodeId(3), 1), lineage: 0, has: Some(has) };
    scene.on(LogEvent::Said { node: NodeId(3), bytes: beat.encode() });
    scene.pass(1_900 * MS);
    assert!(!scene.calls().iter().any(|call| matches!(call, LogCall::Ask { .. })), "it may still come");
    scene.pass(100 * MS);
    let calls = scene.calls();
    let ask = calls.iter().find_map(|call| match call {
        LogCall::Ask { token, to, .. } => Some((*token, *to)),
        _ => None,
    });
    let Some((token, Some(NodeId(3)))) = ask else { panic!("{calls:?}") };
    scene.on(LogEvent::Answered { token, answer: Answer::Records(message).encode() });
    assert_eq!(scene.host.held(start(OTHER, 3)).map(|held| held.received), Some(2));
}

#[test]
fn a_beat_says_what_the_host_has_and_what_of_that_is_on_its_disk() {
    let other = start(OTHER, 3);
    let held = Holding { origin: other, received: 9, durable: 4, first: 1, chain: 0 };
    let (mut scene, mut maker) = (Scene::new(None, &[held]), Maker::new(host()));
    scene.publish(&mut maker);
    let token = scene.appends()[0].0;
    scene.on(LogEvent::Appended { token, number: 1 });
    let mut whole = Vec::new();
    for _ in 0..RELAY_BEATS_PER_WHOLE {
        scene.pass(RELAY_BEAT_EVERY_US);
        let said = std::iter::from_fn(|| scene.relay.next_call()).filter_map(|call| match call {
            LogCall::Say { bytes } => Beat::decode(&bytes).and_then(|beat| beat.has),
            _ => None,
        });
        whole.extend(said);
    }
    let [Has { received, durable }] = &whole[..] else { panic!("{whole:?}") };
    assert_eq!((received.seq_of(other), received.seq_of(host())), (9, 1));
    assert_eq!(durable.seq_of(other), 4);
}

#[test]
fn a_batch_waits_until_its_picture_is_kept() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    let mut content = Sha256::default();
    content.update(b"picture");
    let id = BlobId(content.hash());
    scene.host.send_blob(&id, 7, 0, b"picture");
    scene.publish(&mut maker);
    let calls = scene.calls();
    assert!(matches!(&calls[..], [.., LogCall::Put { total: 7, offset: 0, .. }]), "{calls:?}");
    scene.on(LogEvent::Kept { id, end: 7 });
    assert_eq!(scene.appends().len(), 1);
}

#[test]
fn a_picture_that_nobody_has_is_gone() {
    let mut scene = Scene::new(None, &[]);
    let id = BlobId([3; 32]);
    scene.host.want(&id);
    scene.carry();
    assert!(scene.calls().contains(&LogCall::Get { id, offset: 0 }));
    scene.on(LogEvent::NoPicture { id });
    for _ in 0..29 {
        scene.pass(1_000 * MS);
    }
    assert!(!scene.heard.contains(&Effect::BlobGone(id)), "somebody may come back");
    scene.pass(1_000 * MS);
    assert!(scene.heard.contains(&Effect::BlobGone(id)));
}

#[test]
fn a_log_that_says_nothing_is_left_for_another_server() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    scene.publish(&mut maker);
    for _ in 0..29 {
        scene.pass(100 * MS);
    }
    assert!(!scene.calls().contains(&LogCall::Reconnect));
    scene.pass(100 * MS);
    assert!(scene.calls().contains(&LogCall::Reconnect));
    scene.on(LogEvent::Down { why: "no route".to_owned() });
    let Some(Effect::Closed(close)) = scene.heard.last() else { panic!("{:?}", scene.heard) };
    assert!(close.to_string().contains("the log can't be reached: no route"), "{close}");
    assert_eq!(scene.relay.why(), "no route");
}

/// A server that is cut off from the others tells the last message as ever, and keeps nothing.
#[test]
fn a_server_that_answers_and_keeps_nothing_is_left_for_another_one() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    scene.publish(&mut maker);
    let mut left_us = None;
    while scene.now_us < 2 * RELAY_STALLED_US && left_us.is_none() {
        scene.pass(100_000);
        for call in scene.calls() {
            match call {
                LogCall::Tail { token, node: NODE } => {
                    scene.on(LogEvent::Tail { token, first: 1, last: None });
                }
                LogCall::Reconnect => left_us = Some(scene.now_us),
                _ => {}
            }
        }
    }
    let soonest_us = RELAY_STALLED_US;
    assert!(left_us.is_some_and(|us| (soonest_us..soonest_us + 500_000).contains(&us)), "{left_us:?}");
}

#[test]
fn a_process_on_a_copy_of_the_directory_is_refused() {
    let mut copy = Maker::new(start(NODE, 6));
    let scene = Scene::new(Some((3, copy.message(1))), &[]);
    let Some(Effect::Closed(close)) = scene.heard.last() else { panic!("{:?}", scene.heard) };
    let crate::peer::fault::Close::Refused { code, .. } = close else { panic!("{close:?}") };
    assert_eq!(*code, ErrorCode::OtherHistory as u16, "{close}");
}

#[test]
fn a_tail_that_the_host_has_lost_comes_back() {
    let mut earlier = Maker::new(start(NODE, 4));
    let first = earlier.message(1);
    let held = earlier.held();
    let second = earlier.message(1);
    let mut scene = Scene::new(Some((2, second.clone())), &[held]);
    let token = scene.tail_of(NODE);
    scene.on(LogEvent::Tail { token, first: 1, last: Some((2, second.clone())) });
    let calls = scene.calls();
    let [LogCall::Find { token, number: 1, .. }] = calls[..] else { panic!("{calls:?}") };
    scene.on(LogEvent::Found { token, message: Some((1, first)) });
    let calls = scene.calls();
    let [LogCall::Follow { token, node: NODE, after: 1 }] = calls[..] else { panic!("{calls:?}") };
    scene.on(LogEvent::Message { token, number: 2, bytes: second });
    assert_eq!(scene.host.held(start(NODE, 4)).map(|held| held.received), Some(2));
    assert!(scene.calls().contains(&LogCall::Unfollow { node: NODE }));
}
