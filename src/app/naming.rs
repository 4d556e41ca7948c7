//! Which blobs the states name: those of items in memory, and those of items on the disk, for which somebody has to read.
//!
//! Each call locks the state for a look, and reads, where it has to, when it has let go of it.

use std::io;

use super::applied::Applied;
use super::old_view::OldView;
use crate::app::applied_lock::AppliedLock;
use crate::base::blob::BlobId;
use crate::base::places::PLACE_BYTES;
use crate::log::runs::item::BLOBS;

/// Returns whether any of these states names a blob.
///
/// # Errors
/// Returns the error of reading a run.
pub fn names(applied: &Applied, id: &BlobId) -> io::Result<bool> {
    if applied.names_blob(id) { Ok(true) } else { is_in(&views(applied), id) }
}

/// Returns whether any state names a blob.
///
/// # Errors
/// Returns the error of reading a run.
pub fn is_named(applied: &AppliedLock, id: &BlobId) -> io::Result<bool> {
    let (is_young, old) = {
        let applied = applied.read();
        (applied.names_blob(id), views(&applied))
    };
    if is_young { Ok(true) } else { is_in(&old, id) }
}

/// Returns whether a run of old items is one of these states'.
#[must_use]
pub fn has_run(applied: &Applied, id: &BlobId) -> bool {
    applied.aging().any(|(_, aging)| aging.old().runs().any(|run| run == *id))
}

/// Returns those of these blobs that no state names. Goes through what old items name once, however many blobs there are.
///
/// # Errors
/// Returns the error of reading a run.
pub fn unnamed(applied: &AppliedLock, ids: Vec<BlobId>) -> io::Result<Vec<BlobId>> {
    let (left, old) = {
        let applied = applied.read();
        let left: Vec<BlobId> = ids.into_iter().filter(|id| !applied.names_blob(id)).collect();
        (left, views(&applied))
    };
    without_old(&old, left)
}

/// Returns whether a state names a blob, or has ceased to since its releases were taken.
///
/// # Errors
/// Returns the error of reading a run.
pub fn is_needed(applied: &AppliedLock, id: &BlobId) -> io::Result<bool> {
    let (is_young, old) = {
        let applied = applied.read();
        (applied.needs_blob(id), views(&applied))
    };
    if is_young { Ok(true) } else { is_in(&old, id) }
}

/// Returns the first blob behind `after` that any state names, in the order of their names; from the first one on without.
///
/// # Errors
/// Returns the error of reading a run.
pub fn next_named(applied: &AppliedLock, after: Option<&BlobId>) -> io::Result<Option<BlobId>> {
    let (young, old) = {
        let applied = applied.read();
        (applied.next_blob(after), views(&applied))
    };
    first_of(young, &old, after)
}

/// Returns the first blob behind `after` that any of these states names.
///
/// # Errors
/// Returns the error of reading a run.
pub fn next_of(applied: &Applied, after: Option<&BlobId>) -> io::Result<Option<BlobId>> {
    first_of(applied.next_blob(after), &views(applied), after)
}

fn first_of(young: Option<BlobId>, old: &[OldView], after: Option<&BlobId>) -> io::Result<Option<BlobId>> {
    let mut next = young;
    for view in old {
        // Behind every place that names the blob before.
        let from = after.map_or(Vec::new(), |after| [&after.0[..], &[0xFF; PLACE_BYTES + 1]].concat());
        let found = view.reader().ascending(BLOBS, &from).step()?;
        let found = found.and_then(|(key, _)| BlobId::read(&key));
        next = [next, found].into_iter().flatten().min();
    }
    Ok(next)
}

fn views(applied: &Applied) -> Vec<OldView> {
    let all = applied.aging().map(|(_, aging)| aging.old().view());
    all.filter(|view| !view.is_empty()).collect()
}

fn is_in(old: &[OldView], id: &BlobId) -> io::Result<bool> {
    for view in old.iter().filter(|view| view.may_have(BLOBS, &id.0)) {
        if !view.reader().find(BLOBS, &id.0)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Leaves out the blobs that old items name: both are gone through in the order of names.
fn without_old(old: &[OldView], mut ids: Vec<BlobId>) -> io::Result<Vec<BlobId>> {
    ids.sort_unstable();
    for view in old {
        let mut walk = view.reader().ascending(BLOBS, &[]);
        let mut next = walk.step()?;
        let mut left = Vec::new();
        for id in ids {
            while next.as_ref().is_some_and(|(key, _)| key[..] < id.0[..]) {
                next = walk.step()?;
            }
            if !next.as_ref().is_some_and(|(key, _)| key.starts_with(&id.0)) {
                left.push(id);
            }
        }
        ids = left;
    }
    Ok(ids)
}
