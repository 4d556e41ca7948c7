//! What a process does to itself before it does work of the dangerous kind, so that little of what goes wrong reaches others.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{Resource, Rlimit, setrlimit};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

use super::thread::Turn;

/// What a process may have that does work of the dangerous kind.
#[derive(Clone, Copy, Debug)]
pub struct Confinement {
    /// Its name in lists of processes, 15 bytes at most.
    pub name: &'static CStr,
    /// Bytes of memory that it may write to.
    pub memory_bytes: u64,
    /// When it runs.
    pub turn: Turn,
}

/// Address space beyond the memory that is written to: the program, libraries, stacks, what the allocator only reserves.
const ADDRESS_SPACE_EXTRA_BYTES: u64 = 512 * 1024 * 1024;
/// Descriptors: the three pipes, and some for looking at itself.
const DESCRIPTORS_MAX: u64 = 8;
/// Among processes the first to go when the machine runs out of memory (proc(5), oom_score_adj).
const OOM_SCORE: &str = "800";
/// Enough for the seven numbers of `/proc/self/statm`.
const STATM_BYTES: usize = 256;

impl Confinement {
    /// Puts the calling process under these bounds, for good: memory, descriptors, no file that grows, no core file, no
    /// new privileges, the least priority. Signals that tell a group of processes to end are left to the one that
    /// started it. To be called before there are other threads, which inherit all of it.
    ///
    /// # Errors
    /// Fails when a bound is refused: then nothing dangerous may be done.
    pub fn apply(&self) -> io::Result<()> {
        let bound = |resource, most| {
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(io::Error::from)
        };
        bound(Resource::Core, 0)?;
        bound(Resource::Fsize, 0)?;
        bound(Resource::Nofile, DESCRIPTORS_MAX)?;
        bound(Resource::Data, self.memory_bytes)?;
        bound(Resource::As, self.memory_bytes.saturating_add(ADDRESS_SPACE_EXTRA_BYTES))?;
        rustix::thread::set_no_new_privs(true)?;
        for signal in [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2] {
            signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
        }
        // What follows is for the comfort of others; a refusal makes nothing unsafe.
        let _ = rustix::thread::set_name(self.name);
        super::thread::give_way_to_all(self.turn);
        let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
        Ok(())
    }
}

/// Looks at the memory of this process, also where no file can be opened any more.
#[derive(Debug)]
pub struct ResidentMemory {
    statm: File,
}

impl ResidentMemory {
    /// Opens what the kernel says of it.
    ///
    /// # Errors
    /// Fails where `/proc` is missing.
    pub fn open() -> io::Result<Self> {
        Ok(Self { statm: File::open("/proc/self/statm")? })
    }

    /// Returns whether the process has more than `most` bytes; not if that is unknown.
    #[must_use]
    pub fn is_above(&self, most: u64) -> bool {
        let mut text = [0; STATM_BYTES];
        let length = self.statm.read_at(&mut text, 0).unwrap_or(0);
        super::thread::resident_of(&text[..length]).is_some_and(|bytes| bytes > most)
    }
}
