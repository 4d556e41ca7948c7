//! One connection as its worker keeps it: the socket, the protocol's state, what waits to be read or written.
//!
//! Buffers are there only while something is in them, so that an idle connection is this struct and nothing else.

use std::net::IpAddr;

use super::held::{Asked, Late};
use super::receiving::Receiving;
use super::verdict::Verdict;
use super::watching::Watching;
use crate::app::application::{Job, Resume};
use crate::app::router::Root;
use crate::base::limits::{LINGER_PAUSE_MS, Limits};
use crate::engine::shared::entrance::Entrance;
use crate::engine::shared::settings::ListenerKind;
use crate::engine::shared::table::Key;
use crate::engine::shared::wire::{SecondEnd, Wire};
use crate::http::connection::Machine;
use crate::http::headcache::NO_HINT;
use crate::http::response::{Pieces, Rest};

/// What a connection is busy with beyond reading and writing. While it is not [`Task::None`], what the client sent
/// behind the current request stays unread.
pub enum Task {
    /// Nothing.
    None,
    /// Records that found the lane full; they are tried again after each commit.
    Stalled {
        /// The records.
        records: Vec<u8>,
        /// The answer once they are committed.
        late: Box<Late>,
        /// Since when, milliseconds of the worker's clock.
        since_ms: u64,
    },
    /// Its one held answer waits for more than the server's level. What is read behind it would only wait for that
    /// level, and be answered first.
    Exceeding,
    /// A body that goes into the lane as it arrives.
    Upload(Box<Receiving>),
    /// A job thread has the job and makes the next piece.
    Working {
        /// The request it answers.
        asked: Asked,
        /// How the pieces are written; nothing before the answer's head is.
        pieces: Option<Pieces>,
    },
    /// The job's next piece is asked for when the socket has drained.
    Paused {
        /// The job.
        job: Box<dyn Job>,
        /// The request it answers.
        asked: Asked,
        /// How the pieces are written.
        pieces: Pieces,
        /// The connection's socket once more, if the job's rest is sent from a file.
        socket: Option<SecondEnd>,
    },
    /// A job thread has the socket and sends from a file: nothing else may be written. It counts as `blocked`; that the
    /// kernel can take more ends that as ever, so it isn't missed however late the job thread says that it could not.
    Lent {
        /// The request that is answered.
        asked: Asked,
        /// How its pieces would be written.
        pieces: Pieces,
    },
    /// The request waits for a time, or to be woken.
    Waiting {
        /// How it goes on.
        then: Box<dyn Resume>,
        /// The request.
        asked: Asked,
        /// Until when at most, milliseconds of the worker's clock; the largest number for no time.
        until_ms: u64,
    },
    /// Content that is sent behind the output, from where it lies.
    Sending(Rest),
    /// The answer goes on with the frames of a feed.
    Watching(Box<Watching>),
}

/// What the connection is doing as far as its client's patience and ours are concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// For the first byte of its first request.
    FirstByte,
    /// For the next request.
    Idle,
    /// For the rest of a header block.
    Header,
    /// For the rest of a body.
    Body,
    /// For the client to take what we wrote.
    Write,
    /// For the client's end after ours (lingering close).
    Linger,
    /// For the commit step, the lane, a job thread or a wait of the application: no deadline of the client's.
    Us,
}

/// What a worker has to note for a connection that it has lent out: which lists it belongs into, and that its deadline may
/// have moved. So whoever has the connection need not know the worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// It has something to send.
    pub const SENDS: Self = Self(1);
    /// It is to be served in the next turn.
    pub const AGAIN: Self = Self(2);
    /// Its records wait for room in the lane.
    pub const STALLS: Self = Self(4);
    /// Its deadline may be earlier than it was.
    pub const DEADLINE: Self = Self(8);

    /// Adds `mark`.
    #[inline]
    pub fn add(&mut self, mark: Self) {
        self.0 |= mark.0;
    }

    /// Takes `mark` away.
    #[inline]
    pub fn remove(&mut self, mark: Self) {
        self.0 &= !mark.0;
    }

    /// Returns whether `mark` is there.
    #[inline]
    #[must_use]
    pub fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }

    /// Returns those of `self` that `other` lacks.
    #[inline]
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Returns whether there is no mark.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What became of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Stays,
    /// Its socket is to be closed at once.
    Ends,
}

/// One connection.
pub struct Connection {
    /// Where its worker keeps it.
    pub key: Key,
    /// The socket.
    pub wire: Wire,
    /// What its listener shows at `/`.
    pub root: Root,
    /// Who it is with, or who a proxy says it is of; nothing where that is not known.
    pub client: Option<IpAddr>,
    /// It is counted among the connections of `client`.
    pub is_counted: bool,
    /// A proxy has not said yet who it is of. It counts as `closing` meanwhile, so that it is read in no other way.
    pub awaits_proxy: bool,
    /// The protocol's state.
    pub machine: Machine,
    /// What was decided about the request whose head came last, the express lane's left out.
    pub verdict: Verdict,
    /// Which remembered head to compare the next request with.
    pub head_hint: u16,
    /// Bytes received and not yet consumed.
    pub input: Vec<u8>,
    /// Bytes to be sent; those before `sent` have been.
    pub output: Vec<u8>,
    /// How much of `output` has been sent.
    pub sent: usize,
    /// Requests whose answers are held for their commit.
    pub held: u32,
    /// What it is busy with.
    pub task: Task,
    /// The kernel may have bytes for us.
    pub readable: bool,
    /// The last send came up short; the kernel tells when it can take more.
    pub blocked: bool,
    /// The client has sent its end.
    pub read_closed: bool,
    /// After what is in `output` the connection ends.
    pub closing: bool,
    /// Our end has been sent; input is dropped until the client's.
    pub lingering: bool,
    /// Until when at most, milliseconds of the worker's clock.
    pub linger_until_ms: u64,
    /// Usual answers that may be sent, only counted so far; they come behind `output`.
    pub owed: u32,
    /// Which usual answer is owed.
    pub owed_express: u8,
    /// What its worker notes for it as soon as it gets it back.
    pub marks: Marks,
    /// Which lists of its worker it is in.
    pub listed: Marks,
    /// A streamed answer cannot be completed.
    pub broken: bool,
    /// The streamed answer under way is complete for its client when the connection ends in order (HTTP/1.0 without a
    /// length). Before it is, any end must be a reset.
    pub until_close: bool,
    /// Waits that have begun on it: the number of the one that is under way, if any.
    pub waits: u32,
    /// Some request has been completed.
    pub served: bool,
    /// What the deadline counts from, milliseconds of the worker's clock.
    pub since_ms: u64,
    /// When the earliest entry that it has in the wheel fires, which may be before its deadline; the largest number for no
    /// entry.
    pub scheduled_ms: u64,
    /// What it was waiting for when `since_ms` was set.
    pub wait: Wait,
    /// Bytes of the current body that have arrived, for its rate.
    pub body_bytes: u64,
    /// What is counted for it in the server's bound of memory for bodies.
    pub accounted_bytes: usize,
}

impl Connection {
    /// Returns a fresh connection accepted at `now_ms` from this listener, which its worker keeps at `key`.
    #[must_use]
    pub fn new(key: Key, wire: Wire, entrance: Entrance, now_ms: u64) -> Self {
        let redirects = entrance.kind == ListenerKind::Redirect;
        Self {
            key,
            wire,
            root: if redirects { Root::REDIRECT } else { entrance.root },
            client: None,
            is_counted: false,
            awaits_proxy: false,
            machine: Machine::new(),
            verdict: Verdict::FREE,
            // No usual write is taken where all are redirected.
            head_hint: if redirects { NO_HINT } else { 0 },
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            held: 0,
            task: Task::None,
            // A client's first bytes often came with the connection; looking costs one recv.
            readable: true,
            blocked: false,
            read_closed: false,
            closing: false,
            lingering: false,
            linger_until_ms: 0,
            owed: 0,
            owed_express: 0,
            marks: Marks::default(),
            listed: Marks::default(),
            broken: false,
            until_close: false,
            waits: 0,
            served: false,
            since_ms: now_ms,
            scheduled_ms: u64::MAX,
            wait: Wait::FirstByte,
            body_bytes: 0,
            accounted_bytes: 0,
        }
    }

    /// Has it written to at the end of this turn.
    #[inline]
    pub fn owe(&mut self) {
        self.marks.add(Marks::SENDS);
    }

    /// Has it served in the next turn, although the kernel may have no news of it.
    #[inline]
    pub fn serve_again(&mut self) {
        self.marks.add(Marks::AGAIN);
    }

    /// Has it tried again after the next commit, or soon if none comes: the disk may have become full meanwhile.
    pub fn stall(&mut self) {
        self.marks.add(Marks::STALLS);
    }

    /// Has its deadline looked at: it may be earlier than it was.
    #[inline]
    pub fn arm(&mut self) {
        self.marks.add(Marks::DEADLINE);
    }

    /// Returns whether what the client sent may be looked at now.
    #[must_use]
    pub fn may_read(&self, limits: &Limits) -> bool {
        let reading = matches!(self.task, Task::None) || self.is_receiving();
        reading && !self.closing && self.output.len() - self.sent <= limits.output_bytes
    }

    /// Notes that `count` of its answers are held no longer.
    pub fn settle_held(&mut self, count: u32) {
        self.held -= count;
        if matches!(self.task, Task::Exceeding) {
            self.task = Task::None;
        }
    }

    /// Returns whether a streamed body is being received and its application takes more of it.
    #[must_use]
    pub fn is_receiving(&self) -> bool {
        matches!(&self.task, Task::Upload(receiving) if receiving.pause().is_none())
    }

    /// Returns whether a body is being received that goes into the lane piece by piece.
    #[must_use]
    pub fn is_logging(&self) -> bool {
        matches!(&self.task, Task::Upload(receiving) if receiving.is_logging())
    }

    /// Returns whether it waits for us with a deadline of its own: for room in the lane, or for a time that its application named.
    #[inline]
    #[must_use]
    pub fn names_a_time(&self) -> bool {
        matches!(self.task, Task::Stalled { .. } | Task::Waiting { .. })
    }

    /// Bytes held for bodies that are not complete.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        let received = match &self.task {
            Task::Upload(receiving) => receiving.buffered_bytes(),
            Task::Stalled { records, .. } => records.capacity(),
            _ => 0,
        };
        self.machine.buffered_bytes() + received
    }

    /// Returns whether input was kept that can be handled now.
    #[must_use]
    pub fn has_more_to_handle(&self) -> bool {
        self.held == 0
            && matches!(self.task, Task::None)
            && !self.closing
            && (!self.input.is_empty() || self.readable)
    }

    /// Returns whether nothing at all is under way: what a server that drains may close at once.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.held == 0
            && self.input.is_empty()
            && self.output.is_empty()
            && self.owed == 0
            && self.machine.is_idle()
            && matches!(self.task, Task::None)
    }

    /// Returns whether its client has got all of every answer, as far as we have sent it.
    #[must_use]
    pub fn has_said_all(&self) -> bool {
        self.output.is_empty() && self.has_nothing_behind_output()
    }

    /// Returns whether the client is sent nothing behind what is in the output.
    #[must_use]
    pub fn ends_behind_output(&self) -> bool {
        self.closing && self.has_nothing_behind_output()
    }

    fn has_nothing_behind_output(&self) -> bool {
        let owes_nothing = self.owed == 0 && self.held == 0 && !self.until_close;
        owes_nothing && matches!(self.task, Task::None) && !self.broken
    }

    /// Returns what it waits for now, by its state.
    #[must_use]
    pub fn waits_for(&self) -> Wait {
        if self.lingering {
            return Wait::Linger;
        }
        if self.blocked {
            return if matches!(self.task, Task::Lent { .. }) { Wait::Us } else { Wait::Write };
        }
        if self.held > 0 || !(matches!(self.task, Task::None) || self.is_receiving()) {
            return Wait::Us;
        }
        if self.machine.in_body() || self.is_receiving() {
            return Wait::Body;
        }
        match (self.machine.in_head() || !self.input.is_empty(), self.served) {
            (true, _) => Wait::Header,
            (false, true) => Wait::Idle,
            (false, false) => Wait::FirstByte,
        }
    }

    /// Returns when its time is up, or while it waits for us when to look at it next; milliseconds of the worker's clock, the largest
    /// number for never.
    #[must_use]
    pub fn due_ms(&self, limits: &Limits, crowded: bool, now_ms: u64) -> u64 {
        match self.wait {
            Wait::FirstByte => self.since_ms + limits.first_byte_ms,
            Wait::Idle if crowded => self.since_ms + limits.idle_crowded_ms,
            Wait::Idle => self.since_ms + limits.idle_ms,
            Wait::Header => self.since_ms + limits.header_ms,
            Wait::Body => self.since_ms.saturating_add(limits.body_grace_ms.max(self.paid_ms(limits))),
            Wait::Write => self.since_ms + limits.write_stall_ms,
            // Places for clients that are answered that there are too many connections become free sooner then.
            Wait::Linger if crowded => (self.since_ms + limits.idle_crowded_ms).min(self.linger_until_ms),
            Wait::Linger => (self.since_ms + LINGER_PAUSE_MS).min(self.linger_until_ms),
            Wait::Us => match self.task {
                Task::Stalled { since_ms, .. } => since_ms + limits.lane_full_ms,
                Task::Waiting { until_ms, .. } => until_ms,
                _ => now_ms + limits.idle_ms,
            },
        }
    }

    /// Returns how long the body under way may last with what has arrived of it: one millisecond less at exactly the least rate.
    fn paid_ms(&self, limits: &Limits) -> u64 {
        (self.body_bytes * 1_000).checked_div(limits.body_rate_bytes).map_or(u64::MAX, |ms| ms + 1)
    }
}
