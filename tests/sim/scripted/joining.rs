//! Joining by a snapshot, with the commit step, the disk or the link at a standstill.

use super::*;
use pixeld::engine::shared::peering::joining::Join;

/// The next connection brings another snapshot, maybe of another host.
#[test]
fn an_offer_goes_with_its_connection() {
    let mut scene = Scene::newcomer(Durability::Disk, Vec::new());
    assert!(scene.up.peering().joining.is_offered());
    if let Some(replica) = &mut scene.up.replica {
        replica.lost("a cut", scene.now_us);
    }
    assert!(!scene.up.peering().joining.is_offered() && !scene.up.is_amid_joining());

    scene.is_frozen = false;
    scene.meet(&[scene.held(5, 6)]);
    scene.keep();
    scene.carry();
    assert!(!scene.up.is_joining() && scene.applied() == 5);
}

/// The mark that wipes a broken joining goes when a power cut can't take anything back any more.
#[test]
fn a_host_has_joined_when_its_journal_is_on_the_disk() {
    let mut scene = Scene::newcomer(Durability::Memory, vec![pixel(1)]);
    assert_eq!(scene.applied(), 6);
    scene.keep();
    assert!(scene.up.is_amid_joining(), "nothing is synced");
    scene.is_frozen = false;
    scene.commit();
    scene.keep();
    assert!(!scene.up.is_amid_joining());
    scene.carry();
    assert!(!scene.up.is_joining());
}

/// The goal is what the first host had when the two met: what a host has to have does not move with what the first one
/// takes meanwhile, nor with a start of this one.
#[test]
fn a_host_has_joined_when_it_has_what_the_first_one_had_when_they_met() {
    let disk = SimDisk::new();
    newcomer::mark(&disk).expect("a mark");
    let mut scene = Scene::new(&disk, Durability::Disk);
    let batches = three_batches(&mut scene);
    let held = [scene.held(3, 1)];
    scene.meet(&held);
    for (at, (header, record)) in batches.iter().enumerate() {
        assert!(scene.up.is_joining(), "{at} of three are here");
        scene.peer.send_batch(header, record);
        let heard = scene.carry();
        let calls_durable = |effect: &Effect| {
            let Effect::Receipts(receipts) = effect else { return false };
            receipts.iter().any(|receipt| receipt.origin == PEER && receipt.durable > 0)
        };
        let is_reported = heard.iter().any(calls_durable);
        assert!(at == 2 || !is_reported, "nothing is called durable before");
        if at == 1 {
            // A restart goes on towards the same goal, with nobody there.
            scene.up = Up::start(&disk, HOST, Inc(71), Durability::Disk).expect("a start");
            scene.keep();
            assert!(scene.up.is_joining() && scene.applied() == 2);
            assert_eq!(scene.up.peering().progress.begin().1, Streams::default());
            // One that has nothing to give any more moves nothing.
            scene.meet(&held);
            assert_eq!(scene.peer.peer_has(PEER).received, 2);
        }
    }
    // The first PONG comes after half a second.
    for _ in 0..10 {
        scene.carry();
    }
    assert!(!scene.up.is_joining());
    assert!(!newcomer::is_marked(&scene.disk).expect("a sound disk"));
}

/// At `memory` a crash takes the end of the first host's stream, which nobody makes again: what is left is the goal then.
#[test]
fn what_the_first_host_has_lost_is_not_waited_for() {
    let disk = SimDisk::new();
    newcomer::mark(&disk).expect("a mark");
    let mut scene = Scene::new(&disk, Durability::Disk);
    let batches = three_batches(&mut scene);
    let held = [scene.held(0, 1)];
    scene.meet(&held);
    scene.peer.send_batch(&batches[0].0, &batches[0].1);
    scene.carry();
    // Its next start has two of the three.
    let chain = batches[1].0.chain;
    let held = [Holding { origin: PEER, received: 2, durable: 2, first: 1, chain }];
    let next = Settings { inc: Inc(91), ..settings(WALL_US) };
    scene.peer = Session::new(next, &held, scene.now_us);
    scene.up.connect(2, WALL_US, scene.now_us);
    for _ in 0..10 {
        scene.carry();
    }
    assert!(scene.close().is_none() && scene.up.is_joining(), "it lacks the second record");
    let kept = newcomer::load(&scene.disk).expect("a sound disk").and_then(|mark| mark.goal);
    assert_eq!(kept.map(|goal| goal.seq_of(PEER)), Some(2));
    scene.peer.send_batch(&batches[1].0, &batches[1].1);
    for _ in 0..10 {
        scene.carry();
    }
    assert!(!scene.up.is_joining() && scene.applied() == 2);
}

/// A host may come to have records between the question for a snapshot and its arrival: they are worth more.
#[test]
fn a_host_that_has_written_something_takes_no_snapshot() {
    let disk = SimDisk::new();
    let mut scene = Scene::new(&disk, Durability::Disk);
    scene.log(&pixel(1));
    let has = |scene: &Scene| scene.up.shared.applied.read().vector.clone();
    let before = has(&scene);
    assert_eq!(before.seq_of(scene.up.origin()), 1);
    let mut streams = Streams::default();
    streams.set(Stream { origin: PEER, seq: 5, chain: first_chain(CLUSTER, PEER) });
    let (starts, sections) = (streams.clone(), registry::new_applied().sections());
    let (position, time_us) = (Position(1_000_000), 1);
    let snapshot = Snapshot { cluster: CLUSTER, node: PEER.node, position, time_us, streams, sections };
    let join = Join { starts, snapshot, blobs: Vec::new(), runs: Vec::new() };
    scene.up.peering().joining.offer(Arc::new(disk), join);
    scene.up.commit_arrived(WALL_US);
    scene.commit();
    let outcome = scene.up.peering().joining.take_outcome();
    assert!(matches!(&outcome, Some(Err(why)) if why.contains("has written something")), "{outcome:?}");
    assert_eq!(has(&scene), before);
}

/// The first host has three records: the batches of its stream.
fn three_batches(scene: &mut Scene) -> Vec<(BatchHeader, Vec<u8>)> {
    let mut batches = Vec::new();
    for seq in 0..3 {
        let record = pixel(seq as i32);
        let header = BatchHeader::seal(PEER, seq + 1, 1, WALL_US + seq, scene.stream.chain, &record);
        scene.stream = Stream { origin: PEER, seq: seq + 1, chain: header.chain };
        batches.push((header, record));
    }
    batches
}

/// Requests are refused while a host joins; the records of its own threads are not, and a crash would take them along with
/// everything else.
#[test]
fn a_host_that_joins_commits_nothing_of_its_own() {
    let mut scene = Scene::newcomer(Durability::Disk, vec![pixel(1), pixel(2)]);
    // Of the two records that the snapshot covers only one has come.
    let late = scene.withheld.take().expect("the last record");
    scene.is_frozen = false;
    scene.commit();
    scene.carry();
    assert!(scene.up.is_amid_joining());
    scene.log(&pixel(3));
    scene.carry();
    assert_eq!(scene.up.committed, 0, "it waits in its lane");
    scene.send(&late);
    scene.carry();
    scene.keep();
    assert_eq!((scene.up.is_amid_joining(), scene.up.durable), (false, 1));
}

/// A large snapshot takes its time to become the state.
#[test]
fn who_does_not_read_for_a_while_does_not_call_its_peer_silent() {
    let mut scene = Scene::newcomer(Durability::Disk, Vec::new());
    for _ in 0..40 {
        scene.now_us += SECOND / 2;
        if let Some(replica) = &mut scene.up.replica {
            assert!(!replica.wants_input());
            replica.turn(scene.now_us);
        }
    }
    assert_eq!(scene.close(), None);
    scene.is_frozen = false;
    scene.commit();
    scene.peer.excuse_silence(scene.now_us);
    scene.carry();
    scene.keep();
    scene.carry();
    assert!(scene.close().is_none() && !scene.up.is_joining());
}
