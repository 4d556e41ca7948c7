//! What two sessions that keep the rules say to each other.

use super::*;

fn receipt(origin: Origin, received: Seq, durable: Seq) -> Effect {
    Effect::Receipts(vec![Receipt { origin, received, durable }])
}

#[test]
fn they_meet_and_exchange_what_they_have() {
    let mut mine = Maker::new(origin(1, 3));
    let mut theirs = Maker::new(origin(2, 20));
    mine.next(4);
    theirs.next(6);
    let held = [Holding { first: 3, durable: 2, ..mine.held() }];
    let (a, b) = pair(&held, &[theirs.held()]);
    let receipt = Receipt { origin: mine.origin, received: 4, durable: 2 };
    assert_eq!((b.peer_has(mine.origin), b.peer_first(mine.origin)), (receipt, 3));
    assert_eq!(a.peer_has(theirs.origin).received, 6);
    assert_eq!((a.peer_first(origin(2, 8)), a.shipped(origin(2, 8))), (0, 0));
    assert_eq!(a.peer().unwrap().version, 1);
}

#[test]
fn a_batch_is_taken_committed_and_acknowledged() {
    let (mut a, mut b) = pair(&[], &[]);
    let mut maker = Maker::new(origin(1, 10));
    let (header, body) = maker.next(3);
    a.hold(&maker.held(), MS);
    assert!(a.may_send(body.len()));
    a.send_batch(&header, &body);
    assert_eq!(a.unacked_bytes(), 94);
    assert_eq!(carry(&mut a, &mut b, MS), [Effect::Take { header, body }]);
    assert_eq!((b.taken(maker.origin), a.shipped(maker.origin)), (3, 3));
    assert_eq!(kinds(b.output()), [], "nothing is acknowledged before it is committed");

    // Committed, and later synced: each is told once, the sync at once.
    b.hold(&Holding { durable: 0, ..maker.held() }, 2 * MS);
    assert_eq!(carry(&mut b, &mut a, 2 * MS), [receipt(maker.origin, 3, 0)]);
    assert_eq!((a.peer_has(maker.origin).received, a.peer_has(maker.origin).durable), (3, 0));
    assert_eq!(a.unacked_bytes(), 0);
    b.hold(&maker.held(), 2 * MS + 1);
    assert_eq!(carry(&mut b, &mut a, 2 * MS + 1), [receipt(maker.origin, 3, 3)]);
    assert_eq!(a.peer_has(maker.origin).durable, 3);
    b.hold(&maker.held(), 9 * MS);
    assert_eq!(kinds(b.output()), [], "what is no news is not told");
}

#[test]
fn acknowledgements_of_what_is_not_durable_are_paced() {
    let (mut a, mut b) = pair(&[], &[]);
    let mut maker = Maker::new(origin(1, 10));
    let mut commit = |a: &mut Session, b: &mut Session, count: u32, now_us: u64| {
        let (header, body) = maker.next(count);
        a.send_batch(&header, &body);
        assert_eq!(carry(a, b, now_us).len(), 1);
        b.hold(&Holding { durable: 0, ..maker.held() }, now_us);
        kinds(b.output()).len()
    };
    assert_eq!(commit(&mut a, &mut b, 1, 5 * MS), 1);
    b.sent(b.output().len());
    assert_eq!(commit(&mut a, &mut b, 1, 5 * MS + 100), 0, "the last one is not 1 ms ago");
    assert_eq!(b.deadline(), Some(6 * MS));
    b.tick(6 * MS - 1);
    assert_eq!(kinds(b.output()), []);
    b.tick(6 * MS);
    assert_eq!(kinds(b.output()), [Kind::Ack]);
    b.sent(b.output().len());
    assert_eq!(commit(&mut a, &mut b, 6_500, 6 * MS + 1), 0);
    assert_eq!(commit(&mut a, &mut b, 50, 6 * MS + 2), 1, "64 KiB don't wait");
}

#[test]
fn no_more_than_the_window_is_under_way() {
    let (mut a, mut b) = pair(&[], &[]);
    let mut maker = Maker::new(origin(1, 10));
    let mut sent = 0;
    let mut taken = 0;
    while a.may_send(1_000_000) {
        let (header, body) = maker.next(100_000);
        a.send_batch(&header, &body);
        sent += body.len() + 64;
        taken += carry(&mut a, &mut b, MS).len();
        assert!(sent <= PEER_WINDOW_BYTES && taken * 1_000_064 == sent);
    }
    assert_eq!(taken, 8);
    assert!(a.may_send(100_000), "a smaller one still has a place");
    b.hold(&maker.held(), MS);
    carry(&mut b, &mut a, MS);
    assert!(a.may_send(1_000_000));
}

#[test]
fn a_slow_connection_holds_batches_back_and_not_its_acknowledgements() {
    let (mut a, mut b) = pair(&[], &[]);
    let (mut mine, mut theirs) = (Maker::new(origin(1, 10)), Maker::new(origin(2, 20)));
    let (header, body) = mine.next(30_000);
    a.send_batch(&header, &body);
    assert!(!a.may_send(10) && !a.has_room());
    let (header, body) = theirs.next(1);
    b.send_batch(&header, &body);
    carry(&mut b, &mut a, MS);
    a.hold(&theirs.held(), MS);
    assert_eq!(kinds(a.output()), [Kind::Batch, Kind::Ack]);
    a.sent(200_000);
    assert!(a.may_send(10));
}

#[test]
fn a_gap_is_asked_for_once_and_sent_again() {
    let (mut a, mut b) = pair(&[], &[]);
    let mut maker = Maker::new(origin(1, 10));
    let batches = [2, 3, 4].map(|count| maker.next(count));
    for (header, body) in &batches[1..] {
        a.send_batch(header, body);
    }
    assert_eq!(carry(&mut a, &mut b, MS), []);
    assert_eq!(kinds(b.output()), [Kind::Resync]);
    let from = Effect::SendFrom { origin: maker.origin, seq: 1 };
    assert_eq!(carry(&mut b, &mut a, MS), [from]);
    assert_eq!((a.unacked_bytes(), a.shipped(maker.origin)), (0, 0));
    for (header, body) in &batches {
        a.send_batch(header, body);
    }
    assert_eq!(carry(&mut a, &mut b, MS).len(), 3);
    b.hold(&maker.held(), MS);
    carry(&mut b, &mut a, MS);
    assert_eq!(a.unacked_bytes(), 0);
}

#[test]
fn a_batch_that_is_there_already_is_acknowledged_and_nothing_else() {
    let mut maker = Maker::new(origin(3, 3));
    let (header, body) = maker.next(2);
    let (mut a, mut b) = pair(&[maker.held()], &[maker.held()]);
    a.send_batch(&header, &body);
    assert_eq!(carry(&mut a, &mut b, MS), []);
    assert_eq!(carry(&mut b, &mut a, MS), [receipt(maker.origin, 2, 2)]);
    assert_eq!(a.unacked_bytes(), 0);
}

#[test]
fn a_lost_tail_of_an_earlier_start_is_taken_back() {
    let mut maker = Maker::new(origin(1, 9));
    maker.next(2);
    let kept = maker.held();
    let (header, body) = maker.next(5);
    let (mut a, mut b) = pair(&[kept], &[maker.held()]);
    assert_eq!(b.peer_has(maker.origin).received, 2);
    b.send_batch(&header, &body);
    assert_eq!(carry(&mut b, &mut a, MS), [Effect::Take { header, body }]);
}

#[test]
fn silence_is_noticed_and_heartbeats_break_it() {
    let (mut a, mut b) = pair(&[], &[]);
    assert_eq!(a.deadline(), Some(PEER_PING_EVERY_US));
    let mut now_us = 0;
    for _ in 0..40 {
        now_us += PEER_PING_EVERY_US;
        a.tick(now_us);
        b.tick(now_us);
        carry(&mut a, &mut b, now_us + 70);
        carry(&mut b, &mut a, now_us + 170);
        assert_eq!(a.presence(now_us + 200), Presence::Here);
        assert_eq!(a.rtt_us(), Some(170));
    }
    let last_us = a.heard_us();
    assert_eq!(a.presence(last_us + PEER_SUSPECT_US), Presence::Suspect);
    a.tick(last_us + PEER_DEAD_US - 1);
    assert!(!a.is_closed());
    a.tick(last_us + PEER_DEAD_US);
    assert_eq!(effects(&mut a, last_us + PEER_DEAD_US), [Effect::Closed(Close::Silent)]);
    assert_eq!((a.deadline(), a.presence(0)), (None, Presence::Gone));
    assert_eq!(effects(&mut a, last_us + PEER_DEAD_US), []);
}

#[test]
fn the_state_is_sent_every_ten_seconds() {
    let (mut a, mut b) = pair(&[], &[]);
    let mut states = Vec::new();
    for now_us in (0..=2 * PEER_STATE_EVERY_US).step_by(250_000) {
        a.tick(now_us);
        b.tick(now_us);
        let heard = carry(&mut a, &mut b, now_us);
        states.extend(heard.contains(&Effect::State).then_some(now_us));
        carry(&mut b, &mut a, now_us);
    }
    assert_eq!(states, [PEER_STATE_EVERY_US, 2 * PEER_STATE_EVERY_US]);
}

#[test]
fn who_does_not_greet_is_left() {
    let mut a = Session::new(settings(1, 10), &[], 500);
    assert_eq!(a.presence(500), Presence::Unknown);
    assert_eq!(a.deadline(), Some(500 + PEER_HELLO_US));
    a.tick(500 + PEER_HELLO_US);
    assert_eq!(effects(&mut a, 500 + PEER_HELLO_US), [Effect::Closed(Close::NoHello)]);
    assert_eq!(kinds(a.output()), [Kind::Hello, Kind::Error]);

    // A HELLO without a STATE behind it isn't enough.
    let (mut a, b) = (Session::new(settings(1, 10), &[], 0), Session::new(settings(2, 20), &[], 0));
    a.receive(b.output(), MS);
    assert_eq!(effects(&mut a, MS), []);
    assert!(a.peer().is_none() && !a.may_send(10));
    a.tick(MS + PEER_DEAD_US);
    assert_eq!(effects(&mut a, MS + PEER_DEAD_US), [Effect::Closed(Close::NoHello)]);
}

#[test]
fn who_is_refused_by_its_state_was_never_met() {
    let mut maker = Maker::new(origin(1, 3));
    maker.next(4);
    let copied = Holding { chain: !maker.chain, ..maker.held() };
    let mut a = Session::new(settings(1, 10), &[maker.held()], 0);
    let mut b = Session::new(settings(2, 20), &[copied], 0);
    carry(&mut a, &mut b, 0);
    let heard = carry(&mut b, &mut a, 0);
    assert!(close_of(&heard).needs_operator() && a.peer().is_none(), "{heard:?}");
}

#[test]
fn a_peer_that_takes_nothing_costs_no_turns() {
    let (mut a, mut b) = pair(&[], &[]);
    b.tick(PEER_PING_EVERY_US);
    carry(&mut b, &mut a, PEER_PING_EVERY_US);
    let piece = vec![0; PEER_PIECE_BYTES];
    while a.output().len() < PEER_OUTPUT_BYTES_MAX {
        a.send_blob(&BlobId([1; 32]), 1 << 28, 0, &piece);
    }
    let (waiting, dead_us) = (a.output().len(), PEER_PING_EVERY_US + PEER_DEAD_US);
    a.tick(dead_us - 1);
    assert_eq!(
        (a.output().len(), a.deadline()),
        (waiting, Some(dead_us)),
        "nothing is due that can't be said"
    );
    a.sent(waiting - 10);
    assert!(a.deadline() < Some(dead_us));
    a.tick(dead_us - 1);
    assert!(a.output().len() > 10);
}

#[test]
fn a_parting_is_sent_and_heard() {
    let (mut a, mut b) = pair(&[], &[]);
    a.leave(ByeCode::Stopping);
    let heard = carry(&mut a, &mut b, MS);
    let text = "this host stops".to_owned();
    assert_eq!(heard, [Effect::Closed(Close::Bye { code: 1, text })]);
    assert_eq!(effects(&mut a, MS), [Effect::Closed(Close::Left(ByeCode::Stopping))]);
    assert!(b.output().is_empty() && !close_of(&heard).needs_operator());

    let (mut a, mut b) = pair(&[], &[]);
    a.refuse_range(origin(2, 1), 9, Rest::Taken(Some((origin(2, 1), 77))));
    let heard = carry(&mut a, &mut b, MS);
    let Close::Refused { code, text } = close_of(&heard) else { panic!("{heard:?}") };
    assert_eq!(*code, ErrorCode::RangeGone as u16);
    for words in ["records 9 and up", "pixeld init --join", "was taken from it before, up to record 77"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(close_of(&heard).needs_operator());
}

#[test]
fn two_that_are_joining_say_so_by_name() {
    let joining = |node| Settings { is_joining: true, ..settings(node, 10) };
    let (mut a, mut b) = (Session::new(joining(1), &[], 0), Session::new(joining(2), &[], 0));
    let heard = carry(&mut a, &mut b, 0);
    let Close::Violation(violation) = close_of(&heard) else { panic!("{heard:?}") };
    assert_eq!(*violation, Violation::BothJoining { theirs: NodeId(1), ours: NodeId(2) });
    assert!(close_of(&heard).needs_operator());
    // One that has joined may give everything.
    let (mut a, mut b) = (Session::new(joining(1), &[], 0), Session::new(settings(2, 20), &[], 0));
    carry(&mut a, &mut b, 0);
    assert!(matches!(carry(&mut b, &mut a, 0)[..], [Effect::Established(_)]));
}

#[test]
fn a_state_of_many_streams_takes_several_frames() {
    let streams: u64 = 25_000;
    let held: Vec<Holding> = (0..streams)
        .map(|inc| {
            let origin = origin(5, inc);
            Holding { origin, received: inc + 1, durable: inc, first: 1, chain: inc }
        })
        .collect();
    let (a, b) = pair(&held, &[]);
    assert_eq!(b.peer_receipts().filter(|receipt| receipt.received > 0).count() as u64, streams);
    assert_eq!(b.peer_has(origin(5, streams - 1)).received, streams);
    drop(a);
    let mut alone = Session::new(settings(1, 10), &held, 0);
    alone.receive(Session::new(settings(2, 20), &[], 0).output(), 0);
    assert_eq!(effects(&mut alone, 0), []);
    assert_eq!(kinds(alone.output()), [Kind::Hello, Kind::State, Kind::State]);
}

#[test]
fn a_snapshot_goes_to_an_empty_host_only_and_batches_follow_it() {
    let empty = Settings { is_empty: true, ..settings(2, 20) };
    let mut maker = Maker::new(origin(1, 9));
    maker.next(5);
    let mut starts = Streams::default();
    starts.set(crate::base::streams::Stream { origin: maker.origin, seq: maker.seq, chain: maker.chain });
    let (header, body) = maker.next(2);

    let mut a = Session::new(settings(1, 10), &[Holding { first: 6, ..maker.held() }], 0);
    let mut b = Session::new(empty, &[], 0);
    carry(&mut a, &mut b, 0);
    let met = carry(&mut b, &mut a, 0);
    assert!(matches!(met[..], [Effect::Established(Peer { is_empty: true, .. })]), "{met:?}");
    carry(&mut a, &mut b, 0);
    assert_eq!(b.peer_first(maker.origin), 6);

    a.begin_snapshot(&starts);
    a.send_snapshot(7, 0, b"snap");
    a.send_snapshot(7, 4, b"lot");
    a.send_batch(&header, &body);
    let part = |offset, bytes: &[u8]| Effect::SnapshotPart { total: 7, offset, bytes: bytes.to_vec() };
    let expected = [
        Effect::SnapshotBegins { starts: starts.clone() },
        part(0, b"snap"),
        part(4, b"lot"),
        Effect::Take { header, body },
    ];
    assert_eq!(carry(&mut a, &mut b, 0), expected);
    b.hold(&maker.held(), MS);
    carry(&mut b, &mut a, MS);
    assert_eq!((a.unacked_bytes(), a.peer_has(maker.origin).durable), (0, 7));

    a.begin_snapshot(&starts);
    let Close::Violation(violation) = close_of(&carry(&mut a, &mut b, MS)).clone() else { panic!() };
    assert_eq!(violation.to_string(), "a SNAP although this host is not empty");
}

#[test]
fn blobs_come_whole_and_in_order_before_their_batch() {
    let (mut a, mut b) = pair(&[], &[]);
    let content = b"a picture";
    let hash = BlobId(crate::base::sha256::sha256(content));
    b.want(&hash);
    assert_eq!(carry(&mut b, &mut a, MS), [Effect::BlobWanted(hash)]);
    a.send_blob(&hash, 9, 0, &content[..4]);
    a.send_blob(&hash, 9, 4, &content[4..]);
    a.send_blob_gone(&BlobId([1; 32]));
    let piece = |offset, bytes: &[u8]| Effect::Blob { id: hash, total: 9, offset, bytes: bytes.to_vec() };
    let expected = [piece(0, b"a pi"), piece(4, b"cture"), Effect::BlobGone(BlobId([1; 32]))];
    assert_eq!(carry(&mut a, &mut b, MS), expected);
}
