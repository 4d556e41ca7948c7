//! Where a message stands among the others.

use crate::base::ids::{Origin, Seq};

/// Where a message stands: by its number, which two hosts may have given twice only while they had no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The message's number.
    pub id: u64,
    /// Who made its post.
    pub origin: Origin,
    /// The post's number in its stream.
    pub seq: Seq,
}
