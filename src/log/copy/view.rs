//! A view: a directory of which only some segments and snapshots are seen, for reading.

use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::log::format::segment;
use crate::log::snapshot::SnapshotFile;
use crate::os::disk::{Access, Disk, DiskFile, Space, unwritable};

/// What is seen of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// Numbers of the segments; nothing where there are none.
    pub segments: Option<RangeInclusive<u32>>,
    /// The snapshot.
    pub snapshot: Option<SnapshotFile>,
}

/// The directory of `disk` without the segments and snapshots that were not chosen. It can't be written.
pub struct View {
    disk: Arc<dyn Disk>,
    chosen: Chosen,
}

impl View {
    /// Returns that view of a directory.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, chosen: Chosen) -> Self {
        Self { disk, chosen }
    }

    fn shows(&self, name: &str) -> bool {
        if let Some(number) = segment::number_of(name) {
            return self.chosen.segments.as_ref().is_some_and(|range| range.contains(&number));
        }
        SnapshotFile::of(name).is_none_or(|file| self.chosen.snapshot == Some(file))
    }
}

impl Disk for View {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = self.disk.list()?;
        names.retain(|name| self.shows(name));
        Ok(names)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        match access {
            Access::Write => unwritable(),
            Access::Read if self.shows(name) => self.disk.open(name, access),
            Access::Read => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        unwritable()
    }

    fn make_directory(&self, _name: &str) -> io::Result<()> {
        unwritable()
    }

    fn list_in(&self, directory: &str) -> io::Result<Vec<String>> {
        self.disk.list_in(directory)
    }

    fn sync_in(&self, _directory: &str) -> io::Result<()> {
        unwritable()
    }

    fn sync_directory(&self) -> io::Result<()> {
        unwritable()
    }

    fn space(&self) -> io::Result<Space> {
        self.disk.space()
    }
}
