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

/// Returns why this machine does as well without a setting, as far as its counters since boot tell.
fn unneeded(machine: &Machine, key: &str) -> Option<&'static str> {
    let counter = |name| machine.counter("proc/net/netstat", "TcpExt:", name);
    let is_none = |count: Option<u64>| count == Some(0);
    match key {
        "net.core.netdev_max_backlog" if is_none(machine.softnet(1)) => Some("nothing was dropped for it"),
        "net.ipv4.tcp_max_syn_backlog"
            if is_none(counter("SyncookiesSent")) && is_none(counter("TCPReqQFullDrop")) =>
        {
            Some("it was never full")
        }
        // Its first line is a heading.
        "vm.swappiness" if machine.text("proc/swaps").is_some_and(|swaps| swaps.lines().count() == 1) => {
            Some("there is no swap")
        }
        _ => None,
    }
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
    if let Some(why) = unneeded(machine, key) {
        return Finding::pass(key, format!("{current}, and {why}"));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what is said of a setting on a machine with these files.
    fn said(key: &'static str, files: &[(&str, &str)]) -> (bool, String) {
        let copy = tempfile::tempdir().expect("a directory");
        for (path, text) in files {
            let path = copy.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        let finding = sysctl(&Machine::at(copy.path().to_path_buf()), key, "10");
        (finding.fix.is_some(), finding.current)
    }

    #[test]
    fn nothing_is_wanted_that_would_change_nothing() {
        let swappiness = ("proc/sys/vm/swappiness", "60");
        let heading = "Filename Type Size Used Priority\n";
        assert_eq!(said("vm.swappiness", &[swappiness]), (true, "60".to_owned()));
        assert!(!said("vm.swappiness", &[swappiness, ("proc/swaps", heading)]).0);
        let swaps = format!("{heading}/dev/vdb partition 1024 0 -2\n");
        assert!(said("vm.swappiness", &[swappiness, ("proc/swaps", &swaps)]).0);
        let backlog = ("proc/sys/net/core/netdev_max_backlog", "1");
        for (dropped, is_wanted) in [("00000000", false), ("00000001", true)] {
            let softnet = format!("0000ffff {dropped} 00000000\n");
            let files = [backlog, ("proc/net/softnet_stat", &softnet)];
            assert_eq!(said("net.core.netdev_max_backlog", &files).0, is_wanted, "{dropped}");
        }
        let syn = ("proc/sys/net/ipv4/tcp_max_syn_backlog", "1");
        for (sent, is_wanted) in [(0, false), (3, true)] {
            let netstat = format!("TcpExt: SyncookiesSent TCPReqQFullDrop\nTcpExt: {sent} 0\n");
            let files = [syn, ("proc/net/netstat", &netstat)];
            assert_eq!(said("net.ipv4.tcp_max_syn_backlog", &files).0, is_wanted, "{sent}");
        }
    }
}
