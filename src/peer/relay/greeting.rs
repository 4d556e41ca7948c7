//! What a host says first, and what the relay says it has in answer.
//!
//! A session says its STATE as soon as it has the other one's HELLO. The relay has to know what the host has before, so what
//! the host says is held back until its first STATE is whole.

use crate::base::folds::Folds;
use crate::base::ids::{ClusterId, Inc, NodeId, Origin};
use crate::base::limits::{PEER_PAYLOAD_BYTES_MAX, RELAY_GREETING_BYTES};
use crate::base::streams::Stream;
use crate::peer::frame::{Inflow, Kind};
use crate::peer::message::{FLAG_FOLDS, FLAG_MORE, Hello, Holding, decode_folds, decode_state};

/// What was said so far.
#[derive(Default)]
pub(super) struct Greeting {
    heard: Vec<u8>,
    inflow: Inflow,
    hello: Option<Hello>,
    held: Vec<Holding>,
    folds: Folds,
}

/// What the host has, by its own word.
pub(super) struct Host {
    /// Its directory and the start of its process.
    pub(super) origin: Origin,
    /// It has nothing at all, and takes a snapshot.
    pub(super) is_empty: bool,
    /// It lacks any, and asks for what the others had when they met.
    pub(super) is_joining: bool,
    /// Its streams.
    pub(super) held: Vec<Holding>,
    /// Those that it has folded.
    pub(super) folds: Folds,
}

/// What came of it.
pub(super) enum Heard {
    /// More is to come.
    More,
    /// All was said that the relay has to know; the session takes it from here.
    Host(Box<Host>),
    /// It is none that the relay can read; the session says what is wrong with it.
    Unreadable,
}

impl Greeting {
    /// Takes bytes of the host.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Heard {
        self.heard.extend_from_slice(bytes);
        self.inflow.extend(bytes);
        match self.read() {
            Some(true) => {
                let Some(hello) = self.hello.take() else { return Heard::Unreadable };
                Heard::Host(Box::new(Host {
                    origin: Origin { node: hello.node, inc: hello.inc },
                    is_empty: hello.is_empty,
                    is_joining: hello.is_joining,
                    held: std::mem::take(&mut self.held),
                    folds: std::mem::take(&mut self.folds),
                }))
            }
            Some(false) if self.heard.len() <= RELAY_GREETING_BYTES => Heard::More,
            _ => Heard::Unreadable,
        }
    }

    /// Takes everything that was said.
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.inflow = Inflow::default();
        std::mem::take(&mut self.heard)
    }

    /// Reads frames; whether the STATE is whole, and nothing if they are none that belong here.
    fn read(&mut self) -> Option<bool> {
        while let Some(frame) = self.inflow.frame(PEER_PAYLOAD_BYTES_MAX).ok()? {
            match (frame.kind, &self.hello) {
                (Kind::Hello, None) => self.hello = Some(Hello::decode(frame.payload).ok()?),
                (Kind::State, Some(_)) if frame.flags & FLAG_FOLDS != 0 => {
                    self.folds = decode_folds(Kind::State, frame.payload).ok()?;
                }
                (Kind::State, Some(_)) => {
                    self.held.extend(decode_state(frame.payload).ok()?);
                    if frame.flags & FLAG_MORE == 0 {
                        return Some(true);
                    }
                }
                _ => return None,
            }
        }
        Some(false)
    }
}

/// Returns what the relay says it has: of other hosts' streams what the host has, so that it sends none of them; of the
/// host's own what the log has. `tail` is where the last message of the host's stream ends; `told` is what other hosts and
/// their streams in the log say they have, the goal of a host that is joining.
pub(super) fn claims(host: &Host, tail: Option<Stream>, told: &[Stream]) -> Vec<Holding> {
    let own = |origin: Origin| origin.node == host.origin.node;
    let mut claims: Vec<Holding> = Vec::new();
    for held in &host.held {
        claims.extend(if own(held.origin) { own_claim(held, tail, told) } else { Some(whole(held)) });
    }
    // What the log has of an earlier start although the host has lost it.
    let more =
        tail.into_iter().chain(told.iter().copied().filter(|stream| host.is_joining && !own(stream.origin)));
    for Stream { origin, seq, chain } in more {
        let claim = Holding { origin, received: seq, durable: seq, first: 1, chain };
        match claims.iter_mut().find(|known| known.origin == origin) {
            Some(known) if known.received < seq => *known = claim,
            Some(_) => {}
            None if host.folds.contains(origin) => {}
            None => claims.push(claim),
        }
    }
    claims.sort_unstable_by_key(|claim| claim.origin);
    claims
}

fn whole(held: &Holding) -> Holding {
    Holding { durable: held.received, first: 1, ..*held }
}

/// Returns what the log has of a stream that this host's directory has made, of which the host has `held`. The host's journal
/// has its streams in the order in which they were made, and goes into the log in that order: what was made before
/// the log's last message is in it.
fn own_claim(held: &Holding, tail: Option<Stream>, told: &[Stream]) -> Option<Holding> {
    let age = |inc: Inc| (inc.is_numbered(), inc);
    let origin = held.origin;
    let claim = match tail {
        Some(tail) if tail.origin == origin => {
            Some(Holding { origin, received: tail.seq, durable: tail.seq, first: 1, chain: tail.chain })
        }
        Some(tail) if age(tail.origin.inc) >= age(origin.inc) => Some(whole(held)),
        _ => None,
    };
    // What the host can't send any more is the affair of those who have it: where the others stand, if they are not behind that,
    // or where the host stands; then the log calls nothing of it durable that it doesn't have.
    let least = held.first - 1;
    let had = claim.map_or(0, |claim| claim.received);
    if had >= least {
        return claim;
    }
    let known = told.iter().filter(|stream| stream.origin == origin);
    let others = known.filter(|stream| (least..=held.received).contains(&stream.seq)).min_by_key(|s| s.seq);
    Some(match others {
        Some(&Stream { seq, chain, .. }) => {
            Holding { origin, received: seq, durable: had.min(seq), first: 1, chain }
        }
        None => Holding { durable: had, first: 1, ..*held },
    })
}

/// Returns the node that the log is to its hosts: the same one for all hosts of a cluster.
#[must_use]
pub fn log_node(cluster: ClusterId) -> NodeId {
    let mut named = *b"log of the cluster              ";
    named[16..].copy_from_slice(&cluster.0);
    NodeId(xxhash_rust::xxh3::xxh3_64(&named))
}
