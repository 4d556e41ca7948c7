//! Filters: whether a table may have a key, told from memory.

use xxhash_rust::xxh3::xxh3_64;

use crate::base::limits::RUN_FILTER_BITS;

/// Bits that a key sets.
const HASHES: u64 = 6;

/// A Bloom filter. Of keys that a table does not have it takes about one in a hundred for one of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Empty where there is no filter, and every key may be there.
    bits: Vec<u8>,
}

impl Filter {
    /// Returns one without keys that has room for so many.
    #[must_use]
    pub fn with_room(keys: u64) -> Self {
        Self { bits: vec![0; usize::try_from(keys.max(8) * RUN_FILTER_BITS / 8).expect("bounded by a run")] }
    }

    /// Returns the one with these bytes.
    #[must_use]
    pub fn of_bytes(bits: Vec<u8>) -> Self {
        Self { bits }
    }

    /// Returns its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bits
    }

    /// Adds a key.
    pub fn add(&mut self, key: &[u8]) {
        for bit in self.places(key) {
            self.bits[bit / 8] |= 1 << (bit % 8);
        }
    }

    /// Returns whether the key may have been added.
    #[must_use]
    pub fn may_have(&self, key: &[u8]) -> bool {
        self.bits.is_empty() || self.places(key).all(|bit| self.bits[bit / 8] & 1 << (bit % 8) != 0)
    }

    fn places(&self, key: &[u8]) -> impl Iterator<Item = usize> + use<> {
        let (hash, bits) = (xxh3_64(key), 8 * self.bits.len() as u64);
        // Odd, so that the steps don't come back to one place.
        let step = (hash >> 32) | 1;
        (0..HASHES).map(move |nth| (hash.wrapping_add(nth.wrapping_mul(step)) % bits) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_all_that_was_added_and_little_else() {
        let mut filter = Filter::with_room(1_000);
        (0..1_000_u64).for_each(|key| filter.add(&key.to_le_bytes()));
        assert!((0..1_000_u64).all(|key| filter.may_have(&key.to_le_bytes())));
        let wrong = (1_000..101_000_u64).filter(|key| filter.may_have(&key.to_le_bytes())).count();
        assert!(wrong < 2_000, "{wrong} of 100,000");
        assert!(Filter::default().may_have(b"anything"));
    }
}
