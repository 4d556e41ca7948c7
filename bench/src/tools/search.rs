//! `bench search`: the highest rate that holds the goals, as an interval, with the curve that led there.

use crate::driver::run::{Watch, run};
use crate::driver::server::ServerProbe;
use crate::output;
use crate::quantity::{show_ns, show_rate};
use crate::report::Report;
use crate::report::goal::{Figures, Goal};
use crate::report::verdict::Wall;
use crate::scenario::pacer::Arrivals;
use crate::scenario::{Load, Scenario};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Share of the rate that has to be served for a probe to hold.
const SERVED: f64 = 0.99;

/// What the search knows; pure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bracket {
    /// Highest rate that held.
    pub holds: Option<f64>,
    /// Lowest rate that did not.
    pub fails: Option<f64>,
    start: f64,
    precision: f64,
}

impl Bracket {
    /// A search from `start` requests per second to an interval of `precision` (0.05 is 5 %).
    #[must_use]
    pub const fn new(start: f64, precision: f64) -> Self {
        Self { holds: None, fails: None, start, precision }
    }

    /// The rate to try next; `None` when the interval is narrow enough, or nothing holds.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        match (self.holds, self.fails) {
            (None, None) => Some(self.start),
            (Some(holds), None) => Some(holds * 2.0),
            (None, Some(fails)) => (fails >= 2.0).then_some(fails / 4.0),
            (Some(holds), Some(fails)) if fails <= holds * (1.0 + self.precision) => None,
            // The geometric middle: the goal is a matter of ratios.
            (Some(holds), Some(fails)) => Some((holds * fails).sqrt()),
        }
    }

    /// Takes note of a probe.
    pub fn learn(&mut self, rate: f64, does_hold: bool) {
        if does_hold {
            self.holds = Some(self.holds.map_or(rate, |known| known.max(rate)));
        } else {
            self.fails = Some(self.fails.map_or(rate, |known| known.min(rate)));
        }
    }
}

/// One probe of the curve.
#[derive(Clone, Debug)]
pub struct Probe {
    /// Requests per second that were offered.
    pub offered: f64,
    /// What came out.
    pub report: Report,
    /// Whether the goals held and the rate was served.
    pub does_hold: bool,
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The interval.
    pub bracket: Bracket,
    /// The probes in their order.
    pub probes: Vec<Probe>,
    /// Whether the generator was the wall, so that the server can do more.
    pub is_client_wall: bool,
}

/// Searches.
///
/// # Errors
/// A sentence that names the next step.
pub fn search(
    scenario: &Scenario,
    mut bracket: Bracket,
    goals: &[Goal],
    command: &str,
    stop: &Arc<AtomicBool>,
) -> Result<Found, String> {
    let probe = ServerProbe::find(&scenario.target, scenario.asks_metrics);
    let environment = crate::report::environment::describe();
    let (mut probes, mut is_client_wall, mut number) = (Vec::new(), false, scenario.first_number);
    while let Some(offered) = bracket.next() {
        let load = Load::Open { rate: offered, arrivals: Arrivals::Constant };
        let scenario = Scenario { load, first_number: number, ..scenario.clone() };
        let mut watch = Watch { server: &probe, stop, is_live: true, on_start: &mut |_| {} };
        let measured = run(&scenario, &mut watch)?;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        number +=
            measured.finished.iter().map(|f| f.numbered + 1).max().unwrap_or(0) * scenario.threads as u64;
        let report = Report::of(&scenario, &measured, 0, command, environment.clone());
        let figures = Figures {
            total: &report.total,
            rate: report.rate,
            server_cpu_ns_per_request: report.server_cpu_ns_per_request,
        };
        let does_hold =
            report.rate >= offered * SERVED && goals.iter().all(|goal| goal.check(&figures).is_met);
        output::tell(line(offered, &report, does_hold));
        bracket.learn(offered, does_hold);
        is_client_wall = !does_hold && matches!(report.verdict.wall, Wall::Client);
        probes.push(Probe { offered, report, does_hold });
        if is_client_wall {
            break;
        }
    }
    Ok(Found { bracket, probes, is_client_wall })
}

fn line(offered: f64, report: &Report, does_hold: bool) -> String {
    let p99 = show_ns(report.total.latency.value_at_quantile(0.99));
    let word = if does_hold { "holds" } else { "misses" };
    let rate = show_rate(report.rate);
    format!(
        "{:>12} offered, {rate} served, p99 {p99}: {word} ({})",
        show_rate(offered),
        report.verdict.wall.name()
    )
}

/// The result for people, without the curve if they have watched it (`is_curve_known`).
#[must_use]
pub fn render(found: &Found, is_curve_known: bool) -> String {
    let mut probes: Vec<&Probe> = found.probes.iter().collect();
    probes.sort_by(|a, b| a.offered.total_cmp(&b.offered));
    probes.retain(|_| !is_curve_known);
    let mut out: String =
        probes.iter().map(|probe| line(probe.offered, &probe.report, probe.does_hold) + "\n").collect();
    out.push_str(&match (found.bracket.holds, found.bracket.fails) {
        (Some(holds), _) if found.is_client_wall => {
            format!("highest rate: at least {}; the generator was the wall\n", show_rate(holds))
        }
        (Some(holds), Some(fails)) => {
            format!("highest rate: between {} and {}\n", show_rate(holds), show_rate(fails))
        }
        (Some(holds), None) => format!("highest rate: at least {}\n", show_rate(holds)),
        (None, _) => "no rate that was tried holds the goal\n".into(),
    });
    out
}

/// The result for machines.
#[must_use]
pub fn document(found: &Found) -> Value {
    json!({
        "schema": 1,
        "holds": found.bracket.holds,
        "fails": found.bracket.fails,
        "client_was_wall": found.is_client_wall,
        "curve": found.probes.iter().map(|probe| json!({
            "offered": probe.offered,
            "rate": probe.report.rate,
            "latency_ns": crate::report::json::quantiles(&probe.report.total.latency),
            "holds": probe.does_hold,
            "limit": probe.report.verdict.wall.name(),
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_any_limit_within_its_precision() {
        for limit in [3.0, 999.0, 1_000.0, 12_345.0, 2_000_000.0] {
            let mut bracket = Bracket::new(1_000.0, 0.05);
            let mut probes = 0;
            while let Some(rate) = bracket.next() {
                bracket.learn(rate, rate <= limit);
                probes += 1;
                assert!(probes < 40, "{limit}");
            }
            let (holds, fails) = (bracket.holds.unwrap(), bracket.fails.unwrap());
            assert!(holds <= limit && limit < fails && fails <= holds * 1.05, "{limit}: {bracket:?}");
        }
    }

    #[test]
    fn gives_up_when_nothing_holds() {
        let mut bracket = Bracket::new(1_000.0, 0.05);
        let mut probes = 0;
        while let Some(rate) = bracket.next() {
            bracket.learn(rate, false);
            probes += 1;
        }
        assert!(bracket.holds.is_none() && probes < 10);
    }
}
