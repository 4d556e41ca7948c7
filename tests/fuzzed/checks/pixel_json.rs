//! A pixel is taken exactly where serde_json reads an object with the four values of one.

use pixeld::app::application::Action;
use pixeld::apps::pixel::service::post_pixel;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The reading of a body by serde_json.
#[derive(Debug, PartialEq, Eq)]
pub enum Judged {
    /// The bytes of its record.
    Pixel(Vec<u8>),
    No,
    /// Valid to the letter, and too large for a tree of serde_json's: a number, its depth, or half a surrogate pair.
    Unknown,
}

pub fn judged(body: &[u8]) -> Judged {
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(members)) => pixel(&members).map_or(Judged::No, Judged::Pixel),
        Ok(_) => Judged::No,
        Err(error) => {
            let reason = error.to_string();
            let is_bound = ["number out of range", "recursion limit", "surrogate", "hex escape"];
            if is_bound.iter().any(|bound| reason.contains(bound)) { Judged::Unknown } else { Judged::No }
        }
    }
}

fn pixel(members: &Map<String, Value>) -> Option<Vec<u8>> {
    let tag = match members.get("channel")?.as_str()? {
        "R" => 0x11,
        "G" => 0x12,
        "B" => 0x13,
        _ => return None,
    };
    let value = u8::try_from(integer(members.get("value")?)?).ok()?;
    let x = i32::try_from(integer(members.get("x")?)?).ok()?;
    let y = i32::try_from(integer(members.get("y")?)?).ok()?;
    Some([&[tag, value][..], &x.to_le_bytes(), &y.to_le_bytes()].concat())
}

/// An integer, written as a number, a truth or a text.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(truth) => Some(i64::from(*truth)),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0);
            number.as_i64().or(whole.map(|number| number as i64))
        }
        Value::String(text) => of_text(text.trim()),
        _ => None,
    }
}

/// A sign, digits with single underscores between them, zeros behind a point.
fn of_text(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let digits = match digits.split_once('.') {
        Some((digits, zeros)) if !zeros.is_empty() && zeros.chars().all(|digit| digit == '0') => digits,
        Some(_) => return None,
        None => digits,
    };
    let mut value = 0_i64;
    let mut was_digit = false;
    for (at, character) in digits.char_indices() {
        match character {
            '_' if was_digit && at + 1 < digits.len() => was_digit = false,
            '0'..='9' => {
                was_digit = true;
                value = value.saturating_mul(10).saturating_add(i64::from(character as u8 - b'0'));
            }
            _ => return None,
        }
    }
    was_digit.then_some(if negative { -value } else { value })
}

pub fn check(body: &[u8]) {
    let taken = match post_pixel(Some("application/json"), body) {
        Action::Append { records, .. } => Judged::Pixel(records),
        Action::Respond(response) => {
            // It tells what was sent, half a surrogate pair too, which is JSON and no text of Rust.
            let answer = serde_json::from_slice::<&RawValue>(&response.body);
            assert!(matches!(response.status, 400 | 422) && answer.is_ok(), "an answer in JSON");
            Judged::No
        }
        _ => panic!("a pixel is a record, and its answer is known"),
    };
    // A byte order mark may stand before a text, for clients that can't help it.
    let text = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let expected = judged(text);
    assert!(expected == Judged::Unknown || taken == expected, "taken as {taken:?}, and is {expected:?}");
}
