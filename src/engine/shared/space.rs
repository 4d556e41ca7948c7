//! Whether writes are taken, by the room there is in the journal and on its disk.
//!
//! Records that are in a lane must find room, because nothing that was logged is ever taken back. So the intake closes
//! while there is still room for everything that the lanes can hold: for milliseconds when the next segment is only
//! late, with 507 when the disk has no space for it or is below the reserve.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::refused::{Cause, Refused};
use crate::base::limits::{BATCH_BODY_BYTES_MAX, BLOCK_BYTES, LANE_BYTES, LANE_BYTES_MIN, SEGMENT_BYTES_MIN};
use crate::log::format::segment::SEGMENT_HEADER_BYTES_MAX;

/// Bytes of a segment that no lane may count on: the longest header, the heads of frames, and what the intake keeps
/// back for one write and one clear. An eighth of the smallest segment is left for the lanes.
const KEPT_BACK_BYTES: u64 = SEGMENT_BYTES_MIN - SEGMENT_BYTES_MIN / 8;

const _: () =
    assert!(KEPT_BACK_BYTES > 3 * BATCH_BODY_BYTES_MAX as u64, "a header and two batches, and more");
const _: () = assert!(
    KEPT_BACK_BYTES as usize > SEGMENT_HEADER_BYTES_MAX + 2 * BATCH_BODY_BYTES_MAX + 64 * BLOCK_BYTES,
    "with a spare there is room for a batch of the peer and, behind it, for the lanes and a clear"
);

/// Returns bytes of each of `workers` lanes before a journal with segments of `segment_bytes`. All lanes together fit into an
/// empty segment beside what is kept back; larger ones would close the intake for good.
///
/// # Errors
/// Fails if the lanes would be too short for the longest record, which could never be logged: the most workers there may be.
pub fn lane_bytes(segment_bytes: u64, workers: usize) -> Result<usize, usize> {
    debug_assert!(segment_bytes >= SEGMENT_BYTES_MIN && workers > 0);
    let room = (segment_bytes - KEPT_BACK_BYTES) as usize;
    let share = room / workers;
    if share < LANE_BYTES_MIN {
        return Err(room / LANE_BYTES_MIN);
    }
    // The largest power of two that is not above the share.
    Ok(LANE_BYTES.min(1 << share.ilog2()))
}

/// Whether writes are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Intake {
    /// Yes.
    Open = 0,
    /// Not before the next segment is ready, or the disk thread has caught up: treated as a full lane.
    Waiting = 1,
    /// Only those that free space; the others are answered 507.
    FreeingOnly = 2,
    /// None: 507.
    Closed = 3,
    /// None before this host has joined: 503.
    Joining = 4,
    /// None, for the reason that [`Space::refused`] tells.
    Refused = 5,
    /// None of requests before this host has a seat: 503. What the server logs of itself goes through.
    Seatless = 6,
}

/// Whether the current segment and the spare have room for what the lanes may hold, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// For any write.
    pub for_writes: bool,
    /// For a clear, which is small and is what makes room again.
    pub for_clears: bool,
}

/// The facts that decide, each from the thread that knows it, and the decision.
pub struct Space {
    for_writes: AtomicBool,
    for_clears: AtomicBool,
    spare_failed: AtomicBool,
    below_reserve: AtomicBool,
    behind: AtomicBool,
    joining: AtomicBool,
    /// What holds whatever room there is: [`Intake::Joining`], [`Intake::Refused`], [`Intake::Seatless`], or nothing.
    barred: AtomicU8,
    /// There is no next segment, and not for want of room.
    spare_fault: AtomicBool,
    intake: AtomicU8,
    reasons: Mutex<Reasons>,
}

/// Why writes are refused, by who says so.
#[derive(Default)]
struct Reasons {
    /// A start that still owes the disk something.
    start: Option<Refused>,
    /// The data directory is not where it was.
    place: Option<Refused>,
    /// The next segment can't be made. Counts once the current one has no room any more.
    spare: Option<Refused>,
    /// A sealed batch waits for room.
    batch: Option<Refused>,
    /// This host is left behind.
    left_behind: Option<Refused>,
    /// This host has no seat yet.
    seat: Option<Refused>,
}

const NOT_BARRED: u8 = 0;

impl Default for Space {
    fn default() -> Self {
        Self {
            for_writes: AtomicBool::new(true),
            for_clears: AtomicBool::new(true),
            spare_failed: AtomicBool::new(false),
            below_reserve: AtomicBool::new(false),
            behind: AtomicBool::new(false),
            joining: AtomicBool::new(false),
            barred: AtomicU8::new(NOT_BARRED),
            spare_fault: AtomicBool::new(false),
            intake: AtomicU8::new(Intake::Open as u8),
            reasons: Mutex::default(),
        }
    }
}

impl Space {
    /// Returns whether writes are taken now.
    #[inline]
    #[must_use]
    pub fn intake(&self) -> Intake {
        match self.intake.load(Relaxed) {
            0 => Intake::Open,
            1 => Intake::Waiting,
            2 => Intake::FreeingOnly,
            3 => Intake::Closed,
            4 => Intake::Joining,
            6 => Intake::Seatless,
            _ => Intake::Refused,
        }
    }

    /// Sets the journal's room, after a batch or when a segment was added.
    pub fn set_room(&self, room: Room) {
        self.for_writes.store(room.for_writes, Relaxed);
        self.for_clears.store(room.for_clears, Relaxed);
        self.decide();
    }

    /// Sets why there is no next segment, if there is none, after a try to make it.
    pub fn set_spare_failed(&self, refused: Option<Refused>) {
        let is_fault = refused.as_ref().is_some_and(|refused| refused.cause == Cause::DiskFault);
        self.spare_failed.store(refused.is_some(), Relaxed);
        self.spare_fault.store(is_fault, Relaxed);
        self.reasons().spare = refused;
        self.decide();
    }

    /// Sets whether a start still owes the disk something, and why it can't be paid.
    pub fn set_unsettled(&self, refused: Option<Refused>) {
        self.change(|reasons| reasons.start = refused);
    }

    /// Returns whether that is so: then nothing may be written.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.reasons().start.is_some()
    }

    /// Sets whether the data directory is not where it was.
    pub fn set_moved(&self, refused: Option<Refused>) {
        self.change(|reasons| reasons.place = refused);
    }

    /// Sets whether a sealed batch waits for room.
    pub fn set_waiting_batch(&self, refused: Option<Refused>) {
        self.change(|reasons| reasons.batch = refused);
    }

    /// Returns whether one does.
    #[must_use]
    pub fn has_waiting_batch(&self) -> bool {
        self.reasons().batch.is_some()
    }

    /// Sets whether this host is left behind, and can be made anew without loss.
    pub fn set_left_behind(&self, refused: Option<Refused>) {
        self.change(|reasons| reasons.left_behind = refused);
    }

    /// Sets why this host has no seat yet, without which it gives no numbers.
    pub fn set_seatless(&self, refused: Option<Refused>) {
        if self.reasons().seat != refused {
            self.change(|reasons| reasons.seat = refused);
        }
    }

    /// Returns why writes are refused now; nothing while they are taken, or will be in a moment.
    #[must_use]
    pub fn refused(&self) -> Option<Refused> {
        let reasons = self.reasons();
        let barring = reasons.barring().cloned();
        match self.intake() {
            Intake::Refused => barring.or_else(|| reasons.spare.clone()),
            Intake::Seatless => reasons.seat.clone(),
            Intake::FreeingOnly | Intake::Closed => Some(Refused {
                cause: Cause::NoSpace,
                reason: "no space above the reserve (--disk-reserve) in the data directory".to_owned(),
            }),
            Intake::Open | Intake::Waiting | Intake::Joining => barring,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Reasons)) {
        let mut reasons = self.reasons();
        change(&mut reasons);
        self.bar(&reasons);
        drop(reasons);
        self.decide();
    }

    fn bar(&self, reasons: &Reasons) {
        let barred = match reasons.barring() {
            Some(_) => Intake::Refused as u8,
            None if self.is_joining() => Intake::Joining as u8,
            None if reasons.seat.is_some() => Intake::Seatless as u8,
            None => NOT_BARRED,
        };
        self.barred.store(barred, Relaxed);
    }

    fn reasons(&self) -> MutexGuard<'_, Reasons> {
        self.reasons.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets whether the disk's free space is below the reserve, after a look at it.
    pub fn set_below_reserve(&self, below: bool) {
        self.below_reserve.store(below, Relaxed);
        self.decide();
    }

    /// Sets, in `memory`, whether more is committed and not yet written than may be.
    pub fn set_behind(&self, behind: bool) {
        if self.behind.swap(behind, Relaxed) != behind {
            self.decide();
        }
    }

    /// Sets whether this host does not have everything of the first host of its cluster yet.
    pub fn set_joining(&self, joining: bool) {
        self.joining.store(joining, Relaxed);
        self.change(|_| {});
    }

    /// Returns whether this host does not have everything of the first host of its cluster yet.
    #[must_use]
    pub fn is_joining(&self) -> bool {
        self.joining.load(Relaxed)
    }

    /// Returns whether the disk is the reason that writes are not taken.
    #[must_use]
    pub fn is_short(&self) -> bool {
        match self.intake() {
            Intake::FreeingOnly | Intake::Closed => true,
            Intake::Refused => self.refused().is_some_and(|refused| refused.cause == Cause::NoSpace),
            Intake::Open | Intake::Waiting | Intake::Joining | Intake::Seatless => false,
        }
    }

    /// Decides by the facts that are known. Two threads that decide at once may leave an old answer behind; the keeper decides
    /// again within its period.
    fn decide(&self) {
        let (below_reserve, room) = (self.below_reserve.load(Relaxed), self.for_writes.load(Relaxed));
        let barred = self.barred.load(Relaxed);
        if barred != NOT_BARRED {
            self.intake.store(barred, Relaxed);
            return;
        }
        let intake = if room && !below_reserve {
            if self.behind.load(Relaxed) { Intake::Waiting } else { Intake::Open }
        } else if !below_reserve && !self.spare_failed.load(Relaxed) {
            Intake::Waiting
        } else if !room && self.spare_fault.load(Relaxed) {
            Intake::Refused
        } else if self.for_clears.load(Relaxed) {
            Intake::FreeingOnly
        } else {
            Intake::Closed
        };
        self.intake.store(intake as u8, Relaxed);
    }
}

impl Reasons {
    /// Returns the reason for which writes are refused whatever room there is, if there is one.
    fn barring(&self) -> Option<&Refused> {
        self.start.as_ref().or(self.place.as_ref()).or(self.batch.as_ref()).or(self.left_behind.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::{RECORD_BYTES_MAX, SEGMENT_BYTES_DEFAULT};

    #[test]
    fn all_lanes_together_fit_into_an_empty_segment() {
        assert_eq!(lane_bytes(64 << 20, 1), Ok(LANE_BYTES));
        assert_eq!(lane_bytes(SEGMENT_BYTES_MIN, 2), Ok(256 << 10));
        assert_eq!(lane_bytes(SEGMENT_BYTES_MIN, 16), Ok(LANE_BYTES_MIN));
        assert_eq!(lane_bytes(SEGMENT_BYTES_MIN, 17), Err(16));
        assert!(lane_bytes(SEGMENT_BYTES_DEFAULT, 256).is_ok(), "whatever may be configured");
        for segment_bytes in [SEGMENT_BYTES_MIN, 64 << 20, 1 << 30] {
            for workers in 1..=256 {
                let Ok(lane) = lane_bytes(segment_bytes, workers) else { continue };
                assert!(lane >= RECORD_BYTES_MAX, "{segment_bytes} {workers}");
                assert!(
                    (lane * workers) as u64 + KEPT_BACK_BYTES <= segment_bytes,
                    "{segment_bytes} {workers}"
                );
            }
        }
    }

    fn no_room() -> Refused {
        Refused { cause: Cause::NoSpace, reason: "no room".to_owned() }
    }

    #[test]
    fn a_fault_is_shown_once_there_is_no_room_and_what_bars_at_once() {
        let space = Space::default();
        space.set_spare_failed(Some(Refused::fault("EIO")));
        assert_eq!((space.intake(), space.refused()), (Intake::Open, None));
        space.set_room(Room { for_writes: false, for_clears: true });
        assert_eq!((space.intake(), space.is_short()), (Intake::Refused, false));
        assert_eq!(space.refused(), Some(Refused::fault("EIO")));
        space.set_spare_failed(None);
        space.set_room(Room { for_writes: true, for_clears: true });
        assert_eq!(space.intake(), Intake::Open);
        space.set_unsettled(Some(no_room()));
        assert_eq!((space.intake(), space.is_short(), space.is_unsettled()), (Intake::Refused, true, true));
        space.set_joining(true);
        assert_eq!(space.refused(), Some(no_room()));
        space.set_unsettled(None);
        assert_eq!((space.intake(), space.refused()), (Intake::Joining, None));
        space.set_joining(false);
        assert_eq!(space.intake(), Intake::Open);
    }

    #[test]
    fn the_intake_follows_from_the_facts() {
        for (for_writes, for_clears, spare_failed, below_reserve, expected) in [
            (true, true, false, false, Intake::Open),
            // The current segment still has room although the next one could not be made.
            (true, true, true, false, Intake::Open),
            (true, true, false, true, Intake::FreeingOnly),
            (false, true, false, false, Intake::Waiting),
            (false, true, true, false, Intake::FreeingOnly),
            (false, false, true, true, Intake::Closed),
            (false, false, false, false, Intake::Waiting),
        ] {
            let space = Space::default();
            space.set_room(Room { for_writes, for_clears });
            space.set_spare_failed(spare_failed.then(no_room));
            space.set_below_reserve(below_reserve);
            assert_eq!(space.intake(), expected);
            space.set_joining(true);
            assert_eq!(space.intake(), Intake::Joining, "whatever room there is");
            space.set_joining(false);
            assert_eq!(space.intake(), expected);
        }
    }
}
