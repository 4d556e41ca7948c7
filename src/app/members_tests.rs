//! Tests of the members.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::base::seat::SEATS;

fn seat(number: u16) -> Seat {
    Seat::new(number).unwrap()
}

fn hear(members: &mut Members, bytes: &[u8]) {
    members.hear(7, record::payload(bytes));
}

/// Has a host say that it is a member.
fn join(members: &mut Members, node: u64, usual: u16) -> Option<Vec<u8>> {
    let said = members.join_record(NodeId(node), seat(usual), "host");
    said.iter().for_each(|said| hear(members, said));
    said
}

fn seats(members: &Members) -> Vec<(u64, Option<u16>)> {
    members.iter().map(|(node, _)| (node.0, members.seat_of(node).map(Seat::number))).collect()
}

#[test]
fn a_pair_has_the_seats_of_its_keys_and_a_host_that_is_replaced_leaves_its_own() {
    let mut members = Members::default();
    assert!(join(&mut members, 5, 1).is_some() && join(&mut members, 3, 0).is_some());
    assert_eq!(seats(&members), [(3, Some(0)), (5, Some(1))]);
    assert_eq!((join(&mut members, 5, 1), join(&mut members, 5, 0)), (None, None), "it has said so");

    let forgotten = members.forget_record(NodeId(3)).unwrap();
    hear(&mut members, &forgotten);
    assert!(!members.contains(NodeId(3)) && members.get(NodeId(3)).is_some());
    assert_eq!(members.forget_record(NodeId(3)), None);
    assert_eq!(members.forget_record(NodeId(9)), None);
    // By its key the new host would have the seat of the other one.
    for usual in [0, 1] {
        assert_eq!(members.seat_for(NodeId(7), seat(usual)), Some(seat(2)));
    }
    join(&mut members, 7, 1);
    // It was no loss after all: it has its seat still.
    assert_eq!(members.seat_of(NodeId(3)), Some(seat(0)));
    join(&mut members, 3, 1);
    assert_eq!(seats(&members), [(3, Some(0)), (5, Some(1)), (7, Some(2))]);
}

#[test]
fn the_seats_of_hosts_that_are_forgotten_are_given_again_when_no_other_is_left() {
    let mut members = Members::default();
    for node in 0..u64::from(SEATS) {
        assert!(join(&mut members, node, 0).is_some());
    }
    assert_eq!((join(&mut members, 500, 0), members.seat_for(NodeId(500), seat(0))), (None, None));
    let forgotten = members.forget_record(NodeId(77)).unwrap();
    hear(&mut members, &forgotten);
    assert!(join(&mut members, 500, 0).is_some());
    assert_eq!(members.seat_of(NodeId(500)), Some(seat(77)));
    assert_eq!(members.seat_of(NodeId(77)), None, "a member has it rather");
}

#[test]
fn a_host_has_the_seat_of_a_member_and_that_of_the_pair_before() {
    let mut members = Members::default();
    let own = Some(NodeId(5));
    let pair = |usual: Option<u16>| {
        let ties = usual.map_or(Ties::Alone, |usual| Ties::Pair(seat(usual)));
        Seating { own, ties }
    };
    assert_eq!(pair(None).seat(&members), None, "a host that was always alone counts 1, 2, 3");
    assert_eq!(pair(Some(1)).seat(&members), Some(seat(1)));
    join(&mut members, 3, 1);
    assert_eq!(pair(Some(1)).seat(&members), Some(seat(0)), "the other one has it");
    join(&mut members, 5, 1);
    assert_eq!(pair(None).seat(&members), Some(seat(0)), "also when it is alone again");
}

#[test]
fn a_host_of_a_log_gives_no_numbers_before_it_has_logged_a_seat_unless_it_is_the_first() {
    let mut members = Members::default();
    let of = |is_first| Seating { own: Some(NodeId(5)), ties: Ties::Log { is_first } };
    assert_eq!((of(true).is_seated(&members), of(false).is_seated(&members)), (true, false));
    assert_eq!(of(true).seat(&members), Some(Seat::FIRST));
    // A program of before may have given that seat to another one.
    join(&mut members, 3, 0);
    assert_eq!((of(true).is_seated(&members), of(false).is_seated(&members)), (false, false));
    assert_eq!(members.seated_record(NodeId(5), seat(0), ""), None);
    let said = members.seated_record(NodeId(5), seat(9), "").unwrap();
    hear(&mut members, &said);
    assert_eq!((of(true).is_seated(&members), of(false).is_seated(&members)), (true, true));
    assert_eq!(of(false).seat(&members), Some(seat(9)));
    assert!(Seating { own: Some(NodeId(7)), ties: Ties::Alone }.is_seated(&members));
    // The lesser one of two keeps a seat, and the other one may give no numbers any more.
    let lesser = Members::default();
    hear(&mut members, &lesser.seated_record(NodeId(4), seat(9), "").unwrap());
    assert!(!of(false).is_seated(&members));
}

#[test]
fn golden_bytes() {
    let mut members = Members::default();
    let said = join(&mut members, 5, 3).unwrap();
    let name = b"host";
    let payload = [&5_u64.to_le_bytes()[..], &[1, 0, 0, 0, 3, 0, 0, 4], name].concat();
    assert_eq!(said, [&[0xE4, 20, 0, 0, 0][..], &payload].concat());
    let mut bytes = Vec::new();
    members.snapshot(&mut bytes);
    assert_eq!(bytes, [&7_u64.to_le_bytes()[..], &payload].concat());
    assert_eq!(Members::read(&bytes), Some(members.clone()));
    assert_eq!(Members::read(&[&bytes[..], &bytes].concat()), None, "one twice");
    for cut in 1..bytes.len() {
        assert_eq!(Members::read(&bytes[..cut]), None);
    }
    for (at, value) in [(20, 128), (21, 1), (22, 2), (23, 41), (24, 0xFF)] {
        let mut spoilt = bytes.clone();
        spoilt[at] = value;
        assert_eq!(Members::read(&spoilt), None, "byte {at}");
        let before = members.clone();
        members.hear(9, &spoilt[8..]);
        assert_eq!(members, before);
    }
    let long = members.join_record(NodeId(1), seat(0), &"é".repeat(30)).unwrap();
    assert_eq!(long.len(), 5 + 16 + 40);
}

/// A step of one of several hosts.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// It says that it is a member, unless it is one.
    Join(usize),
    /// An operator has it forget another one.
    Forget(usize, usize),
    /// It hears what another one has said so far.
    Hear(usize, usize),
}

const HOSTS: usize = 5;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..HOSTS).prop_map(Step::Join),
        (0..HOSTS, 0..HOSTS).prop_map(|(at, of)| Step::Forget(at, of)),
        (0..HOSTS, 0..HOSTS).prop_map(|(at, of)| Step::Hear(at, of)),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Hosts that join, are forgotten and come back in any order, in a partition too, agree once they have heard each other; then
    /// each member has a seat of its own, and those that had one without a rival still have it.
    #[test]
    fn hosts_that_have_heard_each_other_agree_and_have_seats_of_their_own(steps in steps()) {
        let mut hosts: Vec<(Members, Vec<Vec<u8>>)> = vec![Default::default(); HOSTS];
        let join = |hosts: &mut Vec<(Members, Vec<Vec<u8>>)>, at: usize| {
            let (members, said) = &mut hosts[at];
            // All have the same key: the worst case.
            if let Some(record) = members.join_record(NodeId(at as u64), seat(0), "") {
                hear(members, &record);
                said.push(record);
            }
        };
        let listen = |hosts: &mut Vec<(Members, Vec<Vec<u8>>)>, at: usize, of: usize| {
            for record in hosts[of].1.clone() {
                hear(&mut hosts[at].0, &record);
            }
        };
        for step in steps {
            match step {
                Step::Join(at) => join(&mut hosts, at),
                Step::Forget(at, of) => {
                    let (members, said) = &mut hosts[at];
                    if let Some(record) = members.forget_record(NodeId(of as u64)).filter(|_| at != of) {
                        hear(members, &record);
                        said.push(record);
                    }
                }
                Step::Hear(at, of) => listen(&mut hosts, at, of),
            }
        }
        let mut rounds = 0;
        loop {
            for at in 0..HOSTS {
                (0..HOSTS).for_each(|of| listen(&mut hosts, at, of));
            }
            let said = |hosts: &[(Members, Vec<Vec<u8>>)]| hosts.iter().map(|host| host.1.len()).sum::<usize>();
            prop_assert!(hosts.iter().all(|(members, _)| *members == hosts[0].0), "{hosts:?}");
            let before = (said(&hosts), hosts[0].0.clone());
            // One by one, or two would choose the same seat again and again.
            for at in 0..HOSTS {
                (0..HOSTS).for_each(|of| listen(&mut hosts, at, of));
                join(&mut hosts, at);
            }
            let (members, _) = &hosts[HOSTS - 1];
            for (node, member) in before.1.iter().filter(|(node, _)| before.1.seat_of(*node).is_some()) {
                prop_assert_eq!(members.get(node), Some(member), "it has a seat");
            }
            if said(&hosts) == before.0 {
                break;
            }
            rounds += 1;
            prop_assert!(rounds < 4);
        }
        let members = &hosts[0].0;
        let taken: Vec<Option<Seat>> = members.iter().map(|(node, _)| members.seat_of(node)).collect();
        prop_assert!(taken.iter().all(Option::is_some));
        prop_assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), taken.len());
        let mut bytes = Vec::new();
        members.snapshot(&mut bytes);
        prop_assert_eq!(Members::read(&bytes), Some(members.clone()));
    }
}
