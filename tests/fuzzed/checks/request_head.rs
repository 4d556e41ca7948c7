//! A request's head is read as the slow reader reads it, or refused by both.

use crate::slow::fields::Framing as Slow;
use crate::slow::head;
use pixeld::base::limits::Limits;
use pixeld::http::request::{Framing, HeaderSlots, Version, parse_head};

pub fn check(input: &[u8]) {
    let mut slots = HeaderSlots::new();
    let fast = parse_head(input, &mut slots, &Limits::default()).ok().map(|head| head::Head {
        method: head.method.as_str(),
        path: head.path.to_owned(),
        query: head.query.map(str::to_owned),
        is_1_1: head.version == Version::Http11,
        headers: head.headers().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
        framing: match head.framing {
            Framing::None => Slow::Nothing,
            Framing::Length(length) => Slow::Length(length),
            Framing::Chunked => Slow::Chunks,
        },
        keep_alive: head.keep_alive,
    });
    let slow = head::read(input).ok().filter(|(_, rest)| rest.is_empty()).map(|(head, _)| head);
    assert_eq!(fast, slow);
}
