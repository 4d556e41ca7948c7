//! Posting all samples over a few connections, each a thread with a window of unanswered requests.
//!
//! The samples are handed out in blocks, in order. A connection keeps the numbers of what it sent and has no answer to;
//! when it breaks, those are sent again on the next one.

use crate::client::link::{Link, Reply};
use crate::client::tls::is_of_tls;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::error::SendError;
use super::picture::Picture;
use super::target::Target;

/// Longest silence of a connection, if the patience is not shorter.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// Longest body of an answer to a single pixel, bytes.
const REPLY_BODY_BYTES_MAX: u64 = 64 * 1024;
/// How many samples a connection takes at a time.
const BLOCK: u64 = 1024;
/// Pauses between attempts to connect: the first, and the longest they grow to.
pub(super) const PAUSE_FIRST: Duration = Duration::from_millis(20);
pub(super) const PAUSE_MAX: Duration = Duration::from_millis(500);

/// How a picture is posted.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Connections, at least 1.
    pub connections: usize,
    /// Unanswered requests on each connection, at least 1.
    pub depth: usize,
    /// How long the server may give no good answer before the transfer is given up.
    pub patience: Duration,
}

/// A transfer in progress, shared by its connections.
#[derive(Debug)]
pub struct Post<'a> {
    picture: &'a Picture,
    target: &'a Target,
    pace: &'a Pace,
    next: AtomicU64,
    answered: AtomicU64,
    again: AtomicU64,
    reconnects: AtomicU64,
    stopped: AtomicBool,
}

/// How one connection ended: the first sample it has no good answer to, and why it gave up.
type Outcome = Result<(), (u64, Trouble)>;

/// Why a connection gives up.
#[derive(Debug)]
enum Trouble {
    Silent(String),
    Refused {
        request: u64,
        status: u16,
        body: String,
    },
    /// TLS failed: a certificate that is not trusted stays so.
    Untrusted(String),
    /// Another connection gave up first.
    Stopped,
}

impl<'a> Post<'a> {
    /// Returns a transfer of the samples from number `from` on.
    #[must_use]
    pub fn new(picture: &'a Picture, target: &'a Target, pace: &'a Pace, from: u64) -> Self {
        assert!(pace.connections > 0 && pace.depth > 0, "a transfer needs both");
        Self {
            picture,
            target,
            pace,
            next: AtomicU64::new(from),
            answered: AtomicU64::new(0),
            again: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// Samples that have a good answer.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Requests that were sent more than once.
    #[must_use]
    pub fn again(&self) -> u64 {
        self.again.load(Ordering::Relaxed)
    }

    /// Connections that were made because one broke.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects.load(Ordering::Relaxed)
    }

    /// Posts everything; `watch` is called several times a second meanwhile.
    ///
    /// # Errors
    /// Returns [`SendError::Unreachable`] or [`SendError::Refused`], with the number to go on from.
    pub fn run(&self, watch: &mut dyn FnMut(&Self)) -> Result<(), SendError> {
        thread::scope(|scope| {
            let connection = || Connection::new(self).run();
            let threads: Vec<_> = (0..self.pace.connections).map(|_| scope.spawn(connection)).collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                watch(self);
                thread::sleep(Duration::from_millis(50));
            }
            watch(self);
            let failures = threads.into_iter().filter_map(|thread| thread.join().expect("no panic").err());
            let mut failures: Vec<(u64, Trouble)> = failures.collect();
            failures.sort_by_key(|(from, _)| *from);
            let Some(from) = failures.first().map(|(from, _)| *from) else { return Ok(()) };
            failures.into_iter().find_map(|(_, trouble)| self.error(from, trouble)).map_or(Ok(()), Err)
        })
    }

    fn error(&self, from: u64, trouble: Trouble) -> Option<SendError> {
        match trouble {
            Trouble::Stopped => None,
            Trouble::Refused { request, status, body } => {
                Some(SendError::Refused { request, status, body, from })
            }
            Trouble::Untrusted(reason) => {
                Some(SendError::Untrusted { address: self.target.host.clone(), reason, from })
            }
            Trouble::Silent(reason) => Some(SendError::Unreachable {
                address: self.target.host.clone(),
                patience_s: self.pace.patience.as_secs_f64(),
                reason,
                from,
            }),
        }
    }
}

struct Connection<'a> {
    post: &'a Post<'a>,
    link: Option<Link>,
    /// Numbers of samples to send, in order.
    queue: VecDeque<u64>,
    /// Numbers of samples sent and not answered, in the order of their answers.
    flight: VecDeque<u64>,
    output: Vec<u8>,
    last_good: Instant,
    /// Pause before the next attempt to connect.
    pause: Duration,
    /// Pause that the server asked for in this turn, and the status with which it did.
    hold: Option<(Duration, u16)>,
}

impl<'a> Connection<'a> {
    fn new(post: &'a Post<'a>) -> Self {
        Self {
            post,
            link: None,
            queue: VecDeque::new(),
            flight: VecDeque::new(),
            output: Vec::new(),
            last_good: Instant::now(),
            pause: PAUSE_FIRST,
            hold: None,
        }
    }

    fn run(mut self) -> Outcome {
        loop {
            self.refill();
            if self.queue.is_empty() && self.flight.is_empty() {
                return Ok(());
            }
            let turn = if self.post.stopped.load(Ordering::Relaxed) {
                Err(Trouble::Stopped)
            } else {
                match self.turn() {
                    Ok(result) => result,
                    Err(error) => self.broken(&error),
                }
            };
            if let Err(trouble) = turn {
                self.post.stopped.store(true, Ordering::Relaxed);
                let left = self.flight.iter().chain(&self.queue).min();
                return Err((*left.expect("something is left to do"), trouble));
            }
        }
    }

    fn refill(&mut self) {
        if self.queue.is_empty() {
            let start = self.post.next.fetch_add(BLOCK, Ordering::Relaxed);
            self.queue.extend(start..(start + BLOCK).min(self.post.picture.samples()).max(start));
        }
    }

    /// Sends as much as the window takes and reads what has been answered.
    fn turn(&mut self) -> io::Result<Result<(), Trouble>> {
        let link = match &mut self.link {
            Some(link) => link,
            None => {
                let wait = self.post.pace.patience.min(SILENCE_MAX);
                let link = Link::open(&self.post.target.at("pixel")?, wait)?;
                self.link.insert(link.with_body_max(REPLY_BODY_BYTES_MAX))
            }
        };
        let room = self.post.pace.depth - self.flight.len();
        self.output.clear();
        for number in self.queue.drain(..room.min(self.queue.len())) {
            self.post.target.post(self.post.picture.sample(number), &mut self.output);
            self.flight.push_back(number);
        }
        link.write(&self.output)?;
        if link.fill()? == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
        while let Some(reply) = self.link.as_mut().map_or(Ok(None), Link::reply)? {
            if let Err(trouble) = self.answered(&reply)? {
                return Ok(Err(trouble));
            }
        }
        // Bytes that never become an answer are no answer either.
        if !self.flight.is_empty() && self.last_good.elapsed() > self.post.pace.patience {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match self.hold.take() {
            Some((pause, status)) => Ok(self.wait(pause, &format!("it answers {status}"))),
            None => Ok(Ok(())),
        }
    }

    /// Acts on the answer to the oldest request in flight.
    fn answered(&mut self, reply: &Reply) -> io::Result<Result<(), Trouble>> {
        if (100..200).contains(&reply.status) {
            return Ok(Ok(()));
        }
        let stray = || io::Error::new(io::ErrorKind::InvalidData, "an answer that belongs to no request");
        let number = self.flight.pop_front().ok_or_else(stray)?;
        match reply.status {
            200 => {
                self.post.answered.fetch_add(1, Ordering::Relaxed);
                self.last_good = Instant::now();
                self.pause = PAUSE_FIRST;
            }
            // Nothing was kept: later, as the server says, or when there is room again.
            503 | 507 => {
                self.queue.push_back(number);
                self.post.again.fetch_add(1, Ordering::Relaxed);
                let told = reply.field("retry-after").map_or(0, |value| value.parse().unwrap_or(1));
                let pause = Duration::from_secs(told).max(PAUSE_FIRST);
                self.hold = Some((pause.max(self.hold.map_or(pause, |(pause, _)| pause)), reply.status));
            }
            status => {
                let body = String::from_utf8_lossy(&reply.body).into_owned();
                self.queue.push_front(number);
                return Ok(Err(Trouble::Refused { request: number, status, body }));
            }
        }
        if !reply.keep_alive {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server closes the connection"));
        }
        Ok(Ok(()))
    }

    /// Gives a connection up that is of no use any more: what it did not answer is sent again on the next one.
    fn broken(&mut self, error: &io::Error) -> Result<(), Trouble> {
        self.post.again.fetch_add(self.flight.len() as u64, Ordering::Relaxed);
        while let Some(number) = self.flight.pop_back() {
            self.queue.push_front(number);
        }
        if is_of_tls(error) {
            return Err(Trouble::Untrusted(error.to_string()));
        }
        if self.link.take().is_some() {
            self.post.reconnects.fetch_add(1, Ordering::Relaxed);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE_MAX);
        self.wait(pause, &error.to_string())
    }

    /// Pauses, unless the server's time is over.
    fn wait(&self, pause: Duration, reason: &str) -> Result<(), Trouble> {
        if self.last_good.elapsed() + pause > self.post.pace.patience {
            return Err(Trouble::Silent(reason.to_owned()));
        }
        thread::sleep(pause);
        Ok(())
    }
}
