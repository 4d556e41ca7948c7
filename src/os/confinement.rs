//! What a process does to itself before it does work of the dangerous kind, so that little of what goes wrong reaches others.

use std::ffi::CStr;
use std::io;
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

/// Bytes of memory that this process has, in all, and how much may it keep when it has nothing to do.
#[must_use]
pub fn is_above(resident_max: u64) -> bool {
    super::thread::resident_bytes().is_some_and(|bytes| bytes > resident_max)
}
