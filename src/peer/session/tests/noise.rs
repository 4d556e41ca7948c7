//! Random and mutated frames: no panic, nothing but an end before HELLO and STATE are complete, bounded memory.
//!
//! `PEER_FRAMES=10000000 cargo test --lib noise` builds one that sends as many as that; 200,000 otherwise.

use super::*;
use crate::peer::pieces;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() as usize) % n
    }
}

/// Frames as a peer that keeps the rules sends them, one of each kind and more.
fn sound() -> Vec<(Kind, u8, Vec<u8>)> {
    let mut theirs = Maker::new(origin(2, 20));
    let mut found = Vec::new();
    let hello = frames(Session::new(settings(2, 20), &[], 0).output()).remove(0).1;
    found.push((Kind::Hello, 0, hello));
    found.push((Kind::State, 0, message::encode_state(&[])));
    for count in [1, 2, 9] {
        let (header, body) = theirs.next(count);
        found.push((Kind::Batch, 0, [&header.encode()[..], &body].concat()));
    }
    found.push((Kind::State, 0, message::encode_state(&[theirs.held()])));
    let receipt = Receipt { origin: origin(1, 10), received: 4, durable: 4 };
    found.push((Kind::Ack, 0, message::encode_ack(&[receipt])));
    found.push((Kind::Resync, 0, message::encode_resync(origin(1, 10), 2).to_vec()));
    found.push((Kind::Blob, 0, [&pieces::encode_blob_head(&BlobId([1; 32]), 4, 0)[..], b"ab"].concat()));
    found.push((Kind::Want, 0, vec![7; 32]));
    found.push((Kind::Snap, message::FLAG_STREAMS, message::encode_starts(&Streams::default())));
    found.push((Kind::Snap, 0, [&pieces::encode_part_head(3, 0)[..], b"abc"].concat()));
    found.push((Kind::Ping, 0, vec![1; 8]));
    found.push((Kind::Pong, 0, message::encode_pong(3, 4, 4).to_vec()));
    found.push((Kind::Bye, 0, b"\x01\0\0\0bye".to_vec()));
    found.push((Kind::Error, 0, b"\x01\0\0\0\xff\x1b[2Jno".to_vec()));
    found
}

fn one_of(random: &mut Random, sound: &[(Kind, u8, Vec<u8>)]) -> Vec<u8> {
    let (mut kind, mut flags, mut payload) = sound[random.below(sound.len())].clone();
    match random.below(6) {
        0 => {}
        1 => kind = sound[random.below(sound.len())].0,
        2 => flags = random.next() as u8,
        3 if !payload.is_empty() => {
            let at = random.below(payload.len());
            payload[at] = random.next() as u8;
        }
        4 => payload.truncate(random.below(payload.len() + 1)),
        _ => payload.extend((0..random.below(60)).map(|_| random.next() as u8)),
    }
    let mut bytes = Vec::new();
    // Sound checksums let the mutation through to what lies behind them.
    frame::push(&mut bytes, kind, flags, &[&payload]);
    if random.below(8) == 0 {
        let at = random.below(bytes.len());
        bytes[at] ^= 1 << random.below(8);
    }
    bytes
}

#[test]
fn noise_ends_a_session_and_does_nothing_else() {
    let wanted = option_env!("PEER_FRAMES").map_or(200_000, |text| text.parse().expect("a number"));
    let sound = sound();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut sent, mut met, mut ended) = (0_u64, 0_u64, 0_u64);
    while sent < wanted {
        let is_empty = random.below(2) == 0;
        let mut session = Session::new(Settings { is_empty, ..settings(1, 10) }, &[], 0);
        // Half of the sessions are led through the greeting, so that the rest of the rules is reached.
        let mut is_greeted = false;
        if random.below(2) == 0 {
            for (kind, flags, payload) in &sound[..2] {
                let mut bytes = Vec::new();
                frame::push(&mut bytes, *kind, *flags, &[payload]);
                session.receive(&bytes, 0);
            }
        }
        for _ in 0..64 {
            session.receive(&one_of(&mut random, &sound), sent);
            sent += 1;
            for effect in effects(&mut session, sent) {
                match effect {
                    Effect::Established(_) => is_greeted = true,
                    Effect::Closed(_) => ended += 1,
                    other => assert!(is_greeted, "before the greeting was complete: {other:?}"),
                }
            }
            assert!(session.output().len() < 64 * 1024 && session.unacked_bytes() == 0);
            if session.is_closed() {
                break;
            }
        }
        met += u64::from(is_greeted);
    }
    assert!(met > 0 && ended > 0);
}
