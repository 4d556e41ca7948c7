//! Invitation: how one other host, which this one does not know yet, may make itself known to it.
//!
//! ```text
//!  0 u32 magic 'PXIV'   4 u32 crc32c of 8..   8 u32 version = 1   12 u32 zero
//! 16 SHA-256 of the secret   48 u64 until when, us since 1970
//! 56 SHA-256 of the public key of the host that has used it; zeros as long as nobody has
//! ```
//!
//! The secret itself is with the other host alone. A used invitation stays, so that a second use can be told why it is refused.

use std::io;

use super::unreadable::{self, Unreadable};
use super::whole_file;
use crate::base::fingerprint::Fingerprint;
use crate::base::numbers::u64_at;
use crate::os::disk::Disk;

/// Name of the file.
pub(crate) const INVITATION_NAME: &str = "invitation";
const MAGIC: [u8; 4] = *b"PXIV";
const VERSION: u32 = 1;
const BYTES: usize = 88;

/// The contents of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invitation {
    /// Hash of the secret.
    pub secret: [u8; 32],
    /// Until when it may be used, microseconds since 1970.
    pub until_us: u64,
    /// The key of the host that has used it.
    pub used_by: Option<Fingerprint>,
}

impl Invitation {
    /// Reads the file; nothing where it is missing.
    ///
    /// # Errors
    /// Returns the error of the disk; `InvalidData` if it is damaged, `Unsupported` if a later program wrote it.
    pub(crate) fn load(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let bytes = whole_file::read(disk, INVITATION_NAME)?;
        bytes.map(|bytes| Self::decode(&bytes)).transpose().map_err(|error| error.of(INVITATION_NAME))
    }

    /// Writes it so that a crash leaves the old content or the new one.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub(crate) fn store(&self, disk: &dyn Disk) -> io::Result<()> {
        whole_file::replace(disk, INVITATION_NAME, &self.encode())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![0; BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..48].copy_from_slice(&self.secret);
        bytes[48..56].copy_from_slice(&self.until_us.to_le_bytes());
        bytes[56..].copy_from_slice(&self.used_by.map_or([0; 32], |key| key.0));
        unreadable::seal(&mut bytes);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() < 16 {
            return Err(Unreadable::Damaged);
        }
        unreadable::version_of(bytes, MAGIC, VERSION)?;
        let fields: &[u8; BYTES] = bytes.try_into().map_err(|_| Unreadable::Damaged)?;
        let hash = |at: usize| fields[at..at + 32].try_into().expect("32 bytes");
        let used_by = Some(Fingerprint(hash(56))).filter(|key| key.0 != [0; 32]);
        Ok(Self { secret: hash(16), until_us: u64_at(fields, 48), used_by })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_and_anything_else_is_refused() {
        let open = Invitation { secret: [7; 32], until_us: 9, used_by: None };
        for invitation in [open, Invitation { used_by: Some(Fingerprint([8; 32])), ..open }] {
            let bytes = invitation.encode();
            assert_eq!(Invitation::decode(&bytes), Ok(invitation));
            for at in 0..bytes.len() {
                assert_eq!(Invitation::decode(&bytes[..at]), Err(Unreadable::Damaged));
                let mut spoilt = bytes.clone();
                spoilt[at] ^= 1;
                assert_eq!(Invitation::decode(&spoilt), Err(Unreadable::Damaged), "byte {at}");
            }
        }
    }
}
