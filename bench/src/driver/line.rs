//! One connection of a thread: its socket, what is in flight on it, and when it is made again.

use crate::client::connection::{Connection, Fault, InFlight};
use crate::client::response::Answer;
use crate::client::stream::Stream;
use std::collections::VecDeque;
use std::io::{self, Read, Write};

/// First and longest pause before a connection is made again after a failure, nanoseconds.
const RETRY_NS: (u64, u64) = (5_000_000, 100_000_000);

/// A connection, open or not.
#[derive(Debug)]
pub(super) struct Line {
    stream: Option<Stream>,
    connection: Connection,
    is_connecting: bool,
    connecting_since_ns: u64,
    /// Whether it was ever open.
    has_opened: bool,
    /// Whether an answer came since it was opened.
    has_answered: bool,
    retry_at_ns: u64,
    failures_in_row: u32,
    /// Requests that may still be asked on this connection.
    room: u64,
}

/// What a socket had.
pub(super) enum Input {
    /// Nothing.
    Nothing,
    /// There is no socket.
    Closed,
    /// The end.
    End,
    /// So many bytes of the buffer, and whether it may have more though they did not fill the buffer.
    Bytes(usize, bool),
    /// The system failed on it.
    Failed(io::Error),
}

/// What the time is up for.
pub(super) enum Overdue {
    /// The answer to the request that waits longest.
    Answer,
    /// The connect, with what is known of its lateness.
    Connect(io::Error),
    /// The pause before it is made again.
    Pause,
}

impl Line {
    /// Returns a connection that was never made. `is_head`: all its requests are HEAD; `mixes_heads`: some of them are.
    pub(super) fn new(is_head: bool, mixes_heads: bool) -> Self {
        Self {
            stream: None,
            connection: Connection::new(is_head).with_mixed_heads(mixes_heads),
            is_connecting: false,
            connecting_since_ns: 0,
            has_opened: false,
            has_answered: false,
            retry_at_ns: 0,
            failures_in_row: 0,
            room: 0,
        }
    }

    /// Takes a socket that has begun to connect, for `room` requests.
    pub(super) fn start(&mut self, stream: Stream, room: u64, now_ns: u64) {
        self.stream = Some(stream);
        (self.is_connecting, self.connecting_since_ns) = (true, now_ns);
        (self.retry_at_ns, self.has_answered) = (u64::MAX, false);
        self.room = room;
    }

    /// Sets its times to the start of the clock: what is not open by then is tried again at once.
    pub(super) fn start_clock(&mut self) {
        self.connecting_since_ns = 0;
        self.retry_at_ns = if self.stream.is_some() { u64::MAX } else { 0 };
    }

    /// Returns what came of the connect, once that is known; if it opened, with the time since when it was under way.
    pub(super) fn connected(&mut self) -> Option<io::Result<u64>> {
        match self.stream.as_mut()?.is_connected() {
            Ok(false) => None,
            Ok(true) => {
                (self.is_connecting, self.has_opened) = (false, true);
                Some(Ok(self.connecting_since_ns))
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// Returns whether its connect is under way.
    #[inline]
    pub(super) fn is_connecting(&self) -> bool {
        self.is_connecting
    }

    /// Returns whether requests can be asked on it.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.stream.is_some() && !self.is_connecting
    }

    /// Returns whether its first connect is still under way.
    pub(super) fn was_never_open(&self) -> bool {
        self.is_connecting && !self.has_opened
    }

    /// Returns whether the kernel has not taken all bytes of the requests that were asked.
    pub(super) fn is_unsent(&self) -> bool {
        !self.connection.unwritten().is_empty() || self.stream.as_ref().is_some_and(Stream::has_unsent)
    }

    /// Returns the number of requests that may be asked now, of which `pipeline` at most may be unanswered.
    #[inline]
    pub(super) fn room(&self, pipeline: usize) -> u64 {
        self.room.min(pipeline.saturating_sub(self.connection.depth()) as u64)
    }

    /// Returns whether all its requests were asked and answered.
    pub(super) fn is_used_up(&self) -> bool {
        self.room == 0 && self.connection.depth() == 0
    }

    /// Returns where the bytes of the next request go, and whether it is the last one; [`Line::asked`] comes next.
    #[inline]
    pub(super) fn next_request(&mut self) -> (&mut Vec<u8>, bool) {
        debug_assert!(self.room > 0, "a connection asks no more than it may");
        self.room -= 1;
        (&mut self.connection.out, self.room == 0)
    }

    /// Takes note of the request whose bytes were written.
    #[inline]
    pub(super) fn asked(&mut self, request: InFlight) {
        self.connection.asked(request);
    }

    /// Writes what the kernel takes of the requests that were asked, and adds the number of bytes to `taken`.
    ///
    /// # Errors
    /// Fails when the connection is gone.
    #[inline]
    pub(super) fn flush(&mut self, taken: &mut u64) -> io::Result<()> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if stream.has_unsent() {
            stream.flush()?;
        }
        while !self.connection.unwritten().is_empty() {
            match stream.write(self.connection.unwritten()) {
                Ok(bytes) => {
                    *taken += bytes as u64;
                    self.connection.wrote(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads into `buffer` once.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Input {
        let Some(stream) = &mut self.stream else { return Input::Closed };
        loop {
            match stream.read(buffer) {
                Ok(0) => return Input::End,
                Ok(bytes) => return Input::Bytes(bytes, stream.has_ended()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Input::Nothing,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Input::Failed(error),
            }
        }
    }

    /// Takes input and calls `on_answer` for each request that it answers.
    ///
    /// # Errors
    /// Returns [`Fault`]: the connection has to be closed; what is still in flight stays unanswered.
    #[inline]
    pub(super) fn receive(
        &mut self,
        input: &[u8],
        mut on_answer: impl FnMut(InFlight, Answer),
    ) -> Result<(), Fault> {
        let has_answered = &mut self.has_answered;
        self.connection.receive(input, |request, answer| {
            *has_answered = true;
            on_answer(request, answer);
        })
    }

    /// Takes the end of the input: the answer that only the end completes.
    pub(super) fn end_of_input(&mut self) -> Option<(InFlight, Answer)> {
        let answered = self.connection.end_of_input();
        self.has_answered |= answered.is_some();
        answered
    }

    /// Takes away status and beginning of an answer that is no success, once for each status; call it until there is none.
    #[inline]
    pub(super) fn take_excerpt(&mut self) -> Option<(u16, Vec<u8>)> {
        self.connection.take_excerpt()
    }

    /// Returns the input that could not be read.
    pub(super) fn garbage(&self) -> &[u8] {
        self.connection.garbage()
    }

    /// Returns what its time is up for, if it is; a request and a connect have `timeout_ns`.
    pub(super) fn overdue(&mut self, now_ns: u64, timeout_ns: u64) -> Option<Overdue> {
        let waits = self.connection.oldest();
        if waits.is_some_and(|request| request.sent_ns + timeout_ns <= now_ns) {
            return Some(Overdue::Answer);
        }
        if self.is_connecting && self.connecting_since_ns + timeout_ns <= now_ns {
            let late = self.stream.as_mut().map(Stream::lateness);
            return Some(Overdue::Connect(late.unwrap_or_else(|| io::ErrorKind::TimedOut.into())));
        }
        (self.retry_at_ns <= now_ns).then_some(Overdue::Pause)
    }

    /// Closes it, and hands out the requests that were not answered. It is made again after a pause, unless it was worth making:
    /// then at once, which the result says too.
    pub(super) fn close(&mut self, is_head: bool, now_ns: u64) -> (VecDeque<InFlight>, bool) {
        self.stream = None;
        let lost = self.connection.reset(is_head);
        // A connection that brought an answer was worth making: only one that brought none makes the next one wait.
        self.failures_in_row = match (self.has_answered, lost.is_empty()) {
            (true, _) => 0,
            (false, true) => self.failures_in_row,
            (false, false) => self.failures_in_row + 1,
        };
        self.retry_at_ns = now_ns + pause_ns(self.failures_in_row);
        (lost, self.failures_in_row == 0)
    }

    /// Drops a socket whose connect has failed.
    pub(super) fn drop_socket(&mut self) {
        (self.stream, self.is_connecting) = (None, false);
    }

    /// Drops a socket whose connect has failed; it is made again after a pause.
    pub(super) fn connect_failed(&mut self, now_ns: u64) {
        self.drop_socket();
        self.failures_in_row += 1;
        self.retry_at_ns = now_ns + pause_ns(self.failures_in_row);
    }

    /// Hands out the requests that nobody awaits any more.
    pub(super) fn abandon(&mut self) -> VecDeque<InFlight> {
        self.connection.reset(false)
    }
}

fn pause_ns(failures_in_row: u32) -> u64 {
    match failures_in_row {
        0 => 0,
        n => (RETRY_NS.0 << (n - 1).min(8)).min(RETRY_NS.1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(line: &mut Line, number: u64, sent_ns: u64) {
        line.room = 1;
        let (out, is_last) = line.next_request();
        out.extend_from_slice(b"x");
        assert!(is_last);
        line.asked(InFlight { intended_ns: sent_ns, sent_ns, number, ..InFlight::default() });
    }

    #[test]
    fn the_pause_grows_with_connections_that_brought_no_answer_and_ends_with_one_that_did() {
        let mut line = Line::new(false, false);
        let mut pauses = Vec::new();
        for number in 0..7 {
            asks(&mut line, number, 0);
            let (lost, is_at_once) = line.close(false, 0);
            assert!(lost.len() == 1 && !is_at_once);
            pauses.push(line.retry_at_ns / 1_000_000);
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 100, 100]);
        asks(&mut line, 7, 0);
        line.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", |_, _| {}).unwrap();
        let (lost, is_at_once) = line.close(false, 9);
        assert!(lost.is_empty() && is_at_once && line.retry_at_ns == 9);
    }

    #[test]
    fn what_the_time_is_up_for() {
        let mut line = Line::new(false, false);
        assert!(matches!(line.overdue(0, 10), Some(Overdue::Pause)), "it was never made");
        line.retry_at_ns = u64::MAX;
        asks(&mut line, 0, 5);
        assert!(line.overdue(14, 10).is_none());
        assert!(matches!(line.overdue(15, 10), Some(Overdue::Answer)));
        line.abandon();
        (line.is_connecting, line.connecting_since_ns) = (true, 7);
        assert!(line.overdue(16, 10).is_none());
        let late = line.overdue(17, 10);
        assert!(matches!(late, Some(Overdue::Connect(error)) if error.kind() == io::ErrorKind::TimedOut));
    }
}
