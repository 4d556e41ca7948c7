//! Tests of the register: hosts that write into one by turns.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// The register of a log, and hosts that know of each other what the test lets them.
#[derive(Default)]
struct Log {
    entries: Known,
    numbers: u64,
}

impl Log {
    /// Does what a host asks for.
    fn take(&mut self, name: &str, value: Option<u64>) -> Option<u64> {
        match value {
            Some(number) => *self.entries.entry(name.to_owned()).or_insert(Some(number)),
            None => self.entries.get(name).copied().flatten(),
        }
    }

    /// Lets a host take so many steps of its round; gives how the round has ended, if it has.
    fn steps(&mut self, host: &mut Host, most: usize) -> Option<Step> {
        for _ in 0..most {
            self.numbers += 1;
            match host.round.step(host.node, self.numbers, &host.roster) {
                Step::Ask(name, value) => {
                    let found = self.take(&name, value);
                    host.round.found(name, found);
                }
                end => {
                    host.round = Round::default();
                    return Some(end);
                }
            }
        }
        None
    }

    fn finish(&mut self, host: &mut Host) -> Step {
        self.steps(host, 10_000).expect("a round ends")
    }
}

struct Host {
    node: NodeId,
    roster: Roster,
    round: Round,
}

impl Host {
    /// All ask for the same seat first, the fifth one.
    fn new(number: u64, own: Standing) -> Self {
        Self { node: node(number), roster: Roster { own, others: Vec::new() }, round: Round::default() }
    }

    fn knows(mut self, number: u64, seat: u16, is_out: bool) -> Self {
        self.roster.others.push(Listed { node: node(number), seat: seat_of(seat), is_out });
        self
    }
}

fn node(number: u64) -> NodeId {
    NodeId(128 * number + 5)
}

fn seat_of(number: u16) -> Seat {
    Seat::new(number).unwrap()
}

fn claimed(number: u16) -> Step {
    Step::Claimed(seat_of(number))
}

#[test]
fn of_two_that_want_a_seat_one_has_it_and_neither_waits_for_the_other() {
    let (mut log, mut a, mut b) =
        (Log::default(), Host::new(1, Standing::Wants), Host::new(2, Standing::Wants));
    for _ in 0..2 {
        assert_eq!(log.finish(&mut a), claimed(5), "again too: its answer may be lost");
    }
    assert_eq!(log.finish(&mut b), claimed(1), "the first one is the cluster's first host's");
}

#[test]
fn nobody_gets_a_seat_before_all_members_have_told_and_none_that_they_know_of() {
    let mut log = Log::default();
    let mut new = Host::new(3, Standing::Wants).knows(1, 0, false);
    assert_eq!(log.finish(&mut new), Step::Waits(node(1)), "the log was made anew");
    // The member knows another one, of which the new one has not heard.
    let mut member = Host::new(1, Standing::Has(seat_of(0))).knows(2, 5, false);
    assert_eq!(log.finish(&mut member), Step::Done);
    assert_eq!((log.finish(&mut member), log.finish(&mut new)), (Step::Done, claimed(1)));
}

#[test]
fn a_register_that_is_lost_amid_a_claim_gives_no_seat_to_two() {
    // It is lost before each answer to the one that claims, of which there are six; the member tells before or after a later one.
    for lost_after in 0..6 {
        for told_after in lost_after..12 {
            let mut log = Log::default();
            let mut member = Host::new(1, Standing::Has(seat_of(0))).knows(2, 5, false);
            let mut new = Host::new(3, Standing::Wants).knows(1, 0, false);
            // So the seat that it asks for first is free in the first register.
            member.roster.others.clear();
            log.finish(&mut member);
            let mut end = log.steps(&mut new, lost_after);
            assert_eq!(end, None);
            log.entries.clear();
            member = member.knows(2, 5, false);
            end = log.steps(&mut new, told_after - lost_after);
            assert_ne!(end, Some(claimed(5)), "{lost_after} {told_after}");
            log.finish(&mut member);
            let rounds = [log.finish(&mut new), log.finish(&mut new), log.finish(&mut new)];
            assert!(rounds.iter().all(|end| *end != claimed(5)), "{lost_after} {told_after}: {rounds:?}");
            assert_eq!(rounds[2], claimed(1));
        }
    }
}

#[test]
fn a_member_tells_once_and_again_when_the_register_is_lost() {
    let mut log = Log::default();
    let mut member = Host::new(1, Standing::Has(seat_of(3)));
    let asked = |log: &mut Log, member: &mut Host| {
        let before = log.numbers;
        assert_eq!(log.finish(member), Step::Done);
        log.numbers - before
    };
    assert!(asked(&mut log, &mut member) > 4);
    assert_eq!(asked(&mut log, &mut member), 3, "two looks");
    for name in [told(member.node), told_again(member.node)] {
        log.entries.remove(&name);
        assert!(asked(&mut log, &mut member) > 3);
        assert!(log.entries.contains_key(&name));
    }
}

#[test]
fn the_seat_of_a_host_that_is_out_goes_to_one_other_when_none_is_left() {
    let mut log = Log::default();
    let all = |host: Host| {
        (1..128).fold(host, |host, number| host.knows(1_000 + u64::from(number), number, number == 77))
    };
    let (mut a, mut b) = (all(Host::new(1, Standing::Wants)), all(Host::new(2, Standing::Wants)));
    for (listed, seat) in a.roster.others.iter().map(|other| (other.node, other.seat)) {
        log.entries.insert(entry(seat, None), Some(listed.0));
        log.entries.insert(told(listed), Some(1));
        log.entries.insert(told_again(listed), Some(2));
    }
    assert_eq!((log.finish(&mut a), log.finish(&mut b)), (claimed(77), Step::Full));
    // Whoever does not know yet that it is forgotten changes nothing.
    let mut late = Host::new(3, Standing::Has(seat_of(9))).knows(1_077, 77, false);
    assert_eq!((log.finish(&mut late), log.finish(&mut a)), (Step::Done, claimed(77)));
}

#[test]
fn two_that_have_lost_their_seat_to_a_third_one_do_not_wait_for_each_other() {
    let mut log = Log::default();
    let others = |host: Host, other: u64| host.knows(1, 5, false).knows(other, 5, true);
    let mut a = others(Host::new(2, Standing::Wants), 3);
    let mut b = others(Host::new(3, Standing::Wants), 2);
    let mut third = Host::new(1, Standing::Has(seat_of(5))).knows(2, 5, true).knows(3, 5, true);
    assert_eq!((log.finish(&mut a), log.finish(&mut third)), (Step::Waits(node(1)), Step::Done));
    assert_eq!((log.finish(&mut a), log.finish(&mut b)), (claimed(1), claimed(2)));
}

#[test]
fn nobody_stands_behind_one_that_is_out_of_another_seat_and_has_come_for_this_one() {
    let mut log = Log::default();
    let mut back = Host::new(2, Standing::Wants);
    let mut new = Host::new(3, Standing::Wants).knows(2, 9, true);
    assert_eq!((log.finish(&mut back), log.finish(&mut new)), (claimed(5), claimed(1)));
}

#[test]
fn names_of_entries_are_short_and_of_few_letters() {
    let longest = NodeId(u64::MAX);
    for name in [entry(seat_of(127), Some(longest)), told(longest), told_again(longest)] {
        assert!(
            name.len() <= 40
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Hosts that join at the same time, in any order of their steps, each knowing the member that was there.
    #[test]
    fn no_seat_is_given_twice(turns in prop::collection::vec((0_usize..5, 1_usize..4), 0..200)) {
        let mut log = Log::default();
        let mut member = Host::new(0, Standing::Has(Seat::FIRST));
        log.finish(&mut member);
        let mut hosts: Vec<Host> = (1..=5).map(|number| Host::new(number, Standing::Wants).knows(0, 0, false)).collect();
        let mut given: Vec<(usize, Step)> = Vec::new();
        for (at, most) in turns {
            let end = log.steps(&mut hosts[at], most);
            given.extend(end.map(|end| (at, end)));
        }
        for (at, host) in hosts.iter_mut().enumerate() {
            given.push((at, log.finish(host)));
        }
        let seats: BTreeSet<String> = given.iter().map(|(_, end)| format!("{end:?}")).collect();
        let pairs: BTreeSet<(usize, String)> = given.iter().map(|(at, end)| (*at, format!("{end:?}"))).collect();
        prop_assert_eq!((seats.len(), pairs.len()), (5, 5), "{:?}", given);
    }
}
