//! A test that can't run says so through `tests/support/skip.rs`, which counts it and fails it where everything is to run.

use super::{listed, read_below};

/// The lines that print a word of their own about a test that did not run.
fn prints(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in files.iter().filter(|(name, _)| !name.ends_with("support/skip.rs")) {
        for (number, line) in text.lines().enumerate() {
            let starts = |word: &str| line.to_lowercase().contains(&format!("\"{word}"));
            if line.contains("print") && (starts("skipped") || starts("skipping") || starts("not run")) {
                found.push(format!("{name}:{}: call `skip`", number + 1));
            }
        }
    }
    found
}

#[test]
fn tests_that_cant_run_are_counted() {
    let mut files = read_below(&["tests"]);
    files.retain(|(name, _)| name != "tests/architecture/skips.rs");
    let found = prints(&files);
    assert!(found.is_empty(), "{}", listed(&found));
}

#[test]
fn a_word_of_its_own_is_found() {
    let file = |text: &str| ("tests/a.rs".to_owned(), text.to_owned());
    let found = prints(&[file("eprintln!(\"skipped: no nginx\");\nprintln!(\"sent\");")]);
    assert_eq!(found, ["tests/a.rs:1: call `skip`"]);
}
