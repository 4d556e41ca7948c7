//! Awaiting: a batch that folds streams, says which ends of streams its host has, or takes all that is folded, is held back until
//! everything is here that its host had when it made it.
//!
//! A pair's journal has one order, and streams of a log come each for itself. The host that folds had what the others logged before
//! they said that they have the ends; something of that may lack here still, and may have been made by one who had half of a folded
//! stream. So the host is asked what it had then. In its place any other one that has taken the batch will do, since it has waited
//! too: what it had when it took it. If none that is there has it, once all that are there were heard, the host is gone; then what those
//! have is awaited that are there.
//!
//! A clear names the streams that it clears, and none that its host had folded: a host that took it before such a fold would go on to list
//! what all others have cleared. A word about ends divides what its host logs: who folds for it before all is here that came before it
//! takes a clear of those earlier records for one that clears what is folded.

use std::collections::{BTreeMap, BTreeSet};

use super::calls::Calls;
use super::heads::Place;
use super::members::Members;
use super::port::LogCall;
use super::words::{Answer, Question};
use crate::base::ids::{NodeId, Origin, Seq};
use crate::base::limits::{RELAY_LATE_US, RELAY_PAUSE_US_MIN, RELAY_PICTURE_US};
use crate::base::vector::VersionVector;

/// Batches that are held back.
#[derive(Default)]
pub(super) struct Awaiting {
    held: BTreeMap<(Origin, Seq), Held>,
}

/// One of them.
#[derive(Default)]
struct Held {
    /// The records that have to be here before it, and the end of the wait for them: two hosts may have taken two folds in either order, so that each
    /// seems to need the other one; then another host is asked.
    goal: Option<(VersionVector, u64)>,
    /// Hosts that do not have it, and what they have together.
    without: BTreeSet<NodeId>,
    theirs: VersionVector,
    /// The question that waits for an answer: to whom, and until when.
    asked: Option<(u64, NodeId, u64)>,
    due_us: u64,
    tries: usize,
}

impl Awaiting {
    /// Judges a batch that touches folds, ends with `seq` and is the next one of its stream.
    pub(super) fn judge(&mut self, (origin, seq): (Origin, Seq), handed: impl Fn(Origin) -> Seq) -> Place {
        let held = self.held.entry((origin, seq)).or_default();
        let Some((goal, _)) = &held.goal else { return Place::Held };
        // Of its own stream it needs what stands before it, which is here.
        let lacks = |&(of, end): &(Origin, Seq)| of != origin && handed(of) < end;
        goal.iter().find(lacks).map_or(Place::Next, |(of, end)| Place::Gap(of, end + 1))
    }

    /// Forgets what was handed on.
    pub(super) fn handed(&mut self, origin: Origin, seq: Seq) {
        self.held.remove(&(origin, seq));
    }

    /// Returns when the next turn is due, microseconds.
    pub(super) fn deadline(&self) -> Option<u64> {
        let due = |held: &Held| match &held.goal {
            Some((_, until_us)) => *until_us,
            None => held.asked.map_or(held.due_us, |(.., late_us)| late_us),
        };
        self.held.values().map(due).min()
    }

    /// Takes an answer, if it is one to these questions.
    pub(super) fn answered(&mut self, token: u64, answer: &[u8], now_us: u64) {
        let asked = |held: &Held| held.asked.is_some_and(|(asked, ..)| asked == token);
        let Some((&(origin, seq), held)) = self.held.iter_mut().find(|(_, held)| asked(held)) else {
            return;
        };
        let Some((_, whom, _)) = held.asked.take() else { return };
        held.due_us = now_us;
        match Answer::decode(answer) {
            Some(Answer::Standing(vector)) if vector.seq_of(origin) >= seq => {
                held.goal = Some((vector, now_us + RELAY_PICTURE_US));
            }
            Some(Answer::Standing(vector)) => {
                held.without.insert(whom);
                held.theirs.join(&vector);
            }
            _ => held.due_us = now_us + RELAY_PAUSE_US_MIN,
        }
    }

    /// Asks what is due. Its own host is asked first, then the others.
    pub(super) fn turn(&mut self, members: &Members, calls: &mut Calls, now_us: u64) {
        for (&(origin, seq), held) in &mut self.held {
            held.asked.take_if(|(.., late_us)| *late_us <= now_us);
            if held.goal.take_if(|(_, until_us)| *until_us <= now_us).is_some() {
                held.without.clear();
            }
            if held.goal.is_some() || held.asked.is_some() || held.due_us > now_us {
                continue;
            }
            let is_new = |node: &NodeId| members.is_here(*node, now_us) && !held.without.contains(node);
            let mut here: Vec<NodeId> = members.iter().map(|(node, _)| node).filter(is_new).collect();
            here.sort_unstable_by_key(|node| (*node != origin.node, *node));
            let Some(&whom) = here.get(held.tries % here.len().max(1)) else {
                if !members.has_heard_all(now_us) {
                    held.due_us = members.all_heard_us();
                    continue;
                }
                held.goal = Some((std::mem::take(&mut held.theirs), now_us + RELAY_PICTURE_US));
                continue;
            };
            held.tries += 1;
            let (token, question) = (calls.token(), Question::Standing { origin, seq }.encode());
            calls.push(LogCall::Ask { token, to: Some(whom), question });
            held.asked = Some((token, whom, now_us + RELAY_LATE_US));
        }
    }
}
