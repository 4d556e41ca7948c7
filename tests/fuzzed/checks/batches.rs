//! A batch in pieces is the batch as a whole, and holds the pixels that serde_json finds in it.

use std::collections::BTreeMap;

use pixeld::app::upload::{Ended, Upload};
use pixeld::apps::pixel::batch::array::Array;
use pixeld::apps::pixel::batch::binary::Binary;
use pixeld::apps::pixel::batch::lines::Lines;
use pixeld::log::lane::{Consumer, Producer, Taken, lane};
use serde_json::value::RawValue;

use super::pixel_json::{Judged, judged};

/// Most bytes of an element or a line.
const ELEMENT_BYTES_MAX: usize = 120;
/// Bytes of a record.
const RECORD_BYTES: usize = 10;

/// The first byte of an input says which form it is, the second one how it is cut.
pub fn check(input: &[u8]) {
    let [form, size, body @ ..] = input else { return };
    let make: fn() -> Box<dyn Upload> = match form % 3 {
        0 => || Box::new(Array::new(ELEMENT_BYTES_MAX)),
        1 => || Box::new(Lines::new(ELEMENT_BYTES_MAX)),
        _ => || Box::<Binary>::default(),
    };
    let whole = fed(make(), body, usize::MAX);
    for size in [1, usize::from(*size).max(1)] {
        assert_eq!(fed(make(), body, size), whole, "in pieces of {size} bytes");
    }
    let (_, answer, records) = whole;
    assert_eq!(accepted(&answer), (records.len() / RECORD_BYTES).to_string());
    let expected = match form % 3 {
        0 => of_array(body),
        1 => of_lines(body),
        _ => Some(of_records(body)),
    };
    assert!(expected.is_none_or(|expected| expected == records), "{answer}");
}

/// Feeds `body` in pieces of `size` bytes into a lane with room for six pixels; gives the status, the answer and the records.
fn fed(mut upload: Box<dyn Upload>, body: &[u8], size: usize) -> (u16, String, Vec<u8>) {
    let (mut producer, mut consumer) = lane(64);
    let (mut records, mut rest) = (Vec::new(), body);
    while !rest.is_empty() {
        let fed = upload.feed(&rest[..size.min(rest.len())], &mut producer);
        assert!(fed.consumed > 0 || fed.pause.is_some(), "it stands still");
        rest = &rest[fed.consumed..];
        drain(&mut producer, &mut consumer, &mut records);
    }
    loop {
        let ended = upload.end(&mut producer);
        drain(&mut producer, &mut consumer, &mut records);
        if let Ended::Done(response) = ended {
            let answer = String::from_utf8(response.body.to_vec()).expect("an answer in UTF-8");
            return (response.status, answer, records);
        }
    }
}

/// Returns how many pixels an answer says are taken. Its members stay text: it echoes numbers that no f64 holds.
fn accepted(answer: &str) -> String {
    let members: BTreeMap<String, &RawValue> = serde_json::from_str(answer).expect("an answer in JSON");
    members["accepted"].get().to_owned()
}

fn drain(producer: &mut Producer, consumer: &mut Consumer, records: &mut Vec<u8>) {
    producer.publish();
    consumer.take(&mut { usize::MAX }, 0, &mut Vec::new(), |taken| match taken {
        Taken::Short(record) => records.extend_from_slice(record),
        Taken::Other(..) => panic!("a batch makes pixels only"),
    });
}

/// The records of an array, which is taken whole or not at all; nothing where serde_json can't tell.
fn of_array(body: &[u8]) -> Option<Vec<u8>> {
    let Ok(elements) = serde_json::from_slice::<Vec<&RawValue>>(body) else { return Some(Vec::new()) };
    if elements.iter().any(|element| element.get().len() > ELEMENT_BYTES_MAX) {
        return Some(Vec::new());
    }
    gathered(elements.iter().map(|element| judged(element.get().as_bytes())))
}

/// The records of lines, each for itself.
fn of_lines(body: &[u8]) -> Option<Vec<u8>> {
    let lines = body.split(|byte| *byte == b'\n').filter(|line| line.len() <= ELEMENT_BYTES_MAX);
    gathered(lines.map(|line| judged(without_mark(line))))
}

/// A line without the white space of JSON before it, and without a byte order mark: a line is a text.
fn without_mark(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !b" \t\r".contains(byte)).unwrap_or(line.len());
    line[start..].strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(line)
}

fn of_records(body: &[u8]) -> Vec<u8> {
    let whole = body.chunks_exact(RECORD_BYTES);
    whole.filter(|record| matches!(record[0], 0x11..=0x13)).flatten().copied().collect()
}

fn gathered(found: impl Iterator<Item = Judged>) -> Option<Vec<u8>> {
    let mut records = Vec::new();
    for judged in found {
        match judged {
            Judged::Pixel(record) => records.extend_from_slice(&record),
            Judged::No => {}
            Judged::Unknown => return None,
        }
    }
    Some(records)
}
