//! Blobs: contents too large for a record, each kept once under the SHA-256 of its bytes.
//!
//! ```text
//! Writer: pieces -> store (a temporary) -> durable -> named by its hash -> Pin -> a record that names it
//! ```
//!
//! A content is checked against its name before it goes to the peer, before a record relies on one that is there already,
//! and by the scrub. What is found missing or damaged stands in [`Faults`] until it is mended: by the same content, posted again
//! or fetched from the peer.
//!
//! A record that names a blob is logged only after the blob is durable, and the blob's [`Pin`] is held until that
//! record is applied. So a blob that neither a state names nor a pin holds is named by nothing, now or later, and may
//! go. What a crash left, named by nothing, is found after the next start.

pub mod check;
pub(crate) mod faults;
pub mod files;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::base::blob::BlobId;
use crate::base::sha256::{Sha256, sha256};
use check::Fault;
use faults::Faults;
use store::{BlobReader, BlobStore, Unfinished};

/// The blobs of one host.
pub struct Blobs {
    store: Box<dyn BlobStore>,
    pins: Mutex<Pins>,
    faults: Faults,
    /// Rung when a blob has gone.
    gone: Condvar,
    /// What writers left that were dropped; removed later, by a thread that may wait for the disk.
    abandoned: Mutex<Vec<Box<dyn Unfinished>>>,
    /// Blobs that no record seems to name, for the same thread to look at.
    leftovers: Mutex<Vec<BlobId>>,
}

/// Who stays and who goes.
#[derive(Default)]
struct Pins {
    /// Blobs that must stay although no applied record names them yet, each with the number of its pins.
    counts: BTreeMap<BlobId, Pinned>,
    /// Blobs that are being removed: who wants to pin one waits until it is gone, and then makes it anew. The removal
    /// itself may take its time, and pins of others come and go meanwhile.
    going: BTreeSet<BlobId>,
}

/// The pins of one blob.
#[derive(Default)]
struct Pinned {
    count: usize,
    /// The content was seen to be what the name says since the first of them.
    is_sound: bool,
}

/// Keeps a blob although no record names it yet. Hold it until that record is applied.
#[must_use = "without its pin a blob may go before a record names it"]
pub struct Pin {
    blobs: Arc<Blobs>,
    id: BlobId,
}

/// Takes one blob's content piece by piece. Its calls wait for the disk. Dropped before it is finished, it leaves
/// nothing behind.
pub struct Writer {
    blobs: Arc<Blobs>,
    unfinished: Option<Box<dyn Unfinished>>,
    hash: Sha256,
    size_bytes: u64,
}

impl Blobs {
    /// Returns the blobs in `store`.
    #[must_use]
    pub fn new(store: Box<dyn BlobStore>) -> Self {
        Self {
            store,
            pins: Mutex::default(),
            faults: Faults::default(),
            gone: Condvar::new(),
            abandoned: Mutex::default(),
            leftovers: Mutex::default(),
        }
    }

    /// Begins a blob.
    ///
    /// # Errors
    /// Returns the error of the store; no space (see [`crate::os::disk::is_no_space`]).
    pub fn writer(self: &Arc<Self>) -> io::Result<Writer> {
        let unfinished = Some(self.store.begin()?);
        Ok(Writer { blobs: self.clone(), unfinished, hash: Sha256::default(), size_bytes: 0 })
    }

    /// Keeps a content that is in memory.
    ///
    /// # Errors
    /// Fails as [`Writer::write`] and [`Writer::finish`] do.
    pub fn keep(self: &Arc<Self>, content: &[u8]) -> io::Result<Pin> {
        let mut writer = self.writer()?;
        writer.write(content)?;
        writer.finish()
    }

    /// Opens a blob for reading.
    ///
    /// # Errors
    /// Fails with `NotFound`, `InvalidData` if it is known to be damaged, or with the error of the store.
    pub fn open(&self, id: &BlobId) -> io::Result<Box<dyn BlobReader>> {
        match self.faults.of(id) {
            Some(Fault::Damaged) => Err(io::ErrorKind::InvalidData.into()),
            _ => self.store.open(id),
        }
    }

    /// Returns what is known to be wrong with which blob.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Returns whether the place looks after its contents by itself.
    #[must_use]
    pub fn checks_contents(&self) -> bool {
        self.store.checks_contents()
    }

    /// Reads a blob to its end and gives what is wrong with it, if anything is. See [`check::check`].
    ///
    /// # Errors
    /// Fails as [`check::check`] does.
    pub fn check(&self, id: &BlobId, on_piece: &mut dyn FnMut(u64) -> bool) -> io::Result<Option<Fault>> {
        check::check(&*self.store, id, on_piece)
    }

    /// Returns the whole content of a blob.
    ///
    /// # Errors
    /// Fails as [`Blobs::open`] does, and with `InvalidData` if the content does not have the hash that is its name.
    pub fn read(&self, id: &BlobId) -> io::Result<Vec<u8>> {
        self.read_whole(id).inspect_err(|error| {
            if let Some(fault) = Fault::of(error) {
                self.faults.note(*id, fault);
            }
        })
    }

    fn read_whole(&self, id: &BlobId) -> io::Result<Vec<u8>> {
        let reader = self.open(id)?;
        let mut content = vec![0; usize::try_from(reader.size_bytes()).map_err(io::Error::other)?];
        reader.read_at(&mut content, 0)?;
        if id_of(&content) == *id { Ok(content) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// Returns whether a blob is there, and not known to be damaged.
    ///
    /// # Errors
    /// Returns the error of the store.
    pub fn contains(&self, id: &BlobId) -> io::Result<bool> {
        match self.open(id) {
            Ok(_) => Ok(true),
            Err(error) => Fault::of(&error).map(|_| false).ok_or(error),
        }
    }

    /// Pins a blob that may be there already, with the content that its name says; nothing if it isn't. Reads it, unless
    /// somebody else has it pinned and has seen that.
    ///
    /// # Errors
    /// Returns the error of the store.
    pub fn pin_present(self: &Arc<Self>, id: &BlobId) -> io::Result<Option<Pin>> {
        // The pin comes first: what is there behind it stays.
        let pin = self.pin(*id);
        if self.faults.of(id).is_none() && self.pins().counts.get(id).is_some_and(|pinned| pinned.is_sound) {
            return Ok(self.contains(id)?.then_some(pin));
        }
        match self.check(id, &mut |_| true)? {
            None => {
                self.set_sound(id);
                Ok(Some(pin))
            }
            Some(fault) => {
                if fault == Fault::Damaged {
                    self.faults.note(*id, fault);
                }
                Ok(None)
            }
        }
    }

    /// Pins a blob whether it is there or not: from now on it is not removed.
    pub fn pin(self: &Arc<Self>, id: BlobId) -> Pin {
        let mut pins = self.pins();
        while pins.going.contains(&id) {
            pins = self.gone.wait(pins).unwrap_or_else(PoisonError::into_inner);
        }
        pins.counts.entry(id).or_default().count += 1;
        drop(pins);
        Pin { blobs: self.clone(), id }
    }

    /// Notes that the content of a pinned blob was seen to be what its name says.
    fn set_sound(&self, id: &BlobId) {
        if let Some(pinned) = self.pins().counts.get_mut(id) {
            pinned.is_sound = true;
        }
        self.faults.clear(id);
    }

    /// Lists every blob, in no order. Some may go before they are opened.
    ///
    /// # Errors
    /// Returns the error of the store.
    pub fn list(&self) -> io::Result<Vec<BlobId>> {
        self.store.list()
    }

    /// Removes those of `candidates` that `is_named` denies. Gives how many were removed, and those that are pinned and have
    /// to be looked at again.
    ///
    /// # Errors
    /// Returns the error of the store; the blobs that are left are found after the next start.
    pub fn remove(
        &self,
        candidates: Vec<BlobId>,
        is_named: impl Fn(&BlobId) -> bool,
    ) -> io::Result<(u64, Vec<BlobId>)> {
        let (mut removed, mut pinned) = (0, Vec::new());
        for id in candidates {
            // A writer of the same content pins first and looks afterwards, and does not pin what is going. The pin is
            // looked at before the names: it goes only after the record that names the blob is applied. Who looks at the
            // names may have to read, so nobody waits for that but who pins this very blob.
            let mut pins = self.pins();
            if pins.counts.contains_key(&id) {
                pinned.push(id);
                continue;
            }
            pins.going.insert(id);
            drop(pins);
            let result = if is_named(&id) { None } else { Some(self.store.remove(&id)) };
            self.pins().going.remove(&id);
            self.gone.notify_all();
            if let Some(result) = result {
                removed += u64::from(result?);
                self.faults.clear(&id);
            }
        }
        Ok((removed, pinned))
    }

    /// Finds the blobs that `unnamed` picks out of all, for who calls [`Blobs::take_leftovers`]; gives how many. Some may be named since, or
    /// pinned.
    ///
    /// # Errors
    /// Returns the error of the store, or that of `unnamed`.
    pub fn find_leftovers(
        &self,
        unnamed: impl FnOnce(Vec<BlobId>) -> io::Result<Vec<BlobId>>,
    ) -> io::Result<usize> {
        let found = unnamed(self.store.list()?)?;
        let count = found.len();
        self.leftovers.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        Ok(count)
    }

    /// Takes what was found by [`Blobs::find_leftovers`].
    pub fn take_leftovers(&self) -> Vec<BlobId> {
        std::mem::take(&mut *self.leftovers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Removes what was never finished by an earlier process: for a start, while nobody writes.
    ///
    /// # Errors
    /// Returns the error of the store.
    pub fn remove_unfinished(&self) -> io::Result<u64> {
        self.store.remove_unfinished()
    }

    /// Removes what dropped writers left.
    ///
    /// # Errors
    /// Returns the error of the store; what is left is removed by the next start.
    pub fn clear_abandoned(&self) -> io::Result<()> {
        let abandoned = std::mem::take(&mut *self.abandoned());
        abandoned.into_iter().try_for_each(Unfinished::discard)
    }

    fn pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn abandoned(&self) -> MutexGuard<'_, Vec<Box<dyn Unfinished>>> {
        self.abandoned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pin {
    /// Returns the blob.
    #[must_use]
    pub fn id(&self) -> BlobId {
        self.id
    }

    /// Notes what an error of reading says of the content. One that is not there is still in the hands of who has it open.
    pub fn note_fault(&self, error: &io::Error) {
        if Fault::of(error) == Some(Fault::Damaged) {
            self.blobs.faults.note(self.id, Fault::Damaged);
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.blobs.pins();
        if let Some(pinned) = pins.counts.get_mut(&self.id) {
            pinned.count -= 1;
            if pinned.count == 0 {
                pins.counts.remove(&self.id);
            }
        }
    }
}

impl Writer {
    /// Takes the next piece.
    ///
    /// # Errors
    /// Returns the error of the store; the blob can't be finished then.
    pub fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        let unfinished = self.unfinished.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        self.hash.update(piece);
        self.size_bytes += piece.len() as u64;
        unfinished.write(piece).inspect_err(|_| self.abandon())
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns the name of what was taken so far.
    #[must_use]
    pub fn id(&self) -> BlobId {
        BlobId(self.hash.hash())
    }

    /// Reads back what was taken so far.
    ///
    /// # Errors
    /// Returns the error of the store.
    pub fn read_back(&self) -> io::Result<Vec<u8>> {
        self.unfinished.as_ref().ok_or(io::ErrorKind::BrokenPipe)?.read_back()
    }

    /// Makes the blob durable, its name too. A content that is there already is kept once.
    ///
    /// # Errors
    /// Returns the error of the store. A sync that failed is not tried again: the blob is given up.
    pub fn finish(mut self) -> io::Result<Pin> {
        let unfinished = self.unfinished.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let id = self.id();
        let pin = self.blobs.pin(id);
        unfinished.finish(&id)?;
        self.blobs.set_sound(&id);
        Ok(pin)
    }

    fn abandon(&mut self) {
        if let Some(unfinished) = self.unfinished.take() {
            self.blobs.abandoned().push(unfinished);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.abandon();
    }
}

/// Returns the name of a content.
#[must_use]
pub fn id_of(content: &[u8]) -> BlobId {
    BlobId(sha256(content))
}
