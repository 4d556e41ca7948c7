//! One connection's input as a state machine: bytes in, requests out.
//!
//! ```text
//!             plan: Whole            complete
//! Head --------------------> Whole -----------> Head        Request
//!   |--plan: Unwanted--> Whole ---------------> Head        Request
//!   |                      '--too long--------> Dead        Unread
//!   |--plan: Stream--> Stream ----------------> Head        Begin, Piece*, End
//!   '--anything wrong, in any state----------> Dead         Refused
//! ```
//!
//! The caller owns the socket and its read buffer. It calls [`Machine::next`] with what it has read, drops `consumed`
//! bytes, and calls again, with an empty input too, until the answer is [`Step::NeedMore`]; everything is used up then,
//! because the machine keeps what it still needs. A request that lies in one input whole is handed out where it lies;
//! only one that was cut costs memory, and only until it is complete.

use super::body::{BodyDecoder, Decoded};
use super::refusal::Refusal;
use super::request::{Framing, Head, HeaderSlots, outline};
use super::scan::{HeadScan, Scanned};
use crate::base::limits::Limits;

/// How a request's body is to be taken; decided when its head is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Kept until it is complete, and handed out as one.
    Whole {
        /// Most bytes after decoding; more is refused with 413, before any is read if the length is known.
        max_bytes: usize,
    },
    /// Read and forgotten, since the answer does not depend on it, so that the connection can go on. A longer one is not
    /// read: the request is handed out by its head, and the connection closes after its answer.
    Unwanted {
        /// Most bytes after decoding that are read.
        max_bytes: usize,
    },
    /// Handed out as it arrives.
    Stream {
        /// As above.
        max_bytes: usize,
    },
    /// Not at all: the connection closes after this answer.
    Refuse(Refusal),
}

/// What happened next on a connection. `consumed` bytes of the input are used up.
#[derive(Debug)]
pub enum Step<'a> {
    /// All of the input was taken and no event came of it; read more.
    NeedMore {
        /// The length of the input.
        consumed: usize,
    },
    /// The client waits for `100 Continue` ([`super::response::CONTINUE`]), to be sent behind the answers to all
    /// earlier requests. Never given when the body has begun to arrive.
    Continue {
        /// May be more than 0: the head may have been kept just before.
        consumed: usize,
    },
    /// A whole request.
    Request {
        /// Up to the end of its body.
        consumed: usize,
        /// Its head.
        head: Head<'a>,
        /// Its decoded body; empty if it has none.
        body: &'a [u8],
    },
    /// A request whose plan is `Unwanted`, with a body that is too long to be read. Answer it and close; further input is
    /// dropped.
    Unread {
        /// Its head.
        head: Head<'a>,
    },
    /// A request whose plan is `Stream`; its body follows as `Piece`s, then `End`.
    Begin {
        /// Up to the end of its head.
        consumed: usize,
        /// Its head.
        head: Head<'a>,
    },
    /// Some of a streamed body, never empty.
    Piece {
        /// With the framing around the piece.
        consumed: usize,
        /// Decoded.
        bytes: &'a [u8],
    },
    /// A streamed body is complete.
    End {
        /// With the rest of its framing.
        consumed: usize,
    },
    /// Answer this behind the answers to all earlier requests, and close. Given once; further input is dropped.
    Refused {
        /// What to answer.
        refusal: Refusal,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Whole,
    Stream,
    Dead,
}

/// Bytes that had to be kept because their request was cut: its head, then what has been decoded of its body.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    head_bytes: usize,
}

/// The input side of one connection. See the module's description.
#[derive(Debug)]
pub struct Machine {
    state: State,
    /// A 100 is due unless the body comes first.
    owes_continue: bool,
    /// The body is of no use.
    is_unwanted: bool,
    /// A HEAD request was refused.
    refused_head: bool,
    /// What is kept was handed out with the last step and can go.
    is_handed_out: bool,
    scan: HeadScan,
    decoder: Option<BodyDecoder>,
    kept: Option<Box<Kept>>,
}

impl Default for Machine {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine {
    /// Returns a connection on which nothing has arrived.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Head,
            owes_continue: false,
            is_unwanted: false,
            refused_head: false,
            is_handed_out: false,
            scan: HeadScan::default(),
            decoder: None,
            kept: None,
        }
    }

    /// Takes the next event out of `input`, which starts where the previous step's `consumed` ended.
    ///
    /// `plan` is asked once for each request whose head is complete and valid. `limits` may change between calls.
    /// A step's head and body borrow the input, the slots or the machine until the next call.
    pub fn next<'a>(
        &'a mut self,
        input: &'a [u8],
        slots: &'a mut HeaderSlots,
        limits: &Limits,
        plan: &mut dyn FnMut(&Head<'_>) -> Plan,
    ) -> Step<'a> {
        self.release();
        match self.state {
            State::Head => self.read_head(input, slots, limits, plan),
            State::Whole => self.read_whole(input, 0, slots, limits),
            State::Stream => self.read_stream(input, limits),
            State::Dead => Step::NeedMore { consumed: input.len() },
        }
    }

    /// Frees what the last step borrowed. The next call of `next` does this as well; call it where that may be long.
    pub fn release(&mut self) {
        if self.is_handed_out {
            self.is_handed_out = false;
            self.kept = None;
        }
    }

    /// Returns whether it is between requests, and not a byte of the next one has been taken, not even of an empty line. Only then
    /// may a request be taken from the input past the machine (see [`super::headcache`]).
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Head && self.scan.is_untouched()
    }

    /// Returns whether a request line has begun and its head is not complete.
    #[must_use]
    pub fn in_head(&self) -> bool {
        self.state == State::Head && self.scan.has_begun()
    }

    /// Returns whether a head is complete and its body is not.
    #[must_use]
    pub fn in_body(&self) -> bool {
        matches!(self.state, State::Whole | State::Stream)
    }

    /// Returns whether the request under way, or the one that was refused, is HEAD: no answer to it has content, whatever was wrong.
    #[must_use]
    pub fn is_head(&self) -> bool {
        self.refused_head || self.kept.as_ref().is_some_and(|kept| begins_head(&kept.bytes, &[]))
    }

    /// Returns whether a refusal was given.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state == State::Dead
    }

    /// Returns whether a call without further input gives an event: the end of a stream, or a 100. A caller that asks this
    /// need not call with an empty input; memory of the last request is then freed by [`Machine::release`].
    #[must_use]
    pub fn owes_event(&self) -> bool {
        let is_at_end = self.decoder.is_some_and(|decoder| decoder.is_ended());
        self.owes_continue || (self.state == State::Stream && is_at_end)
    }

    /// Returns whether an end of the client's input would cut off a request in the middle. Such a request is not answered;
    /// complete ones before it are.
    #[must_use]
    pub fn eof(&self) -> bool {
        self.in_head() || self.in_body()
    }

    /// Returns bytes of memory held for a request that was cut, 0 for most connections.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.bytes.capacity() + size_of::<Kept>())
    }

    fn read_head<'a>(
        &'a mut self,
        input: &'a [u8],
        slots: &'a mut HeaderSlots,
        limits: &Limits,
        plan: &mut dyn FnMut(&Head<'_>) -> Plan,
    ) -> Step<'a> {
        let (start, end) = match self.scan.feed(input, limits) {
            Ok(Scanned::End { start, end }) => (start, end),
            Ok(Scanned::More { start }) => {
                self.keep(&input[start..]);
                return Step::NeedMore { consumed: input.len() };
            }
            Err(refusal) => return self.refuse(refusal, input),
        };
        if self.kept.is_some() {
            self.keep(&input[start..end]);
        }
        let bytes = head_bytes(self.kept.as_deref(), &input[start..end]);
        let outline = match outline(bytes, slots) {
            Ok(outline) => outline,
            Err(refusal) => return self.refuse(refusal, &input[start..end]),
        };
        let (rest, framing) = (&input[end..], outline.framing);
        let plan = plan(&outline.head(bytes, slots));
        match plan {
            Plan::Refuse(refusal) => self.refuse(refusal, &input[start..end]),
            Plan::Whole { max_bytes } | Plan::Unwanted { max_bytes } => {
                if let Some(length) = length_in(framing, rest.len().min(max_bytes)) {
                    self.is_handed_out = true;
                    let bytes = head_bytes(self.kept.as_deref(), &input[start..end]);
                    let head = outline.head(bytes, slots);
                    return Step::Request { consumed: end + length, head, body: &rest[..length] };
                }
                self.is_unwanted = matches!(plan, Plan::Unwanted { .. });
                let entered = self.enter(State::Whole, framing, max_bytes, outline.expect_continue);
                self.keep_head(&input[start..end]);
                match entered {
                    Err(refusal) => self.refuse_body(refusal, slots),
                    Ok(()) => self.read_whole(rest, end, slots, limits),
                }
            }
            Plan::Stream { max_bytes } => {
                if let Err(refusal) = self.enter(State::Stream, framing, max_bytes, outline.expect_continue) {
                    return self.refuse(refusal, &input[start..end]);
                }
                self.is_handed_out = true;
                let bytes = head_bytes(self.kept.as_deref(), &input[start..end]);
                Step::Begin { consumed: end, head: outline.head(bytes, slots) }
            }
        }
    }

    /// Goes over to a body.
    fn enter(
        &mut self,
        state: State,
        framing: Framing,
        max_bytes: usize,
        expects: bool,
    ) -> Result<(), Refusal> {
        debug_assert!(self.state == State::Head && self.scan.is_untouched());
        let decoder = BodyDecoder::new(framing, max_bytes as u64)?;
        self.owes_continue = expects && !decoder.is_ended();
        self.decoder = Some(decoder);
        self.state = state;
        Ok(())
    }

    /// Reads a whole request; `base` bytes of the caller's input lie before this one.
    fn read_whole<'a>(
        &'a mut self,
        input: &'a [u8],
        base: usize,
        slots: &'a mut HeaderSlots,
        limits: &Limits,
    ) -> Step<'a> {
        match self.fill(input, limits) {
            Err(refusal) => self.refuse_body(refusal, slots),
            Ok(None) if std::mem::take(&mut self.owes_continue) && input.is_empty() => {
                Step::Continue { consumed: base }
            }
            Ok(None) => Step::NeedMore { consumed: base + input.len() },
            Ok(Some(consumed)) => {
                self.end_body();
                self.hand_out(base + consumed, slots)
            }
        }
    }

    /// Decodes into what is kept; gives what was consumed once the body is complete.
    fn fill(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        let (Some(decoder), Some(kept)) = (&mut self.decoder, &mut self.kept) else {
            unreachable!("a body that is read whole has a decoder and a kept head");
        };
        let mut at = 0;
        loop {
            match decoder.next(&input[at..], limits)? {
                Decoded::NeedMore => return Ok(None),
                Decoded::End { consumed } => return Ok(Some(at + consumed)),
                Decoded::Piece { consumed, bytes } => {
                    if !self.is_unwanted {
                        kept.bytes.extend_from_slice(bytes);
                    }
                    at += consumed;
                }
            }
        }
    }

    /// Returns the request that is kept, read again: its first reading went into slots that have served others since.
    fn hand_out<'a>(&'a mut self, consumed: usize, slots: &'a mut HeaderSlots) -> Step<'a> {
        self.is_handed_out = true;
        let kept = self.kept.as_deref();
        let (head, body) = kept.map_or((&[][..], &[][..]), |kept| kept.bytes.split_at(kept.head_bytes));
        match outline(head, slots) {
            Ok(outline) => Step::Request { consumed, head: outline.head(head, slots), body },
            Err(refusal) => Step::Refused { refusal },
        }
    }

    fn read_stream<'a>(&'a mut self, input: &'a [u8], limits: &Limits) -> Step<'a> {
        let Some(decoder) = &mut self.decoder else { unreachable!("a streamed body has a decoder") };
        match decoder.next(input, limits) {
            Err(refusal) => self.refuse(refusal, &[]),
            Ok(Decoded::Piece { consumed, bytes }) => {
                self.owes_continue = false;
                Step::Piece { consumed, bytes }
            }
            Ok(Decoded::NeedMore) if std::mem::take(&mut self.owes_continue) && input.is_empty() => {
                Step::Continue { consumed: 0 }
            }
            Ok(Decoded::NeedMore) => Step::NeedMore { consumed: input.len() },
            Ok(Decoded::End { consumed }) => {
                self.end_body();
                Step::End { consumed }
            }
        }
    }

    fn end_body(&mut self) {
        debug_assert!(self.in_body());
        debug_assert!(self.decoder.is_some_and(|decoder| decoder.is_ended()));
        self.state = State::Head;
        self.decoder = None;
        self.owes_continue = false;
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.kept.get_or_insert_default().bytes.extend_from_slice(bytes);
        }
    }

    /// Keeps a head for the time its body takes, unless it was kept while it arrived.
    fn keep_head(&mut self, head: &[u8]) {
        let kept = self.kept.get_or_insert_default();
        if kept.bytes.is_empty() {
            kept.bytes.extend_from_slice(head);
        }
        kept.head_bytes = kept.bytes.len();
    }

    /// Ends a body that is wrong, or too long: one that is of no use need not be read to answer its request.
    fn refuse_body<'a>(&'a mut self, refusal: Refusal, slots: &'a mut HeaderSlots) -> Step<'a> {
        if !self.is_unwanted || refusal.status != 413 {
            return self.refuse(refusal, &[]);
        }
        self.state = State::Dead;
        self.decoder = None;
        match self.hand_out(0, slots) {
            Step::Request { mut head, .. } => {
                head.keep_alive = false;
                Step::Unread { head }
            }
            other => other,
        }
    }

    /// Refuses the request; `input` is what has come of it beside what is kept.
    fn refuse(&mut self, refusal: Refusal, input: &[u8]) -> Step<'static> {
        self.refused_head = begins_head(self.kept.as_ref().map_or(&[], |kept| &kept.bytes), input);
        self.state = State::Dead;
        self.decoder = None;
        self.kept = None;
        Step::Refused { refusal }
    }
}

/// Bytes that tell a HEAD request.
pub const HEAD_BYTES: usize = HEAD_START.len();
const HEAD_START: &[u8] = b"HEAD ";

/// Returns whether these bytes, one part behind the other, begin with a HEAD request. Empty lines before it don't count.
#[must_use]
pub fn begins_head(first: &[u8], second: &[u8]) -> bool {
    let is_line_end = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    let mut bytes = first.iter().chain(second).skip_while(is_line_end);
    HEAD_START.iter().all(|expected| bytes.next() == Some(expected))
}

/// Returns where a complete head lies: in what was kept of it if it was cut, or else in the input.
fn head_bytes<'a>(kept: Option<&'a Kept>, in_input: &'a [u8]) -> &'a [u8] {
    kept.map_or(in_input, |kept| &kept.bytes)
}

/// Returns the length of a body that needs no decoding and ends within `available` bytes.
fn length_in(framing: Framing, available: usize) -> Option<usize> {
    match framing {
        Framing::None => Some(0),
        Framing::Length(length) => usize::try_from(length).ok().filter(|&length| length <= available),
        Framing::Chunked => None,
    }
}
