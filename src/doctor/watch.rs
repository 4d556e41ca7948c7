//! Counters under load: what changed in a while, and which of it is the bottleneck.

use std::fmt::Write as _;
use std::time::Duration;

use super::machine::Machine;

/// Counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    ticks: Vec<u64>,
    listen_drops: u64,
    softnet_drops: u64,
    squeezes: u64,
    retransmits: u64,
    throttled: u64,
    io_stall_us: u64,
}

impl Counters {
    /// Reads them now; what is not there counts as 0.
    #[must_use]
    pub fn read(machine: &Machine) -> Self {
        let tcp = |name| machine.counter("proc/net/netstat", "TcpExt:", name).unwrap_or(0);
        let stat = machine.text("sys/fs/cgroup/cpu.stat").unwrap_or_default();
        let throttled = stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok());
        let pressure = machine.text("proc/pressure/io").unwrap_or_default();
        let stall = pressure
            .lines()
            .find_map(|line| line.strip_prefix("some ")?.rsplit_once("total=")?.1.parse().ok());
        Self {
            ticks: machine.ticks().unwrap_or_else(|| vec![0; 8]),
            listen_drops: tcp("ListenDrops") + tcp("TCPBacklogDrop"),
            softnet_drops: machine.softnet(1).unwrap_or(0),
            squeezes: machine.softnet(2).unwrap_or(0),
            retransmits: machine.counter("proc/net/snmp", "Tcp:", "RetransSegs").unwrap_or(0),
            throttled: throttled.unwrap_or(0),
            io_stall_us: stall.unwrap_or(0),
        }
    }

    /// Returns what happened from `earlier` to now, `elapsed` later.
    #[must_use]
    pub fn since(&self, earlier: &Self, elapsed: Duration) -> Load {
        let ticks: Vec<u64> =
            self.ticks.iter().zip(&earlier.ticks).map(|(now, before)| now.saturating_sub(*before)).collect();
        let all = ticks.iter().sum::<u64>().max(1) as f64;
        let share = |places: &[usize]| places.iter().map(|&place| ticks[place]).sum::<u64>() as f64 / all;
        let more = |now: u64, before: u64| now.saturating_sub(before);
        Load {
            idle: share(&[3, 4]),
            softirq: share(&[5, 6]),
            stolen: share(&[7]),
            io_stall: more(self.io_stall_us, earlier.io_stall_us) as f64 / elapsed.as_micros().max(1) as f64,
            listen_drops: more(self.listen_drops, earlier.listen_drops),
            softnet_drops: more(self.softnet_drops, earlier.softnet_drops),
            squeezes: more(self.squeezes, earlier.squeezes),
            retransmits: more(self.retransmits, earlier.retransmits),
            throttled: more(self.throttled, earlier.throttled),
        }
    }
}

/// What a while of load did; shares are 0 to 1 of all CPUs' time, or of the time that passed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// CPU time without work, waiting for disks included.
    pub idle: f64,
    /// CPU time in interrupts, mostly the network's.
    pub softirq: f64,
    /// CPU time that the hypervisor gave to others.
    pub stolen: f64,
    /// Time in which somebody waited for a disk.
    pub io_stall: f64,
    /// Connections and segments dropped at a listener or a socket.
    pub listen_drops: u64,
    /// Packets dropped before the stack.
    pub softnet_drops: u64,
    /// Polls of the card that ran out of budget.
    pub squeezes: u64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Times that the control group was stopped by its quota.
    pub throttled: u64,
}

impl Load {
    /// Returns what held the machine back, by the strongest sign; the check that tells more is named in it.
    #[must_use]
    pub fn bottleneck(&self) -> &'static str {
        match self {
            load if load.throttled > 0 => "the CPU quota of the control group (cpu.quota)",
            load if load.stolen > 0.05 => "the hypervisor, which gave CPU time to others (cpu.steal)",
            load if load.listen_drops > 0 => "the accept queue: connections were dropped (drops.listen)",
            load if load.softnet_drops > 0 => "the packets' queue before the stack (drops.softnet)",
            load if load.idle < 0.1 && load.softirq > 0.4 => {
                "the network stack: most CPU time went into interrupts (irq.affinity)"
            }
            load if load.idle < 0.1 => "the CPUs: all of them were busy (cpu.governor, nic.queues)",
            load if load.io_stall > 0.5 => "the disk: somebody waited for it most of the time (storage.sync)",
            _ => "nothing of this machine: it had CPU time left, dropped nothing and waited for no disk",
        }
    }

    /// Returns the text for people.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for (name, share) in [
            ("CPU idle", self.idle),
            ("CPU in interrupts", self.softirq),
            ("CPU given to others", self.stolen),
            ("waited for a disk", self.io_stall),
        ] {
            let _ = writeln!(text, "  {name:<22} {:>6.1} %", share * 100.0);
        }
        for (name, count) in [
            ("dropped at listeners", self.listen_drops),
            ("dropped before stack", self.softnet_drops),
            ("polls out of budget", self.squeezes),
            ("segments sent again", self.retransmits),
            ("stopped by quota", self.throttled),
        ] {
            let _ = writeln!(text, "  {name:<22} {count:>6}");
        }
        let _ = writeln!(text, "bottleneck: {}", self.bottleneck());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_sign_is_named() {
        let free = Load { idle: 0.6, ..Load::default() };
        let named = |load: Load| load.bottleneck();
        assert!(named(free).starts_with("nothing"));
        assert!(named(Load { throttled: 1, stolen: 0.2, ..free }).contains("cpu.quota"));
        assert!(named(Load { stolen: 0.2, idle: 0.0, ..free }).contains("cpu.steal"));
        assert!(named(Load { listen_drops: 3, ..free }).contains("drops.listen"));
        assert!(named(Load { idle: 0.02, softirq: 0.5, ..free }).contains("irq.affinity"));
        assert!(named(Load { idle: 0.02, ..free }).contains("the CPUs"));
        assert!(named(Load { io_stall: 0.9, ..free }).contains("storage.sync"));
    }

    #[test]
    fn shares_are_of_the_time_between_two_readings() {
        let before = Counters { ticks: vec![100, 0, 0, 100, 0, 0, 0, 0], ..Counters::default() };
        let after = Counters {
            ticks: vec![150, 0, 0, 125, 0, 0, 15, 10],
            io_stall_us: 500_000,
            retransmits: 4,
            ..before.clone()
        };
        let load = after.since(&before, Duration::from_secs(1));
        assert_eq!((load.idle, load.softirq, load.stolen, load.io_stall), (0.25, 0.15, 0.1, 0.5));
        assert_eq!((load.retransmits, load.listen_drops), (4, 0));
        assert!(load.render().contains("bottleneck: the hypervisor"));
    }
}
