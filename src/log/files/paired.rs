//! Paired: the key of the host that this directory was paired with by an invitation.
//!
//! ```text
//!  0 u32 magic 'PXPK'   4 u32 crc32c of 8..   8 u32 version = 1   12 u32 flags (1: accepted, 2: has a secret)
//! 16 SHA-256 of the other host's public key   48 the secret (16 bytes; zeros without one)
//! 64 where the other host is dialed (UTF-8); nothing unless this directory has accepted an invitation
//! ```
//!
//! The host that was invited has the file from the start, with the secret until the other one has taken it. The host that has
//! invited gets it when the secret is shown.

use std::io;

use super::unreadable::{self, Unreadable};
use super::whole_file;
use crate::base::fingerprint::Fingerprint;
use crate::base::numbers::u32_at;
use crate::base::secret::{SECRET_BYTES, Secret};
use crate::os::disk::Disk;

/// Name of the file.
pub(crate) const PAIRED_NAME: &str = "paired";
/// The first bytes of the file.
pub(crate) const PAIRED_MAGIC: [u8; 4] = *b"PXPK";
const VERSION: u32 = 1;
const FIXED_BYTES: usize = 64;
const ACCEPTED: u32 = 1;
const HAS_SECRET: u32 = 2;

/// The contents of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Paired {
    /// The other host's key.
    pub key: Fingerprint,
    /// The contents of its invitation; nothing on the host that has invited.
    pub accepted: Option<Accepted>,
}

/// The knowledge of a host that was invited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    /// Where the other host is dialed.
    pub address: String,
    /// The secret that it is to be shown; nothing once it has taken it.
    pub secret: Option<Secret>,
}

impl Paired {
    /// Returns the secret that the other host is still to be shown.
    #[must_use]
    pub(crate) fn secret(&self) -> Option<Secret> {
        self.accepted.as_ref().and_then(|accepted| accepted.secret)
    }

    /// Reads the file; nothing where it is missing.
    ///
    /// # Errors
    /// Returns the error of the disk; `InvalidData` if it is damaged, `Unsupported` if a later program wrote it.
    pub(crate) fn load(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let bytes = whole_file::read(disk, PAIRED_NAME)?;
        bytes.map(|bytes| Self::decode(&bytes)).transpose().map_err(|error| error.of(PAIRED_NAME))
    }

    /// Writes it so that a crash leaves the old content or the new one.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub(crate) fn store(&self, disk: &dyn Disk) -> io::Result<()> {
        whole_file::replace(disk, PAIRED_NAME, &self.encode())
    }

    /// Removes the file, if there is one.
    ///
    /// # Errors
    /// Returns the error of the disk.
    pub(crate) fn forget(disk: &dyn Disk) -> io::Result<()> {
        match disk.remove(PAIRED_NAME) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => disk.sync_directory(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let secret = self.secret();
        let flags = self.accepted.as_ref().map_or(0, |_| ACCEPTED) | secret.map_or(0, |_| HAS_SECRET);
        let mut bytes = vec![0; FIXED_BYTES];
        bytes[..4].copy_from_slice(&PAIRED_MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&flags.to_le_bytes());
        bytes[16..48].copy_from_slice(&self.key.0);
        bytes[48..64].copy_from_slice(&secret.map_or([0; SECRET_BYTES], |secret| secret.0));
        bytes.extend_from_slice(self.accepted.as_ref().map_or(&[], |accepted| accepted.address.as_bytes()));
        unreadable::seal(&mut bytes);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        if bytes.len() < FIXED_BYTES {
            return Err(Unreadable::Damaged);
        }
        unreadable::version_of(bytes, PAIRED_MAGIC, VERSION)?;
        let (fields, address) = bytes.split_at(FIXED_BYTES);
        let flags = u32_at(fields, 12);
        let secret = Secret(fields[48..64].try_into().expect("16 bytes"));
        let address = std::str::from_utf8(address).map_err(|_| Unreadable::Damaged)?;
        let accepted = (flags & ACCEPTED != 0).then(|| Accepted {
            address: address.to_owned(),
            secret: (flags & HAS_SECRET != 0).then_some(secret),
        });
        Ok(Self { key: Fingerprint(fields[16..48].try_into().expect("32 bytes")), accepted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_round_trip_and_anything_else_is_refused() {
        let key = Fingerprint([7; 32]);
        let accepted = |secret| Some(Accepted { address: "host-a:8001".to_owned(), secret });
        for accepted in [None, accepted(None), accepted(Some(Secret([9; 16])))] {
            let paired = Paired { key, accepted };
            let bytes = paired.encode();
            assert_eq!(Paired::decode(&bytes), Ok(paired));
            for at in 0..bytes.len() {
                assert_eq!(Paired::decode(&bytes[..at]), Err(Unreadable::Damaged));
                let mut spoilt = bytes.clone();
                spoilt[at] ^= 1;
                assert_eq!(Paired::decode(&spoilt), Err(Unreadable::Damaged), "byte {at}");
            }
        }
        assert!(!format!("{:?}", accepted(Some(Secret([9; 16])))).contains('9'), "no secret in a log");
    }
}
