//! Work that an application does by itself, on threads of its own. No request waits for it; what it comes to is logged
//! like any other change.

use std::io;
use std::sync::Arc;

use crate::log::blobs::{Blobs, Pin};
use crate::log::read::reader::Reader;

use super::applied::Applied;
use super::hosts::Hosts;
use crate::app::applied_lock::AppliedLock;

/// An application's own work.
pub trait Background: Send + Sync {
    /// Returns what its threads are called, at most ten letters.
    fn name(&self) -> &'static str;

    /// Returns how many threads it has in a server with so many job threads.
    fn threads(&self, job_threads: usize) -> usize;

    /// Works until [`Desk::is_over`]; the whole life of one of the threads.
    fn run(&self, desk: &dyn Desk);

    /// Takes note that the server stops: whoever sleeps in [`Background::run`] or waits for its results goes on.
    fn stop(&self, applied: &AppliedLock);

    /// Returns what it counts.
    fn figures(&self, applied: &Applied) -> Vec<Figure>;
}

/// A number for /metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The series' name.
    pub name: &'static str,
    /// What it counts, as a sentence.
    pub help: &'static str,
    /// It only ever grows.
    pub is_counter: bool,
    /// The value.
    pub value: f64,
}

/// What a thread of a [`Background`] has at hand. Its calls may wait.
pub trait Desk {
    /// Returns the applied state: lock it for a few copies only, the committer waits for it.
    fn applied(&self) -> &AppliedLock;

    /// Returns the blobs, to be read.
    fn blobs(&self) -> &Arc<Blobs>;

    /// Returns the journal, to be read.
    fn reader(&self) -> &Arc<Reader>;

    /// Returns the hosts that there are by the state, this one among them.
    fn hosts(&self, applied: &Applied) -> Hosts;

    /// Returns microseconds of a clock that never goes back.
    fn now_us(&self) -> u64;

    /// Returns the wall clock, microseconds since 1970. It may be wrong, and jump.
    fn wall_us(&self) -> u64;

    /// Logs records, and returns when they are kept at the server's level on this host, and applied.
    ///
    /// # Errors
    /// Fails as [`Unlogged`] says; nothing was logged, but for [`Unlogged::Over`], when it may have been.
    fn log(&self, records: Vec<u8>) -> Result<(), Unlogged>;

    /// Keeps a blob until the pin goes.
    ///
    /// # Errors
    /// Returns the error of the store; `Interrupted` when the server has stopped.
    fn keep(&self, content: &[u8]) -> io::Result<Pin>;

    /// Pauses for a while, less if the server is stopping.
    fn pause(&self);

    /// Returns whether the server is stopping: nothing new is begun.
    fn is_over(&self) -> bool;

    /// Writes an event for the operator.
    fn warn(&self, sentence: &str);
}

/// Why records were not logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unlogged {
    /// The disk is full.
    #[error("no space left on the disk")]
    NoSpace,
    /// The peer does not know records of this kind; it may once it is upgraded.
    #[error("the peer does not know records of this kind")]
    TooOld,
    /// The server stops.
    #[error("the server is stopping")]
    Over,
}
