//! Feeds bytes to a connection's machine the way a worker does, and tells what came out of it.

use pixeld::base::limits::Limits;
use pixeld::http::connection::{Machine, Plan, Step};
use pixeld::http::request::{Head, HeaderSlots};

/// Most bytes of a body that is read whole, and of one that is streamed.
pub const WHOLE_BYTES_MAX: usize = 4096;
pub const STREAM_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a worker would have to act upon. `100 Continue` is left out: whether it is due depends on the reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Request {
        line: String,
        headers: Vec<(String, Vec<u8>)>,
        keep_alive: bool,
        body: Vec<u8>,
    },
    /// Answered by its head; the body is too long to be read.
    Unread {
        line: String,
        keep_alive: bool,
    },
    /// A streamed body that ended; a refusal may stand in for the end.
    Begun {
        line: String,
    },
    Ended {
        body: Vec<u8>,
    },
    Refused(u16),
    /// The input ended in the middle of something.
    Cut,
}

/// Paths that start with `/stream` are streamed, those with `/unwanted` have no use for a body, `/no` is refused by its plan.
pub fn plan(head: &Head<'_>) -> Plan {
    match head.path {
        "/no" => Plan::Refuse(pixeld::http::refusal::Refusal::new(503, "no")),
        path if path.starts_with("/unwanted") => Plan::Unwanted { max_bytes: WHOLE_BYTES_MAX },
        path if path.starts_with("/stream") => Plan::Stream { max_bytes: STREAM_BYTES_MAX },
        _ => Plan::Whole { max_bytes: WHOLE_BYTES_MAX },
    }
}

/// The events of a connection on which each of `reads` arrives by itself, up to its close by either side.
pub fn events<'r>(reads: impl IntoIterator<Item = &'r [u8]>, limits: &Limits) -> Vec<Event> {
    let mut machine = Machine::new();
    let mut slots = HeaderSlots::new();
    let mut feed = Feed::default();
    for read in reads {
        let mut rest = read;
        loop {
            let step = machine.next(rest, &mut slots, limits, &mut plan);
            match feed.take(step) {
                Some(consumed) => rest = &rest[consumed..],
                None => break,
            }
        }
        if feed.is_closed {
            return feed.events;
        }
        assert_eq!(feed.last_consumed, rest.len(), "NeedMore takes all of the input");
    }
    if machine.eof() {
        feed.events.push(Event::Cut);
    }
    feed.events
}

/// The events of `input` in one read.
pub fn whole(input: &[u8]) -> Vec<Event> {
    events([input], &Limits::default())
}

/// Asserts that `input` gives the same events cut in two at every byte, and byte by byte.
pub fn assert_splits_agree(name: &str, input: &[u8], limits: &Limits) -> Vec<Event> {
    let expected = events([input], limits);
    for cut in 1..input.len() {
        let (first, second) = input.split_at(cut);
        assert_eq!(events([first, second], limits), expected, "{name}, cut at {cut}");
    }
    assert_eq!(events(input.chunks(1), limits), expected, "{name}, byte by byte");
    expected
}

#[derive(Default)]
struct Feed {
    events: Vec<Event>,
    streamed: Vec<u8>,
    last_consumed: usize,
    is_closed: bool,
    closes_after_body: bool,
}

impl Feed {
    /// Notes a step; gives what it consumed if the machine is to be asked again.
    fn take(&mut self, step: Step<'_>) -> Option<usize> {
        match step {
            Step::NeedMore { consumed } => {
                self.last_consumed = consumed;
                None
            }
            Step::Continue { consumed } => Some(consumed),
            Step::Request { consumed, head, body } => {
                let own = |(name, value): (&str, &[u8])| (name.to_owned(), value.to_vec());
                let headers = head.headers().map(own).collect();
                let (line, keep_alive) = (line(&head), head.keep_alive);
                self.events.push(Event::Request { line, headers, keep_alive, body: body.to_vec() });
                self.close_unless(keep_alive, consumed)
            }
            Step::Unread { head } => {
                self.events.push(Event::Unread { line: line(&head), keep_alive: head.keep_alive });
                self.close_unless(false, 0)
            }
            Step::Begin { consumed, head } => {
                self.closes_after_body = !head.keep_alive;
                self.events.push(Event::Begun { line: line(&head) });
                Some(consumed)
            }
            Step::Piece { consumed, bytes } => {
                assert!(!bytes.is_empty() && consumed >= bytes.len());
                self.streamed.extend_from_slice(bytes);
                Some(consumed)
            }
            Step::End { consumed } => {
                self.events.push(Event::Ended { body: std::mem::take(&mut self.streamed) });
                self.close_unless(!self.closes_after_body, consumed)
            }
            Step::Refused { refusal } => {
                self.events.push(Event::Refused(refusal.status));
                self.close_unless(false, 0)
            }
        }
    }

    fn close_unless(&mut self, keep_alive: bool, consumed: usize) -> Option<usize> {
        self.is_closed |= !keep_alive;
        keep_alive.then_some(consumed)
    }
}

fn line(head: &Head<'_>) -> String {
    match head.query {
        Some(query) => format!("{} {}?{query}", head.method, head.path),
        None => format!("{} {}", head.method, head.path),
    }
}
