//! Files that were being made when a process ended, which a start that can write removes: those of this program, whatever
//! else is in the directory.

use std::io;

use super::cut::{LOST_SUFFIX, TORN_SUFFIX};
use crate::log::files::identity::IDENTITY_NAME;
use crate::log::files::invitation::INVITATION_NAME;
use crate::log::files::known_peer::PEER_NAME;
use crate::log::files::newcomer::NEWCOMER_NAME;
use crate::log::files::paired::PAIRED_NAME;
use crate::log::files::whole_file::UNFINISHED_SUFFIX;
use crate::log::format::segment;
use crate::log::snapshot::SnapshotFile;
use crate::os::disk::Disk;

/// The host's key, which stands above the journal.
const KEY_NAME: &str = "peer.key";

/// Removes them, without the one called `but`; gives whether there were any.
pub(in crate::log) fn remove_unfinished(disk: &dyn Disk, but: &str) -> io::Result<bool> {
    let names = disk.list()?;
    let unfinished: Vec<_> = names.iter().filter(|name| is_unfinished(name) && *name != but).collect();
    unfinished.iter().try_for_each(|name| disk.remove(name))?;
    if !unfinished.is_empty() {
        disk.sync_directory()?;
    }
    Ok(!unfinished.is_empty())
}

/// Returns whether this is the name of a file that this program was making.
fn is_unfinished(name: &str) -> bool {
    name_made(name).is_some_and(|name| {
        [IDENTITY_NAME, PEER_NAME, KEY_NAME, NEWCOMER_NAME, PAIRED_NAME, INVITATION_NAME].contains(&name)
            || segment::number_of(name).is_some()
            || SnapshotFile::of(name).is_some()
            || name.ends_with(TORN_SUFFIX)
            || name.ends_with(LOST_SUFFIX)
    })
}

/// Returns the name that an unfinished file was to get; nothing if it is none.
#[must_use]
pub fn name_made(unfinished: &str) -> Option<&str> {
    let stem = unfinished.strip_suffix(UNFINISHED_SUFFIX)?;
    // Further tries are numbered.
    Some(match stem.rsplit_once('.') {
        Some((name, number)) if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => {
            name
        }
        _ => stem,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_program_was_making_is_known_by_its_name() {
        let of_ours = [
            "identity",
            "peer",
            "peer.key",
            "newcomer",
            "0000000007.seg",
            "00000000000000000042.snap",
            "0000000001-0000005072-0001.torn",
            "0000000001-0000005072-0001.lost",
        ];
        for name in of_ours {
            assert!(
                is_unfinished(&format!("{name}.tmp")) && is_unfinished(&format!("{name}.3.tmp")),
                "{name}"
            );
            assert!(!is_unfinished(name), "{name} is finished");
        }
        for name in ["report.tmp", "identity.a.tmp", ".tmp", "lock.tmp", "joining.tmp", "identity.tmp.old"] {
            assert!(!is_unfinished(name), "{name} is somebody else's");
        }
    }
}
