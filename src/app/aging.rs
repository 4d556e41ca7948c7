//! What an application says of items of its state that may go to the disk.

use super::heal::Heals;
use super::old::Old;
use crate::base::places::Place;
use crate::log::runs::item::Item;

/// A key of which an item in memory asks whether an old item has it too: nobody has read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The table that has the key, if an old item has it.
    pub table: u8,
    /// The key, without a place.
    pub key: Vec<u8>,
    /// Tells this doubt from a later one about the same key.
    pub number: u64,
}

/// A state whose oldest items go to the disk.
pub trait Aging {
    /// Returns its old items.
    fn old(&self) -> &Old;

    /// Returns the same.
    fn old_mut(&mut self) -> &mut Old;

    /// Returns about how many bytes of memory the items take that may go to the disk.
    fn young_bytes(&self) -> u64;

    /// Returns the oldest of them, with all their keys, until what is left takes at most `keep_bytes`.
    fn oldest(&self, keep_bytes: u64) -> Vec<Item>;

    /// Returns the item in memory at a place as a run would have it, if it may go to the disk.
    fn young_at(&self, place: Place) -> Option<Item>;

    /// Returns the keys under which the tables of a run have an item that comes from there; none for what is no item.
    fn keys(&self, item: &Item) -> Vec<(u8, Vec<u8>)>;

    /// Takes an item out of memory that a run has now: nothing is released. Gives whether it was in memory.
    fn forget(&mut self, place: Place) -> bool;

    /// Returns the items in memory as runs would have them, in the order of their places.
    fn young(&self) -> Box<dyn Iterator<Item = Item> + '_>;

    /// Appends what the state holds beside items.
    fn beside_items(&self, out: &mut Vec<u8>);

    /// Returns an old item as it is now: what was said of it since it went to its run is in the state, or in the heals.
    fn current(&self, item: Item, heals: &Heals) -> Item;

    /// Returns up to so many places of old items that are to come back into memory, because of what was said of them since.
    fn wanted(&self, _most: usize) -> Vec<Place> {
        Vec::new()
    }

    /// Returns up to so many doubts. While there is one about a key, no item with that key leaves the memory.
    fn doubts(&self, _most: usize) -> Vec<Doubt> {
        Vec::new()
    }

    /// Takes it that no old item has the key of a doubt: those that had it are back in memory. One that is over changes nothing.
    fn settle(&mut self, _doubt: &Doubt) {}

    /// Takes an old item back into memory that is no more in a run; `heals` say as of when it counts.
    fn take_back(&mut self, _item: &Item, _heals: &Heals) {}

    /// Takes note of what an old item was that was removed a moment ago.
    fn take_gone(&mut self, item: &Item);
}
