//! This host's key: Ed25519, made once, in the file `peer.key` of its data directory (PKCS#8 as PEM, for the owner only).
//!
//! The peer knows its fingerprint and nothing else of it. Whoever can read the file can speak for this host.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::base::fingerprint::Fingerprint;
use crate::base::sha256::sha256;
use crate::log::files::whole_file;
use crate::os::disk::Disk;

/// Name of the file.
pub const KEY_NAME: &str = "peer.key";
const NEXT_NAME: &str = "peer.key.tmp";
const DAMAGED: &str = "the file peer.key holds no Ed25519 key. Move it away: the next start makes a new one, and \
     `pixeld init --show key` prints what the peer has to be told then (--peer-key)";
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";
/// What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A host's key pair.
pub struct HostKey {
    pkcs8: Vec<u8>,
    spki: Vec<u8>,
}

impl HostKey {
    /// Reads the key of a data directory; nothing if it has none.
    ///
    /// # Errors
    /// Returns the error of the disk; `InvalidData` if the file holds no Ed25519 key.
    pub fn load(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let Some(bytes) = whole_file::read(disk, KEY_NAME)? else { return Ok(None) };
        let key = of_pem(&bytes).and_then(Self::of_pkcs8);
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, DAMAGED);
        key.ok_or_else(wrong).map(Some)
    }

    /// Reads the key of a data directory, or makes one, durable when this returns.
    ///
    /// # Errors
    /// Fails as [`HostKey::load`] does, and without a source of randomness.
    pub fn load_or_make(disk: &dyn Disk) -> io::Result<Self> {
        if let Some(key) = Self::load(disk)? {
            return Ok(key);
        }
        let made = Self::make()?;
        let pem = format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(&made.pkcs8));
        // What an earlier start may have left half made.
        let _ = disk.remove(NEXT_NAME);
        let file = disk.create(NEXT_NAME, 0)?;
        file.write_at(pem.as_bytes(), 0)?;
        file.sync()?;
        disk.rename(NEXT_NAME, KEY_NAME)?;
        disk.sync_directory()?;
        Ok(made)
    }

    /// Makes a key that is in no file: for a host that has no peer, on a disk that takes none.
    ///
    /// # Errors
    /// Fails without a source of randomness.
    pub fn make() -> io::Result<Self> {
        let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .map_err(|_| io::Error::other("no random numbers for a key"))?;
        Self::of_pkcs8(made.as_ref().to_vec()).ok_or_else(|| io::Error::other("a new key is none"))
    }

    fn of_pkcs8(pkcs8: Vec<u8>) -> Option<Self> {
        // Keys made by other programs have no public part in the file; it follows from the private one.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&pkcs8).ok()?;
        let spki = [&SPKI_PREFIX, pair.public_key().as_ref()].concat();
        Some(Self { pkcs8, spki })
    }

    #[cfg(test)]
    pub(crate) fn forged(pkcs8: &[u8], spki: &[u8]) -> Self {
        Self { pkcs8: pkcs8.to_vec(), spki: spki.to_vec() }
    }

    /// Returns the pair in PKCS#8 (DER). Secret.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// Returns the public key as SubjectPublicKeyInfo (DER).
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Returns what the peer has to be told.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint_of(&self.spki)
    }
}

/// Returns the fingerprint of a public key, given as SubjectPublicKeyInfo (DER).
#[must_use]
pub fn fingerprint_of(spki: &[u8]) -> Fingerprint {
    Fingerprint(sha256(spki))
}

fn of_pem(bytes: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let inner = text.split_once(BEGIN)?.1.split_once(END)?.0;
    STANDARD.decode(inner.split_ascii_whitespace().collect::<String>()).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::os::files::RealDisk;

    #[test]
    fn a_key_is_made_once_for_the_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        assert!(HostKey::load(&disk).unwrap().is_none());
        std::fs::write(directory.path().join(NEXT_NAME), "half").unwrap();
        let made = HostKey::load_or_make(&disk).unwrap();
        let again = HostKey::load_or_make(&disk).unwrap();
        assert_eq!((made.fingerprint(), made.pkcs8()), (again.fingerprint(), again.pkcs8()));
        let mode = std::fs::metadata(directory.path().join(KEY_NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(directory.path().join(KEY_NAME), "nothing").unwrap();
        assert_eq!(HostKey::load(&disk).err().unwrap().kind(), io::ErrorKind::InvalidData);
    }

    /// The example of RFC 8410, section 10.3, without a public part; the fingerprint by `sha256sum` of 10.1's key.
    #[test]
    fn a_key_of_another_program_is_read() {
        let pem =
            format!("{BEGIN}\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n{END}\n");
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(KEY_NAME), pem).unwrap();
        let key = HostKey::load(&RealDisk::open(directory.path()).unwrap()).unwrap().unwrap();
        assert_eq!(
            key.fingerprint().to_string(),
            "sha256:a1e9156054e04fac899ae9f275132cdc07a5dbc4ea2c2ad3a1ffc6e0d253681f"
        );
    }
}
