//! `--verify`: every acknowledged pixel is looked for in the lists of all hosts.
//!
//! Each pixel of a run is its own: x is the request's number, y the run's own number, the value follows from x. So a
//! listed pixel tells which request stored it, whatever else the server holds.

use crate::client::fetch;
use crate::client::target::Target;
use crate::driver::bitmap::Bitmap;
use crate::report::Verified;
use serde::Deserialize;
use std::time::Duration;

/// Longest silence of a server that lists.
const LIST_WAIT: Duration = Duration::from_secs(60);
/// Longest object of a list.
const OBJECT_BYTES_MAX: usize = 4096;
/// Lost pixels that are named.
const EXAMPLES: usize = 10;
/// The channel of every pixel.
const CHANNEL: &str = "R";
/// First number that is no x any more.
pub const NUMBERS_MAX: u64 = i32::MAX as u64;

/// Returns a number that no other run on the same server has, but for one chance in two billion.
///
/// # Errors
/// Fails when the system has no random numbers.
pub fn run_number() -> Result<i32, String> {
    let random = getrandom::u32().map_err(|error| format!("no random numbers: {error}"))?;
    Ok((random >> 1) as i32)
}

/// Returns the template whose pixels can be told apart, for the run number `run`.
#[must_use]
pub fn template(run: i32) -> String {
    format!(r#"{{"x":{{{{n}}}},"y":{run},"channel":"{CHANNEL}","value":{{{{n % 256}}}}}}"#)
}

/// Finds the pixels in a list as it streams in: JSON (`{"total":..,"data":[..]}`), or one object a line.
#[derive(Debug, Default)]
pub struct ListScanner {
    object: Vec<u8>,
    is_inside: bool,
    total: Option<u64>,
}

/// A listed pixel.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pixel {
    /// Column.
    pub x: i64,
    /// Row.
    pub y: i64,
    /// Colour; empty where the list does not say.
    #[serde(default)]
    pub channel: String,
    /// Intensity.
    pub value: i64,
}

impl Pixel {
    /// Returns whether it is what the template made for its x.
    fn is_as_sent(&self) -> bool {
        self.value == self.x % 256 && (self.channel.is_empty() || self.channel == CHANNEL)
    }
}

impl ListScanner {
    /// Takes a piece and calls `on_pixel` for each pixel that ended in it.
    pub fn take(&mut self, mut piece: &[u8], mut on_pixel: impl FnMut(&Pixel)) {
        while !piece.is_empty() {
            if self.is_inside {
                let end = piece.iter().position(|&byte| byte == b'}' || byte == b'{').unwrap_or(piece.len());
                if self.object.len() + end <= OBJECT_BYTES_MAX {
                    self.object.extend_from_slice(&piece[..end]);
                }
                if end < piece.len() {
                    self.close(piece[end] == b'{', &mut on_pixel);
                }
                piece = &piece[(end + 1).min(piece.len())..];
            } else {
                let Some(start) = memchr::memchr(b'{', piece) else { return };
                self.is_inside = true;
                piece = &piece[start + 1..];
            }
        }
    }

    /// Handles that an object ended, or that another one begins inside of it: then what came so far is the list's own head.
    fn close(&mut self, opens: bool, on_pixel: &mut impl FnMut(&Pixel)) {
        if self.total.is_none() {
            self.total = total_in(&self.object);
        }
        if !opens {
            self.is_inside = false;
            self.object.insert(0, b'{');
            self.object.push(b'}');
            if let Ok(pixel) = serde_json::from_slice(&self.object) {
                on_pixel(&pixel);
            }
        }
        self.object.clear();
    }

    /// Returns the list's `total`, once it was seen.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total.or_else(|| total_in(&self.object))
    }
}

/// Returns the number after `"total":`, when another byte after it shows that it is complete.
fn total_in(text: &[u8]) -> Option<u64> {
    let at = memchr::memmem::find(text, b"\"total\":")? + 8;
    let rest = text[at..].trim_ascii_start();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_complete = digits < rest.len();
    std::str::from_utf8(&rest[..digits]).ok().filter(|_| is_complete)?.parse().ok()
}

/// Returns the number of pixels that a server holds, from `GET /pixels`, whose list is not read further than its `total`.
///
/// # Errors
/// Returns a sentence when it does not say.
pub fn total(target: &Target) -> Result<u64, String> {
    let list = target.at("/pixels");
    let mut scanner = ListScanner::default();
    let answer = fetch::stream(&list, "", LIST_WAIT, |_, piece| {
        scanner.take(piece, |_| {});
        scanner.total().is_none()
    })
    .map_err(|error| format!("{}: {error}", list.url))?;
    scanner.total().ok_or_else(|| format!("{} answers {} without a `total`", list.url, answer.status))
}

/// What was acknowledged, and what of it was found.
#[derive(Debug)]
pub struct Ledger {
    run: i64,
    first: u64,
    acknowledged: Bitmap,
}

/// What one host lists.
#[derive(Debug, Default)]
struct Listed {
    seen: Bitmap,
    entries: u64,
    duplicated: u64,
    altered: u64,
}

impl Ledger {
    /// Returns a ledger of the run `run` whose numbers start at `first`.
    #[must_use]
    pub fn new(run: i32, first: u64) -> Self {
        Self { run: i64::from(run), first, acknowledged: Bitmap::default() }
    }

    /// Notes that a number was acknowledged.
    pub fn acknowledge(&mut self, number: u64) {
        assert!(number >= self.first, "numbers only grow");
        self.acknowledged.set(number - self.first);
    }

    /// Reads the lists of all hosts and compares.
    ///
    /// # Errors
    /// Returns a sentence when a list can't be read to its end.
    pub fn read_back(&self, hosts: &[Target]) -> Result<Verified, String> {
        let mut verified = Verified { acked: self.acknowledged.count(), ..Verified::default() };
        for host in hosts {
            let list = host.at("/pixels");
            let (mut listed, mut scanner) = (Listed::default(), ListScanner::default());
            let answer = fetch::stream(&list, "", LIST_WAIT, |_, piece| {
                scanner.take(piece, |pixel| self.enter(&mut listed, pixel));
                true
            })
            .map_err(|error| format!("cannot read back {}: {error}; is the server up?", list.url))?;
            if answer.status != 200 {
                return Err(format!("cannot read back {}: status {}", list.url, answer.status));
            }
            self.compare(&host.host, &listed, &mut verified);
        }
        Ok(verified)
    }

    fn enter(&self, listed: &mut Listed, pixel: &Pixel) {
        let number = u64::try_from(pixel.x).ok().and_then(|x| x.checked_sub(self.first));
        let (Some(number), true) = (number, pixel.y == self.run) else { return };
        listed.entries += 1;
        listed.altered += u64::from(!pixel.is_as_sent());
        listed.duplicated += u64::from(listed.seen.is_set(number));
        listed.seen.set(number);
    }

    fn compare(&self, host: &str, listed: &Listed, verified: &mut Verified) {
        verified.stored.insert(host.to_string(), listed.entries);
        verified.duplicated += listed.duplicated;
        verified.altered += listed.altered;
        for number in self.acknowledged.iter().filter(|&number| !listed.seen.is_set(number)) {
            verified.lost += 1;
            if verified.lost_examples.len() < EXAMPLES {
                verified.lost_examples.push(self.first + number);
            }
        }
        let without = listed.seen.iter().filter(|&number| !self.acknowledged.is_set(number)).count() as u64;
        verified.stored_without_ack = verified.stored_without_ack.max(without);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(text: &str, cut: usize) -> (Vec<i64>, Option<u64>) {
        let (mut scanner, mut seen) = (ListScanner::default(), Vec::new());
        for piece in [&text.as_bytes()[..cut], &text.as_bytes()[cut..]] {
            scanner.take(piece, |pixel| seen.push(pixel.x));
        }
        (seen, scanner.total())
    }

    #[test]
    fn lists_cut_at_every_byte() {
        let object = |x: u32| format!(r#"{{"x":{x},"y":2,"channel":"R","value":3}}"#);
        let json = format!(r#"{{"total":2,"data":[{},{}]}}"#, object(1), object(7));
        let lines = format!("{}\n{}\n", object(1), object(7));
        for cut in 0..=json.len() {
            assert_eq!(pixels(&json, cut), (vec![1, 7], Some(2)), "cut at {cut}");
        }
        for cut in 0..=lines.len() {
            assert_eq!(pixels(&lines, cut), (vec![1, 7], None), "cut at {cut}");
        }
        assert_eq!(pixels(r#"{"total":0,"data":[]}"#, 5), (vec![], Some(0)));
        assert_eq!(pixels(r#"{"total": 12"#, 3).1, None, "more digits may follow");
    }

    #[test]
    fn the_ledger_by_table() {
        let mut ledger = Ledger::new(9, 100);
        (100..110).for_each(|number| ledger.acknowledge(number));
        let mut listed = Listed::default();
        let pixel = |x: i64, y: i64, value: i64| Pixel { x, y, channel: "R".into(), value };
        for x in [100, 101, 102, 103, 104, 105, 106, 107, 108, 108, 112] {
            ledger.enter(&mut listed, &pixel(x, 9, x % 256));
        }
        ledger.enter(&mut listed, &pixel(104, 8, 0));
        ledger.enter(&mut listed, &pixel(-4, 9, 0));
        ledger.enter(&mut listed, &pixel(111, 9, 0));
        let mut verified = Verified { acked: 10, ..Verified::default() };
        ledger.compare("h", &listed, &mut verified);
        assert_eq!(
            verified,
            Verified {
                acked: 10,
                stored: [("h".to_string(), 12)].into(),
                lost: 1,
                lost_examples: vec![109],
                duplicated: 1,
                stored_without_ack: 2,
                altered: 1,
            }
        );
    }

    #[test]
    fn bodies_tell_their_number() {
        let compiled = crate::scenario::template::Template::compile(&template(-5)).unwrap();
        let mut out = Vec::new();
        compiled.write(300, &mut crate::scenario::random::Random::new(0), &mut out);
        assert_eq!(out, br#"{"x":300,"y":-5,"channel":"R","value":44}"#);
    }
}
