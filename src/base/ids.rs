//! Identities of clusters, hosts, process starts and places in the journal.

use std::fmt;

/// Number of a record in its origin's stream: 1, 2, 3... without gaps; 0 stands for "none yet".
pub type Seq = u64;

/// The pair of hosts that share their data; random, made once, given to the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClusterId(pub [u8; 16]);

/// One data directory; random. A new disk is a new node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

/// One start of the process: its number among those of its directory, and a random number below it. On disk before the
/// first write is taken. Starts of before they were numbered are random as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inc(pub u64);

/// Who made a record: the host and the start of its process. Names a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The data directory.
    pub node: NodeId,
    /// The process start.
    pub inc: Inc,
}

/// A byte's place in this host's journal, counted over all segments:
/// segment number times segment size, plus the offset in that segment. Local to one host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// Numbers of starts below this are numbers; what starts of before they were numbered have there is random.
const START_NUMBER_END: u32 = 1 << 24;

impl Inc {
    /// Returns the start with this number.
    #[must_use]
    pub fn of_start(number: u32, random: u32) -> Self {
        Self(u64::from(number) << 32 | u64::from(random))
    }

    /// Returns its number among the starts of its directory, if starts were numbered when it was drawn.
    #[must_use]
    pub fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// Returns whether it bears a number, which one of before starts were numbered does with a probability of 1 in 256.
    #[must_use]
    pub fn is_numbered(self) -> bool {
        (1..START_NUMBER_END).contains(&self.number())
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Inc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.node, self.inc)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
