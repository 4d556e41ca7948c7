//! Joining by a snapshot, with the commit step, the disk or the link at a standstill.

use super::*;

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
    assert!(!scene.up.is_amid_joining() && !scene.up.is_joining());
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
    assert!(scene.close().is_none() && !scene.up.is_joining());
}
