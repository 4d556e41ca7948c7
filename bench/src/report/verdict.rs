//! Names the bottleneck: a pure function of what was measured, with the evidence that led to it.
//!
//! | verdict | meaning |
//! |---|---|
//! | `SERVER` | the server's busiest thread had no time left |
//! | `CLIENT` | the generator was the bottleneck, or stood still, so the rate is a lower bound |
//! | `SHARED CPU` | generator and server (or others) waited for each other's CPU |
//! | `NETWORK` | segments had to be sent again, or the round trip alone explains the rate |
//! | `FAULT` | too much failed, or nothing was measured: no bottleneck can be named |
//! | `UNKNOWN` | the measured part was too short to tell |
//! | `OFFERED` | nobody was saturated: what was asked for was served |

use crate::quantity::{show_ns, show_rate};

/// A thread that runs for this share of the time has none left: the rest is waking up.
const BUSY: f64 = 0.92;
/// A thread that could have run and had no CPU for this share of the time.
const WAITS_FOR_CPU: f64 = 0.10;
/// The generator stood still for this share of the time: as many requests were late for its reasons.
const STALLED: f64 = 0.01;
/// Less than this is what any busy host does to a thread now and then, and says little of a short run; nanoseconds.
const STALLED_NS: f64 = 100e6;
/// A host that is idle for less than this share has nothing left to give.
const HOST_IDLE: f64 = 0.05;
/// Segments sent again beyond this share are a network's fault.
const RETRANSMITS: f64 = 0.001;
/// The share of failures from which a run is one of errors.
const FAULTY: f64 = 0.1;
/// The shortest time whose shares of CPU mean something, nanoseconds: clocks of several processes are read one after the other.
const LONG_ENOUGH_NS: u64 = 100_000_000;
/// Requests of which one in a hundred is more than an accident.
const ENOUGH_LAGS: u64 = 100;
/// The part of an offered rate that counts as served.
const SERVED: f64 = 0.99;

/// The part that limited the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wall {
    /// The server.
    Server,
    /// The generator: the report says "at least".
    Client,
    /// Both on the same CPUs, or others on theirs.
    SharedCpu,
    /// The network.
    Network,
    /// It is not known, because the run met errors instead.
    Fault,
    /// It can't be known from so short a time.
    Unknown,
    /// Nobody.
    Offered,
}

impl Wall {
    /// Returns the word of the report.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "SERVER",
            Self::Client => "CLIENT",
            Self::SharedCpu => "SHARED CPU",
            Self::Network => "NETWORK",
            Self::Fault => "FAULT",
            Self::Unknown => "UNKNOWN",
            Self::Offered => "OFFERED",
        }
    }

    /// Returns whether the rate is only a lower bound of what the server can do.
    #[must_use]
    pub const fn is_lower_bound(self) -> bool {
        matches!(self, Self::Client | Self::SharedCpu)
    }
}

/// What the verdict is drawn from. Shares are between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Inputs {
    /// Requests per second that the schedule wanted; `None` in a closed loop.
    pub offered: Option<f64>,
    /// The gaps between requests were drawn by chance.
    pub is_poisson: bool,
    /// Answers per second.
    pub rate: f64,
    /// Share of the time that the generator's busiest thread ran.
    pub client_busy: f64,
    /// Share of the time that a thread of the generator waited for a CPU, the worst one.
    pub client_waited: f64,
    /// Share of the time that a thread of the generator stood still, the worst one.
    pub client_stalled: f64,
    /// The longest time that a thread of the generator stood still, nanoseconds.
    pub longest_stall_ns: u64,
    /// 99th percentile of how late requests left although a connection was free; nanoseconds; open loop only.
    pub lag_p99_ns: u64,
    /// Longest lag that is still on time, nanoseconds: a small part of the latency that is measured.
    pub latency_p99_ns: u64,
    /// Share of the time that the server's busiest thread ran; `None` when not known.
    pub server_busy: Option<f64>,
    /// Share of the time that a thread of the server waited for a CPU, the worst one.
    pub server_waited: Option<f64>,
    /// Share of the time that the host had no work.
    pub host_idle: f64,
    /// Share of the time that the hypervisor gave to others.
    pub host_stolen: f64,
    /// Share of the time that the host spent in soft interrupts: mostly its network stack.
    pub host_softirq: f64,
    /// Share of segments sent again.
    pub retransmits: f64,
    /// Time of a TCP handshake, nanoseconds; 0 when not measured.
    pub round_trip_ns: u64,
    /// Latency that all but one in twenty exceed, nanoseconds.
    pub latency_p5_ns: u64,
    /// Median latency, nanoseconds.
    pub latency_p50_ns: u64,
    /// Whether the server is on another host.
    pub is_remote: bool,
    /// Length of the measured part, nanoseconds; 0 if an interrupt came before it.
    pub window_ns: u64,
    /// Requests whose lag is known.
    pub lags: u64,
    /// Answers of any status.
    pub answers: u64,
    /// Requests and connections that failed: timed out, refused, reset, closed, garbage, 4xx and 5xx.
    pub failed: u64,
    /// Those of them that timed out, or stood behind one that did.
    pub late: u64,
    /// Those of them that are answers too: 4xx and 5xx.
    pub bad_answers: u64,
    /// Those of them for which this host is at fault: no port, descriptor or memory was left.
    pub local_faults: u64,
}

/// The verdict and the sentences that support it, the decisive one first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who.
    pub wall: Wall,
    /// Why.
    pub evidence: Vec<String>,
}

/// Draws the verdict.
#[must_use]
pub fn judge(inputs: &Inputs) -> Verdict {
    let (wall, decisive) = decide(inputs);
    let mut evidence = vec![decisive];
    evidence.extend(figures(inputs));
    Verdict { wall, evidence }
}

/// Errors come before all else: what failed quickly makes a rate that says nothing.
fn fault(inputs: &Inputs) -> Option<(Wall, String)> {
    let all = (inputs.answers + inputs.failed).saturating_sub(inputs.bad_answers);
    if inputs.window_ns == 0 {
        Some((Wall::Fault, "the run ended before its measured part began".into()))
    } else if inputs.local_faults > 0 {
        Some((
            Wall::Client,
            "this host could not make the connections; the reason stands under errors".into(),
        ))
    } else if inputs.answers == 0 {
        Some((Wall::Fault, "nothing was answered".into()))
    } else if inputs.failed as f64 >= all as f64 * FAULTY {
        let share = inputs.failed as f64 * 100.0 / all as f64;
        let how = if inputs.late * 2 > inputs.failed { " by time-out" } else { "" };
        Some((Wall::Fault, format!("{share:.0} % failed{how}, so the rate says nothing about a bottleneck")))
    } else {
        None
    }
}

fn decide(inputs: &Inputs) -> (Wall, String) {
    if let Some(fault) = fault(inputs) {
        return fault;
    }
    if inputs.window_ns < LONG_ENOUGH_NS {
        let measured = show_ns(inputs.window_ns);
        return (Wall::Unknown, format!("{measured} are too short to tell; measure for 100 ms or more"));
    }
    if let Some(stalled) = stalled(inputs) {
        return stalled;
    }
    if let Some(offered) = inputs.offered {
        return decide_open(inputs, offered);
    }
    let client_is_busy = inputs.client_busy >= BUSY;
    let server_is_busy = inputs.server_busy.is_some_and(|busy| busy >= BUSY);
    if is_shared(inputs) {
        (Wall::SharedCpu, "generator and server waited for a CPU while the host had none idle".into())
    } else if client_is_busy {
        let both = if server_is_busy { ", and so was the server's" } else { "" };
        (
            Wall::Client,
            format!("the generator's busiest thread was never idle{both}; use more threads (-t) or CPUs"),
        )
    } else if server_is_busy {
        (Wall::Server, "the server's busiest thread was never idle".into())
    } else {
        unsaturated(inputs)
    }
}

/// A generator that stood still sent and read late itself, whatever the server did meanwhile.
fn stalled(inputs: &Inputs) -> Option<(Wall, String)> {
    let stalled_ns = inputs.client_stalled * inputs.window_ns as f64;
    if inputs.client_stalled < STALLED || stalled_ns < STALLED_NS {
        return None;
    }
    let stood = format!(
        "the generator stood still for {:.0} % of the time, {} at the longest: so long latencies are its own",
        inputs.client_stalled * 100.0,
        show_ns(inputs.longest_stall_ns)
    );
    Some((if is_shared(inputs) { Wall::SharedCpu } else { Wall::Client }, stood))
}

/// Returns the bottleneck of an open loop. Its generator may spin to be on time, so its CPU says nothing; its lag does.
fn decide_open(inputs: &Inputs, offered: f64) -> (Wall, String) {
    let is_served =
        is_served(inputs.rate, offered, inputs.latency_p5_ns, inputs.window_ns, inputs.is_poisson);
    // Of fewer requests the p99 is the latest one: a single late wake-up.
    let lags = inputs.lags >= ENOUGH_LAGS && inputs.lag_p99_ns > 1_000_000.max(inputs.latency_p99_ns / 2);
    if is_served && !lags {
        let rest = if inputs.rate < offered * SERVED {
            "; the rest was answered behind the measured part"
        } else {
            ""
        };
        let (rate, offered) = (show_rate(inputs.rate), show_rate(offered));
        (Wall::Offered, format!("the offered rate was served: {rate} of {offered}{rest}"))
    } else if is_shared(inputs) {
        (Wall::SharedCpu, "generator and server waited for a CPU while the host had none idle".into())
    } else if lags {
        (
            Wall::Client,
            format!("requests left late although connections were free: p99 {}", show_ns(inputs.lag_p99_ns)),
        )
    } else if inputs.server_busy.is_some_and(|busy| busy >= BUSY) || inputs.retransmits <= RETRANSMITS {
        let what =
            "the server answered fewer requests than were offered; all connections were waiting for it";
        (Wall::Server, what.into())
    } else {
        unsaturated(inputs)
    }
}

/// Returns whether so many answers per second within the measured part are what was offered. What was on its way at its end is no fault
/// of the server: as many as come in one latency (J. Little, "A Proof for the Queuing Formula", 1961), by the latency of the quickest,
/// since that of most grows with the backlog of a server that falls behind. Where gaps are drawn by chance (`is_poisson`) it may be three
/// standard deviations more.
#[must_use]
pub fn is_served(rate: f64, offered: f64, latency_p5_ns: u64, window_ns: u64, is_poisson: bool) -> bool {
    let window_s = window_ns.max(1) as f64 / 1e9;
    let mean = offered * latency_p5_ns as f64 / 1e9;
    let on_their_way = mean + if is_poisson { 3.0 * mean.sqrt() } else { 0.0 };
    rate >= offered / 2.0 && rate + on_their_way / window_s >= offered * SERVED
}

fn is_shared(inputs: &Inputs) -> bool {
    let waited = inputs.client_waited.max(inputs.server_waited.unwrap_or(0.0));
    (waited >= WAITS_FOR_CPU && inputs.host_idle < HOST_IDLE) || inputs.host_stolen >= WAITS_FOR_CPU
}

fn unsaturated(inputs: &Inputs) -> (Wall, String) {
    if inputs.retransmits > RETRANSMITS {
        return (Wall::Network, "segments had to be sent again".into());
    }
    let mostly_wire = inputs.round_trip_ns > 0 && inputs.latency_p50_ns < inputs.round_trip_ns * 3 / 2;
    if inputs.is_remote && mostly_wire {
        let round_trip = show_ns(inputs.round_trip_ns);
        return (
            Wall::Network,
            format!("the round trip ({round_trip}) is most of the latency; use more connections"),
        );
    }
    let what = "no CPU was saturated: the connections waited for answers";
    let advice = if inputs.failed == 0 { "; more of them (-c, -p) may give more" } else { "" };
    (Wall::Offered, format!("{what}{advice}"))
}

fn figures(inputs: &Inputs) -> Vec<String> {
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut lines = vec![format!(
        "generator: busiest thread ran {} of the time, waited for a CPU {}",
        percent(inputs.client_busy),
        percent(inputs.client_waited)
    )];
    match inputs.server_busy {
        Some(busy) => lines.push(format!(
            "server: busiest thread ran {} of the time, waited for a CPU {}",
            percent(busy),
            percent(inputs.server_waited.unwrap_or(0.0))
        )),
        None => {
            let unknown = "server: its CPU time is not known (another host or user, and no /metrics)";
            lines.push(unknown.into());
        }
    }
    lines.push(format!(
        "host: idle {}, in soft interrupts {}, taken by the hypervisor {}; segments sent again {:.3} %",
        percent(inputs.host_idle),
        percent(inputs.host_softirq),
        percent(inputs.host_stolen),
        inputs.retransmits * 100.0
    ));
    if inputs.longest_stall_ns > 0 {
        lines.push(format!(
            "the generator stood still for {} at the longest",
            show_ns(inputs.longest_stall_ns)
        ));
    }
    if inputs.offered.is_some() {
        lines.push(format!("send lag p99 {}", show_ns(inputs.lag_p99_ns)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Inputs = Inputs {
        offered: None,
        is_poisson: false,
        rate: 50_000.0,
        client_busy: 0.4,
        client_waited: 0.01,
        client_stalled: 0.0,
        longest_stall_ns: 0,
        lag_p99_ns: 0,
        latency_p99_ns: 2_000_000,
        server_busy: Some(0.5),
        server_waited: Some(0.01),
        host_idle: 0.5,
        host_stolen: 0.0,
        host_softirq: 0.0,
        retransmits: 0.0,
        round_trip_ns: 50_000,
        latency_p5_ns: 500_000,
        latency_p50_ns: 1_000_000,
        is_remote: false,
        window_ns: 10_000_000_000,
        lags: 500_000,
        answers: 500_000,
        failed: 0,
        bad_answers: 0,
        late: 0,
        local_faults: 0,
    };
    const OPEN: Inputs = Inputs { offered: Some(50_000.0), ..QUIET };

    #[test]
    fn verdicts_by_table() {
        for (name, inputs, wall) in [
            ("nobody, closed", QUIET, Wall::Offered),
            ("server", Inputs { server_busy: Some(0.97), ..QUIET }, Wall::Server),
            (
                "a generator that stood still, although all was served",
                Inputs { client_stalled: 0.05, longest_stall_ns: 500_000_000, ..OPEN },
                Wall::Client,
            ),
            (
                "the same in a closed loop whose server is busy",
                Inputs { client_stalled: 0.05, server_busy: Some(0.97), ..QUIET },
                Wall::Client,
            ),
            (
                "an accident in a short run",
                Inputs { client_stalled: 0.1, longest_stall_ns: 50_000_000, window_ns: 500_000_000, ..OPEN },
                Wall::Offered,
            ),
            (
                "too short to matter",
                Inputs { client_stalled: 0.005, longest_stall_ns: 50_000_000, ..OPEN },
                Wall::Offered,
            ),
            ("client", Inputs { client_busy: 0.99, ..QUIET }, Wall::Client),
            (
                "client, server unknown",
                Inputs { client_busy: 0.99, server_busy: None, ..QUIET },
                Wall::Client,
            ),
            (
                "both: not more than a lower bound",
                Inputs { client_busy: 0.95, server_busy: Some(0.97), ..QUIET },
                Wall::Client,
            ),
            (
                "one CPU for both",
                Inputs {
                    client_busy: 0.5,
                    client_waited: 0.4,
                    server_waited: Some(0.4),
                    host_idle: 0.0,
                    ..QUIET
                },
                Wall::SharedCpu,
            ),
            ("a wait on a host that has CPUs left", Inputs { client_waited: 0.2, ..QUIET }, Wall::Offered),
            (
                "a hypervisor that takes",
                Inputs { host_stolen: 0.2, server_busy: Some(0.97), ..QUIET },
                Wall::SharedCpu,
            ),
            ("out of ports", Inputs { failed: 9, local_faults: 9, ..QUIET }, Wall::Client),
            ("errors only", Inputs { failed: 500_000, server_busy: Some(0.97), ..QUIET }, Wall::Fault),
            (
                "time-outs",
                Inputs { failed: 500_000, late: 500_000, server_busy: Some(0.97), ..OPEN },
                Wall::Fault,
            ),
            ("nothing answered", Inputs { answers: 0, ..OPEN }, Wall::Fault),
            ("nothing measured", Inputs { window_ns: 0, client_busy: 1.0, ..QUIET }, Wall::Fault),
            ("a few errors", Inputs { failed: 9, server_busy: Some(0.97), ..QUIET }, Wall::Server),
            ("too short", Inputs { window_ns: 99_999_999, client_busy: 1.0, ..QUIET }, Wall::Unknown),
            ("just long enough", Inputs { window_ns: 100_000_000, client_busy: 1.0, ..QUIET }, Wall::Client),
            ("one late of 14", Inputs { lags: 14, lag_p99_ns: 5_000_000, ..OPEN }, Wall::Offered),
            ("one late of 99", Inputs { lags: 99, lag_p99_ns: 5_000_000, ..OPEN }, Wall::Offered),
            ("late ones of 100", Inputs { lags: 100, lag_p99_ns: 5_000_000, ..OPEN }, Wall::Client),
            ("retransmits", Inputs { retransmits: 0.01, ..QUIET }, Wall::Network),
            (
                "round trips",
                Inputs { is_remote: true, round_trip_ns: 900_000, server_busy: None, ..QUIET },
                Wall::Network,
            ),
            ("open, served", OPEN, Wall::Offered),
            (
                "open, the last answers came behind the measured part",
                Inputs { rate: 48_500.0, latency_p5_ns: 299_000_000, ..OPEN },
                Wall::Offered,
            ),
            (
                "open, a backlog that grew to three tenths of the measured part",
                Inputs { rate: 35_000.0, latency_p5_ns: 200_000_000, ..OPEN },
                Wall::Server,
            ),
            (
                "few by chance, of which seven were on their way",
                Inputs {
                    offered: Some(14.5),
                    rate: 12.8,
                    latency_p5_ns: 300_000_000,
                    window_ns: 4_000_000_000,
                    lags: 58,
                    is_poisson: true,
                    ..OPEN
                },
                Wall::Offered,
            ),
            (
                "open, hardly anything was answered",
                Inputs { rate: 500.0, latency_p5_ns: 9_900_000_000, ..OPEN },
                Wall::Server,
            ),
            ("open, served by a spinning generator", Inputs { client_busy: 1.0, ..OPEN }, Wall::Offered),
            (
                "open, too much for the server",
                Inputs { rate: 30_000.0, server_busy: Some(0.98), ..OPEN },
                Wall::Server,
            ),
            ("open, server waits for its disk", Inputs { rate: 30_000.0, ..OPEN }, Wall::Server),
            ("open, generator late", Inputs { rate: 30_000.0, lag_p99_ns: 5_000_000, ..OPEN }, Wall::Client),
            ("open, lossy", Inputs { rate: 30_000.0, retransmits: 0.1, ..OPEN }, Wall::Network),
        ] {
            let verdict = judge(&inputs);
            assert_eq!(verdict.wall, wall, "{name}: {:?}", verdict.evidence);
            assert!(verdict.evidence.len() >= 4, "{name}");
        }
    }

    #[test]
    fn shares_of_failures_count_bad_answers_once() {
        for (answers, failed, bad_answers, said) in
            [(100, 100, 100, "100 %"), (100, 100, 0, "50 %"), (90, 20, 10, "20 %")]
        {
            let verdict = judge(&Inputs { answers, failed, bad_answers, ..QUIET });
            assert!(verdict.evidence[0].starts_with(said), "{said}: {:?}", verdict.evidence);
        }
        let verdict = judge(&Inputs { answers: 50, failed: 50, late: 40, ..QUIET });
        assert!(verdict.evidence[0].starts_with("50 % failed by time-out"), "{:?}", verdict.evidence);
    }

    #[test]
    fn only_walls_of_this_side_make_lower_bounds() {
        assert!(Wall::Client.is_lower_bound() && Wall::SharedCpu.is_lower_bound());
        assert!(
            !Wall::Server.is_lower_bound()
                && !Wall::Offered.is_lower_bound()
                && !Wall::Network.is_lower_bound()
        );
    }
}
