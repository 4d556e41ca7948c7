//! Answers that need messages on the disk: jobs that read them, and join them with what is in memory.
//!
//! What a job reads is the board as it was when the request was handled: what is deleted meanwhile is shown as if it had asked a
//! moment earlier.

use std::io;

use crate::app::answer;
use crate::app::application::{FilePart, Job, JobStep, Start};
use crate::app::heal::Heals;
use crate::app::old_view::{OldReader, OldView};
use crate::base::ids::{Inc, NodeId, Origin};
use crate::base::places::Place;
use crate::http::response::Response;

use super::aging::{self, LIST, UUIDS};
use super::key::Key;
use super::media::{Media, Sending};
use super::state::{BoardState, Message};

/// Messages on the disk, as they were at one moment.
#[derive(Clone)]
pub struct OldMessages {
    view: OldView,
    heals: Heals,
}

impl OldMessages {
    /// Returns those of a board; `heals` say as of when each counts.
    #[must_use]
    pub fn of(board: &BoardState, heals: &Heals) -> Self {
        Self { view: board.old.view(), heals: heals.clone() }
    }

    /// Returns whether one may stand above `key`, or any at all without one: without reading.
    #[must_use]
    pub fn reach_above(&self, key: Option<&Key>) -> bool {
        let highest = self.view.highest(LIST);
        highest.is_some_and(|highest| key.is_none_or(|key| highest > &aging::list_key(key)[..]))
    }

    /// Returns whether one may have a picture of this name, without reading.
    #[must_use]
    pub fn may_have_picture(&self, uuid: &[u8; 16]) -> bool {
        self.view.may_have(UUIDS, uuid)
    }

    /// Returns messages below the number `before`, the newest first, at most so many.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn newest(&self, before: u64, most: usize) -> io::Result<Vec<(Key, Message)>> {
        let first = Key { id: before, origin: Origin { node: NodeId(0), inc: Inc(0) }, seq: 0 };
        let mut reader = self.view.reader();
        let mut list = reader.descending(LIST, &aging::list_key(&first));
        let mut found = Vec::new();
        while found.len() < most
            && let Some((_, place)) = list.step()?
        {
            found.push(self.read(&mut reader, place)?);
        }
        Ok(found)
    }

    /// Returns the message whose picture has this name.
    ///
    /// # Errors
    /// Returns the error of reading a run.
    pub fn picture(&self, uuid: &[u8; 16], name: &str) -> io::Result<Option<Message>> {
        let mut reader = self.view.reader();
        let last = reader.find(UUIDS, uuid)?.pop();
        let found = last.map(|place| self.read(&mut reader, place)).transpose()?;
        Ok(found.map(|(_, message)| message).filter(|message| message.post.name == name))
    }

    fn read(&self, reader: &mut OldReader, place: Place) -> io::Result<(Key, Message)> {
        let item = reader.item(place)?;
        let (key, mut message) = item.as_ref().and_then(aging::read).ok_or(io::ErrorKind::InvalidData)?;
        message.time_us = self.heals.time_us(key.origin, key.seq, message.time_us);
        Ok((key, message))
    }
}

/// Sends a picture whose message is on the disk.
pub struct OldPicture<F> {
    find: Option<F>,
    sending: Option<Sending>,
}

impl<F: FnOnce() -> io::Result<Result<Sending, Response>> + Send> OldPicture<F> {
    /// Returns the job that finds out with `find` what to send, or what to answer.
    pub fn new(find: F) -> Box<Self> {
        Box::new(Self { find: Some(find), sending: None })
    }
}

impl<F: FnOnce() -> io::Result<Result<Sending, Response>> + Send> Job for OldPicture<F> {
    fn start(&mut self) -> Start {
        match self.find.take().map(|find| find()) {
            Some(Ok(Ok(sending))) => self.sending.insert(sending).start(),
            Some(Ok(Err(response))) => Start::Whole(response),
            Some(Err(error)) => Start::Whole(unread(&error)),
            None => Start::Whole(unread(&io::ErrorKind::NotFound.into())),
        }
    }

    fn next(&mut self, out: &mut Vec<u8>) -> JobStep {
        self.sending.as_mut().map_or(JobStep::Failed, |sending| sending.next(out))
    }

    fn file(&mut self) -> Option<FilePart<'_>> {
        self.sending.as_mut()?.file()
    }
}

/// Returns the answer while old messages can't be read.
pub fn unread(error: &io::Error) -> Response {
    answer::detail(500, &format!("Old messages can't be read on this host: {error}"))
}

/// Returns what a picture's message says of it.
#[must_use]
pub fn media_of(message: &Message) -> Media {
    let post = &message.post;
    Media { blob: post.blob, size_bytes: post.size_bytes, content_type: post.kind.media_type() }
}
