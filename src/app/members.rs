//! Members: the hosts of a cluster as they are logged, each with its seat.
//!
//! ```text
//! record  0xe4  0 u64 node   8 u32 version   12 u16 seat   14 u8 1: forgotten   15 u8 length of the name   16 name
//! section       per host, rising: u64 time of the batch that said so, microseconds; payload of the record
//! ```
//!
//! A host logs that it is a member when it has joined; that it is forgotten, an operator has another one log. What is said of a
//! host with the highest version stands, so the order in which hosts hear of it does not matter, and no clock decides. A host that is forgotten keeps its entry, so that its seat goes to nobody else while there are others.

use std::collections::BTreeMap;

use super::fields::Fields;
use crate::base::ids::NodeId;
use crate::base::limits::{MEMBER_NAME_BYTES_MAX, MEMBERS_LISTED_MAX};
use crate::base::seat::Seat;
use crate::base::tag::MEMBER;
use crate::log::format::record;

/// The entry of a host: the one with the highest version among all that were logged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    version: u32,
    /// It does not count any more: nothing waits for it.
    pub is_forgotten: bool,
    /// Since when it is a member, or forgotten: the time of the batch that said so, microseconds since 1970.
    pub since_us: u64,
    /// Its seat.
    pub seat: Seat,
    /// The name of its machine at that time; may be empty.
    pub name: Box<str>,
}

impl Member {
    /// Returns the payload of the record that says this of `node`.
    fn payload(&self, node: NodeId) -> Vec<u8> {
        let mut out = node.0.to_le_bytes().to_vec();
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&self.seat.number().to_le_bytes());
        let length = u8::try_from(self.name.len()).expect("bounded");
        out.extend_from_slice(&[u8::from(self.is_forgotten), length]);
        out.extend_from_slice(self.name.as_bytes());
        out
    }

    /// Reads a payload, of a batch of that time.
    fn read(fields: &mut Fields<'_>, since_us: u64) -> Option<(NodeId, Self)> {
        let (node, version) = (NodeId(fields.u64()?), fields.u32()?);
        let seat = Seat::new(u16::from_le_bytes(fields.array()?))?;
        let (forgotten, length) = (fields.byte()?, usize::from(fields.byte()?));
        let name = std::str::from_utf8(fields.bytes(length)?).ok()?.into();
        let is_sound = forgotten <= 1 && length <= MEMBER_NAME_BYTES_MAX;
        is_sound.then_some((node, Self { version, is_forgotten: forgotten == 1, since_us, seat, name }))
    }
}

/// The hosts of which something was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    all: BTreeMap<NodeId, Member>,
}

impl Members {
    /// Returns whether nothing was said of any host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns what stands of a host, also if it is forgotten.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<&Member> {
        self.all.get(&node)
    }

    /// Returns every host of which something was said.
    pub fn all(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.all.iter().map(|(node, member)| (*node, member))
    }

    /// Returns the members: all hosts that are not forgotten.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Member)> {
        self.all.iter().filter(|(_, member)| !member.is_forgotten).map(|(node, member)| (*node, member))
    }

    /// Returns whether a host is a member.
    #[must_use]
    pub fn contains(&self, node: NodeId) -> bool {
        self.get(node).is_some_and(|member| !member.is_forgotten)
    }

    /// Returns the seat of a host, if it has one and no other host has it rather: of two a member, of two members the lesser one.
    #[must_use]
    pub fn seat_of(&self, node: NodeId) -> Option<Seat> {
        let own = self.get(node)?;
        let is_stronger = |(other, member): (&NodeId, &Member)| {
            member.seat == own.seat && (member.is_forgotten, *other) < (own.is_forgotten, node)
        };
        (!self.all.iter().any(is_stronger)).then_some(own.seat)
    }

    /// Returns the seat that a host has, or would say that it has: `usual` if that is nobody else's, else the least that was nobody's
    /// yet, else the least that is no member's. Nothing if there are as many members as seats.
    #[must_use]
    pub fn seat_for(&self, node: NodeId, usual: Seat) -> Option<Seat> {
        let others = || self.all.iter().filter(|(other, _)| **other != node).map(|(_, member)| member);
        let was_free = |seat: &Seat| others().all(|member| member.seat != *seat);
        let is_free = |seat: &Seat| others().all(|member| member.is_forgotten || member.seat != *seat);
        let unused = || [usual].into_iter().chain(Seat::all()).find(was_free);
        self.seat_of(node).or_else(unused).or_else(|| Seat::all().find(is_free))
    }

    /// Returns the record by which `node` says that it is a member, with the seat that [`Members::seat_for`] gives it; nothing if it is
    /// one, or there is no room for more.
    #[must_use]
    pub fn join_record(&self, node: NodeId, usual: Seat, name: &str) -> Option<Vec<u8>> {
        self.seated_record(node, self.seat_for(node, usual)?, name)
    }

    /// Returns the record by which `node` says that it is a member with this seat; nothing if it is one, the seat is another member's, or
    /// there is no room for more.
    #[must_use]
    pub fn seated_record(&self, node: NodeId, seat: Seat, name: &str) -> Option<Vec<u8>> {
        let before = self.get(node);
        let is_one = self.contains(node) && self.seat_of(node).is_some();
        let is_full = before.is_none() && self.all.len() >= MEMBERS_LISTED_MAX;
        if is_one || is_full || self.is_of_another(node, seat) {
            return None;
        }
        let fits = |end: &usize| *end <= MEMBER_NAME_BYTES_MAX && name.is_char_boundary(*end);
        let name = &name[..(0..=name.len()).rev().find(fits).unwrap_or(0)];
        let version = before.map_or(1, |before| before.version.saturating_add(1));
        let said = Member { version, is_forgotten: false, since_us: 0, seat, name: name.into() };
        Some(record_of(&said.payload(node)))
    }

    /// Returns whether a member other than `node` has a seat.
    fn is_of_another(&self, node: NodeId, seat: Seat) -> bool {
        self.iter().any(|(other, member)| other != node && member.seat == seat)
    }

    /// Returns the record by which a host says that the member `node` is forgotten; nothing if it is none.
    #[must_use]
    pub fn forget_record(&self, node: NodeId) -> Option<Vec<u8>> {
        let before = self.get(node).filter(|member| !member.is_forgotten)?;
        let version = before.version.saturating_add(1);
        let said = Member { version, is_forgotten: true, ..before.clone() };
        Some(record_of(&said.payload(node)))
    }

    /// Takes the payload of a record of a batch of that time, microseconds since 1970; bytes of another form change nothing.
    pub fn hear(&mut self, time_us: u64, payload: &[u8]) {
        let mut fields = Fields::of(payload);
        let Some((node, said)) = Member::read(&mut fields, time_us).filter(|_| fields.is_empty()) else {
            return;
        };
        let stands = self.all.entry(node).or_insert_with(|| said.clone());
        if said > *stands {
            *stands = said;
        }
    }

    /// Appends their bytes.
    pub fn snapshot(&self, out: &mut Vec<u8>) {
        for (node, member) in &self.all {
            out.extend_from_slice(&member.since_us.to_le_bytes());
            out.extend_from_slice(&member.payload(*node));
        }
    }

    /// Reads the bytes; returns nothing if they are invalid.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (mut members, mut fields) = (Self::default(), Fields::of(bytes));
        while !fields.is_empty() {
            let since_us = fields.u64()?;
            let (node, member) = Member::read(&mut fields, since_us)?;
            if members.all.last_key_value().is_some_and(|(last, _)| *last >= node) {
                return None;
            }
            members.all.insert(node, member);
        }
        Some(members)
    }

    /// Returns a record that tests fold, chosen by `seed`.
    #[must_use]
    pub fn sample(seed: u64) -> Vec<u8> {
        let (node, version) = (NodeId(seed % 3), (seed >> 8) as u32 % 4);
        let seat = Seat::new((seed >> 16) as u16 % 4).expect("one of four");
        let name = ["", "one", "another"][(seed >> 40) as usize % 3].into();
        let said = Member { version, is_forgotten: seed >> 24 & 1 == 1, since_us: 0, seat, name };
        record_of(&said.payload(node))
    }
}

fn record_of(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    record::push(&mut out, MEMBER, payload);
    out
}

/// How this host is connected to others, and the seat that it has before it has logged one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    /// Not at all: it has none.
    #[default]
    Alone,
    /// By a link to a peer: they are two, and each knows by their keys which seat it has.
    Pair(Seat),
    /// By a log that any number of hosts share: it has none before it has logged one that the log has given to it alone.
    Log {
        /// The cluster has begun with this host, which nobody joined so far: it has [`Seat::FIRST`].
        is_first: bool,
    },
}

/// By which rule this host gives numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seating {
    /// This host, once it is known.
    pub own: Option<NodeId>,
    /// Its ties.
    pub ties: Ties,
}

impl Ties {
    /// Returns the seat that a host has before it has logged one.
    #[must_use]
    pub fn usual(self) -> Option<Seat> {
        match self {
            Self::Alone | Self::Log { is_first: false } => None,
            Self::Pair(seat) => Some(seat),
            Self::Log { is_first: true } => Some(Seat::FIRST),
        }
    }
}

impl Seating {
    /// Returns this host's seat: the one that it has as a member, also when it is alone again. Nothing on a host that was
    /// always alone.
    #[must_use]
    pub fn seat(&self, members: &Members) -> Option<Seat> {
        let listed = self.own.and_then(|own| members.seat_of(own));
        listed.or_else(|| match (self.own, self.ties) {
            (Some(_), Ties::Alone) => None,
            // What was taken before it was known that the seat is another one's has to get some number.
            (Some(own), Ties::Log { .. }) => {
                members.seat_for(own, self.ties.usual().unwrap_or_else(|| Seat::of_node(own)))
            }
            (Some(own), Ties::Pair(usual)) => members.seat_for(own, usual),
            (None, ties) => ties.usual(),
        })
    }

    /// Returns whether this host may give numbers: on a log not before it has a seat that is nobody else's, elsewhere always.
    #[must_use]
    pub fn is_seated(&self, members: &Members) -> bool {
        let (Some(own), Ties::Log { is_first }) = (self.own, self.ties) else { return true };
        members.seat_of(own).is_some()
            || (is_first && members.get(own).is_none() && !members.is_of_another(own, Seat::FIRST))
    }
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
