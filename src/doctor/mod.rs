//! The auditor of the machine: what holds a server back here, what to do about it, and what that risks.
//!
//! Everything is read from files below a root (the machine's own, or a copy of another's), by checks that are one
//! function for each group. It changes nothing and needs no privileges; what only root may see is skipped and said so.

mod access;
pub(crate) mod catalog;
mod certificates;
mod clock;
mod cpu;
mod drops;
pub(crate) mod finding;
pub(crate) mod machine;
mod network;
pub(crate) mod profile;
pub(crate) mod question;
pub(crate) mod report;
mod settings;
mod shared_log;
mod site;
mod storage;
pub(crate) mod watch;

use finding::Finding;
use machine::Machine;
use question::Question;

/// Looks at everything, group by group, in the order of the report.
#[must_use]
pub fn examine(machine: &Machine, question: &Question) -> Vec<Finding> {
    let mut found = settings::check(machine, question.profile);
    found.extend(cpu::check(machine, question.profile));
    found.extend(network::check(machine, question));
    found.extend(drops::check(machine));
    found.extend(storage::check(machine, &question.data_dir));
    found.extend(clock::check(machine));
    found.extend(site::check(machine, question));
    found.extend(access::check(machine, question));
    found.extend(shared_log::check(machine, question));
    // One group after the other, whoever found it.
    found.sort_by_key(|finding| catalog::rank(finding.id));
    found
}
