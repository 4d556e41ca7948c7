use proptest::prelude::*;

use super::*;
use crate::app::state::{Entry, State};
use crate::apps::thumbs::media::Media;
use crate::apps::thumbs::record::Change;
use crate::apps::thumbs::tag::THUMBS_CUT;
use crate::base::ids::Inc;

const ONE: Origin = Origin { node: NodeId(1), inc: Inc(1) };
const TWO: Origin = Origin { node: NodeId(2), inc: Inc(1) };

fn at(origin: Origin, seq: Seq) -> Entry {
    Entry { origin, seq, time_us: seq * 1_000 + origin.node.0 }
}

fn picture(uuid: u8, raw: u8) -> Picture {
    let raw = BlobId([raw; 32]);
    Picture {
        uuid: [uuid; 16],
        media: Media::Png,
        frame: Frame::USUAL,
        style: Style::usual(Media::Png),
        raw,
        raw_bytes: 9,
    }
}

fn small(hash: u8) -> Thumbnail {
    Thumbnail { blob: BlobId([hash; 32]), bytes: 3 }
}

fn apply(state: &mut ThumbsState, origin: Origin, seq: Seq, change: &Change) {
    state.apply(&at(origin, seq), &change.record());
}

fn bytes(state: &ThumbsState) -> Vec<u8> {
    let mut out = Vec::new();
    state.snapshot(&mut out);
    out
}

#[test]
fn from_handed_in_to_made_to_deleted() {
    let (mut state, place) = (ThumbsState::default(), (ONE, 1));
    apply(&mut state, ONE, 1, &Change::Submit(picture(1, 100)));
    assert_eq!(state.open_of(ONE.node).map(|key| key.place).collect::<Vec<_>>(), [place]);
    assert!(
        state.names_blob(&BlobId([100; 32]))
            && state.made(&(BlobId([100; 32]), Style::usual(Media::Png), Frame::USUAL)).is_none()
    );
    apply(&mut state, ONE, 2, &Change::Attempt(place));
    assert_eq!(state.at(place).unwrap().progress.attempts[&ONE.node], 1);
    apply(&mut state, ONE, 3, &Change::Done(place, small(1)));
    assert_eq!(state.open_count(), 0);
    assert_eq!(state.take_released(), [BlobId([100; 32])], "the picture goes when its thumbnail is made");
    assert!(state.names_blob(&BlobId([1; 32])));
    assert_eq!(state.made(&(BlobId([100; 32]), Style::usual(Media::Png), Frame::USUAL)), Some(small(1)));
    assert_eq!(
        state.made(&(BlobId([100; 32]), Style::usual(Media::Jpg), Frame::USUAL)),
        None,
        "another kind is another thumbnail"
    );
    apply(&mut state, TWO, 1, &Change::Known(picture(2, 100), small(1)));
    apply(&mut state, ONE, 4, &Change::Delete(place));
    assert!(state.find([1; 16]).is_none() && !state.has_released(), "another picture has the thumbnail");
    apply(&mut state, ONE, 5, &Change::Delete((TWO, 1)));
    apply(&mut state, ONE, 6, &Change::Delete((TWO, 1)));
    assert_eq!(state.take_released(), [BlobId([1; 32])]);
    assert!(state.made.is_empty() && state.early.is_empty() && state.count() == 0);
}

#[test]
fn the_list_is_in_the_order_of_time() {
    let mut state = ThumbsState::default();
    for (origin, seq) in [(TWO, 1), (ONE, 1), (ONE, 2), (TWO, 2)] {
        apply(&mut state, origin, seq, &Change::Submit(picture(seq as u8, 100)));
    }
    let places: Vec<Place> = state.list(None).map(|(key, _)| key.place).collect();
    assert_eq!(places, [(ONE, 1), (TWO, 1), (ONE, 2), (TWO, 2)]);
    let second = *state.list(None).nth(1).unwrap().0;
    assert_eq!(state.list(Some(second)).count(), 2);
}

#[test]
fn words_that_come_first_wait_for_their_picture() {
    let place = (ONE, 3);
    let words =
        [Change::Attempt(place), Change::Failed(place, "no".to_owned()), Change::Done(place, small(1))];
    let mut early = ThumbsState::default();
    for (seq, word) in (1..).zip(&words) {
        apply(&mut early, TWO, seq, word);
    }
    assert!(early.names_blob(&BlobId([1; 32])), "its thumbnail stays");
    apply(&mut early, ONE, 3, &Change::Submit(picture(1, 100)));
    assert_eq!(early.take_released(), [BlobId([100; 32])], "its content came for nothing");
    let mut late = ThumbsState::default();
    apply(&mut late, ONE, 3, &Change::Submit(picture(1, 100)));
    for (seq, word) in (1..).zip(&words) {
        apply(&mut late, TWO, seq, word);
    }
    assert_eq!(bytes(&early), bytes(&late));

    let mut deleted = ThumbsState::default();
    apply(&mut deleted, TWO, 1, &Change::Delete(place));
    apply(&mut deleted, TWO, 2, &words[2]);
    assert_eq!(deleted.take_released(), [BlobId([1; 32])]);
    apply(&mut deleted, ONE, 3, &Change::Submit(picture(1, 100)));
    assert_eq!(
        (deleted.take_released(), deleted.count(), deleted.early.len()),
        (vec![BlobId([100; 32])], 0, 0)
    );
}

/// Returns what is derived must not depend on how the state came about.
fn derived(state: &ThumbsState) -> impl PartialEq + std::fmt::Debug + use<> {
    let made = state.made.clone();
    let named: Vec<bool> = (0..=255).map(|byte| state.names_blob(&BlobId([byte; 32]))).collect();
    (made, named, state.by_place.clone(), state.open.clone())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Everything that is derived is what a restored snapshot derives, and each blob that came is named or released.
    #[test]
    fn nothing_is_forgotten_and_nothing_is_named_for_ever(seeds in prop::collection::vec((any::<bool>(), any::<u64>()), 1..60)) {
        let mut state = ThumbsState::default();
        let mut seqs = [0; 2];
        let mut came = BTreeSet::new();
        let mut released = BTreeSet::new();
        for (is_second, seed) in seeds {
            let origin = if is_second { TWO } else { ONE };
            seqs[usize::from(is_second)] += 1;
            let record = state.sample(seed);
            state.blobs_of(&record, &mut |id| { came.insert(id); });
            state.apply(&at(origin, seqs[usize::from(is_second)]), &record);
            released.extend(state.take_released());
            let mut restored = ThumbsState::default();
            prop_assert_eq!(restored.restore(&bytes(&state)), Ok(()));
            prop_assert_eq!(derived(&restored), derived(&state));
            prop_assert_eq!(bytes(&restored), bytes(&state));
            for id in &came {
                prop_assert!(state.names_blob(id) || released.contains(id), "{} is lost", id);
            }
        }
    }
}

#[test]
fn what_is_cut_leaves_nothing_in_any_order() {
    use crate::app::floors;
    use crate::app::trimming::Trimmed;
    let place = (ONE, 1);
    let cut = floors::records(THUMBS_CUT, &[place]).concat();
    let words = [
        (ONE, 1, Change::Submit(picture(1, 100)).record()),
        (TWO, 1, Change::Attempt(place).record()),
        (TWO, 2, Change::Done(place, small(1)).record()),
        (ONE, 2, Change::Done(place, small(2)).record()),
        (TWO, 3, cut),
        (ONE, 3, Change::Delete(place).record()),
    ];
    // Every order in which each host's words keep theirs.
    for order in 0..64_u32 {
        let mut state = ThumbsState::default();
        let [ones, twos] =
            [ONE, TWO].map(|of| words.iter().filter(move |word| word.0 == of).collect::<Vec<_>>());
        let (mut ones, mut twos) = (ones.into_iter(), twos.into_iter());
        let mut apply = |word: &(Origin, Seq, Vec<u8>)| {
            state.apply(&at(word.0, word.1), &word.2);
        };
        for bit in 0..6 {
            let next = if order >> bit & 1 == 0 { ones.next() } else { twos.next() };
            next.into_iter().for_each(&mut apply);
        }
        ones.chain(twos).for_each(&mut apply);
        assert_eq!((state.count(), state.early.len(), state.extent()), (0, 0, (0, 0)), "{order:b}");
        for hash in [100, 1, 2] {
            assert!(!state.names_blob(&BlobId([hash; 32])), "{hash} {order:b}");
        }
    }
}

#[test]
fn a_picture_without_an_end_holds_what_comes_behind_it_in_its_stream() {
    use crate::app::hosts::Hosts;
    use crate::app::keep::Keep;
    use crate::app::trimming::{Look, floors};
    let mut state = ThumbsState::default();
    for seq in 1..=4 {
        apply(&mut state, ONE, seq, &Change::Submit(picture(seq as u8, 100 + seq as u8)));
        apply(&mut state, TWO, seq, &Change::Known(picture(10 + seq as u8, 200), small(9)));
    }
    apply(&mut state, ONE, 5, &Change::Done((ONE, 1), small(1)));
    apply(&mut state, ONE, 6, &Change::Done((ONE, 3), small(3)));
    let keep = Keep { count: Some(1), ..Keep::default() };
    let look = Look { now_us: 0, hosts: Hosts::alone(NodeId(1)) };
    assert_eq!(floors(&state, &keep, &look), [(ONE, 1), (TWO, 3)], "the second one has no end");
}
