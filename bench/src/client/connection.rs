//! One connection of the generator without its socket: what is in flight, what waits to be written, what came back.

use crate::client::response::{Answer, Garbage, ResponseParser, Step};
use std::collections::VecDeque;

/// A request that has no answer yet. Times are nanoseconds since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InFlight {
    /// When the schedule wanted it to leave; in a closed loop the same as `sent_ns`.
    pub intended_ns: u64,
    /// When it was handed to the socket.
    pub sent_ns: u64,
    /// Its number, from which its body was made.
    pub number: u64,
    /// Its kind: the row of figures that it counts in.
    pub kind: u16,
    /// Whether it is a HEAD, where requests differ in that.
    pub is_head: bool,
}

/// Why input ended the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are no response.
    Garbage(Garbage),
    /// A response to nothing that was asked.
    Unasked,
    /// The server said that it will close; requests behind this answer go unanswered.
    Closing,
}

/// State of one connection. Requests are answered in the order in which they were sent.
#[derive(Debug)]
pub struct Connection {
    parser: ResponseParser,
    /// The part of the input that a response's head still misses something of.
    partial: Vec<u8>,
    in_flight: VecDeque<InFlight>,
    /// Whether some requests are HEAD and others not.
    mixes_heads: bool,
    /// Bytes of requests; those before `written` are with the kernel.
    pub out: Vec<u8>,
    written: usize,
}

impl Connection {
    /// Returns a connection on which nothing was sent; `is_head` when all requests are HEAD.
    #[must_use]
    pub fn new(is_head: bool) -> Self {
        Self {
            parser: ResponseParser::new(is_head),
            partial: Vec::new(),
            in_flight: VecDeque::new(),
            mixes_heads: false,
            out: Vec::new(),
            written: 0,
        }
    }

    /// Says whether some requests are HEAD and others not.
    #[must_use]
    pub fn with_mixed_heads(self, mixes_heads: bool) -> Self {
        Self { mixes_heads, ..self }
    }

    /// Requests without an answer.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.in_flight.len()
    }

    /// Returns the request that waits longest.
    #[must_use]
    pub fn oldest(&self) -> Option<&InFlight> {
        self.in_flight.front()
    }

    /// Takes note of a request whose bytes were appended to `out`.
    #[inline]
    pub fn asked(&mut self, request: InFlight) {
        debug_assert!(self.in_flight.back().is_none_or(|last| last.sent_ns <= request.sent_ns));
        self.in_flight.push_back(request);
    }

    /// Returns bytes that still have to be written.
    #[inline]
    #[must_use]
    pub fn unwritten(&self) -> &[u8] {
        &self.out[self.written..]
    }

    /// Takes note that the kernel took `bytes` more.
    #[inline]
    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        debug_assert!(self.written <= self.out.len());
        if self.written == self.out.len() {
            self.out.clear();
            self.written = 0;
        }
    }

    /// Takes input and calls `on_answer` for each request that it answers.
    ///
    /// # Errors
    /// Returns [`Fault`]: the connection has to be closed; what is still in flight stays unanswered.
    #[inline]
    pub fn receive(&mut self, input: &[u8], on_answer: impl FnMut(InFlight, Answer)) -> Result<(), Fault> {
        if self.partial.is_empty() {
            let used = self.parse(input, on_answer)?;
            self.partial.extend_from_slice(&input[used..]);
        } else {
            let mut joined = std::mem::take(&mut self.partial);
            joined.extend_from_slice(input);
            let used = self.parse(&joined, on_answer)?;
            joined.drain(..used);
            self.partial = joined;
        }
        Ok(())
    }

    fn parse(&mut self, input: &[u8], mut on_answer: impl FnMut(InFlight, Answer)) -> Result<usize, Fault> {
        let mut at = 0;
        while at < input.len() {
            if let (true, Some(request)) = (self.mixes_heads, self.in_flight.front())
                && self.parser.is_between()
            {
                self.parser.expect_head(request.is_head);
            }
            let (used, step) = match self.parser.next(&input[at..]) {
                Ok(taken) => taken,
                Err(garbage) => {
                    self.partial = input[at..].to_vec();
                    return Err(Fault::Garbage(garbage));
                }
            };
            at += used;
            match step {
                Step::NeedMore => break,
                Step::Body(_) | Step::Interim => {}
                Step::Done(answer) => {
                    let request = self.in_flight.pop_front().ok_or(Fault::Unasked)?;
                    on_answer(request, answer);
                    if !answer.keep_alive {
                        return Err(Fault::Closing);
                    }
                }
            }
        }
        Ok(at)
    }

    /// Takes away status and beginning of an answer that is no success, once for each status; call it until there is none.
    #[inline]
    pub fn take_excerpt(&mut self) -> Option<(u16, Vec<u8>)> {
        self.parser.take_excerpt()
    }

    /// Returns the input that could not be read, after [`Fault::Garbage`].
    #[must_use]
    pub fn garbage(&self) -> &[u8] {
        &self.partial
    }

    /// Takes the end of the input: the answer that only the end completes.
    pub fn end_of_input(&mut self) -> Option<(InFlight, Answer)> {
        let answer = self.parser.end_of_input()?;
        Some((self.in_flight.pop_front()?, answer))
    }

    /// Makes it as new for the next socket and hands out the requests that were not answered.
    pub fn reset(&mut self, is_head: bool) -> VecDeque<InFlight> {
        let lost = std::mem::take(&mut self.in_flight);
        *self = Self::new(is_head).with_mixed_heads(self.mixes_heads);
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

    fn asked(numbers: std::ops::Range<u64>) -> Connection {
        let mut connection = Connection::new(false);
        for number in numbers {
            connection.asked(InFlight { sent_ns: number, number, ..InFlight::default() });
        }
        connection
    }

    #[test]
    fn answers_go_to_requests_in_order_however_they_are_cut() {
        let input = OK.repeat(4);
        for cut in 0..input.len() {
            let mut connection = asked(0..4);
            let mut seen = Vec::new();
            for piece in [&input[..cut], &input[cut..]] {
                connection
                    .receive(piece, |request, answer| seen.push((request.number, answer.status)))
                    .unwrap();
            }
            assert_eq!(seen, [(0, 200), (1, 200), (2, 200), (3, 200)], "cut at {cut}");
            assert_eq!(connection.depth(), 0);
        }
    }

    #[test]
    fn an_answer_to_nothing_is_a_fault() {
        assert_eq!(asked(0..1).receive(&OK.repeat(2), |_, _| {}), Err(Fault::Unasked));
    }

    #[test]
    fn a_close_leaves_the_rest_unanswered() {
        let mut connection = asked(0..3);
        let mut seen = 0;
        let fault = connection
            .receive(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", |_, _| seen += 1);
        assert_eq!((fault, seen), (Err(Fault::Closing), 1));
        assert_eq!(connection.reset(false).len(), 2);
        assert_eq!(connection.depth(), 0);
    }

    #[test]
    fn an_answer_without_length_ends_with_the_input() {
        let mut connection = asked(0..1);
        connection.receive(b"HTTP/1.0 200 OK\r\n\r\nabc", |_, _| panic!("not yet")).unwrap();
        assert_eq!(
            connection.end_of_input().map(|(request, answer)| (request.number, answer.status)),
            Some((0, 200))
        );
        assert_eq!(asked(0..1).end_of_input(), None);
    }

    #[test]
    fn partial_writes_continue_where_they_stopped() {
        let mut connection = Connection::new(false);
        connection.out.extend_from_slice(b"abcdef");
        connection.wrote(2);
        assert_eq!(connection.unwritten(), b"cdef");
        connection.wrote(4);
        assert!(connection.unwritten().is_empty() && connection.out.is_empty());
    }
}
