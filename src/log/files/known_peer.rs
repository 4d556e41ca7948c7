//! The file `peer`: which data directory this one is paired with, which kinds of records it understands, and how much of
//! each stream is durable there.
//!
//! ```text
//!  0 u32 magic 'PXPE'   4 u32 crc32c of 8..   8 u32 version   12 u32 zero   16 u64 node
//! 24 kinds, 32 bytes   56 version vector, then (version 3) the folded streams
//! ```
//!
//! Version 1 has no kinds: that directory's program understood the first ones. Where no stream is folded, version 2 is written.
//!
//! While it is there, segments wait for that directory, whether a server is told to connect to it or not. What it says
//! of the vector is old by seconds, which only keeps a segment longer.

use std::io;

use super::unreadable::{self, Unreadable};
use super::whole_file;
use crate::base::folds::Folds;
use crate::base::ids::NodeId;
use crate::base::kinds::Kinds;
use crate::base::numbers::u64_at;
use crate::base::vector::VersionVector;
use crate::os::disk::Disk;

/// Name of the file.
pub const PEER_NAME: &str = "peer";
const MAGIC: [u8; 4] = *b"PXPE";
const VERSION: u32 = 2;
/// With folded streams.
const VERSION_FOLDS: u32 = 3;
const FIXED_BYTES: usize = 24;

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPeer {
    /// The peer's data directory.
    pub node: NodeId,
    /// Which kinds of records its program understood when it was last heard.
    pub kinds: Kinds,
    /// Of each stream, what is durable there at least.
    pub durable: VersionVector,
}

impl KnownPeer {
    /// Returns its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        let version = if self.durable.folds().is_empty() { VERSION } else { VERSION_FOLDS };
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.node.0.to_le_bytes());
        bytes.extend_from_slice(self.kinds.bytes());
        self.durable.encode(&mut bytes);
        self.durable.folds().encode(&mut bytes);
        unreadable::seal(&mut bytes);
        bytes
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// Fails if it is damaged, or of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let version = unreadable::version_of(bytes, MAGIC, VERSION_FOLDS)?;
        Self::read(bytes, version).ok_or(Unreadable::Damaged)
    }

    fn read(bytes: &[u8], version: u32) -> Option<Self> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED_BYTES>()?;
        let (kinds, rest) = match version {
            1 => (Kinds::FIRST, rest),
            _ => rest.split_first_chunk().map(|(kinds, rest)| (Kinds::read(kinds), rest))?,
        };
        let (durable, length) = VersionVector::decode(rest)?;
        let rest = &rest[length..];
        let (folds, length) = match version {
            VERSION_FOLDS => Folds::decode(rest)?,
            _ => (Folds::default(), 0),
        };
        let durable = durable.with_folds(folds);
        let node = NodeId(u64_at(fixed, 16));
        (length == rest.len()).then_some(Self { node, kinds, durable })
    }

    /// Reads the file; nothing if there is none, because there never was a peer or it was forgotten.
    ///
    /// # Errors
    /// Returns the error of the disk; `InvalidData` if it is damaged, `Unsupported` if a later program wrote it.
    pub fn load(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let bytes = whole_file::read(disk, PEER_NAME)?;
        bytes.map(|bytes| Self::decode(&bytes)).transpose().map_err(|error| error.of(PEER_NAME))
    }

    /// Writes it so that a crash leaves the old content or the new one.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub fn store(&self, disk: &dyn Disk) -> io::Result<()> {
        whole_file::replace(disk, PEER_NAME, &self.encode())
    }

    /// Removes the file: no segment waits for that directory any more. Gives what it said; nothing if there was none.
    /// No server may be running.
    ///
    /// # Errors
    /// Returns the error of the disk. A damaged file is removed too, one of a later program is not.
    pub fn forget(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let known = match Self::load(disk) {
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(error),
            Ok(None) => return Ok(None),
            known => known.ok().flatten(),
        };
        disk.remove(PEER_NAME)?;
        disk.sync_directory()?;
        Ok(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, Origin};
    use crate::os::files::RealDisk;

    #[test]
    fn bytes_round_trip_and_anything_else_is_refused() {
        let mut durable = VersionVector::new();
        durable.raise(Origin { node: NodeId(3), inc: Inc(4) }, 5);
        let known = KnownPeer { node: NodeId(3), kinds: Kinds::FIRST.with(&[0xEE]), durable };
        let bytes = known.encode();
        assert_eq!(KnownPeer::decode(&bytes), Ok(known));
        for at in 0..bytes.len() {
            assert_eq!(KnownPeer::decode(&bytes[..at]), Err(Unreadable::Damaged));
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 1;
            assert_eq!(KnownPeer::decode(&spoilt), Err(Unreadable::Damaged), "byte {at}");
        }
    }

    fn known(kinds: Kinds) -> KnownPeer {
        KnownPeer { node: NodeId(3), kinds, durable: VersionVector::new() }
    }

    #[test]
    fn a_file_of_the_first_version_says_that_the_first_kinds_are_understood() {
        let mut bytes = known(Kinds::FIRST.with(&[0xE1]).with(&[0xEE])).encode();
        bytes.drain(FIXED_BYTES..FIXED_BYTES + 32);
        bytes[8] = 1;
        unreadable::seal(&mut bytes);
        assert_eq!(KnownPeer::decode(&bytes), Ok(known(Kinds::FIRST)));
    }

    #[test]
    fn a_later_version_is_named_and_stays_where_it_is() {
        let mut bytes = known(Kinds::FIRST.with(&[0xE1])).encode();
        bytes[8] += 2;
        bytes.push(0);
        unreadable::seal(&mut bytes);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(PEER_NAME);
        std::fs::write(&path, &bytes).unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        for refused in [KnownPeer::load(&disk), KnownPeer::forget(&disk)] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
            let text = refused.to_string();
            assert!(text.contains("the file peer is of version 4, this program knows up to 3"), "{text}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}
