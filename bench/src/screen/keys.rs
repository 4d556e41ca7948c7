//! Keys as they are pressed. Only two of them mean something, so bytes are looked at and nothing is interpreted.

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Bytes that are looked at together: one key, or what was pasted.
const BYTES: usize = 64;
/// What Ctrl-C writes while keys are read as they are pressed: it makes no signal then.
const CONTROL_C: u8 = 3;
/// How the sequences of arrows and function keys begin.
const ESCAPE: u8 = 0x1b;

/// What came within a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressed {
    /// q or Ctrl-C.
    End,
    /// No key, or one without a meaning.
    Nothing,
    /// No key will ever come: the terminal has gone.
    Gone,
}

/// Where keys come from.
pub struct Keys(OwnedFd);

impl Keys {
    /// Opens stdin if it is the terminal, else the one that the process belongs to.
    ///
    /// # Errors
    /// Returns the system's error if there is none.
    pub fn open() -> io::Result<Self> {
        if io::stdin().is_terminal() {
            return Ok(Self(rustix::io::dup(io::stdin())?));
        }
        Ok(Self(File::open("/dev/tty")?.into()))
    }

    /// Waits for a key, as long as `wait` at most.
    #[must_use]
    pub fn next(&self, wait: Duration) -> Pressed {
        let timeout = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) };
        match rustix::event::poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timeout)) {
            Ok(0) | Err(Errno::INTR) => return Pressed::Nothing,
            Ok(_) => {}
            Err(_) => return Pressed::Gone,
        }
        let mut bytes = [0; BYTES];
        match rustix::io::read(&self.0, &mut bytes) {
            Ok(0) => Pressed::Gone,
            Ok(read) => meaning(&bytes[..read]),
            Err(Errno::INTR | Errno::AGAIN) => Pressed::Nothing,
            Err(_) => Pressed::Gone,
        }
    }
}

fn meaning(bytes: &[u8]) -> Pressed {
    let ends = match bytes {
        [ESCAPE, ..] => bytes.contains(&CONTROL_C),
        _ => bytes.iter().any(|byte| matches!(byte, b'q' | b'Q' | &CONTROL_C)),
    };
    if ends { Pressed::End } else { Pressed::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_by_table() {
        for (bytes, expected) in [
            (&b"q"[..], Pressed::End),
            (b"Q", Pressed::End),
            (b"\x03", Pressed::End),
            (b"xq", Pressed::End),
            (b"c", Pressed::Nothing),
            (b"\x1b", Pressed::Nothing),
            (b"\x1b[A", Pressed::Nothing),
            (b"\x1bq", Pressed::Nothing),
            (b"\x1b[A\x03", Pressed::End),
        ] {
            assert_eq!(meaning(bytes), expected, "{bytes:?}");
        }
    }
}
