//! Tells the sources which commit they are built from; without git, "unknown".

use std::path::Path;
use std::process::Command;

fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Without a repository of our own, git would find one that the sources happen to lie in.
    let commit = Path::new(".git").exists().then(|| git(&["rev-parse", "--short=12", "HEAD"])).flatten();
    // Not PIXELD_*: `cargo run` hands it to the program, which takes such names for settings.
    println!("cargo::rustc-env=COMMIT_OF_BUILD={}", commit.as_deref().unwrap_or("unknown"));
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && commit.is_some()
        && Path::new(&log).exists()
    {
        println!("cargo::rerun-if-changed={log}");
    }
}
