//! Runs as the section of a snapshot names them.

use std::collections::BTreeSet;

use crate::base::blob::BlobId;
use crate::base::numbers::{u32_at, u64_at};
use crate::base::places::Places;
use crate::log::runs::item::Amounts;

/// A run as a snapshot names it.
pub(super) struct StoredRun {
    pub(super) id: BlobId,
    pub(super) gone: Places,
    pub(super) gone_amounts: Amounts,
    pub(super) unread: Places,
}

impl StoredRun {
    /// Reads all runs of an application at the start of `bytes`; gives how many bytes that were, too.
    pub(super) fn read_all(bytes: &[u8]) -> Option<(Vec<Self>, usize)> {
        let (count, mut at) = (u32_at(bytes.get(..4)?, 0), 4);
        let mut all = Vec::new();
        for _ in 0..count {
            let id = BlobId::read(bytes.get(at..)?)?;
            let amounts = bytes.get(at + 32..at + 48)?;
            let gone_amounts = Amounts { bytes: u64_at(amounts, 0), contents_bytes: u64_at(amounts, 8) };
            let (gone, gone_length) = Places::read(bytes.get(at + 48..)?)?;
            at += 48 + gone_length;
            let (unread, unread_length) = Places::read(bytes.get(at..)?)?;
            at += unread_length;
            all.push(Self { id, gone, gone_amounts, unread });
        }
        Some((all, at))
    }
}

/// Returns the names of all runs in the section of a snapshot; nothing for bytes of another form.
#[must_use]
pub fn named_in(section: &[u8]) -> Option<BTreeSet<BlobId>> {
    let (mut rest, mut named) = (section, BTreeSet::new());
    while let Some((_, after)) = rest.split_first() {
        let (stored, length) = StoredRun::read_all(after)?;
        named.extend(stored.iter().map(|stored| stored.id));
        rest = after.get(length..)?;
    }
    Some(named)
}
