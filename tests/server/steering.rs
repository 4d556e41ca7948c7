//! Connections are steered by CPU in the exact topology only; everything else is told with its reason.

use crate::process;

use std::fs;
use std::net::SocketAddr;

use pixeld::engine::shared::steering::obstacle;
use process::Server;
use tempfile::TempDir;

/// A machine with two CPUs whose card has a queue, and an interrupt that stays, for each.
fn exact() -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    for (path, text) in [
        (
            "proc/net/route",
            "Iface Destination Gateway Flags RefCnt Use Metric Mask\neth0 00000000 01001FAC 0003 0 0 0 00000000\neth0 0000000A 00000000 0001 0 0 0 000000FF\n",
        ),
        ("proc/interrupts", " 27: 9 0 PCI-MSI 1-edge eth0-Tx-Rx-0\n 28: 0 9 PCI-MSI 2-edge eth0-Tx-Rx-1\n"),
        ("proc/irq/27/smp_affinity_list", "0\n"),
        ("proc/irq/28/smp_affinity_list", "1\n"),
        ("sys/class/net/eth0/device/uevent", "DRIVER=ena\n"),
        ("sys/class/net/eth0/queues/rx-0/rps_cpus", "0\n"),
        ("sys/class/net/eth0/queues/rx-1/rps_cpus", "00000000,00000000\n"),
        ("sys/class/net/lo/queues/rx-0/rps_cpus", "0\n"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    root
}

#[test]
fn every_deviation_from_the_exact_topology_is_an_obstacle() {
    let address = |text: &str| -> SocketAddr { text.parse().expect("an address") };
    let everywhere = address("0.0.0.0:8000");
    let root = exact();
    assert_eq!(obstacle(root.path(), everywhere, 2, &[0, 1]), None);
    assert_eq!(obstacle(root.path(), address("10.1.2.3:8000"), 2, &[0, 1]), None);

    let reported = |workers: usize, cores: &[usize], at: SocketAddr| {
        obstacle(root.path(), at, workers, cores).expect("a reason")
    };
    assert!(reported(2, &[0, 1], address("127.0.0.1:8000")).contains("loopback"));
    assert!(reported(2, &[0, 1], address("[::1]:8000")).contains("loopback"));
    assert!(reported(2, &[], everywhere).contains("not pinned"));
    assert!(reported(2, &[1, 0], everywhere).contains("worker 0 is on CPU 1"));
    assert!(reported(4, &[0, 1, 2, 3], everywhere).contains("2 receive queues for 4 workers"));

    let change = |path: &str, text: &str| fs::write(root.path().join(path), text).expect("a file");
    change("proc/irq/28/smp_affinity_list", "0-1\n");
    assert!(reported(2, &[0, 1], everywhere).contains("interrupt 28 of eth0 may run on CPUs [0, 1]"));
    change("proc/irq/28/smp_affinity_list", "1\n");
    change("sys/class/net/eth0/queues/rx-1/rps_cpus", "3\n");
    assert!(reported(2, &[0, 1], everywhere).contains("RPS"));
    change("sys/class/net/eth0/queues/rx-1/rps_cpus", "0\n");
    change("proc/interrupts", " 27: 9 0 PCI-MSI 1-edge eth0-Tx-Rx-0\n");
    assert!(reported(2, &[0, 1], everywhere).contains("1 interrupts"));
    fs::remove_dir_all(root.path().join("sys/class/net/eth0")).expect("a directory");
    change("proc/net/route", "Iface\n");
    assert!(reported(2, &[0, 1], everywhere).contains("not clear which"));
}

#[test]
fn a_server_says_why_it_does_not_steer() {
    for (how, level) in [("auto", Some("level=debug")), ("cbpf", Some("level=warn")), ("off", None)] {
        let server = Server::fresh(&["--steer", how, "--log-level", "debug"]);
        server.wait_for("try: curl");
        let stderr = server.stderr();
        let line = stderr.lines().find(|line| line.contains("connections are not steered by CPU"));
        assert_eq!(line.is_some(), level.is_some(), "{how}: {stderr}");
        if let (Some(line), Some(level)) = (line, level) {
            assert!(line.contains(level) && line.contains("loopback"), "{how}: {line}");
        }
        let metrics = server.ask("GET", "/metrics", "").1;
        let workers =
            ["pixeld_worker_connections{worker=\"0\"} ", "pixeld_worker_connections{worker=\"1\"} "];
        assert!(workers.iter().all(|sample| metrics.contains(sample)), "{metrics}");
    }
}
