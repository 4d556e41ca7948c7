//! How a command comes to its end before it is done.

use crate::os::output;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a command ends with when it can't be carried out: usage or failure.
pub(super) enum Stop {
    /// The command line or a file that it names is wrong.
    Usage(String),
    /// It was tried and did not work.
    Failed(String),
    /// It worked, and its result can't be written to stdout.
    Output(std::io::Error),
    /// An interrupt ended it before there was a result.
    Interrupted(String),
}

impl Stop {
    /// Returns a failure; an interrupt, if there was one, is its cause.
    pub(super) fn failed(stop: &AtomicBool, what: String) -> Self {
        if stop.load(Ordering::SeqCst) { Self::Interrupted(what) } else { Self::Failed(what) }
    }
}

/// Writes the result of a command to stdout.
pub(super) fn print(text: &str) -> Result<(), Stop> {
    output::print(text).map_err(Stop::Output)
}
