//! When messages were sent to the log, for the time that it takes to acknowledge one.

use std::collections::VecDeque;

use crate::base::limits::RELAY_FLIGHT_MAX;

/// The messages that were sent last and are not acknowledged. One that never is falls out when as many were sent behind it as
/// may be under way at once.
#[derive(Default)]
pub(super) struct Flights {
    sent: VecDeque<(u64, u64)>,
}

impl Flights {
    /// Notes that the message `token` was sent.
    pub(super) fn sent(&mut self, token: u64, now_us: u64) {
        if self.sent.len() >= RELAY_FLIGHT_MAX {
            self.sent.pop_front();
        }
        self.sent.push_back((token, now_us));
    }

    /// Returns how long the log took to acknowledge the message `token`, microseconds; nothing for one that has fallen out.
    pub(super) fn acknowledged(&mut self, token: u64, now_us: u64) -> Option<u64> {
        let place = self.sent.iter().position(|(sent, _)| *sent == token)?;
        self.sent.remove(place).map(|(_, sent_us)| now_us.saturating_sub(sent_us))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_its_own_time_and_those_that_are_never_acknowledged_take_no_room() {
        let mut flights = Flights::default();
        flights.sent(1, 10);
        flights.sent(2, 15);
        assert_eq!((flights.acknowledged(2, 40), flights.acknowledged(2, 41)), (Some(25), None));
        (3..3 + RELAY_FLIGHT_MAX as u64).for_each(|token| flights.sent(token, 50));
        assert_eq!(flights.acknowledged(1, 60), None);
        assert_eq!((flights.acknowledged(3, 60), flights.sent.len()), (Some(10), RELAY_FLIGHT_MAX - 1));
    }
}
