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
    Some(Pixel { x, y, channel, value: last_value(rest)? })
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

/// Returns an i32 in JSON's grammar: no plus, no leading zero. `-0` is 0.
///
/// One digit after the other: finding the end of all of them at once (as SIMD parsers do) was no faster, because
/// what follows then waits for the length, which a predicted branch does not.
#[inline]
pub(super) fn integer(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let is_negative = bytes.first() == Some(&b'-');
    let digits = &bytes[usize::from(is_negative)..];
    let (mut magnitude, mut length) = (0_i64, 0);
    // An eleventh digit is left behind, on which whoever expects a delimiter next gives up.
    while length < 10
        && let Some(digit) =
            digits.get(length).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit < 10)
    {
        magnitude = magnitude * 10 + i64::from(digit);
        length += 1;
    }
    if length == 0 || (length > 1 && digits[0] == b'0') {
        return None;
    }
    let value = i32::try_from(if is_negative { -magnitude } else { magnitude }).ok()?;
    Some((value, &digits[length..]))
}

/// Reads a u8 and the closing brace; returns the number. A minus is left to the slow path, although `-0` is allowed.
#[inline]
fn last_value(rest: &[u8]) -> Option<u8> {
    let digit = |byte: u8| Some(u16::from(byte.wrapping_sub(b'0'))).filter(|digit| *digit < 10);
    let value = match *rest {
        [a, b'}'] => digit(a)?,
        [a @ b'1'..=b'9', b, b'}'] => digit(a)? * 10 + digit(b)?,
        [a @ b'1'..=b'9', b, c, b'}'] => digit(a)? * 100 + digit(b)? * 10 + digit(c)?,
        _ => return None,
    };
    u8::try_from(value).ok()
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
