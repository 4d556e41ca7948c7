//! Whose directory is this? Before anything is made, changed or cleaned in it.
//!
//! An empty one is anybody's. One with a journal is ours. Anything else is somebody's files, and is refused; excepted is what
//! a first start of ours leaves when it is interrupted, known by what is in the files and not by their names alone, and what
//! a file system or its user keeps there unseen: `lost+found` and names that begin with a dot, which are never touched.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::engine::shared::key::KEY_NAME;
use crate::log::copy::upto;
use crate::log::files::identity::{IDENTITY_MAGIC, IDENTITY_NAME};
use crate::log::files::newcomer::NEWCOMER_NAME;
use crate::log::files::paired::{PAIRED_MAGIC, PAIRED_NAME};
use crate::log::files::restoring::RESTORING_NAME;
use crate::log::format::segment::{self, SEGMENT_FIRST, SEGMENT_MAGIC};
use crate::log::recover::unfinished::name_made;
use crate::log::snapshot::{SNAPSHOT_MAGIC, SnapshotFile};
use crate::os::datadir::LOCK_NAME;

/// What a mount point has from the start.
const LOST_AND_FOUND: &str = "lost+found";
/// Where blobs are.
const BLOBS: &str = "blobs";
/// First bytes of a key's file.
const KEY_MAGIC: &[u8] = b"-----BEGIN PRIVATE KEY-----";
/// More than a pid and a line's end have.
const LOCK_BYTES_MAX: u64 = 16;

/// Whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vacancy {
    /// Nobody's: there is nothing in it, or what a first start of ours left.
    Vacant,
    /// Ours: there is this file of an identity or of a journal.
    Ours(String),
    /// Ours, and a backup was not put back into it to the end.
    Restoring,
    /// Somebody else's: this file does not belong to pixeld.
    Taken(String),
}

/// Looks whose the directory at `path` is. Changes nothing.
///
/// # Errors
/// Returns the error of reading it.
pub fn look(path: &Path) -> io::Result<Vacancy> {
    let mut found = Vacancy::Vacant;
    if path.join(RESTORING_NAME).is_file() {
        return Ok(Vacancy::Restoring);
    }
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let file = path.join(&name);
        if is_passed_over(&name) {
            continue;
        }
        if is_so(is_of_a_journal(&name, &file))? {
            return Ok(Vacancy::Ours(name));
        }
        if found == Vacancy::Vacant && !is_so(is_left_by_a_first_start(&name, &file))? {
            found = Vacancy::Taken(name);
        }
    }
    Ok(found)
}

/// Returns the answer about a file, which is no for a name that leads nowhere: that does not belong to pixeld.
fn is_so(answer: io::Result<bool>) -> io::Result<bool> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        answer => answer,
    }
}

fn is_passed_over(name: &str) -> bool {
    name == LOST_AND_FOUND || name.starts_with('.')
}

/// Returns whether this file says that the directory is ours: an identity, whole or damaged, a segment or a snapshot.
fn is_of_a_journal(name: &str, file: &Path) -> io::Result<bool> {
    if name == IDENTITY_NAME {
        // One flipped bit of the magic number makes it no stranger's file.
        return Ok(begins_with(file, &IDENTITY_MAGIC)? || [64, 72].contains(&fs::metadata(file)?.len()));
    }
    if segment::number_of(name).is_some() {
        return begins_with(file, &SEGMENT_MAGIC);
    }
    // A backup, which may not have come as far as its identity.
    if name == upto::NAME {
        return begins_with(file, &upto::MAGIC);
    }
    Ok(SnapshotFile::of(name).is_some() && begins_with(file, &SNAPSHOT_MAGIC)?)
}

/// Returns whether this is what a start leaves that was interrupted before the identity was there.
fn is_left_by_a_first_start(name: &str, file: &Path) -> io::Result<bool> {
    if name == BLOBS {
        return is_without_files(file);
    }
    if !fs::metadata(file)?.is_file() {
        return Ok(false);
    }
    let finished = name_made(name).unwrap_or(name);
    let is_unfinished = finished.len() < name.len();
    let begins = |magic: &[u8]| Ok(begins_with(file, magic)? || is_unfinished && is_zero(file)?);
    match finished {
        IDENTITY_NAME => begins(&IDENTITY_MAGIC),
        KEY_NAME => begins(KEY_MAGIC),
        PAIRED_NAME => begins(&PAIRED_MAGIC),
        upto::NAME => begins(&upto::MAGIC),
        NEWCOMER_NAME => is_empty(file),
        LOCK_NAME if !is_unfinished => is_lock(file),
        _ if segment::number_of(finished) == Some(SEGMENT_FIRST) => is_zero(file),
        _ => Ok(false),
    }
}

fn is_empty(file: &Path) -> io::Result<bool> {
    Ok(fs::metadata(file)?.len() == 0)
}

fn begins_with(file: &Path, magic: &[u8]) -> io::Result<bool> {
    let mut start = Vec::new();
    if fs::metadata(file)?.is_file() {
        File::open(file)?.take(magic.len() as u64).read_to_end(&mut start)?;
    }
    Ok(start == magic)
}

/// Returns whether a file holds what a lock does: the number of a process, or nothing yet.
fn is_lock(file: &Path) -> io::Result<bool> {
    let mut text = Vec::new();
    File::open(file)?.take(LOCK_BYTES_MAX + 1).read_to_end(&mut text)?;
    let is_number = |byte: &u8| byte.is_ascii_digit() || *byte == b'\n';
    Ok(text.len() as u64 <= LOCK_BYTES_MAX && text.iter().all(is_number))
}

fn is_zero(file: &Path) -> io::Result<bool> {
    let mut file = File::open(file)?;
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(true),
            read if piece[..read].iter().any(|&byte| byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

/// Returns whether there is nothing in a directory but directories without files.
fn is_without_files(path: &Path) -> io::Result<bool> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(false);
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || fs::read_dir(entry.path())?.next().is_some() {
            return Ok(false);
        }
    }
    Ok(true)
}
