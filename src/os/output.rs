//! What goes to stdout and stderr. Nothing here panics: a reader that has gone and a full disk behind either of them are
//! errors where the text is the result of a command, and nothing where it only reports. `print!` and its relatives end the
//! process there, so `tests/architecture/main.rs` refuses them.

use std::fmt::Display;
use std::io::{self, Write};

/// Writes the result of a command to stdout, all of it.
///
/// # Errors
/// Returns the error of the file or pipe behind it; `BrokenPipe` if nobody reads any more.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Writes a line to stderr. If it can't be written nobody is there to read it, and the caller goes on.
pub fn report(line: impl Display) {
    // In one write, so that lines of several processes do not mix.
    let _ = io::stderr().lock().write_all(format!("{line}\n").as_bytes());
}
