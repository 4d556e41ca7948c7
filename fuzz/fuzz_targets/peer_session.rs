//! Frames of any kind and content, with sound checksums, to one session: no panic, and no effect but its end before
//! HELLO and STATE are complete. The input is a list of frames: kind, flags, u16 length, payload.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pixeld::base::ids::{ClusterId, Inc, NodeId};
use pixeld::base::kinds::Kinds;
use pixeld::peer::session::{Effect, Session, Settings};

fn settings(node: u64) -> Settings {
    Settings {
        cluster: ClusterId([7; 16]),
        node: NodeId(node),
        inc: Inc(node),
        nonce: 0,
        clock_us: 0,
        lineage: 0,
        made: 0,
        is_empty: true,
        is_joining: false,
        kinds: Kinds::FIRST.with(&[0xE1]),
    }
}

fn framed(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut head = (payload.len() as u32).to_le_bytes().to_vec();
    head.extend_from_slice(&[kind, flags, 0, 0]);
    let crc = crc32c(&head);
    head.extend_from_slice(&crc.to_le_bytes());
    head.extend_from_slice(&crc32c(payload).to_le_bytes());
    head.extend_from_slice(payload);
    head
}

fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & 0_u32.wrapping_sub(crc & 1)))
    };
    !bytes.iter().fold(!0, step)
}

fuzz_target!(|bytes: &[u8]| {
    let mut session = Session::new(settings(1), &[], 0);
    let mut rest = bytes;
    let mut is_established = false;
    if bytes.first().is_some_and(|byte| byte & 1 == 0) {
        session.receive(Session::new(settings(2), &[], 0).output(), 0);
    }
    let mut now_us = 0;
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([head[2], head[3]])).min(after.len());
        session.receive(&framed(head[0], head[1], &after[..length]), now_us);
        rest = &after[length..];
        now_us += 10_000;
        while let Some(effect) = session.next_effect(now_us) {
            match effect {
                Effect::Established(_) => is_established = true,
                Effect::Closed(_) => return,
                _ => assert!(is_established),
            }
        }
        session.tick(now_us);
        session.sent(session.output().len());
    }
});
