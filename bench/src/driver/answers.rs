//! Answers in: what a socket has, taken apart, counted, and followed by the connection's next request.

use super::Driver;
use crate::client::connection::Fault;
use crate::driver::reasons::Reason;
use crate::driver::statuses::Example;
use crate::driver::tally::Failure;
use mio::event::Event;
use std::io::{self, Read};

impl Driver {
    pub(super) fn handle(&mut self, event: &Event) {
        let at = event.token().0;
        if self.lines[at].is_connecting && !self.finish_connect(at) {
            return;
        }
        if event.is_writable() && self.lines[at].is_unsent() {
            self.flush(at, self.now_ns());
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(at, event.is_read_closed() || event.is_error());
        }
    }

    /// Reads what is there. A read that does not fill the buffer emptied the socket, unless its end is announced.
    pub(super) fn read(&mut self, at: usize, ends: bool) {
        loop {
            let line = &mut self.lines[at];
            let Some(stream) = &mut line.stream else { return };
            match stream.read(&mut self.buffer) {
                Ok(0) => return self.end_of_input(at),
                Ok(bytes) => {
                    let ends = ends || stream.has_ended();
                    if !self.take(at, bytes) {
                        return;
                    }
                    if bytes < self.buffer.len() && !ends {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.lose_by(at, &error),
            }
        }
        if self.lines[at].room == 0 && self.lines[at].connection.depth() == 0 {
            // It had all its requests, and the server left the closing to us.
            self.lose(at, Failure::Closed, None);
        } else if self.pacer.is_none() {
            self.refill(at);
        } else {
            self.queue(at, self.now_ns());
        }
    }

    /// Takes `bytes` of the buffer as input of a connection; false when that ended it.
    #[inline]
    fn take(&mut self, at: usize, bytes: usize) -> bool {
        let now_ns = self.now_ns();
        let (tally, finished, window) = (&mut *self.tally, &mut self.finished, &self.window);
        tally.bytes_in += bytes as u64 * u64::from(window.holds(now_ns));
        let (in_flight, keeps) = (&mut self.in_flight, self.scenario.keeps_acknowledged);
        let line = &mut self.lines[at];
        let has_answered = &mut line.has_answered;
        let outcome = line.connection.receive(&self.buffer[..bytes], |request, answer| {
            *has_answered = true;
            window.answered(tally, request, answer, now_ns);
            if let (Some(kind), true) =
                (finished.kinds.get_mut(usize::from(request.kind)), window.counts(request.intended_ns))
            {
                kind.answered(request, answer, now_ns);
            }
            *in_flight -= 1;
            if now_ns <= window.end_ns {
                finished.last_answer_ns = now_ns;
            }
            if keeps && answer.is_success() {
                finished.acknowledged.set(request.number);
            }
        });
        while let Some((status, bytes)) = line.connection.take_excerpt() {
            Example::new(status, &bytes).enter(&mut self.finished.examples);
        }
        match outcome {
            Ok(()) => {}
            Err(Fault::Closing) => self.lose(at, Failure::Closed, None),
            Err(Fault::Garbage(what)) => {
                let reason = Reason::of_garbage(&what, line.connection.garbage());
                self.lose(at, Failure::Garbage, Some(reason));
            }
            Err(Fault::Unasked) => {
                let reason =
                    Reason::of_target(Failure::Garbage, "an answer to nothing that was asked".into());
                if self.window.holds(now_ns) {
                    self.tally.failures.add(Failure::Garbage, 1);
                    reason.clone().enter(&mut self.finished.reasons);
                }
                self.lose(at, Failure::Garbage, Some(reason));
            }
        }
        outcome.is_ok()
    }
}
