//! The peer, what protects this one, what was built, and where it runs.

use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::finding::Finding;
use super::machine::Machine;
use super::question::{PEER_PATIENCE, Question};
use crate::base::version;

/// Attempts to connect to the peer; the middle one counts.
const ATTEMPTS: usize = 5;
/// Answers at `both` wait for this once each.
const RTT_WANTED: Duration = Duration::from_millis(1);

pub(super) fn check(machine: &Machine, question: &Question) -> Vec<Finding> {
    vec![
        peer(machine, question.peer.as_deref()),
        mitigations(machine),
        permissions(machine, question),
        build(),
        instructions(machine),
        place(machine),
    ]
}

fn peer(machine: &Machine, peer: Option<&str>) -> Finding {
    const ID: &str = "peer.path";
    let Some(peer) = peer else {
        return Finding::skip(ID, "no peer named; --peer HOST:PORT");
    };
    if !machine.is_live() {
        return Finding::skip(ID, "a copy of files reaches nobody");
    }
    let connect = || {
        let address = peer.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
        let begun = Instant::now();
        TcpStream::connect_timeout(&address, PEER_PATIENCE).map(|_| begun.elapsed())
    };
    let times: std::io::Result<Vec<Duration>> = (0..ATTEMPTS).map(|_| connect()).collect();
    match times {
        Err(error) => Finding::fail(ID, format!("{peer}: {error}"), "reachable"),
        Ok(mut times) => {
            times.sort();
            let middle = times[ATTEMPTS / 2];
            let current = format!("{middle:.0?} to connect");
            if middle <= RTT_WANTED {
                Finding::pass(ID, current)
            } else {
                Finding::warn(ID, current, "at most 1 ms: one zone, one placement group")
            }
        }
    }
}

/// Reports the mitigations only: no speed is worth advice to switch them off.
fn mitigations(machine: &Machine) -> Finding {
    const ID: &str = "security.mitigations";
    let at = "sys/devices/system/cpu/vulnerabilities";
    let names = machine.names(at);
    let open: Vec<&String> = names
        .iter()
        .filter(|name| {
            machine.text(&format!("{at}/{name}")).is_some_and(|text| text.starts_with("Vulnerable"))
        })
        .collect();
    match open.as_slice() {
        _ if names.is_empty() => Finding::skip(ID, "the kernel tells nothing about them"),
        [] => Finding::pass(ID, format!("{} known weaknesses, none open", names.len())),
        _ => {
            let open: Vec<&str> = open.iter().map(|name| name.as_str()).collect();
            Finding::warn(
                ID,
                format!("open: {}", open.join(", ")),
                "mitigated, unless nobody else's code runs here",
            )
        }
    }
}

fn permissions(machine: &Machine, question: &Question) -> Finding {
    const ID: &str = "security.data_dir";
    let mode = machine
        .is_live()
        .then(|| std::fs::metadata(&question.data_dir))
        .map(|data| data.map(|data| data.permissions().mode()));
    match mode {
        Some(Ok(mode)) if mode & 0o077 == 0 => Finding::pass(ID, "the owner's only"),
        Some(Ok(mode)) => Finding::warn(ID, format!("mode {:o}", mode & 0o777), "700")
            .with_fix(format!("chmod 700 '{}'", question.data_dir.display())),
        _ => Finding::skip(ID, format!("{} is not there yet", question.data_dir.display())),
    }
}

fn build() -> Finding {
    const ID: &str = "build.profile";
    let current = format!("{} ({})", version::VERSION, version::COMMIT);
    if cfg!(debug_assertions) {
        Finding::warn(ID, format!("{current}, a debug build"), "cargo build --release")
    } else {
        Finding::pass(ID, format!("{current}, a release build"))
    }
}

fn instructions(machine: &Machine) -> Finding {
    const ID: &str = "build.cpu";
    let info = machine.text("proc/cpuinfo").unwrap_or_default();
    let features = info
        .lines()
        .find(|line| line.starts_with("flags") || line.starts_with("Features"))
        .unwrap_or_default();
    let has = |feature| features.split_whitespace().any(|word| word == feature);
    match (has("sse4_2"), has("crc32"), has("atomics")) {
        (true, _, _) => Finding::pass(ID, "x86-64 with SSE 4.2: checksums in hardware"),
        (_, true, true) => Finding::pass(ID, "arm64 with CRC32 and LSE atomics"),
        (_, true, false) => Finding::warn(ID, "arm64 without LSE atomics", "Graviton 2 or later"),
        _ if features.is_empty() => Finding::skip(ID, "/proc/cpuinfo tells nothing"),
        _ => Finding::warn(ID, "no checksum instruction", "SSE 4.2 or ARM's CRC32"),
    }
}

/// Returns the kind of machine; a burstable one is worth a word.
fn place(machine: &Machine) -> Finding {
    const ID: &str = "build.place";
    let dmi = |name| machine.text(&format!("sys/class/dmi/id/{name}")).unwrap_or_default();
    let (vendor, product) = (dmi("sys_vendor"), dmi("product_name"));
    let is_container =
        machine.has(".dockerenv") || machine.has("run/.containerenv") || machine.has("run/systemd/container");
    let is_xen = machine.text("sys/hypervisor/type").as_deref() == Some("xen");
    let shown = format!("{vendor} {product}{}", if is_container { ", in a container" } else { "" });
    let shown = shown.trim().trim_start_matches(", ").to_owned();
    if is_xen {
        return Finding::warn(ID, format!("Xen: {shown}"), "a Nitro instance; a t2 lives on CPU credits");
    }
    // Amazon's burstable types: t3.xlarge, t4g.small.
    let bursts = vendor == "Amazon EC2"
        && product.strip_prefix('t').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if bursts {
        return Finding::warn(ID, shown, "an instance without CPU credits");
    }
    Finding::pass(ID, if shown.is_empty() { "unknown".to_owned() } else { shown })
}
