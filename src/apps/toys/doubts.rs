//! Doubts: names of which an item in memory has one, and an old item may have it, too.
//!
//! Of two items with one name the earlier stands, and which that is can't be told before somebody has read. Until then the item in
//! memory is neither shown nor counted, so nobody sees both of them.

use std::collections::BTreeMap;

use crate::app::aging::Doubt;

use super::record::{KeyId, OrderId};
use super::stored::{KEYS, ORDER_IDS};

/// Name that at most one item has: a key or an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// The key of a toy.
    Toy(KeyId),
    /// The id of an order.
    Order(OrderId),
}

impl Name {
    /// Returns the table that has it of old items.
    #[must_use]
    pub fn table(&self) -> u8 {
        match self {
            Self::Toy(_) => KEYS,
            Self::Order(_) => ORDER_IDS,
        }
    }

    /// Returns its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 16] {
        let (Self::Toy(bytes) | Self::Order(bytes)) = self;
        bytes
    }

    /// Returns the name that a table has under a key; nothing for other tables and keys.
    #[must_use]
    pub fn of(table: u8, key: &[u8]) -> Option<Self> {
        let bytes = key.try_into().ok()?;
        match table {
            KEYS => Some(Self::Toy(bytes)),
            ORDER_IDS => Some(Self::Order(bytes)),
            _ => None,
        }
    }
}

/// All doubts. Each name of one is that of an item in memory.
#[derive(Clone, Debug, Default)]
pub struct Doubts {
    by_name: BTreeMap<Name, u64>,
    /// How many of them are about toys.
    toys: usize,
    /// The number of the last one. No part of the state.
    last: u64,
}

impl Doubts {
    /// Adds one, unless there is one about that name.
    pub fn add(&mut self, name: Name) {
        if !self.has(&name) {
            self.last += 1;
            self.by_name.insert(name, self.last);
            self.toys += usize::from(matches!(name, Name::Toy(_)));
        }
    }

    /// Ends the doubt about a name.
    pub fn remove(&mut self, name: &Name) {
        if self.by_name.remove(name).is_some() {
            self.toys -= usize::from(matches!(name, Name::Toy(_)));
        }
    }

    /// Returns whether there is one about a name.
    #[must_use]
    pub fn has(&self, name: &Name) -> bool {
        self.by_name.contains_key(name)
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Returns how many are about toys.
    #[must_use]
    pub fn toys(&self) -> usize {
        self.toys
    }

    /// Returns their names in a fixed order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.by_name.keys()
    }

    /// Returns up to so many, to be settled.
    #[must_use]
    pub fn first(&self, most: usize) -> Vec<Doubt> {
        let doubt = |(name, number): (&Name, &u64)| Doubt {
            table: name.table(),
            key: name.bytes().to_vec(),
            number: *number,
        };
        self.by_name.iter().take(most).map(doubt).collect()
    }

    /// Returns the name that a doubt is about that is open.
    #[must_use]
    pub fn name_of(&self, doubt: &Doubt) -> Option<Name> {
        let name = Name::of(doubt.table, &doubt.key)?;
        (self.by_name.get(&name) == Some(&doubt.number)).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_that_came_again_is_another_one() {
        let (key, order) = (Name::Toy([7; 16]), Name::Order([7; 16]));
        let mut doubts = Doubts::default();
        doubts.add(key);
        doubts.add(key);
        doubts.add(order);
        let first = doubts.first(9);
        assert_eq!(
            first.iter().map(|doubt| doubts.name_of(doubt)).collect::<Vec<_>>(),
            [Some(key), Some(order)]
        );
        assert_eq!((doubts.toys(), doubts.names().len(), doubts.first(1).len()), (1, 2, 1));
        doubts.remove(&key);
        assert_eq!((doubts.toys(), doubts.name_of(&first[0])), (0, None));
        doubts.add(key);
        assert_eq!(
            doubts.name_of(&first[0]),
            None,
            "what was read for the first one says nothing of this one"
        );
        assert_eq!(doubts.name_of(&first[1]), Some(order));
    }
}
