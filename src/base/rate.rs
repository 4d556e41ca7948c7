//! How often somebody may ask: an allowance that a number of requests empties and that time fills again.
//!
//! An allowance is one number, the moment at which it is full again (the generic cell rate algorithm of ATM's traffic management):
//! each request moves it on by the time in which one request comes back, and it may lie no further ahead than a whole allowance takes.

use std::fmt;

const MICROS: u64 = 1_000_000;
/// Requests in an allowance at most, and in its time.
const COUNT_MAX: u64 = 1_000_000;

/// So many requests in so much time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    count: u64,
    /// Seconds.
    time_s: u64,
    burst: u64,
}

/// The verdict of an allowance on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawn {
    /// It may be made; the moment at which the allowance is full again.
    Taken(u64),
    /// The allowance is empty; after so many microseconds one may be made.
    Empty(u64),
}

/// Describes a rate to whoever has mistyped one.
pub const RATE_FORM: &str = "REQUESTS/s, REQUESTS/m or REQUESTS/h, with :BURST for how many may come at once, such as 100/s or 600/m:50";

impl Rate {
    /// Reads `100/s`, `600/m:50`; nothing if the text has another form or a number is not from 1 to a million. Without a burst
    /// as many may come at once as in the whole time.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rate, burst) = text.split_once(':').map_or((text, None), |(rate, burst)| (rate, Some(burst)));
        let (count, unit) = rate.split_once('/')?;
        let time_s = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return None,
        };
        let number = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| is_number && (1..=COUNT_MAX).contains(number))
        };
        let count = number(count)?;
        Some(Self { count, time_s, burst: burst.map_or(Some(count), number)? })
    }

    /// Returns how many may come at once.
    #[must_use]
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// Returns the time in which a whole allowance comes back, seconds, rounded up.
    #[must_use]
    pub fn window_s(self) -> u64 {
        (self.burst * self.time_s).div_ceil(self.count)
    }

    /// Draws one request at `now_us` from an allowance that is full again at `full_us`.
    #[must_use]
    pub fn draw(self, full_us: u64, now_us: u64) -> Drawn {
        let time_us = |requests: u64| (requests * self.time_s).saturating_mul(MICROS) / self.count;
        let next_us = full_us.max(now_us) + time_us(1).max(1);
        let most_us = now_us + time_us(self.burst).max(1);
        if next_us <= most_us { Drawn::Taken(next_us) } else { Drawn::Empty(next_us - most_us) }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.time_s {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.count)?;
        if self.burst == self.count { Ok(()) } else { write!(f, ":{}", self.burst) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_they_are_shown() {
        for text in ["1/s", "100/s", "600/m:50", "1000000/h", "3/h:1"] {
            assert_eq!(Rate::parse(text).expect(text).to_string(), text);
        }
        assert_eq!(Rate::parse("5/m:5").expect("a rate").to_string(), "5/m");
        for text in
            ["", "5", "5/", "/s", "0/s", "5/d", "5/s:", "5/s:0", "+5/s", "5/s:+5", "1000001/s", "5 /s"]
        {
            assert_eq!(Rate::parse(text), None, "{text:?}");
        }
        let window_s = |text| Rate::parse(text).expect("a rate").window_s();
        assert_eq!([window_s("100/s"), window_s("600/m:50"), window_s("3/h:1")], [1, 5, 1_200]);
    }

    #[test]
    fn an_allowance_gives_its_burst_at_once_and_then_its_rate() {
        let rate = Rate::parse("10/s:3").expect("a rate");
        let (mut full_us, mut taken) = (0, Vec::new());
        for now_us in (5_000_000..6_000_000).step_by(10_000) {
            match rate.draw(full_us, now_us) {
                Drawn::Taken(next_us) => {
                    full_us = next_us;
                    taken.push(now_us - 5_000_000);
                }
                Drawn::Empty(wait_us) => {
                    assert!((1..=100_000).contains(&wait_us));
                    let after = rate.draw(full_us, now_us + wait_us);
                    assert!(matches!(after, Drawn::Taken(_)), "what it says is enough");
                    let before = rate.draw(full_us, now_us + wait_us - 1);
                    assert!(matches!(before, Drawn::Empty(_)), "and no less is");
                }
            }
        }
        assert_eq!(taken[..5], [0, 10_000, 20_000, 100_000, 200_000]);
        assert_eq!(taken.len(), 3 + 9, "the burst, and ten in a second");
    }

    #[test]
    fn the_largest_numbers_overflow_nothing() {
        for text in ["1/h:1000000", "1000000/s", "1000000/h:1000000"] {
            let rate = Rate::parse(text).expect("a rate");
            assert!(matches!(rate.draw(0, 1 << 50), Drawn::Taken(_)), "{text}");
        }
    }
}
