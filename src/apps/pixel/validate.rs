//! All of JSON, and what exactly is wrong with it: the slow path of a pixel's body.
//!
//! The rules are those of FastAPI with pydantic's lax integers, as recorded from a running one: strings of digits
//! (with a sign, single underscores, white space around, zeros after a point), whole floats and booleans are
//! integers; unknown fields are ignored; the last of equal fields wins. Beyond them a value must lie in 0..=255 and a
//! coordinate in i32.
//!
//! Fields are captured as text, never built into a tree, so neither depth nor size of what a client sends matters.
//! Only the JSON standard's grammar is accepted: no NaN, no Infinity. A byte order mark in front is skipped.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::detail::{Details, Fault, Input, Location, echo};
use super::record::{Channel, Pixel};

/// Why a body is no pixel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The bytes are not UTF-8: 400.
    NotUtf8,
    /// No JSON at all: 422, and a batch that holds it is refused as a whole.
    Malformed(Details),
    /// JSON, but no pixel: 422.
    Invalid(Details),
}

/// Reads a body of any form.
///
/// # Errors
/// Returns why it is not a pixel, with an entry for each bad field in the order x, y, channel, value.
pub fn read(body: &[u8]) -> Result<Pixel, Refusal> {
    if body.is_empty() {
        let details = Details::one(&Fault::Missing, Location::Body, Input::Json("null"));
        return Err(Refusal::Invalid(details));
    }
    let text = std::str::from_utf8(body).map_err(|_| Refusal::NotUtf8)?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    if !text.trim_ascii_start().starts_with('{') {
        let value: &RawValue = serde_json::from_str(text).map_err(|error| malformed(text, &error))?;
        let details = Details::one(&Fault::NoObject, Location::Body, echo(value));
        return Err(Refusal::Invalid(details));
    }
    let fields: Fields<'_> = serde_json::from_str(text).map_err(|error| malformed(text, &error))?;
    fields.check(text).map_err(Refusal::Invalid)
}

/// Returns the refusal of a body that came with another Content-Type: its text is no object, whatever it says.
#[must_use]
pub fn refuse_type(body: &[u8]) -> Refusal {
    match std::str::from_utf8(body) {
        Ok("") => Refusal::Invalid(Details::one(&Fault::Missing, Location::Body, Input::Json("null"))),
        Ok(text) => Refusal::Invalid(Details::one(&Fault::NoObject, Location::Body, Input::Text(text))),
        Err(_) => Refusal::NotUtf8,
    }
}

/// Returns the refusal of a body that should be an array and is not.
#[must_use]
pub fn no_list(body: &[u8]) -> Refusal {
    if body.is_empty() {
        return Refusal::Invalid(Details::one(&Fault::Missing, Location::Body, Input::Json("null")));
    }
    let Ok(text) = std::str::from_utf8(body) else { return Refusal::NotUtf8 };
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => Refusal::Invalid(Details::one(&Fault::NoList, Location::Body, echo(value))),
        Err(error) => malformed(text, &error),
    }
}

/// Returns what a JSON parser said about `text`, as a refusal.
fn malformed(text: &str, error: &serde_json::Error) -> Refusal {
    let reason = error.to_string();
    let reason = reason.rsplit_once(" at line ").map_or(reason.as_str(), |(reason, _)| reason);
    let place = Location::Character(character_of(text, error.line(), error.column()));
    Refusal::Malformed(Details::one(&Fault::JsonInvalid(reason), place, Input::Json("{}")))
}

/// Returns the number of a character from a line (from 1) and a column in bytes (0 stands before the line).
fn character_of(text: &str, line: usize, column: usize) -> usize {
    let lines_before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let byte = (lines_before + column.saturating_sub(1)).min(text.len());
    text.char_indices().take_while(|(at, _)| *at < byte).count()
}

#[derive(Default)]
struct Fields<'a> {
    x: Option<&'a RawValue>,
    y: Option<&'a RawValue>,
    channel: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
}

impl Fields<'_> {
    fn check(&self, object: &str) -> Result<Pixel, Details> {
        let mut checker = Checker { object, details: Details::default() };
        let x = checker.field("x", self.x, |text| integer(text, i32::MIN.into(), i32::MAX.into()));
        let y = checker.field("y", self.y, |text| integer(text, i32::MIN.into(), i32::MAX.into()));
        let channel = checker.field("channel", self.channel, channel);
        let value = checker.field("value", self.value, |text| integer(text, 0, u8::MAX.into()));
        match (x, y, channel, value) {
            (Some(x), Some(y), Some(channel), Some(value)) => {
                Ok(Pixel { x: x as i32, y: y as i32, channel, value: value as u8 })
            }
            _ => Err(checker.details),
        }
    }
}

struct Checker<'a> {
    object: &'a str,
    details: Details,
}

impl Checker<'_> {
    fn field<T>(
        &mut self,
        name: &str,
        found: Option<&RawValue>,
        check: impl Fn(&str) -> Result<T, Fault<'static>>,
    ) -> Option<T> {
        let Some(found) = found else {
            self.details.add(&Fault::Missing, Location::Field(name), Input::Json(self.object));
            return None;
        };
        check(found.get()).map_err(|fault| self.details.add(&fault, Location::Field(name), echo(found))).ok()
    }
}

fn channel(json: &str) -> Result<Channel, Fault<'static>> {
    // A string with a lone surrogate cannot be decoded; it is no channel either.
    let text: Option<String> = serde_json::from_str(json).ok();
    match text.as_deref().map(str::as_bytes) {
        Some([letter]) => Channel::from_letter(*letter).ok_or(Fault::NoChannel),
        _ => Err(Fault::NoChannel),
    }
}

/// Returns the integer that a JSON value stands for, within inclusive bounds.
fn integer(json: &str, least: i64, most: i64) -> Result<i64, Fault<'static>> {
    let value = match json.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(json).map_err(|_| Fault::IntParsing)?;
            integer_of_text(&text).ok_or(Fault::IntParsing)?
        }
        Some(b'-' | b'0'..=b'9') => integer_of_number(json)?,
        Some(b't') => 1,
        Some(b'f') => 0,
        _ => return Err(Fault::IntType),
    };
    within(value, least, most)
}

/// Holds a value against inclusive bounds.
fn within(value: i64, least: i64, most: i64) -> Result<i64, Fault<'static>> {
    if value > most {
        return Err(Fault::Above(most));
    }
    if value < least {
        return Err(Fault::Below(least));
    }
    Ok(value)
}

/// Returns a JSON number; one beyond i64 becomes its nearest bound, which lies beyond every bound checked after it.
fn integer_of_number(json: &str) -> Result<i64, Fault<'static>> {
    if json.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()) {
        return Ok(saturating(json));
    }
    let number: f64 = json.parse().map_err(|_| Fault::IntParsing)?;
    if number.is_finite() && number.fract() != 0.0 {
        return Err(Fault::IntFromFloat);
    }
    Ok(number as i64)
}

/// Integers in strings: white space around, a sign, digits with single underscores between them, zeros after a point.
pub(super) fn integer_of_text(text: &str) -> Option<i64> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, zeros) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let only_zeros = !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0');
    let groups_of_digits =
        whole.split('_').all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    if !only_zeros || !groups_of_digits {
        return None;
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    Some(saturating(&format!("{sign}{}", whole.replace('_', ""))))
}

fn saturating(digits: &str) -> i64 {
    let bound = if digits.starts_with('-') { i64::MIN } else { i64::MAX };
    digits.parse().unwrap_or(bound)
}

enum Name {
    X,
    Y,
    Channel,
    Value,
    Other,
}

impl Name {
    /// Returns the field that a name, with its quotes, is of. What is between the quotes is valid JSON.
    fn of(quoted: &RawValue) -> Self {
        match quoted.get() {
            r#""x""# => Self::X,
            r#""y""# => Self::Y,
            r#""channel""# => Self::Channel,
            r#""value""# => Self::Value,
            escaped if escaped.contains('\\') => match serde_json::from_str::<String>(escaped).as_deref() {
                Ok("x") => Self::X,
                Ok("y") => Self::Y,
                Ok("channel") => Self::Channel,
                Ok("value") => Self::Value,
                // A lone surrogate among them: valid JSON, and no Rust string.
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Fields::default();
                // As raw text: serde_json lets control characters pass in names that are read as bytes, and half a surrogate
                // pair is no string.
                while let Some(name) = map.next_key::<&RawValue>()? {
                    match Name::of(name) {
                        Name::X => fields.x = Some(map.next_value()?),
                        Name::Y => fields.y = Some(map.next_value()?),
                        Name::Channel => fields.channel = Some(map.next_value()?),
                        Name::Value => fields.value = Some(map.next_value()?),
                        Name::Other => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_in_strings_are_read_as_pydantic_reads_them() {
        for (text, value) in [
            ("7", 7),
            ("+7", 7),
            ("-007", -7),
            ("0_0", 0),
            ("00.0", 0),
            ("-1_0.00", -10),
            (" 7.0\n", 7),
            ("\u{a0}7\u{2003}", 7),
            ("-0", 0),
        ] {
            assert_eq!(integer_of_text(text), Some(value), "{text}");
        }
        for text in [
            "", " ", "+", "-", "+-7", "+ 7", "7 7", "_1", "1_", "1__0", "7.", ".0", "7.5", "7.00_0", "1e2",
            "0x10", "NaN", "٣", "7\0",
        ] {
            assert_eq!(integer_of_text(text), None, "{text}");
        }
        assert_eq!(integer_of_text(&"9".repeat(5000)), Some(i64::MAX));
    }

    #[test]
    fn numbers_are_held_to_their_bounds_however_they_are_written() {
        let value = |json: &str| integer(json, 0, 255);
        assert_eq!(value("255.0"), Ok(255));
        assert_eq!(value("-0.0"), Ok(0));
        assert_eq!(value("true"), Ok(1));
        assert_eq!(value("2.0000000000000000000001"), Ok(2));
        assert_eq!(value("1e400"), Err(Fault::Above(255)));
        assert_eq!(value("-1e400"), Err(Fault::Below(0)));
        assert_eq!(value(&"9".repeat(5000)), Err(Fault::Above(255)));
        assert_eq!(value("0.5"), Err(Fault::IntFromFloat));
        assert_eq!(value("[1]"), Err(Fault::IntType));
    }

    #[test]
    fn names_are_strings_of_json() {
        let with = |name: &str| {
            read(format!(r#"{{"x":1,"y":2,"channel":"R","\u0076alue":3,"{name}":4}}"#).as_bytes())
        };
        for fine in ["more", "a\\u0001", "\\ud800", "\u{7f}", "\\\\", "X"] {
            assert_eq!(with(fine).map(|pixel| pixel.value), Ok(3), "{fine:?}");
        }
        assert_eq!(with("value").map(|pixel| pixel.value), Ok(4), "the last one wins, however it is written");
        for control in ["\u{1}", "valu\u{b}e", "\n", "\\x"] {
            assert!(matches!(with(control), Err(Refusal::Malformed(_))), "{control:?}");
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let body = format!(r#"{{"a":{deep},"x":1,"y":2,"channel":"R","value":3}}"#);
        assert!(read(body.as_bytes()).is_ok());
        assert!(matches!(read(deep.as_bytes()), Err(Refusal::Invalid(_))));
        assert!(matches!(read("[".repeat(100_000).as_bytes()), Err(Refusal::Malformed(_))));
    }
}
