//! The connections of a thread, and the event loop that watches their sockets.

use super::line::Line;
use crate::client::stream::Stream;
use crate::driver::connect_times::ConnectTimes;
use crate::scenario::Scenario;
use crate::scenario::request::RequestForm;
use mio::{Events, Poll, Token};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io;
use std::ops::{Index, IndexMut};
use std::sync::Arc;
use std::time::Duration;

/// All connections of one thread; a connection's number is its token.
pub(super) struct Lines {
    scenario: Arc<Scenario>,
    poll: Poll,
    all: Vec<Line>,
    /// Those that had news before the clock started.
    early: Vec<usize>,
    times: ConnectTimes,
}

impl Lines {
    /// Returns those of `thread`, none of them made.
    ///
    /// # Errors
    /// Fails when epoll can't be had.
    pub(super) fn new(scenario: &Arc<Scenario>, thread: usize) -> io::Result<Self> {
        let is_head = scenario.mix.is_none() && scenario.form.is_head();
        let mixes_heads =
            scenario.mix.as_ref().is_some_and(|mix| mix.forms().iter().any(RequestForm::is_head));
        Ok(Self {
            scenario: Arc::clone(scenario),
            poll: Poll::new()?,
            all: (0..scenario.connections_of(thread)).map(|_| Line::new(is_head, mixes_heads)).collect(),
            early: Vec::new(),
            times: ConnectTimes::default(),
        })
    }

    /// Returns their number.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns all of them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Line> {
        self.all.iter_mut()
    }

    /// Returns whether requests can be asked on all of them.
    pub(super) fn are_open(&self) -> bool {
        self.all.iter().all(Line::is_open)
    }

    /// Starts a connect; the socket's next event says when to ask what came of it.
    ///
    /// # Errors
    /// Returns the system's error.
    pub(super) fn start(&mut self, at: usize, now_ns: u64) -> io::Result<()> {
        let mut stream = Stream::start(&self.scenario.target)?;
        stream.watch(self.poll.registry(), Token(at))?;
        self.all[at].start(stream, self.scenario.requests_per_connection, now_ns);
        Ok(())
    }

    /// Returns what came of a connect, once that is known.
    pub(super) fn connected(&mut self, at: usize, now_ns: u64) -> Option<io::Result<()>> {
        let outcome = self.all[at].connected()?;
        Some(outcome.map(|since_ns| self.times.took(now_ns.saturating_sub(since_ns))))
    }

    /// Returns how long connects took by now.
    pub(super) fn connect_times(&mut self) -> ConnectTimes {
        std::mem::take(&mut self.times)
    }

    /// Keeps in mind that a connection had news before the clock started.
    pub(super) fn came_early(&mut self, at: usize) {
        self.early.push(at);
    }

    /// Starts the clock of all connections; gives those that have had news by now.
    pub(super) fn start_clock(&mut self) -> Vec<usize> {
        self.all.iter_mut().for_each(Line::start_clock);
        std::mem::take(&mut self.early)
    }

    /// Waits for news of the sockets, `most` at most, which mio rounds up to a whole millisecond.
    ///
    /// # Errors
    /// Returns the system's error.
    pub(super) fn poll(&mut self, events: &mut Events, most: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(most)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            other => other,
        }
    }

    /// Sleeps until a socket has news or `ns` have passed, to the microsecond (epoll counts in milliseconds).
    ///
    /// # Errors
    /// Returns the system's error.
    pub(super) fn sleep(&self, ns: u64) -> io::Result<()> {
        let timeout = Timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 };
        let mut epoll = [PollFd::new(self.poll.registry(), PollFlags::IN)];
        match rustix::event::poll(&mut epoll, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Index<usize> for Lines {
    type Output = Line;

    #[inline]
    fn index(&self, at: usize) -> &Line {
        &self.all[at]
    }
}

impl IndexMut<usize> for Lines {
    #[inline]
    fn index_mut(&mut self, at: usize) -> &mut Line {
        &mut self.all[at]
    }
}
