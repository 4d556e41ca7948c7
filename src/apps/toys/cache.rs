//! Answers that are kept for a while, and calls that wait for one of them together.
//!
//! What a slow call will answer is known when it begins: the time at which it ends is part of the text. So a call that
//! is still under way is an entry like any other that is not ready yet, and whoever asks for it meanwhile waits until
//! it is: one computation, however many callers there are, and no caller has to wake another one.
//!
//! Times are microseconds since 1970. An entry that was made later than now is one of a clock that has gone back since:
//! it is forgotten.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::html;

/// How much a cache may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Answers.
    pub entries: usize,
    /// Bytes of keys and answers.
    pub bytes: usize,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its content.
    pub body: Arc<str>,
    /// When it was asked for first.
    pub begun_us: u64,
    /// Until then it is being made.
    pub ready_us: u64,
    /// From then on it is forgotten.
    pub expires_us: u64,
}

impl Entry {
    /// Returns the answer to a call that begins now, takes `takes_ms`, and is kept for `kept_ms` after that. `text` makes
    /// its body from the time at which it will be ready.
    #[must_use]
    pub fn begin(now_us: u64, takes_ms: u64, kept_ms: u64, text: impl FnOnce(String) -> String) -> Self {
        let ready_us = now_us + takes_ms * 1_000;
        let body = text(html::time(ready_us)).into();
        Self { body, begun_us: now_us, ready_us, expires_us: ready_us + kept_ms * 1_000 }
    }

    /// Returns whether it may be used now.
    #[must_use]
    pub fn is_current(&self, now_us: u64) -> bool {
        (self.begun_us..self.expires_us).contains(&now_us)
    }

    /// Returns the microseconds until it is ready; 0 if it is.
    #[must_use]
    pub fn wait_us(&self, now_us: u64) -> u64 {
        self.ready_us.saturating_sub(now_us)
    }

    /// Returns the whole seconds since it was made.
    #[must_use]
    pub fn age_s(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.ready_us) / 1_000_000
    }
}

/// Answers by name. When there are too many, the oldest go: all live equally long, so these have the least time left.
#[derive(Debug)]
pub struct Cache {
    bounds: Bounds,
    entries: HashMap<Arc<str>, Entry>,
    /// Keys in the order in which they came; those of `entries` and no others.
    order: VecDeque<Arc<str>>,
    bytes: usize,
}

impl Cache {
    /// Returns an empty cache.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, entries: HashMap::new(), order: VecDeque::new(), bytes: 0 }
    }

    /// Returns the answer of that name, ready or not.
    #[must_use]
    pub fn find(&self, key: &str, now_us: u64) -> Option<Entry> {
        self.entries.get(key).filter(|entry| entry.is_current(now_us)).cloned()
    }

    /// Takes an answer up. One larger than the whole cache is not kept: then its callers do not share it.
    pub fn insert(&mut self, key: &str, entry: Entry, now_us: u64) {
        let size = size_of(key, &entry);
        self.remove(key);
        while self.oldest_is_over(now_us) || self.has_no_room_for(size) {
            let Some(oldest) = self.order.front().cloned() else { return };
            self.remove(&oldest);
        }
        let key: Arc<str> = key.into();
        self.order.push_back(key.clone());
        self.entries.insert(key, entry);
        self.bytes += size;
        debug_assert_eq!(self.order.len(), self.entries.len());
        debug_assert!(self.entries.len() <= self.bounds.entries && self.bytes <= self.bounds.bytes);
    }

    fn oldest_is_over(&self, now_us: u64) -> bool {
        let oldest = self.order.front().and_then(|key| self.entries.get(key));
        oldest.is_some_and(|entry| !entry.is_current(now_us))
    }

    fn has_no_room_for(&self, size: usize) -> bool {
        self.entries.len() == self.bounds.entries || self.bytes + size > self.bounds.bytes
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= size_of(key, &entry);
            if let Some(place) = self.order.iter().position(|other| &**other == key) {
                self.order.remove(place);
            }
        }
    }
}

fn size_of(key: &str, entry: &Entry) -> usize {
    key.len() + entry.body.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entry(body: &str, ready_us: u64) -> Entry {
        Entry { body: body.into(), begun_us: 0, ready_us, expires_us: ready_us + 30 }
    }

    #[test]
    fn an_entry_is_found_until_its_time() {
        let mut cache = Cache::new(Bounds { entries: 8, bytes: 100 });
        cache.insert("a", entry("A", 5_000_000), 0);
        let flying = cache.find("a", 10).unwrap();
        assert_eq!((flying.wait_us(10), flying.age_s(10)), (4_999_990, 0));
        assert_eq!(cache.find("a", 5_000_029).unwrap().wait_us(5_000_029), 0);
        assert_eq!(cache.find("a", 5_000_030), None);
        assert_eq!(cache.find("b", 0), None);
        assert_eq!(entry("", 5_000_000).age_s(7_999_999), 2);
    }

    #[test]
    fn a_call_says_when_it_will_be_ready() {
        let entry = Entry::begin(7_000_000, 5_000, 30_000, |ready| format!("{ready}!"));
        assert_eq!(&*entry.body, "1970-01-01 00:00:12.000000!");
        assert_eq!((entry.ready_us, entry.expires_us), (12_000_000, 42_000_000));
        assert!(!entry.is_current(6_999_999), "the clock went back");
        assert!(entry.is_current(7_000_000) && entry.is_current(41_999_999) && !entry.is_current(42_000_000));
    }

    #[test]
    fn what_is_over_goes_before_what_is_not_and_the_oldest_first() {
        let mut cache = Cache::new(Bounds { entries: 2, bytes: 100 });
        cache.insert("a", entry("A", 10), 0);
        cache.insert("b", entry("B", 20), 10);
        cache.insert("c", entry("C", 21), 11);
        assert!(cache.find("a", 11).is_none() && cache.find("b", 11).is_some());
        cache.insert("b", entry("B2", 60), 50);
        assert_eq!((&*cache.find("b", 50).unwrap().body, cache.entries.len()), ("B2", 2));
        cache.insert("d", entry("D", 60), 51);
        assert_eq!(cache.entries.len(), 2, "c was over");
        cache.insert("huge", entry(&"x".repeat(100), 60), 52);
        assert!(cache.find("huge", 60).is_none() && cache.bytes == 0);
    }

    proptest! {
        #[test]
        fn bounds_hold_and_nothing_is_miscounted(
            inserts in prop::collection::vec((0..12_u8, 0..40_usize, 0..20_u64), 1..80),
        ) {
            let mut cache = Cache::new(Bounds { entries: 5, bytes: 90 });
            let mut now_us = 0;
            for (name, length, later) in inserts {
                now_us += later;
                let key = "k".repeat(usize::from(name));
                cache.insert(&key, entry(&"x".repeat(length), now_us + 5), now_us);
                prop_assert!(cache.find(&key, now_us).is_some());
                prop_assert!(cache.entries.len() <= 5 && cache.order.len() == cache.entries.len());
                let bytes: usize = cache.entries.iter().map(|(key, entry)| size_of(key, entry)).sum();
                prop_assert!(bytes == cache.bytes && bytes <= 90);
            }
        }
    }
}
