//! Batches that touch folds, beside streams that come each for itself.

use super::*;
use crate::base::vector::VersionVector;

/// A host that makes streams and says nothing itself.
const THIRD: NodeId = NodeId(3);

/// Returns a message with the first batch of a stream, which takes all that is folded.
fn clear(origin: Origin) -> Vec<u8> {
    let body = [0x1F, 0, 0, 0, 0];
    let header = BatchHeader::seal_touching_folds(origin, 1, 1, 5, first_chain(CLUSTER, origin), &body);
    let mut message = Vec::new();
    message::push(&mut message, &header, &body);
    message
}

/// Returns the token of the question that was asked, which must be this one.
fn asked(scene: &mut Scene, question: &Question) -> u64 {
    let calls = scene.calls();
    let token = |call: &LogCall| match call {
        LogCall::Ask { token, question: asked, .. } if Question::decode(asked).as_ref() == Some(question) => {
            Some(*token)
        }
        _ => None,
    };
    calls.iter().find_map(token).unwrap_or_else(|| panic!("{question:?} is not among {calls:?}"))
}

/// The clear names no stream that its host had folded. If it came before that fold, pixels would stay listed here.
#[test]
fn a_clear_waits_for_the_fold_that_its_maker_had() {
    let (maker, folding) = (start(OTHER, 3), start(THIRD, 2));
    let mut scene = Scene::new(None, &[]);
    let token = scene.follow(None);
    let beat = Beat { origin: maker, lineage: 0, has: None };
    scene.on(LogEvent::Said { node: OTHER, bytes: beat.encode() });
    scene.on(LogEvent::Message { token, number: 1, bytes: clear(maker) });
    let received = |scene: &Scene, of| scene.host.held(of).map_or(0, |held| held.received);
    assert_eq!(received(&scene, maker), 0, "nobody has said what it needs");

    let standing = asked(&mut scene, &Question::Standing { origin: maker, seq: 1 });
    let mut had = VersionVector::new();
    had.raise(maker, 1);
    had.raise(folding, 1);
    scene.on(LogEvent::Answered { token: standing, answer: Answer::Standing(had).encode() });
    assert_eq!(received(&scene, maker), 0, "the fold is not here");

    let records = asked(&mut scene, &Question::Records { origin: folding, seq: 1 });
    let message = Maker::new(folding).message(1);
    scene.on(LogEvent::Answered { token: records, answer: Answer::Records(message).encode() });
    assert_eq!((received(&scene, folding), received(&scene, maker)), (1, 1));
}

/// A host that has just reached the log has heard nobody, and whoever made the clear may be there all the same.
#[test]
fn a_clear_waits_until_everybody_had_the_time_to_be_heard() {
    let maker = start(OTHER, 3);
    let mut scene = Scene::new(None, &[]);
    let token = scene.follow(None);
    scene.on(LogEvent::Message { token, number: 1, bytes: clear(maker) });
    let received = |scene: &Scene| scene.host.held(maker).map_or(0, |held| held.received);
    (0..5).for_each(|_| scene.pass(1_000 * MS));
    assert_eq!(received(&scene), 0, "its maker may be heard yet");
    scene.pass(1_000 * MS);
    assert_eq!(received(&scene), 1, "nobody is there that could say what it needs");
}
