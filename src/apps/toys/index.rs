//! Where the shop's records stand: by their streams, and orders in the order in which they came.

use std::collections::BTreeMap;

use crate::base::ids::{Origin, Seq};

use super::place::Place;
use super::record::OrderId;

/// What a record holds that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A toy, and where it stands.
    Toy(Place),
    /// An order, and where it stands.
    Order(Place, OrderId),
}

impl Held {
    /// Returns where it stands.
    #[must_use]
    pub fn place(&self) -> Place {
        let (Self::Toy(place) | Self::Order(place, _)) = self;
        *place
    }
}

/// All records that hold something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    by_number: BTreeMap<(Origin, Seq), Held>,
    orders: BTreeMap<Place, OrderId>,
}

impl Index {
    /// Adds a record, or what it holds now.
    pub fn add(&mut self, held: Held) {
        let place = held.place();
        self.by_number.insert((place.origin, place.seq), held);
        if let Held::Order(place, id) = held {
            self.orders.insert(place, id);
        }
    }

    /// Returns what a record holds.
    #[must_use]
    pub fn get(&self, at: (Origin, Seq)) -> Option<Held> {
        self.by_number.get(&at).copied()
    }

    /// Takes a record out.
    pub fn remove(&mut self, at: (Origin, Seq)) {
        if let Some(Held::Order(place, _)) = self.by_number.remove(&at) {
            self.orders.remove(&place);
        }
    }

    /// Returns what all records hold, in the order of streams and numbers.
    pub fn iter(&self) -> impl Iterator<Item = &Held> {
        self.by_number.values()
    }

    /// Returns what the records of a stream up to `last` hold.
    #[must_use]
    pub fn up_to(&self, origin: Origin, last: Seq) -> Vec<Held> {
        self.by_number.range((origin, 0)..=(origin, last)).map(|(_, held)| *held).collect()
    }

    /// Returns the numbers of a stream's records.
    pub fn numbers(&self, origin: Origin) -> impl Iterator<Item = Seq> {
        self.by_number.range((origin, 0)..=(origin, Seq::MAX)).map(|((_, seq), _)| *seq)
    }

    /// Returns orders in the order in which they came.
    pub fn orders(&self) -> impl Iterator<Item = (&Place, &OrderId)> {
        self.orders.iter()
    }

    /// Returns the streams that have something.
    #[must_use]
    pub fn streams(&self) -> Vec<Origin> {
        let mut streams: Vec<Origin> = self.by_number.keys().map(|(origin, _)| *origin).collect();
        streams.dedup();
        streams
    }
}
