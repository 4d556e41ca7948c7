//! The slab of a worker's connections: dense places that are used again, told apart by a generation.

use mio::Token;

/// A place in a table and the generation of what stood there: still valid only while both agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Place in the table.
    pub place: u32,
    /// How often the place had been given away before.
    pub generation: u32,
}

impl Key {
    /// Returns the event loop's name for this place. The generation is not in it: a closed socket has no events any more,
    /// and those of the same poll are met by the empty place.
    #[must_use]
    pub fn token(self) -> Token {
        Token(self.place as usize)
    }
}

struct Place<T> {
    generation: u32,
    value: Option<Box<T>>,
}

/// Values at dense places. They are boxed so that an empty place of a server that once had many costs 16 bytes.
pub struct Table<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

impl<T> Table<T> {
    /// Returns a table with nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    /// Returns the key that the next [`Table::insert`] gives.
    #[must_use]
    pub fn next_key(&self) -> Key {
        match self.free.last() {
            Some(&place) => Key { place, generation: self.places[place as usize].generation },
            None => Key { place: self.places.len() as u32, generation: 0 },
        }
    }

    /// Puts `value` at a free place.
    pub fn insert(&mut self, value: T) -> Key {
        let key = self.next_key();
        match self.free.pop() {
            Some(place) => self.places[place as usize].value = Some(Box::new(value)),
            None => self.places.push(Place { generation: 0, value: Some(Box::new(value)) }),
        }
        debug_assert!(self.at(key).is_some());
        key
    }

    /// Returns the value of `key`, if it is still there.
    #[inline]
    pub fn at(&mut self, key: Key) -> Option<&mut T> {
        let place = self.places.get_mut(key.place as usize)?;
        if place.generation != key.generation {
            return None;
        }
        place.value.as_deref_mut()
    }

    /// Lends the value of `key` out, so that its worker can pass it around beside itself; [`Table::give_back`] ends it.
    #[inline]
    pub fn lend(&mut self, key: Key) -> Option<Box<T>> {
        let place =
            self.places.get_mut(key.place as usize).filter(|place| place.generation == key.generation)?;
        place.value.take()
    }

    /// Puts a lent value back.
    #[inline]
    pub fn give_back(&mut self, key: Key, value: Box<T>) {
        let place = &mut self.places[key.place as usize];
        debug_assert!(place.generation == key.generation && place.value.is_none(), "only what was lent");
        place.value = Some(value);
    }

    /// Ends the key of a lent value that will not come back.
    pub fn forget(&mut self, key: Key) {
        let place = &mut self.places[key.place as usize];
        debug_assert!(place.generation == key.generation && place.value.is_none(), "only what was lent");
        place.generation = place.generation.wrapping_add(1);
        self.free.push(key.place);
    }

    /// Returns the key of what stands at the place of `token` now.
    #[inline]
    #[must_use]
    pub fn key_of(&self, token: Token) -> Option<Key> {
        let place = self.places.get(token.0)?;
        place.value.as_ref()?;
        Some(Key { place: token.0 as u32, generation: place.generation })
    }

    /// Returns the number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Returns whether there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the keys of all values.
    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        let occupied = self.places.iter().enumerate().filter(|(_, place)| place.value.is_some());
        occupied.map(|(at, place)| Key { place: at as u32, generation: place.generation })
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_dies_with_its_value() {
        let mut table = Table::new();
        let first = table.insert("a");
        assert_eq!(table.key_of(first.token()), Some(first));
        let lent = table.lend(first).expect("there");
        assert!(table.lend(first).is_none() && table.key_of(first.token()).is_none());
        table.give_back(first, lent);
        assert_eq!(table.lend(first).as_deref(), Some(&"a"));
        table.forget(first);
        assert!(table.lend(first).is_none() && table.is_empty());
        let again = table.insert("b");
        assert_eq!((again.place, table.at(first)), (first.place, None));
        assert_eq!(table.at(again), Some(&mut "b"));
        assert_eq!(table.len(), 1);
        assert_eq!(table.keys().collect::<Vec<_>>(), [again]);
    }
}
