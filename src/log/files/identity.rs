//! Who a data directory is: the file `identity`.
//!
//! ```text
//!  0 u32 magic 'PXID'   4 u32 crc32c of 8..     8 u32 version = 2   12 u32 number of the start
//! 16 u128 cluster      32 u64 node             40 u64 inc          48 u64 segment size   56 u64 lineage
//! 64 u32 members       68 u32 zero
//! 72 per member, 64 bytes: u64 node, u64 since (us), u16 seat, u16 length of its name, u32 zero, 40 bytes name
//! ```
//!
//! Version 1 ends at 64 and has zeros at 12 and 56. It is read, and the next start stores version 2.

use std::io;

use super::unreadable::{self, Unreadable};
use super::whole_file;
use crate::base::ids::{ClusterId, Inc, NodeId};
use crate::base::limits::{BLOCK_BYTES, MEMBER_NAME_BYTES_MAX, MEMBERS_MAX};
use crate::base::numbers::{u16_at, u32_at, u64_at};
use crate::os::disk::Disk;

/// Name of the file.
pub const IDENTITY_NAME: &str = "identity";
/// Length of version 1 in bytes.
const FIRST_BYTES: usize = 64;
/// Length in bytes without members.
const FIXED_BYTES: usize = 72;
const MEMBER_BYTES: usize = 24 + MEMBER_NAME_BYTES_MAX;
/// Its first bytes.
pub const IDENTITY_MAGIC: [u8; 4] = *b"PXID";
const MAGIC: [u8; 4] = IDENTITY_MAGIC;
const VERSION: u32 = 2;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The pair of hosts.
    pub cluster: ClusterId,
    /// This directory.
    pub node: NodeId,
    /// The last start of the process; on disk before its first write.
    pub inc: Inc,
    /// How many starts there were, this one included, since starts are numbered; 0 in a directory of version 1.
    pub start: u32,
    /// Size of each of the journal's segments in bytes, set when the directory is made.
    pub segment_bytes: u64,
    /// Which line of descent the cluster's records are of: 0 until a restore to an earlier time draws another one.
    pub lineage: u64,
    /// The hosts of the cluster as far as they are listed; empty until membership is explicit.
    pub members: Members,
}

/// A host of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its data directory.
    pub node: NodeId,
    /// When it became one, microseconds since 1970.
    pub since_us: u64,
    /// Its place among the hosts; no two have the same.
    pub seat: u16,
    /// What an operator calls it.
    pub name: MemberName,
}

/// The name of a member, UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemberName {
    bytes: [u8; MEMBER_NAME_BYTES_MAX],
    length: usize,
}

impl Default for MemberName {
    fn default() -> Self {
        Self { bytes: [0; MEMBER_NAME_BYTES_MAX], length: 0 }
    }
}

impl MemberName {
    /// Returns the name `text`; nothing if it is too long.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut name = Self { length: text.len(), ..Self::default() };
        name.bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(name)
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

/// The members that are listed, at most [`MEMBERS_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Members {
    entries: [Option<Member>; MEMBERS_MAX],
}

impl Members {
    /// Adds one; false if the list is full.
    pub fn add(&mut self, member: Member) -> bool {
        let free = self.entries.iter_mut().find(|entry| entry.is_none());
        free.map(|entry| *entry = Some(member)).is_some()
    }

    /// Returns those that are listed, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.entries.iter().flatten()
    }
}

impl Identity {
    /// Returns the identity of a directory that is made now, at its first start.
    #[must_use]
    pub fn new(cluster: ClusterId, node: NodeId, segment_bytes: u64, random: u32) -> Self {
        let (start, lineage, members) = (1, 0, Members::default());
        Self { cluster, node, inc: Inc::of_start(start, random), start, segment_bytes, lineage, members }
    }

    /// Returns the identity at the next start of the process. `random` tells it from a start of the same number, should two
    /// processes run on copies of the directory, or should this one be repeated because it was never stored.
    #[must_use]
    pub fn next(&self, random: u32) -> Self {
        let start = self.start.saturating_add(u32::from(!cfg!(seeded_bug = "start_number_twice")));
        Self { inc: Inc::of_start(start, random), start, ..*self }
    }

    /// Returns the file's content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FIXED_BYTES);
        let count = self.members.iter().count();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.start.to_le_bytes());
        bytes.extend_from_slice(&self.cluster.0);
        for long in [self.node.0, self.inc.0, self.segment_bytes, self.lineage, count as u64] {
            bytes.extend_from_slice(&long.to_le_bytes());
        }
        for Member { node, since_us, seat, name } in self.members.iter() {
            bytes.extend_from_slice(&node.0.to_le_bytes());
            bytes.extend_from_slice(&since_us.to_le_bytes());
            bytes.extend_from_slice(&seat.to_le_bytes());
            bytes.extend_from_slice(&(name.length as u16).to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(&name.bytes);
        }
        unreadable::seal(&mut bytes);
        bytes
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// Fails if it is damaged, or of a later version. Impossible values under a right checksum count as damage.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let version = unreadable::version_of(bytes, MAGIC, VERSION)?;
        let least = if version == 1 { FIRST_BYTES } else { FIXED_BYTES };
        if bytes.len() < least || (version == 1 && bytes.len() > least) {
            return Err(Unreadable::Damaged);
        }
        let is_first = version == 1;
        let members = if is_first { Some(Members::default()) } else { read_members(&bytes[FIRST_BYTES..]) };
        let identity = Self {
            cluster: ClusterId(bytes[16..32].try_into().expect("sixteen bytes")),
            node: NodeId(u64_at(bytes, 32)),
            inc: Inc(u64_at(bytes, 40)),
            start: if is_first { 0 } else { u32_at(bytes, 12) },
            segment_bytes: u64_at(bytes, 48),
            lineage: if is_first { 0 } else { u64_at(bytes, 56) },
            members: members.ok_or(Unreadable::Damaged)?,
        };
        if is_segment_size(identity.segment_bytes) { Ok(identity) } else { Err(Unreadable::Damaged) }
    }

    /// Writes it so that a crash leaves the old content or the new one.
    ///
    /// # Errors
    /// Returns the error of the disk; a leftover of it is removed at the next start.
    pub fn store(&self, disk: &dyn Disk) -> io::Result<()> {
        whole_file::replace(disk, IDENTITY_NAME, &self.encode())
    }

    /// Reads the file; nothing if there is none.
    ///
    /// # Errors
    /// Returns the error of the disk; `InvalidData` if the content is damaged, `Unsupported` if a later program wrote it.
    pub fn load(disk: &dyn Disk) -> io::Result<Option<Self>> {
        let bytes = whole_file::read(disk, IDENTITY_NAME)?;
        bytes.map(|bytes| Self::decode(&bytes)).transpose().map_err(|error| error.of(IDENTITY_NAME))
    }
}

/// Reads what stands behind the first version's fields; nothing if it can't be.
fn read_members(bytes: &[u8]) -> Option<Members> {
    let (count, rest) = (u32_at(bytes, 0) as usize, &bytes[FIXED_BYTES - FIRST_BYTES..]);
    if u32_at(bytes, 4) != 0 || count > MEMBERS_MAX || rest.len() != count * MEMBER_BYTES {
        return None;
    }
    let mut members = Members::default();
    for entry in rest.chunks_exact(MEMBER_BYTES) {
        let name = entry[24..].get(..usize::from(u16_at(entry, 18)))?;
        let name = MemberName::new(std::str::from_utf8(name).ok()?)?;
        members.add(Member {
            node: NodeId(u64_at(entry, 0)),
            since_us: u64_at(entry, 8),
            seat: u16_at(entry, 16),
            name,
        });
    }
    Some(members)
}

/// Returns whether the format allows segments of this many bytes: whole blocks, and positions that stay within 64 bits for all
/// 2^32 segments. What a server may be set to is narrower (`SEGMENT_BYTES_MIN`); tests make use of smaller ones.
#[must_use]
pub fn is_segment_size(bytes: u64) -> bool {
    (4 * BLOCK_BYTES as u64..=1 << 31).contains(&bytes) && bytes.is_multiple_of(BLOCK_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::SEGMENT_BYTES_MIN;

    fn identity() -> Identity {
        Identity::new(ClusterId([7; 16]), NodeId(9), SEGMENT_BYTES_MIN, 0x0505_0505)
    }

    /// As version 1 was written.
    fn first_version() -> Vec<u8> {
        let mut bytes = identity().encode();
        bytes.truncate(FIRST_BYTES);
        bytes[8..16].copy_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
        bytes[40..48].copy_from_slice(&u64::MAX.to_le_bytes());
        unreadable::seal(&mut bytes);
        bytes
    }

    #[test]
    fn a_start_has_a_number_that_only_rises() {
        let first = identity();
        assert_eq!((first.start, first.inc), (1, Inc(0x1_0505_0505)));
        let second = first.next(3);
        assert_eq!((second.start, second.inc), (2, Inc(0x2_0000_0003)));
        assert!(second.inc > first.inc && second.inc.number() == 2);
        let last = Identity { start: u32::MAX, ..first };
        assert_eq!(last.next(1).start, u32::MAX);
    }

    #[test]
    fn members_round_trip_and_have_bounds() {
        let mut identity = Identity { lineage: 77, ..identity() };
        for seat in 0..MEMBERS_MAX as u16 {
            let name = MemberName::new(&"é".repeat(usize::from(seat))).unwrap();
            assert!(identity.members.add(Member { node: NodeId(5), since_us: 6, seat, name }));
        }
        let one_more = *identity.members.iter().next().unwrap();
        assert!(!identity.members.add(one_more));
        assert_eq!(Identity::decode(&identity.encode()), Ok(identity));
        assert_eq!(identity.members.iter().nth(2).unwrap().name.as_str(), "éé");
        assert_eq!(MemberName::new(&"x".repeat(MEMBER_NAME_BYTES_MAX + 1)), None);
        let mut bytes = identity.encode();
        for (at, value) in [(64, MEMBERS_MAX as u8 + 1), (64, 1), (68, 1), (72 + 18, 200), (72 + 24, 0xFF)] {
            let kept = std::mem::replace(&mut bytes[at], value);
            bytes[72 + 18] = bytes[72 + 18].max(u8::from(at == 72 + 24));
            unreadable::seal(&mut bytes);
            assert_eq!(Identity::decode(&bytes), Err(Unreadable::Damaged), "byte {at} = {value}");
            bytes[at] = kept;
        }
    }

    #[test]
    fn the_first_version_is_read_and_stored_as_the_second() {
        let found = Identity::decode(&first_version()).unwrap();
        assert_eq!(found, Identity { start: 0, inc: Inc(u64::MAX), ..identity() });
        let next = found.next(4);
        assert_eq!((next.start, next.inc, next.cluster), (1, Inc(0x1_0000_0004), found.cluster));
        assert_eq!(Identity::decode(&next.encode()), Ok(next));
        let longer = [&first_version()[..], &[0; 8]].concat();
        assert_eq!(Identity::decode(&longer), Err(Unreadable::Damaged));
    }

    #[test]
    fn a_later_version_is_named_and_never_called_damaged() {
        let mut bytes = [&identity().encode()[..], b"what a later program adds"].concat();
        bytes[8] = 3;
        unreadable::seal(&mut bytes);
        let later = Unreadable::Later { version: 3, known: 2 };
        assert_eq!(Identity::decode(&bytes), Err(later));
        assert_eq!(
            later.of(IDENTITY_NAME).to_string(),
            "the file identity is of version 3, this program knows up to 2: use the newer program"
        );
        bytes[8] = 4;
        assert_eq!(Identity::decode(&bytes), Err(Unreadable::Damaged), "its checksum does not agree");
    }
}
