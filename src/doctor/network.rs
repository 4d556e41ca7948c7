//! The card, its interrupts, and what stands between them and the server.

use super::finding::Finding;
use super::machine::Machine;
use super::question::Question;
use crate::os::topology::{self, Card};

/// Drivers that were written for the machine they run on.
const FAST_DRIVERS: [&str; 7] = ["ena", "virtio_net", "gve", "mlx5_core", "ixgbevf", "ice", "hv_netvsc"];
/// Counters of ENA that tell that the instance's allowance was used up.
const ALLOWANCES: [&str; 5] = [
    "bw_in_allowance_exceeded",
    "bw_out_allowance_exceeded",
    "pps_allowance_exceeded",
    "conntrack_allowance_exceeded",
    "linklocal_allowance_exceeded",
];

pub(super) fn check(machine: &Machine, question: &Question) -> Vec<Finding> {
    let unspecified = std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
    let name = question.nic.clone().or_else(|| topology::card_of(machine.root(), unspecified));
    let mut found = match &name {
        Some(name) if machine.has(&format!("sys/class/net/{name}")) => of_card(machine, name),
        _ => {
            let why = name.map_or("no card with a device; --nic names one".to_owned(), |name| {
                format!("no card {name}")
            });
            let ids = ["nic.driver", "nic.queues", "nic.rps", "nic.allowance", "irq.affinity"];
            ids.map(|id| Finding::skip(id, why.clone())).to_vec()
        }
    };
    found.extend([balancer(machine), conntrack(machine), taps(machine), audit(machine)]);
    found
}

fn of_card(machine: &Machine, name: &str) -> Vec<Finding> {
    let card = topology::card(machine.root(), name);
    let cpus = machine.cpus();
    vec![
        driver(machine, name),
        queues(machine, &card, cpus.len()),
        rps(&card, cpus.len()),
        allowance(machine, name),
        affinity(&card, &cpus),
    ]
}

fn driver(machine: &Machine, name: &str) -> Finding {
    const ID: &str = "nic.driver";
    let uevent = machine.text(&format!("sys/class/net/{name}/device/uevent")).unwrap_or_default();
    // A virtio card's device is one of its own below the PCI device.
    let driver = uevent.lines().find_map(|line| line.strip_prefix("DRIVER="));
    let version = machine.text(&format!("sys/module/{}/version", driver.unwrap_or_default()));
    let shown = format!("{name}: {} {}", driver.unwrap_or("none"), version.unwrap_or_default());
    match driver {
        None => Finding::skip(ID, format!("{name} has no driver")),
        Some(driver) if FAST_DRIVERS.contains(&driver) => Finding::pass(ID, shown.trim()),
        Some("vif") => {
            Finding::warn(ID, shown.trim(), "ena: an instance type with enhanced networking (Nitro)")
        }
        Some(_) => Finding::pass(ID, shown.trim()),
    }
}

fn queues(machine: &Machine, card: &Card, cpus: usize) -> Finding {
    const ID: &str = "nic.queues";
    let current = format!("{} for {cpus} CPUs", card.queues);
    if card.queues >= cpus {
        return Finding::pass(ID, current);
    }
    let most = machine.output("ethtool", &["-l", &card.name]).and_then(|told| most_queues(&told));
    let Some(most) = most else {
        return Finding::skip(
            ID,
            format!("{current}; `ethtool -l {}` does not tell whether it may have more", card.name),
        );
    };
    let wanted = most.min(cpus);
    if wanted <= card.queues {
        return Finding::skip(ID, format!("{current}, and the card has no more"));
    }
    let all =
        if wanted == cpus { "one for each CPU".to_owned() } else { format!("{wanted}, all that it has") };
    Finding::warn(ID, current, all).with_fix(format!("ethtool -L {} combined {wanted}", card.name))
}

/// Returns the most combined queues that a card may have, of what `ethtool -l` prints: maximums first, then what is set.
fn most_queues(told: &str) -> Option<usize> {
    let maximums = told.split("Current hardware settings").next()?;
    let combined = maximums.lines().find_map(|line| line.trim().strip_prefix("Combined:"))?;
    // "n/a" where receiving and sending have queues of their own.
    combined.trim().parse().ok()
}

fn rps(card: &Card, cpus: usize) -> Finding {
    const ID: &str = "nic.rps";
    match (card.has_rps, card.queues >= cpus) {
        (false, _) => Finding::pass(ID, "off"),
        (true, false) => Finding::pass(ID, "on, and there are fewer queues than CPUs"),
        (true, true) => Finding::warn(ID, "on", "off: the card has a queue for each CPU").with_fix(format!(
            "for f in /sys/class/net/{}/queues/rx-*/rps_cpus; do echo 0 >\"$f\"; done",
            card.name
        )),
    }
}

fn allowance(machine: &Machine, name: &str) -> Finding {
    const ID: &str = "nic.allowance";
    let Some(statistics) = machine.output("ethtool", &["-S", name]) else {
        return Finding::skip(ID, "ethtool is not there, or the card has no statistics");
    };
    let exceeded = statistics.lines().filter_map(|line| line.trim().split_once(": "));
    let exceeded: Vec<String> = exceeded
        .filter(|(key, value)| ALLOWANCES.contains(key) && *value != "0")
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    match exceeded.as_slice() {
        _ if !statistics.contains("_allowance_exceeded") => Finding::skip(ID, "the card counts none"),
        [] => Finding::pass(ID, "never exceeded"),
        _ => Finding::warn(ID, exceeded.join(", "), "0: a larger instance, or untracked security groups"),
    }
}

/// Checks that queue i goes to CPU i, as worker i does.
fn affinity(card: &Card, cpus: &[usize]) -> Finding {
    const ID: &str = "irq.affinity";
    if card.interrupts.is_empty() {
        return Finding::skip(ID, "no interrupts of queues are visible");
    }
    if card.queues == 1 && cpus.len() > 1 {
        return Finding::skip(ID, "one queue: there is nothing to share out");
    }
    let wanted: Vec<usize> =
        card.interrupts.iter().enumerate().map(|(at, _)| cpus[at % cpus.len()]).collect();
    if card.interrupts.iter().zip(&wanted).all(|((_, on), cpu)| on.as_slice() == [*cpu]) {
        return Finding::pass(ID, "one to one with the CPUs");
    }
    let shown: Vec<String> =
        card.interrupts.iter().map(|(number, on)| format!("{number} on {on:?}")).collect();
    let commands: Vec<String> = card
        .interrupts
        .iter()
        .zip(&wanted)
        .map(|((number, _), cpu)| format!("echo {cpu} >/proc/irq/{number}/smp_affinity_list"))
        .collect();
    Finding::warn(ID, shown.join(", "), "queue i on CPU i, as worker i is").with_fix(commands.join("\n"))
}

fn balancer(machine: &Machine) -> Finding {
    const ID: &str = "irq.balance";
    let processes = machine.names("proc");
    let numbers = processes.iter().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    let mut names = numbers.filter_map(|pid| machine.text(&format!("proc/{pid}/comm")));
    if names.any(|name| name == "irqbalance") {
        return Finding::warn(ID, "irqbalance runs", "IRQBALANCE_BANNED_CPULIST with the workers' CPUs");
    }
    Finding::pass(ID, "nobody moves interrupts")
}

fn conntrack(machine: &Machine) -> Finding {
    const ID: &str = "stack.conntrack";
    let value = |name| machine.number(&format!("proc/sys/net/netfilter/nf_conntrack_{name}"));
    let (Some(count), Some(most)) = (value("count"), value("max")) else {
        return Finding::pass(ID, "not loaded");
    };
    if count == 0 {
        return Finding::pass(ID, "loaded, and nothing is tracked");
    }
    let current = format!("{count} of {most} connections tracked");
    if count * 5 > most * 4 {
        return Finding::fail(ID, current, "below 80 %: beyond it new connections are dropped")
            .with_fix(format!("sysctl -w net.netfilter.nf_conntrack_max={}", most * 4));
    }
    Finding::warn(ID, current, "no tracking of the server's port (a notrack rule)")
}

fn taps(machine: &Machine) -> Finding {
    const ID: &str = "stack.taps";
    match machine.text("proc/net/packet").map(|text| text.lines().count().saturating_sub(1)) {
        None => Finding::skip(ID, "/proc/net/packet can't be read"),
        Some(0) => Finding::pass(ID, "none"),
        Some(taps) => {
            Finding::warn(ID, format!("{taps} packet sockets see every packet"), "none: see `ss -0 -p`")
        }
    }
}

fn audit(machine: &Machine) -> Finding {
    const ID: &str = "stack.audit";
    if !machine.is_root() {
        return Finding::skip(ID, "only root may ask; root would tell whether system calls are audited");
    }
    match machine.output("auditctl", &["-l"]) {
        None => Finding::skip(ID, "auditctl is not there"),
        Some(rules) if rules.trim() == "No rules" => Finding::pass(ID, "no rules"),
        Some(rules) => Finding::warn(ID, format!("{} rules", rules.lines().count()), "none for system calls"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn channels(most: &str, now: &str) -> String {
        format!(
            "Channel parameters for eth0:\nPre-set maximums:\nRX:\t\tn/a\nTX:\t\tn/a\nOther:\t\tn/a\nCombined:\t{most}\n\
             Current hardware settings:\nRX:\t\tn/a\nTX:\t\tn/a\nOther:\t\tn/a\nCombined:\t{now}\n"
        )
    }

    /// Returns what is said of a card with this many queues on a machine with four CPUs.
    fn said(queues: usize, ethtool: Option<&str>) -> (String, Option<String>) {
        let copy = tempfile::tempdir().unwrap();
        if let Some(text) = ethtool {
            std::fs::create_dir(copy.path().join("commands")).unwrap();
            std::fs::write(copy.path().join("commands/ethtool_-l_eth0"), text).unwrap();
        }
        let card = Card { name: "eth0".to_owned(), queues, ..Card::default() };
        let finding = super::queues(&Machine::at(copy.path().to_path_buf()), &card, 4);
        (finding.current, finding.fix)
    }

    #[test]
    fn no_more_queues_are_wanted_than_the_card_has() {
        assert_eq!(said(4, None), ("4 for 4 CPUs".to_owned(), None));
        assert_eq!(said(1, None).1, None, "nothing is known of the card");
        assert_eq!(said(1, Some(&channels("1", "1"))).1, None);
        assert_eq!(said(1, Some(&channels("n/a", "1"))).1, None);
        assert_eq!(said(1, Some(&channels("2", "1"))).1.unwrap(), "ethtool -L eth0 combined 2");
        assert_eq!(said(2, Some(&channels("2", "2"))).1, None);
        assert_eq!(said(1, Some(&channels("8", "1"))).1.unwrap(), "ethtool -L eth0 combined 4");
    }
}
