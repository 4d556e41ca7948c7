//! `--chaos`: what is done to a server while it is measured. Only to servers that bench started.

use crate::client::target::Target;
use crate::quantity::duration_ns;
use crate::report::Disturbance;
use crate::tools::launch::{Launched, answers};
use rustix::process::Signal;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for a server to answer again.
const RECOVERY_WAIT: Duration = Duration::from_secs(30);

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    /// SIGKILL, then the same command again.
    Kill,
    /// SIGTERM, then the same command again.
    Stop,
    /// SIGSTOP, and SIGCONT after a time in nanoseconds.
    Pause(u64),
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chaos {
    text: String,
    deed: Deed,
    at_ns: u64,
}

impl Chaos {
    /// Reads `kill server@5s`, `stop server@5s` or `pause server@5s for 500ms`.
    ///
    /// # Errors
    /// A sentence with the three forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!("chaos `{text}`: write 'kill server@5s', 'stop server@5s' or 'pause server@5s for 500ms'")
        };
        let (verb, rest) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let rest = rest.trim().strip_prefix("server@").ok_or_else(wrong)?;
        let (at, length) = match rest.split_once(" for ") {
            Some((at, length)) => (at, Some(duration_ns(length).map_err(|_| wrong())?)),
            None => (rest, None),
        };
        let deed = match (verb, length) {
            ("kill", None) => Deed::Kill,
            ("stop", None) => Deed::Stop,
            ("pause", Some(length)) => Deed::Pause(length),
            _ => return Err(wrong()),
        };
        Ok(Self { text: text.trim().to_string(), deed, at_ns: duration_ns(at).map_err(|_| wrong())? })
    }
}

/// Does the orders in time on a thread of its own and says what came of them.
#[must_use]
pub fn unleash(
    mut orders: Vec<Chaos>,
    server: Arc<Mutex<Launched>>,
    target: Target,
    epoch: Instant,
) -> std::thread::JoinHandle<Result<Vec<Disturbance>, String>> {
    orders.sort_by_key(|order| order.at_ns);
    std::thread::spawn(move || orders.iter().map(|order| order.carry_out(&server, &target, epoch)).collect())
}

impl Chaos {
    fn carry_out(
        &self,
        server: &Mutex<Launched>,
        target: &Target,
        epoch: Instant,
    ) -> Result<Disturbance, String> {
        std::thread::sleep(Duration::from_nanos(self.at_ns).saturating_sub(epoch.elapsed()));
        let mut server = server.lock().map_err(|_| "the server's keeper panicked")?;
        let done = Instant::now();
        match self.deed {
            Deed::Kill => server.restart_killed()?,
            Deed::Stop => server.restart_in_order()?,
            Deed::Pause(ns) => {
                server.signal(Signal::STOP);
                std::thread::sleep(Duration::from_nanos(ns));
                server.signal(Signal::CONT);
            }
        }
        while !answers(target) && done.elapsed() < RECOVERY_WAIT {
            std::thread::sleep(Duration::from_millis(1));
        }
        let recovery = done.elapsed();
        Ok(Disturbance {
            what: self.text.clone(),
            at_ns: (done - epoch).as_nanos() as u64,
            recovery_ns: (recovery < RECOVERY_WAIT).then_some(recovery.as_nanos() as u64),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_by_table() {
        for (text, deed, at_ns) in [
            ("kill server@5s", Deed::Kill, 5_000_000_000),
            ("stop server@200ms", Deed::Stop, 200_000_000),
            ("pause server@1s for 500ms", Deed::Pause(500_000_000), 1_000_000_000),
        ] {
            let order = Chaos::parse(text).unwrap();
            assert_eq!((order.deed, order.at_ns), (deed, at_ns), "{text}");
        }
        for text in [
            "",
            "kill",
            "kill server",
            "kill it@5s",
            "kill server@5",
            "pause server@1s",
            "kill server@1s for 2s",
        ] {
            assert!(Chaos::parse(text).unwrap_err().contains("kill server@5s"), "{text}");
        }
    }
}
