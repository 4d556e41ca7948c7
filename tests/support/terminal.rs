//! Terminals of a test's own.

use std::fs::{File, OpenOptions};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A terminal of so many rows and columns, whose cells have this width and height in pixels: the side of the test, and the one of
/// the program.
pub fn open(rows: u16, columns: u16, cell_px: (u16, u16)) -> (File, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal");
    let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("a path");
    let slave = OpenOptions::new().read(true).write(true).open(name).expect("its other side");
    let (ws_xpixel, ws_ypixel) = (columns * cell_px.0, rows * cell_px.1);
    tcsetwinsize(&slave, Winsize { ws_row: rows, ws_col: columns, ws_xpixel, ws_ypixel }).expect("a size");
    (File::from(master), slave)
}
