//! All three forms of a batch, in pieces of any size and into a lane that is often full.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::array::Array;
use super::binary::Binary;
use super::lines::Lines;
use crate::app::upload::{Ended, Upload};
use crate::apps::pixel::limits::BATCH_REJECTS_MAX;
use crate::apps::pixel::record::{Channel, Pixel};
use crate::http::refusal::Refusal as Stop;
use crate::log::lane::{Consumer, Producer, Taken, lane};

const ELEMENT_BYTES_MAX: usize = 200;

fn drain(producer: &mut Producer, consumer: &mut Consumer, out: &mut Vec<u8>) {
    producer.publish();
    consumer.take(&mut { usize::MAX }, 0, &mut Vec::new(), |taken| match taken {
        Taken::Short(record) => out.extend_from_slice(record),
        Taken::Other(..) => panic!("a batch makes pixels only"),
    });
}

/// Feeds `body` in pieces of the given sizes, over and over; gives status, answer and the records in the lane.
fn run(mut upload: Box<dyn Upload>, body: &[u8], sizes: &[usize]) -> (u16, Value, Vec<u8>) {
    let (mut producer, mut consumer) = lane(64);
    let mut records = Vec::new();
    let (mut rest, mut sizes) = (body, sizes.iter().copied().cycle());
    while !rest.is_empty() {
        let piece = &rest[..sizes.next().unwrap_or(usize::MAX).min(rest.len())];
        let fed = upload.feed(piece, &mut producer);
        assert!(fed.pause.is_some() || fed.consumed == piece.len(), "only a full lane stops an upload");
        if fed.pause.is_some() {
            assert_eq!(producer.free() / 10, 0, "blocked with room in the lane");
            drain(&mut producer, &mut consumer, &mut records);
        }
        rest = &rest[fed.consumed..];
    }
    loop {
        let ended = upload.end(&mut producer);
        drain(&mut producer, &mut consumer, &mut records);
        if let Ended::Done(response) = ended {
            let answer = serde_json::from_slice(&response.body).expect("an answer in JSON");
            return (response.status, answer, records);
        }
    }
}

fn lines() -> Box<dyn Upload> {
    Box::new(Lines::new(ELEMENT_BYTES_MAX))
}

fn array() -> Box<dyn Upload> {
    Box::new(Array::new(ELEMENT_BYTES_MAX))
}

fn pixel() -> impl Strategy<Value = Pixel> {
    (any::<i32>(), any::<i32>(), 0..3_usize, any::<u8>()).prop_map(|(x, y, channel, value)| Pixel {
        x,
        y,
        channel: [Channel::R, Channel::G, Channel::B][channel],
        value,
    })
}

fn text(pixel: &Pixel) -> String {
    let Pixel { x, y, channel, value } = pixel;
    format!(r#"{{"x":{x},"y":{y},"channel":"{}","value":{value}}}"#, channel.letter() as char)
}

/// Returns what a client might send for one pixel: a pixel, or something else that is valid JSON.
fn item() -> impl Strategy<Value = (String, Option<Pixel>)> {
    prop_oneof![
        6 => pixel().prop_map(|pixel| (text(&pixel), Some(pixel))),
        1 => pixel().prop_map(|pixel| (text(&pixel).replace(',', " ,\t"), Some(pixel))),
        1 => prop_oneof![Just("{}"), Just("1"), Just("[\"]\"]"), Just(r#""\"""#), Just("null")]
            .prop_map(|other| (other.to_owned(), None)),
    ]
}

fn expected(items: &[(String, Option<Pixel>)]) -> (u16, u64, Vec<u64>, Vec<u8>) {
    let records: Vec<u8> = items.iter().filter_map(|item| item.1).flat_map(|pixel| pixel.encode()).collect();
    let rejected: Vec<u64> =
        (0..).zip(items).filter(|(_, item)| item.1.is_none()).map(|(at, _)| at).collect();
    let status = match (records.is_empty(), rejected.is_empty()) {
        (_, true) => 200,
        (true, false) => 422,
        (false, false) => 207,
    };
    (status, (records.len() / 10) as u64, rejected, records)
}

fn reported(answer: &Value) -> (u64, Vec<u64>) {
    let entries = answer["rejected"].as_array().expect("a list");
    assert!(entries.iter().all(|entry| entry["detail"].as_array().is_some_and(|list| !list.is_empty())));
    let indices = entries.iter().map(|entry| entry["index"].as_u64().expect("a number")).collect();
    (answer["accepted"].as_u64().expect("a number"), indices)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn pieces_and_a_full_lane_change_nothing(
        items in prop::collection::vec(item(), 0..24),
        sizes in prop::collection::vec(1..90_usize, 1..4),
        has_last_end: bool,
    ) {
        let (status, accepted, rejected, records) = expected(&items);
        let texts: Vec<_> = items.iter().map(|item| item.0.as_str()).collect();
        let mut body = texts.join("\r\n");
        body.push_str(if has_last_end { "\n\n" } else { "" });
        let got = run(lines(), body.as_bytes(), &sizes);
        prop_assert_eq!((got.0, reported(&got.1), &got.2), (status, (accepted, rejected.clone()), &records));

        let body = format!(" [{}\n] ", texts.join(" ,\n"));
        let got = run(array(), body.as_bytes(), &sizes);
        prop_assert_eq!((got.0, reported(&got.1), &got.2), (status, (accepted, rejected), &records));
    }

    #[test]
    fn binary_records_in_any_pieces(
        records in prop::collection::vec((pixel(), prop::bool::weighted(0.1)), 0..40),
        cut in 0..10_usize,
        sizes in prop::collection::vec(1..70_usize, 1..4),
    ) {
        let mut body: Vec<u8> = Vec::new();
        for (pixel, is_bad) in &records {
            let mut record = pixel.encode();
            record[0] = if *is_bad { 0x1F } else { record[0] };
            body.extend_from_slice(&record);
        }
        body.extend_from_slice(&[0x11; 9][..cut.min(9)]);
        let got = run(Box::new(Binary::default()), &body, &sizes);
        let good: Vec<u8> = records.iter().filter(|r| !r.1).flat_map(|r| r.0.encode()).collect();
        let cut_short = (cut > 0).then_some(records.len() as u64);
        let bad = (0..).zip(&records).filter(|(_, r)| r.1).map(|(at, _)| at).chain(cut_short).collect();
        prop_assert_eq!(reported(&got.1), ((good.len() / 10) as u64, bad));
        prop_assert_eq!(got.2, good);
    }
}

/// Feeds pieces until `stop` bytes have gone, then stops the upload; gives the answer and the records in the lane. With
/// `is_full` the lane has no more room from then on.
fn stopped(mut upload: Box<dyn Upload>, body: &[u8], size: usize, is_full: bool) -> (u16, Value, Vec<u8>) {
    let (mut producer, mut consumer) = lane(64);
    let mut records = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let fed = upload.feed(&rest[..size.min(rest.len())], &mut producer);
        rest = &rest[fed.consumed..];
        if fed.pause.is_some() {
            if is_full && records.len() > body.len() / 100 {
                break;
            }
            drain(&mut producer, &mut consumer, &mut records);
        }
    }
    let response = upload.stopped(Stop::new(413, "why")).expect("each form tells what it took");
    drain(&mut producer, &mut consumer, &mut records);
    let answer = serde_json::from_slice(&response.body).expect("an answer in JSON");
    (response.status, answer, records)
}

proptest! {
    #[test]
    fn a_batch_that_is_stopped_says_how_many_are_in_the_lane(
        items in prop::collection::vec(item(), 0..40),
        cut in any::<prop::sample::Index>(),
        size in 1..70_usize,
        is_full in any::<bool>(),
    ) {
        let texts: Vec<_> = items.iter().map(|item| &*item.0).collect();
        let body = texts.join("\n") + "\n";
        let body = &body.as_bytes()[..cut.index(body.len())];
        let (status, answer, records) = stopped(lines(), body, size, is_full);
        prop_assert_eq!((status, &answer["accepted"]), (413, &json!(records.len() / 10)));
        let good: Vec<u8> = items.iter().filter_map(|item| item.1).flat_map(|pixel| pixel.encode()).collect();
        prop_assert!(good.starts_with(&records), "the first ones");

        let (status, answer, records) = stopped(Box::new(Binary::default()), &good, size, is_full);
        prop_assert_eq!((status, &answer["accepted"]), (413, &json!(records.len() / 10)));
        prop_assert!(good.starts_with(&records));

        let body = format!("[{}]", texts.join(","));
        let (_, answer, records) = stopped(array(), &body.as_bytes()[..cut.index(body.len())], size, is_full);
        prop_assert_eq!((&answer["accepted"], records.len()), (&json!(0), 0), "nothing before its end");
    }
}

#[test]
fn an_array_that_meets_a_full_lane_at_its_end_says_how_far_it_came() {
    let pixel = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
    let body = format!("[{}]", [pixel; 20].join(","));
    let (mut producer, mut consumer) = lane(64);
    let mut upload = array();
    upload.feed(body.as_bytes(), &mut producer);
    let mut records = Vec::new();
    assert!(matches!(upload.end(&mut producer), Ended::Paused(_)));
    drain(&mut producer, &mut consumer, &mut records);
    assert!(matches!(upload.end(&mut producer), Ended::Paused(_)));
    drain(&mut producer, &mut consumer, &mut records);
    let response = upload.stopped(Stop::new(507, "full")).expect("an answer");
    let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
    let count = records.len() / 10;
    assert!((1..20).contains(&count));
    assert_eq!(
        answer,
        json!({"detail": format!("full; {count} pixels are stored: send only what comes after them"), "accepted": count})
    );
}

#[test]
fn what_was_rejected_before_a_stop_is_reported() {
    let (mut producer, _consumer) = lane(64);
    let mut upload = lines();
    upload.feed(b"{\"x\":1,\"y\":2,\"channel\":\"R\",\"value\":3}\n7\n", &mut producer);
    let response = upload.stopped(Stop::new(400, "broken")).expect("an answer");
    let text = std::str::from_utf8(&response.body).expect("a text");
    let start = r#"{"detail":"broken; 1 pixel is stored: send only what comes after it","accepted":1,"rejected":[{"index":1,"#;
    assert!(text.starts_with(start) && text.ends_with("]}"), "{text}");
}

#[test]
fn an_array_with_broken_syntax_is_refused_as_a_whole() {
    let pixel = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
    for body in [
        "[P",
        "[P,",
        "[P,]",
        "[P P]",
        "[P]]",
        "[P,{\"x\":}]",
        "[P,nul]",
        "[P}",
        "[P,{\"x\":1]",
        "[,P]",
        "[",
        "[P,\u{FEFF}P]",
        " [] ,P",
    ] {
        let body = body.replace('P', pixel);
        for size in [1, 7, 1000] {
            let (status, answer, records) = run(array(), body.as_bytes(), &[size]);
            assert_eq!((status, &answer["detail"][0]["type"]), (422, &json!("json_invalid")), "{body}");
            assert_eq!(answer["accepted"], json!(0), "{body}");
            assert_eq!(answer, run(array(), body.as_bytes(), &[9]).1, "the place too");
            assert!(records.is_empty(), "{body}");
        }
    }
    let (status, answer, records) = run(array(), b"[{\"x\":\"\xff\"}]", &[3]);
    assert_eq!(
        (status, answer, records.len()),
        (400, json!({"detail": "There was an error parsing the body", "accepted": 0}), 0)
    );
}

#[test]
fn what_is_no_array_is_named_and_echoed() {
    let one = |body: &str| {
        let (status, answer, records) = run(array(), body.as_bytes(), &[5]);
        for size in [1, 999] {
            assert_eq!(run(array(), body.as_bytes(), &[size]).1, answer, "{body:?} in pieces of {size}");
        }
        assert!(status == 422 && records.is_empty());
        answer["detail"][0].clone()
    };
    assert_eq!(one(" {\"x\": 1}")["input"], json!({"x": 1}));
    assert_eq!(one("{}")["type"], json!("list_type"));
    assert_eq!(one("{")["type"], json!("json_invalid"));
    assert_eq!(one(" \n {")["loc"], json!(["body", 3]));
    assert_eq!(one("")["type"], json!("missing"));
    assert_eq!(one("  ")["type"], json!("json_invalid"));
    assert_eq!(one(&format!("{{\"a\":\"{}\"}}", "x".repeat(5000)))["type"], json!("list_type"));
}

#[test]
fn long_lines_and_elements() {
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(ELEMENT_BYTES_MAX));
    let pixel = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
    let body = format!("{pixel}\n{long}\n{pixel}\n{long}");
    for size in [1, 64, 5000] {
        let (status, answer, records) = run(lines(), body.as_bytes(), &[size]);
        assert_eq!((status, reported(&answer), records.len()), (207, (2, vec![1, 3]), 20));
        let (status, _, records) = run(array(), format!("[{pixel},{long}]").as_bytes(), &[size]);
        assert_eq!((status, records.len()), (413, 0));
    }
}

#[test]
fn a_line_has_the_white_space_of_json_around_it_and_no_other() {
    let pixel = r#"{"x":1,"y":2,"channel":"R","value":3}"#;
    let body = format!("\t {pixel} \r\n\u{c}{pixel}\n{pixel}\u{b}\n \r\n");
    let (status, answer, records) = run(lines(), body.as_bytes(), &[999]);
    assert_eq!((status, reported(&answer), records.len()), (207, (1, vec![1, 2]), 10));
}

#[test]
fn rejects_beyond_the_bound_are_counted_only() {
    let (status, answer, _) = run(lines(), "0\n".repeat(BATCH_REJECTS_MAX + 5).as_bytes(), &[999]);
    assert_eq!(status, 422);
    assert_eq!(answer["rejected"].as_array().unwrap().len(), BATCH_REJECTS_MAX);
    assert_eq!(answer["rejected_total"], json!(BATCH_REJECTS_MAX + 5));
}
