//! The terminal: taken over for the screen, and given back at whatever end there is.

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Stderr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What a screen draws on; written at once, so that no half of it stands there.
pub type Drawing = Terminal<CrosstermBackend<BufWriter<Stderr>>>;

/// Bytes of a drawing that are gathered before they are written.
const DRAWING_BYTES: usize = 64 * 1024;
/// Looks, a millisecond apart, for the end of a drawing that is under way when the terminal is given back.
const LOOKS: u32 = 100;

/// Whether the terminal is taken over.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);
/// Held while something is drawn.
static DRAWING: Mutex<()> = Mutex::new(());

/// Looks whether a screen can be drawn on stderr, and keys be read.
///
/// # Errors
/// Returns a sentence that says what to do without a terminal.
pub fn check() -> Result<(), String> {
    let why = if !io::stderr().is_terminal() {
        "stderr is not one"
    } else if !io::stdin().is_terminal() && File::open("/dev/tty").is_err() {
        "there is none from which keys can be read"
    } else if std::env::var_os("TERM").is_none_or(|name| name.is_empty() || name == "dumb") {
        "TERM names none that can draw; set it, for example to xterm"
    } else {
        return Ok(());
    };
    Err(format!("--tui needs a terminal, and {why}; leave it out: the report says all that it shows"))
}

/// Takes the terminal over: another screen, without a cursor, and keys as they are pressed.
///
/// # Errors
/// Returns the system's error; the terminal is as it was then.
pub fn take() -> io::Result<Drawing> {
    enable_raw_mode()?;
    IS_TAKEN.store(true, Ordering::SeqCst);
    let mut stderr = BufWriter::with_capacity(DRAWING_BYTES, io::stderr());
    let drawing = execute!(stderr, EnterAlternateScreen, Hide)
        .and_then(|()| Terminal::new(CrosstermBackend::new(stderr)));
    if drawing.is_err() {
        give_back();
    }
    drawing
}

/// Draws, unless the terminal has been given back.
///
/// # Errors
/// Returns the terminal's error.
pub fn draw(drawing: &mut Drawing, render: impl FnOnce(&mut ratatui::Frame<'_>)) -> io::Result<()> {
    let _held = DRAWING.lock();
    if IS_TAKEN.load(Ordering::SeqCst) { drawing.draw(render).map(drop) } else { Ok(()) }
}

/// Gives the terminal back, if it is taken over; from any thread, also from one that panics while it draws.
pub fn give_back() {
    if !IS_TAKEN.swap(false, Ordering::SeqCst) {
        return;
    }
    // What is being drawn would else stand behind the old screen.
    for _ in 0..LOOKS {
        match DRAWING.try_lock() {
            Err(std::sync::TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
            _ => break,
        }
    }
    // There is nobody to tell if the terminal has gone.
    let _ = execute!(io::stderr(), LeaveAlternateScreen, Show);
    let _ = disable_raw_mode();
}
