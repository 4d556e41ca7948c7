//! What `/proc` tells: CPU time of processes and threads, idle and softirq time of the host, retransmits.
//!
//! Reading is apart from parsing; parsers take the text of a file and are tested with samples.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Clock ticks of `/proc/<pid>/stat` per second; Linux shows 100 on every architecture.
const TICKS_PER_SECOND: u64 = 100;
const NS_PER_TICK: u64 = 1_000_000_000 / TICKS_PER_SECOND;

/// CPU time of a group of processes since they started. Nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessTimes {
    /// In user mode, to 10 ms.
    pub user_ns: u64,
    /// In the kernel, to 10 ms.
    pub system_ns: u64,
    /// For each living thread: time on a CPU and time spent waiting for one, exactly.
    pub threads: BTreeMap<u32, (u64, u64)>,
}

/// CPU time of processes between two readings. Nanoseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProcessUse {
    /// In user mode.
    pub user_ns: u64,
    /// In the kernel.
    pub system_ns: u64,
    /// Of the thread that ran longest.
    pub busiest_thread_ns: u64,
    /// Waiting for a CPU, the most that one thread did.
    pub waited_for_cpu_ns: u64,
}

impl ProcessUse {
    /// Returns all CPU time.
    #[must_use]
    pub fn cpu_ns(&self) -> u64 {
        self.user_ns + self.system_ns
    }
}

impl ProcessTimes {
    /// Returns what was used since an earlier reading.
    ///
    /// The sum comes from the threads' exact figures when no thread ended in between, which the coarse figures show.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> ProcessUse {
        let (mut exact_ns, mut busiest_ns, mut waited_ns) = (0, 0, 0);
        for (thread, &(ran, waited)) in &self.threads {
            let (ran_before, waited_before) = earlier.threads.get(thread).copied().unwrap_or((0, 0));
            let ran = ran.saturating_sub(ran_before);
            exact_ns += ran;
            busiest_ns = busiest_ns.max(ran);
            waited_ns = waited_ns.max(waited.saturating_sub(waited_before));
        }
        let user_ns = self.user_ns.saturating_sub(earlier.user_ns);
        let system_ns = self.system_ns.saturating_sub(earlier.system_ns);
        let coarse_ns = user_ns + system_ns;
        let mut used =
            ProcessUse { user_ns, system_ns, busiest_thread_ns: busiest_ns, waited_for_cpu_ns: waited_ns };
        let slack_ns = 3 * NS_PER_TICK + coarse_ns / 50;
        if coarse_ns > 0 && exact_ns.abs_diff(coarse_ns) <= slack_ns {
            used.user_ns = (u128::from(exact_ns) * u128::from(user_ns) / u128::from(coarse_ns)) as u64;
            used.system_ns = exact_ns - used.user_ns;
        }
        used
    }
}

/// Times of the processes `pids` together; those that are gone count nothing.
#[must_use]
pub fn process_times(pids: &[u32]) -> ProcessTimes {
    let mut times = ProcessTimes::default();
    for pid in pids {
        let Some((user, system)) =
            fs::read_to_string(format!("/proc/{pid}/stat")).ok().and_then(|t| stat_ticks(&t))
        else {
            continue;
        };
        times.user_ns += user * NS_PER_TICK;
        times.system_ns += system * NS_PER_TICK;
        for thread in numbers_in(&format!("/proc/{pid}/task")) {
            let text = fs::read_to_string(format!("/proc/{pid}/task/{thread}/schedstat")).unwrap_or_default();
            if let Some(pair) = schedstat(&text) {
                times.threads.insert(thread, pair);
            }
        }
    }
    times
}

/// Returns the times of this process's threads whose names begin with `prefix`: on a CPU and waiting for one, nanoseconds since each
/// started.
#[must_use]
pub fn own_threads(prefix: &str) -> BTreeMap<u32, (u64, u64)> {
    let read = |thread: u32, file: &str| fs::read_to_string(format!("/proc/self/task/{thread}/{file}"));
    let is_named = |thread: &u32| read(*thread, "comm").is_ok_and(|name| name.starts_with(prefix));
    let times = |thread: u32| Some((thread, schedstat(&read(thread, "schedstat").ok()?)?));
    numbers_in("/proc/self/task").into_iter().filter(is_named).filter_map(times).collect()
}

/// Returns user and system ticks of `/proc/<pid>/stat`: fields 14 and 15, counted after the name, which may hold anything.
fn stat_ticks(text: &str) -> Option<(u64, u64)> {
    let after_name = &text[text.rfind(')')? + 1..];
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Process group of `/proc/<pid>/stat`: field 5.
fn stat_group(text: &str) -> Option<u32> {
    text[text.rfind(')')? + 1..].split_ascii_whitespace().nth(2)?.parse().ok()
}

/// Nanoseconds on a CPU and waiting for one, of a thread's `schedstat`.
fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut fields = text.split_ascii_whitespace();
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn numbers_in(folder: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// Returns the processes of a process group.
#[must_use]
pub fn processes_of_group(group: u32) -> Vec<u32> {
    let in_group = |pid: &u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat_group(&text) == Some(group)
    };
    numbers_in("/proc").into_iter().filter(in_group).collect()
}

/// Returns the processes that listen on a TCP port of this host, without the calling process.
#[must_use]
pub fn listeners_of_port(port: u16) -> Vec<u32> {
    let mut inodes = BTreeSet::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        inodes.extend(listening_inodes(&fs::read_to_string(table).unwrap_or_default(), port));
    }
    holders(&inodes)
}

/// Returns the processes that hold a unix socket bound to `path`, without the calling process.
#[must_use]
pub fn holders_of_unix(path: &str) -> Vec<u32> {
    let table = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    let inodes = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        (fields.get(7) == Some(&path)).then(|| fields[6].to_string())
    });
    holders(&inodes.collect())
}

fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let suffix = format!(":{port:04X}");
    table
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let listens = fields.get(3) == Some(&"0A") && fields[1].ends_with(&suffix);
            listens.then(|| fields.get(9).map(ToString::to_string)).flatten()
        })
        .collect()
}

fn holders(inodes: &BTreeSet<String>) -> Vec<u32> {
    let links: BTreeSet<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let holds = |pid: &u32| {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|link| link.to_str().is_some_and(|link| links.contains(link)))
    };
    if links.is_empty() {
        return Vec::new();
    }
    numbers_in("/proc").into_iter().filter(|pid| *pid != std::process::id() && holds(pid)).collect()
}

/// Binds the calling thread, and the processes that it starts from now on, to some CPUs.
///
/// # Errors
/// Returns a sentence for a CPU that does not exist or is not allowed.
pub fn pin_this_thread(cpus: &[usize]) -> Result<(), String> {
    let mut set = rustix::thread::CpuSet::new();
    for &cpu in cpus {
        if cpu >= rustix::thread::CpuSet::MAX_CPU {
            return Err(format!("there is no CPU {cpu}; see `lscpu -e`"));
        }
        set.set(cpu);
    }
    rustix::thread::sched_setaffinity(None, &set)
        .map_err(|error| format!("cannot run on CPU {cpus:?}: {error}; choose from `lscpu -e`"))
}

/// Looks whether threads of this process can be bound to each of some CPUs.
///
/// # Errors
/// Fails as [`pin_this_thread`] does, for the first CPU that can't be had.
pub fn check_pins(cpus: &[usize]) -> Result<(), String> {
    // A thread that ends takes its binding with it.
    let try_all = || cpus.iter().try_for_each(|&cpu| pin_this_thread(&[cpu]));
    std::thread::scope(|scope| scope.spawn(try_all).join()).unwrap_or(Ok(()))
}

/// Figures of the whole host since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostTimes {
    /// Ticks of all CPUs together.
    pub all: u64,
    /// Ticks without work, waiting for disks included.
    pub idle: u64,
    /// Ticks in soft interrupts: mostly the network stack.
    pub softirq: u64,
    /// Ticks that the hypervisor gave to others.
    pub stolen: u64,
    /// TCP segments sent.
    pub segments_out: u64,
    /// TCP segments sent again.
    pub retransmits: u64,
}

/// Shares of the host between two readings, 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostUse {
    /// Time without work.
    pub idle: f64,
    /// Time in soft interrupts.
    pub softirq: f64,
    /// Time given to other guests of the hypervisor.
    pub stolen: f64,
    /// Segments sent again.
    pub retransmits: f64,
}

impl HostTimes {
    /// Reads them now.
    #[must_use]
    pub fn read() -> Self {
        let mut times = host_ticks(&fs::read_to_string("/proc/stat").unwrap_or_default()).unwrap_or_default();
        let snmp = fs::read_to_string("/proc/net/snmp").unwrap_or_default();
        (times.segments_out, times.retransmits) = segments(&snmp).unwrap_or_default();
        times
    }

    /// Returns what happened since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> HostUse {
        let part = |now: u64, before: u64, of: u64| now.saturating_sub(before) as f64 / of.max(1) as f64;
        let all = self.all.saturating_sub(earlier.all);
        HostUse {
            idle: part(self.idle, earlier.idle, all),
            softirq: part(self.softirq, earlier.softirq, all),
            stolen: part(self.stolen, earlier.stolen, all),
            retransmits: part(
                self.retransmits,
                earlier.retransmits,
                self.segments_out.saturating_sub(earlier.segments_out),
            ),
        }
    }
}

/// Returns the first line of `/proc/stat`: user nice system idle iowait irq softirq steal.
fn host_ticks(text: &str) -> Option<HostTimes> {
    let fields: Vec<u64> = text
        .lines()
        .next()?
        .split_ascii_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    (fields.len() >= 8).then(|| HostTimes {
        all: fields[..8].iter().sum(),
        idle: fields[3] + fields[4],
        softirq: fields[6],
        stolen: fields[7],
        ..HostTimes::default()
    })
}

/// Returns OutSegs and RetransSegs of `/proc/net/snmp`, found by their names.
fn segments(text: &str) -> Option<(u64, u64)> {
    let mut tcp = text.lines().filter(|line| line.starts_with("Tcp:"));
    let names: Vec<&str> = tcp.next()?.split_ascii_whitespace().collect();
    let values: Vec<&str> = tcp.next()?.split_ascii_whitespace().collect();
    let value = |name: &str| values.get(names.iter().position(|&n| n == name)?)?.parse().ok();
    Some((value("OutSegs")?, value("RetransSegs")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_with_a_hostile_name() {
        let text = "42 (a b) 1 (x)) S 1 77 42 0 -1 4194560 1 0 0 0 123 45 0 0 20 0 3 0 9 9 9";
        assert_eq!(stat_ticks(text), Some((123, 45)));
        assert_eq!(stat_group(text), Some(77));
        assert_eq!(stat_ticks("garbage"), None);
    }

    #[test]
    fn uses_exact_figures_unless_a_thread_ended() {
        let times = |user, system, threads: &[(u32, u64)]| ProcessTimes {
            user_ns: user * NS_PER_TICK,
            system_ns: system * NS_PER_TICK,
            threads: threads.iter().map(|&(t, ran)| (t, (ran, 0))).collect(),
        };
        let used = times(30, 70, &[(1, 990_000_000), (2, 15_000_000)]).since(&times(0, 0, &[(1, 0)]));
        assert_eq!(used.cpu_ns(), 1_005_000_000);
        assert_eq!(used.user_ns, 301_500_000);
        assert_eq!(used.busiest_thread_ns, 990_000_000);
        let used = times(100, 100, &[(1, 10)]).since(&times(0, 0, &[(1, 0), (2, 5)]));
        assert_eq!(used.cpu_ns(), 2_000_000_000);
    }

    #[test]
    fn listening_sockets_by_port() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 0100007F:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0\n   \
             1: 0100007F:1F40 0100007F:C001 01 00000000:00000000 00:00000000 00000000  1000        0 777 1 0\n   \
             2: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 888 1 0\n";
        assert_eq!(listening_inodes(table, 8000), ["12345"]);
    }

    #[test]
    fn host_figures() {
        let ticks = host_ticks("cpu  10 0 20 60 5 0 3 2 0 0\ncpu0 1").unwrap();
        assert_eq!((ticks.all, ticks.idle, ticks.softirq, ticks.stolen), (100, 65, 3, 2));
        let snmp = "Ip: A\nIp: 1\nTcp: InSegs OutSegs RetransSegs\nTcp: 5 1000 10\n";
        assert_eq!(segments(snmp), Some((1000, 10)));
        let used = HostTimes { segments_out: 1000, retransmits: 10, ..ticks }.since(&HostTimes::default());
        assert_eq!((used.idle, used.retransmits), (0.65, 0.01));
    }

    #[test]
    fn cpus_that_are_not_there_are_told() {
        let error = check_pins(&[rustix::thread::CpuSet::MAX_CPU]).unwrap_err();
        assert!(error.contains("no CPU"), "{error}");
        let error = check_pins(&[rustix::thread::CpuSet::MAX_CPU - 1]).unwrap_err();
        assert!(error.contains("cannot run on CPU"), "{error}");
        assert_eq!(check_pins(&[]), Ok(()));
    }

    #[test]
    fn reads_this_host() {
        let mine = process_times(&[std::process::id()]);
        assert!(!mine.threads.is_empty());
        assert!(HostTimes::read().all > 0);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let named = std::thread::Builder::new().name("named-7".into());
        let thread = named.spawn(move || ready.send(own_threads("named-")).unwrap()).unwrap();
        let (own, all) = (is_ready.recv().unwrap(), own_threads(""));
        assert!(own.len() == 1 && own.keys().all(|thread| mine.threads.len() > 1 || *thread > 0), "{own:?}");
        assert!(!all.is_empty());
        thread.join().unwrap();
    }
}
