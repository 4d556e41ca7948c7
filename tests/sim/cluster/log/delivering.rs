//! How messages come to those who follow a stream.

use pixeld::base::ids::NodeId;
use pixeld::base::limits::RELAY_CREDIT_BYTES;
use pixeld::peer::relay::port::LogEvent;

use super::super::super::chance::Chance;
use super::SimLog;

impl SimLog {
    pub(super) fn at_or_behind(&self, node: NodeId, number: u64, server: u64) -> Option<(u64, Vec<u8>)> {
        let stream = self.streams.get(&node)?;
        let is_there = |at: &u64| !stream.lacking.contains(&(server, *at));
        let (number, message) = stream.messages.range(number..).find(|(at, _)| is_there(at))?;
        Some((*number, message.clone()))
    }

    /// Delivers what a host follows and has not got, up to the message `end`.
    pub(super) fn deliver_up_to(
        &mut self,
        host: usize,
        node: NodeId,
        end: u64,
        now_us: u64,
        chance: &mut Chance,
    ) {
        let mut swapped = None;
        loop {
            let server = self.clients[host].server;
            let Some(follow) = self.clients[host].follows.get(&node) else { break };
            let (token, next) = (follow.token, follow.next);
            if follow.delivered >= RELAY_CREDIT_BYTES {
                break;
            }
            let found = self.at_or_behind(node, next, server).filter(|(number, _)| *number <= end);
            let Some((number, mut bytes)) = found else { break };
            let Some(follow) = self.clients[host].follows.get_mut(&node) else { break };
            follow.next = number + 1;
            follow.delivered += bytes.len();
            if !bytes.is_empty() && self.fault("log: messages damaged", chance) {
                let bit = chance.below(bytes.len() as u64 * 8) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let event = LogEvent::Message { token, number, bytes };
            if self.fault("log: messages doubled", chance) {
                self.tell_in_order(host, event.clone(), now_us, chance);
            }
            if swapped.is_none() && self.fault("log: messages reordered", chance) {
                swapped = Some(event);
                continue;
            }
            self.tell_in_order(host, event, now_us, chance);
        }
        if let Some(event) = swapped {
            self.tell_in_order(host, event, now_us, chance);
        }
    }
}
