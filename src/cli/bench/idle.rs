//! Options that would do nothing where they stand: usage errors, so that nobody believes that they did something.

use super::measure::{LoadArguments, RequestArguments};
use super::pins::check_pins;
use pixeld_bench::client::tls::Trust;

impl LoadArguments {
    /// Fails for an option that means nothing without another one, and for CPUs that can't be had; those of agents are on their
    /// hosts, which look themselves.
    pub(super) fn check(&self, has_agents: bool) -> Result<(), String> {
        if !has_agents {
            check_pins("--pin", &self.pin)?;
        }
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
            ("-n", self.number().is_some()),
            ("--requests", self.has_mix()),
        ];
        match given.into_iter().find(|(name, is_given)| *is_given && settled.contains(name)) {
            Some((name, _)) => {
                Err(format!("{name} does nothing in `pixeld bench {tool}`: {why}; leave it out"))
            }
            None => self.check(false),
        }
    }
}

impl RequestArguments {
    /// Fails for an option of TLS where no target speaks it, as `has_tls` says.
    pub(super) fn check(&self, has_tls: bool) -> Result<(), String> {
        let name = match self.trust() {
            Trust { authorities: Some(_), .. } => "--cacert",
            Trust { is_unchecked: true, .. } => "--insecure",
            _ => return Ok(()),
        };
        match has_tls {
            true => Ok(()),
            false => Err(format!("{name} does nothing without TLS; write https:// or leave it out")),
        }
    }
}
