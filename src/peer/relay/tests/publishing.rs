//! How a host's batches get into the log.

use super::*;
use crate::base::limits::{RELAY_LATE_US, RELAY_MESSAGE_BYTES};

/// Records of a batch of which no two fit in one message.
const MANY: u32 = 20_000;

#[test]
fn a_batch_is_kept_when_the_log_says_so_and_not_before() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    let message = scene.publish(&mut maker);
    let appends = scene.appends();
    let [(token, 0, sent)] = &appends[..] else { panic!("{appends:?}") };
    assert_eq!((sent, scene.kept().durable), (&message, 0));
    scene.on(LogEvent::Appended { token: *token, number: 1 });
    assert_eq!(scene.kept().durable, 1);
    assert_eq!(scene.relay.counters().published_records, 1);
}

#[test]
fn a_flight_that_ended_is_read_back_and_the_rest_goes_behind_it() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    let first = scene.publish(&mut maker);
    let second = scene.publish_of(&mut maker, MANY);
    let third = scene.publish_of(&mut maker, MANY);
    assert_eq!(scene.appends().len(), 2, "the third waits until the first, which is not full, is kept");
    // Both are late; the first one is in the log.
    scene.pass(1_000 * MS);
    assert_eq!(scene.calls(), [], "a pause comes first");
    scene.pass(50 * MS);
    let token = scene.tail_of(NODE);
    scene.on(LogEvent::Tail { token, first: 1, last: Some((1, first.clone())) });
    let calls = scene.calls();
    let [LogCall::Find { token, node: NODE, number: 1 }] = calls[..] else { panic!("{calls:?}") };
    assert_eq!(scene.kept().durable, 0);
    scene.on(LogEvent::Found { token, message: Some((1, first)) });
    let appends = scene.appends();
    let [(token, 1, sent), (last, 2, also_sent)] = &appends[..] else { panic!("{} appends", appends.len()) };
    assert!((sent, also_sent) == (&second, &third) && scene.kept().durable == 1);
    scene.on(LogEvent::Appended { token: *token, number: 2 });
    scene.on(LogEvent::Appended { token: *last, number: 3 });
    let all = 1 + 2 * u64::from(MANY);
    assert_eq!((scene.kept().durable, scene.relay.counters().flights_ended), (all, 1));
}

#[test]
fn what_is_committed_while_a_message_is_on_its_way_goes_with_the_next_one() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    scene.publish(&mut maker);
    let token = scene.appends()[0].0;
    let later: Vec<u8> = (0..5).flat_map(|_| scene.publish(&mut maker)).collect();
    assert!(scene.appends().is_empty());
    scene.on(LogEvent::Appended { token, number: 1 });
    let appends = scene.appends();
    let [(token, 1, sent)] = &appends[..] else { panic!("{appends:?}") };
    assert_eq!(*sent, later);
    scene.on(LogEvent::Appended { token: *token, number: 2 });
    assert_eq!(scene.kept().durable, 6);
}

/// The last message is small and quickly there, the ones before it are not.
#[test]
fn what_is_read_back_slowly_is_waited_for_longer_with_each_try() {
    let (mut scene, mut maker) = (Scene::begun(&[], false), Maker::new(host()));
    let messages = [maker.message(1), maker.message(1)];
    let (mut tries, mut due) = (0, Vec::new());
    while !scene.relay.is_ready(scene.now_us) {
        for call in scene.calls() {
            match call {
                LogCall::Tail { token, node: NODE } => {
                    tries += 1;
                    let last = Some((2, messages[1].clone()));
                    due.push((scene.now_us, LogEvent::Tail { token, first: 1, last }));
                }
                LogCall::Find { token, number, .. } => {
                    let message = Some((number, messages[number as usize - 1].clone()));
                    let at_us = scene.now_us + RELAY_LATE_US_MIN + 100 * MS;
                    due.push((at_us, LogEvent::Found { token, message }));
                }
                other => panic!("{other:?}"),
            }
        }
        scene.now_us += 10 * MS;
        assert!(scene.now_us < 10 * RELAY_LATE_US, "it never gets ready");
        let now_us = scene.now_us;
        for (_, event) in due.extract_if(.., |(at_us, _)| *at_us <= now_us) {
            scene.relay.on(event, now_us);
        }
        scene.relay.turn(now_us);
    }
    assert_eq!(tries, 2, "only the first wait is too short");
}

#[test]
fn a_message_that_is_full_waits_for_nothing() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    scene.publish(&mut maker);
    let full = scene.publish_of(&mut maker, RELAY_MESSAGE_BYTES as u32 / 10);
    scene.publish(&mut maker);
    let appends = scene.appends();
    let [(first, 0, _), (_, 1, sent)] = &appends[..] else { panic!("{} appends", appends.len()) };
    assert!(*sent == full, "it goes beside one that is not full, and the third one waits");
    scene.on(LogEvent::Appended { token: *first, number: 1 });
    assert_eq!(scene.appends().len(), 1);
}

#[test]
fn a_message_that_was_refused_was_not_waited_for_in_vain() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    scene.publish(&mut maker);
    let token = scene.appends()[0].0;
    scene.on(LogEvent::Appended { token, number: 1 });
    scene.publish(&mut maker);
    let token = scene.appends()[0].0;
    scene.on(LogEvent::Refused { token, why: String::new() });
    scene.relay.lost(scene.now_us);
    assert_eq!(scene.relay.patience.us(), RELAY_LATE_US_MIN);
}

#[test]
fn a_log_that_is_quick_is_late_sooner_and_the_next_connection_knows() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    for number in 1..20 {
        scene.publish(&mut maker);
        let token = scene.appends()[0].0;
        scene.pass(3 * MS);
        scene.on(LogEvent::Appended { token, number });
    }
    assert_eq!(scene.relay.patience.us(), RELAY_LATE_US, "that of the connection counts when it ends");
    scene.publish(&mut maker);
    scene.pass(RELAY_LATE_US_MIN - MS);
    assert_eq!(scene.relay.counters().flights_ended, 0);
    scene.pass(MS);
    assert_eq!(scene.relay.counters().flights_ended, 1);
    scene.relay.lost(scene.now_us);
    assert_eq!(scene.relay.patience.us(), 2 * RELAY_LATE_US_MIN, "and that one was missed");
}

#[test]
fn a_later_message_says_nothing_of_one_before_it() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    let first = scene.publish(&mut maker);
    let second = scene.publish_of(&mut maker, MANY);
    let third = scene.publish_of(&mut maker, MANY);
    let tokens: Vec<u64> = scene.appends().into_iter().map(|(token, ..)| token).collect();
    // Something of an earlier connection came in between.
    scene.on(LogEvent::Appended { token: tokens[1], number: 2 });
    assert_eq!(scene.kept().durable, 0);
    scene.on(LogEvent::Refused { token: tokens[0], why: String::new() });
    scene.pass(50 * MS);
    let token = scene.tail_of(NODE);
    scene.on(LogEvent::Tail { token, first: 1, last: Some((2, second.clone())) });
    for message in [Vec::new(), second.clone()] {
        let calls = scene.calls();
        let [LogCall::Find { token, number, .. }] = calls[..] else { panic!("{calls:?}") };
        scene.on(LogEvent::Found { token, message: Some((number, message)) });
        assert_eq!(scene.kept().durable, 0);
    }
    let appends = scene.appends();
    let [(token, 2, sent), (_, 3, last)] = &appends[..] else { panic!("{} appends", appends.len()) };
    assert!(*sent == [first, second].concat() && *last == third);
    scene.on(LogEvent::Appended { token: *token, number: 3 });
    assert_eq!(scene.kept().durable, 1 + u64::from(MANY));
}

#[test]
fn only_an_append_proves_that_the_log_has_forgotten_something() {
    for has_forgotten in [false, true] {
        let mut maker = Maker::new(host());
        let old = maker.message(1);
        let mut scene = Scene::new(Some((7, old.clone())), &[maker.held()]);
        scene.publish(&mut maker);
        let token = scene.appends()[0].0;
        scene.on(LogEvent::Appended { token, number: 8 });
        scene.publish(&mut maker);
        let token = scene.appends()[0].0;
        scene.on(LogEvent::Refused { token, why: String::new() });
        scene.pass(50 * MS);
        let token = scene.tail_of(NODE);
        scene.on(LogEvent::Tail { token, first: 7, last: Some((7, old.clone())) });
        let appends = scene.appends();
        let [(token, 7, probe)] = &appends[..] else { panic!("{appends:?}") };
        assert_eq!((probe, scene.relay.counters().regressions), (&old, 0));
        let (token, number) = (*token, 8);
        let refused = LogEvent::Refused { token, why: String::new() };
        scene.on(if has_forgotten { LogEvent::Appended { token, number } } else { refused });
        assert_eq!(scene.relay.counters().regressions, u64::from(has_forgotten));
        assert_eq!(scene.relay.closed().is_some(), has_forgotten);
    }
}

#[test]
fn tries_that_come_to_nothing_are_paced() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    scene.publish(&mut maker);
    let mut tails = 0;
    for _ in 0..10_000 {
        for call in scene.calls() {
            match call {
                LogCall::Append { token, .. } => scene.on(LogEvent::Refused { token, why: String::new() }),
                LogCall::Tail { token, node: NODE } => {
                    tails += 1;
                    scene.on(LogEvent::Tail { token, first: 1, last: None });
                }
                _ => {}
            }
        }
        scene.pass(MS);
    }
    assert!((10..=16).contains(&tails), "{tails} in ten seconds");
}
