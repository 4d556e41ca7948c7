//! One file of the simulated disk: what was written, what is durable, and what lies between.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use pixeld::os::disk::{Access, DiskFile, failed_sync};

use super::{Failure, SECTOR, SimDisk, down, error_of, next};

/// Contents of one file.
#[derive(Clone, Default)]
pub struct FileState {
    pub cached: Vec<u8>,
    pub durable: Vec<u8>,
    /// Writes since the last sync, in order.
    pub pending: Vec<Pending>,
}

/// What a write made of the sectors that it touched.
#[derive(Clone)]
pub struct Pending {
    /// The first of them.
    first: usize,
    bytes: Vec<u8>,
}

impl Pending {
    fn sectors(&self) -> Range<usize> {
        self.first..self.first + self.bytes.len().div_ceil(SECTOR)
    }

    /// The parts of it that lie before and behind `gone`.
    fn without(self, gone: &Range<usize>) -> Vec<Self> {
        let own = self.sectors();
        let part = |sectors: Range<usize>| {
            let (from, to) = ((sectors.start - self.first) * SECTOR, (sectors.end - self.first) * SECTOR);
            let bytes = self.bytes[from..to.min(self.bytes.len())].to_vec();
            Self { first: sectors.start, bytes }
        };
        let before = own.start..own.end.min(gone.start);
        let behind = own.start.max(gone.end)..own.end;
        [before, behind].into_iter().filter(|sectors| !sectors.is_empty()).map(part).collect()
    }
}

impl FileState {
    /// Writes into the cache.
    fn cache(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        self.cached[offset..end].copy_from_slice(bytes);
    }

    /// A write that is not durable.
    fn put(&mut self, bytes: &[u8], offset: usize) {
        self.cache(bytes, offset);
        let first = offset / SECTOR;
        let end = ((offset + bytes.len()).div_ceil(SECTOR) * SECTOR).min(self.cached.len());
        self.pending.push(Pending { first, bytes: self.cached[first * SECTOR..end].to_vec() });
    }

    fn settle(&mut self, sector: usize, content: &[u8]) {
        let end = sector * SECTOR + content.len();
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[sector * SECTOR..end].copy_from_slice(content);
    }

    /// Makes these sectors durable as they are now.
    fn settle_cached(&mut self, sectors: &Range<usize>) {
        let (from, to) = (sectors.start * SECTOR, (sectors.end * SECTOR).min(self.cached.len()));
        if self.durable.len() < from {
            self.durable.resize(from, 0);
        }
        let known = self.durable.len().min(to);
        self.durable[from..known].copy_from_slice(&self.cached[from..known]);
        self.durable.extend_from_slice(&self.cached[known..to]);
    }

    fn sync(&mut self) {
        for write in std::mem::take(&mut self.pending) {
            self.settle_cached(&write.sectors());
        }
        self.durable.resize(self.cached.len(), 0);
    }

    /// Makes these sectors durable and forgets what was pending for them.
    fn sync_range(&mut self, offset: usize, length: usize) {
        let sectors = offset / SECTOR..(offset + length).div_ceil(SECTOR);
        if !self.pending.is_empty() {
            let pending = std::mem::take(&mut self.pending);
            self.pending = pending.into_iter().flat_map(|write| write.without(&sectors)).collect();
        }
        self.settle_cached(&sectors);
    }

    pub fn lose_power(&mut self, random: &mut u64) {
        let pending = std::mem::take(&mut self.pending);
        let mut sectors: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
        for write in &pending {
            for (sector, content) in write.sectors().zip(write.bytes.chunks(SECTOR)) {
                sectors.entry(sector).or_default().push(content);
            }
        }
        for (sector, versions) in sectors {
            let chosen = next(random) as usize % (versions.len() + 1);
            if let Some(content) = versions.get(chosen) {
                self.settle(sector, content);
            }
        }
        self.cached.clone_from(&self.durable);
    }
}

/// A file that is open.
pub struct SimFile {
    disk: SimDisk,
    id: usize,
    name: String,
    access: Access,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.disk.state().open.0 -= 1;
    }
}

impl SimFile {
    pub fn opened(disk: &SimDisk, id: usize, name: &str, access: Access) -> Arc<dyn DiskFile> {
        let mut state = disk.state();
        state.open.0 += 1;
        state.open.1 = state.open.1.max(state.open.0);
        drop(state);
        Arc::new(Self { disk: disk.clone(), id, name: name.to_owned(), access })
    }

    /// Writes as far as the plan lets it, and heals what it overwrites.
    fn write(&self, bytes: &[u8], offset: u64, is_durable: bool) -> io::Result<()> {
        assert_eq!(self.access, Access::Write, "{} is open for reading", self.name);
        let start = usize::try_from(offset).unwrap();
        let mut state = self.disk.state();
        let what = if is_durable { "write durably" } else { "write" };
        let failure = state.call(what, &self.name, offset, bytes.len())?;
        if let Some(Failure::Error(kind)) = failure {
            return Err(error_of(kind));
        }
        let written = start as u64..start as u64 + bytes.len() as u64;
        let is_healed = |(name, range): &(String, Range<u64>)| {
            *name == self.name && written.start <= range.start && range.end <= written.end
        };
        state.unreadable.retain(|bad| !is_healed(bad));
        let file = state.file(self.id);
        if failure.is_some() {
            file.put(bytes, start);
            return Err(down());
        }
        if is_durable {
            file.cache(bytes, start);
            file.sync_range(start, bytes.len());
        } else {
            file.put(bytes, start);
        }
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn size_bytes(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.look()?;
        Ok(state.file(self.id).cached.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.look()?;
        let wanted = offset..offset + buffer.len() as u64;
        let is_bad = |(name, range): &(String, Range<u64>)| {
            *name == self.name && range.start < wanted.end && wanted.start < range.end
        };
        if state.unreadable.iter().any(is_bad) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let content = &state.file(self.id).cached;
        let rest = content.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes, offset, false)
    }

    fn write_durable_at(&self, blocks: &[u8], offset: u64) -> io::Result<()> {
        assert!(offset.is_multiple_of(4096) && blocks.len().is_multiple_of(4096), "whole blocks");
        assert_eq!(blocks.as_ptr() as usize % 4096, 0, "aligned memory");
        self.write(blocks, offset, true)
    }

    fn give_name(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if state.names.contains_key(&self.name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.change_names("link", &self.name, |names| {
            names.insert(self.name.clone(), self.id);
        })
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        match state.call("sync", &self.name, 0, 0)? {
            None => state.file(self.id).sync(),
            Some(Failure::Crash) => return Err(down()),
            Some(Failure::Error(kind)) => {
                // The pages are clean now, and never written: they read well until the power goes.
                state.file(self.id).pending.clear();
                return Err(failed_sync(error_of(kind)));
            }
        }
        Ok(())
    }
}
