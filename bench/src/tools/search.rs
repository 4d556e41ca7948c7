//! `bench search`: the highest rate that holds the goals, as an interval, with the curve that led there.

use crate::driver::live::LiveLine;
use crate::driver::run::{Watch, run};
use crate::driver::server::ServerProbe;
use crate::output;
use crate::quantity::{RATE_MAX, show_count, show_ns, show_rate};
use crate::report::Report;
use crate::report::goal::{Figures, Goal};
use crate::report::verdict::{Wall, is_served};
use crate::scenario::pacer::Arrivals;
use crate::scenario::{Load, Scenario};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Times that a rate must miss before the search ends below it.
const MISSES_AT_END: u32 = 3;

/// Requests that a probe has at least: a few say neither that a tail holds nor that there are no errors.
const ENOUGH_REQUESTS: f64 = 20.0;

/// What the search knows; pure. One probe that misses proves nothing: a host stalls now and then. So a miss is asked again at once,
/// and the lowest one once more before the search ends below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Bracket {
    /// Highest rate that held.
    pub holds: Option<f64>,
    /// Rates above it that missed, the lowest last, and how often each.
    misses: Vec<(f64, u32)>,
    /// A rate that has missed once.
    doubted: Option<f64>,
    start: f64,
    precision: f64,
    /// The search goes no lower.
    lowest: f64,
}

impl Bracket {
    /// Returns a search from `start` requests per second to an interval of `precision` (0.05 is 5 %), in probes of `probe_ns`.
    #[must_use]
    pub fn new(start: f64, precision: f64, probe_ns: u64) -> Self {
        let lowest = ENOUGH_REQUESTS * 1e9 / probe_ns as f64;
        Self { holds: None, misses: Vec::new(), doubted: None, start, precision, lowest }
    }

    /// Returns the lowest rate that did not hold, twice.
    #[must_use]
    pub fn fails(&self) -> Option<f64> {
        self.misses.last().map(|&(rate, _)| rate)
    }

    /// Returns the rate to try next; `None` when the interval is narrow enough, or nothing holds.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        if self.doubted.is_some() {
            return self.doubted;
        }
        match (self.holds, self.misses.last()) {
            (None, None) => Some(self.start),
            (Some(holds), None) => (holds < RATE_MAX).then_some((holds * 2.0).min(RATE_MAX)),
            (None, Some((fails, _))) => (fails / 4.0 >= self.lowest).then_some(fails / 4.0),
            (Some(holds), Some(&(fails, times))) if fails <= holds * (1.0 + self.precision) => {
                (times < MISSES_AT_END).then_some(fails)
            }
            // The geometric middle: the goal is a matter of ratios.
            (Some(holds), Some((fails, _))) => Some((holds * fails).sqrt()),
        }
    }

    /// Takes note of a probe.
    pub fn learn(&mut self, rate: f64, does_hold: bool) {
        let was_doubted = self.doubted.take() == Some(rate);
        if does_hold {
            self.holds = Some(self.holds.map_or(rate, |known| known.max(rate)));
            self.misses.retain(|&(missed, _)| missed > rate);
        } else if let Some((_, times)) = self.misses.last_mut().filter(|(missed, _)| *missed == rate) {
            *times += 1;
        } else if was_doubted {
            self.misses.push((rate, 2));
        } else {
            self.doubted = Some(rate);
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
    /// Whether the generator was the bottleneck, so that the server can do more.
    pub is_client_wall: bool,
}

/// Searches for the highest rate at which the goals hold.
///
/// # Errors
/// Returns a sentence that names the next step.
pub fn search(
    scenario: &Scenario,
    mut bracket: Bracket,
    goals: &[Goal],
    command: &str,
    stop: &Arc<AtomicBool>,
) -> Result<Found, String> {
    let probe = ServerProbe::find(&scenario.target, scenario.asks_metrics);
    let goals_judge_errors = goals.iter().any(Goal::is_about_errors);
    let environment = crate::report::environment::describe();
    let (mut probes, mut is_client_wall, mut number) = (Vec::new(), false, scenario.first_number);
    while let Some(offered) = bracket.next() {
        let load = Load::Open { rate: offered, arrivals: Arrivals::Constant };
        let scenario = Scenario { load, first_number: number, ..scenario.clone() };
        let mut watch = Watch {
            server: &probe,
            stop,
            onlooker: &mut LiveLine::new(&scenario),
            abort_if: &|_, _| None,
            on_start: &mut |_| {},
        };
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
        let is_sound = goals_judge_errors || report.total.failures.of_sent() == 0;
        // Where a goal bounds errors, they are answers too.
        let served = if goals_judge_errors { measured.answers_per_second() } else { report.rate };
        let quickest_ns = report.total.latency.value_at_quantile(0.05);
        let is_served = is_served(served, offered, quickest_ns, measured.window_ns, false);
        let does_hold = is_sound && is_served && goals.iter().all(|goal| goal.check(&figures).is_met);
        output::report(line(offered, &report, does_hold));
        bracket.learn(offered, does_hold);
        let is_believed = bracket.fails() == Some(offered);
        is_client_wall = is_believed && matches!(report.verdict.wall, Wall::Client);
        probes.push(Probe { offered, report, does_hold });
        if is_client_wall {
            break;
        }
    }
    Ok(Found { bracket, probes, is_client_wall })
}

impl Found {
    /// Says what failed if no rate held, not even one at which the target had time: it does not miss the goal, it fails.
    #[must_use]
    pub fn errors(&self) -> Option<String> {
        let lowest = self.probes.iter().min_by(|a, b| a.offered.total_cmp(&b.offered))?;
        let failed = lowest.report.total.failures.of_sent();
        (self.bracket.holds.is_none() && failed > 0).then(|| {
            let offered = show_rate(lowest.offered);
            format!(
                "{} requests failed even at {offered}; see what `pixeld bench -r` says of them",
                show_count(failed)
            )
        })
    }
}

fn line(offered: f64, report: &Report, does_hold: bool) -> String {
    let p99 = show_ns(report.total.latency.value_at_quantile(0.99));
    let word = if does_hold { "holds" } else { "misses" };
    let rate = show_rate(report.rate);
    let errors = match report.total.failures.total() {
        0 => String::new(),
        errors => format!(", errors {}", show_count(errors)),
    };
    format!(
        "{:>12} offered, {rate} served, p99 {p99}{errors}: {word} ({})",
        show_rate(offered),
        report.verdict.wall.name()
    )
}

/// Returns the result for people, without the curve if they have watched it (`is_curve_known`).
#[must_use]
pub fn render(found: &Found, is_curve_known: bool) -> String {
    let mut probes: Vec<&Probe> = found.probes.iter().collect();
    probes.sort_by(|a, b| a.offered.total_cmp(&b.offered));
    probes.retain(|_| !is_curve_known);
    let mut out: String =
        probes.iter().map(|probe| line(probe.offered, &probe.report, probe.does_hold) + "\n").collect();
    out.push_str(&match (found.bracket.holds, found.bracket.fails()) {
        (Some(holds), _) if found.is_client_wall => {
            format!("highest rate: at least {}; the generator was the bottleneck\n", show_rate(holds))
        }
        (Some(holds), Some(fails)) => {
            format!("highest rate: between {} and {}\n", show_rate(holds), show_rate(fails))
        }
        (Some(holds), None) => format!("highest rate: at least {}\n", show_rate(holds)),
        (None, _) => {
            "no rate that was tried holds the goal; lower ones need longer probes (-d): 20 requests each\n"
                .into()
        }
    });
    out.extend(found.errors().map(|errors| format!("errors: {errors}\n")));
    out
}

/// Returns the result for machines.
#[must_use]
pub fn document(found: &Found) -> Value {
    json!({
        "schema": 1,
        "holds": found.bracket.holds,
        "fails": found.bracket.fails(),
        "client_was_wall": found.is_client_wall,
        "curve": found.probes.iter().map(|probe| json!({
            "offered": probe.offered,
            "rate": probe.report.rate,
            "errors": probe.report.total.failures.total(),
            "latency_ns": crate::report::json::quantiles(&probe.report.total.latency),
            "holds": probe.does_hold,
            "limit": probe.report.verdict.wall.name(),
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Searches a server that `does_hold` tells of; returns the bracket and the number of probes.
    fn searched(mut does_hold: impl FnMut(f64, usize) -> bool) -> (Bracket, usize) {
        let (mut bracket, mut probes) = (Bracket::new(1_000.0, 0.05, 40_000_000_000), 0);
        while let Some(rate) = bracket.next() {
            bracket.learn(rate, does_hold(rate, probes));
            probes += 1;
            assert!(probes < 80, "{bracket:?}");
        }
        (bracket, probes)
    }

    #[test]
    fn finds_any_limit_within_its_precision() {
        for limit in [3.0, 999.0, 1_000.0, 12_345.0, 2_000_000.0] {
            let (bracket, _) = searched(|rate, _| rate <= limit);
            let (holds, fails) = (bracket.holds.unwrap(), bracket.fails().unwrap());
            assert!(holds <= limit && limit < fails && fails <= holds * 1.05, "{limit}: {bracket:?}");
        }
    }

    #[test]
    fn a_probe_that_misses_by_accident_changes_nothing() {
        for accident in 0..20 {
            let (bracket, _) = searched(|rate, probe| rate <= 50_000.0 && probe != accident);
            let (holds, fails) = (bracket.holds.unwrap(), bracket.fails().unwrap());
            assert!(
                holds <= 50_000.0 && fails > 50_000.0 && fails <= holds * 1.05,
                "{accident}: {bracket:?}"
            );
        }
    }

    #[test]
    fn a_stall_over_two_probes_is_asked_again_before_the_search_ends_below_it() {
        let (bracket, _) = searched(|rate, probe| rate <= 50_000.0 && probe > 1);
        assert!(bracket.holds.unwrap() > 45_000.0, "{bracket:?}");
    }

    #[test]
    fn ends_at_the_highest_rate_that_can_be_offered() {
        let (bracket, _) = searched(|_, _| true);
        assert_eq!((bracket.holds, bracket.fails()), (Some(RATE_MAX), None));
    }

    #[test]
    fn gives_up_when_nothing_holds() {
        let (bracket, probes) = searched(|_, _| false);
        assert!(bracket.holds.is_none() && probes < 14, "{probes}");
    }
}
