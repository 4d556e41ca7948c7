//! Holds the documents to the project: every reference leads somewhere, and every command can be pasted.

mod blocks;
mod commands;
mod configuration;
mod pictures;
mod references;
#[path = "../support/skip.rs"]
mod skip;

use std::fs;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Returns every file below `folders` of the project that ends with one of `ends`, as a path from the root, sorted.
fn files(folders: &[&str], ends: &[&str]) -> Vec<String> {
    fn collect(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            for entry in fs::read_dir(path).expect("a readable folder") {
                let entry = entry.expect("an entry").path();
                let name = entry.file_name().expect("a name").to_string_lossy().into_owned();
                if name != "target" && name != ".git" {
                    collect(&entry, found);
                }
            }
        } else {
            found.push(path.to_owned());
        }
    }
    let mut found = Vec::new();
    for folder in folders {
        collect(&Path::new(ROOT).join(folder), &mut found);
    }
    let mut names: Vec<String> = found
        .iter()
        .map(|path| path.strip_prefix(ROOT).expect("below the root").to_string_lossy().into_owned())
        .filter(|name| ends.iter().any(|end| name.ends_with(end)))
        .collect();
    names.sort();
    names
}

/// Returns every document of the project.
fn documents() -> Vec<String> {
    let all = files(&[""], &[".md"]);
    assert!(all.iter().any(|name| name == "README.md") && all.len() > 10, "{all:?}");
    all
}

fn text(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
