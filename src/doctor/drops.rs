//! What was dropped since boot, and at which door.

use super::finding::Finding;
use super::machine::Machine;

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    let listen = |name| machine.counter("proc/net/netstat", "TcpExt:", name);
    let sum = listen("ListenDrops").zip(listen("TCPBacklogDrop")).map(|(a, b)| a + b);
    vec![
        counted("drops.listen", sum, "connections and segments"),
        counted("drops.softnet", machine.softnet(1), "packets"),
        squeezed(machine),
        retransmitted(machine),
    ]
}

fn counted(id: &'static str, count: Option<u64>, what: &str) -> Finding {
    match count {
        None => Finding::skip(id, "the counter is not there"),
        Some(0) => Finding::pass(id, "none"),
        Some(count) => Finding::warn(id, format!("{count} {what} since boot"), "none; see `--watch` for now"),
    }
}

/// Checks how often the kernel's polls of a card ran out of budget: now and then is usual, often is not.
fn squeezed(machine: &Machine) -> Finding {
    const ID: &str = "drops.squeeze";
    match (machine.softnet(2), machine.softnet(0)) {
        (Some(squeezes), Some(packets)) if squeezes * 1_000 > packets => {
            Finding::warn(ID, format!("{squeezes} of {packets} packets' polls"), "below 0.1 %")
                .with_fix("sysctl -w net.core.netdev_budget=600 net.core.netdev_budget_usecs=4000")
        }
        (Some(squeezes), Some(_)) => Finding::pass(ID, squeezes.to_string()),
        _ => Finding::skip(ID, "the counter is not there"),
    }
}

fn retransmitted(machine: &Machine) -> Finding {
    const ID: &str = "drops.retransmits";
    let counter = |name| machine.counter("proc/net/snmp", "Tcp:", name);
    let (Some(sent), Some(again)) = (counter("OutSegs"), counter("RetransSegs")) else {
        return Finding::skip(ID, "the counter is not there");
    };
    let share = again as f64 * 100.0 / sent.max(1) as f64;
    let current = format!("{share:.3} % of {sent} segments");
    if share < 0.1 { Finding::pass(ID, current) } else { Finding::warn(ID, current, "below 0.1 %") }
}
