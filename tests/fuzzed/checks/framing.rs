//! A connection gives the same requests however its bytes are cut, and those that the slow reader finds.

use crate::feed::{Event, events};
use crate::slow::body::{self, REFUSED};
use pixeld::base::limits::Limits;

/// Events without what may differ: the status of a refusal, and a body that is of no use and is kept only where it costs
/// nothing.
fn essential(mut events: Vec<Event>) -> Vec<Event> {
    for event in &mut events {
        match event {
            Event::Refused(_) => *event = REFUSED,
            Event::Request { line, body, .. } if line.contains(" /unwanted") => body.clear(),
            _ => {}
        }
    }
    events
}

pub fn check(input: &[u8]) {
    let limits = Limits::default();
    let whole = essential(events([input], &limits));
    assert_eq!(essential(body::events(input)), whole, "the slow reader, and ours");
    let size = 1 + input.len() % 13;
    for pieces in [1, size, size * 31] {
        assert_eq!(essential(events(input.chunks(pieces), &limits)), whole, "in pieces of {pieces} bytes");
    }
}
