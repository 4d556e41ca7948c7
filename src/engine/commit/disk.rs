//! `disk`: the one thread that runs the commit step and waits for the disk, so that no event loop does.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::committer::Committer;
use crate::base::limits::DISK_RETRY_MIN_US;
use crate::engine::shared::Shared;
use crate::engine::shared::mailbox::Mail;
use crate::engine::shared::refused::{Cause, Refused};
use crate::log::write::staged::Staged;
use crate::log::write::writer::{WriteError, Writer};
use crate::os::clock::{Clock, wall_us};
use crate::os::thread;

/// Runs a commit step whenever a worker starts one, until the server stops; then for what is left, and for what arrives
/// until the link has ended.
///
/// # Errors
/// Fails with the first failed write or sync, for good.
pub fn commit_on_request(
    shared: &Shared,
    committer: &mut Committer,
    writer: &mut Writer,
    clock: Clock,
) -> Result<(), WriteError> {
    shared.disk.settle();
    shared.metrics.commit.disk_thread.store(thread::id(), Ordering::Relaxed);
    let mut staged = Staged::default();
    loop {
        if shared.step.is_started() {
            if !commit_once(shared, committer, writer, &mut staged, clock)? {
                committer.stand_down(shared);
            }
        } else if shared.stopping.has_begun() && !shared.stopping.has_committed_rest() {
            while commit_once(shared, committer, writer, &mut staged, clock)? {}
            shared.stopping.rest_is_committed();
            if let Some(peering) = &shared.peering {
                peering.call();
            }
        } else if shared.stopping.is_over() {
            while commit_once(shared, committer, writer, &mut staged, clock)? {}
            writer.sync()?;
            return Ok(());
        } else {
            std::thread::park();
        }
    }
}

/// Commits one batch: merges, writes, applies, publishes. Returns false if there was none.
fn commit_once(
    shared: &Shared,
    committer: &mut Committer,
    writer: &mut Writer,
    staged: &mut Staged,
    clock: Clock,
) -> Result<bool, WriteError> {
    staged.clear();
    let start_us = clock.now_us();
    let Some(prepared) = committer.prepare(shared, wall_us(), staged) else { return Ok(false) };
    let merged_us = clock.now_us();
    let Durable { synced_us, has_waited } = make_durable(shared, writer, staged, clock)?;
    committer.finish(shared, &prepared, None);
    if has_waited {
        // Only now does a worker see that the records are committed, and lets go of what they needed.
        shared.workers.iter().for_each(|worker| worker.send(Mail::Overdue));
    }
    let commit = &shared.metrics.commit;
    commit.merge_us.record(merged_us - start_us, 1);
    commit.sync_us.record(synced_us - merged_us, 1);
    commit.apply_us.record(clock.now_us() - synced_us, 1);
    Ok(true)
}

/// Writes a batch, for which there may be no room: on some file systems even overwriting takes some. A sealed batch is never given
/// up, because the peer may have it already: the same bytes are tried again until there is room. Meanwhile writes are answered
/// 507, and clients that wait for the batch are answered after their time that it may be stored.
#[cold]
fn write_when_there_is_room(
    shared: &Shared,
    writer: &mut Writer,
    staged: &Staged,
    mut error: WriteError,
) -> Result<(), WriteError> {
    let mut is_logged = false;
    loop {
        let is_last = shared.stopping.has_begun();
        if !error.is_full() || is_last {
            return Err(error);
        }
        let reason = format!("{error}; a batch waits for room");
        if !std::mem::replace(&mut is_logged, true) {
            tracing::error!(reason, "no room to overwrite a segment: writes are answered 507 until there is");
        }
        shared.space.set_waiting_batch(Some(Refused { cause: Cause::NoSpace, reason }));
        shared.workers.iter().for_each(|worker| worker.send(Mail::Overdue));
        std::thread::park_timeout(Duration::from_micros(DISK_RETRY_MIN_US));
        match writer.write(staged, true) {
            Ok(()) => break,
            Err(again) => error = again,
        }
    }
    tracing::info!("there is room for the batch again: writes are taken");
    shared.space.set_waiting_batch(None);
    Ok(())
}

/// A batch that [`make_durable`] has written.
pub struct Durable {
    /// When it was durable, by the clock.
    pub synced_us: u64,
    /// There was no room for it at first.
    pub has_waited: bool,
}

/// Writes what a step has staged and lets it be read. [`Committer::finish`] comes next.
///
/// # Errors
/// Fails with a failed write or sync, for good.
pub fn make_durable(
    shared: &Shared,
    writer: &mut Writer,
    staged: &Staged,
    clock: Clock,
) -> Result<Durable, WriteError> {
    let mut has_waited = false;
    if let Err(error) = writer.write(staged, !cfg!(seeded_bug = "answer_before_sync")) {
        write_when_there_is_room(shared, writer, staged, error)?;
        has_waited = true;
    }
    let synced_us = clock.now_us();
    shared.reader.extend(staged);
    shared.reader.written(writer.position());
    shared.reach.set_synced(writer.synced().0);
    let commit = &shared.metrics.commit;
    commit.syncs.add(1);
    commit.synced_position.set(writer.synced().0);
    Ok(Durable { synced_us, has_waited })
}
