//! A set of numbers from 0 on, one bit each.

/// Which of a thread's requests were acknowledged: one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bitmap {
    words: Vec<u64>,
}

impl Bitmap {
    /// Sets bit `at`.
    #[inline]
    pub fn set(&mut self, at: u64) {
        let word = (at / 64) as usize;
        if word >= self.words.len() {
            self.words.resize((word + 1).max(self.words.len() * 2), 0);
        }
        self.words[word] |= 1 << (at % 64);
    }

    /// Returns the bits in words of 64, the lowest number in the lowest bit, without the empty words at the end.
    #[must_use]
    pub fn words(&self) -> &[u64] {
        let end = self.words.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1);
        &self.words[..end]
    }

    /// Returns how many words it takes, the empty ones at the end too.
    #[must_use]
    pub fn size(&self) -> usize {
        self.words.len()
    }

    /// Adds the bits of further words behind those that it has.
    pub fn extend(&mut self, words: impl Iterator<Item = u64>) {
        self.words.extend(words);
    }

    /// Returns whether bit `at` is set.
    #[must_use]
    pub fn is_set(&self, at: u64) -> bool {
        self.words.get((at / 64) as usize).is_some_and(|word| word & (1 << (at % 64)) != 0)
    }

    /// Returns the number of set bits.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Returns the set bits in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.words.iter().enumerate().flat_map(|(word, &bits)| {
            (0..64).filter(move |bit| bits & (1 << bit) != 0).map(move |bit| word as u64 * 64 + bit)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmaps() {
        let mut bitmap = Bitmap::default();
        for at in [0, 63, 64, 1_000_000, 64] {
            bitmap.set(at);
        }
        assert_eq!(bitmap.iter().collect::<Vec<_>>(), [0, 63, 64, 1_000_000]);
        assert_eq!(bitmap.count(), 4);
        let mut copy = Bitmap::default();
        let words = bitmap.words();
        assert_eq!(words.len(), 15_626, "none is empty at the end");
        words.chunks(1_000).for_each(|words| copy.extend(words.iter().copied()));
        assert_eq!(copy.iter().collect::<Vec<_>>(), bitmap.iter().collect::<Vec<_>>());
        assert!(bitmap.is_set(63) && !bitmap.is_set(62) && !bitmap.is_set(u64::MAX));
    }
}
