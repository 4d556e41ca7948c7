//! Answers in, requests out: what a socket has is taken apart and counted, and followed by what is to be asked next.

use super::Driver;
use super::line::Input;
use crate::client::connection::Fault;
use crate::driver::reasons::Reason;
use crate::driver::tally::Failure;
use mio::event::Event;

impl Driver {
    /// Sends what the schedule wants, and in a closed loop the first requests of each connection.
    pub(super) fn offer(&mut self) {
        self.send_all_due();
        while let Some(next_ns) = self.stagger.next_ns()
            && self.clock.now_ns() >= next_ns
        {
            let at = self.stagger.take();
            // One that is not open yet starts as soon as it is.
            if self.lines[at].is_open() {
                self.refill(at);
            }
        }
    }

    #[inline]
    pub(super) fn send_all_due(&mut self) {
        if self.schedule.is_some() {
            while self.send_due() {}
        }
    }

    /// Sends on one free connection; false when nothing is due or nothing is free.
    fn send_due(&mut self) -> bool {
        let now_ns = self.clock.now_ns();
        let Some(schedule) = &mut self.schedule else { return false };
        let Some(intended_ns) = schedule.due(now_ns).filter(|_| self.requests.left() > 0) else {
            return false;
        };
        let Some((at, share)) = schedule.take_free(now_ns - intended_ns) else { return false };
        let line = &mut self.lines[at];
        for _ in 0..share.min(line.room(self.scenario.pipeline)) {
            let Some(intended_ns) = schedule.due(now_ns).filter(|_| self.requests.left() > 0) else { break };
            let counts = self.figures.window().counts(intended_ns);
            self.requests.ask(line, intended_ns, now_ns, counts);
            let lag_ns = schedule.sent(intended_ns, now_ns);
            if counts {
                self.figures.sent(Some(lag_ns));
            }
        }
        self.flush(at, now_ns);
        self.queue(at, now_ns);
        true
    }

    /// Puts a connection with room into the queue of an open loop.
    pub(super) fn queue(&mut self, at: usize, now_ns: u64) {
        let line = &self.lines[at];
        if let Some(schedule) = &mut self.schedule
            && line.is_open()
            && line.room(self.scenario.pipeline) > 0
        {
            schedule.put_free(at, now_ns);
        }
    }

    /// Fills a connection of a closed loop up to its depth.
    #[inline]
    fn refill(&mut self, at: usize) {
        let now_ns = self.clock.now_ns();
        if now_ns >= self.figures.window().end_ns {
            return;
        }
        let line = &mut self.lines[at];
        for _ in 0..line.room(self.scenario.pipeline).min(self.requests.left()) {
            let counts = self.figures.window().counts(now_ns);
            self.requests.ask(line, now_ns, now_ns, counts);
            if counts {
                self.figures.sent(None);
            }
        }
        self.flush(at, now_ns);
    }

    /// Has a connection with room ask again: at once in a closed loop, when the schedule says so in an open one.
    #[inline]
    fn ask_again(&mut self, at: usize) {
        match &self.schedule {
            None => self.refill(at),
            Some(_) => self.queue(at, self.clock.now_ns()),
        }
    }

    #[inline]
    fn flush(&mut self, at: usize, now_ns: u64) {
        let mut taken = 0;
        let outcome = self.lines[at].flush(&mut taken);
        self.figures.wrote(taken, now_ns);
        if let Err(error) = outcome {
            self.lose(at, Failure::Reset, Some(Reason::of_system(Failure::Reset, &error)));
        }
    }

    /// Does what the event loop has news for.
    pub(super) fn handle(&mut self, event: &Event) {
        let at = event.token().0;
        if self.lines[at].is_connecting() {
            match self.lines.connected(at, self.clock.now_ns()) {
                None => return,
                Some(Err(error)) => return self.connect_failed(at, &error),
                Some(Ok(())) if self.stagger.has_started(at) => self.ask_again(at),
                Some(Ok(())) => {}
            }
        }
        if event.is_writable() && self.lines[at].is_unsent() {
            self.flush(at, self.clock.now_ns());
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(at, event.is_read_closed() || event.is_error());
        }
    }

    /// Reads what is there. A read that does not fill the buffer emptied the socket, unless its end is announced.
    pub(super) fn read(&mut self, at: usize, ends: bool) {
        loop {
            match self.lines[at].read(&mut self.buffer) {
                Input::Nothing => break,
                Input::Closed => return,
                Input::End => return self.end_of_input(at),
                Input::Failed(error) => {
                    return self.lose(at, Failure::Reset, Some(Reason::of_system(Failure::Reset, &error)));
                }
                Input::Bytes(bytes, has_more) => {
                    if !self.take(at, bytes) {
                        return;
                    }
                    if bytes < self.buffer.len() && !ends && !has_more {
                        break;
                    }
                }
            }
        }
        if self.lines[at].is_used_up() {
            // It had all its requests, and the server left the closing to us.
            self.lose(at, Failure::Closed, None);
        } else {
            self.ask_again(at);
        }
    }

    /// Takes `bytes` of the buffer as input of a connection; false when that ended it.
    #[inline]
    fn take(&mut self, at: usize, bytes: usize) -> bool {
        let now_ns = self.clock.now_ns();
        self.figures.read(bytes, now_ns);
        let (figures, requests, line) = (&mut self.figures, &mut self.requests, &mut self.lines[at]);
        let outcome = line.receive(&self.buffer[..bytes], |request, answer| {
            figures.answered(request, answer, now_ns);
            requests.ended(1);
        });
        while let Some((status, bytes)) = line.take_excerpt() {
            figures.keep_example(status, &bytes);
        }
        match outcome {
            Ok(()) => {}
            Err(Fault::Closing) => self.lose(at, Failure::Closed, None),
            Err(Fault::Garbage(what)) => {
                let reason = Reason::of_garbage(&what, line.garbage());
                self.lose(at, Failure::Garbage, Some(reason));
            }
            Err(Fault::Unasked) => {
                let text = "an answer to nothing that was asked".to_string();
                let reason = Reason::of_target(Failure::Garbage, text);
                figures.failed_alone(reason.clone(), now_ns);
                self.lose(at, Failure::Garbage, Some(reason));
            }
        }
        outcome.is_ok()
    }

    /// Takes the end of a connection's input, which may complete an answer.
    fn end_of_input(&mut self, at: usize) {
        let now_ns = self.clock.now_ns();
        let line = &mut self.lines[at];
        if let Some((request, answer)) = line.end_of_input() {
            while let Some((status, bytes)) = line.take_excerpt() {
                self.figures.keep_example(status, &bytes);
            }
            self.figures.answered(request, answer, now_ns);
            self.requests.ended(1);
        }
        self.lose(at, Failure::Closed, None);
    }
}
