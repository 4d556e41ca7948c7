//! Pictures that hosts are asked for.

use super::*;

/// Passes some time in which these hosts are heard, and say of every picture that they don't have it.
fn pass_without(scene: &mut Scene, id: BlobId, hosts: &[NodeId]) {
    for _ in 0..10 {
        for host in hosts {
            let beat = Beat { origin: start(*host, 1), lineage: 0, has: None };
            scene.on(LogEvent::Said { node: *host, bytes: beat.encode() });
        }
        scene.pass(200 * MS);
        for call in scene.calls() {
            let LogCall::Ask { token, to, question } = call else { continue };
            assert_eq!(question, Question::Picture { id, offset: 0 }.encode());
            if to.is_some_and(|to| hosts.contains(&to)) {
                scene.on(LogEvent::Answered { token, answer: Answer::Nothing.encode() });
            }
        }
    }
}

/// A host that was not heard yet may be the one that has it; whoever is there is heard within six seconds.
#[test]
fn a_picture_is_not_gone_before_everybody_had_the_time_to_be_heard() {
    let mut scene = Scene::new(None, &[]);
    scene.follow(None);
    let id = BlobId([3; 32]);
    scene.host.want(&id);
    scene.carry();
    scene.on(LogEvent::NoPicture { id });
    pass_without(&mut scene, id, &[NodeId(3)]);
    assert!(!scene.heard.contains(&Effect::BlobGone(id)), "another one may have it");
    pass_without(&mut scene, id, &[NodeId(3), OTHER]);
    assert!(!scene.heard.contains(&Effect::BlobGone(id)), "and a third one");
    pass_without(&mut scene, id, &[NodeId(3), OTHER]);
    assert!(scene.heard.contains(&Effect::BlobGone(id)), "all have said that they don't");
}

#[test]
fn pictures_may_be_kept_in_the_other_order() {
    let (mut scene, mut maker) = (Scene::new(None, &[]), Maker::new(host()));
    let ids = [&b"first"[..], b"second"].map(|picture| {
        let mut content = Sha256::default();
        content.update(picture);
        let id = BlobId(content.hash());
        scene.host.send_blob(&id, picture.len() as u64, 0, picture);
        (id, picture.len() as u64)
    });
    scene.publish(&mut maker);
    scene.calls();
    let [(first, first_end), (second, second_end)] = ids;
    scene.on(LogEvent::Kept { id: second, end: second_end });
    assert!(scene.appends().is_empty(), "the batch names the first one, too");
    scene.on(LogEvent::Kept { id: first, end: first_end });
    assert_eq!(scene.appends().len(), 1);
}

/// A scene whose host wants a picture that the log was asked for; another host is there.
fn wanting(id: BlobId) -> Scene {
    let mut scene = Scene::new(None, &[]);
    scene.follow(None);
    scene.host.want(&id);
    scene.carry();
    assert_eq!(scene.calls(), [LogCall::Get { id, offset: 0 }]);
    scene
}

/// Servers may leave a read unanswered for ever when one of them is killed.
#[test]
fn a_log_that_is_silent_about_a_picture_is_left_for_the_hosts() {
    let picture = b"a picture";
    let mut content = Sha256::default();
    content.update(picture);
    let id = BlobId(content.hash());
    let mut scene = wanting(id);
    scene.pass(RELAY_SILENT_US - 1);
    assert!(scene.calls().is_empty());
    scene.pass(1);
    let calls = scene.calls();
    let [LogCall::Ask { token, .. }] = calls[..] else { panic!("{calls:?}") };
    // What the log says after all is as good as nothing.
    scene.on(LogEvent::Piece { id, total: 9, offset: 0, bytes: picture.to_vec() });
    assert!(!scene.heard.iter().any(|heard| matches!(heard, Effect::Blob { .. })));
    let answer = Answer::Piece { total: 9, offset: 0, bytes: picture.to_vec() };
    scene.on(LogEvent::Answered { token, answer: answer.encode() });
    assert!(scene.heard.iter().any(|heard| matches!(heard, Effect::Blob { .. })), "{:?}", scene.heard);
}

/// It may be kept by the log only, while its maker is away or has lost it.
#[test]
fn a_picture_is_not_gone_before_the_log_has_said_so() {
    let id = BlobId([3; 32]);
    let mut scene = wanting(id);
    let mut asked = Vec::new();
    for _ in 0..100 {
        let beat = Beat { origin: start(OTHER, 1), lineage: 0, has: None };
        scene.on(LogEvent::Said { node: OTHER, bytes: beat.encode() });
        scene.pass(200 * MS);
        for call in scene.calls() {
            match call {
                LogCall::Ask { token, .. } => {
                    scene.on(LogEvent::Answered { token, answer: Answer::Nothing.encode() });
                }
                call => asked.push((scene.now_us / (1_000 * MS), call)),
            }
        }
    }
    // After three seconds, six and twelve more.
    let seconds: Vec<u64> = asked.iter().map(|(second, _)| *second).collect();
    assert!(asked.iter().all(|(_, call)| *call == LogCall::Get { id, offset: 0 }), "{asked:?}");
    assert_eq!(seconds, [3, 9], "and not yet the next one");
    assert!(!scene.heard.contains(&Effect::BlobGone(id)), "nobody has said that the log lacks it");
    scene.on(LogEvent::NoPicture { id });
    assert!(scene.heard.contains(&Effect::BlobGone(id)), "now neither has it");
}
