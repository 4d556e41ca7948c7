//! A cage for a process that works on strangers' bytes: no file system, no network, and only the system calls that computing and
//! its pipes need. A decoder whose flaw is exploited can then do no more than give a wrong picture, or end.
//!
//! Two walls, since either may be missing or have a gap: Landlock (landlock(7), since Linux 5.13) takes the file system and TCP
//! away; a filter of system calls (seccomp(2)) ends the process at any call that is not listed here.

use std::collections::BTreeMap;
use std::io;

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope};
use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// The newest rules of Landlock that are asked for; a kernel that knows fewer enforces those.
const LANDLOCK: ABI = ABI::V6;

/// Calls that are allowed whatever their arguments are.
const ALLOWED: [libc::c_long; 26] = [
    // Pipes and files that are open.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_close,
    // Memory. `mmap` and `mprotect` are further down.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Threads of this process wait for each other.
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    // Clocks that need a call, as the CPU time of a thread does.
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_clock_nanosleep,
    // Seeds of hash tables.
    libc::SYS_getrandom,
    // The end of a thread or of all, also by a signal to itself after a panic.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_tgkill,
    libc::SYS_tkill,
];

/// Whether a descriptor is open, which debug builds ask before they close one.
const DESCRIPTOR_CALL: (libc::c_long, u64) = (libc::SYS_fcntl, libc::F_GETFD as u64);

/// Calls that make memory usable, which must not become executable: their third argument says for what it is.
const MAPPING: [libc::c_long; 2] = [libc::SYS_mmap, libc::SYS_mprotect];
const PROTECTION: u8 = 2;

/// Takes the file system, TCP, abstract sockets and signals to others away from the calling thread and those that it starts, for
/// good. What is open stays usable. Returns whether the kernel enforces any of it; one without Landlock does not.
///
/// # Errors
/// Fails when the kernel refuses it for another reason.
pub fn take_files_away() -> io::Result<bool> {
    let restrict = || {
        let rules = Ruleset::default()
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?;
        rules.create()?.restrict_self()
    };
    let status = restrict().map_err(|error: RulesetError| io::Error::other(error))?;
    Ok(status.ruleset != RulesetStatus::NotEnforced)
}

/// Ends the process, from now on, at any system call of any of its threads that is not needed to compute and to use its pipes:
/// opening a file, a socket, starting a process or a thread, memory that can be executed.
///
/// # Errors
/// Fails when the kernel has no such filters, or none for this kind of processor.
pub fn filter_calls() -> io::Result<()> {
    // What is asked of the kernel once and kept: the size of a page, where its clocks are.
    let _ = rustix::param::page_size();
    let _ = super::thread::cpu_time();
    let program = filter().map_err(io::Error::other)?;
    seccompiler::apply_filter_all_threads(&program).map_err(io::Error::other)
}

fn filter() -> Result<BpfProgram, BackendError> {
    let anything = ALLOWED.map(|call| (call, Vec::new()));
    let executable = libc::PROT_EXEC as u64;
    let only = |argument, op, value| {
        SeccompRule::new(vec![SeccompCondition::new(argument, SeccompCmpArgLen::Dword, op, value)?])
    };
    let mut rules: BTreeMap<_, _> = anything.into_iter().collect();
    for call in MAPPING {
        rules.insert(call, vec![only(PROTECTION, SeccompCmpOp::MaskedEq(executable), 0)?]);
    }
    let (call, command) = DESCRIPTOR_CALL;
    rules.insert(call, vec![only(1, SeccompCmpOp::Eq, command)?]);
    let arch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, arch)?.try_into()
}

/// Does what a decoder whose flaw is exploited might do, by its name in tests. Not in a release build.
#[cfg(debug_assertions)]
pub(crate) fn attempt(what: &[u8]) {
    use rustix::process::{Signal, getppid, kill_process};
    match what {
        b"file" => drop(std::fs::File::open("/etc/passwd")),
        b"new file" => drop(std::fs::File::create("/tmp/pixeld-decoder")),
        b"list of files" => drop(std::fs::read_dir("/")),
        b"socket" => drop(std::net::TcpListener::bind("127.0.0.1:0")),
        b"local socket" => drop(std::os::unix::net::UnixStream::pair()),
        b"process" => drop(std::process::Command::new("/bin/true").status()),
        b"thread" => drop(std::thread::Builder::new().spawn(|| {})),
        b"signal" => drop(getppid().map(|parent| kill_process(parent, Signal::TERM))),
        b"program" => {
            drop(std::os::unix::process::CommandExt::exec(&mut std::process::Command::new("/bin/true")));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_can_be_made_for_this_processor() {
        assert!(filter().unwrap().len() > ALLOWED.len());
    }
}
