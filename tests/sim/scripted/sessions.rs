//! What a session owes its peer, and what not.

use super::*;

/// A RESYNC is answered at once, not with the next STATE.
#[test]
fn what_the_peer_asks_for_is_sent_again() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    scene.log(&pixel(1));
    scene.carry();
    let batches = |scene: &Scene| scene.said.iter().filter(|kind| **kind == Kind::Batch).count();
    assert_eq!(batches(&scene), 1);
    let resync = message::encode_resync(scene.up.origin(), 1);
    frame::push(&mut scene.aside, Kind::Resync, 0, &[&resync]);
    scene.carry();
    assert_eq!(batches(&scene), 2);
}

/// Both sides' queues are empty when a session begins: they hold a window each, and two windows are more than they may.
#[test]
fn a_session_leaves_nothing_in_the_queues() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    scene.is_frozen = true;
    scene.send(&pixel(1));
    scene.carry();
    assert!(scene.up.peering().inbox.waiting_bytes() > 0);
    let before = scene.stream;
    scene.stream = Stream { seq: 0, chain: first_chain(CLUSTER, PEER), ..before };
    scene.meet(&[Holding { durable: 1, ..scene.held(0, 1) }].map(|held| Holding {
        received: 1,
        chain: before.chain,
        ..held
    }));
    assert_eq!(scene.up.peering().inbox.waiting_bytes(), 0);

    scene.is_frozen = false;
    if let Some(replica) = &mut scene.up.replica {
        replica.lost("a cut", scene.now_us);
    }
    scene.log(&pixel(2));
    assert_eq!(scene.up.peering().outbox.waiting_bytes(), 0, "nobody takes it");
}

/// A peer that lacks something old has most of what follows on it.
#[test]
fn a_turn_passes_over_a_part_of_a_long_journal_only() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    scene.send(&pixel(1));
    scene.carry();
    let many: Vec<u8> = (0..500).flat_map(pixel).collect();
    let end = |scene: &Scene| scene.up.shared.applied.read().position.0;
    while end(&scene) < PEER_PASSED_BYTES + 4_000_000 {
        scene.log(&many);
        scene.keep();
    }
    let own = scene.up.origin();
    let stream = scene.up.peering().progress.begin().0.of(CLUSTER, own);
    let held =
        Holding { origin: own, received: stream.seq, durable: stream.seq, first: 1, chain: stream.chain };
    scene.peer = Session::new(Settings { node: NodeId(11), ..settings(0) }, &[held], scene.now_us);
    scene.up.connect(3, WALL_US, scene.now_us);
    let Some(replica) = &mut scene.up.replica else { panic!("a session") };
    scene.peer.receive(replica.output(), scene.now_us);
    replica.sent(replica.output().len());
    while scene.peer.next_effect(scene.now_us).is_some() {}
    replica.receive(scene.peer.output(), scene.now_us);
    scene.peer.sent(scene.peer.output().len());
    replica.turn(scene.now_us);
    assert_eq!(replica.deadline(), Some(0), "it has not come to the journal's end");
    scene.said.clear();
    scene.carry();
    assert_eq!(scene.said.iter().filter(|kind| **kind == Kind::Batch).count(), 1);
    assert!(scene.up.peering().outbox.is_open(), "now it has");
}

/// Whoever has the peer's key can add records, but not bring this host down with them.
#[test]
fn records_that_no_application_makes_are_taken_and_mean_nothing() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    let mut chance = Chance::new(4);
    for round in 0..4_000_u64 {
        let record = if round % 2 == 0 {
            // A sound one with a few bytes changed behind its head.
            let mut record = scene.up.shared.applied.read().sample(chance.next());
            for _ in 0..chance.below(4) {
                let at = chance.below(record.len() as u64) as usize;
                if at >= RECORD_HEAD_BYTES {
                    record[at] = chance.next() as u8;
                }
            }
            record
        } else {
            let payload: Vec<u8> = (0..chance.below(90)).map(|_| chance.next() as u8).collect();
            let known: Vec<u8> =
                (0..=255).filter(|tag| registry::new_applied().kinds().contains(*tag)).collect();
            let (tag, mut record) = (known[chance.below(known.len() as u64) as usize], Vec::new());
            if !tag::is_short(tag) {
                record::push(&mut record, tag, &payload);
            }
            record
        };
        if record.is_empty() {
            continue;
        }
        let is_one = record::length_of(&record) == Ok(Some(record.len()));
        if !is_one || names_a_blob(&scene.up.shared.applied.read(), &record) {
            continue;
        }
        scene.send(&record);
        if round % 40 == 0 {
            scene.carry();
            scene.keep();
        }
    }
    scene.carry();
    assert_eq!((scene.applied(), scene.close()), (scene.stream.seq, None));
    assert!(scene.stream.seq > 2_000, "{}", scene.stream.seq);
    let again = Up::start(&scene.disk, HOST, Inc(71), Durability::Disk).expect("a start");
    let state = |up: &Up| up.shared.applied.read().digests().expect("runs that read well");
    assert!(state(&again) == state(&scene.up), "what a start makes of them is the same");
}

/// A kind of a later program is no kind here, and passed over it would let two hosts differ for ever.
#[test]
fn a_batch_with_an_unknown_kind_is_refused_by_name_until_this_host_is_upgraded() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    scene.meet(&[]);
    scene.send(&pixel(1));
    scene.carry();
    let mut later = Vec::new();
    record::push(&mut later, 0x7A, b"of a later program");
    let before = scene.stream;
    for _ in 0..2 {
        scene.stream = before;
        scene.send(&later);
        let heard = scene.carry();
        let Some(Effect::Closed(Close::Refused { code: 11, text })) = heard.last() else {
            panic!("{heard:?}")
        };
        let names = format!("record 2 of the stream {PEER} is of the kind 0x7a");
        assert!(text.contains(&names) && text.contains("upgrade that host"), "{text}");
        assert_eq!(scene.applied(), 1, "nothing of it is taken");
        assert!(scene.close().is_some_and(Close::needs_operator));
        scene.meet(&[Holding { received: 1, durable: 1, first: 1, origin: PEER, chain: before.chain }]);
    }
}

/// What the peer understands is known once it has said HELLO, outlasts a restart, and changes with its program.
#[test]
fn what_the_peer_understands_is_known_and_stored() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    let new = [0x7A, 0, 0, 0, 0];
    assert_eq!(scene.up.shared.understanding.admits(&new), Ok(()), "nobody else is there");
    for (kinds, is_admitted) in [
        (Kinds::of(&[0x11]), false),
        (registry::new_applied().kinds().with(&[0x7A]), true),
        (Kinds::FIRST, false),
    ] {
        scene.peer = Session::new(Settings { kinds, ..settings(WALL_US) }, &[], scene.now_us);
        scene.up.connect(2, WALL_US, scene.now_us);
        scene.carry();
        scene.keep();
        let is_known = scene.up.shared.understanding.of(PEER.node).contains(0x7A);
        assert_eq!(is_known, is_admitted);
        let again = Up::start(&scene.disk, HOST, Inc(71), Durability::Disk).expect("a start");
        assert_eq!(again.shared.understanding.of(PEER.node), kinds);
    }
}

/// Its batch would wait for the content.
fn names_a_blob(applied: &Applied, record: &[u8]) -> bool {
    let mut named = false;
    applied.blobs_of_batch(record, &mut |_| named = true);
    named
}

/// Fills segments, and has them removed as if the peer had everything.
fn forget_the_beginning(scene: &mut Scene) {
    let many: Vec<u8> = (0..500).flat_map(pixel).collect();
    while scene.up.shared.reader.segments().len() < 3 {
        scene.log(&many);
        scene.keep();
    }
    scene.log(&pixeld::apps::pixel::state::clear_record());
    let all = scene.up.shared.applied.read().vector.clone();
    scene.up.peering().standing.established(NodeId(8), all.clone(), all, 1);
    scene.up.fold();
    scene.keep();
    assert!(scene.up.oldest_segment() > 1);
}

/// A peer that can't be given what it lacks is made afresh, so what only it has is taken before it is told so.
#[test]
fn a_peer_that_is_left_behind_first_gives_what_it_has() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    forget_the_beginning(&mut scene);
    let start = scene.stream;
    let records = [pixel(1), pixel(2), pixel(3)];
    records.iter().for_each(|record| {
        let header = BatchHeader::seal(PEER, scene.stream.seq + 1, 1, WALL_US, scene.stream.chain, record);
        scene.stream = Stream { origin: PEER, seq: header.last_seq(), chain: header.chain };
    });
    let held = scene.held(3, 1);
    let heard = scene.meet(&[held]);
    assert!(!heard.iter().any(|effect| matches!(effect, Effect::Closed(_))), "{heard:?}");
    scene.stream = start;
    for record in &records {
        let Stream { seq, chain, .. } = scene.stream;
        let header = BatchHeader::seal(PEER, seq + 1, 1, WALL_US, chain, record);
        scene.peer.send_batch(&header, record);
        scene.stream = Stream { origin: PEER, seq: seq + 1, chain: header.chain };
    }
    let heard = scene.carry();
    let Some(Effect::Closed(Close::Refused { code: 7, text })) = heard.last() else { panic!("{heard:?}") };
    assert!(text.contains("pixeld init --join") && text.contains("was taken from it before"), "{text}");
    assert_eq!(scene.applied(), 3);
    assert!(!scene.said.contains(&Kind::Batch), "nothing is sent to it");
}

/// Where neither can be helped neither waits for the other one.
#[test]
fn two_that_left_each_other_behind_are_refused() {
    let mut scene = Scene::new(&SimDisk::new(), Durability::Disk);
    forget_the_beginning(&mut scene);
    scene.stream.seq = 3;
    let heard = scene.meet(&[scene.held(3, 4)]);
    let Some(Effect::Closed(Close::Refused { code: 7, text })) = heard.last() else { panic!("{heard:?}") };
    assert!(text.contains("keep its old data directory"), "{text}");
}
