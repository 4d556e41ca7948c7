//! What became of the requests: answers by status code, errors by kind, a line each.

use super::Report;
use crate::driver::tally::Failure;
use crate::quantity::show_count;
use std::fmt::Write;

/// Writes the answers by status code, each with its share and, unless it is a success, its first answer.
pub fn statuses(out: &mut String, report: &Report) {
    let answers = report.total.answers.max(1) as f64;
    for (at, (status, count)) in report.total.statuses.sorted().into_iter().enumerate() {
        let name = if at == 0 { "status" } else { "" };
        let share = share(count as f64 / answers);
        let _ = write!(out, "{name:10} {status} {:>14} {share:>8}", show_count(count));
        match report.examples.iter().find(|example| example.status == status) {
            Some(example) => {
                let _ = writeln!(out, "  the first: {}", example.text);
            }
            None => out.push('\n'),
        }
    }
}

/// Writes the errors by kind, under each its reasons.
pub fn errors(out: &mut String, report: &Report) {
    let failures = &report.total.failures;
    let _ = writeln!(out, "errors     {}", show_count(failures.total()));
    for kind in Failure::ALL.into_iter().filter(|&kind| failures.of(kind) > 0) {
        let _ = writeln!(out, "           {:>18} {}", show_count(failures.of(kind)), explained(kind));
        for reason in report.reasons.iter().filter(|reason| reason.kind == kind) {
            let _ = writeln!(out, "           {:>18} times: {}", show_count(reason.count), reason.text);
        }
    }
}

/// Shows a share of 1 in percent, so that a little is not nothing and nearly all is not all.
#[must_use]
pub fn share(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.01 => "< 0.01 %".into(),
        percent if percent < 100.0 && percent > 99.99 => "> 99.99 %".into(),
        percent if percent < 1.0 || percent > 99.0 && percent < 100.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

/// Returns what a kind of failure means, to follow its number.
#[must_use]
pub const fn explained(kind: Failure) -> &'static str {
    match kind {
        Failure::Connect => "connections refused or failed",
        Failure::Timeout => "timed out",
        Failure::Reset => "reset by the server",
        Failure::Closed => "closed by the server before the answer",
        Failure::Dropped => "given up with a connection on which an earlier one timed out",
        Failure::Garbage => "answered with garbage",
        Failure::Status => "answered 4xx or 5xx",
        Failure::Unsent => "never sent, no connection came free",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_by_table() {
        for (part, whole, shown) in [
            (1.0, 1.0, "100.0 %"),
            (0.0, 1.0, "0.00 %"),
            (1.0, 3.0, "33.3 %"),
            (1.0, 1_000.0, "0.10 %"),
            (1.0, 1e6, "< 0.01 %"),
            (999_999.0, 1e6, "> 99.99 %"),
            (997.0, 1_000.0, "99.70 %"),
        ] {
            assert_eq!(share(part / whole), shown, "{part} of {whole}");
        }
    }
}
