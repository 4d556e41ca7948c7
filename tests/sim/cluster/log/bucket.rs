//! A log in a bucket, as a relay meets it. It answers late and in no order; one object of messages is put at a time, under the
//! number of its first one and only if there is none of that name; nobody is told of what is new, so readers look by names; an object
//! is lost as a whole.

use std::collections::VecDeque;

use pixeld::base::ids::NodeId;
use pixeld::base::limits::{
    RELAY_CREDIT_BYTES, RELAY_FLIGHT_MAX, SHARED_LOG_CALL_MS, SHARED_LOG_GAP_LOOK_MS,
    SHARED_LOG_PAUSE_MS_MIN, SHARED_LOG_POLL_MS_MAX,
};
use pixeld::peer::relay::port::{LogCall, LogEvent};

use super::super::super::chance::Chance;
use super::{Delivery, MS, SimLog};

/// Messages of a host on their way into the bucket.
#[derive(Default)]
pub struct Puts {
    /// Those of the object that is on its way, and behind them those that wait for it.
    queue: VecDeque<(u64, Vec<u8>)>,
    flying: usize,
    /// The number of the last message before the queue; nothing while that is not known.
    last: Option<u64>,
}

/// An object on its way.
pub struct Put {
    pub host: usize,
    pub node: NodeId,
    /// The connection; nothing of one whose answer nobody waits for any more.
    pub number: Option<u64>,
    first: u64,
    messages: Vec<Vec<u8>>,
}

/// A reader's next look.
pub struct Look {
    pub host: usize,
    pub number: u64,
    node: NodeId,
    token: u64,
    pause_us: u64,
    list_at_us: u64,
}

impl SimLog {
    /// A host calls a bucket: messages wait for each other, what else it asks comes in no order.
    pub(super) fn call_bucket(
        &mut self,
        whose: (usize, NodeId, u64),
        call: LogCall,
        now_us: u64,
        chance: &mut Chance,
    ) {
        match call {
            LogCall::Append { token, after, message, .. } => {
                self.queue(whose.0, (token, after), message, now_us, chance);
            }
            call => {
                let is_put = matches!(call, LogCall::Put { .. });
                // Pieces of a picture follow each other, and words are read where they are found.
                let at_us = now_us + if is_put { 1 } else { way_us(chance) };
                self.send_call(at_us, whose, call, chance);
            }
        }
    }

    /// Takes a message of a host, to be put behind the number `after`.
    pub(super) fn queue(
        &mut self,
        host: usize,
        (token, after): (u64, u64),
        message: Vec<u8>,
        now_us: u64,
        chance: &mut Chance,
    ) {
        let puts = &mut self.clients[host].puts;
        if puts.last.map(|last| last + puts.queue.len() as u64) != Some(after) {
            let why = "another message is the last one, or it is not known which is".to_owned();
            return self.tell_after(host, LogEvent::Refused { token, why }, now_us, 0, chance);
        }
        puts.queue.push_back((token, message));
        self.put_next(host, now_us, chance);
    }

    /// Notes the end of a host's stream, which it was told.
    pub(super) fn note_end(&mut self, host: usize, last: u64) {
        let puts = &mut self.clients[host].puts;
        if puts.queue.is_empty() {
            puts.last = Some(last);
        }
    }

    fn put_next(&mut self, host: usize, now_us: u64, chance: &mut Chance) {
        let client = &mut self.clients[host];
        let (puts, number) = (&mut client.puts, client.number);
        let Some(last) = puts.last.filter(|_| puts.flying == 0 && !puts.queue.is_empty()) else { return };
        let node = client.node.expect("it is connected");
        puts.flying = puts.queue.len().min(RELAY_FLIGHT_MAX);
        let messages: Vec<_> =
            puts.queue.iter().take(puts.flying).map(|(_, message)| message.clone()).collect();
        let put = Put { host, node, number: Some(number), first: last + 1, messages };
        let late_us = now_us + SHARED_LOG_CALL_MS * MS;
        if self.fault("log: appends lost", chance) {
            return self.send(late_us, Delivery::Unanswered { host, number });
        }
        if self.fault("log: appends late", chance) {
            // It comes to be there when nobody thinks of it any more.
            let at_us = late_us + chance.within(MS, 3_000 * MS);
            self.send(at_us, Delivery::Put(Put { number: None, ..put }));
            return self.send(late_us, Delivery::Unanswered { host, number });
        }
        self.send(now_us + way_us(chance), Delivery::Put(put));
    }

    /// An object arrives.
    pub(super) fn arrived(&mut self, put: Put, now_us: u64, chance: &mut Chance) {
        if now_us < self.still_until_us {
            if let Some(number) = put.number {
                let late_us = now_us + SHARED_LOG_CALL_MS * MS;
                self.send(late_us, Delivery::Unanswered { host: put.host, number });
            }
            return self.send(self.still_until_us, Delivery::Put(Put { number: None, ..put }));
        }
        let Put { host, node, number, first, messages } = put;
        let count = messages.len() as u64;
        let is_refused = now_us < self.refusing_until_us;
        self.tally.count("log: appends refused", u64::from(is_refused));
        let is_new = !self.streams.contains_key(&node);
        let stream = self.streams.entry(node).or_default();
        let is_made = !is_refused && stream.last < first && !stream.is_over;
        if is_made {
            // Whatever was before it may be lost: the name is free.
            stream.last = first - 1;
            stream.objects.insert(first);
        }
        for other in (0..self.clients.len()).filter(|_| is_new) {
            self.tell(other, LogEvent::Node { node }, now_us, chance);
        }
        for (message, after) in messages.into_iter().zip(first - 1..).filter(|_| is_made) {
            self.append(node, after, message, now_us, chance).expect("there is room behind the last one");
        }
        let Some(number) = number.filter(|number| self.clients[host].number == *number) else { return };
        if is_made && self.fault("log: puts unanswered", chance) {
            return self.send(now_us + SHARED_LOG_CALL_MS * MS, Delivery::Unanswered { host, number });
        }
        self.answer_put(host, is_made.then_some(count), now_us, chance);
    }

    /// Tells a host what became of its object: so many messages were appended, or nothing is known of it.
    pub(super) fn answer_put(&mut self, host: usize, made: Option<u64>, now_us: u64, chance: &mut Chance) {
        let puts = &mut self.clients[host].puts;
        let delay_us = way_us(chance);
        puts.flying = 0;
        let Some((last, count)) = puts.last.zip(made) else {
            puts.last = None;
            for (token, _) in std::mem::take(&mut puts.queue) {
                let why = "another message is the last one, or nobody has answered".to_owned();
                self.tell_after(host, LogEvent::Refused { token, why }, now_us, delay_us, chance);
            }
            return;
        };
        puts.last = Some(last + count);
        let kept: Vec<_> = puts.queue.drain(..count as usize).collect();
        for (number, (token, _)) in (last + 1..).zip(kept) {
            self.tell_after(host, LogEvent::Appended { token, number }, now_us, delay_us, chance);
        }
        self.put_next(host, now_us + delay_us, chance);
    }

    /// A reader begins to look.
    pub(super) fn look_from(
        &mut self,
        host: usize,
        node: NodeId,
        token: u64,
        now_us: u64,
        chance: &mut Chance,
    ) {
        let number = self.clients[host].number;
        let pause_us = SHARED_LOG_PAUSE_MS_MIN * MS;
        let look = Look { host, number, node, token, pause_us, list_at_us: now_us };
        self.send(now_us + way_us(chance), Delivery::Look(look));
    }

    /// A reader looks for the next object by its name, and now and then at a listing.
    pub(super) fn look(&mut self, look: Look, now_us: u64, chance: &mut Chance) {
        let Look { host, node, token, .. } = look;
        let (least_us, most_us) = (SHARED_LOG_PAUSE_MS_MIN * MS, SHARED_LOG_POLL_MS_MAX * MS);
        let client = &self.clients[host];
        let follow = client.follows.get(&node).filter(|follow| follow.token == token);
        let Some(follow) = follow.filter(|_| client.number == look.number) else { return };
        let (next, has_room) = (follow.next, follow.delivered < RELAY_CREDIT_BYTES);
        let is_listed = now_us >= look.list_at_us;
        let list_at_us = if is_listed { now_us + SHARED_LOG_GAP_LOOK_MS * MS } else { look.list_at_us };
        let found = self.object(node, next, is_listed).filter(|_| has_room && now_us >= self.still_until_us);
        let pause_us = match found {
            Some((first, end)) => {
                if let Some(follow) = self.clients[host].follows.get_mut(&node) {
                    follow.next = first;
                }
                self.deliver_up_to(host, node, end, now_us, chance);
                least_us
            }
            None => (look.pause_us + look.pause_us / 2).min(most_us),
        };
        let delay_us = if found.is_some() { way_us(chance) } else { pause_us + way_us(chance) };
        self.send(now_us + delay_us, Delivery::Look(Look { pause_us, list_at_us, ..look }));
    }

    /// Returns the first message and the last one to read of the object that has message `next`, which is known by its name if it
    /// begins with it; of the first one behind it if that is looked for by a listing. A stream that was made again begins anew.
    fn object(&self, node: NodeId, next: u64, is_listed: bool) -> Option<(u64, u64)> {
        let stream = self.streams.get(&node)?;
        let next = if is_listed && stream.last + 1 < next { 1 } else { next };
        let first = match is_listed {
            true => stream.messages.range(next..).next().map(|(number, _)| *number)?,
            false => {
                stream.objects.get(&next).copied().filter(|first| stream.messages.contains_key(first))?
            }
        };
        let end = stream.objects.range(first + 1..).next().map_or(stream.last, |behind| behind - 1);
        Some((first, end))
    }
}

/// A way to the bucket or from it: some tens of milliseconds, sometimes hundreds.
pub fn way_us(chance: &mut Chance) -> u64 {
    let most = if chance.once_in(10) { 300 } else { 60 };
    chance.within(10, most) * MS
}
