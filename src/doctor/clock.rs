//! The clock: what reading it costs, and whether it agrees with the world.

use super::finding::Finding;
use super::machine::Machine;

/// Sources that a process reads without a system call.
const CHEAP: [&str; 5] = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page", "timebase"];
/// Offset beyond which times on two hosts no longer tell which write was first, seconds.
const OFFSET_S: f64 = 0.1;

pub(super) fn check(machine: &Machine) -> Vec<Finding> {
    vec![source(machine), offset(machine)]
}

fn source(machine: &Machine) -> Finding {
    const ID: &str = "clock.source";
    let at = "sys/devices/system/clocksource/clocksource0";
    let Some(current) = machine.text(&format!("{at}/current_clocksource")) else {
        return Finding::skip(ID, "not visible here");
    };
    if CHEAP.contains(&current.as_str()) {
        return Finding::pass(ID, current);
    }
    let available = machine.text(&format!("{at}/available_clocksource")).unwrap_or_default();
    let better = available.split_whitespace().find(|source| CHEAP.contains(source));
    match better {
        Some(better) => {
            Finding::warn(ID, current, better).with_fix(format!("echo {better} >/{at}/current_clocksource"))
        }
        None => Finding::warn(ID, current, "a source without a system call; this machine has none"),
    }
}

fn offset(machine: &Machine) -> Finding {
    const ID: &str = "clock.offset";
    // The fifth field is how far the system's time is off, in seconds.
    let tracking = machine.output("chronyc", &["-c", "tracking"]);
    let field = tracking.as_deref().and_then(|line| line.split(',').nth(4)?.parse::<f64>().ok());
    match field {
        None => Finding::skip(ID, "chronyc is not there; install chrony on both hosts"),
        Some(offset) if offset.abs() <= OFFSET_S => Finding::pass(ID, format!("{:.3} ms", offset * 1_000.0)),
        Some(offset) => Finding::warn(ID, format!("{offset:.3} s"), format!("within {OFFSET_S} s"))
            .with_fix("chronyc makestep"),
    }
}
