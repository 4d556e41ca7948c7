//! Backups of real servers: copied beside them, put back, and compared record for record.

#[path = "../support/board/mod.rs"]
mod board;
#[path = "../support/process/mod.rs"]
mod process;
#[path = "../support/skip.rs"]
mod skip;

mod beside;
mod instants;
mod kills;
mod lineage;
mod refusals;
mod room;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use process::pixeld;
use tempfile::TempDir;

/// A directory for a test, with places in it.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

pub(crate) fn backup(source: &Path, target: &Path) -> Command {
    let mut command = pixeld(&["backup"]);
    command.arg(source).arg(target);
    command
}

pub(crate) fn restore(target: &Path, directory: &Path, more: &[&str]) -> Command {
    let mut command = pixeld(&["restore"]);
    command.arg(target).arg(directory).args(more);
    command
}

/// Runs a command that has to end well; gives what it printed.
pub(crate) fn done(command: &mut Command) -> String {
    let (code, said) = run(command);
    assert_eq!(code, Some(0), "{said}");
    said
}

/// Runs a command; gives its exit code and all that it printed.
pub(crate) fn run(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    (status.code(), [String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)].concat())
}

/// Checks that two directories hold the same records, states and contents.
pub(crate) fn assert_same(one: &Path, other: &Path) {
    let said = done(pixeld(&["inspect"]).arg(one).arg(other));
    assert!(said.contains("same: every stream ends at the same record"), "{said}");
    assert!(said.contains("states: every application has the same digest"), "{said}");
}

/// Every file below a directory with its content, but the lock. A server may remove one meanwhile.
pub(crate) fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.ends_with("lock") {
            match std::fs::read(&path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                read => found.push((path.clone(), read.expect("a file"))),
            }
        }
    }
    found.sort();
    found
}
