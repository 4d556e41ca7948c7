//! What the log answers to a call that has arrived.

use pixeld::base::ids::NodeId;
use pixeld::base::limits::PEER_PIECE_BYTES;
use pixeld::peer::relay::port::{LogCall, LogEvent};

use super::super::super::chance::Chance;
use super::{Client, Delivery, Follow, SimLog};

impl SimLog {
    /// Takes what a host has said on the connection `number`, when its directory was `own`.
    pub(super) fn take(
        &mut self,
        (host, own, number): (usize, NodeId, u64),
        call: LogCall,
        now_us: u64,
        chance: &mut Chance,
    ) {
        let is_word = matches!(call, LogCall::Say { .. } | LogCall::Ask { .. } | LogCall::Answer { .. });
        if now_us < self.still_until_us && !is_word {
            return self.send(self.still_until_us, Delivery::Call { host, node: own, number, call });
        }
        let client = &self.clients[host];
        let (is_same, server) = (client.number == number, client.server);
        if !is_same && !matches!(call, LogCall::Append { .. } | LogCall::Enter { .. }) {
            return;
        }
        match call {
            LogCall::Append { token, after, message, .. } => {
                let outcome = self.append(own, after, message, now_us, chance);
                let event = match outcome {
                    Ok(number) => LogEvent::Appended { token, number },
                    Err(why) => LogEvent::Refused { token, why: why.to_owned() },
                };
                if is_same {
                    self.tell(host, event, now_us, chance);
                }
            }
            LogCall::Tail { token, node } => {
                let (first, last) = self.tail(node, chance);
                if node == own {
                    self.note_end(host, last.as_ref().map_or(first - 1, |(number, _)| *number));
                }
                self.tell(host, LogEvent::Tail { token, first, last }, now_us, chance);
            }
            LogCall::Find { token, node, number } => {
                let message = self.at_or_behind(node, number, server);
                self.tell(host, LogEvent::Found { token, message }, now_us, chance);
            }
            LogCall::Follow { token, node, after } => {
                let follow = Follow { token, next: after + 1, delivered: 0 };
                self.clients[host].follows.insert(node, follow);
                if self.weather.is_bucket {
                    self.look_from(host, node, token, now_us, chance);
                } else {
                    self.deliver_up_to(host, node, u64::MAX, now_us, chance);
                }
            }
            LogCall::Unfollow { node } => _ = self.clients[host].follows.remove(&node),
            LogCall::Taken { token, bytes } => {
                let follows = &mut self.clients[host].follows;
                let Some((&node, follow)) = follows.iter_mut().find(|(_, follow)| follow.token == token)
                else {
                    return;
                };
                follow.delivered = follow.delivered.saturating_sub(bytes);
                if !self.weather.is_bucket {
                    self.deliver_up_to(host, node, u64::MAX, now_us, chance);
                }
            }
            LogCall::Put { id, total, offset, bytes } => {
                let putting = &mut self.clients[host].putting;
                putting.truncate(offset as usize);
                putting.extend_from_slice(&bytes);
                let end = putting.len() as u64;
                if end == total {
                    let content = std::mem::take(putting);
                    self.pictures.insert(id, content);
                    self.kept_pictures.insert(id);
                }
                self.tell(host, LogEvent::Kept { id, end }, now_us, chance);
            }
            LogCall::Get { id, offset } => {
                if self.often_fault("log: pictures unanswered", chance) {
                    return;
                }
                let event = match self.pictures.get(&id) {
                    Some(content) => {
                        let rest = &content[offset as usize..];
                        let bytes = rest[..rest.len().min(PEER_PIECE_BYTES)].to_vec();
                        LogEvent::Piece { id, total: content.len() as u64, offset, bytes }
                    }
                    None => LogEvent::NoPicture { id },
                };
                self.tell(host, event, now_us, chance);
            }
            LogCall::Enter { token, name, value } => {
                if let Some(value) = self.enter(name, value, now_us).filter(|_| is_same) {
                    self.tell(host, LogEvent::Entered { token, value }, now_us, chance);
                }
            }
            LogCall::Say { bytes } => {
                for other in (0..self.clients.len()).filter(|other| *other != host) {
                    self.tell(other, LogEvent::Said { node: own, bytes: bytes.clone() }, now_us, chance);
                }
            }
            LogCall::Ask { token, to, question } => {
                let is_meant =
                    |client: &Client| client.is_up && to.is_none_or(|node| client.node == Some(node));
                let hosts: Vec<usize> = (0..self.clients.len())
                    .filter(|other| *other != host && is_meant(&self.clients[*other]))
                    .collect();
                if hosts.is_empty() {
                    return;
                }
                let other = hosts[chance.below(hosts.len() as u64) as usize];
                self.order += 1;
                self.asks.insert(self.order, (host, number, token));
                let token = self.order;
                self.tell(other, LogEvent::Asked { token, question }, now_us, chance);
            }
            LogCall::Answer { token, answer } => {
                let Some((asker, number, token)) = self.asks.remove(&token) else { return };
                if self.clients[asker].number == number {
                    self.tell(asker, LogEvent::Answered { token, answer }, now_us, chance);
                }
            }
            LogCall::Reconnect => {
                self.disconnect(host);
                self.tally.count("log: reconnects", 1);
            }
        }
    }
}
