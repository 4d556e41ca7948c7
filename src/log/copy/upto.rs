//! Up to where a backup has everything. The journal's own bytes do not tell: damage of the last batch looks like a tail that was
//! never whole, and a quiet journal does not say until when it was looked at.
//!
//! ```text
//! 0 'PXBU'   4 u32 crc32c of 8..   8 u32 version = 1   12 u32 zero   16 u64 position   24 u64 time, us   32 u64 time of the round, us
//! ```

use crate::base::ids::Position;
use crate::base::numbers::u64_at;
use crate::log::files::unreadable::{self, Unreadable};

/// Name of the file.
pub const NAME: &str = "upto";
/// First bytes of the file.
pub const MAGIC: [u8; 4] = *b"PXBU";
const VERSION: u32 = 1;
const BYTES: usize = 40;
/// How often the time of the round is written by itself.
const PERIOD_US: u64 = 60_000_000;

/// What the file says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpTo {
    /// The journal's position.
    pub position: Position,
    /// Time of the last batch before it, microseconds since 1970.
    pub time_us: u64,
    /// When that was all that the source had, by the clock of whoever copied it.
    pub round_us: u64,
}

impl UpTo {
    /// Returns whether a later one says nothing that is worth writing.
    #[must_use]
    pub fn is_as_good_as(&self, later: &Self) -> bool {
        self.position == later.position && later.round_us < self.round_us + PERIOD_US
    }

    /// Returns the file's content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        for long in [self.position.0, self.time_us, self.round_us] {
            bytes.extend_from_slice(&long.to_le_bytes());
        }
        unreadable::seal(&mut bytes);
        bytes
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// Fails if it is damaged, or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        unreadable::version_of(bytes, MAGIC, VERSION)?;
        if bytes.len() != BYTES {
            return Err(Unreadable::Damaged);
        }
        let [position, time_us, round_us] = [16, 24, 32].map(|at| u64_at(bytes, at));
        Ok(Self { position: Position(position), time_us, round_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_and_anything_else_is_refused() {
        let upto = UpTo { position: Position(5), time_us: 6, round_us: 7 };
        let bytes = upto.encode();
        assert_eq!(UpTo::decode(&bytes), Ok(upto));
        for at in 0..bytes.len() {
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 1;
            assert!(UpTo::decode(&spoilt).is_err() && UpTo::decode(&bytes[..at]).is_err(), "byte {at}");
        }
    }
}
