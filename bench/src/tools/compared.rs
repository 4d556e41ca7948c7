//! What a comparison says beside its table: which conditions are established, and the outputs for machines and for those who run the job.

use crate::report::Check;
use crate::report::ci::{cell, junit_suite, markdown_cases};
use crate::tools::baseline::FailIf;
use crate::tools::bootstrap::{Outcome, Ratio, median};
use crate::tools::compare::{FIGURES, Figure, Side};
use serde_json::{Value, json};
use std::fmt::Write;

/// Version of the document.
pub const SCHEMA: u64 = 1;

/// Fewest rounds of which an interval can be made.
pub const ROUNDS_MIN: usize = 3;

/// A comparison that was carried out.
pub struct Compared<'a> {
    /// Its sides, the measure first.
    pub sides: &'a [Side],
    /// Whether the load was an open loop.
    pub is_open: bool,
    /// Conditions; without one, what is slower fails.
    pub fail_if: &'a [FailIf],
    /// Length of all rounds together, nanoseconds.
    pub ns: u64,
}

/// Returns the figure of the rounds that a condition names.
fn figure(condition: &FailIf) -> &'static Figure {
    let name = if condition.figure() == "cpu" { "server CPU" } else { condition.figure() };
    FIGURES.iter().find(|figure| figure.0 == name).expect("conditions name figures of rounds")
}

impl Compared<'_> {
    /// Returns the measure and the servers that are held against it: what another client costs says nothing about a server.
    fn pairs(&self) -> impl Iterator<Item = (&Side, &Side)> {
        let (first, others) =
            self.sides.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
        first
            .into_iter()
            .flat_map(|first| others.iter().map(move |side| (first, side)))
            .filter(|(_, side)| !side.is_wrk)
    }

    /// Returns why a side can't be judged, if there is one that can't.
    #[must_use]
    pub fn objection(&self) -> Option<String> {
        let first = self.sides.first()?;
        self.sides[1..].iter().find_map(|side| side.objection(first))
    }

    /// Looks at every condition, for each server beside the measure; without conditions at whether it is slower.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        self.pairs().flat_map(|(first, side)| self.checks_of(first, side)).collect()
    }

    fn checks_of(&self, first: &Side, side: &Side) -> Vec<Check> {
        let (one, other) = (&side.name, &first.name);
        if self.fail_if.is_empty() {
            let judgement = side.judgement(first, self.is_open);
            let is_met = judgement.as_ref().is_none_or(|judgement| judgement.outcome != Outcome::Slower);
            let detail = judgement.map_or("too few rounds to say".into(), |judgement| judgement.to_string());
            return vec![Check { name: format!("{one} is not slower than {other}"), is_met, detail }];
        }
        let check = |condition: &FailIf| {
            let found = condition.check(side.ratio_to(first, figure(condition)).as_ref());
            Check { name: format!("{}, {one} over {other}", found.name), ..found }
        };
        self.fail_if.iter().map(check).collect()
    }

    /// Returns the lines of conditions for people; nothing without conditions, of which the table tells then.
    #[must_use]
    pub fn text(&self) -> String {
        match self.fail_if {
            [] => String::new(),
            _ => self.checks().iter().map(|check| format!("{check}\n")).collect(),
        }
    }

    /// Returns everything for machines; `lines` are those of `compare --append`.
    #[must_use]
    pub fn document(&self, lines: &[Value]) -> Value {
        let verdict = |(first, side): (&Side, &Side)| {
            let objection = side.objection(first);
            let judgement = side.judgement(first, self.is_open).filter(|_| objection.is_none());
            json!({
                "name": side.name,
                "over": first.name,
                "outcome": judgement.as_ref().map(|judgement| judgement.outcome.name()),
                "about": judgement.map_or(Vec::new(), |judgement| judgement.about),
                "objection": objection,
            })
        };
        let check = |check: Check| json!({"name": check.name, "met": check.is_met, "detail": check.detail});
        json!({
            "schema": SCHEMA,
            "sides": lines,
            "verdicts": self.pairs().map(verdict).collect::<Vec<_>>(),
            "checks": self.checks().into_iter().map(check).collect::<Vec<_>>(),
        })
    }

    /// Returns what had to hold, with what forbids a verdict.
    fn cases(&self) -> Vec<Check> {
        let case = |(first, side): (&Side, &Side)| match side.objection(first) {
            Some(detail) => {
                let name = format!("{} can be judged beside {}", side.name, first.name);
                vec![Check { name, is_met: false, detail }]
            }
            None => self.checks_of(first, side),
        };
        self.pairs().flat_map(case).collect()
    }

    /// Writes the summary in Markdown.
    #[must_use]
    pub fn markdown(&self) -> String {
        let names = FIGURES.map(|figure| figure.0).join(" | ");
        let mut out = format!(
            "### pixeld bench compare\n\n| | {names} | errors |\n|---|{}--:|\n",
            "--:|".repeat(FIGURES.len())
        );
        for side in self.sides {
            let shown = FIGURES.map(|figure| match median(&side.values(&figure)) {
                value if value.is_finite() && value > 0.0 => (figure.3)(value),
                _ => "-".into(),
            });
            let _ =
                writeln!(out, "| {} | {} | {} |", cell(&side.name), shown.join(" | "), side.errors().failed);
        }
        for (first, side) in self.pairs() {
            let shown = FIGURES.map(|figure| match side.ratio_to(first, &figure) {
                Some(Ratio { ratio, low, high, .. }) => format!("{ratio:.3} ({low:.3} to {high:.3})"),
                None => "-".into(),
            });
            let _ = writeln!(
                out,
                "| {} over {} | {} | |",
                cell(&side.name),
                cell(&first.name),
                shown.join(" | ")
            );
        }
        let rounds = self.sides.iter().map(|side| side.rounds.len()).min().unwrap_or(0);
        let _ =
            writeln!(out, "\nMedians of {rounds} interleaved rounds, ratios with their 95 % intervals.\n");
        out + &markdown_cases(&self.cases()) + "\n"
    }

    /// Writes JUnit's XML: a test case for each condition, or for each server that must not be slower.
    #[must_use]
    pub fn junit(&self) -> String {
        let class = self.sides.first().map_or("", |side| side.name.as_str());
        junit_suite("pixeld bench compare", class, self.ns, &self.cases())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_has_a_figure() {
        for name in ["cpu", "rate", "p50", "p99"] {
            let condition = FailIf::parse(&format!("{name}>1.5")).unwrap();
            let expected = if name == "cpu" { "server CPU" } else { name };
            assert_eq!(figure(&condition).0, expected);
        }
    }
}
