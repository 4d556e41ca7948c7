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
