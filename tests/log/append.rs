//! The appender's promises: places, numbers, times, and that what it says has room has room.

use pixeld::base::batch::BatchHeader;
use pixeld::base::ids::{ClusterId, Inc, NodeId, Position};
use pixeld::log::format::segment::Layout;
use pixeld::log::write::append::{Appender, End};
use pixeld::log::write::staged::Staged;
use proptest::prelude::*;

const SEGMENT_BYTES: u64 = 512 * 1024;

fn appender() -> Appender {
    let end = End { position: Position(SEGMENT_BYTES), ..End::default() };
    let layout = Layout { segment_bytes: SEGMENT_BYTES };
    Appender::new(ClusterId([1; 16]), NodeId(2), Inc(3), layout, end)
}

#[test]
fn time_never_goes_back_and_numbers_are_dense() {
    let mut appender = appender();
    let mut staged = Staged::default();
    let mut last = appender.stage(&[0x11; 30], 3, 1000, Position(0), &mut staged);
    let BatchHeader { first_seq, count, time_us, .. } = last.header;
    assert_eq!((first_seq, count, time_us, last.entered), (1, 3, 1000, Some(1)));
    for now_us in [900, 1000, 1001, 5000, 0] {
        let sealed = appender.stage(&[0x11; 20], 2, now_us, Position(0), &mut staged);
        assert_eq!(sealed.header.first_seq, last.header.last_seq() + 1);
        assert_eq!(sealed.header.time_us, now_us.max(last.header.time_us + 1));
        assert_eq!((sealed.start, sealed.entered), (last.end, None));
        last = sealed;
    }
    assert_eq!(appender.vector().seq_of(appender.origin()), appender.next_seq() - 1);
    assert_eq!(appender.time_us(), 5001);
}

#[test]
fn staging_again_and_again_takes_no_more_memory() {
    let mut appender = appender();
    let mut staged = Staged::with_capacity(4096 + 1000);
    let body = [0x11; 500];
    let mut memory = None;
    for now_us in 0..100 {
        staged.clear();
        appender.stage(&body, 50, now_us, Position(0), &mut staged);
        let start = staged.extents().next().unwrap().1.as_ptr();
        assert_eq!(*memory.get_or_insert(start), start);
    }
}

proptest! {
    /// Batches of any size are staged wherever they fit, without gaps.
    #[test]
    fn frames_stand_side_by_side(bodies in prop::collection::vec(1_usize..60_000, 1..60)) {
        let mut appender = appender();
        let mut staged = Staged::default();
        let mut end = appender.position();
        for length in bodies {
            prop_assert!(appender.fits(length, true));
            staged.clear();
            let sealed = appender.stage(&vec![0x11; length], 1, 0, end, &mut staged);
            prop_assert_eq!(staged.end(), Some(sealed.end));
            match sealed.entered {
                Some(number) => {
                    prop_assert_eq!(staged.start(), Some(Position(u64::from(number) * SEGMENT_BYTES)));
                    let is_full = !fits_behind(end, length);
                    prop_assert!(end.0.is_multiple_of(SEGMENT_BYTES) || is_full, "entered for need");
                }
                None => prop_assert_eq!(staged.start(), Some(end)),
            }
            prop_assert!(!sealed.end.0.is_multiple_of(SEGMENT_BYTES), "a segment is never quite full");
            end = sealed.end;
        }
    }

    /// As many bytes as there is said to be room for have room, in whatever batches they come, with one spare at most.
    #[test]
    fn what_has_room_fits(
        before in prop::collection::vec(1_usize..60_000, 0..20),
        bodies in prop::collection::vec(1_usize..60_000, 1..60),
        mut spare_ready in any::<bool>(),
    ) {
        let mut appender = appender();
        let mut staged = Staged::default();
        for length in before {
            appender.stage(&vec![0x11; length], 1, 0, Position(0), &mut staged);
        }
        let mut room = appender.room(spare_ready);
        for length in bodies {
            if room < length as u64 {
                break;
            }
            room -= length as u64;
            prop_assert!(appender.fits(length, spare_ready));
            let sealed = appender.stage(&vec![0x11; length], 1, 0, Position(0), &mut staged);
            spare_ready &= sealed.entered.is_none();
        }
    }
}

fn fits_behind(end: Position, length: usize) -> bool {
    end.0 % SEGMENT_BYTES + pixeld::log::format::frame::frame_bytes(length) < SEGMENT_BYTES
}
