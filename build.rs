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
    // Seconds since 1970 at which the commit was made; 0 where there is none. What the binary holds is as old as that.
    let time = commit.is_some().then(|| git(&["log", "-1", "--format=%ct"])).flatten();
    let time = time.or_else(|| std::env::var("SOURCE_DATE_EPOCH").ok());
    println!("cargo::rerun-if-env-changed=SOURCE_DATE_EPOCH");
    println!("cargo::rustc-env=COMMIT_TIME_OF_BUILD={}", time.as_deref().unwrap_or("0"));
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && commit.is_some()
        && Path::new(&log).exists()
    {
        println!("cargo::rerun-if-changed={log}");
    }
}
