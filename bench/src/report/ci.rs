//! The report for continuous integration: a summary in Markdown, and JUnit's XML.

use super::outcomes::{explained, share};
use super::{Check, Report};
use crate::driver::tally::Failure;
use crate::quantity::{show_count, show_ns, show_rate};
use std::fmt::Write;

/// Returns what had to hold.
fn cases(report: &Report) -> Vec<Check> {
    let case = |name: &str, is_met, detail| Check { name: name.to_string(), is_met, detail };
    let answers = format!("{} answers", show_count(report.total.answers));
    let mut cases = vec![case("answers come", report.total.answers > 0, answers)];
    for goal in &report.goals {
        let value = goal.value.map_or("not known".to_string(), |value| format!("measured {value}"));
        cases.push(case(&goal.goal, goal.is_met, value));
    }
    cases.extend(report.checks.iter().cloned());
    if let Some(verified) = &report.verified {
        let found = format!(
            "lost {}, altered {}, duplicated {}",
            verified.lost, verified.altered, verified.duplicated
        );
        cases.push(case("acknowledged = stored", !verified.is_broken(), found));
    }
    for fault in &report.faults {
        cases.push(case(fault.lines().next().unwrap_or_default(), false, fault.clone()));
    }
    cases
}

/// Writes the summary, for example for the page of a job on GitHub.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let latency = &report.total.latency;
    let quantile =
        |q: f64| if latency.is_empty() { "-".into() } else { show_ns(latency.value_at_quantile(q)) };
    let mut out = format!("### pixeld bench: {}\n\n", cell(&report.url));
    let _ =
        writeln!(out, "| rate | p50 | p99 | p99.9 | max | errors | limit |\n|--:|--:|--:|--:|--:|--:|---|");
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        show_rate(report.rate),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        quantile(1.0),
        show_count(report.total.failures.total()),
        report.verdict.wall.name()
    );
    out.push_str(&markdown_cases(&cases(report)));
    out.push_str("\n| status | answers | share | the first |\n|---|--:|--:|---|\n");
    for (status, count) in report.total.statuses.sorted() {
        let example = report.examples.iter().find(|example| example.status == status);
        let text = example.map_or(String::new(), |example| cell(&example.text));
        let share = share(count as f64 / report.total.answers.max(1) as f64);
        let _ = writeln!(out, "| {status} | {} | {share} | {text} |", show_count(count));
    }
    for kind in Failure::ALL.into_iter().filter(|&kind| report.total.failures.of(kind) > 0) {
        let _ = writeln!(
            out,
            "| error | {} | | {} |",
            show_count(report.total.failures.of(kind)),
            explained(kind)
        );
    }
    out.push('\n');
    out
}

/// Writes a table of what had to hold.
#[must_use]
pub fn markdown_cases(cases: &[Check]) -> String {
    let mut out = String::from("| what had to hold | | found |\n|---|---|---|\n");
    for Check { name, is_met, detail } in cases {
        let mark = if *is_met { "✅" } else { "❌" };
        let _ = writeln!(out, "| {} | {mark} | {} |", cell(name), cell(detail));
    }
    out
}

/// Returns a text for a cell of a table: neither markup nor a further cell.
#[must_use]
pub fn cell(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => shown.push(' '),
            '&' => shown.push_str("&amp;"),
            '<' => shown.push_str("&lt;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '#' | '~' | '!' | '@' => {
                shown.push('\\');
                shown.push(c);
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Writes JUnit's XML: a test case for each thing that had to hold.
#[must_use]
pub fn junit(report: &Report) -> String {
    junit_suite("pixeld bench", &report.url, report.window_ns, &cases(report))
}

/// Writes a suite of test cases that took `ns` together.
#[must_use]
pub fn junit_suite(suite: &str, class: &str, ns: u64, cases: &[Check]) -> String {
    let failed = cases.iter().filter(|case| !case.is_met).count();
    let seconds = ns as f64 / 1e9;
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{suite}\" tests=\"{}\" failures=\"{failed}\" \
         errors=\"0\" time=\"{seconds:.3}\">\n",
        cases.len()
    );
    for Check { name, is_met, detail } in cases {
        let _ = write!(out, "<testcase classname=\"{}\" name=\"{}\" time=\"0\"", xml(class), xml(name));
        match is_met {
            true => out.push_str("/>\n"),
            false => {
                let _ = writeln!(out, "><failure message=\"{}\"/></testcase>", xml(detail));
            }
        }
    }
    out.push_str("</testsuite>\n</testsuites>\n");
    out
}

/// Returns a text for an attribute; characters that XML 1.0 has no place for are left out.
fn xml(text: &str) -> String {
    let kept: String =
        text.chars().filter(|&c| c >= ' ' && !('\u{fffe}'..='\u{ffff}').contains(&c)).collect();
    super::plot::escape(&kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(cell("a|b\n<i>*c*"), "a\\|b &lt;i>\\*c\\*");
        assert_eq!(xml("a\"<b>\u{1}&\u{ffff}"), "a&quot;&lt;b&gt;&amp;");
    }
}
