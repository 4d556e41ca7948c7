//! The keeper: the thread that looks after the files. It makes the next segment ahead, watches the free space, folds
//! snapshots and removes segments that nobody needs any more. Nothing waits for it but the intake, when it is late.

use std::sync::Arc;
use std::time::Duration;

use super::backoff::Backoff;
use super::clockwatch::ClockWatch;
use super::folding::Folding;
use super::growth::Growth;
use super::released::Released;
use super::retention::{self, PeerRetention, Removable, Waiting};
use super::returned::Returned;
use super::settling::{self, Settling};
use super::snapshots::{FoldError, SnapshotMaker};
use super::starts::Starts;
use crate::base::ids::Position;
use crate::engine::shared::Shared;
use crate::engine::shared::log_throttle::LogThrottle;
use crate::engine::shared::refused::{Cause, Refused};
use crate::engine::shared::seating;
use crate::engine::shared::settings::Reserve;
use crate::engine::shared::space::Room;
use crate::log::files::known_peer::KnownPeer;
use crate::log::read::reader::SegmentInfo;
use crate::log::recover::joining;
use crate::log::recover::owed::Unsettled;
use crate::log::snapshot;
use crate::log::snapshot::{Snapshot, SnapshotFile};
use crate::log::write::spare::{self, SpareError};
use crate::os::datadir::{Hold, Standing, Watch};
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
    folding: Folding,
    /// Blobs that may go.
    released: Released,
    returned: Returned,
    /// How long segments wait for the peer.
    peer: PeerRetention,
    /// It was said that the next segment can't be made.
    complained: bool,
    /// Why no snapshot could be made.
    throttle: LogThrottle,
    /// When the next segment is tried again.
    spares: Backoff,
    /// The same while the free space stays as it was when there was no room for it.
    no_room: Backoff,
    /// For the second copy of a snapshot, and for the one that this host joins with: each try writes all of it.
    copies: Backoff,
    joins: Backoff,
    no_room_at: Option<u64>,
    /// What the start still owes the disk.
    settling: Option<Settling>,
    /// Whether the directory is where it was.
    watch: Option<Watch>,
    /// What of it was logged.
    standing: Standing,
    clock: ClockWatch,
    growth: Growth,
    /// Free space above the reserve, bytes; nothing where that can't be told.
    free_bytes: Option<u64>,
    starts: Starts,
}

/// What is left of a keeper: the newest snapshot with its file, the peer that is known, and the debt.
type Parts = ((Snapshot, Option<SnapshotFile>), Option<KnownPeer>, Option<Settling>);

/// Something of the journal could not be made durable, which is final: the process has to end.
#[derive(Debug, thiserror::Error)]
pub enum Final {
    /// The name of a segment.
    #[error(transparent)]
    Name(#[from] SpareError),
    /// What a start owed.
    #[error(transparent)]
    Unsettled(#[from] Unsettled),
}

impl Keeper {
    /// Returns the keeper of the files on `disk`.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        disk: Arc<dyn Disk>,
        segment_bytes: u64,
        reserve: Reserve,
        maker: SnapshotMaker,
        peer: PeerRetention,
    ) -> Self {
        Self {
            shared,
            disk,
            segment_bytes,
            reserve,
            folding: Folding::new(maker),
            released: Released::default(),
            returned: Returned::default(),
            peer,
            complained: false,
            throttle: LogThrottle::default(),
            spares: Backoff::default(),
            no_room: Backoff::default(),
            copies: Backoff::default(),
            joins: Backoff::default(),
            no_room_at: None,
            settling: None,
            watch: None,
            standing: Standing::Sound,
            clock: ClockWatch::default(),
            growth: Growth::default(),
            free_bytes: None,
            starts: Starts::default(),
        }
    }

    /// Has it pay what the start still owes the disk before it does anything else.
    #[must_use]
    pub fn owing(mut self, settling: Option<Settling>) -> Self {
        self.shared.space.set_unsettled(settling.as_ref().map(|settling| settling.refused().clone()));
        self.settling = settling;
        self
    }

    /// Has it look whether the directory is still the one that was locked.
    #[must_use]
    pub fn watching(mut self, watch: Watch) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Looks after the files until the server stops; gives itself back then, for a server that goes on after all.
    ///
    /// # Errors
    /// Fails as [`Final`] says.
    pub fn run(mut self) -> Result<Self, Final> {
        self.shared.keeper.settle();
        self.folding.leave_to_thread(&self.shared, &self.disk);
        while !self.shared.stopping.has_begun() {
            self.turn()?;
            std::thread::park_timeout(PERIOD);
        }
        Ok(self)
    }

    /// Returns what a server that goes on after all needs of it: the newest snapshot, the peer that is known, and the debt. Nothing if
    /// the thread that folds has panicked.
    #[must_use]
    pub fn into_parts(self) -> Option<Parts> {
        Some((self.folding.into_maker()?.into_last(), self.peer.into_known(), self.settling))
    }

    /// Looks once at everything.
    ///
    /// # Errors
    /// Fails as [`Final`] says.
    pub fn turn(&mut self) -> Result<(), Final> {
        self.look_at_space();
        self.returned.look_after(&self.shared);
        // In this order: a debt is not paid in another directory.
        if self.is_moved() || !self.is_settled()? {
            return Ok(());
        }
        self.make_spare()?;
        self.peer.look_at_peer(&self.shared, &*self.disk);
        self.remove_unneeded();
        self.clock.look_after(&self.shared);
        self.growth.look_after(&self.shared, self.free_bytes);
        seating::look(&self.shared);
        let hosts = self.peer.hosts(&self.shared);
        self.starts.look_after(&self.shared, self.peer.node(), &hosts);
        Ok(())
    }

    /// Makes snapshots, and removes what nothing needs any more. While a backup copies files none goes, unless the disk is short:
    /// then writes come first, and the backup begins its round again.
    fn remove_unneeded(&mut self) {
        let hold = self.watch.as_ref().map(|watch| Hold::of_removal(watch.path()));
        if !matches!(hold, Some(None)) || self.shared.space.is_short() {
            self.tidy();
            self.released.look_after(&self.shared);
        }
    }

    /// Returns whether the start owes the disk nothing any more. Nothing is written before that.
    fn is_settled(&mut self) -> Result<bool, Final> {
        let Some(settling) = &mut self.settling else { return Ok(true) };
        let shared = &self.shared;
        let Some(copies) = settling.look(shared.clock.now_us())? else {
            shared.space.set_unsettled(Some(settling.refused().clone()));
            return Ok(false);
        };
        self.settling = None;
        settling::tidy_up(&*self.disk, &shared.blobs, shared.space.is_joining());
        let copies = copies.join(",");
        tracing::info!(
            copies,
            "the data directory can be written again: writes are taken as far as there is room"
        );
        shared.space.set_unsettled(None);
        shared.wake_workers();
        Ok(true)
    }

    /// Returns whether somebody has moved the data directory away: files that are made now would be made in another one, or
    /// nowhere.
    fn is_moved(&mut self) -> bool {
        let Some(watch) = &self.watch else { return false };
        let (standing, path) = (watch.look(), watch.path().display());
        if standing != std::mem::replace(&mut self.standing, standing) {
            let refused =
                Refused::fault(&format!("{path} was moved away or removed under this server; move it back"));
            match standing {
                Standing::Moved => tracing::error!("{}; writes are refused until then", refused.reason),
                Standing::Unlocked => tracing::error!(
                    "the file lock in {path} was removed or replaced under this server. The directory itself is locked \
                     too, so no second server of this version can start; one of an earlier version can. Restart this one"
                ),
                Standing::Sound => tracing::info!("{path} is where it was"),
            }
            self.shared.space.set_moved((standing == Standing::Moved).then_some(refused));
        }
        standing == Standing::Moved
    }

    /// Compares the free space with the reserve.
    fn look_at_space(&mut self) {
        self.free_bytes = None;
        let below = match self.disk.space() {
            Ok(space) => {
                let reserve = self.reserve.bytes(space.total_bytes).max(self.folding.reserve_bytes());
                self.free_bytes = Some(space.free_bytes.saturating_sub(reserve));
                space.free_bytes < reserve
            }
            Err(error) => {
                tracing::warn!(%error, "can't tell how much space is free in the data directory");
                false
            }
        };
        let was_short = self.shared.space.is_short();
        self.shared.space.set_below_reserve(below);
        self.report(was_short);
    }

    /// Makes the next segment, if it isn't there. That it can't be made is no error: writes are refused before the current
    /// one is full, and it is tried again. That its name can't be made durable is one.
    fn make_spare(&mut self) -> Result<(), Final> {
        let now_us = self.shared.clock.now_us();
        let Some(number) = self.shared.spare.missing().filter(|_| self.spares.is_due(now_us)) else {
            return Ok(());
        };
        // A try takes what room there is, which a snapshot may need; it is made again at once when there is more or less.
        let free_bytes = self.disk.space().map_or(0, |space| space.free_bytes);
        if self.no_room_at == Some(free_bytes) && !self.no_room.is_due(now_us) {
            return Ok(());
        }
        let was_short = self.shared.space.is_short();
        // What a clear and the snapshots after it need is not its to take.
        let spared = self.folding.reserve_bytes();
        let made = match spare::leaves_room(&*self.disk, number, self.segment_bytes, spared) {
            true => spare::make_spare(&*self.disk, number, self.segment_bytes),
            false => Err(SpareError::NoSpace { number }),
        };
        match made {
            Ok(file) => {
                self.shared.files.keep(number, file);
                self.shared.spare.made();
                self.spares.succeeded();
                self.no_room_at = None;
                self.shared.space.set_spare_failed(None);
                self.shared.space.set_room(Room { for_writes: true, for_clears: true });
                self.complained = false;
                self.report(was_short);
                // Whatever waits in a lane can be committed now.
                self.shared.wake_workers();
                self.shared.commit_arrived();
            }
            Err(error @ SpareError::Name { .. }) => return Err(error.into()),
            Err(error) => {
                let no_space = matches!(error, SpareError::NoSpace { .. });
                let refused = if no_space {
                    // Room that is there again is used within a period.
                    self.no_room_at = self.disk.space().ok().map(|space| space.free_bytes);
                    self.no_room.failed(now_us);
                    Refused { cause: Cause::NoSpace, reason: error.to_string() }
                } else {
                    self.spares.failed(now_us);
                    Refused::fault(&error.to_string())
                };
                self.shared.space.set_spare_failed(Some(refused));
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::error!(%error, no_space, "can't make the next segment of the journal; trying again");
                }
                self.report(was_short);
            }
        }
        Ok(())
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

    /// Folds a snapshot when one is due, and removes the segments that nobody needs any more.
    fn tidy(&mut self) {
        if self.is_joining() {
            return;
        }
        if let Some(outcome) = self.folding.collect() {
            self.take_fold(&outcome);
        }
        let segments = self.shared.reader.segments();
        let (waiting, free_bytes) = self.waiting();
        let Some(maker) = self.folding.maker_mut() else { return };
        let may_go = |unneeded: &[SegmentInfo]| {
            retention::removable(unneeded, waiting.as_ref(), self.segment_bytes, free_bytes).segments > 0
        };
        let is_wanted = maker.is_due(&self.shared, &segments, may_go);
        let synced = self.shared.reach.synced();
        if is_wanted && self.folding.is_due(synced, self.shared.clock.now_us()) {
            self.make_snapshot();
        }
        self.let_go();
    }

    /// Folds a snapshot now, and removes the segments that it makes unnecessary. Not while the host joins.
    pub fn fold(&mut self) {
        if self.is_joining() {
            return;
        }
        self.make_snapshot();
        self.let_go();
    }

    fn make_snapshot(&mut self) {
        if let Some(outcome) = self.folding.fold(&self.shared, &self.disk) {
            self.take_fold(&outcome);
        }
    }

    /// Notes what came of a fold.
    fn take_fold(&mut self, outcome: &Result<(), FoldError>) {
        self.folding.tried(outcome, self.shared.clock.now_us());
        match outcome {
            // Another snapshot may fit where the last one did not.
            Ok(()) => self.copies.succeeded(),
            Err(error) => self.log_unmade(&error.to_string()),
        }
    }

    /// Removes what no start needs, whichever of the two snapshots it takes; makes the second one if that is in the way.
    fn let_go(&mut self) {
        let segments = self.shared.reader.segments();
        let (waiting, free_bytes) = self.waiting();
        let may_go = |unneeded: &[SegmentInfo]| {
            retention::removable(unneeded, waiting.as_ref(), self.segment_bytes, free_bytes).segments > 0
        };
        // While it folds, the next look does this.
        let Some(maker) = self.folding.maker_mut() else { return };
        let now_us = self.shared.clock.now_us();
        let is_due = self.copies.is_due(now_us) && maker.is_copy_due(&segments, may_go);
        let copied = if is_due { maker.copy(&*self.disk) } else { Ok(()) };
        // What was kept for the peer only may have arrived there since.
        let unneeded = maker.unneeded(&segments);
        match copied {
            Ok(()) if is_due => self.copies.succeeded(),
            Ok(()) => {}
            Err(error) => {
                self.copies.failed(self.shared.clock.now_us());
                self.log_unmade(&error.to_string());
            }
        }
        self.remove(&segments[..unneeded]);
    }

    /// Logs once why the segment can't be made, which is tried again and again.
    fn log_unmade(&mut self, why: &str) {
        if self.throttle.is_news(why, self.shared.clock.now_us()) {
            tracing::error!(error = why, "can't make a snapshot; the next start will take longer");
        }
    }

    /// Removes the oldest segments, which both snapshots do without, as far as the peer has them or has been waited for long
    /// enough.
    fn remove(&mut self, unneeded: &[SegmentInfo]) {
        if unneeded.is_empty() {
            return;
        }
        let (waiting, free_bytes) = self.waiting();
        let removable: Removable =
            retention::removable(unneeded, waiting.as_ref(), self.segment_bytes, free_bytes);
        self.peer.note(&removable);
        let Some(last) = removable.segments.checked_sub(1).and_then(|last| unneeded.get(last)) else {
            return;
        };
        match self.shared.reader.remove_before(last.number + 1) {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed segments that hold nothing listed any more"),
            Err(error) => {
                tracing::error!(%error, "can't remove a segment; it will be tried at the next start");
            }
        }
    }

    /// Returns whether a snapshot of the peer is on its way in: meanwhile nothing is folded or removed; in the end the first one
    /// of this host is stored.
    fn is_joining(&mut self) -> bool {
        let shared = self.shared.clone();
        let Some(peering) = shared.peering.as_ref().filter(|peering| peering.is_joining()) else {
            return false;
        };
        let synced = Position(self.shared.reach.synced());
        if !self.joins.is_due(self.shared.clock.now_us()) {
            return true;
        }
        let Some(snapshot) = peering.snapshot_to_store(synced) else { return true };
        let stored = snapshot::store(&*self.disk, &snapshot)
            .and_then(|files| joining::finish(&*self.disk).map(|()| files.first().copied()));
        let file = match stored {
            Ok(file) => file,
            Err(error) => {
                let now_us = self.shared.clock.now_us();
                self.joins.failed(now_us);
                if self.throttle.is_news(&error.to_string(), now_us) {
                    tracing::error!(%error, "can't store the snapshot that this host joins with; trying again");
                }
                return true;
            }
        };
        tracing::info!(position = %snapshot.position, "took over the snapshot of the first host");
        self.folding.replace(SnapshotMaker::new(
            snapshot,
            file,
            false,
            self.shared.empty_states,
            self.shared.shelf.clone(),
        ));
        peering.has_joined();
        self.shared.wake_workers();
        false
    }

    /// Returns what segments wait for, and the free space.
    fn waiting(&self) -> (Option<Waiting>, u64) {
        let free_bytes = self.disk.space().map_or(u64::MAX / 2, |space| space.free_bytes);
        (self.peer.waiting(&self.shared), free_bytes)
    }
}
