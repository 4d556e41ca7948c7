//! `pixeld doctor` on copies of several machines' /proc and /sys, and on this one.

use crate::process;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use process::pixeld;
use serde_json::Value;
use tempfile::TempDir;

/// Unpacks `tests/data/machines/NAME.txt`: a line `== PATH` and the file's text below it.
pub fn machine(name: &str) -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    let text = fs::read_to_string(format!("{}/tests/data/machines/{name}.txt", env!("CARGO_MANIFEST_DIR")));
    for file in text.expect("a machine").split("== ").skip(1) {
        let (path, content) = file.split_once('\n').expect("a path");
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, content).expect("a file");
    }
    root
}

fn doctor(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        pixeld(&["doctor"]).args(arguments).output().expect("the binary starts");
    let text = |bytes| String::from_utf8(bytes).expect("a text");
    (status.code().expect("no signal"), text(stdout), text(stderr))
}

/// The exit code, and for each check its status with what is there and what is wanted.
fn examine(name: &str, arguments: &[&str]) -> (i32, BTreeMap<String, (String, String, String)>) {
    let root = machine(name);
    let root = root.path().to_str().expect("a path");
    let (code, stdout, stderr) = doctor(&[&["--root", root, "--json"], arguments].concat());
    let document: Value =
        serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}{stderr}"));
    let checks = document["checks"].as_array().expect("an array").iter().map(|check| {
        let text = |key: &str| check[key].as_str().unwrap_or_else(|| panic!("{key} of {check}")).to_owned();
        for key in ["group", "risk", "effect", "source"] {
            assert!(!text(key).is_empty(), "{key} of {check}");
        }
        (text("id"), (text("status"), text("current"), text("wanted")))
    });
    (code, checks.collect())
}

#[track_caller]
fn assert_found(name: &str, arguments: &[&str], code: i32, wanted: &[(&str, &str, &str)]) {
    let (found_code, found) = examine(name, arguments);
    for (id, status, current) in wanted {
        let check = found.get(*id).unwrap_or_else(|| panic!("no check {id}"));
        assert!(check.0 == *status && check.1.contains(current), "{name}: {id}: {check:?}");
        assert_eq!(check.2.is_empty(), matches!(*status, "PASS" | "SKIP"), "{name}: {id}: {check:?}");
    }
    assert_eq!(found_code, code, "{name}");
}

#[test]
fn a_c5_with_ena() {
    assert_found(
        "c5-ena",
        &["--data-dir", "/srv/pixeld"],
        2,
        &[
            ("limits.nofile", "PASS", "524288"),
            ("net.core.somaxconn", "WARN", "4096"),
            ("net.ipv4.ip_local_port_range", "WARN", "32768 60999"),
            ("cpu.governor", "SKIP", "virtual machine"),
            ("cpu.smt", "PASS", "0,2"),
            ("cpu.quota", "PASS", "none"),
            ("cpu.steal", "PASS", "0.0 %"),
            ("cpu.thp", "WARN", "always"),
            ("nic.driver", "PASS", "ena 2.10.0g"),
            ("nic.queues", "PASS", "4 for 4"),
            ("nic.rps", "PASS", "off"),
            ("nic.allowance", "WARN", "pps_allowance_exceeded 117"),
            ("irq.affinity", "WARN", "29 on [2, 3]"),
            ("irq.balance", "WARN", "irqbalance"),
            ("stack.conntrack", "FAIL", "900 of 1000"),
            ("stack.taps", "WARN", "1 packet socket"),
            ("stack.audit", "SKIP", "only root"),
            ("drops.listen", "WARN", "12"),
            ("drops.softnet", "PASS", "none"),
            ("drops.squeeze", "PASS", "4"),
            ("drops.retransmits", "PASS", "0.005 %"),
            ("storage.filesystem", "PASS", "xfs on /srv"),
            ("storage.volume", "PASS", "/srv"),
            ("storage.growth", "SKIP", "copy"),
            ("storage.sync", "SKIP", "copy"),
            ("clock.source", "PASS", "kvm-clock"),
            ("clock.offset", "PASS", "0.004 ms"),
            ("peer.path", "SKIP", "--peer"),
            ("security.mitigations", "WARN", "mds"),
            ("build.cpu", "PASS", "SSE 4.2"),
            ("build.place", "PASS", "c5.xlarge"),
        ],
    );
}

#[test]
fn profile_latency_wants_more_of_it() {
    let (_, throughput) = examine("c5-ena", &[]);
    assert!(!throughput.contains_key("net.core.busy_poll") && !throughput.contains_key("cpu.cstate"));
    assert_found(
        "c5-ena",
        &["--profile", "latency"],
        2,
        &[
            ("net.core.busy_poll", "WARN", "0"),
            ("cpu.cstate", "WARN", "133 us"),
            ("storage.volume", "WARN", "system"),
        ],
    );
}

#[test]
fn a_t2_on_xen() {
    assert_found(
        "t2-xen",
        &[],
        2,
        &[
            ("limits.nofile", "WARN", "4096"),
            ("net.core.netdev_max_backlog", "SKIP", "not in this kernel"),
            ("cpu.steal", "FAIL", "14.5 %"),
            ("nic.driver", "WARN", "vif"),
            ("nic.queues", "SKIP", "1 for 4"),
            ("nic.rps", "PASS", "fewer queues"),
            ("nic.allowance", "SKIP", "ethtool"),
            ("irq.affinity", "SKIP", "one queue"),
            ("stack.conntrack", "PASS", "not loaded"),
            ("stack.audit", "SKIP", "auditctl"),
            ("storage.volume", "WARN", "system"),
            ("clock.source", "WARN", "xen"),
            ("build.place", "WARN", "Xen"),
        ],
    );
}

#[test]
fn a_tuned_graviton() {
    assert_found(
        "graviton",
        &["--data-dir", "/srv/pixeld"],
        i32::from(cfg!(debug_assertions)),
        &[
            ("net.core.somaxconn", "PASS", "131072"),
            ("net.ipv4.ip_local_port_range", "PASS", "10240 65535"),
            ("cpu.smt", "PASS", "a core for each"),
            ("irq.affinity", "PASS", "one to one"),
            ("irq.balance", "PASS", ""),
            ("nic.allowance", "PASS", "never"),
            ("security.mitigations", "PASS", "none open"),
            ("build.cpu", "PASS", "LSE"),
            ("clock.offset", "PASS", "-0.021 ms"),
        ],
    );
}

#[test]
fn a_container_with_a_quota() {
    assert_found(
        "container",
        &[],
        1,
        &[
            ("cpu.quota", "WARN", "0.5 of 8 CPUs, throttled 4711 times"),
            ("nic.driver", "SKIP", "no card"),
            ("irq.affinity", "SKIP", "no card"),
            ("storage.filesystem", "WARN", "overlay on /"),
            ("build.place", "PASS", "in a container"),
        ],
    );
    assert_found(
        "container",
        &["--data-dir", "/dev/shm"],
        2,
        &[("storage.filesystem", "FAIL", "tmpfs on /dev")],
    );
}

#[test]
fn this_machine_with_a_real_disk_and_no_privileges_needed() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().to_str().expect("a path");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("permissions");
    let (_, stdout, _) = doctor(&["--data-dir", path]);
    assert!(stdout.contains("mode 755 -> 700"), "{stdout}");
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).expect("permissions");
    let (code, stdout, stderr) = doctor(&["--data-dir", path]);
    assert!((0..=2).contains(&code) && stderr.is_empty(), "{code}: {stderr}");
    let line =
        |id: &str| stdout.lines().find(|line| line.contains(id)).unwrap_or_else(|| panic!("{id}: {stdout}"));
    assert!(line("storage.sync").contains("durable writes of 4 KiB"), "{stdout}");
    assert!(line("security.data_dir").contains("PASS"), "{stdout}");
    for group in
        ["limits", "cpu", "nic", "irq", "stack", "drops", "storage", "clock", "peer", "security", "build"]
    {
        assert_eq!(stdout.lines().filter(|line| *line == group).count(), 1, "{group}: {stdout}");
    }
    assert_eq!(fs::read_dir(path).expect("a directory").count(), 0, "the probe leaves nothing behind");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let peer = listener.local_addr().expect("an address").to_string();
    let (_, stdout, _) = doctor(&["--data-dir", path, "--peer", &peer]);
    assert!(stdout.lines().any(|line| line.contains("peer.path") && line.contains("to connect")), "{stdout}");
    drop(listener);
    let (code, stdout, _) = doctor(&["--data-dir", path, "--peer", &peer]);
    assert!(code == 2 && stdout.lines().any(|line| line.contains("FAIL  peer.path")), "{stdout}");
}

#[test]
fn fixes_are_a_script_that_is_only_printed() {
    let root = machine("c5-ena");
    let before = fs::read_to_string(root.path().join("proc/irq/29/smp_affinity_list")).expect("a file");
    let (code, script, _) = doctor(&["--root", root.path().to_str().expect("a path"), "--fix-script"]);
    assert_eq!(code, 2);
    for line in [
        "#!/bin/sh",
        "sysctl -w net.core.somaxconn=\"65535\"",
        "sysctl -w net.ipv4.ip_local_port_range=\"10240 65535\"",
        "echo 2 >/proc/irq/29/smp_affinity_list",
    ] {
        assert!(script.lines().any(|found| found == line), "{line}: {script}");
    }
    let file = root.path().join("fix.sh");
    fs::write(&file, &script).expect("a file");
    let sound = std::process::Command::new("sh").arg("-n").arg(&file).status().expect("sh is there");
    assert!(sound.success(), "{script}");
    assert_eq!(
        fs::read_to_string(root.path().join("proc/irq/29/smp_affinity_list")).expect("a file"),
        before
    );
}

#[test]
fn one_check_is_explained_and_counters_are_watched() {
    let (code, stdout, _) = doctor(&["--explain", "net.core.somaxconn"]);
    assert!(code == 0 && stdout.contains("ListenOverflows") && stdout.contains("Source: "), "{stdout}");
    let (code, _, stderr) = doctor(&["--explain", "somaxcon"]);
    assert!(code == 2 && stderr.contains("\n  net.core.somaxconn"), "{stderr}");
    let (code, stdout, _) = doctor(&["--watch", "100ms"]);
    assert!(code == 0 && stdout.contains("CPU idle") && stdout.contains("bottleneck: "), "{stdout}");
    let (code, _, stderr) = doctor(&["--profile", "fast"]);
    assert!(code == 2 && stderr.contains("bench-unsafe"), "{stderr}");
}

#[test]
fn a_card_that_is_not_there_is_a_mistake_of_the_command_line() {
    for name in ["eth9", "", "..", "lo/device"] {
        let output = pixeld(&["doctor", "--nic", name]).output().expect("the binary");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{name}: {told}");
        assert!(told.contains("there is no such card") && told.contains("lo"), "{name}: {told}");
    }
}

/// A typo in the name of the file, or in the file, must not look like a machine on which all is well.
#[test]
fn a_configuration_that_is_named_and_can_not_be_read_is_a_mistake_of_the_command_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let (missing, wrong) = (directory.path().join("missing.toml"), directory.path().join("wrong.toml"));
    std::fs::write(&wrong, "lisen = \"0.0.0.0:80\"\n").expect("written");
    for (file, part) in [(missing, "missing.toml"), (wrong, "lisen")] {
        let (code, stdout, stderr) = doctor(&["--config", file.to_str().expect("UTF-8")]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert_eq!(stderr.matches(part).count(), 1, "{stderr}");
    }
}
