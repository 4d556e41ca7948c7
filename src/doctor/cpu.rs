//! Processors: how fast they may run, who takes their time, how long they take to wake up.

use super::finding::Finding;
use super::machine::Machine;
use super::profile::Profile;

/// The longest that an idle state may take to leave in profile latency, microseconds.
const CSTATE_US: u64 = 10;

pub(super) fn check(machine: &Machine, profile: Profile) -> Vec<Finding> {
    let mut found = vec![governor(machine), siblings(machine), quota(machine), stolen(machine)];
    found.push(huge_pages(machine, if profile == Profile::Latency { "never" } else { "madvise" }));
    if profile == Profile::Latency {
        found.push(idle_states(machine));
    }
    found
}

fn governor(machine: &Machine) -> Finding {
    const ID: &str = "cpu.governor";
    let path = |cpu: &usize| format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor");
    let governors: Vec<String> = machine.cpus().iter().filter_map(|cpu| machine.text(&path(cpu))).collect();
    match governors.iter().find(|governor| *governor != "performance") {
        _ if governors.is_empty() => Finding::skip(ID, "the frequency is not ours to set (a virtual machine)"),
        None => Finding::pass(ID, "performance"),
        Some(other) => Finding::warn(ID, other, "performance").with_fix(
            "for f in /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor; do echo performance >\"$f\"; done",
        ),
    }
}

fn siblings(machine: &Machine) -> Finding {
    const ID: &str = "cpu.smt";
    let list = machine.text("sys/devices/system/cpu/cpu0/topology/thread_siblings_list");
    match list {
        None => Finding::skip(ID, "the topology is not visible here"),
        Some(list) if list.contains([',', '-']) => Finding::pass(
            ID,
            format!("two threads a core (CPU 0 shares with {list}): workers share cores in pairs"),
        ),
        Some(_) => Finding::pass(ID, "a core for each CPU"),
    }
}

fn quota(machine: &Machine) -> Finding {
    const ID: &str = "cpu.quota";
    let Some(limit) = machine.text("sys/fs/cgroup/cpu.max") else {
        return Finding::pass(ID, "none");
    };
    let mut fields = limit.split_whitespace().map(str::parse::<f64>);
    let (Some(Ok(quota)), Some(Ok(period))) = (fields.next(), fields.next()) else {
        return Finding::pass(ID, "none");
    };
    let stat = machine.text("sys/fs/cgroup/cpu.stat").unwrap_or_default();
    let throttled =
        stat.lines().find_map(|line| line.strip_prefix("nr_throttled ")).unwrap_or("0").to_owned();
    let (cpus, share) = (machine.cpus().len() as f64, quota / period);
    let current = format!("{share} of {cpus} CPUs, throttled {throttled} times");
    if throttled == "0" && share >= cpus {
        return Finding::pass(ID, current);
    }
    Finding::warn(ID, current, "no quota, or --workers at most as many as it allows")
}

fn stolen(machine: &Machine) -> Finding {
    const ID: &str = "cpu.steal";
    let Some(ticks) = machine.ticks() else {
        return Finding::skip(ID, "/proc/stat can't be read");
    };
    let all: u64 = ticks.iter().sum();
    let share = ticks[7] as f64 * 100.0 / all.max(1) as f64;
    let current = format!("{share:.1} % since boot");
    match share {
        0.0..1.0 => Finding::pass(ID, current),
        1.0..10.0 => Finding::warn(ID, current, "below 1 %"),
        _ => Finding::fail(
            ID,
            current,
            "below 1 %; the hypervisor gives this time to others, or credits are used up",
        ),
    }
}

fn huge_pages(machine: &Machine, wanted: &str) -> Finding {
    const ID: &str = "cpu.thp";
    let Some(text) = machine.text("sys/kernel/mm/transparent_hugepage/enabled") else {
        return Finding::skip(ID, "not in this kernel");
    };
    let current = text.split(['[', ']']).nth(1).unwrap_or(&text);
    if current == wanted || current == "never" {
        return Finding::pass(ID, current);
    }
    Finding::warn(ID, current, wanted)
        .with_fix(format!("echo {wanted} >/sys/kernel/mm/transparent_hugepage/enabled"))
}

fn idle_states(machine: &Machine) -> Finding {
    const ID: &str = "cpu.cstate";
    let at = "sys/devices/system/cpu/cpu0/cpuidle";
    let states = machine.names(at);
    let slow = states.iter().filter_map(|state| {
        let us = machine.number(&format!("{at}/{state}/latency"))?;
        let enabled = machine.number(&format!("{at}/{state}/disable")) == Some(0);
        (us > CSTATE_US && enabled).then_some(us)
    });
    match slow.max() {
        _ if states.is_empty() => Finding::skip(ID, "idle states are not ours to set (a virtual machine)"),
        None => Finding::pass(ID, format!("none above {CSTATE_US} us")),
        Some(us) => Finding::warn(ID, format!("{us} us to wake up"), format!("at most {CSTATE_US} us"))
            .with_fix("tuning/tune apply --profile latency"),
    }
}
