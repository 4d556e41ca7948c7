//! Folded streams in a STATE and a SNAP: equal sets are taken as equal, and everything else is refused.

use super::*;
use crate::base::folds::{Fold, StreamEnd};
use crate::base::tag;
use crate::peer::message::{FLAG_FOLDS, FLAG_MORE};

/// A session of a host that knows folds; its node is 1 or 2.
fn session(node: u64, held: &[Holding], folds: &Folds) -> Session {
    Session::new(knowing(node), held, 0).with_folds(folds.clone())
}

fn knowing(node: u64) -> Settings {
    let settings = settings(node, 10 * node);
    Settings { kinds: settings.kinds.with(&[tag::ENDS_HELD, tag::STREAMS_FOLDED]), ..settings }
}

/// Four earlier starts of node 1, each with one batch.
fn earlier() -> Vec<Holding> {
    let starts = (1..=4).map(|number| Origin { node: NodeId(1), inc: Inc::of_start(number, 7) });
    let batches = starts.map(|origin| {
        let mut maker = Maker::new(origin);
        maker.next(3);
        maker.held()
    });
    batches.collect()
}

/// The folds of a host that has folded these, for which it has waited for `hosts`.
fn folds(of: &[Holding], hosts: &[u64]) -> Folds {
    let end = |held: &Holding| StreamEnd { inc: held.origin.inc, seq: held.received, chain: held.chain };
    let by = Origin { node: NodeId(1), inc: Inc::of_start(9, 7) };
    let hosts = hosts.iter().map(|node| NodeId(*node)).collect();
    let mut folds = Folds::default();
    folds.fold(&Fold { by, hosts, starts: of.iter().map(end).collect() }, |_| true);
    folds
}

/// Has both meet; gives how each of them has ended, if it has.
fn meet(a: &mut Session, b: &mut Session) -> [Option<Close>; 2] {
    carry(a, b, 0);
    let found = [carry(b, a, 0), carry(a, b, 0)];
    // What the second one says to the first one's STATE.
    let last = carry(b, a, 0);
    let close = |found: &[Effect]| match found.last() {
        Some(Effect::Closed(close)) => Some(close.clone()),
        _ => None,
    };
    [close(&last).or_else(|| close(&found[0])), close(&found[1])]
}

/// Meets with what node 2 has; gives the ERROR that was said, and its words.
fn refusal(b: &mut Session, hosts: &[u64]) -> Option<(u16, String)> {
    let mut a = session(1, &[], &folds(&earlier(), hosts));
    let ends = meet(&mut a, b);
    match ends {
        [None, None] => None,
        [Some(Close::Violation(violation)), _] | [_, Some(Close::Violation(violation))] => {
            Some((violation.code() as u16, violation.to_string()))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_one_has_folded_and_the_other_names_with_the_same_ends_is_equal() {
    let named = earlier();
    let (mut a, mut b) = (session(1, &[], &folds(&named, &[2])), session(2, &named, &Folds::default()));
    assert_eq!(meet(&mut a, &mut b), [None, None]);
    for held in &named {
        assert_eq!((a.shipped(held.origin), b.shipped(held.origin)), (Seq::MAX, Seq::MAX));
        assert_eq!(b.peer_has(held.origin).durable, held.received, "nothing of it goes back");
        assert!(a.is_folded(held.origin) && b.has_peer_folded(held.origin) && !b.is_folded(held.origin));
    }
    assert_eq!(a.peer_receipts().filter(|receipt| receipt.received > 0).count(), 0);
    // The next STATE says the same, and is taken.
    let later = PEER_STATE_EVERY_US + MS;
    [&mut a, &mut b].into_iter().for_each(|session| session.excuse_silence(later));
    b.tick(later);
    assert!(carry(&mut b, &mut a, later).contains(&Effect::State));
    a.tick(later);
    assert!(carry(&mut a, &mut b, later).contains(&Effect::State));
}

#[test]
fn so_are_equal_folds() {
    let folds = folds(&earlier(), &[]);
    assert_eq!(refusal(&mut session(2, &[], &folds), &[2]), None);
}

#[test]
fn one_that_has_less_is_behind_a_fold() {
    let behind = |named: &[Holding], folds: &Folds| {
        let (code, text) = refusal(&mut session(2, named, folds), &[2]).expect("refused");
        assert!(text.contains("Nothing was taken") && text.contains("pixeld init --join"), "{text}");
        code
    };
    let code = ErrorCode::RangeGone as u16;
    let mut named = earlier();
    assert_eq!(behind(&named[..3], &Folds::default()), code, "a start is missing");
    assert_eq!(behind(&[], &Folds::default()), code, "all are");
    assert_eq!(behind(&named[..1], &folds(&named[1..3], &[])), code, "one of them is");
    named[2].received -= 1;
    named[2].durable -= 1;
    assert_eq!(behind(&named, &Folds::default()), code, "the end of one is missing");
    let mut named = earlier();
    named[1].chain ^= 1;
    assert_eq!(behind(&named, &Folds::default()), code, "another history");
    // The other way round: this host is the one that lacks.
    let mut a = session(1, &earlier()[..3], &Folds::default());
    let ends = meet(&mut a, &mut session(2, &[], &folds(&earlier(), &[1])));
    assert!(ends.iter().flatten().any(|close| close.needs_operator()), "{ends:?}");
}

#[test]
fn one_that_was_not_waited_for_is_refused_although_it_has_all() {
    let (code, text) = refusal(&mut session(2, &earlier(), &Folds::default()), &[3]).expect("refused");
    assert_eq!(code, ErrorCode::RangeGone as u16);
    assert!(text.contains("pixeld forget-peer"), "{text}");
}

#[test]
fn a_program_that_knows_no_folds_is_refused_by_name() {
    let mut old = Session::new(settings(2, 20), &earlier(), 0);
    let (code, text) = refusal(&mut old, &[2]).expect("refused");
    assert_eq!(code, ErrorCode::UnknownKind as u16);
    assert!(text.contains("upgrade that host"), "{text}");
}

#[test]
fn a_host_that_joins_gets_the_rest_of_what_the_first_one_has_folded() {
    let mut named = earlier();
    named.truncate(2);
    named[1].received -= 1;
    named[1].durable = 0;
    let joining = Settings { is_joining: true, ..knowing(2) };
    let mut a = session(1, &[], &folds(&earlier(), &[2]));
    let mut b = Session::new(joining, &named, 0);
    assert_eq!(meet(&mut a, &mut b), [None, None]);
    assert_eq!(earlier().iter().map(|held| a.shipped(held.origin)).collect::<Vec<_>>(), [3, 2, 0, 0]);
    assert!(a.lacked_fold(&folds(&earlier(), &[2])).is_some());
}

#[test]
fn a_snapshot_may_begin_behind_folds() {
    let starts = Streams::default().with_folds(folds(&earlier(), &[2]));
    let empty = Settings { is_empty: true, is_joining: true, ..knowing(2) };
    let (mut a, mut b) = (session(1, &[], starts.folds()), Session::new(empty, &[], 0));
    assert_eq!(meet(&mut a, &mut b), [None, None]);
    a.begin_snapshot(&starts);
    a.send_snapshot(1, 0, b"s");
    let found = carry(&mut a, &mut b, 0);
    assert!(found.contains(&Effect::SnapshotBegins { starts: starts.clone() }), "{found:?}");
    assert_eq!((a.lacked_fold(starts.folds()), b.is_folded(earlier()[0].origin)), (None, true));
}

#[test]
fn folded_streams_stand_at_the_beginning_of_a_state() {
    let folds = message::encode_folds(&folds(&earlier(), &[]));
    let state = message::encode_state(&[]);
    for (frames, why) in [
        (vec![(FLAG_FOLDS, &folds)], "at its beginning"),
        (vec![(FLAG_FOLDS | FLAG_MORE, &folds), (FLAG_FOLDS | FLAG_MORE, &folds)], "at its beginning"),
        (vec![(FLAG_FOLDS | FLAG_MORE, &state)], "of another form"),
    ] {
        let mut a = session(1, &[], &Folds::default());
        let mut bytes = session(2, &[], &Folds::default()).output().to_vec();
        for (flags, payload) in frames {
            frame::push(&mut bytes, Kind::State, flags, &[payload]);
        }
        a.receive(&bytes, 0);
        let found = effects(&mut a, 0);
        assert!(close_of(&found).to_string().contains(why), "{found:?}");
    }
}
