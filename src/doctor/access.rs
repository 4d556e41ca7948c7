//! Who may reach the server and do what, as far as files and the configuration tell.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::certificates;
use super::finding::Finding;
use super::machine::Machine;
use super::question::{Guard, Question};

/// Bits of a mode that let others than the owner read or write.
const OTHERS: u32 = 0o077;
/// Bits that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

pub(super) fn check(machine: &Machine, question: &Question) -> Vec<Finding> {
    const IDS: [&str; 6] = [
        "security.access",
        "security.transport",
        certificates::TIME,
        certificates::CHAIN,
        "security.keys",
        "security.cores",
    ];
    let guard = match &question.guard {
        _ if !machine.is_live() => Err("a copy of files has no configuration".to_owned()),
        Ok(guard) => Ok(guard),
        Err(why) => Err(why.clone()),
    };
    match guard {
        Err(why) => IDS.iter().map(|id| Finding::skip(id, why.clone())).collect(),
        Ok(guard) => vec![
            access(guard),
            transport(guard),
            certificates::time(guard),
            certificates::chain(guard),
            keys(guard, &question.data_dir),
            cores(machine, guard),
        ],
    }
}

fn access(guard: &Guard) -> Finding {
    const ID: &str = "security.access";
    let public = guard.public.join(", ");
    match (&guard.tokens, guard.public.is_empty()) {
        (_, true) => Finding::pass(ID, "this machine only"),
        (Some(_), false) => Finding::pass(ID, format!("{public}, with tokens")),
        (None, false) if guard.is_open => {
            Finding::warn(ID, format!("{public}: everybody may do everything, as --open says"), "tokens")
        }
        (None, false) => Finding::fail(
            ID,
            format!("{public}: everybody may read, write and delete everything"),
            "tokens: `pixeld token new --help`, --tokens FILE",
        ),
    }
}

fn transport(guard: &Guard) -> Finding {
    const ID: &str = "security.transport";
    let clear = guard.clear.join(", ");
    if guard.clear.is_empty() {
        Finding::pass(ID, "nothing leaves this machine in the clear")
    } else if guard.tokens.is_some() {
        Finding::warn(
            ID,
            format!("{clear}: tokens travel in the clear"),
            "TLS, here or in front, or a private network",
        )
    } else {
        Finding::warn(
            ID,
            format!("{clear}: everything travels in the clear"),
            "TLS, here or in front, or a private network",
        )
    }
}

fn keys(guard: &Guard, data_dir: &Path) -> Finding {
    const ID: &str = "security.keys";
    let mode = |path: &Path| std::fs::metadata(path).ok().map(|about| about.permissions().mode());
    let secret = guard.secrets.iter().map(|path| (path.clone(), OTHERS));
    let secret = secret.chain([(data_dir.join(guard.host_key), OTHERS)]);
    let all = secret.chain(guard.tokens.iter().map(|path| (path.clone(), OTHERS_WRITE)));
    let open: Vec<_> = all.filter(|(path, bits)| mode(path).is_some_and(|mode| mode & bits != 0)).collect();
    if open.is_empty() {
        return Finding::pass(ID, "files of keys and tokens are the owner's");
    }
    let names: Vec<String> = open.iter().map(|(path, _)| path.display().to_string()).collect();
    let fixes: Vec<String> = open
        .iter()
        .map(|(path, bits)| {
            let who = if *bits == OTHERS { "go-rwx" } else { "go-w" };
            format!("chmod {who} '{}'", path.display())
        })
        .collect();
    Finding::fail(ID, format!("others may read or change {}", names.join(", ")), "the owner only")
        .with_fix(fixes.join("\n"))
}

/// A server with tokens or keys of certificates forbids its cores itself.
fn cores(machine: &Machine, guard: &Guard) -> Finding {
    const ID: &str = "security.cores";
    if guard.tokens.is_some() || !guard.certificates.is_empty() {
        return Finding::pass(ID, "a server with tokens or certificates leaves none");
    }
    let pattern = machine.text("proc/sys/kernel/core_pattern").unwrap_or_default();
    let limits = machine.text("proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max core file size"));
    let is_off = limit.is_some_and(|rest| rest.split_whitespace().next() == Some("0"));
    match pattern.trim() {
        "" => Finding::pass(ID, "the kernel writes none"),
        pattern if pattern.starts_with('|') => Finding::warn(
            ID,
            format!("a crash hands the memory to {}", &pattern[1..]),
            "LimitCORE=0 in the unit",
        ),
        _ if is_off => Finding::pass(ID, "ulimit -c is 0 in this shell"),
        pattern => {
            Finding::warn(ID, format!("a crash leaves the memory in {pattern}"), "LimitCORE=0 in the unit")
        }
    }
}
