//! Options that would do nothing where they stand: usage errors, so that nobody believes that they did something.

use super::measure::LoadArguments;
use std::path::{Path, PathBuf};

impl LoadArguments {
    /// Fails for an option that means nothing without another one.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.poisson && self.rate.is_none() && self.steps.is_empty() {
            return Err("--poisson does nothing without -r or --steps: a closed loop has no schedule".into());
        }
        if self.step_duration.is_some() && self.steps.is_empty() {
            return Err("--step-duration does nothing without --steps; the length of a run is -d".into());
        }
        Ok(())
    }

    /// Fails for each option of a load that a tool settles itself, with the reason.
    pub(super) fn refuse(&self, tool: &str, settled: &[&str], why: &str) -> Result<(), String> {
        let given = [
            ("-r", self.rate.is_some()),
            ("--poisson", self.poisson),
            ("--steps", !self.steps.is_empty()),
            ("-p", self.pipeline != 1),
        ];
        match given.into_iter().find(|(name, is_given)| *is_given && settled.contains(name)) {
            Some((name, _)) => {
                Err(format!("{name} does nothing in `pixeld bench {tool}`: {why}; leave it out"))
            }
            None => self.check(),
        }
    }
}

/// Fails for two outputs that would be written into one another.
pub(super) fn apart(outputs: &[(&str, &Option<PathBuf>)]) -> Result<(), String> {
    let given: Vec<(&str, &Path)> =
        outputs.iter().filter_map(|(name, path)| Some((*name, path.as_deref()?))).collect();
    for (at, (name, path)) in given.iter().enumerate() {
        if let Some((other, _)) = given[..at].iter().find(|(_, known)| known == path) {
            let place = if *path == Path::new("-") { "stdout".into() } else { path.display().to_string() };
            return Err(format!("{other} and {name} both go to {place}; give each a place of its own"));
        }
    }
    Ok(())
}
