//! A timer that an event loop waits for like for a socket. An event loop that sleeps with a time-out instead has the
//! kernel set up and tear down a timer at every sleep; this one costs a system call only when it is set.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

/// A one-shot timer.
pub struct Timer {
    descriptor: OwnedFd,
}

impl Timer {
    /// Returns a timer that is not set.
    ///
    /// # Errors
    /// Returns the error of timerfd_create.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self { descriptor: timerfd_create(TimerfdClockId::Monotonic, flags)? })
    }

    /// Lets it fire once after `delay` (at least a nanosecond); what was set before is forgotten, fired or not. Edge
    /// triggered, it need not be read.
    ///
    /// # Errors
    /// Returns the error of timerfd_settime.
    pub fn set(&self, delay: Duration) -> io::Result<()> {
        let delay = delay.max(Duration::from_nanos(1));
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(delay.subsec_nanos()),
            },
        };
        timerfd_settime(&self.descriptor, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::unix::SourceFd;
    use mio::{Events, Interest, Poll, Token};

    #[test]
    fn it_wakes_an_event_loop_each_time_it_is_set() {
        let timer = Timer::new().expect("a timer");
        let mut poll = Poll::new().expect("an event loop");
        let mut source = SourceFd(&timer.as_raw_fd());
        poll.registry().register(&mut source, Token(7), Interest::READABLE).expect("registered");
        let mut events = Events::with_capacity(4);
        for _ in 0..3 {
            timer.set(Duration::from_millis(1)).expect("set");
            poll.poll(&mut events, None).expect("woken");
            assert_eq!(events.iter().map(|event| event.token()).collect::<Vec<_>>(), [Token(7)]);
        }
    }
}
