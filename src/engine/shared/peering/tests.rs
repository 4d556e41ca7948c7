//! The parts between the commit step and the link, each by itself.

use super::Peering;
use super::bell::Bell;
use super::inbox::{Arrived, Inbox};
use super::outbox::{Departing, Next, Outbox};
use super::progress::{Changes, Progress};
use super::standing::Standing;
use crate::app::hosts::Hosts;
use crate::base::batch::BatchHeader;
use crate::base::ids::{Inc, NodeId, Origin, Position, Seq};
use crate::base::limits::{INBOX_BYTES_MAX, OUTBOX_BYTES_MAX};
use crate::base::streams::{Stream, StreamFault, Streams};
use crate::base::vector::VersionVector;

const OWN: Origin = Origin { node: NodeId(1), inc: Inc(7) };
const PEER: Origin = Origin { node: NodeId(2), inc: Inc(9) };

fn header(origin: Origin, first_seq: Seq, body: &[u8]) -> BatchHeader {
    BatchHeader::seal(origin, first_seq, 10, first_seq, 0, body)
}

fn arrived(first_seq: Seq, length: usize) -> Arrived {
    let body = vec![0x11; length];
    Arrived { header: header(PEER, first_seq, &body), body }
}

fn departing(first_seq: Seq, length: usize) -> Departing {
    let body = vec![0x11; length];
    let start = Position(first_seq * 1000);
    Departing {
        header: header(OWN, first_seq, &body),
        body,
        only_short: false,
        start,
        end: Position(start.0 + 500),
    }
}

fn stream(origin: Origin, seq: Seq) -> Stream {
    Stream { origin, seq, chain: seq * 3 }
}

#[test]
fn an_inbox_gives_in_order_what_it_took_and_no_more_than_it_has_room_for() {
    let inbox = Inbox::default();
    let mut first_seq = 1;
    let refused = loop {
        match inbox.push(arrived(first_seq, 500_000)) {
            Ok(()) => first_seq += 10,
            Err(refused) => break refused,
        }
    };
    assert!(inbox.room_bytes() < 500_064 && inbox.room_bytes() + inbox.waiting_bytes() == INBOX_BYTES_MAX);
    assert_eq!(refused.header.first_seq, first_seq, "a batch without room is given back");
    assert_eq!(inbox.take_if(|_| false), None);
    assert_eq!(inbox.take_if(|header| header.first_seq == 1).map(|batch| batch.body.len()), Some(500_000));
    assert!(inbox.push(refused).is_ok());
    for due in (11..=first_seq).step_by(10) {
        assert_eq!(inbox.take_if(|_| true).map(|batch| batch.header.first_seq), Some(due));
    }
    assert_eq!((inbox.take_if(|_| true), inbox.waiting_bytes()), (None, 0));
}

#[test]
fn a_refusal_empties_the_inbox_and_is_reported_once() {
    let inbox = Inbox::default();
    inbox.push(arrived(1, 10)).unwrap();
    inbox.refuse(StreamFault::TooMany);
    assert_eq!((inbox.waiting_bytes(), inbox.take_if(|_| true)), (0, None));
    assert_eq!(inbox.take_refusal(), Some(StreamFault::TooMany));
    assert_eq!(inbox.take_refusal(), None);
}

#[test]
fn an_outbox_gives_what_follows_or_says_that_the_journal_has_it() {
    let outbox = Outbox::default();
    assert_eq!(outbox.take(0), Next::Nothing);
    outbox.pass(10);
    assert_eq!(outbox.take(0), Next::Journal, "sealed before the session began");
    assert_eq!(outbox.take(10), Next::Nothing);
    outbox.open();
    outbox.push(departing(11, 30));
    outbox.push(departing(21, 30));
    assert_eq!(outbox.take(0), Next::Journal, "what lies before is still missing");
    assert_eq!(outbox.take(10), Next::Batch(departing(11, 30)));
    assert_eq!(outbox.take(30), Next::Nothing, "the journal was faster");
    outbox.push(departing(31, 30));
    outbox.close();
    assert!(!outbox.is_open());
    assert_eq!((outbox.take(30), outbox.waiting_bytes()), (Next::Journal, 0));
    assert!(!outbox.is_awaited(), "nobody waits for a commit unless it says so");
    outbox.await_commit();
    assert!(outbox.is_awaited() && !outbox.is_awaited(), "it is called once");
}

#[test]
fn an_outbox_that_overflows_forgets_everything_and_goes_on() {
    let outbox = Outbox::default();
    outbox.open();
    let length = 1_000_000;
    let count = (OUTBOX_BYTES_MAX / length) as u64;
    for batch in 0..=count {
        assert!(outbox.waiting_bytes() <= OUTBOX_BYTES_MAX);
        outbox.push(departing(batch * 10 + 1, length));
    }
    assert_eq!((outbox.waiting_bytes(), outbox.take(0)), (0, Next::Journal));
    let last = (count + 1) * 10;
    assert_eq!(outbox.take(last), Next::Nothing);
    outbox.push(departing(last + 1, 30));
    assert_eq!(outbox.take(last), Next::Batch(departing(last + 1, 30)));
}

#[test]
fn short_batches_in_an_outbox_count_with_all_that_they_take() {
    let outbox = Outbox::default();
    outbox.open();
    outbox.push(departing(1, 10));
    assert!(outbox.waiting_bytes() >= size_of::<Departing>() + 10, "{}", outbox.waiting_bytes());
}

#[test]
fn a_stream_is_durable_when_a_sync_covers_it_and_each_change_is_reported_once() {
    let progress = Progress::new(OWN, Streams::default());
    progress.applied(stream(PEER, 5), Position(100), Position(0));
    progress.applied(stream(OWN, 3), Position(150), Position(0));
    progress.applied(stream(PEER, 9), Position(200), Position(100));
    assert!(progress.owes_sync());
    let changes = progress.take_changes();
    assert_eq!(changes.received, [stream(PEER, 9), stream(OWN, 3)]);
    assert_eq!(changes.durable, [stream(PEER, 5)]);
    assert_eq!(progress.take_changes(), Changes::default());
    progress.synced(Position(199));
    assert_eq!(progress.take_changes().durable, [stream(OWN, 3)]);
    let (received, durable) = progress.begin();
    assert_eq!((received.vector().seq_of(PEER), durable.vector().seq_of(PEER)), (9, 5));
    progress.synced(Position(200));
    progress.applied(stream(OWN, 4), Position(300), Position(0));
    assert!(!progress.owes_sync(), "the peer does not wait for this host's own");
}

#[test]
fn however_many_steps_wait_for_a_sync_nothing_is_durable_early_and_all_is_in_the_end() {
    let progress = Progress::new(OWN, Streams::default());
    for step in 1..=1000 {
        progress.applied(stream(PEER, step), Position(step * 10), Position(0));
    }
    progress.synced(Position(635));
    let seq_of = |changes: Changes| changes.durable.first().map(|stream| stream.seq);
    assert_eq!(seq_of(progress.take_changes()), Some(63));
    progress.synced(Position(9_999));
    assert_eq!(seq_of(progress.take_changes()), None, "one stands for the rest, up to its end");
    progress.synced(Position(10_000));
    assert_eq!(seq_of(progress.take_changes()), Some(1000));
}

#[test]
fn nothing_is_durable_before_a_host_has_joined() {
    let mut starts = Streams::default();
    starts.set(stream(PEER, 20));
    let progress = Progress::new(OWN, Streams::default());
    progress.adopt(&starts);
    progress.applied(stream(PEER, 25), Position(100), Position(0));
    progress.synced(Position(100));
    let changes = progress.take_changes();
    assert_eq!((changes.received, changes.durable), (vec![stream(PEER, 25)], vec![]));
    assert_eq!(progress.begin().1, Streams::default());
    assert!(progress.is_durable(&starts.vector()), "it knows itself");
    progress.joined();
    assert_eq!(progress.take_changes().durable, [stream(PEER, 25)]);
    progress.applied(stream(PEER, 30), Position(200), Position(200));
    assert_eq!(progress.take_changes().durable, [stream(PEER, 30)], "from then on as always");
}

/// The keeper may say that the host has joined with a sync behind it that the disk thread has told long ago.
#[test]
fn what_was_synced_while_a_host_joined_is_durable_at_once() {
    let progress = Progress::new(OWN, Streams::default());
    progress.withhold();
    progress.applied(stream(PEER, 25), Position(100), Position(0));
    progress.synced(Position(300));
    progress.applied(stream(PEER, 30), Position(200), Position(0));
    assert!(progress.take_changes().durable.is_empty());
    progress.joined();
    assert_eq!(progress.take_changes().durable, [stream(PEER, 30)]);
}

#[test]
fn a_new_session_replaces_what_was_known_and_a_lost_one_does_not() {
    let standing = Standing::new(OWN);
    assert!(!standing.is_connected() && standing.own_durable() == 0);
    let vector = |seq| {
        let mut vector = VersionVector::new();
        vector.raise(OWN, seq);
        vector
    };
    assert!(standing.established(NodeId(2), vector(8), vector(5), 100), "who waited for the fifth has it");
    assert!(standing.is_connected() && standing.own_durable() == 5);
    assert!(!standing.acked(OWN, 9, 5, 110), "no more is durable");
    assert!(standing.acked(OWN, 9, 9, 120));
    assert!(!standing.acked(PEER, 4, 4, 130), "nobody waits for another stream");
    standing.away("no route", 140);
    let picture = standing.look();
    assert_eq!((picture.connected, picture.since_us, picture.heard_us), (false, 140, 130));
    assert_eq!((picture.durable.seq_of(OWN), picture.why.as_str()), (9, "no route"));
    standing.away("still no route", 150);
    assert_eq!(standing.look().since_us, 140, "it has been away since then");
    assert!(!standing.established(NodeId(3), vector(0), vector(0), 160));
    assert_eq!((standing.own_durable(), standing.look().durable.seq_of(OWN)), (0, 0), "a new disk is empty");
}

#[test]
fn a_peer_has_been_away_since_it_left() {
    const HOUR_US: u64 = 3_600_000_000;
    let (peering, alone) = (Peering::new(OWN, Streams::default()), Hosts::alone(OWN.node));
    let falls_here =
        |now_us, patience_us| peering.beside(alone.clone(), now_us).falls_here(PEER.node, patience_us);
    assert!(!falls_here(999, 1_000) && falls_here(1_000, 1_000), "one that was never met, since the start");
    peering.standing.established(PEER.node, VersionVector::new(), VersionVector::new(), 5);
    assert!(!falls_here(HOUR_US, 0));
    peering.standing.away("no route", HOUR_US);
    assert!(!falls_here(HOUR_US + 999, 1_000) && falls_here(HOUR_US + 1_000, 1_000));
}

/// Of another member it is not known whether its latest start goes on.
#[test]
fn ends_of_another_member_are_those_before_its_latest_start() {
    let peering = Peering::new(OWN, Streams::default());
    let start = |number| Origin { node: NodeId(77), inc: Inc::of_start(number, 3) };
    for (at, number) in (1..).zip([1, 2, 3]) {
        let stream = Stream { origin: start(number), seq: 9, chain: 1 };
        peering.progress.applied(stream, Position(at), Position(at));
    }
    assert_eq!(peering.durable_ends(NodeId(77)), [1, 2].map(|number| (start(number).inc, 9)));
    assert!(peering.durable_ends(NodeId(78)).is_empty());
    peering.standing.established(NodeId(77), VersionVector::new(), VersionVector::new(), 5);
    assert!(peering.durable_ends(NodeId(77)).is_empty(), "of the peer that is known, or nothing is");
    peering.standing.speaks(start(4).inc);
    assert_eq!(peering.durable_ends(NodeId(77)).len(), 3);
}

#[test]
fn in_a_pause_the_bell_is_silent_about_batches_unless_somebody_waits() {
    let bell = Bell::default();
    bell.listen();
    bell.fall_asleep(true);
    bell.ring_for_batch();
    assert!(!bell.has_rung(true), "the link looks by itself");
    assert!(bell.has_rung(false), "no pause: there is a batch");

    bell.hurry();
    bell.ring_for_batch();
    assert!(bell.has_rung(true), "somebody waits at both");
    assert!(bell.take_hurry() && !bell.take_hurry());

    bell.listen();
    assert!(!bell.has_rung(false));
    bell.fall_asleep(true);
    bell.ring();
    assert!(bell.has_rung(true), "a pause is about batches only");

    bell.listen();
    bell.fall_asleep(false);
    bell.ring_for_batch();
    assert!(bell.has_rung(true), "the link sleeps and is woken");
}

#[test]
fn the_end_calls_the_link_which_then_sees_it() {
    let peering = Peering::new(OWN, Streams::default());
    peering.bell.listen();
    peering.bell.fall_asleep(false);
    assert!(!peering.is_ending() && !peering.bell.has_rung(false));
    peering.end();
    assert!(peering.bell.has_rung(false) && peering.is_ending());
}
