//! Threads: names, cores, priorities, and what they cost.

use std::io;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use core_affinity::CoreId;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// Starts a thread with a name that `top -H` shows (15 bytes at most).
///
/// # Errors
/// Fails when the system has no thread left.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    debug_assert!(name.len() <= 15, "Linux cuts longer names");
    Builder::new().name(name.to_owned()).spawn(body)
}

/// Returns the cores this process may run on, in rising order.
#[must_use]
pub fn allowed_cores() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect()
}

/// Keeps the calling thread on `core`; false where the system refuses.
#[must_use]
pub fn pin_to(core: usize) -> bool {
    core_affinity::set_for_current(CoreId { id: core })
}

/// Lets the calling thread give way to threads of usual priority: what it does may wait, a request may not.
pub fn give_way() {
    // On Linux the nice value belongs to the thread. A refusal costs nothing but fairness.
    let _ = rustix::process::nice(10);
}

/// When a thread runs that has to give way to all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// While nobody else wants its core (`SCHED_IDLE`, sched(7)): whoever wakes up takes that from it at once. Where
    /// everybody always wants it, it stands nearly still.
    Idle,
    /// With the least weight (nice 19): somebody who wakes up may have to wait for the end of its slice, some milliseconds.
    Least,
}

/// Has the calling thread give way to all others, and those that it starts from now on. For threads only that hold
/// nothing others wait for. A refusal costs nothing but fairness.
pub fn give_way_to_all(turn: Turn) {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let is_idle = turn == Turn::Idle
        && set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle).is_ok();
    if !is_idle {
        let _ = rustix::process::nice(19);
    }
}

/// Returns the calling thread's id, by which /proc knows it.
#[must_use]
pub fn id() -> i32 {
    rustix::thread::gettid().as_raw_nonzero().get()
}

/// Returns user and system time in seconds of a thread of this process; nothing once it has ended.
#[must_use]
pub fn cpu_seconds(id: i32) -> Option<(f64, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/self/task/{id}/stat")).ok()?;
    cpu_of_stat(&stat)
}

/// Returns the CPU time of the calling thread.
#[must_use]
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

/// Returns user and system time in seconds of a process; nothing once it is gone.
#[must_use]
pub fn process_cpu_seconds(process: u32) -> Option<(f64, f64)> {
    cpu_of_stat(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
}

fn cpu_of_stat(stat: &str) -> Option<(f64, f64)> {
    // The second field is the name in parentheses and may hold anything; fields are counted from behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user / ticks, system / ticks))
}

/// Returns resident memory of this process in bytes.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    resident_of(&std::fs::read("/proc/self/statm").ok()?)
}

/// Returns resident memory in bytes as `/proc/PID/statm` says it.
pub(super) fn resident_of(statm: &[u8]) -> Option<u64> {
    let pages = std::str::from_utf8(statm).ok()?.split_ascii_whitespace().nth(1)?;
    Some(pages.parse::<u64>().ok()? * rustix::param::page_size() as u64)
}

/// Returns open descriptors of this process, and the most it may have.
#[must_use]
pub fn descriptors() -> (u64, u64) {
    let open = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    (open, descriptor_limit())
}

/// Returns the most descriptors this process may have.
#[must_use]
pub fn descriptor_limit() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Raises the soft limit of open descriptors to the hard one, as servers of many connections do.
pub fn raise_descriptor_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    // A refusal leaves the old limit, by which the server then bounds its connections.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_be_named_pinned_and_measured() {
        let core = allowed_cores()[0];
        let thread = spawn("t-under-test", move || {
            assert!(pin_to(core));
            give_way();
            assert!(cpu_seconds(id()).is_some());
        });
        thread.expect("a thread").join().expect("no panic");
        assert!(process_cpu_seconds(std::process::id()).is_some() && resident_bytes().is_some());
        assert!(descriptors().0 > 0);
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_fields() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 300 150 0 0 20";
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(cpu_of_stat(stat), Some((300.0 / ticks, 150.0 / ticks)));
        assert_eq!(cpu_of_stat("nonsense"), None);
    }
}
