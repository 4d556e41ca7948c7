//! `tuning/tune` on a copy of a machine's /proc and /sys, and for real in a network namespace.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use crate::doctor::machine;
use crate::process::pixeld;
use crate::skip::skip;
use tempfile::TempDir;

/// What a host has before anybody tuned it; the tabs and commas are the kernel's.
const BEFORE: [(&str, &str); 24] = [
    ("proc/sys/kernel/random/boot_id", "first\n"),
    ("proc/sys/net/core/somaxconn", "4096\n"),
    ("proc/sys/net/core/busy_poll", "0\n"),
    ("proc/sys/net/ipv4/ip_local_port_range", "32768\t60999\n"),
    ("proc/sys/net/ipv4/tcp_migrate_req", "0\n"),
    ("proc/sys/net/ipv4/tcp_slow_start_after_idle", "0\n"),
    ("proc/sys/vm/dirty_bytes", "0\n"),
    ("proc/sys/vm/dirty_ratio", "20\n"),
    ("proc/sys/vm/swappiness", "60\n"),
    ("proc/cmdline", "root=/dev/nvme0n1p1 audit=0\n"),
    (
        "proc/interrupts",
        " 24: 1 2 PCI-MSI 0-edge ena-mgmnt@pci\n 25: 1 2 PCI-MSI 1-edge eth0-Tx-Rx-0\n 26: 1 2 PCI-MSI 2-edge eth0-Tx-Rx-1\n",
    ),
    ("proc/irq/25/smp_affinity_list", "0-1\n"),
    ("proc/irq/26/smp_affinity_list", "0-1\n"),
    ("proc/77/comm", "irqbalance\n"),
    ("sys/devices/system/cpu/online", "0-1\n"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/latency", "2\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state1/disable", "0\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state3/latency", "133\n"),
    ("sys/devices/system/cpu/cpu0/cpuidle/state3/disable", "0\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,00000003\n"),
    ("sys/class/net/eth0/queues/rx-1/rps_cpus", "00000000,00000000\n"),
    ("etc/sysctl.d/99-site.conf", "# ours\nnet.core.somaxconn=1024\nnet.ipv4.tcp_migrate_req = 1\n"),
];

/// An ethtool that keeps its settings in files beside it.
const ETHTOOL: &str = r#"#!/bin/sh
at=$(dirname "$0")
case $1 in
-l) printf 'Channel parameters for eth0:\nPre-set maximums:\nCombined:\t8\nCurrent hardware settings:\nCombined:\t%s\n' "$(cat "$at/combined")" ;;
-L) echo "$4" >"$at/combined" ;;
-c) printf 'Coalesce parameters:\nAdaptive RX: %s  TX: n/a\n\nrx-usecs:\t%s\ntx-usecs:\tn/a\n' "$(cat "$at/adaptive")" "$(cat "$at/usecs")" ;;
-C) case $3 in adaptive-rx) echo "$4" >"$at/adaptive" ;; rx-usecs) echo "$4" >"$at/usecs" ;; esac ;;
-k) printf 'Features for eth0:\ngeneric-receive-offload: %s\n' "$(cat "$at/gro")" ;;
-K) echo "$4" >"$at/gro" ;;
esac
"#;

/// A tc that knows the kernel's default and what it was told.
const TC: &str = r#"#!/bin/sh
at=$(dirname "$0")
case $2 in
show) cat "$at/qdisc" ;;
replace) echo "qdisc $6 8001: root refcnt 2" >"$at/qdisc" ;;
del) echo "qdisc mq 0: root" >"$at/qdisc" ;;
esac
"#;

fn fake_root() -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    let tools =
        [("bin/combined", "4\n"), ("bin/adaptive", "off\n"), ("bin/usecs", "20\n"), ("bin/gro", "on\n")];
    let tools = tools.into_iter().chain([
        ("bin/qdisc", "qdisc mq 0: root\n"),
        ("bin/ethtool", ETHTOOL),
        ("bin/tc", TC),
    ]);
    for (path, text) in BEFORE.into_iter().chain(tools) {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("a file");
        if path.parent().is_some_and(|parent| parent.ends_with("bin")) {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("permissions");
        }
    }
    let device = root.path().join("sys/devices/pci0000:00/0000:00:05.0");
    fs::create_dir_all(&device).expect("a directory");
    symlink(&device, root.path().join("sys/class/net/eth0/device")).expect("a link");
    root
}

/// Every file below `root` but the tool's own state.
fn contents(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory).expect("a directory").map(|entry| entry.expect("an entry")) {
            let path = entry.path();
            let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
            if entry.file_type().expect("a type").is_dir() {
                open.push(path);
            } else if !name.starts_with("var/") && entry.file_type().expect("a type").is_file() {
                found.insert(name, fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    found
}

fn tune(root: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tuning/tune"));
    let Output { status, stdout, stderr } =
        command.args(arguments).env("TUNE_ROOT", root).output().expect("bash is there");
    let text = String::from_utf8([stdout, stderr].concat()).expect("a text");
    (status.code().expect("no signal"), text)
}

/// The line about a knob, its columns one blank apart.
fn line(report: &str, knob: &str) -> String {
    let found = report
        .lines()
        .find(|line| line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ").starts_with(knob));
    let line = found.unwrap_or_else(|| panic!("nothing about {knob} in {report}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_plan_changes_nothing_and_is_what_one_gets_without_a_word() {
    let root = fake_root();
    let before = contents(root.path());
    let (code, plan) = tune(root.path(), &[]);
    assert_eq!(code, 0, "{plan}");
    assert_eq!(line(&plan, "net.core.somaxconn"), "change net.core.somaxconn 4096 -> 65535");
    assert_eq!(
        line(&plan, "net.ipv4.tcp_slow_start_after_idle"),
        "same net.ipv4.tcp_slow_start_after_idle 0"
    );
    assert!(line(&plan, "net.ipv4.tcp_tw_reuse").starts_with("skipped"), "absent: {plan}");
    assert!(line(&plan, "the network card").starts_with("skipped"), "no --nic: {plan}");
    let conflicts: Vec<&str> = plan.lines().filter(|line| line.starts_with("conflict")).collect();
    assert!(conflicts.len() == 1 && conflicts[0].contains("/etc/sysctl.d/99-site.conf sets 1024"), "{plan}");
    assert_eq!(contents(root.path()), before);
    assert!(!root.path().join("var").exists());
}

#[test]
fn apply_sets_all_that_is_there_and_undo_brings_back_every_byte() {
    for profile in ["throughput", "latency", "dev", "bench-unsafe"] {
        let root = fake_root();
        let before = contents(root.path());
        let (code, report) = tune(root.path(), &["apply", "--profile", profile, "--nic", "eth0"]);
        assert_eq!(code, 0, "{profile}: {report}");
        let applied = contents(root.path());
        assert_eq!(applied["proc/sys/net/core/somaxconn"], "65535\n", "{profile}");
        assert_eq!(tune(root.path(), &["verify"]).0, 0, "{profile}");

        let (code, report) = tune(root.path(), &["apply", &format!("--profile={profile}"), "--nic=eth0"]);
        assert!(code == 0 && !report.contains("set  "), "twice is once: {profile}: {report}");
        assert_eq!(contents(root.path()), applied, "{profile}");

        let (code, report) = tune(root.path(), &["undo"]);
        assert_eq!(code, 0, "{profile}: {report}");
        assert_eq!(contents(root.path()), before, "{profile}: {report}");
        assert_eq!(tune(root.path(), &["undo"]), (0, "nothing is applied\n".to_owned()));
    }
}

#[test]
fn a_profile_reaches_card_interrupts_cores_and_pages() {
    let root = fake_root();
    assert_eq!(tune(root.path(), &["apply", "--profile", "latency", "--nic", "eth0"]).0, 0);
    let now = contents(root.path());
    for (file, value) in [
        ("bin/combined", "2\n"),
        ("bin/usecs", "0\n"),
        ("proc/irq/25/smp_affinity_list", "0\n"),
        ("proc/irq/26/smp_affinity_list", "1\n"),
        ("proc/sys/net/core/busy_poll", "50\n"),
        ("sys/class/net/eth0/queues/rx-0/rps_cpus", "0\n"),
        ("sys/class/net/eth0/queues/rx-1/rps_cpus", "00000000,00000000\n"),
        ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
        ("sys/devices/system/cpu/cpu0/cpuidle/state1/disable", "0\n"),
        ("sys/devices/system/cpu/cpu0/cpuidle/state3/disable", "1\n"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n"),
    ] {
        assert_eq!(now[file], value, "{file}");
    }
}

/// What `pixeld doctor` says of a check, and the value that it names.
fn examined(root: &Path, id: &str) -> (String, String) {
    let root = root.to_str().expect("a path");
    let output = pixeld(&["doctor", "--json", "--nic", "eth0", "--root", root]).output().expect("it starts");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let check = told["checks"].as_array().expect("checks").iter().find(|check| check["id"] == id);
    let text = |key: &str| check.expect("the check")[key].as_str().expect("a text").to_owned();
    (text("status"), text("current"))
}

/// The checks by which `pixeld doctor` wants something.
fn warned(root: &Path) -> Vec<String> {
    let root = root.to_str().expect("a path");
    let output = pixeld(&["doctor", "--json", "--nic", "eth0", "--root", root]).output().expect("it starts");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let checks = told["checks"].as_array().expect("checks").iter();
    checks
        .filter(|check| check["status"] == "WARN")
        .map(|check| check["id"].as_str().expect("a text").to_owned())
        .collect()
}

/// Interrupts are counted by queues, and steering in software stays where it is all that spreads packets: where `tune` has been,
/// `pixeld doctor` wants nothing of it any more.
#[test]
fn what_was_tuned_pleases_the_doctor_on_every_machine() {
    for (name, rps) in
        [("c5-ena", "off"), ("graviton", "off"), ("t2-xen", "on, and there are fewer"), ("virtio", "off")]
    {
        let root = machine(name);
        let root = root.path();
        let card = root.join("sys/class/net/eth0");
        if name == "virtio" {
            fs::create_dir_all(&card).expect("a directory");
            symlink(root.join("sys/devices/virtio0"), card.join("device")).expect("a link");
        }
        if name == "graviton" {
            // Its card is called otherwise there.
            let table = fs::read_to_string(root.join("proc/interrupts")).expect("a table");
            fs::write(root.join("proc/interrupts"), table.replace("ens5", "eth0")).expect("a table");
            fs::rename(root.join("sys/class/net/ens5"), &card).expect("a card");
        }
        let (code, report) = tune(root, &["apply", "--profile", "throughput", "--nic", "eth0"]);
        assert_eq!(code, 0, "{name}: {report}");
        let (status, found) = examined(root, "irq.affinity");
        let wanted = if name == "t2-xen" { "SKIP" } else { "PASS" };
        assert_eq!(status, wanted, "{name}: {found}: {report}");
        let (status, found) = examined(root, "nic.rps");
        assert!(status == "PASS" && found.starts_with(rps), "{name}: {status} {found}");
        let stated = warned(root)
            .into_iter()
            .filter(|id| id.matches('.').count() > 1 || id.starts_with("vm."))
            .collect::<Vec<_>>();
        assert!(stated.is_empty(), "{name}: settings of the kernel that tune left: {stated:?}: {report}");
        if name == "t2-xen" {
            assert!(!report.contains("smp_affinity_list"), "one queue is left alone: {report}");
        }
        if name == "virtio" {
            let on = |irq: u32| fs::read_to_string(root.join(format!("proc/irq/{irq}/smp_affinity_list")));
            assert_eq!([40, 41, 42, 43].map(|irq| on(irq).expect("a list")), ["0\n", "0\n", "1\n", "1\n"]);
        }
    }
}

#[test]
fn another_profile_takes_back_what_only_the_first_one_set() {
    let root = fake_root();
    let before = contents(root.path());
    assert_eq!(tune(root.path(), &["apply", "--profile", "latency", "--nic", "eth0"]).0, 0);
    assert_eq!(tune(root.path(), &["apply", "--profile", "dev"]).0, 0);
    let now = contents(root.path());
    for file in [
        "proc/sys/net/core/busy_poll",
        "proc/irq/25/smp_affinity_list",
        "proc/sys/vm/dirty_ratio",
        "bin/usecs",
    ] {
        assert_eq!(now[file], before[file], "{file}");
    }
    assert_eq!(now["proc/sys/net/core/somaxconn"], "65535\n");
    assert_eq!(tune(root.path(), &["undo"]).0, 0);
    assert_eq!(contents(root.path()), before);
}

#[test]
fn verify_names_what_drifted_and_nothing_else() {
    let root = fake_root();
    let (code, report) = tune(root.path(), &["verify", "--profile", "dev"]);
    assert!(
        code == 1 && line(&report, "net.core.somaxconn") == "drift net.core.somaxconn 4096 -> 65535",
        "{report}"
    );
    assert_eq!(tune(root.path(), &["apply", "--profile", "throughput", "--nic", "eth0"]).0, 0);
    fs::write(root.path().join("proc/irq/26/smp_affinity_list"), "0\n").expect("a file");
    let (code, report) = tune(root.path(), &["verify"]);
    let drifted: Vec<&str> = report.lines().filter(|line| line.starts_with("drift")).collect();
    assert!(code == 1 && drifted.len() == 1 && drifted[0].contains("/proc/irq/26/"), "{report}");
}

#[test]
fn a_restart_of_the_machine_has_undone_everything() {
    let root = fake_root();
    assert_eq!(tune(root.path(), &["apply", "--profile", "throughput"]).0, 0);
    fs::write(root.path().join("proc/sys/kernel/random/boot_id"), "second\n").expect("a file");
    fs::write(root.path().join("proc/sys/vm/swappiness"), "33\n").expect("a file");
    let (code, report) = tune(root.path(), &["undo"]);
    assert!(code == 0 && report.contains("restarted"), "{report}");
    assert_eq!(fs::read_to_string(root.path().join("proc/sys/vm/swappiness")).expect("a file"), "33\n");
}

#[test]
fn what_only_the_operator_may_decide_is_reported() {
    let root = fake_root();
    let (_, report) = tune(root.path(), &["plan", "--profile", "bench-unsafe", "--nic", "eth0"]);
    assert!(line(&report, "mitigations=off").contains("not on the kernel's command line"), "{report}");
    assert!(line(&report, "audit=0").ends_with("is on the kernel's command line"), "{report}");
    assert!(line(&report, "irqbalance").starts_with("conflict"), "{report}");
    fs::write(root.path().join("bin/qdisc"), "qdisc fq 8002: root refcnt 2\n").expect("a file");
    let (_, report) = tune(root.path(), &["plan", "--profile", "bench-unsafe", "--nic", "eth0"]);
    assert!(line(&report, "eth0 qdisc").starts_with("skipped"), "somebody's own discipline stays: {report}");
}

#[test]
fn usage_errors_end_with_2() {
    let root = fake_root();
    for (arguments, told) in [
        (&["apply"][..], "apply needs --profile"),
        (&["plan", "--profile", "fast"], "no profile 'fast'"),
        (&["plan", "--nic", "eth7"], "no card 'eth7'; there are: eth0"),
        (&["faster"], "unknown argument 'faster'"),
    ] {
        let (code, report) = tune(root.path(), arguments);
        assert!(code == 2 && report.contains(told), "{arguments:?}: {code}: {report}");
    }
}

/// Apply, verify and undo with the kernel's own files: in a network namespace of a user that may change nothing else,
/// so that the host is not touched.
#[test]
fn in_a_network_namespace_the_kernel_takes_it_and_gives_it_back() {
    let state = tempfile::tempdir().expect("a directory");
    fs::set_permissions(state.path(), fs::Permissions::from_mode(0o777)).expect("permissions");
    let script = format!(
        "set -e; cd {}; values() {{ cat /proc/sys/net/core/somaxconn /proc/sys/net/ipv4/{{ip_local_port_range,tcp_migrate_req,tcp_fin_timeout}}; }}; \
         values >$TUNE_STATE/before; tuning/tune apply --profile throughput; tuning/tune verify; values >$TUNE_STATE/during; \
         tuning/tune undo; values >$TUNE_STATE/after",
        env!("CARGO_MANIFEST_DIR")
    );
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let is_root = rustix::process::geteuid().is_root();
    let mut command = Command::new(if is_root { "setpriv" } else { "unshare" });
    if is_root {
        command.args(nobody).arg("unshare");
    }
    command.args(["--map-root-user", "--net"]);
    let allowed = Command::new(command.get_program()).args(command.get_args()).arg("true").output();
    if !allowed.is_ok_and(|tried| tried.status.success()) {
        skip("this system does not let a test make a network namespace");
        return;
    }
    let Output { status, stdout, stderr } = command
        .args(["bash", "-c", &script])
        .env("TUNE_STATE", state.path())
        .output()
        .expect("unshare is there");
    let report = String::from_utf8([stdout, stderr].concat()).expect("a text");
    assert!(status.success(), "{report}");
    assert_eq!(line(&report, "net.core.somaxconn"), "set net.core.somaxconn 4096 -> 65535", "{report}");
    let memory = line(&report, "vm.swappiness");
    assert!(!memory.starts_with("set"), "the host's own is not ours to set: {memory}");
    let values = |name: &str| fs::read_to_string(state.path().join(name)).expect("a file");
    assert_eq!(values("during"), "65535\n10240\t65535\n1\n15\n", "{report}");
    assert_eq!(values("after"), values("before"), "{report}");
}
