//! Types that are spread over files: an import test can't see that their methods call each other.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::File;
use crate::rules::Breach;
use crate::tokens::{Token, closing};

/// Files that may have `impl` blocks of one type.
pub const IMPL_FILES_MAX: usize = 3;

/// An `impl` block without a trait, or with one.
struct Block<'a> {
    /// Full path of the type.
    subject: String,
    file: &'a File,
    line: usize,
    tokens: &'a [Token],
    methods: BTreeSet<&'a str>,
}

/// Types with blocks in too many files, and those whose files call each other in a circle.
pub fn breaches(files: &[File]) -> Vec<Breach> {
    let mut types: BTreeMap<String, Vec<Block<'_>>> = BTreeMap::new();
    for block in files.iter().flat_map(blocks) {
        types.entry(block.subject.clone()).or_default().push(block);
    }
    let of_type = |(subject, blocks): (&String, &Vec<Block<'_>>)| {
        spread(subject, blocks).into_iter().chain(circle(subject, blocks))
    };
    types.iter().flat_map(of_type).collect()
}

fn at(block: &Block<'_>, what: String) -> Breach {
    Breach { file: block.file.name.clone(), line: block.line, what }
}

fn spread(subject: &str, blocks: &[Block<'_>]) -> Option<Breach> {
    let files: BTreeSet<&str> = blocks.iter().map(|block| block.file.name.as_str()).collect();
    let what = || format!("`{subject}` has impl blocks in {} files, more than {IMPL_FILES_MAX}", files.len());
    (files.len() > IMPL_FILES_MAX).then(|| at(&blocks[0], what()))
}

/// A breach if files of one type reach themselves through calls of each other's methods.
fn circle(subject: &str, blocks: &[Block<'_>]) -> Option<Breach> {
    let mut owners: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for block in blocks {
        for name in &block.methods {
            owners.entry(name).or_default().insert(&block.file.name);
        }
    }
    let mut edges: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for block in blocks {
        let own = block.file.name.as_str();
        for name in calls(subject, block.tokens) {
            let others = owners.get(name).filter(|owners| !owners.contains(own));
            edges.entry(own).or_default().extend(others.into_iter().flatten());
        }
    }
    let round = edges.keys().find(|file| reaches(file, file, &edges))?;
    let knot: Vec<&str> = edges
        .keys()
        .copied()
        .filter(|other| reaches(round, other, &edges) && reaches(other, round, &edges))
        .collect();
    Some(at(&blocks[0], format!("files of `{subject}` call each other in a circle: {}", knot.join(", "))))
}

/// Whether calls lead from `from` to `to`, over one step at least.
fn reaches(from: &str, to: &str, edges: &BTreeMap<&str, BTreeSet<&str>>) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(file) = open.pop() {
        for next in edges.get(file).into_iter().flatten() {
            if *next == to {
                return true;
            }
            if seen.insert(*next) {
                open.push(next);
            }
        }
    }
    false
}

/// Names that are called or passed as functions on the type's own value: `self.name`, `Self::name`, and `worker.name` for
/// a `Worker` that is lent to a closure.
fn calls<'a>(subject: &str, tokens: &'a [Token]) -> BTreeSet<&'a str> {
    let own = subject.rsplit("::").next().unwrap_or_default().to_lowercase();
    let mut found = BTreeSet::new();
    for at in 0..tokens.len() {
        let starts = at == 0 || !tokens[at - 1].marks('.');
        let is_value = tokens[at].is("self") || tokens[at].is(&own);
        if starts && is_value && tokens.get(at + 1).is_some_and(|token| token.marks('.')) {
            let is_call = tokens.get(at + 3).is_some_and(|token| token.marks('('));
            found.extend(tokens.get(at + 2).and_then(Token::word).filter(|_| is_call));
        }
        if tokens[at].is("Self") && tokens.get(at + 2).is_some_and(|token| token.marks(':')) {
            found.extend(tokens.get(at + 3).and_then(Token::word));
        }
    }
    found
}

/// The `impl` blocks of `file`.
fn blocks(file: &File) -> Vec<Block<'_>> {
    let tokens = &file.tokens;
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let starts =
            at == 0 || tokens[at - 1].marks('}') || tokens[at - 1].marks(';') || tokens[at - 1].marks(']');
        let is_block = tokens[at].is("impl") && (starts || tokens[at - 1].marks('{'));
        let Some(open) = (at..tokens.len()).find(|next| tokens[*next].marks('{')).filter(|_| is_block) else {
            at += 1;
            continue;
        };
        let end = closing(tokens, open);
        if let Some(name) = subject(&tokens[at + 1..open]) {
            let body = &tokens[open..end];
            let methods = body.windows(2).filter(|pair| pair[0].is("fn")).filter_map(|pair| pair[1].word());
            found.push(Block {
                subject: file.full_name(name),
                file,
                line: tokens[at].line,
                tokens: body,
                methods: methods.collect(),
            });
        }
        at = end + 1;
    }
    found
}

/// The name of the type that an `impl` block is for, from what stands between `impl` and `{`.
fn subject(head: &[Token]) -> Option<&str> {
    let mut depth = 0_i32;
    let mut words: Vec<&str> = Vec::new();
    for (at, token) in head.iter().enumerate() {
        // The arrow of a function's type closes nothing.
        let is_arrow = at > 0 && token.marks('>') && head[at - 1].marks('-');
        depth += i32::from(token.marks('<')) - i32::from(token.marks('>') && !is_arrow);
        match token.word() {
            Some("for") if depth == 0 => words.clear(),
            Some("where") if depth == 0 => break,
            Some(word) if depth == 0 => words.push(word),
            _ => {}
        }
    }
    words.last().copied()
}

/// The methods that the function `name` of `file` calls on `self`, in their order.
pub fn calls_of<'a>(file: &'a File, name: &str) -> Vec<&'a str> {
    let tokens = &file.tokens;
    let begins = |at: &usize| tokens[*at].is("fn") && tokens.get(at + 1).is_some_and(|token| token.is(name));
    let Some(start) = (0..tokens.len()).find(begins) else { return Vec::new() };
    let Some(open) = (start..tokens.len()).find(|at| tokens[*at].marks('{')) else { return Vec::new() };
    let body = &tokens[open..closing(tokens, open)];
    let calls = body.windows(4).filter(|t| t[0].is("self") && t[1].marks('.') && t[3].marks('('));
    calls.filter_map(|t| t[2].word()).collect()
}
