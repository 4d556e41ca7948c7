//! Signals as values: a thread takes them out of the kernel's hands and passes them on in order.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXFSZ};
use signal_hook::iterator::Signals;

/// What an operator asks of the running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT or SIGQUIT: end in order.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: open the file of the log again, as servers do that have one.
    ReopenLog,
    /// SIGUSR2: start the program anew and hand everything over to it.
    HandOver,
}

/// The signals this process listens to. SIGPIPE is ignored by Rust's runtime already; SIGXFSZ (`ulimit -f`) is taken so
/// that it does not end the process: the write that met the limit says that there is no room (EFBIG).
pub struct SignalStream {
    signals: Signals,
}

impl SignalStream {
    /// Takes over SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2 and SIGXFSZ.
    ///
    /// # Errors
    /// Fails when a handler cannot be installed.
    pub fn take() -> io::Result<Self> {
        let all = [SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGXFSZ];
        Ok(Self { signals: Signals::new(all)? })
    }

    /// Waits for the next one.
    pub fn wait(&mut self) -> Signal {
        loop {
            match self.signals.forever().next() {
                Some(SIGHUP) => return Signal::Reload,
                Some(SIGUSR1) => return Signal::ReopenLog,
                Some(SIGUSR2) => return Signal::HandOver,
                Some(SIGXFSZ) | None => {}
                Some(_) => return Signal::Stop,
            }
        }
    }
}

/// Ends this process at once, without any clean-up.
pub fn exit_now(code: i32) -> ! {
    std::process::exit(code)
}
