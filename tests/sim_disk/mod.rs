//! A disk for tests: it keeps apart what was written and what is durable, crashes at any call, and fails on demand.
//!
//! After a crash of the machine every sector of 512 bytes that was not synced holds its old content or that of any
//! later write, each for itself; so writes are dropped, torn and reordered. Changes of names that were not synced
//! survive up to some point. After a mere kill of the process everything that was written is still there.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use pixeld::os::disk::{Access, Disk, DiskFile, Space};

const SECTOR: usize = 512;

/// How the process or the machine comes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fall {
    /// `kill -9`: the system keeps what it was given.
    Kill,
    /// Power loss; the seed decides which sectors survive.
    Power(u64),
}

/// What an injected fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Everything stops at this call, which is done in part.
    Crash,
    /// The call fails; a sync that fails has lost its pages although they still read as written.
    Error(io::ErrorKind),
}

/// A clone is the same disk.
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

struct State {
    files: Vec<FileState>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// States of the directory since it was last synced.
    pending_names: Vec<BTreeMap<String, usize>>,
    calls: u64,
    failure: Option<(u64, Failure)>,
    is_down: bool,
    random: u64,
    unreadable: Vec<(String, Range<u64>)>,
    capacity_bytes: u64,
    /// Files that are open now, and that were at most at the same time.
    open: (usize, usize),
    /// What each call was, for messages.
    log: Vec<String>,
}

#[derive(Clone, Default)]
struct FileState {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors written since the last sync, with the content each write gave them.
    pending: Vec<(usize, Vec<u8>)>,
}

impl FileState {
    fn put(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.cached.len() < end {
            self.cached.resize(end, 0);
        }
        self.cached[offset..end].copy_from_slice(bytes);
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            self.pending.push((sector, self.cached_sector(sector).to_vec()));
        }
    }

    fn cached_sector(&self, sector: usize) -> &[u8] {
        &self.cached[sector * SECTOR..((sector + 1) * SECTOR).min(self.cached.len())]
    }

    fn settle(&mut self, sector: usize, content: &[u8]) {
        let end = sector * SECTOR + content.len();
        if self.durable.len() < end {
            self.durable.resize(end, 0);
        }
        self.durable[sector * SECTOR..end].copy_from_slice(content);
    }

    fn sync(&mut self) {
        self.pending.clear();
        self.durable.clone_from(&self.cached);
    }

    /// Makes these sectors durable and forgets what was pending for them.
    fn sync_range(&mut self, offset: usize, length: usize) {
        let sectors = offset / SECTOR..(offset + length).div_ceil(SECTOR);
        self.pending.retain(|(sector, _)| !sectors.contains(sector));
        for sector in sectors {
            let content = self.cached_sector(sector).to_vec();
            self.settle(sector, &content);
        }
    }

    fn lose_power(&mut self, random: &mut u64) {
        let pending = std::mem::take(&mut self.pending);
        let mut sectors: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
        for (sector, content) in pending {
            sectors.entry(sector).or_default().push(content);
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

/// xorshift64*.
pub fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimDisk {
    pub fn new() -> Self {
        let state = State {
            files: Vec::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            calls: 0,
            failure: None,
            is_down: false,
            random: 1,
            unreadable: Vec::new(),
            capacity_bytes: 1 << 30,
            open: (0, 0),
            log: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// An independent disk with the same content and no plan to fail.
    pub fn copy(&self) -> Self {
        let state = self.state();
        let state = State {
            files: state.files.clone(),
            names: state.names.clone(),
            durable_names: state.durable_names.clone(),
            pending_names: state.pending_names.clone(),
            calls: 0,
            failure: None,
            is_down: false,
            random: state.random,
            unreadable: state.unreadable.clone(),
            capacity_bytes: state.capacity_bytes,
            open: (0, 0),
            log: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Calls so far that change something.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Most files that were open at the same time.
    pub fn open_files_max(&self) -> usize {
        self.state().open.1
    }

    pub fn last_call(&self) -> String {
        self.state().log.last().cloned().unwrap_or_default()
    }

    /// Plans a failure at the `call`-th changing call from now, counted from 0; `seed` decides what is done in part.
    pub fn fail_at(&self, call: u64, failure: Failure, seed: u64) {
        let mut state = self.state();
        state.failure = Some((state.calls + call, failure));
        state.random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    }

    /// Forgets a failure that was planned and has not come yet.
    pub fn spare_failure(&self) {
        self.state().failure = None;
    }

    pub fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// What the next process finds.
    pub fn fall(&self, fall: Fall) -> Self {
        let disk = self.copy();
        let mut state = disk.state();
        if let Fall::Power(seed) = fall {
            let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            for file in &mut state.files {
                file.lose_power(&mut random);
            }
            let mut versions = std::mem::take(&mut state.pending_names);
            let chosen = next(&mut random) as usize % (versions.len() + 1);
            if chosen < versions.len() {
                state.durable_names = versions.swap_remove(chosen);
            }
            state.names = state.durable_names.clone();
        }
        drop(state);
        disk
    }

    /// Makes a part of a file unreadable until it is written again.
    pub fn spoil(&self, name: &str, range: Range<u64>) {
        self.state().unreadable.push((name.to_owned(), range));
    }

    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity_bytes = bytes;
    }

    /// A file's content as a process sees it.
    pub fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.files[state.names[name]].cached.clone()
    }

    /// Replaces a file's content, durably.
    pub fn replace(&self, name: &str, content: &[u8]) {
        let mut state = self.state();
        let file = FileState { cached: content.to_vec(), durable: content.to_vec(), pending: Vec::new() };
        state.files.push(file);
        let id = state.files.len() - 1;
        state.names.insert(name.to_owned(), id);
        state.durable_names.insert(name.to_owned(), id);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The name of a file without that of the directory it is in; nothing if it is in another one.
fn in_directory<'a>(name: &'a str, directory: &str) -> Option<&'a str> {
    name.strip_prefix(directory)?.strip_prefix('/').filter(|rest| !rest.contains('/'))
}

fn down() -> io::Error {
    io::Error::other("the machine is down")
}

impl State {
    /// Counts a changing call; tells whether it is to fail.
    fn call(&mut self, what: String) -> io::Result<Option<Failure>> {
        if self.is_down {
            return Err(down());
        }
        let number = self.calls;
        self.calls += 1;
        self.log.push(what);
        match self.failure {
            Some((at, failure)) if at == number => {
                self.is_down = failure == Failure::Crash;
                Ok(Some(failure))
            }
            _ => Ok(None),
        }
    }

    /// A change of names; one that is cut off by a crash is done or not.
    fn change_names(&mut self, what: String, change: impl FnOnce(&mut Self)) -> io::Result<()> {
        match self.call(what)? {
            None => {}
            Some(Failure::Crash) if next(&mut self.random).is_multiple_of(2) => return Err(down()),
            Some(Failure::Crash) => {
                change(self);
                self.pending_names.push(self.names.clone());
                return Err(down());
            }
            Some(Failure::Error(kind)) => return Err(kind.into()),
        }
        change(self);
        self.pending_names.push(self.names.clone());
        Ok(())
    }

    fn used_bytes(&self) -> u64 {
        self.names.values().map(|&id| self.files[id].cached.len() as u64).sum()
    }

    fn id_of(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.state();
        if state.is_down {
            return Err(down());
        }
        Ok(state.names.keys().filter(|name| !name.contains('/')).cloned().collect())
    }

    /// Directories are always there: only names of files are lost.
    fn make_directory(&self, _name: &str) -> io::Result<()> {
        if self.state().is_down { Err(down()) } else { Ok(()) }
    }

    fn list_in(&self, directory: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        if state.is_down {
            return Err(down());
        }
        Ok(state.names.keys().filter_map(|name| in_directory(name, directory)).map(str::to_owned).collect())
    }

    fn sync_in(&self, directory: &str) -> io::Result<()> {
        let mut state = self.state();
        match state.call(format!("sync directory {directory}"))? {
            None => {
                // Whatever becomes of the other directories, this one is as it is now.
                let State { names, durable_names, pending_names, .. } = &mut *state;
                for version in pending_names.iter_mut().chain([durable_names]) {
                    version.retain(|name, _| in_directory(name, directory).is_none());
                    let own = names.iter().filter(|(name, _)| in_directory(name, directory).is_some());
                    version.extend(own.map(|(name, id)| (name.clone(), *id)));
                }
                Ok(())
            }
            Some(Failure::Crash) => Err(down()),
            Some(Failure::Error(kind)) => Err(kind.into()),
        }
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        if state.is_down {
            return Err(down());
        }
        let id = state.id_of(name)?;
        drop(state);
        Ok(SimFile::opened(self, id, name, access))
    }

    fn create(&self, name: &str, size_bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        if state.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.used_bytes() + size_bytes > state.capacity_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let id = state.files.len();
        let size = usize::try_from(size_bytes).unwrap();
        let file = FileState { cached: vec![0; size], durable: Vec::new(), pending: Vec::new() };
        state.files.push(file);
        state.change_names(format!("create {name}"), |state| {
            state.names.insert(name.to_owned(), id);
        })?;
        drop(state);
        Ok(SimFile::opened(self, id, name, Access::Write))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let id = state.id_of(from)?;
        state.change_names(format!("rename {from} {to}"), |state| {
            state.names.remove(from);
            state.names.insert(to.to_owned(), id);
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.id_of(name)?;
        state.change_names(format!("remove {name}"), |state| {
            state.names.remove(name);
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        let mut state = self.state();
        match state.call("sync directory".to_owned())? {
            None => {
                state.pending_names.clear();
                state.durable_names = state.names.clone();
                Ok(())
            }
            Some(Failure::Crash) => Err(down()),
            Some(Failure::Error(kind)) => Err(kind.into()),
        }
    }

    fn space(&self) -> io::Result<Space> {
        let state = self.state();
        let total_bytes = state.capacity_bytes;
        Ok(Space { free_bytes: total_bytes - state.used_bytes(), total_bytes })
    }
}

struct SimFile {
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
    fn opened(disk: &SimDisk, id: usize, name: &str, access: Access) -> Arc<dyn DiskFile> {
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
        let failure = state.call(format!("{what} {} {offset}+{}", self.name, bytes.len()))?;
        if let Some(Failure::Error(kind)) = failure {
            return Err(kind.into());
        }
        let written = start as u64..start as u64 + bytes.len() as u64;
        let is_healed = |(name, range): &(String, Range<u64>)| {
            *name == self.name && written.start <= range.start && range.end <= written.end
        };
        state.unreadable.retain(|bad| !is_healed(bad));
        let file = &mut state.files[self.id];
        file.put(bytes, start);
        if failure.is_some() {
            return Err(down());
        }
        if is_durable {
            file.sync_range(start, bytes.len());
        }
        Ok(())
    }
}

impl DiskFile for SimFile {
    fn size_bytes(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.id].cached.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.disk.state();
        if state.is_down {
            return Err(down());
        }
        let wanted = offset..offset + buffer.len() as u64;
        let is_bad = |(name, range): &(String, Range<u64>)| {
            *name == self.name && range.start < wanted.end && wanted.start < range.end
        };
        if state.unreadable.iter().any(is_bad) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let content = &state.files[self.id].cached;
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

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        match state.call(format!("sync {}", self.name))? {
            None => state.files[self.id].sync(),
            Some(Failure::Crash) => return Err(down()),
            Some(Failure::Error(kind)) => {
                // The pages are clean now, and never written: they read well until the power goes.
                state.files[self.id].pending.clear();
                return Err(kind.into());
            }
        }
        Ok(())
    }
}
