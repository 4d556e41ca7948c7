//! What a simulated disk holds: files, names, the plan to fail.

use std::collections::BTreeMap;
use std::io;
use std::ops::{Bound, Range};

use pixeld::os::disk::failed_sync;

use super::file::FileState;
use super::{Failure, Fall, down, error_of, next};

pub type Names = BTreeMap<String, usize>;

pub struct State {
    pub files: Vec<FileState>,
    pub names: Names,
    pub durable_names: Names,
    /// States of the directory since it was last synced.
    pub pending_names: Vec<Names>,
    pub calls: u64,
    pub failure: Option<(u64, Failure)>,
    /// Calls so far that only look.
    pub reads: u64,
    /// From this one on, with this error of the system's, as often as this.
    pub read_fault: Option<(u64, i32, u64)>,
    /// Changing calls there had been when a read failed first.
    pub calls_at_read_fault: Option<u64>,
    pub rules: Vec<Rule>,
    pub is_down: bool,
    pub random: u64,
    pub unreadable: Vec<(String, Range<u64>)>,
    pub capacity_bytes: u64,
    /// A file has a name from the beginning on.
    pub has_only_names: bool,
    /// Files that are open now, and that were at most at the same time.
    pub open: (usize, usize),
    /// What the last call was, for messages.
    last: Call,
}

/// Which calls fail.
pub struct Rule {
    pub call: &'static str,
    pub name: &'static str,
    pub kind: io::ErrorKind,
    pub skipped: u32,
    pub times: u32,
}

#[derive(Default)]
struct Call {
    what: &'static str,
    name: String,
    offset: u64,
    length: usize,
}

impl State {
    pub fn new() -> Self {
        Self {
            files: Vec::new(),
            names: Names::new(),
            durable_names: Names::new(),
            pending_names: Vec::new(),
            calls: 0,
            failure: None,
            reads: 0,
            read_fault: None,
            calls_at_read_fault: None,
            rules: Vec::new(),
            is_down: false,
            random: 1,
            unreadable: Vec::new(),
            has_only_names: false,
            capacity_bytes: 1 << 30,
            open: (0, 0),
            last: Call::default(),
        }
    }

    /// The same content without a plan to fail.
    pub fn copy(&self) -> Self {
        Self {
            files: self.files.clone(),
            names: self.names.clone(),
            durable_names: self.durable_names.clone(),
            pending_names: self.pending_names.clone(),
            random: self.random,
            unreadable: self.unreadable.clone(),
            capacity_bytes: self.capacity_bytes,
            has_only_names: self.has_only_names,
            ..Self::new()
        }
    }

    /// The content itself; this disk is down for good.
    pub fn take(&mut self) -> Self {
        self.is_down = true;
        Self {
            files: std::mem::take(&mut self.files),
            names: std::mem::take(&mut self.names),
            durable_names: std::mem::take(&mut self.durable_names),
            pending_names: std::mem::take(&mut self.pending_names),
            random: self.random,
            unreadable: std::mem::take(&mut self.unreadable),
            capacity_bytes: self.capacity_bytes,
            has_only_names: self.has_only_names,
            ..Self::new()
        }
    }

    pub fn come_down(&mut self, fall: Fall) {
        let Fall::Power(seed) = fall else { return };
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        for file in &mut self.files {
            file.lose_power(&mut random);
        }
        let mut versions = std::mem::take(&mut self.pending_names);
        let chosen = next(&mut random) as usize % (versions.len() + 1);
        if chosen < versions.len() {
            self.durable_names = versions.swap_remove(chosen);
        }
        self.names = self.durable_names.clone();
    }

    pub fn must_be_up(&self) -> io::Result<()> {
        if self.is_down { Err(down()) } else { Ok(()) }
    }

    /// Counts a changing call; tells whether it is to fail.
    pub fn call(
        &mut self,
        what: &'static str,
        name: &str,
        offset: u64,
        length: usize,
    ) -> io::Result<Option<Failure>> {
        self.must_be_up()?;
        let number = self.calls;
        self.calls += 1;
        self.last.name.clear();
        self.last.name.push_str(name);
        (self.last.what, self.last.offset, self.last.length) = (what, offset, length);
        for rule in &mut self.rules {
            if rule.call == what && name.contains(rule.name) && rule.times > 0 {
                if rule.skipped > 0 {
                    rule.skipped -= 1;
                    continue;
                }
                rule.times -= 1;
                return Ok(Some(Failure::Error(rule.kind)));
            }
        }
        match self.failure {
            Some((at, failure)) if at == number => {
                self.is_down = failure == Failure::Crash;
                Ok(Some(failure))
            }
            _ => Ok(None),
        }
    }

    /// Counts a call that only looks; fails if that is planned.
    pub fn look(&mut self) -> io::Result<()> {
        self.must_be_up()?;
        let number = self.reads;
        self.reads += 1;
        match self.read_fault {
            Some((from, code, times)) if number >= from && number - from < times => {
                self.calls_at_read_fault.get_or_insert(self.calls);
                Err(io::Error::from_raw_os_error(code))
            }
            _ => Ok(()),
        }
    }

    pub fn last_call(&self) -> String {
        let Call { what, name, offset, length } = &self.last;
        format!("{what} {name} {offset}+{length}")
    }

    /// A change of names; one that is cut off by a crash is done or not.
    pub fn change_names(
        &mut self,
        what: &'static str,
        name: &str,
        change: impl FnOnce(&mut Names),
    ) -> io::Result<()> {
        match self.call(what, name, 0, 0)? {
            None => {}
            Some(Failure::Crash) if next(&mut self.random).is_multiple_of(2) => return Err(down()),
            Some(Failure::Crash) => {
                change(&mut self.names);
                self.pending_names.push(self.names.clone());
                return Err(down());
            }
            Some(Failure::Error(kind)) => return Err(error_of(kind)),
        }
        change(&mut self.names);
        self.pending_names.push(self.names.clone());
        Ok(())
    }

    /// A sync of a directory: of the names in it, or of all.
    pub fn sync_names(&mut self, directory: Option<&str>) -> io::Result<()> {
        match self.call("sync directory", directory.unwrap_or_default(), 0, 0)? {
            None => {}
            Some(Failure::Crash) => return Err(down()),
            Some(Failure::Error(kind)) => return Err(failed_sync(error_of(kind))),
        }
        let Some(directory) = directory else {
            self.pending_names.clear();
            self.durable_names = self.names.clone();
            return Ok(());
        };
        // Whatever becomes of the other directories, this one is as it is now.
        let Self { names, durable_names, pending_names, .. } = self;
        for version in pending_names.iter_mut().chain([durable_names]) {
            version.retain(|name, _| in_directory(name, directory).is_none());
            let own = names.iter().filter(|(name, _)| in_directory(name, directory).is_some());
            version.extend(own.map(|(name, id)| (name.clone(), *id)));
        }
        Ok(())
    }

    pub fn names_in(&self, directory: &str) -> Vec<String> {
        // The names of one directory stand side by side.
        let from = self.names.range::<str, _>((Bound::Included(directory), Bound::Unbounded));
        let own = from.take_while(|(name, _)| name.starts_with(directory));
        own.filter_map(|(name, _)| in_directory(name, directory)).map(str::to_owned).collect()
    }

    pub fn used_bytes(&self) -> u64 {
        self.names.values().map(|&id| self.files[id].cached.len() as u64).sum()
    }

    pub fn id_of(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub fn file(&mut self, id: usize) -> &mut FileState {
        // A disk that was taken has none any more.
        if self.files.len() <= id {
            self.files.resize_with(id + 1, FileState::default);
        }
        &mut self.files[id]
    }
}

/// The name of a file without that of the directory it is in; nothing if it is in another one.
fn in_directory<'a>(name: &'a str, directory: &str) -> Option<&'a str> {
    name.strip_prefix(directory)?.strip_prefix('/').filter(|rest| !rest.contains('/'))
}
