//! Limits of the process, and the kernel settings of the profile.

use super::finding::Finding;
use super::machine::Machine;
use super::profile::Profile;
use crate::base::limits::Limits;

/// Settings of which more than wanted is as good.
const AT_LEAST: [&str; 3] =
    ["net.core.somaxconn", "net.ipv4.tcp_max_syn_backlog", "net.core.netdev_max_backlog"];

/// Descriptors that the server keeps for files beside its connections.
const DESCRIPTORS_KEPT: u64 = 256;

pub(super) fn check(machine: &Machine, profile: Profile) -> Vec<Finding> {
    let mut found = vec![descriptors(machine)];
    found.extend(profile.sysctls().map(|(key, wanted)| sysctl(machine, key, wanted)));
    found
}

fn descriptors(machine: &Machine) -> Finding {
    const ID: &str = "limits.nofile";
    let wanted = Limits::default().connections as u64 + DESCRIPTORS_KEPT;
    let Some(limits) = machine.text("proc/self/limits") else {
        return Finding::skip(ID, "/proc/self/limits can't be read");
    };
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    // Soft, hard, unit; the server raises the soft limit by itself.
    let hard = line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or("unknown");
    if hard == "unlimited" || hard.parse::<u64>().is_ok_and(|hard| hard >= wanted) {
        return Finding::pass(ID, hard);
    }
    Finding::warn(ID, hard, format!("{wanted} or more")).with_fix(
        "ulimit -Hn 1048576 && ulimit -n 1048576 # in the shell that starts pixeld; the unit has LimitNOFILE",
    )
}

fn sysctl(machine: &Machine, key: &'static str, wanted: &'static str) -> Finding {
    let Some(current) = machine.text(&format!("proc/sys/{}", key.replace('.', "/"))) else {
        return Finding::skip(key, "not in this kernel, or not visible here");
    };
    let current = current.split_whitespace().collect::<Vec<_>>().join(" ");
    let number = |text: &str| text.parse::<u64>().ok();
    let enough = AT_LEAST.contains(&key) && number(&current) >= number(wanted) && number(&current).is_some();
    if current == wanted || enough {
        return Finding::pass(key, current);
    }
    // 0 is no value of its own: the ratio of the same name rules then.
    let ratio = key.strip_suffix("_bytes").map(|stem| format!("{stem}_ratio"));
    let percent = |ratio: &str| machine.text(&format!("proc/sys/{}", ratio.replace('.', "/")));
    let ruling = ratio
        .filter(|_| current == "0")
        .and_then(|ratio| Some(format!("{} % ({ratio})", percent(&ratio)?.trim())));
    let current = ruling.unwrap_or(current);
    Finding::warn(key, current, wanted).with_fix(format!("sysctl -w {key}=\"{wanted}\""))
}
