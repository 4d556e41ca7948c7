//! Two sessions, connected by hand; and one against bytes that no session would send.

use super::*;
use crate::base::batch::first_chain;
use crate::base::limits::*;
use crate::peer::fault::Violation;
use crate::peer::fault::{ByeCode, ErrorCode, Rest};
use crate::peer::frame::{self, Kind};
use crate::peer::message;

mod breaches;
mod folds;
mod noise;
mod pieces;
mod talk;

const CLUSTER: ClusterId = ClusterId([7; 16]);
const MS: u64 = 1_000;

fn origin(node: u64, inc: u64) -> Origin {
    Origin { node: NodeId(node), inc: Inc(inc) }
}

fn settings(node: u64, inc: u64) -> Settings {
    let (node, inc) = (NodeId(node), Inc(inc));
    Settings {
        cluster: CLUSTER,
        node,
        inc,
        nonce: node.0 ^ inc.0,
        clock_us: 1_000_000,
        lineage: 0,
        made: 0,
        is_empty: false,
        is_joining: false,
        kinds: Kinds::FIRST.with(&[0xE1]),
    }
}

/// Makes the batches of one stream.
#[derive(Clone, Copy)]
struct Maker {
    origin: Origin,
    seq: Seq,
    chain: u64,
}

impl Maker {
    fn new(origin: Origin) -> Self {
        Self { origin, seq: 0, chain: first_chain(CLUSTER, origin) }
    }

    /// Returns the next batch: `count` pixels.
    fn next(&mut self, count: u32) -> (BatchHeader, Vec<u8>) {
        let body = vec![0x11; 10 * count as usize];
        let header = BatchHeader::seal(self.origin, self.seq + 1, count, 5 + self.seq, self.chain, &body);
        (self.seq, self.chain) = (header.last_seq(), header.chain);
        (header, body)
    }

    fn held(&self) -> Holding {
        Holding { origin: self.origin, received: self.seq, durable: self.seq, first: 1, chain: self.chain }
    }
}

/// Returns the effects that are there now.
fn effects(session: &mut Session, now_us: u64) -> Vec<Effect> {
    std::iter::from_fn(|| session.next_effect(now_us)).collect()
}

/// Carries what one session says to the other one; gives what that makes of it.
fn carry(from: &mut Session, to: &mut Session, now_us: u64) -> Vec<Effect> {
    to.receive(from.output(), now_us);
    from.sent(from.output().len());
    effects(to, now_us)
}

/// Returns two sessions that have met, of nodes 1 and 2, starts 10 and 20.
fn pair(a: &[Holding], b: &[Holding]) -> (Session, Session) {
    let (mut a, mut b) = (Session::new(settings(1, 10), a, 0), Session::new(settings(2, 20), b, 0));
    assert_eq!(carry(&mut a, &mut b, 0), []);
    let met = carry(&mut b, &mut a, 0);
    assert!(matches!(met[..], [Effect::Established(Peer { node: NodeId(2), inc: Inc(20), .. })]), "{met:?}");
    let met = carry(&mut a, &mut b, 0);
    assert!(matches!(met[..], [Effect::Established(Peer { node: NodeId(1), inc: Inc(10), .. })]), "{met:?}");
    (a, b)
}

/// Returns the frames in some output.
fn frames(bytes: &[u8]) -> Vec<(Kind, Vec<u8>)> {
    let mut inflow = Inflow::default();
    inflow.extend(bytes);
    let mut found = Vec::new();
    while let Some(frame) = inflow.frame(PEER_PAYLOAD_BYTES_MAX).unwrap() {
        found.push((frame.kind, frame.payload.to_vec()));
    }
    assert!(inflow.is_empty());
    found
}

fn kinds(bytes: &[u8]) -> Vec<Kind> {
    frames(bytes).into_iter().map(|(kind, _)| kind).collect()
}

/// Why the session has ended.
fn close_of(effects: &[Effect]) -> &Close {
    match effects.last() {
        Some(Effect::Closed(close)) => close,
        other => panic!("not closed but {other:?}"),
    }
}
