//! How long a server that ends waits for what is in flight.

use std::time::Duration;

use crate::base::limits::STOP_BODIES_BEFORE_MS;
use crate::engine::shared::Shared;
use crate::engine::shared::mailbox::Mail;
use crate::os::clock::wall_us;

/// How long a hand-over waits for requests in flight: new ones wait as long.
pub(super) const HAND_OVER_PATIENCE: Duration = Duration::from_secs(3);

/// The time that requests in flight have when a server stops.
pub(super) struct StopPatience {
    ends_us: u64,
    /// When bodies that still arrive are stopped; nothing once they have been.
    bodies_end_us: Option<u64>,
}

impl StopPatience {
    /// Begins the time now.
    pub(super) fn new(time: Duration) -> Self {
        let before = Duration::from_millis(STOP_BODIES_BEFORE_MS).min(time / 2);
        let in_us = |time: Duration| wall_us() + time.as_micros() as u64;
        Self { ends_us: in_us(time), bodies_end_us: Some(in_us(time - before)) }
    }

    /// Returns whether it is over; has the bodies stopped shortly before.
    pub(super) fn is_over(&mut self, shared: &Shared) -> bool {
        let now_us = wall_us();
        if self.bodies_end_us.take_if(|end_us| *end_us <= now_us).is_some() {
            shared.workers.iter().for_each(|worker| worker.send(Mail::StopBodies));
        }
        now_us >= self.ends_us
    }
}
