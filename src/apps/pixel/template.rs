//! The usual body in its usual order, read as a template.
//!
//! Nearly every client writes `{"x":10,"y":20,"channel":"R","value":128}` to the byte: whatever made it keeps the
//! order of the fields and leaves out white space. So the pieces between the numbers are compared whole, as machine
//! words, and only digits are looked at one by one. Whatever differs in any way goes to [`super::scanner`].

use super::record::{Channel, Pixel};

/// Reads a body of exactly the usual form; nothing if it differs anywhere (which says nothing about its validity).
#[inline]
#[must_use]
pub fn read(body: &[u8]) -> Option<Pixel> {
    let rest = piece(body, *b"{\"x\":")?;
    let (x, rest) = integer(rest)?;
    let rest = piece(rest, *b",\"y\":")?;
    let (y, rest) = integer(rest)?;
    let (channel, rest) = rest.split_first_chunk::<CHANNEL_PIECE_BYTES>()?;
    let channel = channel_piece(channel)?;
    let (value, rest) = byte_value(rest)?;
    (rest == b"}").then_some(Pixel { x, y, channel, value })
}

/// `,"channel":"` + letter + `","value":`
const CHANNEL_PIECE_BYTES: usize = 23;

#[inline]
fn piece<const N: usize>(rest: &[u8], expected: [u8; N]) -> Option<&[u8]> {
    let (found, rest) = rest.split_first_chunk::<N>()?;
    (*found == expected).then_some(rest)
}

#[inline]
fn channel_piece(piece: &[u8; CHANNEL_PIECE_BYTES]) -> Option<Channel> {
    let (before, rest) = piece.split_first_chunk::<12>()?;
    let (letter, after) = rest.split_first()?;
    (before == b",\"channel\":\"" && after == b"\",\"value\":").then_some(())?;
    Channel::from_letter(*letter)
}

/// An i32 in JSON's grammar: no plus, no leading zero. `-0` is 0.
#[inline]
pub(super) fn integer(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let negative = bytes.first() == Some(&b'-');
    let digits = &bytes[usize::from(negative)..];
    let (magnitude, rest) = digits_of(digits, 10)?;
    let value = if negative { -magnitude } else { magnitude };
    Some((i32::try_from(value).ok()?, rest))
}

/// A u8 in JSON's grammar. A minus is left to the slow path, although `-0` is allowed.
#[inline]
fn byte_value(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (value, rest) = digits_of(bytes, 3)?;
    Some((u8::try_from(value).ok()?, rest))
}

/// At most `digits_max` digits without a superfluous leading zero. More digits than that leave one behind, on which
/// whoever expects a delimiter next gives up.
#[inline]
fn digits_of(bytes: &[u8], digits_max: usize) -> Option<(i64, &[u8])> {
    let mut value = 0_i64;
    let mut length = 0;
    while length < digits_max
        && let Some(digit) = bytes.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
    {
        value = value * 10 + i64::from(digit);
        length += 1;
    }
    let superfluous_zero = length > 1 && bytes[0] == b'0';
    (length > 0 && !superfluous_zero).then(|| (value, &bytes[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_usual_form_and_nothing_else() {
        let usual = br#"{"x":10,"y":-20,"channel":"R","value":128}"#;
        assert_eq!(read(usual), Some(Pixel { x: 10, y: -20, channel: Channel::R, value: 128 }));
        let extremes = br#"{"x":-2147483648,"y":2147483647,"channel":"B","value":255}"#;
        assert_eq!(read(extremes), Some(Pixel { x: i32::MIN, y: i32::MAX, channel: Channel::B, value: 255 }));
        for other in [
            r#"{"x":2147483648,"y":0,"channel":"R","value":1}"#,
            r#"{"x":01,"y":0,"channel":"R","value":1}"#,
            r#"{"x":-,"y":0,"channel":"R","value":1}"#,
            r#"{"x":1,"y":0,"channel":"r","value":1}"#,
            r#"{"x":1,"y":0,"channel":"R","value":256}"#,
            r#"{"x":1,"y":0,"channel":"R","value":0001}"#,
            r#"{"x":1,"y":0,"channel":"R","value":1.0}"#,
            r#"{"x":1,"y":0,"channel":"R","value":1} "#,
            r#"{"x":1, "y":0,"channel":"R","value":1}"#,
        ] {
            assert_eq!(read(other.as_bytes()), None, "{other}");
        }
        for cut in 0..usual.len() {
            assert_eq!(read(&usual[..cut]), None);
        }
    }
}
