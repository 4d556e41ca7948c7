//! Every breach of the rules ends the session, with an ERROR that says so and no effect before it.

use super::*;
use crate::peer::frame::FrameError;
use crate::peer::message::{FLAG_MORE, FLAG_STREAMS};
use crate::peer::pieces::{self, FLAG_GONE};

/// Returns the frames that a peer of node 2, start 20, begins with.
fn greeting(held: &[Holding]) -> Vec<u8> {
    let other = Session::new(settings(2, 20), &[], 0);
    let mut bytes = other.output().to_vec();
    frame::push(&mut bytes, Kind::State, 0, &[&message::encode_state(held)]);
    bytes
}

fn framed(kind: Kind, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::push(&mut bytes, kind, flags, &[payload]);
    bytes
}

/// Returns what a session of node 1, start 10, that holds `held` makes of bytes behind a greeting.
fn verdict(held: &[Holding], bytes: &[u8]) -> (Vec<Effect>, Session) {
    let mut session = Session::new(settings(1, 10), held, 0);
    session.receive(&greeting(&[]), 0);
    assert_eq!(effects(&mut session, 0).len(), 1);
    session.sent(session.output().len());
    session.receive(bytes, MS);
    (effects(&mut session, MS), session)
}

/// Bytes behind a greeting that end the session with this code, and nothing else.
fn assert_breach(held: &[Holding], bytes: &[u8], code: ErrorCode, why: &str) {
    let (found, session) = verdict(held, bytes);
    let [Effect::Closed(Close::Violation(violation))] = &found[..] else { panic!("{why}: {found:?}") };
    assert_eq!(violation.code(), code, "{why}: {violation}");
    assert!(violation.to_string().contains(why), "{why}: {violation}");
    let said = frames(session.output());
    let [(Kind::Error, payload)] = &said[..] else { panic!("{why}: {said:?}") };
    let (told, text) = message::decode_parting(Kind::Error, payload).unwrap();
    assert_eq!((told, text), (code as u16, violation.to_string()));
}

#[test]
fn invalid_frames() {
    let batch = Maker::new(origin(2, 20)).next(1);
    let payload = [&batch.0.encode()[..], &batch.1].concat();
    let malformed = |kind, flags, payload: &[u8], why| {
        assert_breach(&[], &framed(kind, flags, payload), ErrorCode::Malformed, why);
    };
    malformed(Kind::Ping, 1, &[0; 8], "an invalid PING: its flags are unknown");
    malformed(Kind::Ping, 0, &[0; 7], "an invalid PING: its length is wrong");
    malformed(Kind::Pong, 0, &[0; 8], "an invalid PONG");
    malformed(Kind::Pong, 0, &message::encode_pong(0, 1, 2), "an invalid PONG: its numbers");
    malformed(Kind::Want, 0, &[0; 31], "an invalid WANT");
    malformed(Kind::Resync, 0, &[0; 23], "an invalid RESYNC");
    malformed(Kind::Resync, 0, &[0; 24], "records are numbered from 1");
    malformed(Kind::Ack, 0, &[0; 7], "an invalid ACK");
    malformed(Kind::Ack, 0, &[1, 0, 0, 0, 0, 0, 0, 0], "its length and its count");
    malformed(Kind::Bye, 0, &[0; 3], "an invalid BYE");
    malformed(Kind::Error, 0, &[], "an invalid ERROR");
    malformed(Kind::Blob, 0, &[0; 47], "an invalid BLOB: it is too short");
    malformed(Kind::Blob, 0, &[0; 48], "an invalid BLOB: its numbers");
    malformed(Kind::Blob, FLAG_GONE, &[0; 49], "it is gone and has a length");
    malformed(Kind::Batch, 0, &payload[..63], "an invalid BATCH: it is too short");
    malformed(Kind::Batch, 0, &payload[..73], "its body does not match its header");
    malformed(Kind::Batch, 0, &[0; 80], "no batch begins here");
    let mut flipped = payload.clone();
    flipped[70] ^= 1;
    malformed(Kind::Batch, 0, &flipped, "its body does not match its header");

    let receipt = Receipt { origin: origin(1, 10), received: 1, durable: 2 };
    malformed(Kind::Ack, 0, &message::encode_ack(&[receipt]), "its numbers are impossible");
    let receipt = Receipt { durable: 1, ..receipt };
    malformed(Kind::Ack, 0, &message::encode_ack(&[receipt, receipt]), "its streams are out of order");
    let held = Holding { origin: origin(3, 3), received: 5, durable: 5, first: 7, chain: 1 };
    malformed(Kind::State, 0, &message::encode_state(&[held]), "its numbers are impossible");
    malformed(Kind::State, FLAG_MORE, &message::encode_state(&[]), "its parts don't follow");

    let mut bytes = framed(Kind::Ping, 0, &[0; 8]);
    bytes[20] ^= 4;
    assert_breach(&[], &bytes, ErrorCode::Malformed, &FrameError::Payload.to_string());
    bytes[0] ^= 4;
    assert_breach(&[], &bytes, ErrorCode::Malformed, &FrameError::Head.to_string());
}

#[test]
fn frames_out_of_turn() {
    let unexpected = |bytes: &[u8], why| assert_breach(&[], bytes, ErrorCode::Unexpected, why);
    let hello = Session::new(settings(2, 20), &[], 0).output().to_vec();
    unexpected(&hello, "a HELLO after the first one");
    let mut maker = Maker::new(origin(2, 20));
    let (header, body) = maker.next(1);
    let batch = framed(Kind::Batch, 0, &[&header.encode()[..], &body].concat());

    let held = Holding { origin: origin(3, 3), received: 5, durable: 5, first: 1, chain: 1 };
    let part = framed(Kind::State, FLAG_MORE, &message::encode_state(&[held]));
    unexpected(&[&part[..], &batch].concat(), "a BATCH amid a STATE");
    let piece = [&pieces::encode_blob_head(&BlobId([9; 32]), 2, 0)[..], b"x"].concat();
    let piece = framed(Kind::Blob, 0, &piece);
    let (found, _) = verdict(&[], &[&piece[..], &batch].concat());
    assert!(matches!(found[..], [Effect::Blob { .. }, Effect::Closed(_)]), "{found:?}");
    let (found, _) = verdict(&[], &[&piece[..], &piece].concat());
    assert!(matches!(found[..], [Effect::Blob { .. }, Effect::Closed(_)]), "the same piece again: {found:?}");
    unexpected(&framed(Kind::Snap, FLAG_STREAMS, &[0; 8]), "a SNAP although this host is not empty");

    // What can't be said of a stream.
    let ack = |received| {
        let receipt = Receipt { origin: origin(1, 10), received, durable: 0 };
        framed(Kind::Ack, 0, &message::encode_ack(&[receipt]))
    };
    let mut own = Maker::new(origin(1, 10));
    own.next(4);
    let wrong = |bytes: &[u8], why| assert_breach(&[own.held()], bytes, ErrorCode::Unexpected, why);
    wrong(&ack(5), "more was received than there is");
    let (found, _) = verdict(&[own.held()], &[ack(4), ack(3)].concat());
    assert!(matches!(found[..], [Effect::Receipts(_), Effect::Closed(_)]), "{found:?}");
    let resync = framed(Kind::Resync, 0, &message::encode_resync(origin(1, 10), 1));
    wrong(&resync, "something was sent that wasn't");
}

#[test]
fn a_batch_is_taken_whatever_its_time() {
    let body = [0x11; 10];
    for time_us in [0, 1, BATCH_TIME_US_MAX + 1, u64::MAX] {
        let header = BatchHeader::seal(origin(2, 20), 1, 1, time_us, Maker::new(origin(2, 20)).chain, &body);
        let (found, _) = verdict(&[], &framed(Kind::Batch, 0, &[&header.encode()[..], &body].concat()));
        assert_eq!(found, [Effect::Take { header, body: body.to_vec() }], "{time_us}");
    }
}

#[test]
fn a_batch_of_an_unknown_kind_is_refused_by_name() {
    let mut body = vec![0x11; 20];
    body.extend_from_slice(&[0x7A, 1, 0, 0, 0, 9]);
    let header = BatchHeader::seal(origin(2, 20), 1, 3, 5, Maker::new(origin(2, 20)).chain, &body);
    let batch = framed(Kind::Batch, 0, &[&header.encode()[..], &body].concat());
    assert_breach(&[], &batch, ErrorCode::UnknownKind, "of the kind 0x7a");
    let text = Violation::UnknownKind { origin: origin(2, 20), seq: 3, tag: 0x7A }.to_string();
    let (found, _) = verdict(&[], &batch);
    assert!(
        matches!(&found[..], [Effect::Closed(close)] if close.needs_operator() && close.to_string() == text)
    );

    let mut upgraded =
        Session::new(Settings { kinds: Kinds::FIRST.with(&[0xE1]).with(&[0x7A]), ..settings(1, 10) }, &[], 0);
    upgraded.receive(&[greeting(&[]), batch].concat(), MS);
    assert!(matches!(effects(&mut upgraded, MS)[..], [Effect::Established(_), Effect::Take { .. }]));
}

#[test]
fn a_hello_of_the_first_program_says_that_the_first_kinds_are_understood() {
    let kinds_said = |payload: &[u8]| {
        let mut session = Session::new(settings(1, 10), &[], 0);
        let state = framed(Kind::State, 0, &message::encode_state(&[]));
        session.receive(&[framed(Kind::Hello, 0, payload), state].concat(), 0);
        match &effects(&mut session, 0)[..] {
            [Effect::Established(peer)] => Ok(peer.kinds),
            other => Err(format!("{other:?}")),
        }
    };
    let other = Session::new(Settings { kinds: Kinds::of(&[0x11, 0x7A]), ..settings(2, 20) }, &[], 0);
    let (_, hello) = frames(other.output()).remove(0);
    assert_eq!(kinds_said(&hello), Ok(Kinds::of(&[0x11, 0x7A])));
    assert_eq!(kinds_said(&hello[..64]), Ok(Kinds::FIRST));
    assert_eq!(
        kinds_said(&[&hello[..], &[9; 40]].concat()),
        Ok(Kinds::of(&[0x11, 0x7A])),
        "a later one is longer"
    );
    assert!(kinds_said(&hello[..65]).unwrap_err().contains("within its kinds"));
}

#[test]
fn other_histories_are_refused_with_a_sentence() {
    let mut one = Maker::new(origin(2, 3));
    one.next(2);
    let mut other = Maker { chain: one.chain ^ 1, ..one };
    let mut mine = one;
    let told = "keep the host whose data is wanted and make the other one afresh";
    let refused = |held: &[Holding], bytes: &[u8]| assert_breach(held, bytes, ErrorCode::OtherHistory, told);
    let sent = |(header, body): (BatchHeader, Vec<u8>)| {
        framed(Kind::Batch, 0, &[&header.encode()[..], &body].concat())
    };
    let state = framed(Kind::State, 0, &message::encode_state(&[other.held()]));
    refused(&[one.held()], &state);
    refused(&[one.held()], &sent(other.next(1)));
    // The same numbers in other batches.
    let longer = sent(Maker::new(origin(2, 3)).next(3));
    refused(&[one.held()], &longer);
    let last = sent(Maker { seq: 0, chain: 5, ..one }.next(2));
    refused(&[one.held()], &last);
    // Somebody else goes on with the stream that this process makes.
    let mut copy = Maker::new(origin(1, 10));
    copy.next(1);
    refused(&[], &sent(Maker::new(origin(1, 10)).next(1)));
    refused(&[], &framed(Kind::State, 0, &message::encode_state(&[copy.held()])));
    let (found, _) = verdict(&[one.held()], &sent(mine.next(1)));
    assert!(matches!(found[..], [Effect::Take { .. }]), "the same history goes on: {found:?}");
}

#[test]
fn who_cannot_be_the_peer_is_refused_before_anything_is_sent() {
    let refused = |theirs: Settings, code: ErrorCode, told: &str| {
        let mut session = Session::new(settings(1, 10), &[], 0);
        session.sent(session.output().len());
        session.receive(Session::new(theirs, &[], 0).output(), 0);
        let found = effects(&mut session, 0);
        let [Effect::Closed(close @ Close::Violation(violation))] = &found[..] else { panic!("{found:?}") };
        assert_eq!(violation.code(), code);
        assert!(violation.to_string().contains(told) && close.needs_operator(), "{violation}");
        assert_eq!(kinds(session.output()), [Kind::Error], "no STATE");
    };
    let stranger = Settings { cluster: ClusterId([8; 16]), ..settings(2, 20) };
    refused(stranger, ErrorCode::OtherCluster, "pixeld init --join");
    refused(settings(1, 20), ErrorCode::OwnNode, "a copy of this one");
    let restored = Settings { lineage: 0x77, ..settings(2, 20) };
    refused(restored, ErrorCode::OtherLineage, "the lineage 0000000000000077");

    let mut session = Session::new(settings(1, 10), &[], 0);
    let theirs = Session::new(settings(2, 20), &[], 0);
    let mut payload = frames(theirs.output())[0].1.clone();
    payload[..4].copy_from_slice(&[2, 0, 9, 0]);
    session.receive(&framed(Kind::Hello, 0, &payload), 0);
    let found = effects(&mut session, 0);
    let expected = Violation::Version { min: 2, max: 9, own: 1 };
    assert_eq!(found, [Effect::Closed(Close::Violation(expected))]);
    // A later version's longer HELLO that still speaks this one is welcome.
    let mut session = Session::new(settings(1, 10), &[], 0);
    payload[..4].copy_from_slice(&[1, 0, 9, 0]);
    payload.extend_from_slice(b"something new");
    session.receive(&framed(Kind::Hello, 0, &payload), 0);
    assert_eq!(effects(&mut session, 0), []);
    assert_eq!(kinds(session.output()), [Kind::Hello, Kind::State]);
}

#[test]
fn nothing_comes_before_a_greeting_and_little_is_read_of_it() {
    for kind in [Kind::State, Kind::Batch, Kind::Ack, Kind::Resync, Kind::Blob, Kind::Want, Kind::Snap] {
        let mut session = Session::new(settings(1, 10), &[], 0);
        session.receive(&framed(kind, 0, &[0; 100]), 0);
        let expected = Violation::Unexpected { kind, when: "before a HELLO" };
        assert_eq!(effects(&mut session, 0), [Effect::Closed(Close::Violation(expected))]);
    }
    let mut session = Session::new(settings(1, 10), &[], 0);
    session.receive(&framed(Kind::Hello, 0, &[0; 1025])[..16], 0);
    let found = effects(&mut session, 0);
    assert!(matches!(close_of(&found), Close::Violation(Violation::Frame(FrameError::Length { .. }))));
    let mut session = Session::new(settings(1, 10), &[], 0);
    session.receive(&greeting(&[])[..16 + message::HELLO_BYTES], 0);
    session.receive(&framed(Kind::Ping, 0, &[0; 8]), 0);
    let expected = Violation::Unexpected { kind: Kind::Ping, when: "before a STATE" };
    assert_eq!(effects(&mut session, 0), [Effect::Closed(Close::Violation(expected))]);
}

#[test]
fn a_peer_that_ignores_the_window_is_stopped() {
    let mut maker = Maker::new(origin(2, 20));
    let mut bytes = Vec::new();
    for _ in 0..9 {
        let (header, body) = maker.next(100_000);
        bytes.extend(framed(Kind::Batch, 0, &[&header.encode()[..], &body].concat()));
    }
    let (found, _) = verdict(&[], &bytes);
    assert_eq!(found.len(), 9);
    assert_eq!(close_of(&found), &Close::Violation(Violation::Window));
}
