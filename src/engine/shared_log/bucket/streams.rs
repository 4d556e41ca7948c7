//! The streams of nodes in the bucket: objects in the order of their names, each with the messages from the number in its name on.
//!
//! A bucket lists names upwards only, so the last one is looked for with strides that double, and then by halving. A stream is asked
//! for its end often, and it moves little: where it was last seen is where the search begins.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::joined;
use super::names::{Names, number_of};
use super::objects::{Entry, Objects, Page, Trouble};
use crate::base::ids::NodeId;
use crate::base::limits::{SHARED_LOG_JOINED_MAX, SHARED_LOG_LISTED_MAX};
use crate::peer::relay::port::LogEvent;

/// The streams of one cluster. A clone is the same one.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) objects: Objects,
    pub(super) names: Names,
    /// Of each node, a number that its stream was seen to have.
    seen: Arc<Mutex<HashMap<NodeId, u64>>>,
}

/// An object of a stream.
pub(super) struct Found {
    /// The number of its first message.
    pub(super) first: u64,
    content: Vec<u8>,
}

impl Found {
    /// Returns the numbers of its messages, and them; a damaged object is one message, which whoever reads it finds damaged.
    pub(super) fn messages(&self) -> Vec<(u64, &[u8])> {
        let messages = joined::part(&self.content).unwrap_or_else(|| vec![&self.content]);
        (self.first..).zip(messages).collect()
    }

    /// Returns the first message whose number is `number` or above.
    fn from(&self, number: u64) -> Option<(u64, Vec<u8>)> {
        let found = self.messages().into_iter().find(|(at, _)| *at >= number);
        found.map(|(at, message)| (at, message.to_vec()))
    }

    /// Returns the last message.
    fn last(&self) -> Option<(u64, Vec<u8>)> {
        self.messages().pop().map(|(at, message)| (at, message.to_vec()))
    }
}

impl Streams {
    pub(super) fn new(objects: Objects, names: Names) -> Self {
        Self { objects, names, seen: Arc::default() }
    }

    /// Notes that a node's stream was seen, or said, to go up to `number`.
    pub(super) fn note(&self, node: NodeId, number: u64) {
        self.seen().insert(node, number);
    }

    /// Returns up to where a node's stream was seen to go.
    pub(super) fn noted(&self, node: NodeId) -> u64 {
        self.seen().get(&node).copied().unwrap_or(0)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<NodeId, u64>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists objects of a node whose names are behind `number`, at most `most`.
    pub(super) async fn behind(&self, node: NodeId, number: u64, most: usize) -> Result<Page, Trouble> {
        let behind = self.names.message(node, number);
        let mut page = self.objects.list_some(&self.names.messages(node), Some(behind), most).await?;
        page.entries.retain(|entry| number_of(&entry.name).is_some());
        Ok(page)
    }

    /// Lists objects of a node that may have a message of a number above `after`; the first one may end before it.
    pub(super) async fn above(&self, node: NodeId, after: u64, most: usize) -> Result<Page, Trouble> {
        let most_before = SHARED_LOG_JOINED_MAX as u64;
        let mut page = self.behind(node, after.saturating_sub(most_before), most).await?;
        // Of those that begin at or before `after`, only the last one may reach beyond it.
        let before = firsts(&page.entries).take_while(|first| *first <= after).count();
        page.entries.drain(..before.saturating_sub(1));
        Ok(page)
    }

    /// Returns the object that begins with message `first`.
    pub(super) async fn get(&self, node: NodeId, first: u64) -> Result<Option<Found>, Trouble> {
        let content = self.objects.get(&self.names.message(node, first)).await?;
        Ok(content.map(|content| Found { first, content }))
    }

    /// Returns where the last object of a node's stream begins.
    async fn last_first(&self, node: NodeId) -> Result<Option<u64>, Trouble> {
        let most = SHARED_LOG_LISTED_MAX;
        let mut page = self.above(node, self.noted(node), most).await?;
        if page.entries.is_empty() {
            // It was made again, or has lost its end.
            page = self.behind(node, 0, most).await?;
        }
        let (mut stride, mut none_behind) = (most as u64, None);
        let Some(mut last) = firsts(&page.entries).last() else { return Ok(None) };
        while !page.is_last() {
            let at = none_behind.map_or_else(|| last.saturating_add(stride), |end: u64| last.midpoint(end));
            page = self.behind(node, at, most).await?;
            match firsts(&page.entries).last() {
                Some(first) => (last, stride) = (first, stride.saturating_mul(2)),
                // What stood behind it has gone meanwhile.
                None if at <= last => break,
                None => {
                    none_behind = Some(at);
                    // It is between the last one that was seen and here.
                    page = self.behind(node, last, most).await?;
                    last = firsts(&page.entries).last().unwrap_or(last);
                }
            }
        }
        Ok(Some(last))
    }

    /// Returns the last message of a node's stream.
    pub(super) async fn tail(&self, token: u64, node: NodeId) -> Result<LogEvent, Trouble> {
        let nothing = LogEvent::Tail { token, first: 1, last: None };
        let Some(last) = self.last_first(node).await? else { return Ok(nothing) };
        let oldest = self.behind(node, 0, 1).await?;
        let first = firsts(&oldest.entries).next().unwrap_or(last);
        // One that is removed in between is the only one, and the relay asks again.
        let Some(last) = self.get(node, last).await?.and_then(|found| found.last()) else {
            return Ok(nothing);
        };
        self.note(node, last.0);
        Ok(LogEvent::Tail { token, first, last: Some(last) })
    }

    /// Returns the first message of a node's stream whose number is `number` or above.
    pub(super) async fn first_from(
        &self,
        token: u64,
        node: NodeId,
        number: u64,
    ) -> Result<LogEvent, Trouble> {
        // The one that may reach so far, and the one behind it.
        let page = self.above(node, number.saturating_sub(1), SHARED_LOG_JOINED_MAX + 2).await?;
        for first in firsts(&page.entries).take(2) {
            let message = self.get(node, first).await?.and_then(|found| found.from(number));
            if message.is_some() {
                return Ok(LogEvent::Found { token, message });
            }
        }
        Ok(LogEvent::Found { token, message: None })
    }
}

/// Returns the number with which each object begins.
pub(super) fn firsts(entries: &[Entry]) -> impl Iterator<Item = u64> + '_ {
    entries.iter().filter_map(|entry| number_of(&entry.name))
}
