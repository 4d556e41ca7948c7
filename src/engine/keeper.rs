//! The keeper: the thread that looks after the files. It makes the next segment ahead, watches the free space, folds
//! snapshots and removes segments that nobody needs any more. Nothing waits for it but the intake, when it is late.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::released::Released;
use super::retention::{self, Patience, Verdict};
use super::settings::Reserve;
use super::shared::Shared;
use super::snapshots::Folder;
use super::space::Room;
use super::told::Told;
use crate::base::ids::Position;
use crate::log::reader::SegmentInfo;
use crate::log::spare::{self, SpareError};
use crate::log::{joining, snapshot};
use crate::os::disk::Disk;

/// How often it looks; space that is there again is used within this time.
const PERIOD: Duration = Duration::from_millis(200);

/// What the keeper works with.
pub struct Keeper {
    /// The server.
    shared: Arc<Shared>,
    /// The data directory.
    disk: Arc<dyn Disk>,
    /// Size of a segment.
    segment_bytes: u64,
    /// What is left to others.
    reserve: Reserve,
    /// Makes the snapshots.
    folder: Folder,
    /// Blobs that may go.
    released: Released,
    /// How long segments wait for the peer.
    patience: Patience,
    /// It was said that the next segment can't be made.
    complained: bool,
    /// Why no snapshot could be made.
    told: Told,
}

impl Keeper {
    /// The keeper of the files on `disk`.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        reserve: Reserve,
        folder: Folder,
        patience: Patience,
    ) -> Self {
        Self {
            shared,
            disk,
            segment_bytes,
            reserve,
            folder,
            released: Released::default(),
            patience,
            complained: false,
            told: Told::default(),
        }
    }

    /// Looks after the files until the server stops.
    pub fn run(mut self) {
        self.shared.keeper.settle();
        while !self.shared.stopping.load(Ordering::Acquire) {
            self.turn();
            std::thread::park_timeout(PERIOD);
        }
    }

    /// Looks once at everything.
    pub fn turn(&mut self) {
        self.look_at_space();
        self.make_spare();
        self.patience.look_at_peer(&self.shared, &*self.disk);
        self.tidy();
        self.released.look_after(&self.shared);
    }

    /// Compares the free space with the reserve.
    fn look_at_space(&self) {
        let below = match self.disk.space() {
            Ok(space) => space.free_bytes < self.reserve.bytes(space.total_bytes),
            Err(error) => {
                tracing::warn!(%error, "can't tell how much space is free in the data directory");
                false
            }
        };
        let was_short = self.shared.space.is_short();
        self.shared.space.set_below_reserve(below);
        self.report(was_short);
    }

    /// Makes the next segment, if it isn't there. No space for it is no error: writes are refused before the current
    /// one is full, and it is tried again.
    fn make_spare(&mut self) {
        if self.shared.spare_ready.load(Ordering::Acquire) {
            return;
        }
        let was_short = self.shared.space.is_short();
        let number = self.shared.spare_number.load(Ordering::Acquire);
        match spare::make_spare(&*self.disk, number, self.segment_bytes) {
            Ok(()) => {
                self.shared.spare_ready.store(true, Ordering::Release);
                self.shared.space.set_spare_failed(false);
                self.shared.space.set_room(Room { for_writes: true, for_clears: true });
                self.complained = false;
                self.report(was_short);
                // Whatever waits in a lane can be committed now.
                self.shared.workers.iter().for_each(super::shared::WorkerSide::wake);
                self.shared.commit_arrived();
            }
            Err(error) => {
                self.shared.space.set_spare_failed(true);
                if !std::mem::replace(&mut self.complained, true) {
                    let no_space = matches!(error, SpareError::NoSpace { .. });
                    tracing::warn!(%error, no_space, "can't make the next segment of the journal; trying again");
                }
                self.report(was_short);
            }
        }
    }

    fn report(&self, was_short: bool) {
        match (was_short, self.shared.space.is_short()) {
            (false, true) => {
                tracing::error!(
                    "the disk is short of space: writes are answered 507 until there is room; make room or lower --disk-reserve"
                );
            }
            (true, false) => tracing::info!("there is space again: writes are taken"),
            _ => {}
        }
    }

    /// Folds a snapshot when one is due, and removes the segments that it makes unnecessary.
    fn tidy(&mut self) {
        if self.is_joining() {
            return;
        }
        let segments = self.shared.reader.segments();
        let may_go = |unneeded: &[SegmentInfo]| self.verdict(unneeded).segments > 0;
        if !self.folder.is_due(&self.shared, &segments, may_go) {
            // What was kept for the peer only may have arrived there since.
            let unneeded = self.folder.unneeded(&self.shared, &segments);
            return self.remove(&segments[..unneeded]);
        }
        self.fold();
    }

    /// Folds a snapshot now, and removes the segments that it makes unnecessary. Not while the host joins.
    pub fn fold(&mut self) {
        if self.is_joining() {
            return;
        }
        match self.folder.fold(&self.shared, &self.disk) {
            Ok(folded) => {
                let segments = self.shared.reader.segments();
                let unneeded = segments.iter().take_while(|segment| folded.makes_unnecessary(segment));
                self.remove(&segments[..unneeded.count()]);
            }
            Err(error) => {
                // It is tried at every look.
                if self.told.is_news(&error.to_string(), self.shared.clock.now_us()) {
                    tracing::error!(%error, "can't make a snapshot; the next start will take longer");
                }
            }
        }
    }

    /// Removes the oldest segments, which the snapshot covers and whose records are not listed any more, as far as the
    /// peer has them or has been waited for long enough.
    fn remove(&mut self, unneeded: &[SegmentInfo]) {
        if unneeded.is_empty() {
            return;
        }
        let verdict = self.verdict(unneeded);
        self.patience.note(&verdict);
        let Some(last) = verdict.segments.checked_sub(1).and_then(|last| unneeded.get(last)) else { return };
        match self.shared.reader.remove_before(last.number + 1) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed segments that hold nothing listed any more"),
            Err(error) => {
                tracing::error!(%error, "can't remove a segment; it will be tried at the next start");
            }
        }
    }

    /// While the host joins, nothing is folded or removed; in the end its first snapshot is stored and the mark goes.
    fn is_joining(&mut self) -> bool {
        let Some(joining) = self.shared.peering.as_ref().map(|peering| &peering.joining) else {
            return false;
        };
        if !joining.is_under_way() {
            return false;
        }
        let synced = Position(self.shared.synced.load(Ordering::Acquire));
        let Some(snapshot) = joining.joined(synced) else { return true };
        let stored = snapshot::store(&*self.disk, &snapshot).and_then(|()| joining::finish(&*self.disk));
        if let Err(error) = stored {
            if self.told.is_news(&error.to_string(), self.shared.clock.now_us()) {
                tracing::error!(%error, "can't store the snapshot that this host joins with; trying again");
            }
            return true;
        }
        tracing::info!(position = %snapshot.position, "joined: everything that the peer keeps is here");
        self.folder = Folder::new(snapshot);
        joining.end();
        if let Some(peering) = &self.shared.peering {
            peering.progress.joined(synced);
            peering.bell.ring();
        }
        self.shared.space.set_joining(false);
        self.shared.workers.iter().for_each(super::shared::WorkerSide::wake);
        false
    }

    fn verdict(&self, unneeded: &[SegmentInfo]) -> Verdict {
        let waiting = self.patience.waiting(&self.shared);
        let free_bytes = self.disk.space().map_or(u64::MAX / 2, |space| space.free_bytes);
        retention::removable(unneeded, waiting.as_ref(), self.segment_bytes, free_bytes)
    }
}
