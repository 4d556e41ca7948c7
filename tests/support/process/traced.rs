//! A process that is killed at a system call of our choice: for real, where a simulated disk only plays it.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::skip::skip;
use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{Signal, kill_process};

/// Calls that change a file system; the opening of a file is one if it may make it or is for writing.
const CHANGING: [libc::c_long; 13] = [
    libc::SYS_mkdirat,
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_pwritev2,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_fallocate,
    libc::SYS_ftruncate,
    libc::SYS_fchown,
];
/// Older names of some of them, which some processors have.
#[cfg(target_arch = "x86_64")]
const OLD: [libc::c_long; 3] = [libc::SYS_mkdir, libc::SYS_rename, libc::SYS_unlink];
#[cfg(not(target_arch = "x86_64"))]
const OLD: [libc::c_long; 0] = [];
/// A server is there.
const SERVING: libc::c_long = libc::SYS_epoll_ctl;

/// What became of a process.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// Killed before the call that was asked for.
    Killed,
    /// It ended before it made so many calls, with this code.
    Ended(i32),
    /// It was about to serve before it made so many calls; it was killed there.
    Serving,
}

/// A call that may change a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changing {
    /// Bytes that are durable when it returns.
    DurableWrite,
    /// Bytes that a sync has to follow.
    Write,
    /// What was written before is durable when it returns.
    Sync,
    /// Any other.
    Other,
}

/// What a system call's stop is.
enum Call {
    Changing(Changing),
    Serving,
    Other,
}

/// Runs a command and kills it with SIGKILL right before its `number`-th call, from 0 on, that may change a file system. Nothing
/// where the system does not let us.
pub fn kill_at(command: &Command, number: usize) -> Option<Fate> {
    trace(command, Place { number, counts: None, seen: None })
}

/// The same for a server that goes on when it serves: its calls count as long as `counts` says so.
pub fn kill_serving_at(command: &Command, number: usize, counts: Arc<AtomicBool>) -> Option<Fate> {
    trace(command, Place { number, counts: Some(counts), seen: None })
}

/// The same, with what it did meanwhile.
pub fn record_serving_at(
    command: &Command,
    number: usize,
    counts: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Changing>>>,
) -> Option<Fate> {
    trace(command, Place { number, counts: Some(counts), seen: Some(seen) })
}

/// Where a process is killed.
struct Place {
    number: usize,
    /// Whether calls count; without it they do until it serves, which is its end then.
    counts: Option<Arc<AtomicBool>>,
    /// Where calls that count are noted.
    seen: Option<Arc<Mutex<Vec<Changing>>>>,
}

impl Place {
    fn counts(&self) -> bool {
        self.counts.as_ref().is_none_or(|counts| counts.load(Ordering::SeqCst))
    }

    fn note(&self, what: Changing) {
        if let Some(seen) = &self.seen {
            seen.lock().expect("no panic").push(what);
        }
    }
}

fn trace(command: &Command, place: Place) -> Option<Fate> {
    // A shell that stands still until it is traced, and then becomes the command.
    let mut stopped = Command::new("sh");
    stopped
        .args(["-c", r#"kill -STOP $$; exec "$0" "$@""#])
        .arg(command.get_program())
        .args(command.get_args());
    stopped.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => stopped.env(name, value),
            None => stopped.env_remove(name),
        };
    }
    // Its end is waited for below, with those of its threads.
    let number_of_process = stopped.spawn().map(|shell| shell.id()).expect("a shell");
    let process = Pid::from_raw(i32::try_from(number_of_process).expect("a number"));
    waitpid(process, Some(WaitPidFlag::WUNTRACED)).expect("it stops");
    let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
    if let Err(error) = ptrace::seize(process, options | Options::PTRACE_O_TRACEEXEC) {
        send(process, Signal::KILL);
        waitpid(process, None).expect("it ends");
        assert!(matches!(error, Errno::EPERM | Errno::ENOSYS), "{error}");
        skip("this system does not let a test trace a process (ptrace)");
        return None;
    }
    send(process, Signal::CONT);
    Some(follow(process, &place))
}

/// Sends a signal to a process that has not been waited for.
fn send(process: Pid, signal: Signal) {
    let process = rustix::process::Pid::from_raw(process.as_raw()).expect("a number");
    kill_process(process, signal).expect("it is there");
}

fn follow(process: Pid, place: &Place) -> Fate {
    // Its threads are in its group, and nobody else is.
    let group = Pid::from_raw(-process.as_raw());
    let (mut calls, mut is_ours, mut fate) = (0, false, None);
    loop {
        let status = match waitpid(group, Some(WaitPidFlag::__WALL)) {
            Err(Errno::ECHILD) => return fate.expect("an end"),
            status => status.expect("a child"),
        };
        let (thread, signal) = match status {
            WaitStatus::Exited(thread, code) if thread == process => {
                fate.get_or_insert(Fate::Ended(code));
                continue;
            }
            WaitStatus::PtraceSyscall(thread) => {
                let call = if is_ours && fate.is_none() { call_of(thread) } else { Call::Other };
                match call {
                    Call::Changing(_) if !place.counts() => {}
                    Call::Changing(_) if calls == place.number => fate = Some(Fate::Killed),
                    Call::Changing(what) => {
                        calls += 1;
                        place.note(what);
                    }
                    Call::Serving if place.counts.is_some() => {}
                    Call::Serving => fate = Some(Fate::Serving),
                    Call::Other => {}
                }
                if fate.is_some() {
                    send(process, Signal::KILL);
                }
                (thread, None)
            }
            WaitStatus::PtraceEvent(thread, _, event) => {
                is_ours |= event == libc::PTRACE_EVENT_EXEC;
                (thread, None)
            }
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            _ => continue,
        };
        // One that was killed is told of by the next wait.
        let _ = ptrace::syscall(thread, signal);
    }
}

/// What a thread that stands at a call is about to do. At a call's end it is nothing of interest.
fn call_of(thread: Pid) -> Call {
    const ENTRY: u8 = 1;
    if ptrace::syscall_info(thread).map_or(true, |info| info.op != ENTRY) {
        return Call::Other;
    }
    // The call's number, and then what it was given.
    let told = std::fs::read_to_string(format!("/proc/{thread}/syscall")).unwrap_or_default();
    let words: Vec<_> = told.split(' ').collect();
    let Some(number) = words[0].parse().ok() else { return Call::Other };
    let argument = |index: usize| {
        words.get(1 + index).and_then(|word| i64::from_str_radix(word.trim_start_matches("0x"), 16).ok())
    };
    const WRITING: i64 = (libc::O_CREAT | libc::O_WRONLY | libc::O_RDWR) as i64;
    let is_durable = || argument(5).is_some_and(|flags| flags & i64::from(libc::RWF_DSYNC) != 0);
    match number {
        SERVING => Call::Serving,
        libc::SYS_openat if argument(2).is_some_and(|flags| flags & WRITING != 0) => {
            Call::Changing(Changing::Other)
        }
        libc::SYS_pwritev2 if is_durable() => Call::Changing(Changing::DurableWrite),
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_pwritev2 => Call::Changing(Changing::Write),
        libc::SYS_fsync | libc::SYS_fdatasync => Call::Changing(Changing::Sync),
        number if CHANGING.contains(&number) || OLD.contains(&number) => Call::Changing(Changing::Other),
        _ => Call::Other,
    }
}
