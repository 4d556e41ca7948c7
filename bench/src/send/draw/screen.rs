//! The terminal: how large it is, and whether it has sixel graphics.

use std::fs::{File, OpenOptions};
use std::io::{Read, Stdout, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::getpgrp;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr};

/// How long a terminal may take to say what it can; one far away takes as long as the way there and back.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// Bytes of an answer; a terminal says less than this.
const ANSWER_BYTES_MAX: usize = 256;
/// Rows that are left for what is said below the picture.
const ROWS_LEFT: u32 = 3;
/// Size in cells where none is known.
const USUAL: (u32, u32) = (80, 24);
/// Size of a cell in pixels where none is known: that of the VT340.
const USUAL_CELL_PX: (u32, u32) = (10, 20);

/// The size of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Screen {
    /// Columns and rows, in cells.
    cells: (u32, u32),
    /// Width and height of a cell, in pixels.
    cell_px: (u32, u32),
}

impl Screen {
    /// Returns the size of the terminal that this is; a usual one where it is none.
    pub fn of(stdout: &Stdout) -> Self {
        let (columns, rows, width_px, height_px) = tcgetwinsize(stdout)
            .map_or((0, 0, 0, 0), |size| (size.ws_col, size.ws_row, size.ws_xpixel, size.ws_ypixel));
        Self::new([columns, rows, width_px, height_px].map(u32::from))
    }

    fn new([columns, rows, width_px, height_px]: [u32; 4]) -> Self {
        let cells = if columns > 0 && rows > 0 { (columns, rows) } else { USUAL };
        let cell_px = (width_px / cells.0, height_px / cells.1);
        Self { cells, cell_px: if cell_px.0 > 0 && cell_px.1 > 0 { cell_px } else { USUAL_CELL_PX } }
    }

    /// Returns the width and height that a picture may have, in halves of a cell's height, each of which is about a square.
    pub fn room_halves(&self) -> (u32, u32) {
        (self.cells.0, 2 * self.rows())
    }

    /// Returns the same in pixels of the terminal.
    pub fn room_px(&self) -> (u32, u32) {
        (self.cells.0 * self.cell_px.0, self.rows() * self.cell_px.1)
    }

    /// Returns how many pixels of the terminal, along each side, a pixel of a small picture becomes: as many as half a cell has.
    pub fn pixel_px(&self) -> u32 {
        self.cell_px.0.min(self.cell_px.1 / 2).max(1)
    }

    fn rows(&self) -> u32 {
        self.cells.1.saturating_sub(ROWS_LEFT).max(1)
    }
}

/// Asks the terminal whether it has sixel graphics. Where it can't be asked, because this process is not in its foreground, or
/// does not answer, it has none.
pub fn has_sixel() -> bool {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let answer = terminal.ok().and_then(ask);
    answer.is_some_and(|answer| says_sixel(&answer))
}

/// Asks for the device's attributes (DA1), which every terminal since the VT100 tells.
fn ask(terminal: File) -> Option<Vec<u8>> {
    // From the background each step would stop the process.
    if tcgetpgrp(&terminal).ok()? != getpgrp() {
        return None;
    }
    let mut terminal = Unread::begin(terminal)?;
    terminal.file.write_all(b"\x1b[c").ok()?;
    let begun = Instant::now();
    let mut answer = Vec::new();
    while !answer.ends_with(b"c") && answer.len() < ANSWER_BYTES_MAX {
        let left = ANSWER_MAX.checked_sub(begun.elapsed())?;
        let left = Timespec { tv_sec: 0, tv_nsec: left.as_nanos().min(999_999_999) as _ };
        if poll(&mut [PollFd::new(&terminal.file, PollFlags::IN)], Some(&left)).ok()? == 0 {
            continue;
        }
        let mut byte = [0];
        terminal.file.read_exact(&mut byte).ok()?;
        answer.push(byte[0]);
    }
    Some(answer)
}

/// Returns whether an answer, `ESC [ ? 62 ; 4 ; 6 c`, has the 4 that stands for sixel. What was typed meanwhile stands before it.
fn says_sixel(answer: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(answer);
    let attributes = answer.rsplit_once("\x1b[?").and_then(|(_, rest)| rest.strip_suffix('c'));
    attributes.is_some_and(|attributes| attributes.split(';').skip(1).any(|attribute| attribute == "4"))
}

/// A terminal whose input comes byte by byte and is not shown; as it was when dropped.
struct Unread {
    file: File,
    before: Termios,
}

impl Unread {
    fn begin(file: File) -> Option<Self> {
        let before = tcgetattr(&file).ok()?;
        let mut quiet = before.clone();
        // An interrupt still ends the process.
        quiet.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        tcsetattr(&file, OptionalActions::Now, &quiet).ok()?;
        Some(Self { file, before })
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // There is nobody to tell if the terminal has gone.
        let _ = tcsetattr(&self.file, OptionalActions::Now, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixel_is_one_of_the_attributes() {
        for answer in ["\x1b[?62;4c", "\x1b[?1;2;4;6c", "typed ahead\x1b[?64;1;4c"] {
            assert!(says_sixel(answer.as_bytes()), "{answer:?}");
        }
        for answer in ["\x1b[?6c", "\x1b[?1;2c", "\x1b[?4c", "\x1b[?62;14;40c", "", "c", "\x1b[?62;4"] {
            assert!(!says_sixel(answer.as_bytes()), "{answer:?}");
        }
    }

    #[test]
    fn room_is_what_the_terminal_has_but_for_some_rows() {
        let screen = Screen::new([100, 33, 800, 528]);
        assert_eq!((screen.room_halves(), screen.room_px(), screen.pixel_px()), ((100, 60), (800, 480), 8));
        let unknown = Screen::new([0; 4]);
        assert_eq!((unknown.room_halves(), unknown.room_px()), ((80, 42), (800, 420)));
        assert_eq!(Screen::new([5, 1, 0, 0]).room_halves(), (5, 2));
    }
}
