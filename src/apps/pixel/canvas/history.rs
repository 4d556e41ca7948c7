//! A cell's history: who set its channels, newest first in the order of this host's journal.
//!
//! The journal is read backwards, segment by segment, until there are enough entries or enough was read; a cursor leads on.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::app::heal::Heals;
use crate::base::ids::Position;
use crate::http::date::rfc3339;
use crate::log::format::record;
use crate::log::read::reader::Reader;
use crate::log::read::scan::{BatchView, ReadError};

use super::super::cursor::Cursor;
use super::super::record::Pixel;
use super::super::state::Floors;
use super::limits::{HISTORY_BYTES_MAX, HISTORY_ENTRIES_MAX};

/// What a history is read from.
pub struct Sources {
    /// The journal.
    pub reader: Arc<Reader>,
    /// Its end.
    pub end: Position,
    /// Where to begin: everything read stands before it.
    pub before: Cursor,
    /// What is listed.
    pub floors: Floors,
    /// What counts as of another time.
    pub heals: Heals,
}

/// A part of a history.
#[derive(Debug, Default, PartialEq)]
pub struct History {
    /// The entries, in JSON.
    pub entries: Vec<Value>,
    /// Before which place the next part begins, if there may be one.
    pub next: Option<Cursor>,
}

impl Sources {
    /// Reads the history of a cell.
    ///
    /// # Errors
    /// Fails if the journal can't be read.
    pub fn read(&self, x: i32, y: i32) -> Result<History, ReadError> {
        let mut history = History::default();
        let mut read_bytes = 0;
        let segments = self.reader.segments();
        for (nth, segment) in segments.iter().enumerate().rev() {
            let start = nth.checked_sub(1).and_then(|before| segments[before].end).unwrap_or(Position(0));
            let end = segment.end.map_or(self.end, |end| end.min(self.end));
            if start > self.before.batch || start >= end {
                continue;
            }
            if read_bytes >= HISTORY_BYTES_MAX {
                history.next =
                    Some(Cursor { node: self.before.node, batch: end, index: 0, is_filtered: true });
                break;
            }
            self.read_range(start, end, (x, y), &mut history)?;
            if history.next.is_some() {
                break;
            }
            read_bytes += end.0 - start.0;
        }
        Ok(history)
    }

    fn read_range(
        &self,
        start: Position,
        end: Position,
        cell: (i32, i32),
        history: &mut History,
    ) -> Result<(), ReadError> {
        let room = HISTORY_ENTRIES_MAX - history.entries.len();
        let mut found: VecDeque<(Cursor, Value)> = VecDeque::new();
        let mut has_more = false;
        let mut scan = self.reader.scan(start, end);
        while let Some(batch) = scan.next_batch()? {
            if batch.start > self.before.batch {
                break;
            }
            let most = if batch.start == self.before.batch { self.before.index } else { u32::MAX };
            for (index, record) in (0..most).zip(record::records(batch.body)) {
                let Ok(record) = record else { break };
                let Some(pixel) = Pixel::decode(record).filter(|pixel| (pixel.x, pixel.y) == cell) else {
                    continue;
                };
                if found.len() == room {
                    found.pop_front();
                    has_more = true;
                }
                let cursor = Cursor { node: self.before.node, batch: batch.start, index, is_filtered: true };
                found.push_back((cursor, self.entry(&batch, index, &pixel)));
            }
        }
        if has_more || found.len() == room {
            history.next = found.front().map(|(cursor, _)| *cursor);
        }
        history.entries.extend(found.into_iter().rev().map(|(_, entry)| entry));
        Ok(())
    }

    fn entry(&self, batch: &BatchView<'_>, index: u32, pixel: &Pixel) -> Value {
        let seq = batch.first_seq + u64::from(index);
        let time_us = self.heals.time_us(batch.origin, batch.first_seq, batch.time_us);
        json!({
            "channel": char::from(pixel.channel.letter()).to_string(),
            "value": pixel.value,
            "time": rfc3339(time_us),
            "listed": seq > self.floors.of(batch.origin),
            "host": batch.origin.node.to_string(),
        })
    }
}
