//! How much an answer to a write waits for.

use std::fmt;
use std::str::FromStr;

/// The level at which a write is kept before it is answered; ordered from the least to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Durability {
    /// Merged and applied in this process; the file has it within 2 ms, the disk some time later.
    Memory = 0,
    /// A sync of this host's disk that covers it has returned.
    Disk = 1,
    /// As `Disk`, on this host and on its peer.
    Both = 2,
    /// As `Disk`, on this host and on most servers of the log that it shares with other hosts.
    Cluster = 3,
}

impl Durability {
    /// Every level, from the least to the most.
    const ALL: [Self; 4] = [Self::Memory, Self::Disk, Self::Both, Self::Cluster];

    /// Returns whether this host can't give the level alone: an answer waits for the peer, or for the log in its place.
    #[inline]
    #[must_use]
    pub fn waits_for_others(self) -> bool {
        self > Self::Disk
    }

    /// Returns the word used in flags, in the `Durability` header field and in answers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Both => "both",
            Self::Cluster => "cluster",
        }
    }
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is that of no level.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownDurability;

impl fmt::Display for UnknownDurability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("allowed are memory, disk, both and cluster")
    }
}

impl std::error::Error for UnknownDurability {}

impl FromStr for Durability {
    type Err = UnknownDurability;

    /// Reads the word of a level, in letters of either case.
    fn from_str(word: &str) -> Result<Self, UnknownDurability> {
        Self::ALL.into_iter().find(|level| level.as_str().eq_ignore_ascii_case(word)).ok_or(UnknownDurability)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_levels_agree() {
        for level in Durability::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
        }
        assert_eq!(("Disk".parse(), "BOTH".parse()), (Ok(Durability::Disk), Ok(Durability::Both)));
        for word in ["", "galaxy", "disk ", "disk, both"] {
            assert_eq!(word.parse::<Durability>(), Err(UnknownDurability), "{word:?}");
        }
        assert!(Durability::ALL.is_sorted());
        assert_eq!(Durability::ALL.map(Durability::waits_for_others), [false, false, true, true]);
    }
}
