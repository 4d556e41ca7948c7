//! Any split of the bytes gives the same effects and the same answers.

use super::*;
use proptest::prelude::*;

/// Returns what a busy peer says: greeting, batches, blobs, acknowledgements, a gap, a PING, and maybe a breach.
fn conversation() -> Vec<u8> {
    let (mut mine, mut theirs) = (Maker::new(origin(1, 3)), Maker::new(origin(2, 20)));
    mine.next(2);
    let mut other = Session::new(settings(2, 20), &[mine.held()], 0);
    other.receive(Session::new(settings(1, 10), &[], 0).output(), 0);
    let mut state = Vec::new();
    frame::push(&mut state, Kind::State, 0, &[&message::encode_state(&[])]);
    other.receive(&state, 0);
    assert_eq!(effects(&mut other, 0).len(), 1);
    for count in [1, 40, 3] {
        let (header, body) = theirs.next(count);
        other.send_batch(&header, &body);
    }
    theirs.next(7);
    let (header, body) = theirs.next(2);
    other.send_batch(&header, &body);
    other.want(&BlobId([3; 32]));
    other.send_blob_gone(&BlobId([4; 32]));
    other.tick(PEER_PING_EVERY_US);
    other.output().to_vec()
}

/// Effects and output of a session that is given `bytes` in these pieces.
fn outcome(bytes: &[u8], cuts: &[usize]) -> (Vec<Effect>, Vec<u8>) {
    let mut session = Session::new(settings(1, 10), &[], 0);
    let mut seen = Vec::new();
    let mut start = 0;
    for &cut in cuts.iter().chain([&bytes.len()]) {
        session.receive(&bytes[start..cut], 0);
        seen.extend(effects(&mut session, 0));
        start = cut;
    }
    (seen, session.output().to_vec())
}

#[test]
fn every_single_cut_gives_the_same() {
    let bytes = conversation();
    let whole = outcome(&bytes, &[]);
    assert_eq!(whole.0.len(), 6);
    for cut in 0..bytes.len() {
        assert!(outcome(&bytes, &[cut]) == whole, "cut at {cut}");
    }
    let every: Vec<usize> = (0..bytes.len()).collect();
    assert!(outcome(&bytes, &every) == whole);
}

proptest! {
    #[test]
    fn any_split_of_anything_gives_the_same(
        mut cuts in prop::collection::vec(0..1500_usize, 0..12),
        flip in prop::option::of((0..1500_usize, 0..8_u32)),
    ) {
        let mut bytes = conversation();
        if let Some((at, bit)) = flip {
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
        }
        cuts.iter_mut().for_each(|cut| *cut %= bytes.len());
        cuts.sort_unstable();
        prop_assert!(outcome(&bytes, &cuts) == outcome(&bytes, &[]));
    }
}
