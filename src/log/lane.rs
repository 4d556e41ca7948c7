//! A worker's lane: the lock-free append buffer between it and the committer.
//!
//! Single producer (the worker), single consumer (whoever holds the commit token), bounded. Records are written as
//! 64-bit words into a ring; a turn's records become visible together with one release store ([`Producer::publish`]),
//! so the hot path has no atomic read-modify-write and no fence. The words are relaxed atomics: on x86-64 and arm64
//! these are plain moves, and the ring needs no unsafe code.
//!
//! A short record's ten bytes take two words. Any other record takes its five head bytes and its payload, padded to whole
//! words; the tag in the lowest byte of the first word tells which.
//!
//! ```text
//! short   | tag | seven bytes of its own  | two further ones | 0 ...
//! other   | tag |      length       | payload, zero padded ...
//! ```

#[cfg(loom)]
use loom::sync::{Arc, atomic::AtomicU64};
#[cfg(not(loom))]
use std::sync::{Arc, atomic::AtomicU64};

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::base::tag::{self, RECORD_HEAD_BYTES, SHORT_RECORD_BYTES};

const WORD_BYTES: usize = 8;
const SHORT_WORDS: u64 = 2;

/// Keeps the two ends of the ring out of each other's cache line (two lines: the prefetcher takes pairs).
#[repr(align(128))]
struct Padded<T>(T);

struct Ring {
    words: Box<[AtomicU64]>,
    /// Words published by the producer.
    tail: Padded<AtomicU64>,
    /// Words released by the consumer.
    head: Padded<AtomicU64>,
}

impl Ring {
    #[inline]
    fn word(&self, position: u64) -> &AtomicU64 {
        // The length is a power of two, so the mask is the remainder and the index is in bounds.
        &self.words[position as usize & (self.words.len() - 1)]
    }
}

/// Makes a lane of `bytes` (a power of two, at least 64) and gives its two ends.
#[must_use]
pub fn lane(bytes: usize) -> (Producer, Consumer) {
    assert!(bytes.is_power_of_two() && bytes >= 64, "a lane's size is a power of two");
    let ring = Arc::new(Ring {
        words: (0..bytes / WORD_BYTES).map(|_| AtomicU64::new(0)).collect(),
        tail: Padded(AtomicU64::new(0)),
        head: Padded(AtomicU64::new(0)),
    });
    (Producer { ring: ring.clone(), tail: 0, published: 0, head: 0 }, Consumer { ring, head: 0 })
}

/// The worker's end of a lane.
pub struct Producer {
    ring: Arc<Ring>,
    /// Words written, published or not.
    tail: u64,
    published: u64,
    /// The consumer's head when last looked at; it only grows, so an old value is safe.
    head: u64,
}

impl Producer {
    /// Appends one short record; false, and nothing is written, if there is no room.
    #[inline]
    pub fn push_short(&mut self, record: &[u8; SHORT_RECORD_BYTES]) -> bool {
        if !self.has_room(SHORT_WORDS) {
            return false;
        }
        self.write_short(record);
        true
    }

    /// Appends whole records, all or none; false, and nothing is written, if there is no room for all of them.
    ///
    /// # Panics
    /// Panics if `records` does not end where a record ends: only the server's own code makes records.
    pub fn push(&mut self, records: &[u8]) -> bool {
        if !self.has_room(words_of(records)) {
            return false;
        }
        let mut rest = records;
        while let Some(&tag) = rest.first() {
            if tag::is_short(tag) {
                let (record, after) = rest.split_first_chunk().expect("a whole record");
                self.write_short(record);
                rest = after;
            } else {
                let (record, after) = rest.split_at(record_bytes(rest));
                self.write_other(record);
                rest = after;
            }
        }
        true
    }

    /// Makes everything appended so far visible to the consumer. Once per turn.
    #[inline]
    pub fn publish(&mut self) {
        if self.published != self.tail {
            self.ring.tail.0.store(self.tail, Release);
            self.published = self.tail;
        }
    }

    /// Words appended since the lane was made, published or not: the position that a held answer waits for.
    #[inline]
    #[must_use]
    pub fn position(&self) -> u64 {
        self.tail
    }

    /// Returns bytes of short records for which there is room now.
    pub fn free(&mut self) -> usize {
        self.head = self.ring.head.0.load(Acquire);
        let words = self.ring.words.len() as u64 - (self.tail - self.head);
        (words / SHORT_WORDS) as usize * SHORT_RECORD_BYTES
    }

    #[inline]
    fn has_room(&mut self, words: u64) -> bool {
        let capacity = self.ring.words.len() as u64;
        if self.tail + words - self.head <= capacity {
            return true;
        }
        self.head = self.ring.head.0.load(Acquire);
        self.tail + words - self.head <= capacity
    }

    #[inline]
    fn write_short(&mut self, record: &[u8; SHORT_RECORD_BYTES]) {
        let (first, last) = record.split_first_chunk::<WORD_BYTES>().expect("ten bytes");
        let last = u16::from_le_bytes([last[0], last[1]]);
        self.ring.word(self.tail).store(u64::from_le_bytes(*first), Relaxed);
        self.ring.word(self.tail + 1).store(u64::from(last), Relaxed);
        self.tail += SHORT_WORDS;
    }

    fn write_other(&mut self, record: &[u8]) {
        for piece in record.chunks(WORD_BYTES) {
            let mut word = [0; WORD_BYTES];
            word[..piece.len()].copy_from_slice(piece);
            self.ring.word(self.tail).store(u64::from_le_bytes(word), Relaxed);
            self.tail += 1;
        }
    }
}

/// Returns the length in bytes of the record that `bytes` starts with, which is not short.
fn record_bytes(bytes: &[u8]) -> usize {
    let length = bytes[1..RECORD_HEAD_BYTES].try_into().expect("a record's head");
    RECORD_HEAD_BYTES + u32::from_le_bytes(length) as usize
}

fn words_of(records: &[u8]) -> u64 {
    let (mut rest, mut words) = (records, 0);
    while let Some(&tag) = rest.first() {
        let bytes = if tag::is_short(tag) { SHORT_RECORD_BYTES } else { record_bytes(rest) };
        words += bytes.div_ceil(WORD_BYTES) as u64;
        rest = &rest[bytes..];
    }
    words
}

/// The committer's end of a lane.
pub struct Consumer {
    ring: Arc<Ring>,
    head: u64,
}

/// What [`Consumer::take`] gives: a run of one, or a record that is not of fixed length.
pub enum Taken<'a> {
    /// A short record's ten bytes.
    Short(&'a [u8; SHORT_RECORD_BYTES]),
    /// Any other record, its head included, and the position behind it.
    Other(&'a [u8], u64),
}

impl Consumer {
    /// Returns the size of the ring in bytes: the most that its records may have together.
    #[must_use]
    pub fn capacity_bytes(&self) -> usize {
        self.ring.words.len() * WORD_BYTES
    }

    /// Hands published records to `sink`, in order, and frees their room; gives the position reached. Stops before
    /// the record that would take `room` below zero: a short record costs its ten bytes, any other record its own length and
    /// `stamp_bytes`, by which it may grow. `scratch` holds such a record while `sink` looks at it.
    #[inline]
    pub fn take(
        &mut self,
        room: &mut usize,
        stamp_bytes: usize,
        scratch: &mut Vec<u8>,
        mut sink: impl FnMut(Taken<'_>),
    ) -> u64 {
        let tail = self.ring.tail.0.load(Acquire);
        while self.head != tail {
            let first = self.ring.word(self.head).load(Relaxed).to_le_bytes();
            let is_short = tag::is_short(first[0]);
            let cost = if is_short { SHORT_RECORD_BYTES } else { record_bytes(&first) + stamp_bytes };
            match room.checked_sub(cost) {
                Some(rest) => *room = rest,
                None => break,
            }
            if is_short {
                let mut record = [0; SHORT_RECORD_BYTES];
                record[..WORD_BYTES].copy_from_slice(&first);
                let last = self.ring.word(self.head + 1).load(Relaxed).to_le_bytes();
                record[WORD_BYTES..].copy_from_slice(&last[..SHORT_RECORD_BYTES - WORD_BYTES]);
                self.head += SHORT_WORDS;
                sink(Taken::Short(&record));
            } else {
                self.read_other(first, scratch);
                sink(Taken::Other(scratch, self.head));
            }
        }
        debug_assert!(self.head <= tail, "records end at the published position");
        self.ring.head.0.store(self.head, Release);
        self.head
    }

    /// Words that wait to be taken.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.ring.tail.0.load(Acquire) - self.head
    }

    fn read_other(&mut self, first: [u8; WORD_BYTES], scratch: &mut Vec<u8>) {
        let bytes = record_bytes(&first);
        scratch.clear();
        scratch.extend_from_slice(&first);
        for word in 1..bytes.div_ceil(WORD_BYTES) as u64 {
            scratch.extend_from_slice(&self.ring.word(self.head + word).load(Relaxed).to_le_bytes());
        }
        self.head += (scratch.len() / WORD_BYTES) as u64;
        scratch.truncate(bytes);
    }
}

#[cfg(not(loom))]
#[cfg(test)]
mod tests {
    use super::*;

    fn short(n: u64) -> [u8; SHORT_RECORD_BYTES] {
        let mut record = [0; SHORT_RECORD_BYTES];
        record[0] = 0x11 + (n % 3) as u8;
        record[2..].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        record
    }

    fn other(n: usize) -> Vec<u8> {
        let mut record = vec![0x1F];
        record.extend_from_slice(&u32::try_from(n).expect("short").to_le_bytes());
        record.extend((0..n).map(|byte| byte as u8 ^ 0x5A));
        record
    }

    fn take_all(consumer: &mut Consumer) -> Vec<u8> {
        let (mut scratch, mut out) = (Vec::new(), Vec::new());
        consumer.take(&mut { usize::MAX }, 0, &mut scratch, |record| match record {
            Taken::Short(bytes) => out.extend_from_slice(bytes),
            Taken::Other(bytes, _) => out.extend_from_slice(bytes),
        });
        out
    }

    #[test]
    fn records_come_out_as_they_went_in_over_many_wraps() {
        const ROUNDS: u64 = if cfg!(miri) { 100 } else { 1_000 };
        let (mut producer, mut consumer) = lane(256);
        for round in 0..ROUNDS {
            let mut expected = short(round).to_vec();
            assert!(producer.push_short(&short(round)));
            for size in [0, 3, 4, 11, round as usize % 90] {
                let record = other(size);
                assert!(producer.push(&record));
                expected.extend_from_slice(&record);
            }
            assert!(take_all(&mut consumer).is_empty(), "nothing is visible before it is published");
            producer.publish();
            assert_eq!(take_all(&mut consumer), expected);
        }
    }

    #[test]
    fn a_full_lane_takes_all_of_a_push_or_nothing() {
        let (mut producer, mut consumer) = lane(64);
        let four = [short(1), short(2), short(3), short(4)].concat();
        assert!(!producer.push(&[four.as_slice(), &short(5)].concat()));
        assert_eq!((producer.position(), producer.free()), (0, 40));
        assert!(producer.push(&four) && !producer.push_short(&short(5)) && producer.free() == 0);
        producer.publish();
        assert_eq!(consumer.waiting(), 8);
        assert_eq!(take_all(&mut consumer), four);
        assert!(producer.push_short(&short(5)));
    }

    #[test]
    fn a_batch_takes_what_it_has_room_for() {
        let (mut producer, mut consumer) = lane(256);
        assert!(producer.push(&[short(1).as_slice(), &short(2), &other(3), &short(4)].concat()));
        producer.publish();
        let mut scratch = Vec::new();
        let mut take = |mut room: usize| {
            let mut taken = 0;
            consumer.take(&mut room, 30, &mut scratch, |_| taken += 1);
            (taken, room)
        };
        assert_eq!(take(9), (0, 9));
        assert_eq!(take(57), (2, 37), "the third may grow to 38 bytes");
        assert_eq!(take(38), (1, 0));
        assert_eq!((take(100), consumer.waiting()), ((1, 90), 0));
    }

    #[test]
    fn two_threads_lose_and_reorder_nothing() {
        // Miri takes some hundred times as long for each.
        const SHORTS: u64 = if cfg!(miri) { 1_000 } else { 200_000 };
        let (mut producer, mut consumer) = lane(4096);
        let writer = std::thread::spawn(move || {
            for n in 0..SHORTS {
                while !producer.push_short(&short(n)) {
                    producer.publish();
                    std::thread::yield_now();
                }
                if n % 7 == 0 {
                    producer.publish();
                }
            }
            producer.publish();
        });
        let (mut scratch, mut next) = (Vec::new(), 0);
        while next < SHORTS {
            consumer.take(&mut { usize::MAX }, 0, &mut scratch, |record| {
                assert!(matches!(record, Taken::Short(bytes) if *bytes == short(next)));
                next += 1;
            });
        }
        writer.join().expect("the writer ends");
    }
}

/// Every interleaving of the two ends, and every order that the memory model allows; built by `tests/loom`.
#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;

    #[test]
    fn a_published_record_is_whole_and_in_order() {
        loom::model(|| {
            let (mut producer, mut consumer) = lane(64);
            let writer = loom::thread::spawn(move || {
                for n in 0..3_u8 {
                    assert!(producer.push_short(&[0x11, n, n, n, n, n, n, n, n, n]));
                    producer.publish();
                }
            });
            let (mut scratch, mut seen) = (Vec::new(), 0_u8);
            while seen < 3 {
                consumer.take(&mut { usize::MAX }, 0, &mut scratch, |record| {
                    let Taken::Short(bytes) = record else { panic!("only short records were pushed") };
                    assert_eq!(bytes[1..], [seen; 9]);
                    seen += 1;
                });
                loom::thread::yield_now();
            }
            writer.join().expect("the writer ends");
        });
    }

    #[test]
    fn room_is_reused_only_after_it_was_read() {
        loom::model(|| {
            let (mut producer, mut consumer) = lane(64);
            for n in 0..4_u8 {
                assert!(producer.push_short(&[0x12, n, n, n, n, n, n, n, n, n]));
            }
            producer.publish();
            let writer = loom::thread::spawn(move || {
                while !producer.push_short(&[0x12, 4, 4, 4, 4, 4, 4, 4, 4, 4]) {
                    loom::thread::yield_now();
                }
                producer.publish();
            });
            let (mut scratch, mut seen) = (Vec::new(), 0_u8);
            while seen < 5 {
                consumer.take(&mut { usize::MAX }, 0, &mut scratch, |record| {
                    let Taken::Short(bytes) = record else { panic!("only short records were pushed") };
                    assert_eq!(bytes[1..], [seen; 9]);
                    seen += 1;
                });
                loom::thread::yield_now();
            }
            writer.join().expect("the writer ends");
        });
    }
}
