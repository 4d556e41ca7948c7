//! The end of a process whose disk has failed: what the kernel has dropped would look written at the next try.

use std::fmt::Display;

use crate::os::signal;

/// Exit code after a failed write or sync.
pub const EXIT_DISK: i32 = 74;

/// Gives what went well; a failed write or sync is final and ends the process.
pub fn or_end<T, E: Display>(outcome: Result<T, E>) -> T {
    outcome.unwrap_or_else(|error| {
        tracing::error!(
            %error,
            "the journal can't be written; nothing is acknowledged any more. Check the disk (dmesg), then start again: \
             everything that was acknowledged is kept"
        );
        signal::exit_now(EXIT_DISK)
    })
}
