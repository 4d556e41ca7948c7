//! The connections of a thread before its clock starts: all at once, without blocking, for a bounded time.

use super::clock::Clock;
use super::lines::Lines;
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
/// Events taken from epoll at a time.
const EVENTS: usize = 1024;

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

/// Makes the connections, as many as open in time; counts them in `opened` meanwhile.
///
/// # Errors
/// Returns the system's error for epoll; what single connections meet is in the result.
pub(super) fn open(
    lines: &mut Lines,
    clock: Clock,
    stop: &AtomicBool,
    opened: &AtomicUsize,
) -> io::Result<Opening> {
    let deadline = Instant::now() + OPEN_WAIT;
    let mut opening = Opening::default();
    let mut events = Events::with_capacity(EVENTS);
    let mut unasked: Vec<usize> = (0..lines.len()).collect();
    loop {
        unasked.retain(|&at| opening.ask(lines, at, clock.now_ns()));
        let left = deadline.saturating_duration_since(Instant::now());
        let is_done = opening.pending == 0 && unasked.is_empty();
        if is_done || left.is_zero() || stop.load(Ordering::Relaxed) {
            return Ok(opening);
        }
        lines.poll(&mut events, left.min(LOOK_EVERY))?;
        for event in events.iter() {
            let at = event.token().0;
            if lines[at].is_connecting() {
                opening.look(lines, at, clock.now_ns(), opened);
            } else if event.is_readable() || event.is_read_closed() || event.is_error() {
                lines.came_early(at);
            }
        }
    }
}

impl Opening {
    /// Starts one connection; returns true if it has to be tried again, since the target's queue is full.
    fn ask(&mut self, lines: &mut Lines, at: usize, now_ns: u64) -> bool {
        match lines.start(at, now_ns) {
            Ok(()) => self.pending += 1,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(error) => self.fail(error),
        }
        false
    }

    /// Looks what came of a connect.
    fn look(&mut self, lines: &mut Lines, at: usize, now_ns: u64, opened: &AtomicUsize) {
        match lines.connected(at, now_ns) {
            None => return,
            Some(Ok(())) => {
                self.open += 1;
                opened.fetch_add(1, Ordering::Relaxed);
            }
            Some(Err(error)) => {
                lines[at].drop_socket();
                self.fail(error);
            }
        }
        self.pending -= 1;
    }

    fn fail(&mut self, error: io::Error) {
        self.first_error.get_or_insert(error);
    }
}
