//! A kept report that later runs are held against: `--save NAME`, `--against NAME`, and what must not be: `--fail-if 'p99>1.2'`.

use crate::report::Check;
use crate::tools::bootstrap::{Outcome, Ratio};
use crate::tools::diff;
use serde_json::Value;
use std::path::PathBuf;

/// Figures that a condition can name, and their keys in comparisons.
const FIGURES: [&str; 4] = ["cpu", "rate", "p50", "p99"];

/// A condition on the ratio of a figure of the new run to that of the kept one.
#[derive(Clone, Debug, PartialEq)]
pub struct FailIf {
    /// As it was written.
    pub text: String,
    figure: &'static str,
    /// Whether ratios above the bound fail, or those below.
    is_above: bool,
    bound: f64,
}

impl FailIf {
    /// Reads `cpu>1.05`: cpu, rate, p50 or p99, above or below a ratio.
    ///
    /// # Errors
    /// Returns a sentence with examples.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("`{text}`: write for example 'cpu>1.05', 'p99>1.2' or 'rate<0.95' (cpu, rate, p50, p99)")
        };
        let at = text.find(['<', '>']).ok_or_else(wrong)?;
        let (name, value) = (text[..at].trim(), text[at + 1..].trim());
        let figure = FIGURES.into_iter().find(|known| *known == name).ok_or_else(wrong)?;
        let bound: f64 = value.parse().map_err(|_| wrong())?;
        if !(bound.is_finite() && bound > 0.0) {
            return Err(wrong());
        }
        Ok(Self { text: text.to_string(), figure, is_above: text[at..].starts_with('>'), bound })
    }

    /// Returns the name of its figure: cpu, rate, p50 or p99.
    #[must_use]
    pub fn figure(&self) -> &'static str {
        self.figure
    }

    /// Looks whether it is established: the whole 95 % interval is beyond the bound. What is not known fails.
    #[must_use]
    pub fn check(&self, ratio: Option<&Ratio>) -> Check {
        let name = format!("fail if {}", self.text);
        let Some(ratio) = ratio else {
            return Check { name, is_met: false, detail: format!("{} is not known", self.figure) };
        };
        let Ratio { ratio: value, low, high, .. } = *ratio;
        let is_beyond = |value: f64| if self.is_above { value > self.bound } else { value < self.bound };
        let is_established = is_beyond(if self.is_above { low } else { high });
        let word = match (is_established, is_beyond(value)) {
            (true, _) => "it is",
            (false, true) => "it may be, a longer run would tell",
            (false, false) => "it is not",
        };
        let detail = format!("{value:.3} (95 % {low:.3} to {high:.3}): {word}");
        Check { name, is_met: !is_established, detail }
    }
}

/// What a run is held against.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// Its name.
    pub name: String,
    /// The report that was kept.
    pub report: Value,
    /// Conditions; without one, what is slower fails.
    pub fail_if: Vec<FailIf>,
    /// Whether other conditions of the runs don't matter.
    pub is_forced: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The comparison for people.
    pub text: String,
    /// A line for each condition.
    pub checks: Vec<Check>,
}

impl Baseline {
    /// Looks whether a run of these conditions, keys of a report that are known before it, can be held against the kept one.
    ///
    /// # Errors
    /// Returns a sentence with the first condition that differs, unless it is forced.
    pub fn check_conditions(&self, new: &Value) -> Result<(), String> {
        let differs = |what: String| format!("--against {}: {what}", self.name);
        if self.is_forced { Ok(()) } else { diff::comparable(&self.report, new).map_err(differs) }
    }

    /// Holds the report of a run, as [`crate::report::json::document`] makes it, against the kept one.
    ///
    /// # Errors
    /// Returns a sentence if the two can't be compared.
    pub fn hold(&self, new: &Value) -> Result<Held, String> {
        let difference = diff::compare(&self.report, new, self.is_forced)?;
        let mut text = format!("against {}:\n{}", self.name, difference.text);
        let mut checks: Vec<Check> = self
            .fail_if
            .iter()
            .map(|it| it.check(diff::ratio(&self.report, new, it.figure).as_ref()))
            .collect();
        if self.fail_if.is_empty() {
            let outcome = difference.judgement.map(|judgement| judgement.outcome);
            let is_met = outcome.is_some_and(|outcome| outcome != Outcome::Slower);
            let detail = outcome.map_or("not judged".to_string(), |outcome| outcome.name().to_string());
            checks.push(Check { name: format!("not slower than {}", self.name), is_met, detail });
        }
        checks.iter().for_each(|check| text.push_str(&format!("{check}\n")));
        Ok(Held { text, checks })
    }
}

/// Returns where a baseline of this name is kept: a name with a slash or with `.json` is a path, others stand in the user's
/// folder of data (XDG Base Directory Specification).
///
/// # Errors
/// Returns a sentence if there is no such folder, or no name.
pub fn place(name: &str) -> Result<PathBuf, String> {
    if name.trim().is_empty() {
        return Err("a kept report needs a name, such as main, or a file, such as ./main.json".into());
    }
    if name.contains('/') || name.ends_with(".json") {
        return Ok(name.into());
    }
    let folder = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".local/share")))
        .ok_or("neither XDG_DATA_HOME nor HOME is set; name the baseline's file, such as ./NAME.json")?;
    Ok(folder.join("pixeld/baselines").join(format!("{name}.json")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_by_table() {
        let ratio = |ratio: f64, low: f64, high: f64| Ratio { ratio, low, high, detectable: 0.0 };
        for (text, ratio, is_met) in [
            ("cpu>1.05", Some(ratio(1.2, 1.1, 1.3)), false),
            ("cpu>1.05", Some(ratio(1.1, 1.0, 1.2)), true),
            ("cpu > 1.05", Some(ratio(1.0, 0.9, 1.04)), true),
            ("rate<0.95", Some(ratio(0.8, 0.7, 0.9)), false),
            ("rate<0.95", Some(ratio(0.9, 0.8, 1.0)), true),
            ("p99>1.2", None, false),
        ] {
            let check = FailIf::parse(text).unwrap().check(ratio.as_ref());
            assert_eq!(check.is_met, is_met, "{text}: {check:?}");
        }
        for text in ["", "cpu", "cpu=1", "memory>1", "p99>x", "p99>-1", "p99>0", ">1"] {
            assert!(FailIf::parse(text).unwrap_err().contains("p99>1.2"), "{text}");
        }
    }

    #[test]
    fn names_are_places() {
        assert_eq!(place("./a").unwrap(), PathBuf::from("./a"));
        assert_eq!(place("a.json").unwrap(), PathBuf::from("a.json"));
        assert!(place("").is_err() && place(" ").is_err(), "a file called .json would hide");
        assert!(place("main").is_err() || place("main").unwrap().ends_with("pixeld/baselines/main.json"));
    }
}
