//! Blocks: some entries of a table in their order, each key without what it shares with the one before it.
//!
//! ```text
//! entry    varint bytes shared  varint bytes of the rest  varint bytes of the value   rest   value
//! block    the entries, u32 crc32c
//! ```

const CRC_BYTES: usize = 4;

/// Takes entries until they are enough for a block.
#[derive(Default)]
pub struct Builder {
    bytes: Vec<u8>,
    last: Vec<u8>,
}

impl Builder {
    /// Appends an entry, whose key is behind that of the last one.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        let shared = if self.bytes.is_empty() {
            0
        } else {
            self.last.iter().zip(key).take_while(|(last, own)| last == own).count()
        };
        for length in [shared, key.len() - shared, value.len()] {
            push_varint(&mut self.bytes, length as u64);
        }
        self.bytes.extend_from_slice(&key[shared..]);
        self.bytes.extend_from_slice(value);
        self.last.clear();
        self.last.extend_from_slice(key);
    }

    /// Returns the bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Gives the block, and begins the next one.
    pub fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// A block that was read.
#[derive(Debug, Default)]
pub struct Block {
    /// Keys and values, one after the other.
    bytes: Vec<u8>,
    /// Where in them each entry's key starts, where its value starts and where that ends.
    entries: Vec<[u32; 3]>,
}

impl Block {
    /// Reads a block; nothing if it is damaged.
    #[must_use]
    pub fn read(stored: &[u8]) -> Option<Self> {
        let (mut rest, crc) = stored.split_last_chunk::<CRC_BYTES>()?;
        if crc32c::crc32c(rest) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut block = Self { bytes: Vec::with_capacity(2 * rest.len()), entries: Vec::new() };
        let mut last = 0..0;
        while !rest.is_empty() {
            let (shared, own, value) = (varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?);
            let (tail, after) = rest.split_at_checked(own)?;
            let (value, after) = after.split_at_checked(value)?;
            rest = after;
            if shared > last.len() {
                return None;
            }
            let start = block.bytes.len();
            block.bytes.extend_from_within(last.start..last.start + shared);
            block.bytes.extend_from_slice(tail);
            let end = block.bytes.len();
            block.bytes.extend_from_slice(value);
            last = start..end;
            let place = |at: usize| u32::try_from(at).ok();
            block.entries.push([place(start)?, place(end)?, place(block.bytes.len())?]);
        }
        Some(block)
    }

    /// Returns how many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns an entry's key and value.
    #[must_use]
    pub fn entry(&self, at: usize) -> Option<(&[u8], &[u8])> {
        let [start, end, value_end] = self.entries.get(at)?.map(|at| at as usize);
        Some((&self.bytes[start..end], &self.bytes[end..value_end]))
    }

    /// Returns how many entries have a key before this one.
    #[must_use]
    pub fn count_before(&self, key: &[u8]) -> usize {
        self.entries.partition_point(|[start, end, _]| &self.bytes[*start as usize..*end as usize] < key)
    }
}

fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number off the front; nothing if there is none, or it is larger than any length here.
fn varint(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0_u32;
    for shift in [0, 7, 14, 21] {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(number).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_as_written_and_damage_is_seen() {
        let long = vec![7; 300];
        let entries: [(&[u8], &[u8]); 4] = [(b"", b"v"), (b"ab", b""), (b"abc", &long), (b"b", b"w")];
        let mut builder = Builder::default();
        entries.iter().for_each(|(key, value)| builder.push(key, value));
        let stored = builder.take();
        let block = Block::read(&stored).expect("a block");
        assert_eq!(block.len(), 4);
        for (at, entry) in entries.iter().enumerate() {
            assert_eq!(block.entry(at), Some(*entry));
        }
        assert_eq!(
            ["", "a", "ab", "abd", "c"].map(|key| block.count_before(key.as_bytes())),
            [0, 1, 1, 3, 4]
        );
        for at in 0..stored.len() {
            let mut damaged = stored.clone();
            damaged[at] ^= 1;
            assert!(Block::read(&damaged).is_none(), "byte {at}");
        }
        assert!(builder.is_empty());
        builder.push(b"b", b"first of its block");
        let next = Block::read(&builder.take()).expect("a block");
        assert_eq!(next.entry(0), Some((&b"b"[..], &b"first of its block"[..])), "it shares nothing");
    }
}
