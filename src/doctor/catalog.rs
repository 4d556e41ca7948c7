//! Every check by its name: what it is about, what it costs to change, and where that is known from.

/// What is known about a check before it is made.
#[derive(Debug)]
pub struct Item {
    /// Its name: that of the kernel's setting, or group and subject.
    pub id: &'static str,
    /// The group on the screen.
    pub group: &'static str,
    /// What changing it risks.
    pub risk: &'static str,
    /// What it changes for the server.
    pub effect: &'static str,
    /// Where that is from.
    pub source: &'static str,
    /// The whole story.
    pub why: &'static str,
}

const SAFE: &str = "safe";

const fn item(
    group: &'static str,
    id: &'static str,
    risk: &'static str,
    effect: &'static str,
    source: &'static str,
    why: &'static str,
) -> Item {
    Item { id, group, risk, effect, source, why }
}

/// All checks, in the order of the report.
pub static ITEMS: [Item; 51] = [
    item(
        "limits",
        "limits.nofile",
        SAFE,
        "bounds the connections",
        "getrlimit(2)",
        "Each connection is a descriptor. The server raises the soft limit to the hard one and bounds its connections by it, so a low hard limit is answered 503 instead of failing in accept.",
    ),
    item(
        "limits",
        "net.core.somaxconn",
        SAFE,
        "no dropped connects in a burst",
        "kernel ip-sysctl",
        "The accept queue is the smaller of this and what listen() asks for (65535). When it is full, the kernel drops the last packet of the handshake and the client waits a second to try again; `ListenOverflows` counts it.",
    ),
    item(
        "limits",
        "net.ipv4.tcp_max_syn_backlog",
        SAFE,
        "no SYN cookies in a burst",
        "kernel ip-sysctl",
        "The same for handshakes that are not complete. Beyond it the kernel answers with cookies, which lose TCP options such as window scaling.",
    ),
    item(
        "limits",
        "net.core.netdev_max_backlog",
        SAFE,
        "no dropped packets with RPS or without NAPI",
        "kernel admin-guide/sysctl/net",
        "Packets that wait for a CPU when they were steered there in software, or came from a device without NAPI: Xen's card, loopback.",
    ),
    item(
        "limits",
        "net.ipv4.ip_local_port_range",
        SAFE,
        "more outgoing connections",
        "kernel ip-sysctl",
        "A balancer or a load generator on this host opens a connection from a port of this range. It begins above 8000, so that no outgoing connection takes the server's port.",
    ),
    item(
        "limits",
        "net.ipv4.tcp_tw_reuse",
        SAFE,
        "outgoing ports are free again sooner",
        "kernel ip-sysctl",
        "A connection that ended holds its port for a minute. With timestamps the kernel can tell old segments from new ones, and the port may be used again at once.",
    ),
    item(
        "cpu",
        "cpu.governor",
        "costs power",
        "full speed from the first request",
        "ENA best practices; tuned",
        "A governor that saves power lets a core start slowly after each pause.",
    ),
    item(
        "cpu",
        "cpu.smt",
        "costs half of the CPUs",
        "tells which workers share a core",
        "AWS Graviton guide",
        "Two hardware threads share a core's units: at full load each has well under its share. Workers are one for each CPU; `--cores` can leave the siblings out, which helps latency and costs rate.",
    ),
    item(
        "cpu",
        "cpu.quota",
        "costs others CPU time",
        "no stops in the middle of a period",
        "kernel cgroup-v2",
        "A control group that has used up its quota stands still until the period ends, up to 100 ms: the tail of the latency. With a quota, `--workers` should be at most as many as it allows.",
    ),
    item(
        "cpu",
        "cpu.steal",
        "none here: it is the host's",
        "the time is ours",
        "proc(5)",
        "Time in which we wanted to run and the hypervisor ran somebody else. On burstable instances it means that the credits are used up.",
    ),
    item(
        "cpu",
        "cpu.thp",
        SAFE,
        "no stalls while pages are put together",
        "kernel admin-guide/mm/transhuge",
        "With `always`, an allocation may wait until the kernel has found or made 2 MiB in a row. The server asks for no huge pages.",
    ),
    item(
        "cpu",
        "cpu.cstate",
        "costs power and turbo",
        "wakes up in microseconds",
        "ENA best practices; tuned network-latency",
        "A deep idle state takes up to hundreds of microseconds to leave; a request that finds the core asleep pays it. Profile latency switches off those above 10 us.",
    ),
    item(
        "cpu",
        "kernel.numa_balancing",
        SAFE,
        "no faults to sample memory",
        "kernel admin-guide/sysctl/kernel; tuned",
        "The kernel unmaps pages to see which node uses them. Workers are pinned, so there is nothing to find out.",
    ),
    item(
        "cpu",
        "kernel.nmi_watchdog",
        "costs a report when a CPU hangs",
        "no sampling interrupt",
        "kernel admin-guide/lockup-watchdogs; tuned",
        "It uses a performance counter and an interrupt on each CPU.",
    ),
    item(
        "cpu",
        "kernel.timer_migration",
        SAFE,
        "deadlines fire where they were set",
        "kernel admin-guide/sysctl/kernel; tuned",
        "Timers may move to a CPU that is awake; a worker's then has to be woken from there.",
    ),
    item(
        "cpu",
        "vm.stat_interval",
        SAFE,
        "a timer less on each CPU",
        "kernel admin-guide/sysctl/vm; tuned",
        "How often each CPU adds up its memory statistics.",
    ),
    item(
        "nic",
        "nic.driver",
        "an instance of another type",
        "a queue for each CPU, fewer exits",
        "AWS enhanced networking",
        "A card that was made for virtual machines (ena, virtio_net) has several queues and moves packets without the hypervisor's help. Xen's vif, on t2 and older, does not.",
    ),
    item(
        "nic",
        "nic.queues",
        "costs a blink of the link",
        "each worker has its own queue",
        "ENA best practices; kernel networking/scaling",
        "With fewer queues than CPUs some workers get packets from another CPU. ENA allows 8 queues for each interface, 32 on the large network types.",
    ),
    item(
        "nic",
        "nic.rps",
        SAFE,
        "no second look at each packet",
        "kernel networking/scaling",
        "Software steering sends each packet's work to a CPU by an interrupt between CPUs. With a queue for each CPU the card has done it already.",
    ),
    item(
        "nic",
        "nic.allowance",
        "costs money",
        "no packets delayed or dropped by the instance's limits",
        "AWS ENA metrics",
        "The instance has an allowance of bandwidth, packets and tracked connections. What is above it is queued or dropped outside of the machine, where nothing but these counters tells.",
    ),
    item(
        "irq",
        "irq.affinity",
        "costs: irqbalance moves them again",
        "packets are handled where they are served",
        "kernel networking/scaling; libreactor's published tuning",
        "Queue i on CPU i, as worker i is: the packet, the socket and the request stay in one cache. Gains published are from none to 38 %.",
    ),
    item(
        "irq",
        "irq.balance",
        SAFE,
        "interrupts stay where they were put",
        "ENA best practices",
        "irqbalance moves interrupts every ten seconds. Ban the workers' CPUs rather than stop it: after a reset of the card it is what spreads the interrupts again.",
    ),
    item(
        "stack",
        "net.ipv4.tcp_slow_start_after_idle",
        SAFE,
        "an idle connection sends at full speed",
        "kernel ip-sysctl",
        "Otherwise a connection that was idle for a retransmission time-out starts with ten segments again.",
    ),
    item(
        "stack",
        "net.ipv4.tcp_migrate_req",
        SAFE,
        "no connection lost when a listener closes",
        "kernel ip-sysctl (5.14)",
        "Each worker has its own listener. When one closes, what waits in its queue moves to another one's instead of being reset.",
    ),
    item(
        "stack",
        "net.ipv4.tcp_notsent_lowat",
        SAFE,
        "streams wait in the server, not in the kernel",
        "kernel ip-sysctl",
        "How much a socket takes that it cannot send yet. A list of gigabytes to a slow reader then costs 128 KiB.",
    ),
    item(
        "stack",
        "net.ipv4.tcp_fin_timeout",
        SAFE,
        "forgotten sockets give memory back",
        "kernel ip-sysctl",
        "How long a socket whose process is gone waits for the other side's end.",
    ),
    item(
        "stack",
        "net.ipv4.tcp_keepalive_time",
        SAFE,
        "vanished clients are noticed",
        "kernel ip-sysctl",
        "Until the first probe of a connection on which nothing is said.",
    ),
    item(
        "stack",
        "net.core.busy_poll",
        "costs a busy CPU",
        "no interrupt and no wake-up for the next packet",
        "kernel admin-guide/sysctl/net; tuned",
        "A worker that finds nothing asks the card's queue for so many microseconds before it sleeps. It pays only with cores to spare.",
    ),
    item(
        "stack",
        "net.core.busy_read",
        "costs a busy CPU",
        "the same for a read",
        "kernel admin-guide/sysctl/net; tuned",
        "The default of SO_BUSY_POLL, which also lets epoll poll the queue.",
    ),
    item(
        "stack",
        "stack.conntrack",
        "trades the firewall's memory of connections",
        "no table to look up, none to be full",
        "kernel networking/nf_conntrack-sysctl; libreactor's published tuning: +22 %",
        "Connection tracking looks up and locks an entry for each packet, and drops new connections when its table is full. A notrack rule for the server's port is enough.",
    ),
    item(
        "stack",
        "stack.taps",
        "costs what listened there",
        "no copy of each packet",
        "libreactor's published tuning: +6 %",
        "A packet socket (dhclient, tcpdump, lldpd) is offered each packet of the machine. A DHCP client can be one that only listens while it renews.",
    ),
    item(
        "stack",
        "stack.audit",
        "trades the record of system calls",
        "no look at each system call",
        "libreactor's published tuning: +11 %",
        "With a rule on any system call, every one of them takes the slow way in.",
    ),
    item(
        "drops",
        "drops.listen",
        SAFE,
        "no connects that wait a second",
        "proc_net(5)",
        "Connections dropped at full accept queues, and segments at full sockets, since boot. Raise somaxconn; if it grows still, the workers are too slow to accept.",
    ),
    item(
        "drops",
        "drops.softnet",
        SAFE,
        "no packets lost before the stack",
        "kernel networking/scaling",
        "Column 2 of /proc/net/softnet_stat: the queue of a CPU was full.",
    ),
    item(
        "drops",
        "drops.squeeze",
        "costs fairness among CPUs' work",
        "the card is emptied at each poll",
        "kernel admin-guide/sysctl/net",
        "Column 3 of /proc/net/softnet_stat: a poll ended for lack of budget although there was more.",
    ),
    item(
        "drops",
        "drops.retransmits",
        SAFE,
        "no waits for lost segments",
        "RFC 6298",
        "Segments sent again, since boot. Each one is a request that waited 200 ms or more.",
    ),
    item(
        "storage",
        "storage.sync",
        "costs money",
        "how long every write waits",
        "pwritev2(2), RWF_DSYNC",
        "200 durable writes of 4 KiB by the journal's own call. An answer at `disk` waits for one of them; a batch shares it.",
    ),
    item(
        "storage",
        "storage.space",
        SAFE,
        "writes are taken",
        "--disk-reserve",
        "Below the reserve (the larger of 1 GiB and 5 %) writes are answered 507 and reads go on.",
    ),
    item(
        "storage",
        "storage.volume",
        "costs money",
        "nobody else's writes before ours",
        "AWS EBS",
        "On the system's disk, logs and packages share the device's queue and its burst allowance with the journal.",
    ),
    item(
        "storage",
        "storage.filesystem",
        SAFE,
        "what was acknowledged is on a disk",
        "tmpfs(5)",
        "A memory file system forgets everything with the machine, a container's layer with the container, a network file system syncs when somebody else does, and one that copies on writing needs room to overwrite.",
    ),
    item(
        "storage",
        "vm.dirty_background_bytes",
        "costs batch jobs speed",
        "syncs do not stand behind others' pages",
        "kernel admin-guide/sysctl/vm",
        "From here on the kernel writes dirty pages by itself. Ratios of a large memory mean gigabytes that a sync may have to wait for.",
    ),
    item(
        "storage",
        "vm.dirty_bytes",
        "costs batch jobs speed",
        "syncs do not stand behind others' pages",
        "kernel admin-guide/sysctl/vm",
        "From here on a writer has to write its own pages.",
    ),
    item(
        "storage",
        "vm.swappiness",
        SAFE,
        "the process stays in memory",
        "kernel admin-guide/sysctl/vm",
        "How readily memory of processes is swapped out to make room for file cache.",
    ),
    item(
        "clock",
        "clock.source",
        SAFE,
        "reading the clock is no system call",
        "kernel timers; vdso(7)",
        "A worker reads the clock once a turn. From xen or acpi_pm each reading is a system call, ten times as dear.",
    ),
    item(
        "clock",
        "clock.offset",
        SAFE,
        "times of two hosts can be compared",
        "chrony",
        "Orders and messages are sorted by time and host. Convergence does not depend on it, the order that people see does.",
    ),
    item(
        "peer",
        "peer.path",
        "costs a failure domain",
        "what `both` adds to each write",
        "AWS placement groups",
        "An answer at `both` waits for the peer: one way there and back, and its disk.",
    ),
    item(
        "security",
        "security.mitigations",
        "trades security",
        "reported only",
        "kernel admin-guide/hw-vuln",
        "Processor weaknesses that the kernel leaves open. Nothing here ever switches mitigations off.",
    ),
    item(
        "security",
        "security.data_dir",
        SAFE,
        "only the server reads what it keeps",
        "--data-dir",
        "The server makes its directory for the owner only.",
    ),
    item(
        "build",
        "build.profile",
        SAFE,
        "several times the speed",
        "cargo",
        "A debug build checks every sum and optimizes little.",
    ),
    item(
        "build",
        "build.cpu",
        "an instance of another type",
        "checksums in one instruction, locks that scale",
        "Arm LSE; SSE 4.2",
        "Each batch has a CRC32C; without the instruction it costs tens of times more. On arm64 LSE makes an atomic operation one instruction.",
    ),
    item(
        "build",
        "build.place",
        "an instance of another type",
        "the same speed at any hour",
        "AWS instance types",
        "Burstable types serve from a stock of credits; a measurement of an hour says nothing about the next day.",
    ),
];

/// Returns the check of this name.
#[must_use]
pub fn find(id: &str) -> Option<&'static Item> {
    ITEMS.iter().find(|item| item.id == id)
}

/// Returns the place of a check in the report; one that is not in the catalog stands last.
#[must_use]
pub fn rank(id: &str) -> usize {
    ITEMS.iter().position(|item| item.id == id).unwrap_or(ITEMS.len())
}

/// Returns what is known about a finding's check.
///
/// # Panics
/// When a check has no entry: a mistake in this program, which the tests would find.
#[must_use]
pub fn about(id: &str) -> &'static Item {
    find(id).expect("every check has its entry")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::profile::Profile;

    #[test]
    fn every_setting_of_every_profile_has_its_entry_once() {
        for (name, profile) in Profile::NAMES {
            assert!(profile.sysctls().count() >= 6, "{name}");
            for (key, _) in profile.sysctls() {
                assert_eq!(ITEMS.iter().filter(|item| item.id == key).count(), 1, "{name}: {key}");
            }
        }
    }

    #[test]
    fn groups_are_in_one_piece() {
        let mut groups: Vec<&str> = ITEMS.iter().map(|item| item.group).collect();
        groups.dedup();
        let mut once = groups.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(groups.len(), once.len(), "{groups:?}");
    }
}
