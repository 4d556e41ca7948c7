//! The window: this host removes its own oldest messages from the bucket, and what lies beside the log for longer than it is needed.
//!
//! Ages are by the bucket's clock. The last object of a stream stays whatever its age: it tells where the stream goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::Mutex;

use super::names::number_of;
use super::objects::{Entry, Trouble};
use super::streams::Streams;
use crate::base::ids::NodeId;
use crate::base::limits::{SHARED_LOG_LISTED_MAX, SHARED_LOG_QUESTION_MS, SHARED_LOG_READ_MAX};
use crate::engine::shared::settings::SharedLogSettings;

/// The bounds of this host's stream, and its size.
pub(super) struct Window {
    own: NodeId,
    settings: Arc<SharedLogSettings>,
    /// Bytes of its objects, once they were counted.
    bytes: AtomicU64,
    is_counted: AtomicBool,
    /// Held by whoever counts and removes: a stream may be so long that it takes a while.
    only: Mutex<()>,
}

impl Window {
    pub(super) fn new(own: NodeId, settings: Arc<SharedLogSettings>) -> Self {
        Self {
            own,
            settings,
            bytes: AtomicU64::new(0),
            is_counted: AtomicBool::new(false),
            only: Mutex::new(()),
        }
    }

    /// Notes that an object was added to the stream.
    pub(super) fn note_added(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Notes that objects were removed; some of them may never have been counted, if a put was not answered.
    fn note_removed(&self, bytes: u64) {
        let left = |all: u64| Some(all.saturating_sub(bytes));
        // It always gives something.
        let _ = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, left);
    }

    /// Removes what is too old, and the oldest of what is too much.
    pub(super) async fn trim(&self, streams: &Streams, now_ms: i64) -> Result<(), Trouble> {
        let Ok(_only) = self.only.try_lock() else { return Ok(()) };
        if !self.is_counted.load(Ordering::Relaxed) {
            self.count(streams).await?;
        }
        loop {
            let page = streams.behind(self.own, 0, SHARED_LOG_LISTED_MAX).await?;
            let all = page.entries.len() - usize::from(page.is_last() && !page.entries.is_empty());
            let surplus = self.surplus(&page.entries[..all], now_ms);
            remove(streams, &page.entries[..surplus]).await?;
            let bytes: u64 = page.entries[..surplus].iter().map(|entry| entry.bytes).sum();
            self.note_removed(bytes);
            if surplus < all || page.is_last() {
                return Ok(());
            }
        }
    }

    /// Returns how many of these objects, the oldest first, are too old or too much.
    fn surplus(&self, entries: &[Entry], now_ms: i64) -> usize {
        let mut left = self.bytes.load(Ordering::Relaxed);
        let is_surplus = |entry: &&Entry| {
            let is_too_much = left > self.settings.window_bytes;
            left = left.saturating_sub(entry.bytes);
            is_too_much || is_older(entry, now_ms, self.window_ms())
        };
        entries.iter().take_while(is_surplus).count()
    }

    fn window_ms(&self) -> i64 {
        i64::try_from(self.settings.window.as_millis()).unwrap_or(i64::MAX)
    }

    /// Counts the bytes of the stream, once.
    async fn count(&self, streams: &Streams) -> Result<(), Trouble> {
        let (mut last, mut bytes) = (0, 0);
        loop {
            let page = streams.behind(self.own, last, SHARED_LOG_LISTED_MAX).await?;
            bytes += page.entries.iter().map(|entry| entry.bytes).sum::<u64>();
            last = page.entries.last().and_then(|entry| number_of(&entry.name)).unwrap_or(last);
            if page.is_last() {
                self.note_added(bytes);
                self.is_counted.store(true, Ordering::Relaxed);
                return Ok(());
            }
        }
    }

    /// Removes contents that messages named before the window, and answers that nobody has read.
    pub(super) async fn sweep(&self, streams: &Streams, now_ms: i64) -> Result<(), Trouble> {
        let names = &streams.names;
        let unread_ms = i64::try_from(2 * SHARED_LOG_QUESTION_MS).unwrap_or(i64::MAX);
        for (folder, age_ms) in [(names.pictures(), self.window_ms()), (names.answers(self.own), unread_ms)] {
            let mut behind = None;
            loop {
                let mut page = streams.objects.list(&folder, behind).await?;
                let (is_last, last) = (page.is_last(), page.entries.last().map(|entry| entry.name.clone()));
                page.entries.retain(|entry| is_older(entry, now_ms, age_ms));
                remove(streams, &page.entries).await?;
                if is_last || last.is_none() {
                    break;
                }
                behind = last;
            }
        }
        Ok(())
    }
}

fn is_older(entry: &Entry, now_ms: i64, age_ms: i64) -> bool {
    now_ms.saturating_sub(entry.modified_ms) > age_ms
}

async fn remove(streams: &Streams, entries: &[Entry]) -> Result<(), Trouble> {
    let names: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    let objects = streams.objects.clone();
    let calls = names.into_iter().map(move |name| {
        let objects = objects.clone();
        async move { objects.remove(&name).await }
    });
    let mut outcomes = stream::iter(calls).buffered(SHARED_LOG_READ_MAX);
    while let Some(outcome) = outcomes.next().await {
        outcome?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_oldest_go_by_age_and_by_bytes() {
        let settings = SharedLogSettings {
            window: Duration::from_millis(100),
            window_bytes: 25,
            ..SharedLogSettings::default()
        };
        let window = Window::new(NodeId(1), Arc::new(settings));
        let entry = |modified_ms| Entry { name: String::new(), bytes: 10, modified_ms, tag: None };
        let entries = [entry(0), entry(50), entry(60), entry(70)];
        assert_eq!(window.surplus(&entries, 100), 0, "nothing is known to be too much");
        assert_eq!(window.surplus(&entries, 151), 2, "older than 100 ms");
        window.note_added(40);
        assert_eq!(window.surplus(&entries, 100), 2, "30 are more than 25");
        window.note_added(100);
        assert_eq!(window.surplus(&entries, 100), 4);
        window.note_removed(1_000);
        assert_eq!(window.surplus(&entries, 100), 0, "never less than nothing");
    }
}
