//! Every link, file name, invariant and decision that a document or a comment names is there.

use crate::{ROOT, documents, files, text};

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Folders whose texts are read for references.
const READ: [&str; 9] = ["src", "tests", "docs", "bench", "scripts", "tuning", "fuzz", ".ci", "build.rs"];
/// Ends of names that are files of a project.
const ENDS: [&str; 10] = ["rs", "md", "toml", "py", "lua", "conf", "jsonl", "sh", "service", "yaml"];

/// Returns the relative links of a document in Markdown.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("](") {
        let rest = &text[at + 2..];
        let target = &rest[..rest.find(')').unwrap_or(rest.len())];
        if !target.contains("://") && !target.contains(char::is_whitespace) {
            found.push(target);
        }
    }
    found
}

/// Returns the anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// Returns `path` without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    parts
}

fn broken_link(document: &str, target: &str) -> Option<String> {
    let (path, wanted) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let name = if path.is_empty() { PathBuf::from(document) } else { plain(&folder.join(path)) };
    if !Path::new(ROOT).join(&name).exists() {
        return Some(format!("{document}: the link {target} leads nowhere"));
    }
    if wanted.is_empty() {
        return None;
    }
    let headings = text(name.to_str().expect("a path"));
    let is_there = headings
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .any(|line| anchor(line.trim_start_matches('#')) == wanted);
    (!is_there).then(|| format!("{document}: {target} has no such heading"))
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let broken: Vec<String> = documents()
        .iter()
        .flat_map(|document| {
            let text = text(document);
            links(&text).into_iter().filter_map(|link| broken_link(document, link)).collect::<Vec<_>>()
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Returns the words of `text` that name a file of a project: with a known end, and not a pattern or a place outside of it.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "._/-~$<>*{}@:%".contains(c)))
        .map(|word| word.trim_end_matches(['.', ':', '-']))
        .filter(|word| {
            let Some((stem, end)) = word.rsplit_once('.') else { return false };
            let is_example = word.contains("NAME") || word.contains("NNNN");
            let is_plain = !word.contains(['~', '$', '<', '>', '*', '{', '}', '@', ':', '%']);
            is_plain && !is_example && ENDS.contains(&end) && !word.starts_with('/') && !stem.is_empty()
        })
}

/// Returns the words of a line that are text for a reader: all of a document, the comment of a source.
fn prose<'a>(name: &str, line: &'a str) -> &'a str {
    let sign = if name.ends_with(".rs") { "//" } else { "#" };
    if name.ends_with(".md") {
        return line;
    }
    line.find(sign).map_or("", |at| &line[at..])
}

/// Names that belong to a reader's machine or to another project, so that none of ours can be meant.
const ELSEWHERE: [&str; 15] = [
    "pixeld.toml",
    "nginx.conf",
    "conf.d",
    "config.toml",
    "main.rs",
    "mod.rs",
    "lib.rs",
    "build.rs",
    "Cargo.toml",
    "script.lua",
    "summary.md",
    "robots.toml",
    "default.toml",
    "x.toml",
    "a.toml",
];

#[test]
fn every_file_that_a_text_names_is_there() {
    let known: BTreeSet<String> = files(&[""], &[""]).into_iter().collect();
    let is_there = |word: &str| {
        let word = word.trim_start_matches("./").trim_start_matches("../");
        known.iter().any(|name| name == word || name.ends_with(&format!("/{word}")))
    };
    let mut missing = Vec::new();
    for name in documents().into_iter().chain(files(&READ, &[".rs", ".toml", "test", ".sh"])) {
        if name == "tests/documents/references.rs" {
            continue;
        }
        for (index, line) in text(&name).lines().enumerate() {
            for word in names(prose(&name, line)) {
                if !ELSEWHERE.contains(&word) && !is_there(word) {
                    missing.push(format!("{name}:{}: {word}", index + 1));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{} names lead nowhere:\n{}", missing.len(), missing.join("\n"));
}

/// Returns the numbers that follow `sign` in `text`, as written.
fn numbered<'a>(text: &'a str, sign: &str) -> Vec<&'a str> {
    text.match_indices(sign)
        .filter(|(at, _)| !text[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '-'))
        .map(|(at, _)| {
            let rest = &text[at + sign.len()..];
            &rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())]
        })
        .filter(|number| !number.is_empty())
        .collect()
}

#[test]
fn every_invariant_and_decision_that_a_text_names_is_defined() {
    let plan = text("docs/architecture.md");
    let decisions = files(&["docs/decisions"], &[".md"]);
    let mut missing = Vec::new();
    for name in documents().into_iter().chain(files(&READ, &[".rs"])) {
        if name.starts_with("tests/documents/") {
            continue;
        }
        let all = text(&name);
        for number in numbered(&all, "I-") {
            if !plan.contains(&format!("| I-{number} |")) {
                missing.push(format!("{name}: I-{number}"));
            }
        }
        for number in ["decision ", "decisions/", "decisions "].iter().flat_map(|sign| numbered(&all, sign)) {
            let is_record = number.len() == 4;
            if is_record && !decisions.iter().any(|file| file.contains(&format!("/{number}-"))) {
                missing.push(format!("{name}: decision {number}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

/// Titles of the records and the list of them in the folder's README say the same.
#[test]
fn every_decision_is_listed_with_its_status() {
    let list = text("docs/decisions/README.md");
    for record in files(&["docs/decisions"], &[".md"]) {
        let name = record.trim_start_matches("docs/decisions/");
        if name == "README.md" {
            continue;
        }
        let row = list.lines().find(|line| line.contains(&format!("({name})")));
        let row = row.unwrap_or_else(|| panic!("docs/decisions/README.md does not list {name}"));
        let record = text(&record);
        let status = record.lines().find_map(|line| line.strip_prefix("Status: "));
        let status = status.unwrap_or_else(|| panic!("{name} has no status"));
        let first = status.split([' ', ',']).next().expect("a word");
        assert!(row.contains(first), "{name}: its status is {status}, the list says {row}");
    }
}

#[test]
fn names_are_found_in_prose() {
    let found: Vec<&str> =
        names("see `log/write/writer.rs`, docs/a.md. /etc/x.toml $D/y.sh *.md v1.2 z.rs").collect();
    assert_eq!(found, ["log/write/writer.rs", "docs/a.md", "z.rs"]);
    assert_eq!(numbered("I-2, (I-10) UI-3 I-x", "I-"), ["2", "10"]);
    assert_eq!(anchor("The board, and `nginx`"), "the-board-and-nginx");
}
