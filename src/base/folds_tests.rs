//! Folds as a set: any order, any repetition, and their bytes.

use proptest::prelude::*;

use super::*;
use crate::base::streams::{Stream, Streams};
use crate::base::vector::VersionVector;

const NODE: NodeId = NodeId(7);
const OTHER: NodeId = NodeId(9);

fn end(number: u32) -> StreamEnd {
    StreamEnd { inc: Inc::of_start(number, 40), seq: 3 + u64::from(number), chain: 1_000 + u64::from(number) }
}

fn origin(inc: Inc) -> Origin {
    Origin { node: NODE, inc }
}

fn fold(by: u32, starts: &[u32]) -> Fold {
    let starts = starts.iter().map(|number| end(*number)).collect();
    Fold { by: origin(Inc::of_start(by, 1)), hosts: vec![OTHER], starts }
}

fn streams(numbers: impl Iterator<Item = u32>) -> Streams {
    let mut streams = Streams::default();
    for StreamEnd { inc, seq, chain } in numbers.map(end) {
        streams.set(Stream { origin: origin(inc), seq, chain });
    }
    streams
}

proptest! {
    #[test]
    fn folds_of_any_starts_in_any_order_give_the_same_set(
        parts in prop::collection::vec(prop::collection::btree_set(1..20_u32, 1..8), 1..6),
    ) {
        let folds: Vec<Fold> = (40..).zip(&parts).map(|(by, part)| fold(by, &Vec::from_iter(part.iter().copied()))).collect();
        let (mut one, mut other) = (streams(1..30), streams(1..30));
        let mut vector = one.vector();
        for fold in &folds {
            prop_assert_eq!(one.fold(fold), Ok(()));
            vector.fold(fold);
        }
        for fold in folds.iter().rev() {
            prop_assert_eq!(other.fold(fold), Ok(()));
            prop_assert_eq!(other.fold(fold), Ok(()), "once more changes nothing");
        }
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(&one.vector(), &vector);
        let all: std::collections::BTreeSet<u32> = parts.iter().flatten().copied().collect();
        let folded = one.folds().of(NODE).unwrap();
        prop_assert_eq!(folded.starts as usize, all.len());
        prop_assert_eq!(folded.records, all.iter().map(|number| end(*number).seq).sum::<u64>());
        prop_assert_eq!(one.len(), 29 - all.len());
        for number in 1..30 {
            let origin = origin(end(number).inc);
            prop_assert_eq!(one.is_folded(origin), all.contains(&number));
            prop_assert_eq!(vector.seq_of(origin), if all.contains(&number) { Seq::MAX } else { end(number).seq });
        }
        let mut bytes = Vec::new();
        one.folds().encode(&mut bytes);
        prop_assert_eq!(bytes.len(), one.folds().encoded_bytes());
        prop_assert_eq!(Folds::decode(&bytes), Some((one.folds().clone(), bytes.len())));
        prop_assert_eq!(Folds::decode(&bytes[..bytes.len() - 1]), None);
    }
}

#[test]
fn a_fold_of_other_ends_is_refused_and_changes_nothing() {
    let mut here = streams(1..6);
    for wrong in [
        StreamEnd { seq: 1, ..end(2) },
        StreamEnd { chain: 1, ..end(2) },
        StreamEnd { inc: Inc::of_start(9, 9), ..end(2) },
    ] {
        let mut fold = fold(9, &[1]);
        fold.starts.push(wrong);
        assert!(here.fold(&fold).is_err(), "{wrong:?}");
    }
    assert_eq!(here, streams(1..6));
}

#[test]
fn starts_without_a_number_are_listed() {
    let inc = Inc(0xFFEE_DDCC_BBAA_9988);
    let unnumbered = StreamEnd { inc, seq: 5, chain: 6 };
    let mut streams = streams(1..4);
    streams.set(Stream { origin: origin(inc), seq: 5, chain: 6 });
    let fold = Fold { starts: vec![end(1), unnumbered], ..fold(9, &[]) };
    assert_eq!(streams.fold(&fold), Ok(()));
    assert!(streams.is_folded(origin(inc)) && !streams.is_folded(origin(Inc(inc.0 + 1))));
    assert_eq!(Fold::read(fold.by, &fold.payload()), Some(fold.clone()));
    let mut bytes = Vec::new();
    streams.folds().encode(&mut bytes);
    assert_eq!(Folds::decode(&bytes), Some((streams.folds().clone(), bytes.len())));
}

#[test]
fn a_vector_with_folds_covers_what_it_has_folded() {
    let mut vector = streams(1..6).vector();
    let before = vector.clone();
    vector.fold(&fold(9, &[1, 2, 3]));
    assert!(vector.covers(&before) && !before.covers(&vector));
    let mut joined = before.clone();
    joined.join(&vector);
    assert_eq!(joined, vector);
    vector.raise(origin(end(2).inc), 99);
    assert_eq!(joined, vector, "a folded stream is at its end");
    assert_eq!(VersionVector::new().seq_of(origin(end(2).inc)), 0);
}

#[test]
fn golden_bytes() {
    let fold = fold(9, &[2]);
    let words = [1, OTHER.0, 0x2_0000_0028, 5, 1_002].map(u64::to_le_bytes).concat();
    assert_eq!(fold.payload(), words);
    assert_eq!(Fold::read(fold.by, &words), Some(fold.clone()));
    assert_eq!(Fold::read(fold.by, &words[..words.len() - 1]), None);
    let mut folds = Folds::default();
    folds.fold(&fold, |_| true);
    let hash = folds.of(NODE).unwrap().hash;
    let mut bytes = Vec::new();
    folds.encode(&mut bytes);
    let node = [NODE.0, 0x1_0000_0002, 5, hash, fold.by.inc.0, 1, OTHER.0].map(u64::to_le_bytes).concat();
    assert_eq!(bytes, [&[1, 0, 0, 0], &node[..]].concat());
}
