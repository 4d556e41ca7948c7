//! Progress of the tools on stderr.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes a line to stderr. If it can't be written nobody is there to read it, and the caller goes on.
pub(crate) fn report(line: impl Display) {
    // In one write, so that lines of several processes do not mix.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
