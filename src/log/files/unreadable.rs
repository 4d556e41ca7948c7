//! Why a small file of the directory can't be read: it is damaged, or a later program wrote it.
//!
//! Every version of these files begins alike: a magic number, the CRC32C of all bytes from 8 on, the version. So a file of
//! a later version is told from a damaged one, however else it looks. It is refused by name and never renamed or
//! removed: the newer program reads it.

use std::io;

/// Why the content of a file is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// Its bytes are not those that were written.
    Damaged,
    /// A later program wrote it.
    Later {
        /// The version that it is of.
        version: u32,
        /// The latest version that is known here.
        known: u32,
    },
}

impl Unreadable {
    /// Returns the error that names the file: `InvalidData` for a damaged one, `Unsupported` for a later one.
    #[must_use]
    pub fn of(self, name: &str) -> io::Error {
        match self {
            Self::Damaged => {
                io::Error::new(io::ErrorKind::InvalidData, format!("the file {name} is damaged"))
            }
            Self::Later { version, known } => io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "the file {name} is of version {version}, this program knows up to {known}: use the newer program"
                ),
            ),
        }
    }
}

/// Returns the version of a file that begins with `magic`, its checksum verified.
///
/// # Errors
/// Fails if it is damaged, or of a later version than `known`.
pub(in crate::log) fn version_of(bytes: &[u8], magic: [u8; 4], known: u32) -> Result<u32, Unreadable> {
    let word = |at: usize| {
        bytes.get(at..at + 4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")))
    };
    let (Some(crc), Some(version)) = (word(4), word(8)) else { return Err(Unreadable::Damaged) };
    match version {
        _ if bytes[..4] != magic || crc != crc32c::crc32c(&bytes[8..]) => Err(Unreadable::Damaged),
        0 => Err(Unreadable::Damaged),
        _ if version > known => Err(Unreadable::Later { version, known }),
        _ => Ok(version),
    }
}

/// Writes the checksum of all bytes from 8 on to its place.
pub(in crate::log) fn seal(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
}
