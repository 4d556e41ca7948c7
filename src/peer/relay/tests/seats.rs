//! A seat that is asked for: answers that are lost, late, doubled, and those of an earlier connection.

use super::*;
use crate::base::limits::{RELAY_LATE_US, RELAY_REGISTER_LOOK_US};
use crate::base::seat::Seat;

/// The host wants a seat, and knows one other host.
fn wants(seat_of_other: u16) -> Roster {
    let seat = Seat::new(seat_of_other).unwrap();
    Roster { own: Standing::Wants, others: vec![Listed { node: OTHER, seat, is_out: false }] }
}

/// Returns the only entry that was asked for: token, name, and what is to be written.
fn entry(scene: &mut Scene) -> (u64, String, Option<u64>) {
    let enter = |call| match call {
        LogCall::Enter { token, name, value } => Some((token, name, value)),
        _ => None,
    };
    let mut entries: Vec<_> = scene.calls().into_iter().filter_map(enter).collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.remove(0)
}

/// Answers what the host asks for until it asks for none; the other host has told.
fn answer(scene: &mut Scene) {
    for _ in 0..20 {
        let calls = scene.calls();
        let Some((token, name, value)) = calls.into_iter().find_map(|call| match call {
            LogCall::Enter { token, name, value } => Some((token, name, value)),
            _ => None,
        }) else {
            return;
        };
        let value = if name.starts_with("told") { Some(7) } else { value };
        scene.on(LogEvent::Entered { token, value });
    }
    panic!("it goes on");
}

#[test]
fn an_answer_that_is_lost_is_asked_for_again_and_one_that_comes_late_counts_no_more() {
    let mut scene = Scene::new(None, &[]);
    scene.calls();
    scene.relay.list(wants(0), 0);
    scene.pass(0);
    let (first, name, _) = entry(&mut scene);
    scene.pass(RELAY_LATE_US - 1);
    assert!(scene.calls().iter().all(|call| !matches!(call, LogCall::Enter { .. })));
    scene.pass(1);
    let (second, again, _) = entry(&mut scene);
    assert_eq!(name, again);
    scene.on(LogEvent::Entered { token: first, value: None });
    assert_eq!(scene.relay.waits_to_be_told_by(), None, "it was late");
    scene.on(LogEvent::Entered { token: second, value: Some(7) });
    scene.on(LogEvent::Entered { token: second, value: None });
    answer(&mut scene);
    assert_eq!(scene.relay.claimed(), Some(Seat::of_node(NODE)));
    // Another host has logged it meanwhile, which a register that has lost entries may come to.
    scene.relay.list(wants(Seat::of_node(NODE).number()), scene.now_us);
    assert_eq!(scene.relay.claimed(), None);
}

#[test]
fn a_member_that_has_not_told_is_waited_for_and_named() {
    let mut scene = Scene::new(None, &[]);
    scene.calls();
    scene.relay.list(wants(0), 0);
    scene.pass(0);
    let (token, ..) = entry(&mut scene);
    scene.on(LogEvent::Entered { token, value: None });
    assert_eq!((scene.relay.waits_to_be_told_by(), scene.relay.claimed()), (Some(OTHER), None));
    scene.pass(RELAY_LATE_US);
    answer(&mut scene);
    assert_eq!((scene.relay.waits_to_be_told_by(), scene.relay.claimed()), (None, Some(Seat::of_node(NODE))));
}

#[test]
fn what_an_earlier_connection_has_found_is_not_good_for_the_next_one() {
    let mut scene = Scene::new(None, &[]);
    scene.calls();
    scene.relay.list(wants(0), 0);
    scene.pass(0);
    let (token, name, _) = entry(&mut scene);
    scene.on(LogEvent::Entered { token, value: Some(7) });
    let (late, ..) = entry(&mut scene);
    scene.on(LogEvent::Down { why: "a test".to_owned() });
    scene.on(LogEvent::Up { nodes: vec![OTHER] });
    scene.on(LogEvent::Entered { token: late, value: Some(7) });
    let asked = entry(&mut scene);
    assert_eq!(asked.1, name, "from the beginning");
}

#[test]
fn a_member_looks_again_and_again_whether_the_register_has_what_it_has_told() {
    let mut scene = Scene::new(None, &[]);
    scene.calls();
    let seat = Seat::new(9).unwrap();
    scene.relay.list(Roster { own: Standing::Has(seat), others: Vec::new() }, 0);
    scene.pass(0);
    answer(&mut scene);
    assert_eq!(scene.relay.claimed(), None, "it has one");
    scene.pass(RELAY_REGISTER_LOOK_US - 1);
    assert!(scene.calls().iter().all(|call| !matches!(call, LogCall::Enter { .. })));
    scene.pass(1);
    assert_eq!(entry(&mut scene).1, format!("told-{NODE}"));
}
