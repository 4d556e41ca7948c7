//! Slows one thread of a server down at system calls of our choice, as a slow disk would.

use std::thread::JoinHandle;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use super::Server;
use crate::skip::skip;

/// Calls that sync a file.
pub const SYNCING: &[libc::c_long] = &[libc::SYS_fdatasync, libc::SYS_fsync];
/// Calls that write to a file at a place.
pub const WRITING: &[libc::c_long] = &[libc::SYS_pwrite64, libc::SYS_pwritev2];

/// A thread each of whose `calls` takes `delay` longer, until the server ends.
pub struct Slowed {
    tracer: JoinHandle<u32>,
}

impl Slowed {
    /// Returns how many calls were slowed down. The server must have been told to end.
    pub fn calls(self) -> u32 {
        self.tracer.join().expect("the tracer ends with the thread")
    }
}

impl Server {
    /// Slows the thread of this name down; nothing, with a word about it, where the system does not let us.
    pub fn slow(&self, name: &str, calls: &'static [libc::c_long], delay: Duration) -> Option<Slowed> {
        let thread = self.thread(name);
        let (told, seized) = std::sync::mpsc::channel();
        // Only the thread that seizes another one may go on tracing it.
        let tracer = std::thread::spawn(move || {
            let outcome = ptrace::seize(thread, Options::PTRACE_O_TRACESYSGOOD);
            let is_seized = outcome.is_ok();
            told.send(outcome).expect("it is waited for");
            if is_seized { follow(thread, calls, delay) } else { 0 }
        });
        match seized.recv().expect("the tracer says so") {
            Ok(()) => Some(Slowed { tracer }),
            Err(Errno::EPERM | Errno::ENOSYS) => {
                skip("this system does not let a test slow a thread down (ptrace)");
                None
            }
            Err(error) => panic!("{name}: {error}"),
        }
    }
}

fn follow(thread: Pid, calls: &[libc::c_long], delay: Duration) -> u32 {
    let mut slowed = 0;
    if ptrace::interrupt(thread).is_err() {
        return slowed;
    }
    loop {
        let signal = match waitpid(thread, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::PtraceSyscall(_)) => {
                if is_entering_one_of(thread, calls) {
                    slowed += 1;
                    std::thread::sleep(delay);
                }
                None
            }
            // The stop that `interrupt` asked for is an event; anything else is the thread's own signal.
            Ok(WaitStatus::PtraceEvent(..)) => None,
            Ok(WaitStatus::Stopped(_, signal)) => Some(signal),
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) | Err(_) => return slowed,
            Ok(_) => None,
        };
        // One that was killed meanwhile is told of by the next wait.
        let _ = ptrace::syscall(thread, signal);
    }
}

fn is_entering_one_of(thread: Pid, calls: &[libc::c_long]) -> bool {
    const ENTRY: u8 = 1;
    if ptrace::syscall_info(thread).map_or(true, |info| info.op != ENTRY) {
        return false;
    }
    let told = std::fs::read_to_string(format!("/proc/{thread}/syscall")).unwrap_or_default();
    told.split(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .is_some_and(|number| calls.contains(&number))
}
