//! The report as one self-contained HTML file: cards, tables and plots in SVG; light or dark as the reader has it, readable at the
//! width of a telephone, without a script.

use super::Report;
use super::figures::figures;
use super::outcomes::{explained, share};
use super::plot::escape;
use super::table;
use crate::driver::tally::Failure;
use crate::quantity::{show_count, show_cpu, show_ns, show_rate};
use hdrhistogram::Histogram;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// Writes the page.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut body = String::new();
    let _ = writeln!(body, "<h1>{}</h1>\n<p>{}</p>", escape(&headline(report)), escape(&report.url));
    cards(&mut body, report);
    statuses(&mut body, report);
    errors(&mut body, report);
    kinds(&mut body, report);
    agents(&mut body, report);
    body.push_str("<div class=\"figures\">\n");
    figures(&mut body, report);
    body.push_str("</div>\n");
    let _ = write!(
        body,
        "<details open><summary>All figures</summary><pre>{}</pre></details>\n\
         <details><summary>Conditions</summary><pre>{}\n{}</pre></details>\n",
        escape(&table::render(report)),
        escape(&report.command),
        escape(&format!("{:#}", report.environment)),
    );
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>pixeld bench: {}</title>\n\
         <style>{STYLE}</style>\n{body}</html>\n",
        escape(&report.url)
    )
}

fn headline(report: &Report) -> String {
    let bound = if report.verdict.wall.is_lower_bound() && !report.is_open { "at least " } else { "" };
    format!("{bound}{}, p99 {}", show_rate(report.rate), quantile(&report.total.latency, 0.99))
}

fn quantile(latency: &Histogram<u64>, quantile: f64) -> String {
    if latency.is_empty() { "-".into() } else { show_ns(latency.value_at_quantile(quantile)) }
}

fn card(out: &mut String, class: &str, name: &str, value: &str, note: &str) {
    let _ = writeln!(
        out,
        "<div class=\"card {class}\"><span>{}</span><b>{}</b><span>{}</span></div>",
        escape(name),
        escape(value),
        escape(note)
    );
}

fn cards(out: &mut String, report: &Report) {
    let latency = &report.total.latency;
    let errors = report.total.failures.total();
    out.push_str("<div class=\"cards\">\n");
    for (name, value, note) in [
        ("rate", show_rate(report.rate), format!("{} answers", show_count(report.total.answers))),
        ("p50", quantile(latency, 0.5), String::new()),
        ("p99", quantile(latency, 0.99), format!("p99.9 {}", quantile(latency, 0.999))),
        ("max", quantile(latency, 1.0), String::new()),
    ] {
        card(out, "", name, &value, &note);
    }
    let class = if errors > 0 { "bad" } else { "good" };
    card(out, class, "errors", &show_count(errors), "");
    let why = report.verdict.evidence.first().map_or("", String::as_str);
    card(out, "", "limit", report.verdict.wall.name(), why);
    let cpu = |cpu: Option<f64>| cpu.map_or("not known".to_string(), show_cpu);
    card(out, "", "server CPU", &cpu(report.server_cpu_ns_per_request), "per request");
    card(out, "", "generator CPU", &cpu(report.client_cpu_ns_per_request), "per request");
    for goal in &report.goals {
        let (class, word) = if goal.is_met { ("good", "met") } else { ("bad", "MISSED") };
        card(out, class, "goal", &goal.goal, word);
    }
    for fault in &report.faults {
        card(out, "bad", "failed", fault.trim_end(), "");
    }
    out.push_str("</div>\n");
}

fn table_of(out: &mut String, heading: &str, names: &[&str], rows: &[Vec<String>]) {
    if rows.is_empty() {
        return;
    }
    // The last column of some tables is text, which stands to the left.
    let is_text = rows.iter().any(|row| row.last().is_some_and(|text| text.contains(' ')));
    let class = |at: usize| if is_text && at > 0 && at == names.len() - 1 { " class=\"text\"" } else { "" };
    let head: String =
        names.iter().enumerate().map(|(at, name)| format!("<th{}>{name}</th>", class(at))).collect();
    let _ = write!(out, "<h2>{heading}</h2>\n<div class=\"wide\"><table><tr>{head}</tr>\n");
    for row in rows {
        let cell = |(at, text): (usize, &String)| format!("<td{}>{}</td>", class(at), escape(text));
        let cells: String = row.iter().enumerate().map(cell).collect();
        let _ = writeln!(out, "<tr>{cells}</tr>");
    }
    out.push_str("</table></div>\n");
}

fn statuses(out: &mut String, report: &Report) {
    let answers = report.total.answers.max(1) as f64;
    let row = |(status, count): (u16, u64)| {
        let example = report.examples.iter().find(|example| example.status == status);
        let text = example.map_or(String::new(), |example| example.text.clone());
        vec![status.to_string(), show_count(count), share(count as f64 / answers), text]
    };
    let rows: Vec<Vec<String>> = report.total.statuses.sorted().into_iter().map(row).collect();
    table_of(out, "Answers by status", &["status", "answers", "share", "the first"], &rows);
}

fn errors(out: &mut String, report: &Report) {
    let failures = &report.total.failures;
    let row = |kind: Failure| {
        let reason = report.reasons.iter().find(|reason| reason.kind == kind);
        let text = reason.map_or(String::new(), |reason| reason.text.clone());
        vec![explained(kind).to_string(), show_count(failures.of(kind)), text]
    };
    let rows: Vec<Vec<String>> =
        Failure::ALL.into_iter().filter(|&kind| failures.of(kind) > 0).map(row).collect();
    table_of(out, "Errors by kind", &["kind", "errors", "reason"], &rows);
}

fn agents(out: &mut String, report: &Report) {
    let row = |agent: &super::agents::AgentReport| {
        vec![
            format!("{} ({})", agent.name, agent.host),
            show_rate(agent.rate()),
            show_count(agent.total.failures.total()),
            quantile(&agent.total.latency, 0.5),
            quantile(&agent.total.latency, 0.99),
            agent.connections.to_string(),
            format!(
                "{}: {}",
                agent.verdict.wall.name(),
                agent.verdict.evidence.first().map_or("", String::as_str)
            ),
        ]
    };
    let rows: Vec<Vec<String>> = report.agents.iter().map(row).collect();
    table_of(out, "Agents", &["agent", "rate", "errors", "p50", "p99", "connections", "limit"], &rows);
}

fn kinds(out: &mut String, report: &Report) {
    let row = |(name, figures): &(String, crate::driver::kinds::KindFigures)| {
        vec![
            name.clone(),
            show_count(figures.statuses.within(0..=u16::MAX)),
            show_count(figures.failures.total()),
            quantile(&figures.latency, 0.5),
            quantile(&figures.latency, 0.99),
            quantile(&figures.latency, 1.0).replace(' ', "\u{a0}"),
        ]
    };
    let rows: Vec<Vec<String>> = report.kinds.iter().map(row).collect();
    table_of(out, "Requests", &["request", "answers", "errors", "p50", "p99", "max"], &rows);
}
