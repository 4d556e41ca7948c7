//! Holds one thread of a server still, as a stalled disk or a busy core would, for as long as a test wants.

use std::fs;
use std::marker::PhantomData;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use super::{PATIENCE, Server};
use crate::skip::skip;

/// A thread that stands still until this is dropped, which must happen on the thread that made it (ptrace's rule), and
/// before the server ends (or the end would wait for us).
pub struct Hold<'a> {
    thread: Pid,
    of: PhantomData<(&'a Server, *const ())>,
}

impl Server {
    /// Holds the thread of this name still; nothing, with a word about it, where the system does not let us.
    pub fn hold(&self, name: &str) -> Option<Hold<'_>> {
        let thread = self.thread(name);
        match ptrace::seize(thread, ptrace::Options::empty()) {
            Ok(()) => {}
            Err(Errno::EPERM | Errno::ENOSYS) => {
                skip("this system does not let a test stop a thread (ptrace)");
                return None;
            }
            Err(error) => panic!("{name}: {error}"),
        }
        ptrace::interrupt(thread).expect("a seized thread");
        waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stops");
        Some(Hold { thread, of: PhantomData })
    }

    /// Finds the thread of this name, as `top -H` shows it. A thread gives itself its name, which may be a moment after the
    /// server said that it listens.
    pub(super) fn thread(&self, name: &str) -> Pid {
        let started = Instant::now();
        loop {
            if let Some(thread) = self.find_thread(name) {
                return thread;
            }
            assert!(started.elapsed() < PATIENCE, "no thread {name}");
            sleep(Duration::from_millis(5));
        }
    }

    fn find_thread(&self, name: &str) -> Option<Pid> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("a process");
        let mut tasks = tasks.map(|task| task.expect("a thread").path());
        let task = tasks
            .find(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim_end() == name))?;
        let number = task.file_name().and_then(|number| number.to_str()).expect("a number");
        Some(Pid::from_raw(number.parse().expect("a number")))
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if ptrace::detach(self.thread, None).is_err() {
            // It was killed; its end is told to us first.
            let _ = waitpid(self.thread, Some(WaitPidFlag::__WALL));
        }
    }
}
