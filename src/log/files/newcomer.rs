//! Newcomer: a directory that was made to join a cluster and does not have everything yet.
//!
//! ```text
//! 0 u32 magic 'PXGO'   4 u32 crc32c of 8..   8 u32 version = 1   12 u32 zero   16 version vector
//! ```
//!
//! While the file `newcomer` is there, the host answers no request of an application. It is empty until the first host was
//! met; then it holds the goal: the vector that the first host had at that moment, which does not rise any more and falls
//! only by what a crash has taken from the first host. The file goes when this directory durably has all of the goal, and never comes back.

use std::io;

use super::unreadable::{self, Unreadable};
use super::whole_file;
use crate::base::vector::VersionVector;
use crate::os::disk::Disk;

/// Name of the file.
pub const NEWCOMER_NAME: &str = "newcomer";
const MAGIC: [u8; 4] = *b"PXGO";
const VERSION: u32 = 1;
const FIXED_BYTES: usize = 16;

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// What the directory has to have before it has joined; nothing before the first host was met.
    pub goal: Option<VersionVector>,
}

/// Puts the mark, durably: before the directory's identity is there, or before a mark of joining goes. One that is there
/// stays as it is.
///
/// # Errors
/// Returns the error of the disk; it may be called again.
pub fn mark(disk: &dyn Disk) -> io::Result<()> {
    if !is_marked(disk)? {
        disk.create(NEWCOMER_NAME, 0)?.sync()?;
    }
    disk.sync_directory()
}

/// Writes the goal down, durably.
///
/// # Errors
/// Returns the error of the disk; it may be called again.
pub fn aim(disk: &dyn Disk, goal: &VersionVector) -> io::Result<()> {
    whole_file::replace(disk, NEWCOMER_NAME, &encode(goal))
}

/// Returns whether the mark is there.
///
/// # Errors
/// Returns the error of the disk.
pub fn is_marked(disk: &dyn Disk) -> io::Result<bool> {
    Ok(disk.list()?.iter().any(|name| name == NEWCOMER_NAME))
}

/// Removes the mark; gives whether it was there.
///
/// # Errors
/// Returns the error of the disk; it may be called again.
pub fn clear(disk: &dyn Disk) -> io::Result<bool> {
    let was_marked = is_marked(disk)?;
    if was_marked {
        disk.remove(NEWCOMER_NAME)?;
        disk.sync_directory()?;
    }
    Ok(was_marked)
}

/// Reads the mark; nothing if there is none.
///
/// # Errors
/// Returns the error of the disk; `InvalidData` if it is damaged, `Unsupported` if a later program wrote it.
pub fn load(disk: &dyn Disk) -> io::Result<Option<Mark>> {
    let bytes = whole_file::read(disk, NEWCOMER_NAME)?;
    bytes.map(|bytes| decode(&bytes)).transpose().map_err(|error| error.of(NEWCOMER_NAME))
}

/// For a start, once the journal is open and stands at `vector`: the mark of a directory that is still joining. One that
/// has everything has joined, although a crash has left the mark. So has one that was written to without a goal, by
/// a program that knew none. A blank one has not, whatever the goal: where the first host (or the log) had nothing, nothing
/// is all of it, and a host that takes itself for the first one then takes the first seat, too.
///
/// # Errors
/// Fails as [`load`] does.
pub fn look(disk: &dyn Disk, vector: &VersionVector, is_blank: bool) -> io::Result<Option<Mark>> {
    let is_joining = |mark: &Mark| is_blank || mark.goal.as_ref().is_some_and(|goal| !vector.covers(goal));
    Ok(load(disk)?.filter(is_joining))
}

fn encode(goal: &VersionVector) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(FIXED_BYTES);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    goal.encode(&mut bytes);
    unreadable::seal(&mut bytes);
    bytes
}

fn decode(bytes: &[u8]) -> Result<Mark, Unreadable> {
    if bytes.is_empty() {
        return Ok(Mark::default());
    }
    unreadable::version_of(bytes, MAGIC, VERSION)?;
    let rest = bytes.get(FIXED_BYTES..).ok_or(Unreadable::Damaged)?;
    match VersionVector::decode(rest) {
        Some((goal, length)) if length == rest.len() => Ok(Mark { goal: Some(goal) }),
        _ => Err(Unreadable::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ids::{Inc, NodeId, Origin};
    use crate::os::files::RealDisk;

    fn vector(seq: u64) -> VersionVector {
        let mut vector = VersionVector::new();
        vector.raise(Origin { node: NodeId(3), inc: Inc(4) }, seq);
        vector
    }

    #[test]
    fn a_directory_joins_until_it_has_the_goal() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        assert_eq!(look(&disk, &vector(0), true).unwrap(), None, "one that was not made to join");
        mark(&disk).unwrap();
        assert_eq!(look(&disk, &vector(0), true).unwrap(), Some(Mark::default()));
        assert_eq!(look(&disk, &vector(1), false).unwrap(), None, "an earlier program knew no goal");
        aim(&disk, &vector(5)).unwrap();
        mark(&disk).unwrap();
        for seq in [0, 4] {
            let found = look(&disk, &vector(seq), seq == 0).unwrap();
            assert_eq!(found, Some(Mark { goal: Some(vector(5)) }), "at {seq}");
        }
        assert_eq!(look(&disk, &vector(5), false).unwrap(), None);
        assert!(clear(&disk).unwrap() && !clear(&disk).unwrap());
        assert_eq!(look(&disk, &vector(0), true).unwrap(), None);
    }

    #[test]
    fn a_blank_directory_still_joins_a_cluster_that_had_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::open(directory.path()).unwrap();
        let nothing = VersionVector::new();
        mark(&disk).unwrap();
        aim(&disk, &nothing).unwrap();
        assert_eq!(look(&disk, &nothing, true).unwrap(), Some(Mark { goal: Some(nothing) }));
        assert_eq!(look(&disk, &vector(1), false).unwrap(), None, "it was written to since");
    }

    #[test]
    fn bytes_round_trip_and_anything_else_is_refused() {
        let bytes = encode(&vector(5));
        assert_eq!(decode(&bytes), Ok(Mark { goal: Some(vector(5)) }));
        for at in 1..bytes.len() {
            assert_eq!(decode(&bytes[..at]), Err(Unreadable::Damaged));
            let mut spoilt = bytes.clone();
            spoilt[at] ^= 1;
            assert_eq!(decode(&spoilt), Err(Unreadable::Damaged), "byte {at}");
        }
    }
}
