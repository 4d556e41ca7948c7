//! `--chaos`: what is done to a server while it is measured. Only to servers that bench started.

use crate::client::target::Target;
use crate::quantity::duration_ns;
use crate::report::Disturbance;
use crate::tools::launch::{Launched, answers};
use rustix::process::Signal;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest wait for a server to answer again.
const RECOVERY_WAIT: Duration = Duration::from_secs(30);
/// Pause between two looks at whether the load has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

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

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Chaos {
    /// Reads `kill server@5s`, `stop server@5s` or `pause server@5s for 500ms`.
    ///
    /// # Errors
    /// Returns a sentence with the three forms.
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

/// What came of the orders: those that were done, and why others were not.
#[derive(Debug, Default)]
pub struct Aftermath {
    /// Done.
    pub done: Vec<Disturbance>,
    /// A sentence for each that was not, or that the server did not outlive.
    pub faults: Vec<String>,
}

/// Does the orders in time on a thread of its own, until `has_ended` is set, and says what came of them.
#[must_use]
pub fn unleash(
    mut orders: Vec<Chaos>,
    server: Arc<Mutex<Launched>>,
    target: Target,
    epoch: Instant,
    has_ended: Arc<AtomicBool>,
) -> std::thread::JoinHandle<Aftermath> {
    orders.sort_by_key(|order| order.at_ns);
    std::thread::spawn(move || {
        let mut aftermath = Aftermath::default();
        for order in &orders {
            match order.carry_out(&server, &target, epoch, &has_ended) {
                Ok(done) => aftermath.done.push(done),
                Err(fault) => aftermath.faults.push(format!("chaos `{}`: {fault}", order.text)),
            }
        }
        aftermath
    })
}

/// Sleeps until `moment`; returns false if the load ended before.
fn sleep_until(moment: Instant, has_ended: &AtomicBool) -> bool {
    while !has_ended.load(Ordering::Relaxed) {
        let left = moment.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(LOOK_EVERY));
    }
    false
}

impl Chaos {
    /// Returns when it is to be done, nanoseconds since the start of the run.
    #[must_use]
    pub fn at_ns(&self) -> u64 {
        self.at_ns
    }

    fn carry_out(
        &self,
        server: &Mutex<Launched>,
        target: &Target,
        epoch: Instant,
        has_ended: &AtomicBool,
    ) -> Result<Disturbance, String> {
        if !sleep_until(epoch + Duration::from_nanos(self.at_ns), has_ended) {
            return Err("not done, the load had ended before".into());
        }
        let mut server = server.lock().map_err(|_| "the server's keeper panicked")?;
        let done = Instant::now();
        match self.deed {
            Deed::Kill => server.restart_killed(target)?,
            Deed::Stop => server.restart_in_order(target)?,
            Deed::Pause(ns) => {
                server.signal(Signal::STOP);
                sleep_until(done + Duration::from_nanos(ns), has_ended);
                server.signal(Signal::CONT);
            }
        }
        loop {
            let has_answered = answers(target);
            server.check_alive()?;
            if has_answered || done.elapsed() >= RECOVERY_WAIT {
                break;
            }
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
