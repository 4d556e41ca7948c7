//! The bottleneck so far: the verdict of a report, drawn from what can be read beside a run that goes on.
//!
//! Nothing here asks the threads that send: their CPU time stands in `/proc`, as the server's and the host's do. The server is not
//! asked for its `/metrics` either.

use crate::driver::machine::{HostTimes, own_threads};
use crate::driver::run::{Measured, ThreadUse};
use crate::driver::server::{ServerProbe, ServerReading};
use crate::driver::stalls::Stalls;
use crate::driver::team::THREAD_NAME;
use crate::report;
use crate::report::verdict::{Inputs, Verdict, judge};
use crate::screen::board::Board;
use std::collections::BTreeMap;
use std::time::Instant;

/// Reads at the beginning of a measured part and again and again after it.
pub struct Meter {
    probe: ServerProbe,
    round_trip_ns: u64,
    first: Option<Reading>,
}

struct Reading {
    at: Instant,
    server: ServerReading,
    host: HostTimes,
    threads: BTreeMap<u32, (u64, u64)>,
}

/// What is known so far.
pub struct Known {
    /// The bottleneck.
    pub verdict: Verdict,
    /// CPU nanoseconds of the server per answer.
    pub server_cpu_ns_per_request: Option<f64>,
}

impl Meter {
    /// Returns a meter that reads the processes of `probe`.
    #[must_use]
    pub fn new(probe: &ServerProbe, round_trip_ns: u64) -> Self {
        Self { probe: ServerProbe { metrics: None, ..probe.clone() }, round_trip_ns, first: None }
    }

    /// Forgets the run before.
    pub fn reset(&mut self) {
        self.first = None;
    }

    /// Returns whether it has read since the measured part began.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.first.is_some()
    }

    /// Reads for the first time.
    pub fn begin(&mut self) {
        self.first = Some(self.read());
    }

    fn read(&self) -> Reading {
        Reading {
            at: Instant::now(),
            server: self.probe.read(),
            host: HostTimes::read(),
            threads: own_threads(THREAD_NAME),
        }
    }

    /// Judges what is on the board; nothing before something was measured.
    #[must_use]
    pub fn judge(&self, board: &Board) -> Option<Known> {
        let first = self.first.as_ref().filter(|_| board.measured_ns > 0)?;
        let now = self.read();
        let threads = now.threads.iter().map(|(thread, &(ran, waited))| {
            let (ran_before, waited_before) = first.threads.get(thread).copied().unwrap_or((0, 0));
            ThreadUse {
                cpu_ns: ran.saturating_sub(ran_before),
                waited_for_cpu_ns: waited.saturating_sub(waited_before),
                // Threads say at their end when they stood still.
                stalls: Stalls::default(),
            }
        });
        let measured = Measured {
            total: board.total.clone(),
            window_ns: now.at.duration_since(first.at).as_nanos() as u64,
            threads: threads.collect(),
            server: now.server.since(&first.server),
            host: now.host.since(&first.host),
            ..Measured::default()
        };
        let inputs = report::inputs(&board.scenario, &measured, self.round_trip_ns);
        // Shares are of the time between two readings, what was counted is of whole intervals.
        let inputs = Inputs { rate: board.rate(), ..inputs };
        let in_window = measured.window_ns as f64 / board.measured_ns as f64;
        let per_request = measured.server_cpu_ns_per_request().map(|ns| ns / in_window);
        Some(Known { verdict: judge(&inputs), server_cpu_ns_per_request: per_request })
    }
}
