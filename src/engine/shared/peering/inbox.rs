//! The inbox: batches that arrived from the peer and wait for the commit step.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::batch::{BATCH_HEADER_BYTES, BatchHeader};
use crate::base::limits::{BATCH_BODY_BYTES_MAX, INBOX_BYTES_MAX};
use crate::base::streams::StreamFault;

/// A batch as it came, its checksums verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// Its header.
    pub header: BatchHeader,
    /// Its records, `header.body_len` bytes.
    pub body: Vec<u8>,
}

impl Arrived {
    fn bytes(&self) -> usize {
        BATCH_HEADER_BYTES + self.body.len()
    }
}

/// Batches in the order of their arrival, at most [`INBOX_BYTES_MAX`]: the window that the peer may have on its way,
/// and one batch more. The link puts in, the holder of the commit token takes out.
#[derive(Default)]
pub struct Inbox {
    queue: Mutex<Queue>,
    /// Bytes in the queue, for a look without the lock.
    waiting: AtomicUsize,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<Arrived>,
    bytes: usize,
    refused: Option<StreamFault>,
}

const _: () = assert!(INBOX_BYTES_MAX > BATCH_BODY_BYTES_MAX + BATCH_HEADER_BYTES, "every batch fits");

impl Inbox {
    /// Puts a batch in. The link then has a commit started, once it has read what its socket had.
    ///
    /// # Errors
    /// Returns the batch if there is no room: the peer has sent more than its window, or the link has not asked
    /// [`Inbox::room_bytes`] before it read on.
    pub fn push(&self, batch: Arrived) -> Result<(), Arrived> {
        debug_assert_eq!(batch.body.len(), batch.header.body_len as usize);
        let mut queue = self.queue();
        if queue.bytes + batch.bytes() > INBOX_BYTES_MAX {
            return Err(batch);
        }
        queue.bytes += batch.bytes();
        queue.batches.push_back(batch);
        self.waiting.store(queue.bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Bytes for which there is room, headers included.
    #[must_use]
    pub fn room_bytes(&self) -> usize {
        INBOX_BYTES_MAX - self.waiting_bytes().min(INBOX_BYTES_MAX)
    }

    /// Returns bytes that wait.
    #[inline]
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Takes the oldest batch if `may` likes it; the commit step asks whether the journal has room.
    pub fn take_if(&self, may: impl FnOnce(&BatchHeader) -> bool) -> Option<Arrived> {
        let mut queue = self.queue();
        if !may(&queue.batches.front()?.header) {
            return None;
        }
        let batch = queue.batches.pop_front()?;
        queue.bytes -= batch.bytes();
        self.waiting.store(queue.bytes, Ordering::Relaxed);
        Some(batch)
    }

    /// Forgets what waits: the link at the beginning of a session, which starts from what is committed then. A batch
    /// that the commit step has in hand meanwhile may come a second time; it is passed over then.
    pub fn clear(&self) {
        self.empty(None);
    }

    /// Refuses a batch that the commit step can't take: all that waits is forgotten, and the link learns why.
    pub fn refuse(&self, why: StreamFault) {
        self.empty(Some(why));
    }

    /// Returns why the commit step refused a batch, once: the session has to end with it.
    #[must_use]
    pub fn take_refusal(&self) -> Option<StreamFault> {
        self.queue().refused.take()
    }

    fn empty(&self, refused: Option<StreamFault>) {
        *self.queue() = Queue { refused, ..Queue::default() };
        self.waiting.store(0, Ordering::Relaxed);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
