//! The rules, as tables and as functions from files to what breaks them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::paths::{File, Mention, Module, Target, mentions};
use crate::tokens::{Token, closing};

/// Height of each top-level module; imports go to lower ones only. Equal heights are neighbours that do not see each
/// other. The three modules of the topmost layer stand on each other.
const HEIGHTS: [(&str, u8); 16] = [
    ("main", 52),
    ("cli", 51),
    ("config", 50),
    // The process that decodes pictures for applications; the engine knows nothing of it.
    ("decoder", 40),
    ("bench", 30),
    ("engine", 30),
    ("apps", 30),
    ("doctor", 30),
    ("app", 25),
    ("http", 20),
    ("log", 20),
    ("peer", 20),
    ("os", 10),
    ("base", 0),
    // The root declares modules and nothing else, so nothing may import it.
    ("", u8::MAX),
    ("lib", u8::MAX),
];

/// Height of each room of the load generator's crate; the same rule.
const ROOMS: [(&str, u8); 14] = [
    ("tools", 6),
    // It reads keys as the load generator's screen does.
    ("top", 6),
    ("screen", 5),
    ("report", 4),
    ("agent", 4),
    ("driver", 3),
    ("scenario", 2),
    ("send", 2),
    ("client", 1),
    // How amounts are written, what outputs don't show, lines on stderr, and files that a user names: everybody's.
    ("quantity", 0),
    ("redaction", 0),
    ("output", 0),
    ("input", 0),
    ("", u8::MAX),
];

/// Modules without a clock, a socket, a file or a thread: bytes and time come in, bytes and events go out.
const PURE: [&str; 6] = ["base", "http", "log", "peer", "app", "apps"];

/// What pure modules may take from `os`: the disk is a trait that tests replace.
const PURE_MAY_SEE: [&str; 2] = ["os", "disk"];

/// Paths of the standard library that reach out of the process or read its clocks.
const IMPURE: [&[&str]; 8] = [
    &["std", "fs"],
    &["std", "net"],
    &["std", "os"],
    &["std", "thread"],
    &["std", "process"],
    &["std", "env"],
    &["std", "time", "Instant"],
    &["std", "time", "SystemTime"],
];

/// Macros that end the process where stdout or stderr can't be written: a full disk, a reader that has gone. The place for
/// output is `os::output`.
const ENDING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

/// Where a crate may be named: modules, from the root on. What is not at home anywhere else is everybody's.
pub const HOMES: &[(&str, &[&str])] = &[
    ("async_nats", &["engine"]),
    ("base64", &["apps", "engine", "bench"]),
    ("clap", &["cli", "config"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("color_quant", &["bench"]),
    ("console", &["bench"]),
    ("core_affinity", &["os"]),
    ("crc32c", &["base", "log", "peer", "apps", "bench"]),
    ("crossbeam_channel", &["engine", "bench"]),
    ("dashu_int", &["apps"]),
    ("fast_image_resize", &["apps"]),
    ("flate2", &["app", "apps"]),
    ("futures_util", &["engine"]),
    ("getrandom", &["os", "log", "engine", "bench"]),
    ("gif", &["apps"]),
    ("hdrhistogram", &["engine", "bench"]),
    ("httparse", &["http", "bench"]),
    ("httpdate", &["http"]),
    ("image", &["apps", "bench"]),
    ("image_webp", &["apps"]),
    ("indicatif", &["cli", "bench"]),
    ("itoa", &["base", "http", "log", "apps", "engine", "bench"]),
    ("jpeg_decoder", &["apps"]),
    ("landlock", &["os"]),
    ("libc", &["os"]),
    ("libjpeg_turbo_rs", &["apps"]),
    ("listenfd", &["os"]),
    ("memchr", &["base", "http", "log", "apps", "engine", "bench"]),
    ("mio", &["os", "engine", "bench"]),
    ("moxcms", &["apps"]),
    ("nix", &["os"]),
    ("object_store", &["engine"]),
    ("png", &["apps"]),
    ("ratatui", &["bench"]),
    // Named by the manifest only, for what it turns on.
    ("reqwest", &[]),
    ("ring", &["base", "os", "peer", "engine", "cli", "bench"]),
    ("roaring", &["base"]),
    ("rustix", &["os", "bench"]),
    ("rustls", &["peer", "engine", "bench"]),
    ("rustls_native_certs", &["bench"]),
    ("seccompiler", &["os"]),
    ("serde", &["apps", "config", "bench"]),
    ("serde_json", &["app", "apps", "engine", "config", "bench", "cli", "doctor"]),
    ("shlex", &["bench"]),
    ("signal_hook", &["os"]),
    ("socket2", &["os"]),
    ("tempfile", &["cli", "bench"]),
    (
        "thiserror",
        &[
            "base", "os", "http", "log", "peer", "app", "apps", "decoder", "engine", "bench", "doctor",
            "config", "cli",
        ],
    ),
    ("thread_priority", &["os"]),
    ("time", &["http"]),
    ("tokio", &["engine"]),
    ("toml", &["config", "bench"]),
    ("tracing", &["engine", "bench", "cli", "main"]),
    ("tracing_subscriber", &["cli"]),
    ("uuid", &["apps"]),
    ("xxhash_rust", &["app", "base", "log", "peer"]),
];

/// Lines of a file, and of a function, beyond which they are reported.
pub const FILE_LINES: usize = 400;
pub const FUNCTION_LINES: usize = 70;

/// A rule that is broken, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Breach {
    pub file: String,
    pub line: usize,
    pub what: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.what)
    }
}

/// Everything in `files` that breaks a rule, once per line and reason.
pub fn breaches(files: &[File]) -> Vec<Breach> {
    let mut found = BTreeSet::new();
    let mut edges: BTreeMap<Module, Vec<(Module, usize)>> = BTreeMap::new();
    for file in files {
        for mention in mentions(file, files) {
            let reasons = match &mention.target {
                Target::Local(module) => {
                    edges.entry(file.module.clone()).or_default().push((module.clone(), mention.line));
                    vec![direction(&file.module, module), pure_sight(&file.module, module)]
                }
                Target::Foreign(path) => vec![home(&file.module, path), purity(&file.module, path)],
            };
            found.extend(reasons.into_iter().flatten().map(|what| breach(file, &mention, what)));
        }
        for (name, line) in ending(&file.tokens) {
            let what = format!("`{name}!` ends the process when it can't be written; use os::output");
            found.insert(Breach { file: file.name.clone(), line, what });
        }
        if height(&file.module).is_none() {
            let what = format!("`{}` has no layer in tests/architecture/rules.rs", file.module.join("::"));
            found.insert(Breach { file: file.name.clone(), line: 1, what });
        }
    }
    found.extend(cycles(files, &edges));
    found.into_iter().collect()
}

/// Every use of a macro of `ENDING`: its name and its line.
fn ending(tokens: &[Token]) -> Vec<(&'static str, usize)> {
    let calls = tokens.windows(2).filter(|pair| pair[1].marks('!'));
    calls.filter_map(|pair| Some((*ENDING.iter().find(|name| pair[0].is(name))?, pair[0].line))).collect()
}

fn breach(file: &File, mention: &Mention, what: String) -> Breach {
    Breach { file: file.name.clone(), line: mention.line, what }
}

fn top(module: &Module) -> &str {
    module.first().map_or("", String::as_str)
}

fn room(module: &Module) -> &str {
    module.get(1).map_or("", String::as_str)
}

fn height(module: &Module) -> Option<u8> {
    if top(module) == "bench" && !ROOMS.iter().any(|(name, _)| *name == room(module)) {
        return None;
    }
    HEIGHTS.iter().find(|(name, _)| *name == top(module)).map(|(_, height)| *height)
}

/// Imports go down, and not to a neighbour.
fn direction(from: &Module, to: &Module) -> Option<String> {
    if top(from) == top(to) && (top(from) != "bench" || room(from) == room(to)) {
        return None;
    }
    let of_room = |module| ROOMS.iter().find(|(name, _)| *name == room(module)).map(|(_, height)| *height);
    let inside = top(from) == top(to);
    let (own, other) = if inside { (of_room(from)?, of_room(to)?) } else { (height(from)?, height(to)?) };
    match own.cmp(&other) {
        std::cmp::Ordering::Greater => None,
        std::cmp::Ordering::Equal => Some(format!("imports its neighbour `{}`", to.join("::"))),
        std::cmp::Ordering::Less => Some(format!("imports upward: `{}`", to.join("::"))),
    }
}

/// A pure module sees of `os` the disk only.
fn pure_sight(from: &Module, to: &Module) -> Option<String> {
    let foul = PURE.contains(&top(from)) && top(to) == "os" && *to != PURE_MAY_SEE;
    foul.then(|| format!("a pure layer names `{}`", to.join("::")))
}

/// A pure module names no clock, socket, file or thread.
fn purity(from: &Module, path: &[String]) -> Option<String> {
    let foul = PURE.contains(&top(from)) && IMPURE.iter().any(|impure| starts_with(path, impure));
    foul.then(|| format!("a pure layer names `{}`", path.join("::")))
}

fn starts_with(path: &[String], prefix: &[&str]) -> bool {
    path.len() >= prefix.len() && prefix.iter().zip(path).all(|(a, b)| a == b)
}

/// A crate is named at its home only.
fn home(from: &Module, path: &[String]) -> Option<String> {
    let (name, homes) = HOMES.iter().find(|(name, _)| *name == path[0])?;
    (!homes.contains(&top(from))).then(|| format!("`{name}` is at home in {}", homes.join(", ")))
}

/// Modules that import each other, directly or through others: one breach for each knot, at its first file.
fn cycles(files: &[File], edges: &BTreeMap<Module, Vec<(Module, usize)>>) -> Vec<Breach> {
    let reach: BTreeMap<&Module, BTreeSet<&Module>> =
        files.iter().map(|file| (&file.module, reachable(&file.module, edges))).collect();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for file in files {
        let knot: BTreeSet<&Module> = reach[&file.module]
            .iter()
            .copied()
            .filter(|other| reach.get(*other).is_some_and(|back| back.contains(&file.module)))
            .collect();
        if knot.contains(&file.module) && knot.iter().all(|module| told.insert((*module).clone())) {
            let ties: Vec<String> = knot.iter().flat_map(|module| ties(module, &knot, edges)).collect();
            let inward = |(to, _): &&(Module, usize)| knot.contains(to);
            let line = edges[&file.module].iter().find(inward).map_or(1, |(_, line)| *line);
            let what = format!("a cycle of modules: {}", ties.join(", "));
            found.push(Breach { file: file.name.clone(), line, what });
        }
    }
    found
}

/// The imports of `module` that stay in `knot`, each with its first line.
fn ties(
    module: &Module,
    knot: &BTreeSet<&Module>,
    edges: &BTreeMap<Module, Vec<(Module, usize)>>,
) -> Vec<String> {
    let mut first = BTreeMap::new();
    for (to, line) in edges[module].iter().filter(|(to, _)| knot.contains(to)) {
        let least = first.entry(to).or_insert(*line);
        *least = (*least).min(*line);
    }
    let tie = |(to, line): (&Module, usize)| format!("{}:{line} -> {}", module.join("::"), to.join("::"));
    first.into_iter().map(tie).collect()
}

/// All modules that can be reached from `start` by at least one import.
fn reachable<'a>(start: &Module, edges: &'a BTreeMap<Module, Vec<(Module, usize)>>) -> BTreeSet<&'a Module> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(module) = open.pop() {
        for (to, _) in edges.get(module).into_iter().flatten() {
            if seen.insert(to) {
                open.push(to);
            }
        }
    }
    seen
}

/// Crates of `HOMES` and of the manifest that the other does not have.
pub fn strangers(dependencies: &[String]) -> Vec<String> {
    let known: BTreeSet<&str> = HOMES.iter().map(|(name, _)| *name).collect();
    let used: BTreeSet<&str> = dependencies.iter().map(String::as_str).collect();
    let homeless = used.difference(&known).map(|name| format!("`{name}` has no home in HOMES"));
    let gone = known.difference(&used).map(|name| format!("`{name}` of HOMES is no dependency"));
    homeless.chain(gone).collect()
}

/// Crates that no file names.
pub fn unused(dependencies: &[String], files: &[File]) -> Vec<String> {
    let named: BTreeSet<String> = files
        .iter()
        .flat_map(|file| mentions(file, files))
        .filter_map(|mention| match mention.target {
            Target::Foreign(path) => Some(path[0].clone()),
            Target::Local(_) => None,
        })
        .collect();
    dependencies.iter().filter(|name| !named.contains(*name)).cloned().collect()
}

/// Files and functions that are longer than they should be, tests not counted.
pub fn outliers(files: &[File]) -> Vec<Breach> {
    let mut found = Vec::new();
    for file in files {
        let lines: BTreeSet<usize> = file.tokens.iter().map(|token| token.line).collect();
        let last = lines.last().copied().unwrap_or(0);
        if last > FILE_LINES {
            found.push(Breach { file: file.name.clone(), line: last, what: format!("{last} lines") });
        }
        for (name, line, length) in functions(&file.tokens) {
            if length > FUNCTION_LINES {
                let what = format!("function `{name}` has {length} lines");
                found.push(Breach { file: file.name.clone(), line, what });
            }
        }
    }
    found
}

/// Name, line and length in lines of every function with a body.
fn functions(tokens: &[Token]) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for at in 0..tokens.len() {
        let Some(name) = tokens.get(at + 1).and_then(Token::word) else { continue };
        if !tokens[at].is("fn") {
            continue;
        }
        let mut next = at + 2;
        while next < tokens.len() && !tokens[next].marks('{') && !tokens[next].marks(';') {
            next =
                if tokens[next].marks('(') || tokens[next].marks('[') { closing(tokens, next) } else { next }
                    + 1;
        }
        if next < tokens.len() && tokens[next].marks('{') {
            let lines = tokens[closing(tokens, next)].line - tokens[at].line + 1;
            found.push((name.to_owned(), tokens[at].line, lines));
        }
    }
    found
}
