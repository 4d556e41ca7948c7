//! A host that has nothing, beside a log that is only a window.

use super::*;
use crate::base::limits::RELAY_NEWCOMER_US;
use crate::base::streams::Streams;
use crate::peer::relay::words::Beginning;

impl Scene {
    /// The host has nothing; of the other one's stream the log has the messages from `first` on.
    fn newcomer(first: u64, last: Option<(u64, Vec<u8>)>) -> Self {
        let mut scene = Self::begun(&[], true);
        for call in scene.calls() {
            let LogCall::Tail { token, node } = call else { panic!("{call:?}") };
            let (first, last) = if node == OTHER { (first, last.clone()) } else { (1, None) };
            scene.relay.on(LogEvent::Tail { token, first, last }, 0);
        }
        scene
    }

    /// The other host says that it is there, and that it has something.
    fn hear_other(&mut self, has: &Streams) {
        let has = Some(Has { received: has.clone(), ..Has::default() });
        let bytes = Beat { origin: start(OTHER, 1), lineage: 0, has }.encode();
        // The host is not connected yet: nothing is carried.
        self.relay.on(LogEvent::Said { node: OTHER, bytes }, self.now_us);
    }

    /// Answers the one question that was asked, which must be this one.
    fn answer(&mut self, question: Question, answer: &Answer) {
        let calls = self.calls();
        let [LogCall::Ask { token, to: Some(OTHER), question: asked }] = &calls[..] else {
            panic!("{calls:?}")
        };
        assert_eq!(Question::decode(asked), Some(question));
        self.on(LogEvent::Answered { token: *token, answer: answer.encode() });
    }
}

fn piece(of: &[u8], offset: usize, length: usize) -> Answer {
    let bytes = of[offset..][..length].to_vec();
    Answer::Piece { total: of.len() as u64, offset: offset as u64, bytes }
}

#[test]
fn a_snapshot_and_its_contents_come_before_any_batch() {
    let mut maker = Maker::new(start(OTHER, 1));
    maker.message(2);
    let mut starts = Streams::default();
    starts.set(maker.0);
    let message = maker.message(1);
    let mut scene = Scene::newcomer(7, Some((7, message.clone())));
    scene.hear_other(&starts);
    scene.connect();
    let beginning = Beginning { key: 3, total: 5, starts: starts.clone() };
    scene.answer(Question::Beginning, &Answer::Beginning(beginning));
    let picture = b"a picture";
    let mut content = Sha256::default();
    content.update(picture);
    let id = BlobId(content.hash());
    scene.answer(Question::Contents { after: None }, &Answer::Contents(vec![id]));
    assert_eq!(scene.calls(), [LogCall::Get { id, offset: 0 }]);
    scene.on(LogEvent::NoPicture { id });
    scene.answer(Question::Picture { id, offset: 0 }, &piece(picture, 0, picture.len()));
    scene.answer(Question::Contents { after: Some(id) }, &Answer::Contents(Vec::new()));
    scene.answer(Question::Snapshot { key: 3, offset: 0 }, &piece(b"state", 0, 3));
    scene.answer(Question::Snapshot { key: 3, offset: 3 }, &piece(b"state", 3, 2));
    let token = scene.tail_of(OTHER);
    scene.on(LogEvent::Tail { token, first: 7, last: Some((7, message.clone())) });
    let calls = scene.calls();
    let [LogCall::Follow { token, node: OTHER, after: 6 }] = calls[..] else { panic!("{calls:?}") };
    scene.on(LogEvent::Message { token, number: 7, bytes: message });
    let came: Vec<String> = scene.heard.iter().filter_map(name_of).collect();
    assert_eq!(came, ["begins", "blob", "part 0", "part 3", "batch 3"]);
    assert!(scene.relay.closed().is_none());
}

/// Returns what came, in a word.
fn name_of(effect: &Effect) -> Option<String> {
    match effect {
        Effect::SnapshotBegins { .. } => Some("begins".to_owned()),
        Effect::Blob { .. } => Some("blob".to_owned()),
        Effect::SnapshotPart { offset, .. } => Some(format!("part {offset}")),
        Effect::Take { header, .. } => Some(format!("batch {}", header.first_seq)),
        _ => None,
    }
}

#[test]
fn where_another_host_keeps_everything_there_is_no_snapshot() {
    let mut scene = Scene::newcomer(1, None);
    scene.hear_other(&Streams::default());
    scene.connect();
    scene.answer(Question::Beginning, &Answer::Whole);
    scene.tail_of(OTHER);
}

#[test]
fn with_nobody_there_the_log_will_do_if_it_is_whole() {
    for (first, is_enough) in [(1, true), (4, false)] {
        let mut scene = Scene::newcomer(first, None);
        scene.now_us = RELAY_NEWCOMER_US;
        scene.connect();
        for _ in 0..RELAY_NEWCOMER_US / (1_000 * MS) {
            scene.host.tick(scene.now_us + 1_000 * MS);
            scene.pass(1_000 * MS);
        }
        let asks_log = scene.calls().iter().any(|call| matches!(call, LogCall::Tail { node: OTHER, .. }));
        assert_eq!(asks_log, is_enough, "the first message is the {first}th");
    }
}

#[test]
fn a_snapshot_that_is_gone_amid_the_way_ends_the_connection() {
    let mut scene = Scene::newcomer(7, None);
    scene.hear_other(&Streams::default());
    scene.connect();
    let starts = Streams::default();
    scene.answer(Question::Beginning, &Answer::Beginning(Beginning { key: 3, total: 5, starts }));
    scene.answer(Question::Contents { after: None }, &Answer::Contents(Vec::new()));
    scene.answer(Question::Snapshot { key: 3, offset: 0 }, &Answer::Nothing);
    scene.pass(50 * MS);
    let told = scene.relay.closed().map(ToString::to_string).unwrap_or_default();
    assert!(told.contains("does not come"), "{told}");
}

/// The log told an end that it forgot afterwards, and its maker has lost it too: it came back as another start.
#[test]
fn a_goal_that_nobody_has_any_more_ends_the_connection() {
    let (mut old, mut new) = (Maker::new(start(OTHER, 1)), Maker::new(start(OTHER, 2)));
    let (kept, lost, next) = (old.message(1), old.0, new.message(1));
    let told = old.message(2);
    let mut scene = Scene::newcomer(1, Some((2, told)));
    scene.hear_other(&Streams::default());
    scene.connect();
    scene.answer(Question::Beginning, &Answer::Whole);
    let token = scene.tail_of(OTHER);
    scene.on(LogEvent::Tail { token, first: 1, last: Some((2, next.clone())) });
    let calls = scene.calls();
    let [LogCall::Find { token, number: 1, .. }] = calls[..] else { panic!("{calls:?}") };
    scene.on(LogEvent::Found { token, message: Some((1, kept.clone())) });
    let calls = scene.calls();
    let [LogCall::Follow { token, node: OTHER, after: 0 }] = calls[..] else { panic!("{calls:?}") };
    for (number, bytes) in [(1, kept), (2, next)] {
        scene.on(LogEvent::Message { token, number, bytes });
    }
    let mut has = Streams::default();
    [lost, new.0].into_iter().for_each(|stream| has.set(stream));
    let mut closed_us = None;
    while closed_us.is_none() && scene.now_us < 2 * RELAY_NEWCOMER_US {
        scene.host.tick(scene.now_us + 500 * MS);
        scene.pass(500 * MS);
        scene.hear_other(&has);
        scene.carry();
        closed_us = scene.relay.closed().map(|_| scene.now_us);
    }
    let told = scene.relay.closed().map(ToString::to_string).unwrap_or_default();
    assert!(told.contains("nobody has records of") && told.contains("up to 3"), "{told}");
    assert!(closed_us.is_some_and(|us| us >= RELAY_NEWCOMER_US), "others had the time to be heard");
}
