//! The promise that lets two hosts take writes at once: whatever order streams are applied in, the state is the same. And the one
//! that lets starts fold: it is the same wherever between the other batches a fold comes that was waited for.
//!
//! Tests only. They hold every application of the registry to it, those of the future included: each state offers
//! records of its own ([`crate::app::state::State::sample`]).

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::pex::{self, record::Change, state::PexState, tag::PEX_RESET};
use super::pixel::{state::PixelState, tag::PIXEL_CLEAR, tag::PIXEL_CUT};
use super::registry;
use crate::app::applied::{Applied, Batch};
use crate::app::foldable::foldable;
use crate::app::folding::ends_record;
use crate::app::state::Entry;
use crate::base::folds::{Fold, StreamEnd};
use crate::base::ids::{Inc, NodeId, Origin, Position, Seq};
use crate::base::tag::{self, STREAMS_FOLDED};
use crate::base::vector::VersionVector;
use crate::log::format::record;

#[path = "fold/aged.rs"]
mod aged;
#[path = "fold/memory.rs"]
mod memory;
#[path = "fold/named.rs"]
mod named;
#[path = "fold/shown.rs"]
mod shown;

/// A batch as its host sealed it.
#[derive(Clone, Debug)]
struct Sealed {
    first: Entry,
    count: u32,
    body: Vec<u8>,
    /// What its host had applied.
    seen: VersionVector,
}

/// The batches of every stream.
type Sent = BTreeMap<Origin, Vec<Sealed>>;

const NODES: [NodeId; 2] = [NodeId(7), NodeId(3)];
/// The first start of the first host is one of before starts were numbered.
const UNNUMBERED: Inc = Inc(0x9000_0000_0000_0009);

fn start(host: usize, number: u32) -> Origin {
    let inc = if (host, number) == (0, 1) { UNNUMBERED } else { Inc::of_start(number, 5) };
    Origin { node: NODES[host], inc }
}

fn apply(applied: &mut Applied, batch: &Sealed) {
    let end = Position(applied.position.0 + 1);
    applied.apply_batch(&Batch { first: batch.first, count: batch.count, body: &batch.body, end });
}

fn empty() -> Applied {
    registry::new_applied()
}

/// What one host does next.
#[derive(Clone, Debug)]
enum Step {
    /// It seals a batch of records with these seeds.
    Seal(Vec<u64>),
    /// It starts again: what it logs from now on is another stream.
    Restart,
    /// It takes the next batches of one of its peer's streams.
    Take { stream: usize, batches: usize },
    /// It takes all that its peer has logged, in the order of that one's journal.
    TakeAll,
    /// It says what it has of its peer's earlier starts.
    Say,
    /// It folds its own that its peer has spoken of.
    Fold,
}

fn seals() -> impl Strategy<Value = Step> {
    prop::collection::vec(0..=u64::MAX / 2, 1..12).prop_map(Step::Seal)
}

/// Steps of hosts that take each other's streams in any order.
fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let take = (0..3_usize, 1..3_usize).prop_map(|(stream, batches)| Step::Take { stream, batches });
    let step = prop_oneof![4 => seals(), 1 => Just(Step::Restart), 2 => take];
    prop::collection::vec((0..2_usize, step), 1..24)
}

/// Steps of hosts that take each other's journals as they are, and fold.
fn folding_steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        6 => seals(),
        3 => Just(Step::Restart),
        4 => Just(Step::TakeAll),
        3 => Just(Step::Say),
        3 => Just(Step::Fold),
    ];
    prop::collection::vec((0..2_usize, step), 1..60)
}

struct Host {
    index: usize,
    applied: Applied,
    number: u32,
    /// How many of its peer's batches it has, of each stream.
    taken: BTreeMap<Origin, usize>,
}

impl Host {
    fn new(index: usize) -> Self {
        Self { index, applied: empty(), number: 1, taken: BTreeMap::new() }
    }

    fn origin(&self) -> Origin {
        start(self.index, self.number)
    }

    fn peers(&self, number: u32) -> Origin {
        start(1 - self.index, number)
    }

    /// Seals records, and applies them; each is stamped with what was applied at that moment.
    fn seal(&mut self, time_us: u64, count: u32, records: &[u8], sent: &mut Sent) {
        let origin = self.origin();
        let first = Entry { origin, seq: self.applied.vector.seq_of(origin) + 1, time_us };
        let mut body = Vec::new();
        self.applied.stamp_batch(&first, records, &mut body);
        let batch = Sealed { first, count, body, seen: self.applied.vector.clone() };
        apply(&mut self.applied, &batch);
        sent.entry(origin).or_default().push(batch);
    }

    fn take(&mut self, origin: Origin, batches: usize, sent: &Sent) {
        let taken = self.taken.entry(origin).or_default();
        let next = sent.get(&origin).into_iter().flatten().skip(*taken).take(batches);
        *taken += next.map(|batch| apply(&mut self.applied, batch)).count();
    }

    fn say(&mut self, time_us: u64, sent: &mut Sent) {
        let node = NODES[1 - self.index];
        let latest = (1..).take_while(|number| sent.contains_key(&self.peers(*number))).last().unwrap_or(0);
        let current = self.peers(latest);
        let of_node =
            self.applied.vector.iter().filter(|(origin, _)| origin.node == node && *origin != current);
        let ends: Vec<(Inc, Seq)> = of_node.map(|(origin, seq)| (origin.inc, seq)).collect();
        self.seal(time_us, 1, &ends_record(node, &ends), sent);
    }

    fn fold(&mut self, time_us: u64, sent: &mut Sent) {
        let (by, host) = (self.origin(), NODES[1 - self.index]);
        let starts = foldable(&self.applied, by, &[host]);
        let end = |&inc: &Inc| {
            let seq = self.applied.vector.seq_of(Origin { node: by.node, inc });
            StreamEnd { inc, seq, chain: seq * 3 }
        };
        let fold = Fold { by, hosts: vec![host], starts: starts.iter().map(end).collect() };
        let mut body = Vec::new();
        record::push(&mut body, STREAMS_FOLDED, &fold.payload());
        self.seal(time_us, 1, &body, sent);
    }
}

/// Runs both hosts; gives the streams. Cuts of samples say numbers of pixels that are not so: they change any state alike, but no
/// list can be held against them.
fn run(steps: &[(usize, Step)], with_cuts: bool) -> Sent {
    let (mut hosts, mut sent) = ([0, 1].map(Host::new), Sent::new());
    for (time_us, (host, step)) in (1_u64..).zip(steps) {
        let own = &mut hosts[*host];
        match step {
            Step::Seal(seeds) => {
                let sample = |seed: &u64| {
                    let mut samples = (*seed..).map(|seed| own.applied.sample(seed));
                    samples.find(|sample| with_cuts || sample[0] != PIXEL_CUT).expect("there are others")
                };
                let records: Vec<u8> = seeds.iter().flat_map(sample).collect();
                own.seal(time_us, u32::try_from(seeds.len()).unwrap(), &records, &mut sent);
            }
            Step::Restart => own.number += 1,
            Step::Take { stream, batches } => {
                let origin = own.peers(1 + u32::try_from(*stream).unwrap());
                own.take(origin, *batches, &sent);
            }
            Step::TakeAll => {
                for number in 1..40 {
                    own.take(own.peers(number), usize::MAX, &sent);
                }
            }
            Step::Say => own.say(time_us, &mut sent),
            Step::Fold => own.fold(time_us, &mut sent),
        }
    }
    sent
}

/// Applies all batches, the next one from the stream that `order` says, if it may come now.
fn fold(sent: &Sent, order: &[usize], may_come: impl Fn(&Applied, &Sealed) -> bool) -> Applied {
    let mut applied = empty();
    let streams: Vec<&Vec<Sealed>> = sent.values().collect();
    let mut next = vec![0; streams.len()];
    let rest = 0..streams.iter().map(|stream| stream.len()).sum::<usize>() * streams.len();
    for at in order.iter().copied().chain(rest) {
        let Some(stream) = at.checked_rem(streams.len()) else { break };
        let batch = streams[stream].get(next[stream]).filter(|batch| may_come(&applied, batch));
        if let Some(batch) = batch {
            apply(&mut applied, batch);
            next[stream] += 1;
        }
    }
    assert!(next.iter().zip(&streams).all(|(next, stream)| *next == stream.len()), "all of them came");
    applied
}

fn check_equal(one: &Applied, other: &Applied) -> Result<(), TestCaseError> {
    prop_assert_eq!(one.sections(), other.sections());
    prop_assert_eq!(&one.vector, &other.vector);
    let mut restored = empty();
    for (id, bytes) in one.sections() {
        prop_assert_eq!(restored.restore(id, &bytes), Ok(()));
    }
    restored.stand_at(one.position, one.vector.clone(), one.time_us);
    prop_assert_eq!(restored.sections(), one.sections());
    Ok(())
}

/// Whether whoever sends a batch has sent all that its host had when it was sealed: the journals of two hosts keep that order.
fn comes_behind_what_it_saw(applied: &Applied, batch: &Sealed) -> bool {
    applied.vector.covers(&batch.seen)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_interleaving_gives_the_same_state(
        steps in steps(),
        one in prop::collection::vec(0..8_usize, 0..40),
        other in prop::collection::vec(0..8_usize, 0..40),
    ) {
        let sent = run(&steps, true);
        let (one, other) = (fold(&sent, &one, |_, _| true), fold(&sent, &other, |_, _| true));
        check_equal(&one, &other)?;
    }

    #[test]
    fn so_does_every_interleaving_with_folds(
        steps in folding_steps(),
        one in prop::collection::vec(0..64_usize, 0..160),
        other in prop::collection::vec(0..64_usize, 0..160),
    ) {
        let sent = run(&steps, true);
        let one = fold(&sent, &one, comes_behind_what_it_saw);
        let other = fold(&sent, &other, comes_behind_what_it_saw);
        check_equal(&one, &other)?;
    }

    /// What is folded has lost nothing: lists, counts and positions are those that each clear and each reset leaves of all records,
    /// which takes what its host had seen and nothing else.
    #[test]
    fn a_fold_changes_nothing_that_is_seen(
        steps in folding_steps(),
        order in prop::collection::vec(0..64_usize, 0..160),
    ) {
        let sent = run(&steps, false);
        let folded = fold(&sent, &order, comes_behind_what_it_saw);
        let pixels = folded.state::<PixelState>().unwrap();
        let (floors, mut total) = (pixels.floors(), 0);
        let clears = all_of(&sent, |bytes| bytes[0] == PIXEL_CLEAR);
        for (at, _, _) in all_of(&sent, |bytes| tag::is_short(bytes[0])) {
            let is_listed = !clears.iter().any(|clear| has_seen(clear, &at));
            prop_assert_eq!(at.seq > floors.of(at.origin), is_listed, "{:?}", at);
            total += u64::from(is_listed);
        }
        prop_assert_eq!(pixels.total(), total);

        let (mut above, mut hits) = (0_i64, 0);
        let resets = all_of(&sent, |bytes| bytes[0] == PEX_RESET);
        for (at, bytes, _) in all_of(&sent, |bytes| tag::app_of(bytes[0]) == pex::tag::APP) {
            let (hit, step) = match Change::decode(&bytes) {
                Some(Change::Step(step)) => (1, step),
                Some(Change::Import { hits, position }) => (hits, position.cast_signed()),
                Some(Change::Reset(_)) => (1, 0),
                _ => (0, 0),
            };
            hits += hit;
            above += if resets.iter().any(|reset| has_seen(reset, &at)) { 0 } else { step };
        }
        let steps = folded.state::<PexState>().unwrap();
        prop_assert_eq!((steps.position(), steps.hits()), (above.max(0).cast_unsigned(), hits));
    }
}

/// A record with its place, and what its host had applied before its batch.
type Placed = (Entry, Vec<u8>, VersionVector);

/// Returns the records that `is_meant` finds, stream by stream.
fn all_of(sent: &Sent, is_meant: impl Fn(&[u8]) -> bool) -> Vec<Placed> {
    let mut found = Vec::new();
    for batch in sent.values().flatten() {
        let records = record::records(&batch.body).map_while(Result::ok);
        for (seq, bytes) in (batch.first.seq..).zip(records).filter(|(_, bytes)| is_meant(bytes)) {
            found.push((Entry { seq, ..batch.first }, bytes.to_vec(), batch.seen.clone()));
        }
    }
    found
}

/// Returns whether a record was made when the one at `at` was there already.
fn has_seen((by, _, seen): &Placed, at: &Entry) -> bool {
    at.seq <= seen.seq_of(at.origin) || (at.origin == by.origin && at.seq < by.seq)
}
