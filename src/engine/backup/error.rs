//! Why there is no backup, or nothing was put back from one.

use std::io;
use std::path::PathBuf;

use crate::log::recover::RecoverError;
use crate::os::datadir::DataDirError;

/// Why there is no backup, or nothing was put back from one.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The source is none, or not settled.
    #[error("{} {why}", path.display())]
    Source {
        /// The source.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// The source is damaged.
    #[error("{} is damaged: {error}; nothing behind that was copied. `pixeld inspect` shows more", path.display())]
    SourceDamaged {
        /// The source.
        path: PathBuf,
        /// Where and how.
        error: String,
    },
    /// The target, or the directory to restore to, can't be used.
    #[error("{place} {why}; nothing was changed")]
    Place {
        /// Which.
        place: String,
        /// Why not.
        why: String,
    },
    /// It is a backup of somebody else.
    #[error(
        "{place} is the backup of the data directory {theirs}, and this one is {ours}: choose another target"
    )]
    Foreign {
        /// The target.
        place: String,
        /// Whose it is.
        theirs: String,
        /// Whose directory was to be copied.
        ours: String,
    },
    /// Another directory stands where the source was when the backup began.
    #[error(
        "{} is the data directory {now} now, and was {before} when this backup began: {place} stays the backup of that one; \
         choose another target",
        path.display()
    )]
    Replaced {
        /// The target.
        place: String,
        /// The source.
        path: PathBuf,
        /// Whose it was.
        before: String,
        /// Whose it is.
        now: String,
    },
    /// What the target has is not what the source has, or had.
    #[error(
        "{place} goes on behind {instant} in another way than {} does, which was restored from an earlier backup, or cut: \
         choose a new target for it and keep this one",
        path.display()
    )]
    Parted {
        /// The target.
        place: String,
        /// The source.
        path: PathBuf,
        /// Up to which instant the target reaches.
        instant: String,
    },
    /// The backup is damaged.
    #[error("the backup {place} is damaged: {error}")]
    Damaged {
        /// Which.
        place: String,
        /// What is wrong.
        error: String,
    },
    /// The instant that is asked for is none of the backup's.
    #[error("{0}")]
    Instant(String),
    /// The whole cluster has to go back.
    #[error(
        "this host has a peer, and a restore to an earlier instant makes a new lineage: the peer's directory is refused from \
         then on, and has to be made anew with `pixeld init --join`. Say so with --whole-cluster; nothing was changed"
    )]
    Cluster,
    /// A call of the system failed.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl BackupError {
    /// Returns whether the bytes are the trouble, of the source or of the backup, and no second try helps.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::SourceDamaged { .. } | Self::Damaged { .. })
    }

    /// Returns whether no later try helps, either.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.is_damage() || matches!(self, Self::Replaced { .. })
    }

    /// Returns whether a file went while it was being copied.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

pub(super) fn failed(what: impl Into<String>) -> impl FnOnce(io::Error) -> BackupError {
    let what = what.into();
    move |source| BackupError::Io { what, source }
}

pub(super) fn in_use(error: DataDirError) -> BackupError {
    match error {
        DataDirError::Locked { path, pid } => {
            let who = pid.map_or_else(String::new, |pid| format!(", {pid}"));
            let why = format!("is in use by another process{who}");
            BackupError::Place { place: path.display().to_string(), why }
        }
        DataDirError::Io { path, source } => {
            BackupError::Io { what: format!("the directory {}", path.display()), source }
        }
    }
}

/// Returns what is wrong with a journal, or why it can't be read.
pub(super) fn of_journal(error: RecoverError, damaged: impl FnOnce(String) -> BackupError) -> BackupError {
    match error {
        RecoverError::Io { what, source } => BackupError::Io { what: what.to_owned(), source },
        RecoverError::Machine { name, source } => BackupError::Io { what: format!("reading {name}"), source },
        error => damaged(error.to_string()),
    }
}
