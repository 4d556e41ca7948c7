//! A batch that another start of a process has sealed stands in this journal byte for byte, or is refused.

use pixeld::base::ids::{ClusterId, Inc, NodeId, Origin, Position};
use pixeld::base::limits::{BATCH_TIME_US_MAX, CLOCK_AHEAD_US_MAX, ORIGINS_MAX};
use pixeld::base::streams::StreamFault;
use pixeld::log::format::segment::Layout;
use pixeld::log::write::append::{Appender, End, Sealed};
use pixeld::log::write::staged::Staged;

const SEGMENT_BYTES: u64 = 4 * 1024 * 1024;
const CLUSTER: ClusterId = ClusterId([1; 16]);

fn appender(node: u64, inc: u64) -> Appender {
    let end = End { position: Position(SEGMENT_BYTES), ..End::default() };
    Appender::new(CLUSTER, NodeId(node), Inc(inc), Layout { segment_bytes: SEGMENT_BYTES }, end)
}

/// Seals a batch on a host of its own; gives it with the bytes from the header's first to the body's last.
fn seal(host: &mut Appender, body: &[u8], now_us: u64) -> (Sealed, Vec<u8>) {
    let mut staged = Staged::default();
    let sealed = host.stage(body, 1, now_us, Position(0), &mut staged);
    (sealed, batch_bytes(&staged, &sealed, body.len()))
}

/// Behind the frame's slot of 24 bytes, without its padding.
fn batch_bytes(staged: &Staged, sealed: &Sealed, body: usize) -> Vec<u8> {
    let (position, bytes) = staged.extents().last().unwrap();
    let start = (sealed.start.0 - position.0) as usize + 24;
    bytes[start..start + 64 + body].to_vec()
}

#[test]
fn the_bytes_are_the_same_and_the_clock_follows_them() {
    let (mut here, mut there) = (appender(1, 5), appender(2, 6));
    here.look_at_clock(1_000_000);
    for (number, length) in [100_usize, 7, 65_000].into_iter().enumerate() {
        let body = vec![0x21; length];
        let (sealed, bytes) = seal(&mut there, &body, 1_000_000 + number as u64);
        let mut staged = Staged::default();
        let taken = here.stage_verbatim(&sealed.header, &body, Position(0), &mut staged).unwrap();
        assert_eq!(batch_bytes(&staged, &taken, length), bytes);
        assert_eq!(
            (taken.header, here.vector().seq_of(there.origin())),
            (sealed.header, sealed.header.first_seq)
        );
    }
    assert_eq!(here.streams().of(CLUSTER, there.origin()), there.streams().of(CLUSTER, there.origin()));
    let (own, _) = seal(&mut here, &[0x21; 9], 3);
    assert_eq!(
        (own.header.first_seq, own.header.time_us),
        (1, 1_000_003),
        "later than everything that is here"
    );
}

/// A clock that is wrong on one host does not spread to the other one, nor stays in a journal.
#[test]
fn a_far_time_does_not_enter_this_hosts_clock() {
    const NOW_US: u64 = 1_795_234_432_000_000;
    let (mut here, mut there, body) = (appender(1, 5), appender(2, 6), [0x21; 9]);
    let mut staged = Staged::default();
    let mut take = |here: &mut Appender, time_us| {
        let (sealed, _) = seal(&mut there, &body, time_us);
        here.look_at_clock(NOW_US);
        here.stage_verbatim(&sealed.header, &body, Position(0), &mut staged).unwrap();
        assert_eq!(here.time_us(), time_us, "the batch keeps its time");
    };
    take(&mut here, NOW_US + CLOCK_AHEAD_US_MAX);
    assert_eq!(
        here.next_time_us(NOW_US),
        NOW_US + CLOCK_AHEAD_US_MAX + 1,
        "within the bound times only rise"
    );
    take(&mut here, NOW_US + CLOCK_AHEAD_US_MAX + 2);
    assert_eq!(here.next_time_us(NOW_US), NOW_US + CLOCK_AHEAD_US_MAX + 1);
    take(&mut here, BATCH_TIME_US_MAX);
    assert_eq!(here.next_time_us(NOW_US + 2 * CLOCK_AHEAD_US_MAX), NOW_US + 2 * CLOCK_AHEAD_US_MAX);

    // A later start finds the far time in the journal.
    let end = End { position: Position(SEGMENT_BYTES), time_us: BATCH_TIME_US_MAX, ..End::default() };
    let mut again = Appender::new(CLUSTER, NodeId(1), Inc(6), Layout { segment_bytes: SEGMENT_BYTES }, end);
    assert_eq!(again.next_time_us(NOW_US), NOW_US);
    let (mut other, mut staged) = (appender(3, 7), Staged::default());
    let (near, _) = seal(&mut other, &body, NOW_US + 5);
    again.look_at_clock(NOW_US);
    again.stage_verbatim(&near.header, &body, Position(0), &mut staged).unwrap();
    assert_eq!(again.next_time_us(NOW_US), NOW_US + 6, "what is near counts beside what is far");
}

#[test]
fn no_clock_makes_a_time_beyond_the_wires_bound() {
    let mut here = appender(1, 5);
    for now_us in [u64::MAX, 10_413_792_000_000_000, 5] {
        let (sealed, _) = seal(&mut here, &[0x21; 9], now_us);
        assert_eq!(sealed.header.time_us, BATCH_TIME_US_MAX);
    }
    assert_eq!(here.own_time_us(), BATCH_TIME_US_MAX);
}

#[test]
fn what_does_not_continue_its_stream_is_refused_and_changes_nothing() {
    let (mut here, mut there, mut copy) = (appender(1, 5), appender(2, 6), appender(2, 6));
    let body = [0x21; 9];
    let (first, _) = seal(&mut there, &body, 10);
    let (second, _) = seal(&mut there, &body, 20);
    seal(&mut copy, &[0x22; 9], 10);
    let (other, _) = seal(&mut copy, &body, 20);
    let mut staged = Staged::default();
    let mut take = |sealed: &Sealed| here.stage_verbatim(&sealed.header, &body, Position(0), &mut staged);
    let origin = there.origin();
    assert_eq!(take(&second), Err(StreamFault::Sequence { origin, found: 2, due: 1 }));
    take(&first).unwrap();
    assert_eq!(take(&first), Err(StreamFault::Sequence { origin, found: 1, due: 2 }));
    assert_eq!(take(&other), Err(StreamFault::Chain { origin, seq: 2 }), "a history of its own");
    let (own, _) = seal(&mut appender(1, 5), &body, 30);
    assert_eq!(take(&own), Err(StreamFault::Own { origin: own.header.origin, seq: 1 }));
    take(&second).unwrap();
    assert_eq!(here.vector().len(), 1);
}

#[test]
fn the_last_place_for_an_origin_is_kept_for_the_next_start() {
    let mut here = appender(1, 5);
    let mut staged = Staged::default();
    let body = [0x21; 5];
    let mut take = |inc: u64| {
        let (sealed, _) = seal(&mut appender(2, inc), &body, inc);
        if !here.fits(body.len(), false) {
            staged.clear();
        }
        here.stage_verbatim(&sealed.header, &body, Position(0), &mut staged).map(|_| ())
    };
    // One place is this start's own, one the next one's.
    for inc in 1..=(ORIGINS_MAX as u64 - 2) {
        assert_eq!(take(inc), Ok(()), "{inc}");
    }
    assert_eq!(take(u64::MAX), Err(StreamFault::TooMany));
    let (own, _) = seal(&mut here, &body, 1);
    assert_eq!((own.header.first_seq, here.streams().len()), (1, ORIGINS_MAX - 1));
    assert_eq!(here.streams().of(CLUSTER, Origin { node: NodeId(2), inc: Inc(77) }).seq, 1);
}
