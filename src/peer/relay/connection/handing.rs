//! What is handed to the host: batches of others, each the next one of its stream; what is missing before one is asked for.

use super::super::awaiting::Awaiting;
use super::super::bringing::Brought;
use super::super::calls::Calls;
use super::super::heads::{Heads, Place};
use super::super::holding::hold;
use super::super::members::Members;
use super::super::message::{Batch, stream_behind};
use super::super::port::LogCall;
use super::super::reader::{Item, Reader};
use super::super::settings::Counters;
use super::Connection;
use crate::base::ids::{NodeId, Origin, Seq};
use crate::base::streams::Stream;

impl Connection {
    /// Brings a host that has nothing what another one's journal does not have any more, before anything else.
    pub(super) fn bring(&mut self, members: &Members, calls: &mut Calls, now_us: u64) {
        match self.bringing.turn(&mut self.session, &mut self.pictures, members, calls, now_us) {
            Brought::Nothing => {}
            Brought::BrokenOff => {
                self.session.fail("the rest of another host's snapshot does not come".to_owned());
            }
            Brought::Snapshot(starts) => {
                self.heads.adopt(&starts);
                for Stream { origin, seq, chain } in starts.iter() {
                    hold(&mut self.session, origin, seq, seq, chain, now_us);
                }
            }
        }
    }

    /// Hands batches to the host, a message of each node in turn, as long as there is room.
    pub(super) fn hand_over(&mut self, counters: &mut Counters, calls: &mut Calls, now_us: u64) {
        if self.pictures.is_amid() {
            return;
        }
        for origin in self.asking.arrived() {
            while let Some(batch) = self.asking.first(origin) {
                let length = batch.body.len();
                let place = place(self.own, &self.heads, &mut self.awaiting, batch);
                if place == Place::Next && !self.session.may_send(length) {
                    return;
                }
                if place == Place::Held {
                    break;
                }
                let Some(batch) = self.asking.take_first(origin) else { break };
                match place {
                    Place::Next => self.send(&batch, now_us),
                    // It comes again when it is asked for again.
                    Place::Gap(lacked, first) if lacked != origin => self.note_gap(lacked, first, now_us),
                    Place::Gap(..) | Place::Older | Place::Held => {}
                }
            }
        }
        let nodes: Vec<NodeId> = self.readers.keys().copied().collect();
        let (before, after) = nodes.split_at(nodes.partition_point(|node| *node <= self.turn_of));
        let nodes = [after, before].concat();
        let mut has_moved = true;
        while has_moved {
            has_moved = false;
            for &node in &nodes {
                match self.hand_message(node, counters, calls, now_us) {
                    Some(moved) => has_moved |= moved,
                    None => return,
                }
                self.turn_of = node;
            }
        }
    }

    /// Hands over what waits of a node, up to the end of a message; whether there was any, and nothing if there is no room.
    fn hand_message(
        &mut self,
        node: NodeId,
        counters: &mut Counters,
        calls: &mut Calls,
        now_us: u64,
    ) -> Option<bool> {
        loop {
            let (place, length) = match self.readers.get(&node).and_then(Reader::first) {
                None => return Some(false),
                Some(Item::Batch(batch)) => {
                    (place(self.own, &self.heads, &mut self.awaiting, batch), batch.body.len())
                }
                Some(Item::End { token, bytes }) => {
                    calls.push(LogCall::Taken { token: *token, bytes: *bytes });
                    self.readers.get_mut(&node)?.take_first();
                    counters.messages += 1;
                    return Some(true);
                }
            };
            let reader = self.readers.get_mut(&node)?;
            match place {
                Place::Gap(origin, first) => {
                    counters.gaps += u64::from(reader.gap().is_none());
                    reader.set_gap(Some((origin, first)));
                    return Some(false);
                }
                Place::Next if !self.session.may_send(length) => return None,
                Place::Held => {
                    reader.set_gap(None);
                    return Some(false);
                }
                Place::Next | Place::Older => reader.set_gap(None),
            }
            if let Some(Item::Batch(batch)) = reader.take_first()
                && place == Place::Next
            {
                self.send(&batch, now_us);
            }
        }
    }

    /// Sends a batch; what the host is handed it must not send back.
    fn send(&mut self, batch: &Batch, now_us: u64) {
        let Batch { header, body } = batch;
        debug_assert_eq!(self.heads.handed(header.origin) + 1, header.first_seq);
        self.session.send_batch(header, body);
        self.heads.hand(header);
        self.awaiting.handed(header.origin, header.last_seq());
        let Stream { origin, seq, chain } = stream_behind(header);
        hold(&mut self.session, origin, seq, 0, chain, now_us);
    }

    /// Notes that a stream is missing up to before `first`, and that nothing of it will come by itself.
    fn note_gap(&mut self, origin: Origin, first: Seq, now_us: u64) {
        let handed = self.heads.handed(origin);
        self.asking.note(origin, (first - 1).max(handed + 1), handed, true, now_us);
    }

    /// Asks hosts for what is missing.
    pub(super) fn ask(&mut self, members: &Members, calls: &mut Calls, now_us: u64) {
        let gaps: Vec<_> = self.readers.values().filter_map(Reader::gap).collect();
        gaps.into_iter().for_each(|(origin, first)| self.note_gap(origin, first, now_us));
        let heads = &self.heads;
        let look_again =
            self.asking.turn(|origin| heads.handed(origin), members, self.own.node, calls, now_us);
        for node in look_again {
            let is_bounded = node == self.own.node;
            let reader = self.readers.entry(node).or_insert_with(|| Reader::new(node, is_bounded, now_us));
            reader.begin_again(now_us);
            reader.turn(calls, now_us);
        }
    }
}

/// Judges a batch, of which those that `own` makes are here already.
fn place(own: Origin, heads: &Heads, awaiting: &mut Awaiting, batch: &Batch) -> Place {
    let Batch { header, body } = batch;
    if header.origin == own {
        return Place::Older;
    }
    let place = heads.judge(header, body);
    if place != Place::Next || !header.touches_folds {
        return place;
    }
    let handed = |origin| if origin == own { Seq::MAX } else { heads.handed(origin) };
    awaiting.judge((header.origin, header.last_seq()), handed)
}
