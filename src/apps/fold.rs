//! The promise that lets two hosts take writes at once: whatever order streams are applied in, the state is the same.
//!
//! Tests only. They hold every application of the registry to it, those of the future included: each state offers
//! records of its own ([`crate::app::state::State::sample`]).

use proptest::prelude::*;

use super::registry;
use crate::app::applied::{Applied, Batch};
use crate::app::state::Entry;
use crate::base::ids::{Inc, NodeId, Origin, Position};

/// A batch as its host sealed it.
#[derive(Clone, Debug)]
struct Sealed {
    first: Entry,
    count: u32,
    body: Vec<u8>,
}

/// Two hosts, each with two starts of its process, so that there is a late tail of an earlier start.
const ORIGINS: [Origin; 4] = [
    Origin { node: NodeId(7), inc: Inc(9) },
    Origin { node: NodeId(7), inc: Inc(2) },
    Origin { node: NodeId(3), inc: Inc(5) },
    Origin { node: NodeId(3), inc: Inc(8) },
];

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
    /// It seals a batch of records with these seeds. The first start makes room for the second for good.
    Seal { is_later_start: bool, seeds: Vec<u64> },
    /// It takes the next batches of one of its peer's streams.
    Take { stream: usize, batches: usize },
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let seal = (prop::bool::weighted(0.3), prop::collection::vec(any::<u64>(), 1..12))
        .prop_map(|(is_later_start, seeds)| Step::Seal { is_later_start, seeds });
    let take = (0..2_usize, 1..3_usize).prop_map(|(stream, batches)| Step::Take { stream, batches });
    prop::collection::vec((0..2_usize, prop_oneof![2 => seal, 1 => take]), 1..24)
}

struct Host {
    applied: Applied,
    is_later_start: bool,
}

/// Runs both hosts; each stamps its records with what it had applied at that moment. Gives the streams.
fn run(steps: &[(usize, Step)]) -> [Vec<Sealed>; 4] {
    let mut hosts = [0, 1].map(|_| Host { applied: empty(), is_later_start: false });
    let mut streams: [Vec<Sealed>; 4] = Default::default();
    let mut taken = [0_usize; 4];
    for (time_us, (host, step)) in (1_u64..).zip(steps) {
        let own = &mut hosts[*host];
        match step {
            Step::Seal { is_later_start, seeds } => {
                own.is_later_start |= is_later_start;
                let stream = 2 * host + usize::from(own.is_later_start);
                let batch = seal(&own.applied, ORIGINS[stream], time_us, seeds);
                apply(&mut own.applied, &batch);
                streams[stream].push(batch);
            }
            Step::Take { stream, batches } => {
                let stream = 2 * (1 - host) + stream;
                let next = streams[stream].iter().skip(taken[stream]).take(*batches);
                taken[stream] += next.map(|batch| apply(&mut own.applied, batch)).count();
            }
        }
    }
    streams
}

fn seal(applied: &Applied, origin: Origin, time_us: u64, seeds: &[u64]) -> Sealed {
    let first = Entry { origin, seq: applied.vector.seq_of(origin) + 1, time_us };
    let samples: Vec<u8> = seeds.iter().flat_map(|&seed| applied.sample(seed)).collect();
    let mut body = Vec::new();
    applied.stamp_batch(&first, &samples, &mut body);
    Sealed { first, count: u32::try_from(seeds.len()).unwrap(), body }
}

/// Applies all batches, the next one from the stream that `order` says.
fn fold(streams: &[Vec<Sealed>; 4], order: &[usize]) -> Applied {
    let mut applied = empty();
    let mut next = [0; 4];
    let all_of_each = (0..4).flat_map(|stream| std::iter::repeat_n(stream, streams[stream].len()));
    for stream in order.iter().copied().chain(all_of_each) {
        if let Some(batch) = streams[stream].get(next[stream]) {
            apply(&mut applied, batch);
            next[stream] += 1;
        }
    }
    applied
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_interleaving_gives_the_same_state(
        steps in steps(),
        one in prop::collection::vec(0..4_usize, 0..40),
        other in prop::collection::vec(0..4_usize, 0..40),
    ) {
        let streams = run(&steps);
        let (one, other) = (fold(&streams, &one), fold(&streams, &other));
        prop_assert_eq!(one.sections(), other.sections());
        prop_assert_eq!(&one.vector, &other.vector);

        let mut restored = empty();
        for (id, bytes) in one.sections() {
            prop_assert_eq!(restored.restore(id, &bytes), Ok(()));
        }
        prop_assert_eq!(restored.sections(), one.sections());
    }
}
