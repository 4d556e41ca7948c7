//! `memory`: the commit step in the worker's own turn, and the disk thread that writes behind it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use super::committer::Committer;
use super::syncer::Syncer;
use crate::base::durability::Durability;
use crate::base::limits::{INLINE_SAMPLED, MEMORY_WRITE_MS};
use crate::engine::shared::Shared;
use crate::engine::shared::peering::Peering;
use crate::log::write::staged::Staged;
use crate::log::write::writer::{WriteError, Writer};
use crate::os::clock::{Clock, wall_us};
use crate::os::thread;

/// A worker's access to the commit token.
pub struct InlineCommit {
    token: Arc<Mutex<Committer>>,
    staged: Staged,
    clock: Clock,
    runs: u32,
}

impl InlineCommit {
    /// Access to `token`.
    #[must_use]
    pub fn new(token: Arc<Mutex<Committer>>, clock: Clock) -> Self {
        Self { token, staged: Staged::default(), clock, runs: 0 }
    }

    /// Runs the commit step unless another worker is at it; that one then wakes the worker `own` if it left its
    /// records behind.
    pub fn try_run(&mut self, shared: &Shared, own: usize, wall_us: u64) {
        let mut committer = match self.token.try_lock() {
            Ok(committer) => committer,
            Err(TryLockError::WouldBlock) => return,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        };
        self.staged.clear();
        // A look at the clock costs as much as a record, so only some runs are timed.
        self.runs = self.runs.wrapping_add(1);
        let timed = self.runs.is_multiple_of(INLINE_SAMPLED).then(|| self.clock.now_us());
        let Some(prepared) = committer.prepare(shared, wall_us, &mut self.staged) else { return };
        shared.reader.extend(&self.staged);
        let merged = timed.map(|_| self.clock.now_us());
        committer.finish(shared, &prepared, Some(own));
        if let (Some(start_us), Some(merged_us)) = (timed, merged) {
            let commit = &shared.metrics.commit;
            commit.merge_us.record(merged_us - start_us, 1);
            commit.apply_us.record(self.clock.now_us() - merged_us, 1);
        }
        drop(committer);
        wake_writer(shared);
    }

    /// Runs the commit step for what arrived from the peer, until the inbox is empty or has to wait. Only the link may
    /// call this: it waits for the token, which a worker never does.
    pub fn run_for_peer(&mut self, shared: &Shared, wall_us: u64) {
        let waiting = || shared.peering.as_ref().is_some_and(Peering::has_work);
        while waiting() {
            let mut committer = self.token.lock().unwrap_or_else(PoisonError::into_inner);
            self.staged.clear();
            if let Some(prepared) = committer.prepare(shared, wall_us, &mut self.staged) {
                shared.reader.extend(&self.staged);
                committer.finish(shared, &prepared, None);
            }
            let is_stuck = committer.is_stuck();
            drop(committer);
            wake_writer(shared);
            if is_stuck {
                return;
            }
        }
    }
}

/// Wakes the disk thread if it sleeps until somebody does.
fn wake_writer(shared: &Shared) {
    if shared.reach.is_to_be_called() {
        // Until now everything was in the file. The disk thread can't say so: it may run much later.
        shared.reach.set_written_us(shared.clock.now_us());
        shared.disk.wake();
    }
}

/// Runs the disk thread of a server at `memory`: writes what was committed since, at the latest [`MEMORY_WRITE_MS`] after, and has
/// another thread sync it.
///
/// # Errors
/// Fails with the first failed write or sync, for good.
pub fn write_behind(shared: &Shared, writer: &mut Writer, clock: Clock) -> Result<(), WriteError> {
    shared.disk.settle();
    shared.metrics.commit.disk_thread.store(thread::id(), Ordering::Relaxed);
    let Ok(mut syncer) = Syncer::start(writer.layout(), clock) else {
        return write_alone(shared, writer, clock);
    };
    let (mut staged, mut wanted) = (Staged::default(), false);
    loop {
        let is_over = shared.stopping.is_over();
        let stopping = shared.stopping.has_begun();
        wanted |= shared.reach.take_sync() || stopping || owes_sync(shared);
        write(shared, writer, &mut staged, clock)?;
        if is_over {
            syncer.finish(writer)?;
            writer.sync()?;
            publish(shared, writer);
            return Ok(());
        }
        syncer.collect(writer, |us| {
            shared.metrics.commit.sync_us.record(us, 1);
            shared.metrics.commit.syncs.add(1);
        })?;
        if syncer.is_idle() && (wanted || writer.has_finished()) {
            syncer.order(writer.debts(wanted));
            wanted = false;
        }
        publish(shared, writer);
        rest(shared, !syncer.is_idle() || wanted);
    }
}

/// Writes behind without a second thread, where the system has none left.
fn write_alone(shared: &Shared, writer: &mut Writer, clock: Clock) -> Result<(), WriteError> {
    let mut staged = Staged::default();
    loop {
        let is_over = shared.stopping.is_over();
        let stopping = shared.stopping.has_begun();
        let sync = shared.reach.take_sync() || stopping || owes_sync(shared);
        write_once(shared, writer, &mut staged, sync, clock)?;
        if is_over {
            return Ok(());
        }
        rest(shared, false);
    }
}

/// Writes everything that is in memory only, and syncs segments that are written to their end, or everything if that is asked
/// for.
///
/// # Errors
/// Fails with a failed write or sync, for good.
pub fn write_once(
    shared: &Shared,
    writer: &mut Writer,
    staged: &mut Staged,
    sync: bool,
    clock: Clock,
) -> Result<(), WriteError> {
    let start_us = clock.now_us();
    write(shared, writer, staged, clock)?;
    if sync {
        writer.sync()?;
        let commit = &shared.metrics.commit;
        commit.sync_us.record(clock.now_us() - start_us, 1);
        commit.syncs.add(1);
    } else {
        writer.sync_finished()?;
    }
    publish(shared, writer);
    Ok(())
}

/// Writes everything that is in memory only.
fn write(shared: &Shared, writer: &mut Writer, staged: &mut Staged, clock: Clock) -> Result<(), WriteError> {
    staged.clear();
    let start_us = clock.now_us();
    shared.reader.copy_unwritten(staged);
    if !staged.is_empty() {
        writer.write(staged, false)?;
        shared.reader.written(writer.position());
        shared.reach.set_written(writer.position().0);
        shared.space.set_behind(false);
    }
    // What is not in the file by now was acknowledged after this.
    shared.reach.set_written_us(start_us);
    Ok(())
}

/// Tells those who wait for it how far the disk has everything.
fn publish(shared: &Shared, writer: &Writer) {
    let synced = writer.synced();
    if shared.reach.set_synced(synced.0) {
        shared.metrics.commit.synced_position.set(synced.0);
        shared.wake_workers();
    }
    if let Some(peering) = &shared.peering {
        peering.synced(synced);
    }
}

/// Returns the age of the oldest record that is acknowledged and in no file yet, microseconds: what a kill would lose.
#[must_use]
pub fn unwritten_us(shared: &Shared) -> u64 {
    if shared.durability != Durability::Memory || shared.reader.unwritten_bytes() == 0 {
        return 0;
    }
    shared.clock.now_us().saturating_sub(shared.reach.written_us())
}

/// Returns whether the peer waits to hear that its batches are durable here. That is looked at once in a pause, so there is no
/// more than one sync for it in about a millisecond.
#[must_use]
pub fn owes_sync(shared: &Shared) -> bool {
    shared.peering.as_ref().is_some_and(Peering::owes_sync)
}

/// Sleeps: a millisecond while there is work, until it is woken when there is none. `is_syncing`: the syncer has work, or is to
/// get more; it wakes this thread.
fn rest(shared: &Shared, is_syncing: bool) {
    // Three quarters of the promise: waking up and the write take their time too.
    const PAUSE: Duration = Duration::from_micros(MEMORY_WRITE_MS * 750);
    let wanted = || shared.reach.wants_sync() || shared.stopping.is_over();
    let has_work = || shared.reader.unwritten_bytes() > 0 || wanted() || is_syncing || owes_sync(shared);
    // The flag is only up while nothing is unwritten: whoever takes it down dates what it leaves.
    if !has_work() {
        shared.reach.doze();
        if !has_work() {
            std::thread::park();
        }
        if shared.reach.wake_up() {
            // Nobody has left anything; what is in no file when the pause ends came after this.
            shared.reach.set_written_us(shared.clock.now_us());
        }
    }
    if !wanted() {
        std::thread::park_timeout(PAUSE);
    }
}

/// Commits what is still in a lane at the end of a server at `memory`, whose token this is.
pub fn commit_rest(token: &Mutex<Committer>, shared: &Shared) {
    let mut committer = token.lock().unwrap_or_else(PoisonError::into_inner);
    let mut staged = Staged::default();
    while let Some(prepared) = committer.prepare(shared, wall_us(), &mut staged) {
        shared.reader.extend(&staged);
        staged.clear();
        committer.finish(shared, &prepared, None);
    }
}
