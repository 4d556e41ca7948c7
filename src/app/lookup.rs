//! A job that looks something up on the disk, for an answer or for how a request goes on.

use std::io;

use super::application::{Job, JobStep, Resume, Start};
use crate::http::response::Response;

/// Finds something on the disk, and makes the answer, or says how the request goes on.
pub struct Lookup<F> {
    find: Option<F>,
    unread: fn(&io::Error) -> Response,
}

/// The outcome of a look at the disk.
pub enum Found {
    /// The answer.
    Answer(Response),
    /// The worker goes on.
    Go(Box<dyn Resume>),
}

impl<F: FnOnce() -> io::Result<Found> + Send> Lookup<F> {
    /// Returns the job that does `find`; `unread` makes the answer if that fails.
    pub fn new(find: F, unread: fn(&io::Error) -> Response) -> Box<Self> {
        Box::new(Self { find: Some(find), unread })
    }
}

impl<F: FnOnce() -> io::Result<Found> + Send> Job for Lookup<F> {
    fn start(&mut self) -> Start {
        match self.find.take().map(|find| find()) {
            Some(Ok(Found::Answer(response))) => Start::Whole(response),
            Some(Ok(Found::Go(then))) => Start::Go(then),
            Some(Err(error)) => Start::Whole((self.unread)(&error)),
            None => Start::Whole((self.unread)(&io::ErrorKind::NotFound.into())),
        }
    }

    fn next(&mut self, _: &mut Vec<u8>) -> JobStep {
        JobStep::Done
    }
}
