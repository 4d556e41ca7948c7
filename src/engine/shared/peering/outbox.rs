//! The outbox: this host's new batches on their way to the peer, so that the link need not read them from the journal.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::batch::BatchHeader;
use crate::base::ids::{Position, Seq};
use crate::base::limits::OUTBOX_BYTES_MAX;
use crate::engine::shared::waking::Doze;

/// A batch of this host's own current stream, as it was sealed. It may leave before it is durable here: if this host
/// loses it, the peer hands it back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departing {
    /// Its header.
    pub header: BatchHeader,
    /// Its records.
    pub body: Vec<u8>,
    /// They are short, all of them: none names a blob.
    pub only_short: bool,
    /// Where its frame starts in this host's journal.
    pub start: Position,
    /// Where its frame ends there.
    pub end: Position,
}

impl Departing {
    /// Returns what it takes in memory: short batches are mostly this.
    fn bytes(&self) -> usize {
        size_of::<Self>() + self.body.len()
    }
}

/// What [`Outbox::take`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next batch.
    Batch(Departing),
    /// There is none yet. The bell rings when there is.
    Nothing,
    /// There are batches that are not in here: sealed before the session began, or forgotten because the peer was
    /// slow. They are in the journal, or will be when the step under way has ended ([`Outbox::await_commit`]).
    Journal,
}

/// At most [`OUTBOX_BYTES_MAX`]; beyond that everything is forgotten at once and the link reads the journal. The holder
/// of the commit token puts in, the link takes out.
#[derive(Default)]
pub struct Outbox {
    open: AtomicBool,
    /// The link waits for a commit.
    awaits: Doze,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<Departing>,
    bytes: usize,
    /// Last record of the last batch that was ever sealed, whether it is in here or not.
    sealed: Seq,
}

impl Outbox {
    /// Begins a session: batches are put in from now on.
    pub fn open(&self) {
        self.open.store(true, Ordering::Relaxed);
    }

    /// Ends the session: everything is forgotten, nothing more is put in.
    pub fn close(&self) {
        self.open.store(false, Ordering::Relaxed);
        self.queue().forget();
    }

    /// Returns whether a session takes batches; the commit step copies none otherwise.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Puts a batch in; those of this process's stream come in order.
    pub fn push(&self, batch: Departing) {
        let mut queue = self.queue();
        queue.sealed = batch.header.last_seq();
        if queue.bytes + batch.bytes() > OUTBOX_BYTES_MAX {
            queue.forget();
            return;
        }
        queue.bytes += batch.bytes();
        queue.batches.push_back(batch);
    }

    /// Notes that a batch up to `sealed` was made, while no session takes it.
    pub fn pass(&self, sealed: Seq) {
        self.queue().sealed = sealed;
    }

    /// Returns the batch that follows on record `sent` of this process's stream; what lies before it is let go.
    #[must_use]
    pub fn take(&self, sent: Seq) -> Next {
        let mut queue = self.queue();
        while queue.batches.front().is_some_and(|first| first.header.last_seq() <= sent) {
            queue.pop();
        }
        match queue.batches.front() {
            Some(first) if first.header.first_seq == sent + 1 => {
                queue.pop().map_or(Next::Nothing, Next::Batch)
            }
            None if queue.sealed <= sent => Next::Nothing,
            _ => Next::Journal,
        }
    }

    /// Says that the link waits until the batch that it has to send next is in the journal; it must look once more whether it is.
    pub fn await_commit(&self) {
        self.awaits.fall_asleep();
    }

    /// Returns whether the link waits for the commit that was just made, and the bell has to ring for it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.awaits.is_to_be_called()
    }

    /// Returns the last record of this process's stream that was ever sealed, committed or not: the peer may have it.
    #[must_use]
    pub fn sealed(&self) -> Seq {
        self.queue().sealed
    }

    /// Returns bytes that wait to be sent.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.queue().bytes
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn pop(&mut self) -> Option<Departing> {
        let batch = self.batches.pop_front()?;
        self.bytes -= batch.bytes();
        Some(batch)
    }

    fn forget(&mut self) {
        self.batches = VecDeque::new();
        self.bytes = 0;
    }
}
