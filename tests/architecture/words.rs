//! Words of single applications, which what lies below them must not know: neither in names nor in comments.

use std::path::Path;

/// Folders that know of applications only that there are some.
const FOLDERS: [&str; 4] = ["src/base", "src/log", "src/engine", "src/app"];

/// The words, in any case and number.
const WORDS: [&str; 10] =
    ["pixel", "thumb", "thumbnail", "thumbnailer", "toy", "shop", "board", "fibonacci", "pex", "fib"];

/// Returns the words of a line in lower case: parts of names apart, `CamelCase` and `snake_case` alike.
fn words(line: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut was_lower = false;
    for character in line.chars() {
        let begins = !character.is_ascii_alphabetic() || (character.is_ascii_uppercase() && was_lower);
        if begins {
            found.push(String::new());
        }
        if character.is_ascii_alphabetic() {
            found.last_mut().expect("a word").push(character.to_ascii_lowercase());
        }
        was_lower = character.is_ascii_lowercase();
    }
    found
}

/// Returns the first word of an application in a line.
fn foreign(line: &str) -> Option<&'static str> {
    let is_it = |said: &str, word: &str| said == word || said.strip_suffix('s') == Some(word);
    words(line).iter().find_map(|said| WORDS.iter().find(|word| is_it(said, word)).copied())
}

/// Returns whether a file holds tests only.
fn is_tests(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("/simulated.rs")
}

/// Returns the lines of sources that speak of an application; modules of tests at the end of a file may.
fn breaches(sources: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let below =
        sources.iter().filter(|(name, _)| FOLDERS.iter().any(|folder| Path::new(name).starts_with(folder)));
    for (name, text) in below.filter(|(name, _)| !is_tests(name)) {
        let lines = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
        for (number, line) in (1..).zip(lines) {
            if let Some(word) = foreign(line) {
                found.push(format!("{name}:{number}: {word}: {}", line.trim()));
            }
        }
    }
    found
}

#[test]
fn what_lies_below_applications_does_not_know_them() {
    let found = breaches(&super::files_below(&["src"], &["rs", "html", "css", "js", "json"]));
    assert!(found.is_empty(), "{} lines:\n{}", found.len(), found.join("\n"));
}

#[test]
fn words_are_found_in_names_and_comments_and_only_there() {
    for line in [
        "only_pixel_records",
        "fn thumbnailer(&mut self)",
        "PIXEL_R",
        "pub struct ToyShop;",
        "// the board's",
    ] {
        assert!(foreign(line).is_some(), "{line}");
    }
    for line in
        ["pixeld_build_info", "onboarding", "use crate::os::clipboard;", "workshop", "//! pixeld: a server"]
    {
        assert_eq!(foreign(line), None, "{line}");
    }
    let source =
        |name: &str| vec![(name.to_owned(), "fn f() {}\n// pixels\n#[cfg(test)]\n// toys".to_owned())];
    assert_eq!(breaches(&source("src/log/lane.rs")), ["src/log/lane.rs:2: pixel: // pixels"]);
    assert_eq!(breaches(&source("src/apps/pixel/state.rs")), Vec::<String>::new());
    assert_eq!(breaches(&source("src/app/index/index.js")), ["src/app/index/index.js:2: pixel: // pixels"]);
}
