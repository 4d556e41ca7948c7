//! Figures on their way from an agent to its master: exactly what was counted, histograms in HdrHistogram's V2 encoding.
//!
//! What comes in is believed as far as it can be true: bounds of histograms are ours, counts leave room for sums.

use crate::agent::limits::{COUNT_MAX, ENTRIES_MAX};
use crate::agent::shown::plain;
use crate::driver::connect_times::ConnectTimes;
use crate::driver::figures::Finished;
use crate::driver::kinds::KindFigures;
use crate::driver::reasons::Reason;
use crate::driver::stalls::Stalls;
use crate::driver::statuses::{Example, Statuses};
use crate::driver::tally::{Failure, Failures, Tally};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

/// Counts of a [`Failures`], in the order of [`Failure::ALL`].
type FailuresText = [u64; Failure::ALL.len()];

/// A [`Tally`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TallyText {
    answers: u64,
    answers_in_time: u64,
    successes_in_time: u64,
    acknowledged: u64,
    acknowledged_ever: u64,
    sent: u64,
    reconnects: u64,
    bytes_in: u64,
    bytes_out: u64,
    failures: FailuresText,
    statuses: Vec<(u16, u64)>,
    latency: Option<String>,
    error_latency: Option<String>,
    uncorrected: Option<String>,
    lag: Option<String>,
}

/// A [`Finished`], but for the acknowledged numbers, which go before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedText {
    /// Which thread, counted over all generators.
    pub thread: usize,
    cpu_ns: u64,
    waited_for_cpu_ns: u64,
    /// Their number, sum and longest, nanoseconds.
    stalls: (u64, u64, u64),
    last_answer_ns: u64,
    last_loss_ns: u64,
    end_ns: u64,
    numbered: u64,
    error: Option<String>,
    reasons: Vec<ReasonText>,
    examples: Vec<(u16, String)>,
    cut_off: u64,
    kinds: Vec<KindText>,
    connect_times: Option<String>,
    gave_up: bool,
    has_asked_all: bool,
}

/// A [`Reason`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ReasonText {
    kind: String,
    text: String,
    count: u64,
    is_local: bool,
}

/// A [`KindFigures`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct KindText {
    statuses: Vec<(u16, u64)>,
    failures: FailuresText,
    latency: Option<String>,
}

impl TallyText {
    /// Writes a tally down.
    #[must_use]
    pub fn of(tally: &Tally) -> Self {
        Self {
            answers: tally.answers,
            answers_in_time: tally.answers_in_time,
            successes_in_time: tally.successes_in_time,
            acknowledged: tally.acknowledged,
            acknowledged_ever: tally.acknowledged_ever,
            sent: tally.sent,
            reconnects: tally.reconnects,
            bytes_in: tally.bytes_in,
            bytes_out: tally.bytes_out,
            failures: Failure::ALL.map(|kind| tally.failures.of(kind)),
            statuses: tally.statuses.sorted(),
            latency: encode(&tally.latency),
            error_latency: encode(&tally.error_latency),
            uncorrected: encode(&tally.uncorrected),
            lag: encode(&tally.lag),
        }
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Returns a sentence for what can't be the figures of an interval.
    pub fn tally(&self) -> Result<Tally, String> {
        let empty = Tally::default();
        Ok(Tally {
            answers: count(self.answers)?,
            answers_in_time: count(self.answers_in_time)?,
            successes_in_time: count(self.successes_in_time)?,
            acknowledged: count(self.acknowledged)?,
            acknowledged_ever: count(self.acknowledged_ever)?,
            sent: count(self.sent)?,
            reconnects: count(self.reconnects)?,
            bytes_in: count(self.bytes_in)?,
            bytes_out: count(self.bytes_out)?,
            failures: failures(&self.failures)?,
            statuses: statuses(&self.statuses)?,
            latency: decode(self.latency.as_deref(), empty.latency)?,
            error_latency: decode(self.error_latency.as_deref(), empty.error_latency)?,
            uncorrected: decode(self.uncorrected.as_deref(), empty.uncorrected)?,
            lag: decode(self.lag.as_deref(), empty.lag)?,
        })
    }
}

impl FinishedText {
    /// Writes down how a thread ended.
    #[must_use]
    pub fn of(finished: &Finished) -> Self {
        let reason = |reason: &Reason| ReasonText {
            kind: reason.kind.name().into(),
            text: reason.text.clone(),
            count: reason.count,
            is_local: reason.is_local,
        };
        let kind = |kind: &KindFigures| KindText {
            statuses: kind.statuses.sorted(),
            failures: Failure::ALL.map(|failure| kind.failures.of(failure)),
            latency: encode(&kind.latency),
        };
        Self {
            thread: finished.thread,
            cpu_ns: finished.cpu_ns,
            waited_for_cpu_ns: finished.waited_for_cpu_ns,
            stalls: (finished.stalls.count, finished.stalls.total_ns, finished.stalls.longest_ns),
            last_answer_ns: finished.last_answer_ns,
            last_loss_ns: finished.last_loss_ns,
            end_ns: finished.end_ns,
            numbered: finished.numbered,
            error: finished.error.clone(),
            reasons: finished.reasons.iter().map(reason).collect(),
            examples: finished.examples.iter().map(|it| (it.status, it.text.clone())).collect(),
            cut_off: finished.cut_off,
            kinds: finished.kinds.iter().map(kind).collect(),
            connect_times: encode(finished.connect_times.histogram()),
            gave_up: finished.gave_up,
            has_asked_all: finished.has_asked_all,
        }
    }

    /// Reads it back, without acknowledged numbers.
    ///
    /// # Errors
    /// Returns a sentence for what can't be a thread's end.
    pub fn finished(&self) -> Result<Finished, String> {
        let entries = [self.reasons.len(), self.examples.len(), self.kinds.len()];
        if entries.into_iter().any(|entries| entries > ENTRIES_MAX) {
            return Err("it sent more entries than there can be".into());
        }
        let (stalls, total_ns, longest_ns) = self.stalls;
        let connect_times = ConnectTimes::default();
        let known = decode(self.connect_times.as_deref(), connect_times.histogram().clone())?;
        Ok(Finished {
            thread: self.thread,
            cpu_ns: count(self.cpu_ns)?,
            waited_for_cpu_ns: count(self.waited_for_cpu_ns)?,
            stalls: Stalls {
                count: count(stalls)?,
                total_ns: count(total_ns)?,
                longest_ns: count(longest_ns)?,
            },
            last_answer_ns: self.last_answer_ns,
            last_loss_ns: self.last_loss_ns,
            end_ns: self.end_ns,
            numbered: count(self.numbered)?,
            error: self.error.as_deref().map(plain),
            reasons: self.reasons.iter().map(ReasonText::reason).collect::<Result<_, _>>()?,
            examples: self
                .examples
                .iter()
                .map(|(status, text)| Example { status: *status, text: plain(text) })
                .collect(),
            cut_off: count(self.cut_off)?,
            kinds: self.kinds.iter().map(KindText::kind).collect::<Result<_, _>>()?,
            connect_times: ConnectTimes::of(known),
            gave_up: self.gave_up,
            has_asked_all: self.has_asked_all,
            ..Finished::default()
        })
    }
}

impl ReasonText {
    fn reason(&self) -> Result<Reason, String> {
        let kind = Failure::ALL.into_iter().find(|kind| kind.name() == self.kind);
        let kind =
            kind.ok_or_else(|| format!("it named an unknown kind of failure, `{}`", plain(&self.kind)))?;
        Ok(Reason { kind, text: plain(&self.text), count: count(self.count)?, is_local: self.is_local })
    }
}

impl KindText {
    fn kind(&self) -> Result<KindFigures, String> {
        let latency = decode(self.latency.as_deref(), KindFigures::default().latency)?;
        Ok(KindFigures { statuses: statuses(&self.statuses)?, failures: failures(&self.failures)?, latency })
    }
}

fn count(number: u64) -> Result<u64, String> {
    if number > COUNT_MAX { Err("it sent a count that nothing can have".into()) } else { Ok(number) }
}

fn failures(counts: &FailuresText) -> Result<Failures, String> {
    let mut failures = Failures::default();
    for (kind, &number) in Failure::ALL.into_iter().zip(counts) {
        failures.add(kind, count(number)?);
    }
    Ok(failures)
}

fn statuses(counts: &[(u16, u64)]) -> Result<Statuses, String> {
    if counts.len() > ENTRIES_MAX {
        return Err("it sent more status codes than there are".into());
    }
    let mut statuses = Statuses::default();
    for &(status, number) in counts {
        statuses.add(status, count(number)?);
    }
    Ok(statuses)
}

/// Writes a histogram in V2 encoding, base64; an empty one is nothing.
fn encode(histogram: &Histogram<u64>) -> Option<String> {
    if histogram.is_empty() {
        return None;
    }
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(histogram, &mut bytes).expect("a Vec takes what is written");
    Some(STANDARD.encode(bytes))
}

/// How the encoding begins: its mark, the length of the counts, an offset, digits, both bounds, a ratio; big endian.
const HEAD_BYTES: usize = 40;
/// Bytes of the longest count, [`COUNT_MAX`] with a bit for its sign.
const LONGEST_COUNT_BYTES: usize = 8;

/// Reads a histogram that has the bounds of `empty`, which is returned when there is none.
fn decode(text: Option<&str>, empty: Histogram<u64>) -> Result<Histogram<u64>, String> {
    let Some(text) = text else { return Ok(empty) };
    let wrong = || "it sent a histogram that can't be read".to_string();
    let bytes = STANDARD.decode(text).map_err(|_| wrong())?;
    let mut head = Vec::new();
    V2Serializer::new().serialize(&empty, &mut head).expect("a Vec takes what is written");
    let length = (bytes.len().saturating_sub(HEAD_BYTES) as u32).to_be_bytes();
    // The bounds are ours before a histogram of that size is made.
    let is_ours = bytes.len() > HEAD_BYTES
        && bytes[..4] == head[..4]
        && bytes[4..8] == length
        && bytes[8..HEAD_BYTES] == head[8..HEAD_BYTES];
    // Counts are numbers of 7 bits a byte, and none of ours has more than 8 of them.
    let is_long = |bytes: &[u8]| bytes.iter().all(|byte| byte & 0x80 != 0);
    if !is_ours || bytes[HEAD_BYTES..].windows(LONGEST_COUNT_BYTES).any(is_long) {
        return Err(wrong());
    }
    let histogram: Histogram<u64> =
        Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|_| wrong())?;
    if histogram.len() > COUNT_MAX { Err(wrong()) } else { Ok(histogram) }
}

#[cfg(test)]
impl FinishedText {
    /// Returns an end in which every field has something.
    pub(super) fn sample() -> Self {
        let mut finished = Finished { kinds: vec![KindFigures::default()], ..Finished::default() };
        finished.reasons.push(Reason::of_target(Failure::Garbage, String::new()));
        Self::of(&finished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::tally::histogram;
    use proptest::prelude::*;

    fn samples(values: &[u64]) -> Histogram<u64> {
        let mut samples = histogram();
        values.iter().for_each(|&ns| samples.saturating_record(ns));
        samples
    }

    fn tally(values: &[u64], number: u64) -> Tally {
        let mut tally =
            Tally { answers: number, bytes_in: number * 7, latency: samples(values), ..Tally::default() };
        tally.failures.add(Failure::Reset, number);
        tally.statuses.add(200, number);
        tally.statuses.add(404, 1);
        tally.lag = samples(&values[values.len() / 2..]);
        tally
    }

    fn passed_on(tally: &Tally) -> Tally {
        let line = serde_json::to_string(&TallyText::of(tally)).unwrap();
        serde_json::from_str::<TallyText>(&line).unwrap().tally().unwrap()
    }

    proptest! {
        #[test]
        fn what_agents_send_adds_up_to_what_one_would_have_counted(
            one in proptest::collection::vec(0u64..4_000_000_000_000, 1..200),
            other in proptest::collection::vec(0u64..100_000_000, 1..200),
        ) {
            let mut sum = passed_on(&tally(&one, 5));
            sum.merge(&passed_on(&tally(&other, 9)));
            let mut whole = tally(&one, 5);
            whole.merge(&tally(&other, 9));
            prop_assert_eq!(&sum.latency, &whole.latency);
            prop_assert_eq!(&sum.lag, &whole.lag);
            prop_assert_eq!(sum.latency, samples(&[one, other].concat()));
            prop_assert_eq!((sum.answers, sum.bytes_in, sum.failures), (14, 98, whole.failures));
            prop_assert_eq!(sum.statuses.sorted(), [(200, 14), (404, 2)]);
        }

        #[test]
        fn any_bytes_are_a_histogram_of_ours_or_refused(
            values in proptest::collection::vec(0u64..4_000_000_000_000, 1..50),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = STANDARD.decode(encode(&samples(&values)).unwrap()).unwrap();
            let place = at.index(bytes.len());
            bytes[place] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            if let Ok(read) = decode(Some(&STANDARD.encode(&bytes)), histogram()) {
                // Whatever it holds, it can be added to another one.
                prop_assert!(samples(&values).add(&read).is_ok());
            }
        }
    }

    #[test]
    fn a_thread_s_end_is_passed_on_whole() {
        let mut finished =
            Finished { thread: 3, cpu_ns: 5, end_ns: u64::MAX, numbered: 8, ..Finished::default() };
        finished.reasons.push(Reason::of_target(Failure::Garbage, "odd".into()));
        finished.examples.push(Example { status: 404, text: "none".into() });
        finished.connect_times.took(1_000);
        let mut kind = KindFigures::default();
        kind.statuses.add(204, 6);
        kind.latency.record(7_000).unwrap();
        finished.kinds.push(kind);
        let line = serde_json::to_string(&FinishedText::of(&finished)).unwrap();
        let read = serde_json::from_str::<FinishedText>(&line).unwrap().finished().unwrap();
        assert_eq!(FinishedText::of(&read), FinishedText::of(&finished));
        assert_eq!((read.kinds.len(), read.connect_times.histogram().len()), (1, 1));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for text in [
            r#"{"thread":0,"numbered":1125899906842625}"#,
            r#"{"thread":0,"reasons":[{"kind":"odd","text":"","count":1,"is_local":false}]}"#,
            r#"{"thread":0,"connect_times":"AAAA"}"#,
        ] {
            let mut all = serde_json::to_value(FinishedText::default()).unwrap();
            let changed: serde_json::Value = serde_json::from_str(text).unwrap();
            all.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
            let read: FinishedText = serde_json::from_value(all).unwrap();
            assert!(read.finished().is_err(), "{text}");
        }
        let mut endless = STANDARD.decode(encode(&samples(&[1])).unwrap()).unwrap();
        endless.truncate(HEAD_BYTES);
        endless.extend([0xFF; 9]);
        endless[4..8].copy_from_slice(&9u32.to_be_bytes());
        assert!(decode(Some(&STANDARD.encode(endless)), histogram()).is_err());
        // One of other bounds would not fit into ours.
        let mut wider = Histogram::<u64>::new_with_bounds(1, u64::MAX / 2, 5).unwrap();
        wider.record(1).unwrap();
        assert!(decode(encode(&wider).as_deref(), histogram()).is_err());
    }
}
