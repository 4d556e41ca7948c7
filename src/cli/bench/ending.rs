//! How a command comes to its end before it is done.

use crate::os::signal::{SignalStream, exit_now};
use pixeld_bench::tools::exit::Exit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a command ends with when it can't be carried out: usage or failure.
pub(super) enum Stop {
    /// The command line or a file that it names is wrong.
    Usage(String),
    /// It was tried and did not work.
    Failed(String),
    /// It worked, and its result can't be written to stdout.
    Output(std::io::Error),
}

/// A flag that the first interrupt sets; the second one ends the process.
pub(super) fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let setter = Arc::clone(&stop);
    if let Ok(mut signals) = SignalStream::take() {
        std::thread::spawn(move || {
            signals.wait();
            setter.store(true, Ordering::SeqCst);
            signals.wait();
            exit_now(i32::from(Exit::Interrupted as u8));
        });
    }
    stop
}
