//! Any bytes, in two pieces: frames come out as they would in one, or the same error.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pixeld::base::limits::PEER_PAYLOAD_BYTES_MAX;
use pixeld::peer::frame::{FrameError, Inflow};

fn frames(pieces: &[&[u8]]) -> (Vec<(u8, Vec<u8>)>, Option<FrameError>) {
    let (mut inflow, mut found) = (Inflow::default(), Vec::new());
    for piece in pieces {
        inflow.extend(piece);
        loop {
            match inflow.frame(PEER_PAYLOAD_BYTES_MAX) {
                Ok(Some(frame)) => found.push((frame.kind as u8, frame.payload.to_vec())),
                Ok(None) => break,
                Err(error) => return (found, Some(error)),
            }
        }
    }
    (found, None)
}

fuzz_target!(|bytes: &[u8]| {
    let (first, second) = bytes.split_at(bytes.len() / 2);
    assert_eq!(frames(&[bytes]), frames(&[first, second]));
});
