//! The board's messages, in memory.

use super::*;
use crate::app::trimming::Trimmed;

const ONE: Origin = Origin { node: NodeId(1), inc: Inc(1) };

fn post(id: u64, blob: u8) -> Vec<u8> {
    let (name, message) = ("a.png".to_owned(), format!("message {id}"));
    let (blob, kind) = (BlobId([blob; 32]), Kind::Png);
    Post { id, uuid: [id as u8; 16], blob, kind, size_bytes: 9, name, message }.record()
}

fn at(seq: Seq) -> Entry {
    Entry { origin: ONE, seq, time_us: seq * 1_000_000 }
}

#[test]
fn newest_first_below_a_number_and_by_name() {
    let mut state = BoardState::default();
    for seq in 1..=7 {
        state.apply(&at(seq), &post(seq, 1));
    }
    let ids = |before| state.newest(before).map(|(key, _)| key.id).collect::<Vec<_>>();
    assert_eq!(ids(u64::MAX), [7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(ids(3), [2, 1]);
    assert_eq!(state.message(4).map(|(_, message)| &*message.post.message), Some("message 4"));
    assert!(state.message(8).is_none() && state.message(0).is_none() && state.message(u64::MAX).is_none());
    assert!(state.picture([3; 16], "a.png").is_some());
    assert!(state.picture([3; 16], "b.png").is_none() && state.picture([9; 16], "a.png").is_none());
}

#[test]
fn a_delete_in_any_order_leaves_nothing() {
    let (post, delete) = (post(1, 1), record::delete_record(ONE, 1));
    for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1], [2, 1, 0]] {
        let mut state = BoardState::default();
        for step in order {
            state.apply(&at(1), if step == 0 { &post } else { &delete });
        }
        assert_eq!((state.size(), state.tombstones.len()), ((0, 0), 0), "{order:?}");
        assert_eq!(state.take_released(), [BlobId([1; 32])], "{order:?}");
    }
}

#[test]
fn a_blob_is_released_by_the_last_message_that_names_it() {
    let mut state = BoardState::default();
    state.apply(&at(1), &post(1, 1));
    state.apply(&at(2), &post(2, 1));
    state.apply(&at(3), &record::delete_record(ONE, 1));
    assert!(!state.has_released() && state.names_blob(&BlobId([1; 32])));
    state.apply(&at(4), &record::delete_record(ONE, 2));
    assert!(!state.names_blob(&BlobId([1; 32])));
    assert_eq!(state.take_released(), [BlobId([1; 32])]);
    assert!(!state.has_released());
}

#[test]
fn a_post_that_was_deleted_before_it_came_leaves_another_ones_blob() {
    let mut state = BoardState::default();
    state.apply(&at(1), &post(1, 1));
    state.apply(&at(1), &record::delete_record(ONE, 2));
    state.apply(&at(2), &post(2, 1));
    assert!(state.names_blob(&BlobId([1; 32])) && !state.has_released());
}

#[test]
fn what_is_cut_leaves_nothing_in_any_order() {
    let (post, delete) = (post(1, 1), record::delete_record(ONE, 1));
    let cut = floors::records(BOARD_CUT, &[(ONE, 1)]).concat();
    for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [0, 2, 1], [2, 0, 1], [2, 1, 0]] {
        let mut state = BoardState::default();
        for step in order {
            state.apply(&at(1), [&post, &delete, &cut][step]);
        }
        assert_eq!((state.size(), state.tombstones.len()), ((0, 0), 0), "{order:?}");
        assert_eq!((state.extent(), state.last_id), ((0, 0), 1), "its number is not given again");
        assert_eq!(state.take_released(), [BlobId([1; 32])], "{order:?}");
    }
}

#[test]
fn the_oldest_are_cut_as_far_as_is_asked_for() {
    use crate::app::hosts::Hosts;
    use crate::app::keep::Keep;
    use crate::app::trimming::{Look, floors};
    let mut state = BoardState::default();
    for seq in 1..=7 {
        state.apply(&at(seq), &post(seq, 1));
    }
    let alone = || Hosts::alone(NodeId(2));
    let beside_another = || alone().with(NodeId(1), None);
    let cut = |texts: &[&str], now_s: u64, hosts| {
        let keep = Keep::of(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let look = Look { now_us: now_s * 1_000_000, hosts };
        floors(&state, &keep, &look).first().map_or(0, |(_, seq)| *seq)
    };
    assert_eq!(cut(&["5"], 10, alone()), 2);
    assert_eq!(cut(&["9"], 10, alone()), 0);
    assert_eq!(cut(&["4s"], 8, alone()), 3, "those of before the fourth second");
    assert_eq!(cut(&["4s"], 8, beside_another()), 0, "the other host cuts its own by age");
    assert_eq!(cut(&["4s", "5"], 8, beside_another()), 2, "by number either does");
    let (_, bytes) = state.extent();
    assert_eq!(cut(&[&format!("{}B", bytes * 3 / 7 + 1)], 8, alone()), 3, "no less than so many bytes");
}

#[test]
fn posts_and_deletes_are_events_in_their_order() {
    let mut state = BoardState::default();
    state.apply(&at(1), &post(1, 1));
    state.apply(&at(2), &post(2, 1));
    // The second delete of one message and one of what never came are no events.
    for seq in [1, 1, 9] {
        state.apply(&at(3), &record::delete_record(ONE, seq));
    }
    let key = |id| Key { id, origin: ONE, seq: id };
    let events: Vec<_> = state.recent().since(0).collect();
    let posted = |event: &Event| match event {
        Event::Posted(key, message) => Some((key.id, message.post.message.clone())),
        Event::Deleted(_) => None,
    };
    assert_eq!(posted(events[0]), Some((1, "message 1".to_owned())));
    assert_eq!(posted(events[1]), Some((2, "message 2".to_owned())));
    assert_eq!(events[2..], [&Event::Deleted(1)]);
    assert!(!state.has(&key(1)) && state.has(&key(2)));
}
