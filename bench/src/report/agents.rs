//! What each of several generators did, and what limited it.

use crate::driver::run::AgentFigures;
use crate::driver::tally::Tally;
use crate::quantity::{show_count, show_ns, show_rate};
use crate::report::verdict::{Verdict, Wall};
use std::fmt::Write;

/// One generator of a run; of a ramp over all steps.
#[derive(Clone, Debug)]
pub struct AgentReport {
    /// Its address, as it was given.
    pub name: String,
    /// Name of its host.
    pub host: String,
    /// Fingerprint of the public key that it showed.
    pub key: String,
    /// Its threads.
    pub threads: usize,
    /// Its connections.
    pub connections: usize,
    /// Counters and histograms.
    pub total: Tally,
    /// Length of the run's measured part, nanoseconds.
    pub window_ns: u64,
    /// CPU time of its threads, nanoseconds.
    pub cpu_ns: u64,
    /// Most that its clock may have started earlier or later than the others', nanoseconds.
    pub start_error_ns: u64,
    /// What limited it; of a ramp in the last step.
    pub verdict: Verdict,
    /// Whether it was lost before the end.
    pub is_lost: bool,
}

impl AgentReport {
    /// Returns what an agent did in a run of `window_ns`. One that was lost has no verdict but that.
    #[must_use]
    pub fn new(agent: &AgentFigures, window_ns: u64, verdict: Verdict) -> Self {
        let lost = agent.fault.as_ref().map(|why| Verdict { wall: Wall::Fault, evidence: vec![why.clone()] });
        Self {
            name: agent.name.clone(),
            host: agent.host.clone(),
            key: agent.key.clone(),
            threads: agent.threads,
            connections: agent.connections,
            total: agent.measured.total.clone(),
            window_ns,
            cpu_ns: agent.measured.threads.iter().map(|thread| thread.cpu_ns).sum(),
            start_error_ns: agent.start_error_ns,
            is_lost: lost.is_some(),
            verdict: lost.unwrap_or(verdict),
        }
    }

    /// Adds what it did in a later step of a ramp.
    pub fn add(&mut self, later: Self) {
        self.total.merge(&later.total);
        self.window_ns += later.window_ns;
        self.cpu_ns += later.cpu_ns;
        self.start_error_ns = self.start_error_ns.max(later.start_error_ns);
        self.verdict = later.verdict;
        self.is_lost |= later.is_lost;
    }

    /// Returns its part of the rate: successes per second within the run's measured part.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.total.successes_in_time as f64 * 1e9 / self.window_ns.max(1) as f64
    }

    /// Returns its CPU time per answer, nanoseconds.
    #[must_use]
    pub fn cpu_ns_per_request(&self) -> Option<f64> {
        let answers = self.total.answers_in_time;
        (answers > 0 && self.cpu_ns > 0).then(|| self.cpu_ns as f64 / answers as f64)
    }
}

/// Returns the verdict on the whole. Without an agent that was lost the rest says nothing about a bottleneck; where one was the
/// bottleneck, more than the rate could have been asked for, whatever the sums look like.
#[must_use]
pub fn overall(whole: Verdict, agents: &[AgentReport]) -> Verdict {
    if let Some(lost) = agents.iter().find(|agent| agent.is_lost) {
        let decisive = format!("agent {} was lost, so this is not the load that was asked for", lost.name);
        let evidence = [decisive].into_iter().chain(whole.evidence.into_iter().skip(1)).collect();
        return Verdict { wall: Wall::Fault, evidence };
    }
    let Some(limited) = agents.iter().find(|agent| agent.verdict.wall.is_lower_bound()) else { return whole };
    if matches!(whole.wall, Wall::Fault | Wall::Unknown) {
        return whole;
    }
    let decisive = limited.verdict.evidence.first().map_or("", String::as_str);
    let mut evidence = vec![format!("agent {}: {decisive}", limited.name)];
    evidence.extend(whole.evidence.into_iter().skip(1));
    Verdict { wall: limited.verdict.wall, evidence }
}

/// Writes what each agent did, and what limited it.
pub fn render(out: &mut String, agents: &[AgentReport]) {
    for agent in agents {
        let latency = &agent.total.latency;
        let p99 = if latency.is_empty() { "-".into() } else { show_ns(latency.value_at_quantile(0.99)) };
        let _ = writeln!(
            out,
            "agent      {} ({}): {}, {} answers, {} errors, p99 {p99}; connections {}, threads {}; started within {}",
            agent.name,
            agent.host,
            show_rate(agent.rate()),
            show_count(agent.total.answers),
            show_count(agent.total.failures.total()),
            agent.connections,
            agent.threads,
            show_ns(agent.start_error_ns),
        );
        let why = agent.verdict.evidence.first().map_or("", String::as_str);
        let _ = writeln!(out, "           limit: {}, {why}", agent.verdict.wall.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agent(name: &str, wall: Wall) -> AgentReport {
        AgentReport {
            name: name.into(),
            host: "h".into(),
            key: String::new(),
            threads: 1,
            connections: 2,
            total: Tally { successes_in_time: 50, answers_in_time: 100, ..Tally::default() },
            window_ns: 500_000_000,
            cpu_ns: 1_000,
            start_error_ns: 7,
            verdict: Verdict { wall, evidence: vec![format!("{name} says"), "more".into()] },
            is_lost: name == "lost",
        }
    }

    #[test]
    fn an_agent_that_is_the_bottleneck_limits_the_whole() {
        let whole = |wall| Verdict { wall, evidence: vec!["the sum".into(), "figures".into()] };
        for (sum, walls, expected, said) in [
            (Wall::Offered, [Wall::Offered, Wall::Client], Wall::Client, "agent b: b says"),
            (Wall::Server, [Wall::SharedCpu, Wall::Server], Wall::SharedCpu, "agent a: a says"),
            (Wall::Server, [Wall::Server, Wall::Offered], Wall::Server, "the sum"),
            (Wall::Fault, [Wall::Client, Wall::Fault], Wall::Fault, "the sum"),
        ] {
            let verdict = overall(whole(sum), &[agent("a", walls[0]), agent("b", walls[1])]);
            assert_eq!(
                (verdict.wall, verdict.evidence),
                (expected, vec![said.to_string(), "figures".into()])
            );
        }
        let verdict = overall(whole(Wall::Server), &[agent("a", Wall::Client), agent("lost", Wall::Fault)]);
        assert!(
            verdict.wall == Wall::Fault && verdict.evidence[0].contains("agent lost was lost"),
            "{verdict:?}"
        );
    }

    #[test]
    fn steps_add_up() {
        let mut sum = agent("a", Wall::Offered);
        sum.add(agent("a", Wall::Client));
        assert_eq!(
            (sum.rate(), sum.cpu_ns_per_request(), sum.verdict.wall),
            (100.0, Some(10.0), Wall::Client)
        );
        let mut text = String::new();
        render(&mut text, &[sum]);
        assert!(text.contains("agent      a (h): 100/s") && text.contains("limit: CLIENT, a says"), "{text}");
    }
}
