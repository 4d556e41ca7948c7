//! The findings for people, for machines, and as a script.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::catalog::{self, Item};
use super::finding::{Finding, Status};

/// Returns the exit code: 0 nothing to do, 1 a warning, 2 a failure.
#[must_use]
pub fn exit_code(findings: &[Finding]) -> u8 {
    let has = |status| findings.iter().any(|finding| finding.status == status);
    if has(Status::Fail) { 2 } else { u8::from(has(Status::Warn)) }
}

/// Returns one screen: a line for each check, under its group's name.
#[must_use]
pub fn screen(findings: &[Finding], is_root: bool) -> String {
    let mut text = String::new();
    let mut group = "";
    for finding in findings {
        let item = catalog::about(finding.id);
        if item.group != group {
            let _ = writeln!(text, "{}{}", if group.is_empty() { "" } else { "\n" }, item.group);
            group = item.group;
        }
        let _ = write!(text, "  {}  {:<34} {}", finding.status.word(), finding.id, finding.current);
        if finding.wanted.is_empty() {
            text.push('\n');
        } else {
            let Item { risk, effect, source, .. } = item;
            let _ = writeln!(text, " -> {}\n        {effect} (risk: {risk}; {source})", finding.wanted);
        }
    }
    let count = |status| findings.iter().filter(|finding| finding.status == status).count();
    let (pass, warn, fail, skip) =
        (count(Status::Pass), count(Status::Warn), count(Status::Fail), count(Status::Skip));
    let _ = writeln!(text, "\n{pass} pass, {warn} warn, {fail} fail, {skip} skipped");
    if !is_root {
        text.push_str("As root it would also tell whether system calls are audited, and probe a disk that only root may write.\n");
    }
    if warn + fail > 0 {
        text.push_str("`--explain ID` tells more about one, `--fix-script` prints what to do, tuning/tune does it with a way back.\n");
    }
    text
}

/// Returns `{"checks": [...]}` with every field of every check.
#[must_use]
pub fn document(findings: &[Finding]) -> Value {
    let check = |finding: &Finding| {
        let item = catalog::about(finding.id);
        json!({
            "id": finding.id,
            "group": item.group,
            "status": finding.status.word(),
            "current": finding.current,
            "wanted": finding.wanted,
            "risk": item.risk,
            "effect": item.effect,
            "source": item.source,
        })
    };
    json!({ "checks": findings.iter().map(check).collect::<Vec<_>>() })
}

/// Returns a shell script of all fixes, to be read before it is run.
#[must_use]
pub fn script(findings: &[Finding]) -> String {
    let mut text = "#!/bin/sh\n# What pixeld doctor would change here, until the next boot. Read it before you run it, as root.\n\
                    # tuning/tune does the same with a way back.\nset -u\n"
        .to_owned();
    let mut count = 0;
    for finding in findings {
        let item = catalog::about(finding.id);
        if let Some(fix) = &finding.fix {
            count += 1;
            let _ = writeln!(
                text,
                "\n# {}: {} -> {}\n# {} (risk: {})\n{fix}",
                finding.id, finding.current, finding.wanted, item.effect, item.risk
            );
        } else if matches!(finding.status, Status::Warn | Status::Fail) {
            let _ = writeln!(
                text,
                "\n# {}: {} -> {}\n# no command does this",
                finding.id, finding.current, finding.wanted
            );
        }
    }
    if count == 0 {
        text.push_str("\n# Nothing that a command could change.\n");
    }
    text
}

/// Returns everything about one check.
///
/// # Errors
/// Returns the ids that there are if no question has this one.
pub fn explain(id: &str) -> Result<String, String> {
    let Some(item) = catalog::find(id) else {
        let ids: Vec<&str> = catalog::all().map(|item| item.id).collect();
        return Err(format!("there is no check {id:?}; there are:\n  {}", ids.join("\n  ")));
    };
    Ok(format!(
        "{} ({})\n\n{}\n\nEffect: {}\nRisk of changing it: {}\nSource: {}\nMeasure: run `bench/quick --rounds 7` before and after; below 5 % a difference means nothing.\n",
        item.id, item.group, item.why, item.effect, item.risk, item.source
    ))
}
