//! A disk for tests: it keeps apart what was written and what is durable, crashes at any call, and fails on demand.
//!
//! After a crash of the machine every sector of 512 bytes that was not synced holds its old content or that of any
//! later write, each for itself; so writes are dropped, torn and reordered. Changes of names that were not synced
//! survive up to some point. After a mere kill of the process everything that was written is still there.

#![allow(dead_code, reason = "each test uses a part of it")]

mod file;
mod state;

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pixeld::os::disk::{Access, Disk, DiskFile, Space};

use file::{FileState, SimFile};
use state::{Rule, State};

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
        Self::of(State::new())
    }

    fn of(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// An independent disk with the same content and no plan to fail.
    pub fn copy(&self) -> Self {
        Self::of(self.state().copy())
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
        self.state().last_call()
    }

    /// Plans a failure at the `call`-th changing call from now, counted from 0; `seed` decides what is done in part.
    pub fn fail_at(&self, call: u64, failure: Failure, seed: u64) {
        let mut state = self.state();
        state.failure = Some((state.calls + call, failure));
        state.random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    }

    /// Plans that so many calls of this kind on files with this part in their names fail.
    pub fn fail_when(&self, call: &'static str, name: &'static str, kind: io::ErrorKind, times: u32) {
        self.fail_after(call, name, kind, 0, times);
    }

    /// The same behind the first `skipped` ones.
    pub fn fail_after(
        &self,
        call: &'static str,
        name: &'static str,
        kind: io::ErrorKind,
        skipped: u32,
        times: u32,
    ) {
        self.state().rules.push(Rule { call, name, kind, skipped, times });
    }

    /// Forgets failures that were planned and have not come yet.
    pub fn spare_failure(&self) {
        let mut state = self.state();
        state.failure = None;
        state.rules.clear();
    }

    /// Calls so far that only look: lists, opens, sizes, reads.
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// Plans `times` errors `code` of the system's from the `read`-th looking call on, counted from 0 and from now.
    pub fn read_fault_at(&self, read: u64, code: i32, times: u64) {
        let mut state = self.state();
        state.read_fault = Some((read.saturating_add(state.reads), code, times));
        state.calls_at_read_fault = None;
    }

    /// Changing calls there had been when a read failed first; all there were if none failed.
    pub fn changes_before_fault(&self) -> u64 {
        let state = self.state();
        state.calls_at_read_fault.unwrap_or(state.calls)
    }

    pub fn is_down(&self) -> bool {
        self.state().is_down
    }

    /// What the next process finds; this disk stays as it is.
    pub fn fall(&self, fall: Fall) -> Self {
        let mut state = self.state().copy();
        state.come_down(fall);
        Self::of(state)
    }

    /// The same without a copy: this disk is of no use any more.
    pub fn fall_for_good(&self, fall: Fall) -> Self {
        let mut state = self.state().take();
        state.come_down(fall);
        Self::of(state)
    }

    /// Makes a part of a file unreadable until it is written again.
    pub fn spoil(&self, name: &str, range: Range<u64>) {
        self.state().unreadable.push((name.to_owned(), range));
    }

    /// Makes it a disk that has no files without a name, like NFS, or one that has.
    pub fn set_only_names(&self, has_only_names: bool) {
        self.state().has_only_names = has_only_names;
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
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The error of this kind; `Other` is EIO, which has no kind of its own.
fn error_of(kind: io::ErrorKind) -> io::Error {
    if kind == io::ErrorKind::Other { io::Error::from_raw_os_error(5) } else { kind.into() }
}

fn down() -> io::Error {
    io::Error::other("the machine is down")
}

impl Disk for SimDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.look()?;
        Ok(state.names.keys().filter(|name| !name.contains('/')).cloned().collect())
    }

    /// Directories are always there: only names of files are lost.
    fn make_directory(&self, _name: &str) -> io::Result<()> {
        self.state().must_be_up()
    }

    fn list_in(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.look()?;
        Ok(state.names_in(directory))
    }

    fn sync_in(&self, directory: &str) -> io::Result<()> {
        self.state().sync_names(Some(directory))
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.look()?;
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
        state.change_names("create", name, |names| {
            names.insert(name.to_owned(), id);
        })?;
        drop(state);
        Ok(SimFile::opened(self, id, name, Access::Write))
    }

    fn create_unnamed(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        if state.has_only_names {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let id = state.files.len();
        state.files.push(FileState::default());
        // It changes no name, but may fail as if it did.
        state.change_names("create", name, |_| {})?;
        drop(state);
        Ok(SimFile::opened(self, id, name, Access::Write))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let id = state.id_of(from)?;
        state.change_names("rename", from, |names| {
            names.remove(from);
            names.insert(to.to_owned(), id);
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.id_of(name)?;
        state.change_names("remove", name, |names| {
            names.remove(name);
        })
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.state().sync_names(None)
    }

    fn space(&self) -> io::Result<Space> {
        let state = self.state();
        let total_bytes = state.capacity_bytes;
        Ok(Space { free_bytes: total_bytes - state.used_bytes(), total_bytes })
    }
}
