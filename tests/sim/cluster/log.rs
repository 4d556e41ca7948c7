//! The simulated log: what a quorum of servers keeps, the connections of the hosts to it, and what goes wrong with both.

mod answering;
mod bucket;
mod delivering;
mod losing;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use pixeld::base::blob::BlobId;
use pixeld::base::ids::{NodeId, Origin, Seq};
use pixeld::peer::relay::message;
use pixeld::peer::relay::port::{LogCall, LogEvent};

use self::bucket::{Look, Put, Puts, way_us};
use super::super::chance::Chance;
use super::super::world::Tally;

/// Servers of the log, each with its own copy of every stream.
const SERVERS: u64 = 3;
const MS: u64 = 1_000;

/// Everything that can go wrong with a log. In each seed at least half of it does.
pub const FAULTS: [&str; 24] = [
    "log: acks doubled",
    "log: acks late",
    "log: acks lost",
    "log: appends late",
    "log: appends lost",
    "log: appends refused",
    "log: claims doubled",
    "log: claims late",
    "log: claims lost",
    "log: disappeared",
    "log: ends forgotten",
    "log: forks",
    "log: holes",
    "log: messages damaged",
    "log: messages doubled",
    "log: messages reordered",
    "log: pictures forgotten",
    "log: pictures unanswered",
    "log: puts unanswered",
    "log: register lost",
    "log: stale tails",
    "log: stood still",
    "log: unreachable",
    "log: words lost",
];
/// Those that a log of servers does not have, and those that a bucket does not have: it has one copy of everything, and each call an answer
/// of its own.
const NO_SERVERS: [&str; 1] = ["log: puts unanswered"];
const NO_BUCKETS: [&str; 5] =
    ["log: acks doubled", "log: acks late", "log: acks lost", "log: forks", "log: stale tails"];

/// One stream.
#[derive(Default)]
struct Stream {
    messages: BTreeMap<u64, Vec<u8>>,
    last: u64,
    /// Its maker is gone, and nothing more of it comes.
    is_over: bool,
    /// In which message each batch stands that is there.
    batches: BTreeMap<(Origin, Seq), u64>,
    /// Messages that a server lacks although the quorum had them.
    lacking: BTreeSet<(u64, u64)>,
    /// In a bucket, the numbers with which objects begin.
    objects: BTreeSet<u64>,
}

impl Stream {
    /// Loses every message that is not to be kept.
    fn retain(&mut self, is_kept: impl Fn(u64) -> bool) {
        self.messages.retain(|number, _| is_kept(*number));
        self.batches.retain(|_, number| is_kept(*number));
        self.lacking.retain(|(_, number)| is_kept(*number));
        self.objects.retain(|number| is_kept(*number));
    }
}

/// A host's connection.
#[derive(Default)]
struct Client {
    node: Option<NodeId>,
    is_up: bool,
    /// Which connection it is: what was said on an earlier one is not heard on this one.
    number: u64,
    server: u64,
    follows: BTreeMap<NodeId, Follow>,
    /// When the last call arrives, and the last event.
    last_us: [u64; 2],
    putting: Vec<u8>,
    /// In a bucket, what is on its way.
    puts: Puts,
}

struct Follow {
    token: u64,
    next: u64,
    delivered: usize,
}

enum Delivery {
    Call {
        host: usize,
        /// Which directory the host had when it said so.
        node: NodeId,
        number: u64,
        call: LogCall,
    },
    Event {
        host: usize,
        number: u64,
        event: LogEvent,
    },
    /// An object on its way into the bucket.
    Put(Put),
    /// A host gives up waiting for the answer to an object.
    Unanswered {
        host: usize,
        number: u64,
    },
    /// A reader of the bucket looks for what is new.
    Look(Look),
    /// An append that comes to stand in the log later than anybody expects.
    Late {
        node: NodeId,
        call: LogCall,
    },
}

/// How bad the log of a seed is: each fault comes once in so many of its kind, 0 for never.
#[derive(Clone, Copy, Default)]
pub struct Weather {
    pub often: u64,
    /// The log is in a bucket.
    pub is_bucket: bool,
}

pub struct SimLog {
    streams: BTreeMap<NodeId, Stream>,
    pictures: BTreeMap<BlobId, Vec<u8>>,
    /// Which host has which seat.
    register: BTreeMap<String, u64>,
    /// Pictures that were kept at some time.
    pub kept_pictures: BTreeSet<BlobId>,
    clients: Vec<Client>,
    deliveries: BinaryHeap<Reverse<(u64, u64)>>,
    what: BTreeMap<u64, Delivery>,
    order: u64,
    asks: BTreeMap<u64, (usize, u64, u64)>,
    pub weather: Weather,
    /// Nothing but words is answered before this.
    pub still_until_us: u64,
    /// Appends are refused before this.
    pub refusing_until_us: u64,
    /// Of each stream, the last record up to which all were appended at some time.
    pub ever: BTreeMap<Origin, Seq>,
    /// Every batch that was appended at some time: its stream and first record, and its last one.
    pub appended: BTreeMap<(Origin, Seq), Seq>,
    /// How often the log has forgotten the end of a node's stream.
    pub forgotten: BTreeMap<NodeId, u64>,
    /// Nodes of whose streams something was lost.
    pub lossy: BTreeSet<NodeId>,
    /// Times that the register was lost.
    pub registers_lost: u64,
    /// Nodes whose streams are spared: their disks are lost.
    pub spared: BTreeSet<NodeId>,
    /// What was appended since it was looked at last.
    pub landed: Vec<Vec<u8>>,
    /// Calls of each host for the last message of a stream, and for anything else but words.
    pub calls: Vec<u64>,
    pub tally: Tally,
}

impl SimLog {
    pub fn new(hosts: usize, weather: Weather) -> Self {
        Self {
            streams: BTreeMap::new(),
            pictures: BTreeMap::new(),
            register: BTreeMap::new(),
            kept_pictures: BTreeSet::new(),
            clients: (0..hosts).map(|_| Client::default()).collect(),
            deliveries: BinaryHeap::new(),
            what: BTreeMap::new(),
            order: 0,
            asks: BTreeMap::new(),
            weather,
            still_until_us: 0,
            refusing_until_us: 0,
            ever: BTreeMap::new(),
            appended: BTreeMap::new(),
            forgotten: BTreeMap::new(),
            lossy: BTreeSet::new(),
            registers_lost: 0,
            spared: BTreeSet::new(),
            landed: Vec::new(),
            calls: vec![0; hosts],
            tally: Tally::default(),
        }
    }

    /// A host's process connects to some server.
    pub fn connect(&mut self, host: usize, node: NodeId, now_us: u64, chance: &mut Chance) {
        let number = self.clients[host].number + 1;
        let last_us = [now_us; 2];
        let server = chance.below(SERVERS);
        self.clients[host] =
            Client { node: Some(node), is_up: true, number, server, last_us, ..Client::default() };
        let nodes = self.streams.keys().copied().collect();
        self.tell_after(host, LogEvent::Up { nodes }, now_us, 0, chance);
    }

    /// Its connection ends; what it has said may still arrive.
    pub fn disconnect(&mut self, host: usize) {
        let client = &mut self.clients[host];
        (client.is_up, client.number) = (false, client.number + 1);
        client.follows.clear();
        client.puts = Puts::default();
    }

    pub fn is_up(&self, host: usize) -> bool {
        self.clients[host].is_up
    }

    fn send(&mut self, at_us: u64, delivery: Delivery) {
        self.order += 1;
        self.what.insert(self.order, delivery);
        self.deliveries.push(Reverse((at_us, self.order)));
    }

    /// When something arrives next.
    pub fn next_us(&self) -> Option<u64> {
        self.deliveries.peek().map(|Reverse((at_us, _))| *at_us)
    }

    fn fault(&mut self, name: &'static str, chance: &mut Chance) -> bool {
        let happens = chance.once_in(self.weather.often);
        self.tally.count(name, u64::from(happens));
        happens
    }

    /// A fault of what happens seldom.
    fn often_fault(&mut self, name: &'static str, chance: &mut Chance) -> bool {
        let happens = self.weather.often > 0 && chance.once_in((self.weather.often / 8).max(4));
        self.tally.count(name, u64::from(happens));
        happens
    }

    /// A host says something to the log.
    pub fn call(&mut self, host: usize, call: LogCall, now_us: u64, chance: &mut Chance) {
        if !self.clients[host].is_up {
            return;
        }
        let is_word = matches!(call, LogCall::Say { .. } | LogCall::Ask { .. } | LogCall::Answer { .. });
        self.calls[host] += u64::from(!is_word);
        if is_word && self.fault("log: words lost", chance) {
            return;
        }
        let client = &mut self.clients[host];
        let (number, node) = (client.number, client.node.expect("it was connected"));
        if self.weather.is_bucket {
            return self.call_bucket((host, node, number), call, now_us, chance);
        }
        let at_us = (now_us + chance.within(50, 1_500)).max(client.last_us[0]);
        client.last_us[0] = at_us;
        if let LogCall::Append { .. } = call {
            if self.fault("log: appends lost", chance) {
                return;
            }
            if self.fault("log: appends late", chance) {
                let at_us = now_us + chance.within(MS, 3_000 * MS);
                return self.send(at_us, Delivery::Late { node, call });
            }
        }
        self.send_call(at_us, (host, node, number), call, chance);
    }

    fn send_call(
        &mut self,
        at_us: u64,
        (host, node, number): (usize, NodeId, u64),
        call: LogCall,
        chance: &mut Chance,
    ) {
        if let LogCall::Enter { .. } = call {
            // Their answers are lost likewise.
            if self.often_fault("log: claims lost", chance) {
                return;
            }
            if self.often_fault("log: claims late", chance) {
                let at_us = at_us + chance.within(MS, 3_000 * MS);
                return self.send(at_us, Delivery::Late { node, call });
            }
        }
        self.send(at_us, Delivery::Call { host, node, number, call });
    }

    /// Returns the faults that this log may have.
    pub fn faults(&self) -> impl Iterator<Item = &'static str> {
        let not: &[&str] = if self.weather.is_bucket { &NO_BUCKETS } else { &NO_SERVERS };
        FAULTS.into_iter().filter(|fault| !not.contains(fault))
    }

    /// The log says something to a host.
    fn tell(&mut self, host: usize, event: LogEvent, now_us: u64, chance: &mut Chance) {
        let now_us = if self.weather.is_bucket { now_us + way_us(chance) } else { now_us };
        if let LogEvent::Appended { .. } = event {
            if self.fault("log: acks lost", chance) {
                return;
            }
            if self.fault("log: acks doubled", chance) {
                self.tell_after(host, event.clone(), now_us, 0, chance);
            }
            if self.fault("log: acks late", chance) {
                let delay_us = chance.within(MS, 3_000 * MS);
                let number = self.clients[host].number;
                return self.send(now_us + delay_us, Delivery::Event { host, number, event });
            }
        }
        if let LogEvent::Entered { .. } = event {
            if self.often_fault("log: claims lost", chance) {
                return;
            }
            if self.often_fault("log: claims doubled", chance) {
                self.tell_after(host, event.clone(), now_us, 0, chance);
            }
        }
        self.tell_after(host, event, now_us, 0, chance);
    }

    /// The log says something to a host behind all that it has said.
    fn tell_in_order(&mut self, host: usize, event: LogEvent, now_us: u64, chance: &mut Chance) {
        let delay_us = self.clients[host].last_us[1].saturating_sub(now_us);
        self.tell_after(host, event, now_us, delay_us, chance);
        let last_us = &mut self.clients[host].last_us[1];
        *last_us = (*last_us).max(now_us) + if self.weather.is_bucket { 2 * MS } else { 0 };
    }

    fn tell_after(&mut self, host: usize, event: LogEvent, now_us: u64, delay_us: u64, chance: &mut Chance) {
        let client = &mut self.clients[host];
        if !client.is_up {
            return;
        }
        let mut at_us = now_us + delay_us + chance.within(50, 1_500);
        if !self.weather.is_bucket {
            at_us = at_us.max(client.last_us[1]);
            client.last_us[1] = at_us;
        }
        let number = client.number;
        self.send(at_us, Delivery::Event { host, number, event });
    }

    /// Lets arrive what is due; gives what hosts hear.
    pub fn arrive(&mut self, now_us: u64, chance: &mut Chance) -> Vec<(usize, LogEvent)> {
        let mut heard = Vec::new();
        while let Some(&Reverse((at_us, order))) = self.deliveries.peek() {
            if at_us > now_us {
                break;
            }
            self.deliveries.pop();
            match self.what.remove(&order).expect("it is on its way") {
                Delivery::Event { host, number, event } => {
                    if self.clients[host].is_up && self.clients[host].number == number {
                        heard.push((host, event));
                    }
                }
                Delivery::Put(put) => self.arrived(put, now_us, chance),
                Delivery::Unanswered { host, number } => {
                    if self.clients[host].number == number {
                        self.answer_put(host, None, now_us, chance);
                    }
                }
                Delivery::Look(look) => self.look(look, now_us, chance),
                Delivery::Late { node, call } => match call {
                    LogCall::Append { after, message, .. } => {
                        _ = self.append(node, after, message, now_us, chance);
                    }
                    LogCall::Enter { name, value, .. } => _ = self.enter(name, value, now_us),
                    _ => {}
                },
                Delivery::Call { host, node, number, call } => {
                    self.take((host, node, number), call, now_us, chance);
                }
            }
        }
        heard
    }

    /// Writes into an entry of the register unless something stands there; gives what does. Nothing is written without a quorum.
    pub(super) fn enter(&mut self, name: String, value: Option<u64>, now_us: u64) -> Option<Option<u64>> {
        let Some(number) = value else { return Some(self.register.get(&name).copied()) };
        if now_us < self.refusing_until_us {
            return None;
        }
        Some(Some(*self.register.entry(name).or_insert(number)))
    }

    fn append(
        &mut self,
        node: NodeId,
        after: u64,
        message: Vec<u8>,
        now_us: u64,
        chance: &mut Chance,
    ) -> Result<u64, &'static str> {
        if now_us < self.refusing_until_us {
            self.tally.count("log: appends refused", 1);
            return Err("no quorum");
        }
        let is_new = !self.streams.contains_key(&node);
        let stream = self.streams.entry(node).or_default();
        if stream.is_over {
            return Err("its maker is gone");
        }
        if stream.last != after {
            return Err("another message is the last one");
        }
        let is_probe = stream.messages.get(&after).is_some_and(|last| *last == message);
        stream.last += 1;
        let number = stream.last;
        stream.messages.insert(number, message.clone());
        for batch in message::batches(node, &message).expect("a relay sends sound batches") {
            let (origin, first_seq) = (batch.header.origin, batch.header.first_seq);
            let is_double = stream.batches.insert((origin, first_seq), number).is_some() && !is_probe;
            self.tally.count("log: batches", 1);
            self.tally.count("log: doubles", u64::from(is_double));
            self.appended.insert((origin, first_seq), batch.header.last_seq());
            let ever = self.ever.entry(origin).or_default();
            if first_seq <= *ever + 1 {
                *ever = batch.header.last_seq().max(*ever);
            }
        }
        self.landed.push(message);
        if !self.weather.is_bucket && chance.once_in(4 * self.weather.often) {
            self.tally.count("log: forks", 1);
            self.lossy.insert(node);
            let server = chance.below(SERVERS);
            self.streams.entry(node).or_default().lacking.insert((server, number));
        }
        for host in 0..self.clients.len() {
            if is_new {
                self.tell(host, LogEvent::Node { node }, now_us, chance);
            }
            if !self.weather.is_bucket {
                self.deliver_up_to(host, node, u64::MAX, now_us, chance);
            }
        }
        Ok(number)
    }

    /// The last message of a stream. A server that is cut off answers with one that was the last before.
    fn tail(&mut self, node: NodeId, chance: &mut Chance) -> (u64, Option<(u64, Vec<u8>)>) {
        let may_be_stale = self.streams.get(&node).is_some_and(|stream| stream.messages.len() > 1);
        let is_stale = may_be_stale && !self.weather.is_bucket && {
            let happens = chance.once_in(self.weather.often / 4);
            self.tally.count("log: stale tails", u64::from(happens));
            happens
        };
        let Some(stream) = self.streams.get(&node) else { return (1, None) };
        let back = if is_stale { chance.within(1, 5) as usize } else { 0 };
        let first = stream.messages.keys().next().copied().unwrap_or(stream.last + 1);
        let last = match stream.messages.iter().rev().nth(back) {
            Some((number, message)) if back > 0 => Some((*number, message.clone())),
            _ => stream.messages.values().next_back().map(|message| (stream.last, message.clone())),
        };
        (first, last)
    }
}
