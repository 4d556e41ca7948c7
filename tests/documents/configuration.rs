//! Holds `docs/configuration.md` to the table of settings.

use std::fs;
use std::path::Path;

use pixeld::config::document::{MARK, settings};

/// The variable that makes the document again instead of comparing.
const REWRITE: &str = "PIXELD_TESTS_REWRITE";

#[test]
fn the_settings_in_the_document_are_those_of_the_table() {
    let path = Path::new(super::ROOT).join("docs/configuration.md");
    let document = fs::read_to_string(&path).expect("a document");
    let (head, found) = document.split_once(MARK).expect("a mark in front of what is made");
    let made = settings();
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&path, format!("{head}{MARK}{made}")).expect("a document");
        return;
    }
    let differs = found.lines().zip(made.lines()).find(|(found, made)| found != made);
    assert!(
        found == made,
        "docs/configuration.md is stale, first here: {differs:?}; make it again with\n    {REWRITE}=1 cargo test --test documents configuration"
    );
}
