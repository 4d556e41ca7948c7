//! Packages have licences that `deny.toml` allows, none of those that it bans is among them, and all come from the registry.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::listed;
use crate::skip::skip;

/// The part of `deny.toml` that is checked here.
struct Allowed {
    licences: Vec<String>,
    banned: Vec<String>,
}

impl Allowed {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
        let text = std::fs::read_to_string(path).expect("deny.toml");
        let table: toml::Table = text.parse().expect("deny.toml in TOML");
        let texts = |list: &toml::Value| -> Vec<String> {
            let items = list.as_array().expect("a list").iter();
            items.map(|item| item.get("crate").unwrap_or(item).as_str().expect("a name").to_owned()).collect()
        };
        Self { licences: texts(&table["licenses"]["allow"]), banned: texts(&table["bans"]["deny"]) }
    }

    /// Returns whether one may choose among what the expression names so that all of it is allowed. SPDX, and the `/` of old
    /// manifests, which means OR.
    fn permits(&self, expression: &str) -> bool {
        let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = &words[..];
        let is_permitted = self.any_of(&mut rest);
        is_permitted && rest.is_empty()
    }

    fn any_of(&self, rest: &mut &[&str]) -> bool {
        let mut found = self.all_of(rest);
        while let ["OR", after @ ..] = *rest {
            *rest = after;
            found |= self.all_of(rest);
        }
        found
    }

    fn all_of(&self, rest: &mut &[&str]) -> bool {
        let mut found = self.one(rest);
        while let ["AND", after @ ..] = *rest {
            *rest = after;
            found &= self.one(rest);
        }
        found
    }

    fn one(&self, rest: &mut &[&str]) -> bool {
        match *rest {
            ["(", after @ ..] => {
                *rest = after;
                let found = self.any_of(rest);
                let is_closed = rest.first() == Some(&")");
                *rest = rest.get(1..).unwrap_or_default();
                found && is_closed
            }
            // An exception is a licence of its own.
            [name, "WITH", exception, after @ ..] => {
                *rest = after;
                self.licences.iter().any(|allowed| *allowed == format!("{name} WITH {exception}"))
            }
            [name, after @ ..] => {
                *rest = after;
                self.licences.iter().any(|allowed| allowed == name)
            }
            [] => false,
        }
    }
}

/// Returns what is wrong with the packages of `cargo metadata` that are built for one platform.
fn breaches(metadata: &Value, allowed: &Allowed) -> Vec<String> {
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a graph");
    let built: BTreeSet<&str> = nodes.iter().filter_map(|node| node["id"].as_str()).collect();
    let packages = metadata["packages"].as_array().expect("packages").iter();
    let mut found = Vec::new();
    for package in packages.filter(|package| package["id"].as_str().is_some_and(|id| built.contains(id))) {
        let name = package["name"].as_str().expect("a name");
        let licence = package["license"].as_str().unwrap_or("none");
        if !allowed.permits(licence) {
            found.push(format!("{name}: the licence {licence} is not allowed by deny.toml"));
        }
        if allowed.banned.iter().any(|banned| banned == name) {
            found.push(format!("{name}: deny.toml bans it"));
        }
        let source = package["source"].as_str();
        let is_from_registry = source
            .is_some_and(|source| source.starts_with("registry+") && source.ends_with("/crates.io-index"));
        let is_ours = source.is_none() && name.starts_with("pixeld");
        if !is_from_registry && !is_ours {
            found.push(format!("{name}: comes from {}", source.unwrap_or("a folder")));
        }
    }
    found
}

#[test]
fn packages_are_those_that_deny_toml_allows() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.args(["metadata", "--format-version", "1", "--locked", "--all-features"]);
    cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let output = cargo.output().expect("cargo");
    if !output.status.success() {
        return skip(format_args!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata in JSON");
    let found = breaches(&metadata, &Allowed::read());
    assert!(found.is_empty(), "{} packages:{}", found.len(), listed(&found));
}

#[test]
fn expressions_of_licences_are_read() {
    let allowed = Allowed { licences: vec!["MIT".to_owned(), "Zlib".to_owned()], banned: Vec::new() };
    for good in ["MIT", "MIT/Apache-2.0", "GPL-3.0 OR MIT", "(GPL-3.0 OR MIT) AND Zlib", "A WITH B OR MIT"] {
        assert!(allowed.permits(good), "{good}");
    }
    for bad in [
        "",
        "none",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT AND (GPL-3.0 OR A)",
        "MIT WITH B",
        "(MIT",
        "MIT Zlib",
        "OR MIT",
    ] {
        assert!(!allowed.permits(bad), "{bad}");
    }
}

#[test]
fn a_package_of_another_licence_or_source_is_found() {
    let allowed = Allowed { licences: vec!["MIT".to_owned()], banned: vec!["c".to_owned()] };
    let package = |name: &str, licence: &str, source: &str| serde_json::json!({"id": name, "name": name, "license": licence, "source": source});
    let (index, elsewhere) = ("registry+https://example.org/crates.io-index", "git+https://example.org/b");
    let packages = [
        package("a", "GPL-3.0", index),
        package("b", "MIT", elsewhere),
        package("c", "MIT", index),
        package("d", "?", ""),
    ];
    let nodes = ["a", "b", "c"].map(|id| serde_json::json!({"id": id}));
    let metadata = serde_json::json!({"packages": packages, "resolve": {"nodes": nodes}});
    let found = breaches(&metadata, &allowed);
    assert_eq!(found.len(), 3, "{found:?}; d is built for another platform");
}
