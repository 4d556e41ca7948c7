//! Who a data directory is: the file `identity`.
//!
//! ```text
//!  0 u32 magic 'PXID'   4 u32 crc32c of 8..64   8 u32 version   12 u32 zero
//! 16 u128 cluster      32 u64 node             40 u64 inc      48 u64 segment size   56 u64 zero
//! ```

use std::io;

use crate::base::ids::{ClusterId, Inc, NodeId};
use crate::base::limits::BLOCK_BYTES;
use crate::os::disk::{Access, Disk};

/// Name of the file.
pub const IDENTITY_NAME: &str = "identity";
const NEXT_NAME: &str = "identity.tmp";
/// Its length in bytes.
pub const IDENTITY_BYTES: usize = 64;
const MAGIC: [u8; 4] = *b"PXID";
const VERSION: u32 = 1;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The pair of hosts.
    pub cluster: ClusterId,
    /// This directory.
    pub node: NodeId,
    /// The last start of the process; on disk before its first write.
    pub inc: Inc,
    /// Size of each of the journal's segments in bytes, set when the directory is made.
    pub segment_bytes: u64,
}

impl Identity {
    /// Its 64 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; IDENTITY_BYTES] {
        let mut bytes = [0; IDENTITY_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.cluster.0);
        bytes[32..40].copy_from_slice(&self.node.0.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.inc.0.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.segment_bytes.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the file's content; nothing if it is damaged, of another version, or names an impossible segment size.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; IDENTITY_BYTES] = bytes.try_into().ok()?;
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"));
        let long = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        let identity = Self {
            cluster: ClusterId(bytes[16..32].try_into().expect("sixteen bytes")),
            node: NodeId(long(32)),
            inc: Inc(long(40)),
            segment_bytes: long(48),
        };
        let is_sound = bytes[..4] == MAGIC && word(4) == crc32c::crc32c(&bytes[8..]) && word(8) == VERSION;
        (is_sound && is_segment_size(identity.segment_bytes)).then_some(identity)
    }

    /// Writes it so that a crash leaves the old content or the new one.
    ///
    /// # Errors
    /// Those of the disk; a leftover `identity.tmp` is removed at the next start.
    pub fn store(&self, disk: &dyn Disk) -> io::Result<()> {
        let file = disk.create(NEXT_NAME, 0)?;
        file.write_at(&self.encode(), 0)?;
        file.sync()?;
        disk.rename(NEXT_NAME, IDENTITY_NAME)?;
        disk.sync_directory()
    }

    /// Reads the file; nothing if there is none.
    ///
    /// # Errors
    /// Those of the disk; `InvalidData` if the content is none.
    pub fn load(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let file = match disk.open(IDENTITY_NAME, Access::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = [0; IDENTITY_BYTES + 1];
        let length = file.read_at(&mut bytes, 0)?;
        match Self::decode(&bytes[..length]) {
            Some(identity) => Ok(Some(identity)),
            None => Err(io::Error::new(io::ErrorKind::InvalidData, "the file identity is damaged")),
        }
    }
}

/// Whether the format allows segments of this many bytes: whole blocks, and positions that stay within 64 bits for all
/// 2^32 segments. What a server may be set to is narrower (`SEGMENT_BYTES_MIN`); tests make use of smaller ones.
#[must_use]
pub fn is_segment_size(bytes: u64) -> bool {
    (4 * BLOCK_BYTES as u64..=1 << 31).contains(&bytes) && bytes.is_multiple_of(BLOCK_BYTES as u64)
}
