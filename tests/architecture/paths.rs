//! From the tokens of all files to who names whom: modules, and everything outside of the crate.

use std::collections::{BTreeMap, BTreeSet};

use crate::tokens::{Token, closing, tokens, without_tests};

/// A module's path from the crate's root: `["http", "request"]`; the root itself is empty, the binary's is `["main"]`.
/// The load generator's crate stands among the modules of the server's, as `["bench"]`.
pub type Module = Vec<String>;

/// The root module of the load generator's crate, and its folder.
const BENCH: &str = "bench";

/// One source file without its tests.
pub struct File {
    /// Path as it is shown: `src/http/request.rs`.
    pub name: String,
    pub module: Module,
    pub tokens: Vec<Token>,
    /// Names brought in by `use` or declared by `mod`, and the full paths they stand for.
    bindings: BTreeMap<String, Vec<String>>,
    /// Those of them that others see through this module.
    exports: BTreeMap<String, Vec<String>>,
}

/// A path that a file names.
#[derive(Clone, Debug)]
pub struct Mention {
    pub line: usize,
    pub target: Target,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To another module of this crate.
    Local(Module),
    /// Out of it: the path starts with `std` or another crate's name.
    Foreign(Vec<String>),
}

impl File {
    /// The full path of the type that this file calls `name`.
    pub fn full_name(&self, name: &str) -> String {
        let own = || self.module.iter().cloned().chain([name.to_owned()]).collect();
        let path = self.bindings.get(name).map_or_else(own, |path| path[1..].to_vec());
        path.join("::")
    }
}

/// The module that a file below `src` or `bench/src` is.
pub fn module_of(name: &str) -> Module {
    let path = name.trim_end_matches(".rs");
    if let Some(path) = path.strip_prefix("bench/src/") {
        let own = module_of(path);
        return [vec![BENCH.to_owned()], own].concat();
    }
    let path = path.trim_start_matches("src/");
    let mut module: Module = path.split('/').map(str::to_owned).collect();
    match module.last().map(String::as_str) {
        Some("mod") => drop(module.pop()),
        Some("lib") if module.len() == 1 => module.clear(),
        _ => {}
    }
    module
}

/// Reads all files, each a name and its text; those that only tests compile are left out.
pub fn read(sources: &[(String, String)]) -> Vec<File> {
    let mut files = Vec::new();
    let mut test_modules = BTreeSet::new();
    for (name, text) in sources {
        let module = module_of(name);
        let (tokens, tests) = without_tests(&tokens(text));
        for child in tests {
            let mut path = module.clone();
            path.push(child);
            test_modules.insert(path);
        }
        let mut file =
            File { name: name.clone(), module, tokens, bindings: BTreeMap::new(), exports: BTreeMap::new() };
        bind(&mut file);
        files.push(file);
    }
    files.retain(|file| !test_modules.contains(&file.module));
    files
}

/// Fills in what the file's `mod` and `use` items bind.
fn bind(file: &mut File) {
    let mut scopes = Scopes::new(&file.module);
    for at in 0..file.tokens.len() {
        scopes.turn(&file.tokens, at);
        let Some(name) = file.tokens.get(at + 1).and_then(Token::word) else { continue };
        if file.tokens[at].is("mod") {
            let path = ["crate".to_owned()].into_iter().chain(scopes.module().iter().cloned());
            file.bindings.insert(name.to_owned(), path.chain([name.to_owned()]).collect());
        }
    }
    let mut scopes = Scopes::new(&file.module);
    for at in 0..file.tokens.len() {
        scopes.turn(&file.tokens, at);
        if !file.tokens[at].is("use") {
            continue;
        }
        let public = at > 0 && (file.tokens[at - 1].is("pub") || file.tokens[at - 1].marks(')'));
        for (path, name) in use_leaves(&file.tokens, at) {
            let full = unbound(&absolute(&path, scopes.module()), &file.bindings);
            if public {
                file.exports.insert(name.clone(), full.clone());
            }
            file.bindings.insert(name, full);
        }
    }
}

/// `path` with its first word replaced by what that word is bound to.
fn unbound(path: &[String], bindings: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    match bindings.get(&path[0]) {
        Some(full) => full.iter().chain(&path[1..]).cloned().collect(),
        None => path.to_vec(),
    }
}

/// The inline modules (`mod name { ... }`) around a token.
struct Scopes {
    module: Module,
    /// Indices behind which the innermost inline modules end.
    ends: Vec<usize>,
}

impl Scopes {
    fn new(module: &Module) -> Self {
        Self { module: module.clone(), ends: Vec::new() }
    }

    fn module(&self) -> &Module {
        &self.module
    }

    /// Takes note of the token at `at`; called for every token in order.
    fn turn(&mut self, tokens: &[Token], at: usize) {
        while self.ends.last().is_some_and(|end| at > *end) {
            self.ends.pop();
            self.module.pop();
        }
        if let [brace, name, keyword] = [at, at.wrapping_sub(1), at.wrapping_sub(2)].map(|at| tokens.get(at))
            && brace.is_some_and(|token| token.marks('{'))
            && keyword.is_some_and(|token| token.is("mod"))
            && let Some(name) = name.and_then(Token::word)
        {
            self.module.push(name.to_owned());
            self.ends.push(closing(tokens, at));
        }
    }
}

/// `path` with `self` and `super` replaced by what they stand for in `module`.
fn absolute(path: &[String], module: &Module) -> Vec<String> {
    let mut base = module.clone();
    let mut rest = path;
    match rest.first().map(String::as_str) {
        Some("self") => rest = &rest[1..],
        Some("super") => {}
        Some("crate") if module.first().is_some_and(|root| root == BENCH) => return in_bench(&path[1..]),
        Some("pixeld_bench") => return in_bench(&path[1..]),
        _ => return path.to_vec(),
    }
    while rest.first().is_some_and(|word| word == "super") {
        base.pop();
        rest = &rest[1..];
    }
    let mut full = vec!["crate".to_owned()];
    full.extend(base);
    full.extend_from_slice(rest);
    full
}

fn in_bench(path: &[String]) -> Vec<String> {
    [&["crate".to_owned(), BENCH.to_owned()], path].concat()
}

/// The paths of a `use` item whose keyword is at `at`, each with the name it binds.
fn use_leaves(tokens: &[Token], at: usize) -> Vec<(Vec<String>, String)> {
    let mut leaves = Vec::new();
    let starts_path = |token: &Token| token.word().is_some() || token.marks(':') || token.marks('{');
    if tokens.get(at + 1).is_some_and(starts_path) {
        use_tree(tokens, at + 1, &[], &mut leaves);
    }
    leaves
}

/// Reads one tree from `at` on; gives the index behind it.
fn use_tree(
    tokens: &[Token],
    mut at: usize,
    prefix: &[String],
    leaves: &mut Vec<(Vec<String>, String)>,
) -> usize {
    let mut path = prefix.to_vec();
    while let Some(token) = tokens.get(at) {
        if token.is("as") {
            let alias = tokens.get(at + 1).and_then(Token::word).unwrap_or("_");
            leaves.push((path, alias.to_owned()));
            return at + 2;
        } else if let Some(word) = token.word() {
            path.push(word.to_owned());
        } else if token.marks('{') {
            let end = closing(tokens, at);
            at += 1;
            while at < end {
                at = use_tree(tokens, at, &path, leaves) + usize::from(at < end);
            }
            return end + 1;
        } else if token.marks('*') {
            path.push("*".to_owned());
        } else if !token.marks(':') {
            break;
        }
        at += 1;
    }
    if path.len() > 1 && path.last().is_some_and(|word| word == "self") {
        path.pop();
    }
    if let Some(name) = path.last().cloned().filter(|_| path.len() > prefix.len() || !prefix.is_empty()) {
        leaves.push((path, name));
    }
    at
}

/// Every path that `file` names and that leads out of it.
pub fn mentions(file: &File, files: &[File]) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut scopes = Scopes::new(&file.module);
    let mut at = 0;
    while at < file.tokens.len() {
        scopes.turn(&file.tokens, at);
        let line = file.tokens[at].line;
        if file.tokens[at].is("use") {
            for (path, _) in use_leaves(&file.tokens, at) {
                found.push((line, absolute(&path, scopes.module())));
            }
            while at < file.tokens.len() && !file.tokens[at].marks(';') {
                at += 1;
            }
        } else if let Some(path) = path_at(&file.tokens, at) {
            at += 3 * (path.len() - 1);
            found.push((line, absolute(&path, scopes.module())));
        }
        at += 1;
    }
    let lead = |(line, path): (usize, Vec<String>)| {
        resolve(&path, file, files).map(|target| Mention { line, target })
    };
    found.into_iter().filter_map(lead).collect()
}

/// The path of at least two words that starts at `at`.
fn path_at(tokens: &[Token], at: usize) -> Option<Vec<String>> {
    let joined = |at: usize| {
        tokens.get(at).is_some_and(|t| t.marks(':')) && tokens.get(at + 1).is_some_and(|t| t.marks(':'))
    };
    if at >= 1 && tokens[at - 1].marks('.') || at >= 2 && joined(at - 2) && path_continues(tokens, at) {
        return None;
    }
    let mut path = vec![tokens[at].word()?.to_owned()];
    let mut next = at + 1;
    while joined(next) {
        let Some(word) = tokens.get(next + 2).and_then(Token::word) else { break };
        path.push(word.to_owned());
        next += 3;
    }
    (path.len() > 1).then_some(path)
}

/// Whether the `::` before `at` follows a word, so that this is the middle of a path and not `::std::fs`.
fn path_continues(tokens: &[Token], at: usize) -> bool {
    at >= 3 && (tokens[at - 3].word().is_some() || tokens[at - 3].marks('>'))
}

/// Follows `path` through what `file` binds and what other modules re-export.
fn resolve(path: &[String], file: &File, files: &[File]) -> Option<Target> {
    let mut path = unbound(path, &file.bindings);
    // Re-exports of re-exports; a ring of them does not compile, the bound is for broken snippets.
    for _ in 0..8 {
        if path[0] != "crate" && path[0] != "pixeld" {
            return Some(Target::Foreign(path));
        }
        let words = &path[1..];
        let owner = (0..=words.len()).rev().find_map(|length| by_module(files, &words[..length]))?;
        let exported = words.get(owner.module.len()).and_then(|word| owner.exports.get(word));
        match exported {
            Some(full) if owner.module != file.module => {
                let rest = &words[owner.module.len() + 1..];
                path = full.iter().chain(rest).cloned().collect();
            }
            _ if owner.module == file.module => return None,
            _ => return Some(Target::Local(owner.module.clone())),
        }
    }
    None
}

fn by_module<'a>(files: &'a [File], module: &[String]) -> Option<&'a File> {
    files.iter().find(|file| file.module == module)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led_to(text: &str) -> Vec<String> {
        let sources = [
            ("src/lib.rs", "pub mod a; pub mod b;"),
            ("src/a/mod.rs", "pub mod x; mod y; pub use y::Deep as Shown;"),
            ("src/a/x.rs", text),
            ("src/a/y.rs", ""),
            ("src/b.rs", ""),
            ("bench/src/lib.rs", "pub mod c;"),
            ("bench/src/c.rs", ""),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
        let files = read(&sources);
        let file = by_module(&files, &["a".to_owned(), "x".to_owned()]).expect("x is there");
        let show = |mention: Mention| match mention.target {
            Target::Local(module) => module.join("/"),
            Target::Foreign(path) => path.join("::"),
        };
        mentions(file, &files).into_iter().map(show).collect()
    }

    #[test]
    fn paths_lead_to_modules_however_they_are_written() {
        assert_eq!(led_to("use crate::b::Thing;"), ["b"]);
        assert_eq!(led_to("use super::y::{self, Deep};"), ["a/y", "a/y"]);
        assert_eq!(led_to("use crate::{a::y::{Q as R, S}, b};"), ["a/y", "a/y", "b"]);
        assert_eq!(led_to("use super::Shown;"), ["a/y"], "a re-export is followed");
        assert_eq!(led_to("use super::Other;"), ["a"]);
        assert_eq!(led_to("fn f() { crate::b::go(); self::own(); }"), ["b"]);
        assert_eq!(led_to("use crate::b as c; fn f() { c::go() }"), ["b", "b"]);
        assert_eq!(led_to("mod inner { use super::super::y::Deep; } use super::y::Deep;"), ["a/y", "a/y"]);
        assert_eq!(led_to("fn f() { pixeld::b::go() }"), ["b"]);
        assert_eq!(led_to("use pixeld_bench::{c::d, e};"), ["bench/c", "bench"]);
    }

    #[test]
    fn paths_out_of_the_crate_keep_their_words() {
        assert_eq!(led_to("use std::{fs, time::Instant};"), ["std::fs", "std::time::Instant"]);
        assert_eq!(
            led_to("use std::time; fn f() { time::Instant::now() }"),
            ["std::time", "std::time::Instant::now"]
        );
        assert_eq!(
            led_to("fn f() { ::std::fs::read(); mio::Poll::new() }"),
            ["std::fs::read", "mio::Poll::new"]
        );
        assert_eq!(led_to("fn f(x: X) { x.crate_b(); Vec::<u8>::new(); }"), Vec::<String>::new());
    }
}
