//! The seam in front of replication: outside of its rooms few files name more of it than its methods, so that another transport
//! can stand behind them.

use crate::paths::{self, File, Mention, Target, mentions};
use crate::rules::Breach;
use crate::{listed, sources};

/// Where replication is at home.
const HOMES: [&[&str]; 3] =
    [&["engine", "shared", "peering"], &["engine", "replication"], &["engine", "link"]];

/// Files of the engine that name more than the seam, and what for. The list only gets shorter.
const EXCEPTIONS: [&str; 3] = [
    // Puts sealed batches into the outbox and takes what arrived out of the inbox, in the middle of a commit.
    "src/engine/commit/committer/peer.rs",
    // Show what the link counts.
    "src/engine/status/replication.rs",
    "src/engine/status/peer.rs",
];

/// What stands behind the seam, as fields and as modules.
const BEHIND: [&str; 9] =
    ["bell", "counters", "delays", "inbox", "joining", "outbox", "own_committed", "progress", "standing"];

/// Returns where files of the engine, but those of `exceptions`, reach behind the seam, and exceptions that do no more.
fn breaches(files: &[File], exceptions: &[&str]) -> Vec<Breach> {
    let is_strange = |file: &&File| {
        file.module.first().is_some_and(|room| room == "engine")
            && !HOMES
                .iter()
                .any(|home| file.module.iter().map(String::as_str).take(home.len()).eq(home.iter().copied()))
    };
    let mut found = Vec::new();
    for file in files.iter().filter(is_strange) {
        let reached = fields(file).into_iter().chain(modules(file, files)).min_by_key(|breach| breach.line);
        match (exceptions.contains(&file.name.as_str()), reached) {
            (false, Some(breach)) => found.push(breach),
            (true, None) => {
                let what = "is an exception no more".to_owned();
                found.push(Breach { file: file.name.clone(), line: 1, what });
            }
            _ => {}
        }
    }
    found
}

/// Fields behind the seam that a file names which names `peering`; those of its own types begin with `self`.
fn fields(file: &File) -> Vec<Breach> {
    if !file.tokens.iter().any(|token| token.is("peering")) {
        return Vec::new();
    }
    let reaches = |at: usize| {
        let [of, dot, field] = [&file.tokens[at - 2], &file.tokens[at - 1], &file.tokens[at]];
        let is_call = file.tokens.get(at + 1).is_some_and(|next| next.marks('(')) && !field.is("delays");
        let name = field.word().filter(|name| BEHIND.contains(name))?;
        (dot.marks('.') && !of.is("self") && !is_call).then(|| breach(file, field.line, name))
    };
    (2..file.tokens.len()).filter_map(reaches).collect()
}

/// Modules behind the seam that a file names.
fn modules(file: &File, files: &[File]) -> Vec<Breach> {
    let reaches = |Mention { line, target }| {
        let Target::Local(module) = target else { return None };
        let behind = module.iter().map(String::as_str).skip_while(|name| *name != "peering").nth(1)?;
        BEHIND.contains(&behind).then(|| breach(file, line, behind))
    };
    mentions(file, files).into_iter().filter_map(reaches).collect()
}

fn breach(file: &File, line: usize, name: &str) -> Breach {
    Breach {
        file: file.name.clone(),
        line,
        what: format!("reaches for `{name}` behind the seam of replication"),
    }
}

#[test]
fn few_files_reach_behind_the_seam_of_replication() {
    let breaches = breaches(&paths::read(&sources()), &EXCEPTIONS);
    assert!(breaches.is_empty(), "{} breaches:{}", breaches.len(), listed(&breaches));
    assert!(EXCEPTIONS.len() <= 4, "four at most");
}

fn judged(text: &str, exceptions: &[&str]) -> Vec<String> {
    let tree = [
        ("src/engine/shared/peering/mod.rs", "pub mod outbox; fn f(peering: P) { peering.outbox.take() }"),
        ("src/engine/shared/peering/outbox.rs", ""),
        ("src/engine/link/mod.rs", "fn f(peering: P) { peering.bell.ring() }"),
        ("src/engine/storage/keeper.rs", text),
    ];
    let tree: Vec<(String, String)> =
        tree.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
    breaches(&paths::read(&tree), exceptions).iter().map(ToString::to_string).collect()
}

#[test]
fn a_field_and_a_module_behind_the_seam_are_refused_and_methods_are_not() {
    const KEEPER: &str = "src/engine/storage/keeper.rs";
    let refused = |name| [format!("{KEEPER}:1: reaches for `{name}` behind the seam of replication")];
    assert_eq!(
        judged("fn f(s: S) { s.peering.as_ref().map(|p| p.standing.look()) }", &[]),
        refused("standing")
    );
    assert_eq!(judged("fn f(peering: P) { peering.delays().reached() }", &[]), refused("delays"));
    let module = "use crate::engine::shared::peering::outbox::Next;";
    assert_eq!(judged(module, &[]), refused("outbox"));
    assert_eq!(judged(module, &[KEEPER]), Vec::<String>::new());
    let through =
        "fn f(peering: P) { peering.call(); peering.look().durable; self.standing = peering.is_joining() }";
    assert_eq!(judged(through, &[]), Vec::<String>::new());
    assert_eq!(judged(through, &[KEEPER]), [format!("{KEEPER}:1: is an exception no more")]);
}
