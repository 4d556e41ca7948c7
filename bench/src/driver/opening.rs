//! The connections of a thread before its clock starts: all at once, without blocking, for a bounded time.

use super::{Driver, EVENTS};
use crate::client::stream::Stream;
use crate::client::target::Endpoint;
use crate::scenario::Scenario;
use mio::Events;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for connections before the clock starts; what opens later takes part from then on.
const OPEN_WAIT: Duration = Duration::from_millis(700);
/// Longest wait of one look, so that an interrupt is seen.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What came of it.
#[derive(Debug, Default)]
pub struct Opening {
    /// Connections that are open.
    pub open: usize,
    /// Connections that are still on their way.
    pub pending: usize,
    /// Why the first one failed that did.
    pub first_error: Option<io::Error>,
}

/// Settles which of several addresses is measured: the first one that accepts.
pub fn choose_address(scenario: &Scenario) {
    if let Endpoint::Tcp(addresses) = &scenario.target.endpoint
        && !addresses.is_single()
    {
        // If none accepts, the connections of the run say why.
        let _ = addresses.connect(OPEN_WAIT);
    }
}

impl Driver {
    /// Makes the connections, as many as open in time; counts them in `opened` meanwhile.
    ///
    /// # Errors
    /// Returns the system's error for epoll; what single connections meet is in the result.
    pub fn open(&mut self, stop: &AtomicBool, opened: &AtomicUsize) -> io::Result<Opening> {
        let deadline = Instant::now() + OPEN_WAIT;
        let mut opening = Opening::default();
        let mut events = Events::with_capacity(EVENTS);
        let mut unasked: Vec<usize> = (0..self.lines.len()).collect();
        loop {
            unasked.retain(|&at| self.ask_to_open(at, &mut opening));
            let left = deadline.saturating_duration_since(Instant::now());
            let is_done = opening.pending == 0 && unasked.is_empty();
            if is_done || left.is_zero() || stop.load(Ordering::Relaxed) {
                return Ok(opening);
            }
            match self.poll.poll(&mut events, Some(left.min(LOOK_EVERY))) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in events.iter() {
                let at = event.token().0;
                if self.lines[at].is_connecting {
                    self.see_open(at, &mut opening, opened);
                } else if event.is_readable() || event.is_read_closed() || event.is_error() {
                    self.early.push(at);
                }
            }
        }
    }

    /// Starts one connection; returns true if it has to be tried again, since the target's queue is full.
    fn ask_to_open(&mut self, at: usize, opening: &mut Opening) -> bool {
        match self.start_to_connect(at) {
            Ok(()) => opening.pending += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(error) => opening.first_error = opening.first_error.take().or(Some(error)),
        }
        false
    }

    fn see_open(&mut self, at: usize, opening: &mut Opening, opened: &AtomicUsize) {
        let line = &mut self.lines[at];
        match line.stream.as_mut().map(Stream::is_connected) {
            Some(Ok(true)) => {
                (line.is_connecting, line.has_opened) = (false, true);
                let since_ns = line.connecting_since_ns;
                self.finished.connect_times.took(self.now_ns().saturating_sub(since_ns));
                opening.open += 1;
                opened.fetch_add(1, Ordering::Relaxed);
            }
            Some(Err(error)) => {
                (line.is_connecting, line.stream) = (false, None);
                opening.first_error = opening.first_error.take().or(Some(error));
            }
            Some(Ok(false)) | None => return,
        }
        opening.pending -= 1;
    }
}
