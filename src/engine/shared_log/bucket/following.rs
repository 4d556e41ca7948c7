//! Following a node's stream: the next object has a name that is known, so it is asked for by that name, often while messages come and
//! seldom while none do.
//!
//! A bucket asks less for a look at one name than for a listing, and answers sooner. A listing is for what lies far back, for a
//! place amid an object, and now and then for a gap: numbers may be missing.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::objects::Trouble;
use super::streams::{Found, Streams, firsts};
use crate::base::ids::NodeId;
use crate::base::limits::{
    RELAY_CREDIT_BYTES, SHARED_LOG_GAP_LOOK_MS, SHARED_LOG_LISTED_MAX, SHARED_LOG_PAUSE_MS_MIN,
    SHARED_LOG_POLL_MS_MAX, SHARED_LOG_READ_MAX,
};
use crate::peer::relay::port::LogEvent;

/// Objects in a row that were found by their names, behind which a listing may find more at once.
const ROW: u32 = 16;

/// One stream that is followed.
pub(super) struct Following {
    streams: Streams,
    node: NodeId,
    /// The call of `Follow`.
    token: u64,
    /// The last message that was delivered, or behind which to begin.
    after: u64,
    events: mpsc::Sender<LogEvent>,
    /// Bytes of messages that were taken so far.
    taken: watch::Receiver<u64>,
    /// Bytes of messages that were delivered so far.
    delivered: u64,
    /// When the stream is listed next.
    list_at: Instant,
    /// Objects in a row that were found by their names.
    row: u32,
}

/// The outcome of a look.
#[derive(PartialEq, Eq)]
enum Look {
    Something,
    Nothing,
    /// The relay is gone.
    Nobody,
}

impl Following {
    /// Makes the follower of a node's stream, from behind the number `after`. `taken` tells how many bytes of messages the relay has
    /// taken.
    pub(super) fn new(
        streams: Streams,
        node: NodeId,
        (token, after): (u64, u64),
        events: mpsc::Sender<LogEvent>,
        taken: watch::Receiver<u64>,
    ) -> Self {
        Self { streams, node, token, after, events, taken, delivered: 0, list_at: Instant::now(), row: 0 }
    }

    /// Follows the stream until nobody listens.
    pub(super) async fn run(mut self) {
        let least = Duration::from_millis(SHARED_LOG_PAUSE_MS_MIN);
        let mut pause = least;
        loop {
            match self.look().await {
                Ok(Look::Nobody) => return,
                Ok(Look::Something) => {
                    pause = least;
                    continue;
                }
                Ok(Look::Nothing) => {}
                Err(trouble) => {
                    tracing::debug!(node = %self.node, why = trouble.told(), "a stream could not be read");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause + pause / 2).min(Duration::from_millis(SHARED_LOG_POLL_MS_MAX));
        }
    }

    /// Looks once, in the way that is due.
    async fn look(&mut self) -> Result<Look, Trouble> {
        if self.row >= ROW || Instant::now() >= self.list_at {
            return self.list().await;
        }
        let Some(found) = self.streams.get(self.node, self.after + 1).await? else {
            self.row = 0;
            return Ok(Look::Nothing);
        };
        self.row += 1;
        self.deliver(&found).await
    }

    /// Delivers what a listing shows behind the last message that was delivered.
    async fn list(&mut self) -> Result<Look, Trouble> {
        let page = self.streams.above(self.node, self.after, SHARED_LOG_LISTED_MAX).await?;
        if page.entries.is_empty() && self.after > 0 {
            let anything = self.streams.behind(self.node, 0, 1).await?;
            if !anything.entries.is_empty() {
                // Made again, or its end is forgotten: numbers are given a second time, and batches tell what is new.
                self.after = 0;
                return Ok(Look::Something);
            }
        }
        let (streams, node) = (self.streams.clone(), self.node);
        let starts: Vec<u64> = firsts(&page.entries).collect();
        // It may go beyond the place where reading began, which may be amid an object; what was delivered ends with one.
        let is_old = starts.first().is_some_and(|first| *first <= self.after);
        let is_read = self.delivered > 0 || starts.get(1).is_some_and(|next| *next == self.after + 1);
        let skipped = usize::from(is_old && is_read);
        let mut found = stream::iter(starts.into_iter().skip(skipped))
            .map(move |first| {
                let streams = streams.clone();
                async move { streams.get(node, first).await }
            })
            .buffered(SHARED_LOG_READ_MAX);
        let before = self.after;
        while let Some(found) = found.next().await {
            if let Some(found) = found?
                && self.deliver(&found).await? == Look::Nobody
            {
                return Ok(Look::Nobody);
            }
        }
        if page.is_last() {
            (self.row, self.list_at) = (0, Instant::now() + Duration::from_millis(SHARED_LOG_GAP_LOOK_MS));
        }
        Ok(if self.after > before { Look::Something } else { Look::Nothing })
    }

    /// Delivers the messages of an object behind the last one, each once there is room for it.
    async fn deliver(&mut self, found: &Found) -> Result<Look, Trouble> {
        let after = self.after;
        for (number, message) in found.messages().into_iter().filter(|(number, _)| *number > after) {
            let delivered = self.delivered;
            let has_room = |taken: &u64| delivered.saturating_sub(*taken) < RELAY_CREDIT_BYTES as u64;
            if self.taken.wait_for(has_room).await.is_err() {
                return Ok(Look::Nobody);
            }
            self.delivered += message.len() as u64;
            let event = LogEvent::Message { token: self.token, number, bytes: message.to_vec() };
            if self.events.send(event).await.is_err() {
                return Ok(Look::Nobody);
            }
            self.after = number;
            self.streams.note(self.node, number);
        }
        Ok(Look::Something)
    }
}
