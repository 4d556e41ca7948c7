//! When connections are to be looked at: one timer for all of them, and a shorter patience while most connections are used.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::connection::{Connection, Wait};
use super::context::{Context, Ending};
use super::wheel::{Entry, Wheel};
use crate::base::limits::{HEAD_DRAINING_MS, TLS_PARTING_MS};
use crate::os::timer::Timer;

/// All connections are looked at no more often than this because there are too many.
const SWEEP_MS: u64 = 1_000;

/// The deadlines of one worker's connections.
pub(super) struct Deadlines {
    wheel: Wheel,
    timer: Timer,
    /// When the timer fires, milliseconds of the worker's clock; it is only ever set earlier, or after it fired.
    timer_ms: u64,
    /// Memory of the list of entries that fired.
    fired: Vec<Entry>,
    /// More than 80 % of the server's connections are used: idle ones are closed sooner.
    crowded: bool,
    /// When idle connections were last looked at because of that.
    swept_ms: u64,
}

/// What a look at the number of connections found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    /// Nothing new.
    Known,
    /// Most connections are used from now on: idle ones have a shorter time.
    Begins,
}

impl Deadlines {
    /// Makes the deadlines of no connection, at `now_ms`; the timer wakes the event loop as `token`.
    ///
    /// # Errors
    /// Fails when the system gives no timer.
    pub(super) fn new(now_ms: u64, registry: &Registry, token: Token) -> io::Result<Self> {
        let timer = Timer::new()?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self {
            wheel: Wheel::new(now_ms),
            timer,
            timer_ms: u64::MAX,
            fired: Vec::new(),
            crowded: false,
            swept_ms: 0,
        })
    }

    /// Sets the timer to `at_ms`, unless it fires before that.
    pub(super) fn wake_at(&mut self, at_ms: u64, context: &Context) {
        if at_ms < self.timer_ms {
            self.timer_ms = at_ms;
            // The timer must not be early: the turn it starts would find nothing due and set it again.
            let delay = Duration::from_millis(at_ms.saturating_sub(context.now.ms()) + 1);
            if let Err(error) = self.timer.set(delay) {
                tracing::error!(%error, worker = context.index, "can't set the timer; deadlines come late");
            }
        }
    }

    /// Puts the connection's deadline into the wheel, unless an entry that fires no later is there.
    pub(super) fn arm(&mut self, connection: &mut Connection, context: &Context) {
        let due_ms = self.due_ms(connection, context);
        let entry = (connection.key.place, connection.key.generation);
        let fires_ms = self.wheel.schedule(context.now.ms(), due_ms, connection.scheduled_ms, entry);
        if fires_ms < connection.scheduled_ms {
            // When the entry fires and not when the time is up: by this `is_current` knows the entry again.
            connection.scheduled_ms = fires_ms;
            self.wake_at(fires_ms, context);
        }
    }

    /// Returns when the time of `connection` is up. A successor takes idle connections, but none with half a head, and none of TLS.
    pub(super) fn due_ms(&self, connection: &Connection, context: &Context) -> u64 {
        let due_ms = connection.due_ms(&context.limits, self.crowded, context.now.ms());
        match (connection.wait, context.ending) {
            (Wait::Header, Ending::HandingOver { since_ms }) => {
                due_ms.min(connection.since_ms.max(since_ms) + HEAD_DRAINING_MS)
            }
            (Wait::FirstByte | Wait::Idle, Ending::HandingOver { since_ms })
                if connection.wire.is_secure() =>
            {
                due_ms.min(since_ms + TLS_PARTING_MS)
            }
            _ => due_ms,
        }
    }

    /// Returns what fired by now, as a list that comes back by [`Deadlines::seen`]; nothing while the timer has not fired.
    #[inline]
    pub(super) fn fired(&mut self, now_ms: u64) -> Option<Vec<Entry>> {
        if now_ms < self.timer_ms {
            return None;
        }
        self.timer_ms = u64::MAX;
        let mut fired = std::mem::take(&mut self.fired);
        self.wheel.expire(now_ms, &mut fired);
        Some(fired)
    }

    /// Takes the list of entries back that were looked at, and sets the timer for the next one.
    pub(super) fn seen(&mut self, mut fired: Vec<Entry>, context: &Context) {
        fired.clear();
        self.fired = fired;
        if let Some(next_ms) = self.wheel.next_ms() {
            self.wake_at(next_ms, context);
        }
    }

    /// Returns whether an entry that fired is the one that `connection` goes by: a later one may have been replaced by an earlier
    /// one, which has fired and scheduled again.
    pub(super) fn is_current(connection: &Connection, now_ms: u64) -> bool {
        connection.scheduled_ms <= now_ms || connection.scheduled_ms == u64::MAX
    }

    /// Returns whether the entry that the connection has in the wheel will do for what it waits for since just now. An idle
    /// connection's time only moves on, and one that waits for us has none unless it found the lane full or its application
    /// named one: both do with an entry that fires before, which they have at every usual request.
    #[inline]
    pub(super) fn entry_will_do(&self, connection: &Connection, context: &Context) -> bool {
        let fires_ms = connection.scheduled_ms;
        let will_do = match connection.wait {
            Wait::Idle => fires_ms <= connection.since_ms + context.limits.idle_ms,
            Wait::Us => !connection.names_a_time(),
            _ => false,
        };
        will_do && fires_ms != u64::MAX && !self.crowded
    }

    /// Looks whether most connections are used.
    pub(super) fn look_for_crowd(&mut self, context: &Context) -> Crowd {
        if !is_crowded(context) {
            self.crowded = false;
        } else if self.crowd_begins(context) {
            self.crowded = true;
            self.swept_ms = context.now.ms();
            return Crowd::Begins;
        } else if !self.crowded {
            self.wake_at(self.swept_ms + SWEEP_MS, context);
        }
        Crowd::Known
    }

    /// Returns whether most connections are used and idle ones have not been given their shorter time for that yet. Not more
    /// often than every [`SWEEP_MS`], because all of them are looked at.
    #[inline]
    pub(super) fn crowd_begins(&self, context: &Context) -> bool {
        !self.crowded && is_crowded(context) && context.now.ms() >= self.swept_ms + SWEEP_MS
    }

    /// Returns when the timer fires, for a simulation.
    #[cfg(test)]
    pub(super) fn timer_ms(&self) -> u64 {
        self.timer_ms
    }
}

#[inline]
fn is_crowded(context: &Context) -> bool {
    let descriptors = &context.shared.descriptors;
    let (used, allowed) = (descriptors.connections(), descriptors.connections_max());
    let allowed = context.limits.connections.min(allowed);
    used * 100 > allowed * 80
}
