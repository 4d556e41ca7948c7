//! A table of a run, as far as it is in memory: where its blocks are, and with which key each begins.

use std::ops::Range;

use super::bytes::Bytes;
use super::filter::Filter;

/// What is known of a table without reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Its number.
    pub number: u8,
    /// Number of its entries.
    pub entries: u64,
    /// Its first key.
    pub first: Vec<u8>,
    /// Its last key.
    pub last: Vec<u8>,
    /// For each block a key that is at most its first one, and behind the last one of the block before: one after the other.
    keys: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<u32>,
    /// Where each block starts in the file, and where the last one ends.
    offsets: Vec<u64>,
    /// Which keys it may have, without the place behind them.
    pub filter: Filter,
}

impl Table {
    /// Returns one without blocks, whose first block will start at `offset`.
    #[must_use]
    pub fn new(number: u8, offset: u64, filter: Filter) -> Self {
        Self { number, offsets: vec![offset], filter, ..Self::default() }
    }

    /// Adds a block that ends at `end` and begins with `first`; `before` is the last key of the one before it.
    pub fn add_block(&mut self, before: &[u8], first: &[u8], end: u64) {
        let shared = before.iter().zip(first).take_while(|(one, other)| one == other).count();
        if self.ends.is_empty() {
            self.first = first.to_vec();
        }
        let enough = if self.ends.is_empty() { 0 } else { (shared + 1).min(first.len()) };
        self.keys.extend_from_slice(&first[..enough]);
        self.ends.push(u32::try_from(self.keys.len()).expect("bounded by a run"));
        self.offsets.push(end);
    }

    /// Returns the number of blocks.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.ends.len()
    }

    /// Returns the block that has the key, if any has it.
    #[must_use]
    pub fn block_of(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.blocks());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.key(middle) <= key { low = middle + 1 } else { high = middle }
        }
        low.saturating_sub(1)
    }

    /// Returns where a block stands in the file.
    #[must_use]
    pub fn span(&self, block: usize) -> Option<Range<u64>> {
        Some(*self.offsets.get(block)?..*self.offsets.get(block + 1)?)
    }

    /// Returns bytes of memory that it takes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.keys.len() + 4 * self.ends.len() + 8 * self.offsets.len() + self.filter.as_bytes().len()
    }

    fn key(&self, block: usize) -> &[u8] {
        let start = block.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.keys[start as usize..self.ends[block] as usize]
    }

    /// Appends its bytes.
    pub fn push(&self, out: &mut Vec<u8>) {
        out.push(self.number);
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.blocks()).expect("bounded by a run").to_le_bytes());
        for part in [&self.first[..], &self.last, &self.keys, self.filter.as_bytes()] {
            out.extend_from_slice(&u32::try_from(part.len()).expect("bounded by a run").to_le_bytes());
            out.extend_from_slice(part);
        }
        self.ends.iter().for_each(|end| out.extend_from_slice(&end.to_le_bytes()));
        self.offsets.iter().for_each(|offset| out.extend_from_slice(&offset.to_le_bytes()));
    }

    /// Reads its bytes; nothing for bytes of another form.
    #[must_use]
    pub fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (number, entries, blocks) = (bytes.byte()?, bytes.u64()?, bytes.u32()? as usize);
        let [first, last, keys] = [bytes.part()?, bytes.part()?, bytes.part()?].map(<[u8]>::to_vec);
        let filter = Filter::of_bytes(bytes.part()?.to_vec());
        let ends: Vec<u32> = (0..blocks).map(|_| bytes.u32()).collect::<Option<_>>()?;
        let offsets: Vec<u64> = (0..=blocks).map(|_| bytes.u64()).collect::<Option<_>>()?;
        let is_sound = ends.is_sorted()
            && offsets.is_sorted()
            && ends.last().is_none_or(|last| *last as usize == keys.len());
        is_sound.then_some(Self { number, entries, first, last, keys, ends, offsets, filter })
    }
}
