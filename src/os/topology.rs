//! What a network card looks like from the CPUs: its queues, which CPU serves each one's interrupts, software steering.
//!
//! Read from files below a root, so that a copy of another machine's /proc and /sys does as well.

use std::fs;
use std::path::{Path, PathBuf};

/// A card as `/sys/class/net` and `/proc/interrupts` show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Card {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Receive queues.
    pub queues: usize,
    /// For each interrupt of a receiving queue, in the order of the queues: its number and the CPUs that may serve it.
    pub interrupts: Vec<(u32, Vec<usize>)>,
    /// Some queue hands its packets on to other CPUs in software (RPS).
    pub has_rps: bool,
}

/// Parses a list of CPUs such as `0-3,8`; what is no list has none.
#[must_use]
pub fn cpu_list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<usize>().ok()?..=last.trim().parse::<usize>().ok()?)
    };
    text.trim().split(',').filter_map(range).flatten().collect()
}

/// Returns the names of the cards that stand for hardware: those with a device behind them, in order.
#[must_use]
pub fn cards(root: &Path) -> Vec<String> {
    let class = root.join("sys/class/net");
    names(&class).into_iter().filter(|name| class.join(name).join("device").exists()).collect()
}

/// Reads what there is of the card `name`; a card that does not exist has no queues.
#[must_use]
pub fn card(root: &Path, name: &str) -> Card {
    let at = root.join("sys/class/net").join(name);
    let queues: Vec<PathBuf> = names(&at.join("queues"))
        .into_iter()
        .filter(|queue| queue.starts_with("rx-"))
        .map(|queue| at.join("queues").join(queue))
        .collect();
    let is_set = |queue: &PathBuf| {
        let mask = fs::read_to_string(queue.join("rps_cpus")).unwrap_or_default();
        mask.trim().chars().any(|digit| !matches!(digit, '0' | ','))
    };
    // A virtio card's interrupts carry the name of its device, most others' the card's own.
    let device = fs::canonicalize(at.join("device")).ok();
    let device =
        device.as_deref().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    let table = fs::read_to_string(root.join("proc/interrupts")).unwrap_or_default();
    let numbers = table.lines().filter_map(|line| receiving(line, name, device));
    let cpus = |number: u32| {
        let file = root.join(format!("proc/irq/{number}/smp_affinity_list"));
        (number, cpu_list(&fs::read_to_string(file).unwrap_or_default()))
    };
    Card {
        name: name.to_owned(),
        queues: queues.len(),
        interrupts: numbers.map(cpus).collect(),
        has_rps: queues.iter().any(is_set),
    }
}

/// Returns the number of a line of `/proc/interrupts` if it is about packets that `card` receives.
fn receiving(line: &str, card: &str, device: &str) -> Option<u32> {
    let (number, rest) = line.split_once(':')?;
    let name = rest.split_whitespace().last()?;
    let own = name.strip_prefix(card).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let of_device = !device.is_empty()
        && name
            .strip_prefix(device)
            .is_some_and(|rest| rest.starts_with("-input") || rest.starts_with("-rx"));
    let other = ["mgmnt", "config", "event", "-tx"].iter().any(|word| name.ends_with(word));
    if (own || of_device) && !other { number.trim().parse().ok() } else { None }
}

/// Returns the card that packets to and from `address` take: that of the most exact route (`/proc/net/route` has those of IPv4
/// only), or the only one there is.
#[must_use]
pub fn card_of(root: &Path, address: std::net::IpAddr) -> Option<String> {
    let table = fs::read_to_string(root.join("proc/net/route")).unwrap_or_default();
    let hex = |field: Option<&&str>| u32::from_str_radix(field?, 16).ok().map(u32::from_be);
    let wanted = match address {
        std::net::IpAddr::V4(address) => Some(u32::from(address)),
        std::net::IpAddr::V6(_) => None,
    };
    let routes = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (to, mask) = (hex(fields.get(1))?, hex(fields.get(7))?);
        let fits =
            wanted.is_some_and(|wanted| wanted == 0 && mask == 0 || wanted != 0 && wanted & mask == to);
        fits.then(|| (mask, fields[0].to_owned()))
    });
    let cards = cards(root);
    let found = routes.max_by_key(|(mask, _)| *mask).map(|(_, card)| card);
    found.or_else(|| if let [only] = cards.as_slice() { Some(only.clone()) } else { None })
}

/// Names in a directory, numbers in names compared as numbers.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpu_list("0-2,5\n"), [0, 1, 2, 5]);
        assert_eq!(cpu_list("7"), [7]);
        assert!(cpu_list("").is_empty() && cpu_list("none").is_empty());
    }

    #[test]
    fn interrupts_that_bring_packets() {
        let ena = " 26:  1  2  PCI-MSI 81922-edge      eth0-Tx-Rx-1";
        assert_eq!(receiving(ena, "eth0", "0000:00:05.0"), Some(26));
        assert_eq!(receiving(" 24: 1 PCI-MSI ena-mgmnt@pci:0000:00:05.0", "eth0", "0000:00:05.0"), None);
        assert_eq!(receiving(" 41: 7 PCI-MSIX-0000 1-edge virtio3-input.0", "eth0", "virtio3"), Some(41));
        assert_eq!(receiving(" 42: 7 PCI-MSIX-0000 2-edge virtio3-output.0", "eth0", "virtio3"), None);
        assert_eq!(receiving(" 42: 7 PCI-MSIX-0000 2-edge virtio33-input.0", "eth0", "virtio3"), None);
        assert_eq!(receiving(" 75: 9 xen-dyn -event eth0-q0-rx", "eth0", "vif-0"), Some(75));
        assert_eq!(receiving("NMI: 0 0 Non-maskable interrupts", "eth0", ""), None);
    }
}
