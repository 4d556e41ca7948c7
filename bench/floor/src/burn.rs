//! CPU time that is wasted on purpose, so that a comparison has a known difference to find.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Answers after which the cost of one is measured again.
const ANSWERS_PER_MEASUREMENT: u64 = 4096;

/// How much CPU time to waste for each answer.
#[derive(Clone, Copy)]
pub enum Amount {
    /// So much, whatever an answer costs.
    Fixed(Duration),
    /// A part of what an answer costs this process without the waste, kernel included.
    Share(f64),
}

/// Wastes CPU time.
pub struct Burn {
    amount: Amount,
    /// Time to waste for each answer.
    each: Duration,
    /// Time wasted since the start.
    wasted: Duration,
    /// Answers since the last measurement, and the CPU time of the thread at that measurement, less the waste.
    answers: u64,
    used: Duration,
}

impl Burn {
    pub fn new(amount: Amount) -> Self {
        let each = match amount {
            Amount::Fixed(each) => each,
            Amount::Share(_) => Duration::ZERO,
        };
        Self { amount, each, wasted: Duration::ZERO, answers: 0, used: Duration::ZERO }
    }

    /// Parses "150" (nanoseconds) or "5%".
    pub fn parse(text: &str) -> Option<Amount> {
        match text.strip_suffix('%') {
            Some(percent) => {
                let percent: f64 = percent.parse().ok()?;
                (0.0..=1000.0).contains(&percent).then_some(Amount::Share(percent / 100.0))
            }
            None => Some(Amount::Fixed(Duration::from_nanos(text.parse().ok()?))),
        }
    }

    /// Wastes what `answers` answers are due.
    pub fn waste(&mut self, answers: usize) {
        if let Amount::Share(share) = self.amount {
            self.answers += answers as u64;
            if self.answers >= ANSWERS_PER_MEASUREMENT {
                self.measure(share, cpu_time());
            }
        }
        let due = self.each * answers as u32;
        if due.is_zero() {
            return;
        }
        self.wasted += due;
        let started = Instant::now();
        while started.elapsed() < due {}
    }

    fn measure(&mut self, share: f64, cpu_time: Duration) {
        let used = cpu_time.saturating_sub(self.wasted);
        let each = used.saturating_sub(self.used).as_secs_f64() / self.answers as f64;
        self.each = Duration::from_secs_f64(each * share);
        self.used = used;
        self.answers = 0;
    }
}

/// Returns what this thread has used, user and system.
fn cpu_time() -> Duration {
    let clock = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(clock.tv_sec as u64, clock.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_of_what_an_answer_costs_without_the_waste() {
        let mut burn = Burn::new(Amount::Share(0.05));
        burn.answers = 1000;
        burn.measure(0.05, Duration::from_micros(4_000));
        assert_eq!(burn.each, Duration::from_nanos(200));
        // The next thousand answers cost as much again, and 200 us were wasted meanwhile.
        burn.wasted += Duration::from_micros(200);
        burn.answers = 1000;
        burn.measure(0.05, Duration::from_micros(8_200));
        assert_eq!(burn.each, Duration::from_nanos(200));
    }

    #[test]
    fn amounts() {
        assert!(matches!(Burn::parse("150"), Some(Amount::Fixed(each)) if each == Duration::from_nanos(150)));
        assert!(matches!(Burn::parse("5%"), Some(Amount::Share(share)) if share == 0.05));
        for text in ["", "%", "-1%", "nan%", "5 %", "-3"] {
            assert!(Burn::parse(text).is_none(), "{text}");
        }
    }
}
