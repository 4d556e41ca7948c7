//! The usual values in any order and with any white space.
//!
//! Strict on purpose: the four fields once each, plain integers, a channel of one letter without escapes. Whatever
//! it does not know it leaves to [`super::validate`], which knows all of JSON; where both accept, both give the same
//! pixel (a property test holds them to it).

use super::record::{Channel, Pixel};
use super::template;

/// Reads a body of that form; nothing if it holds anything else (which says nothing about its validity).
#[must_use]
pub fn read(body: &[u8]) -> Option<Pixel> {
    let mut cursor = Cursor { rest: body };
    let (mut x, mut y, mut channel, mut value) = (None, None, None, None);
    cursor.take(b'{')?;
    for field in 0..4 {
        if field > 0 {
            cursor.take(b',')?;
        }
        match cursor.name()? {
            Name::X => set(&mut x, cursor.integer()?)?,
            Name::Y => set(&mut y, cursor.integer()?)?,
            Name::Channel => set(&mut channel, cursor.channel()?)?,
            Name::Value => set(&mut value, cursor.integer()?)?,
        }
    }
    cursor.take(b'}')?;
    cursor.skip_space();
    let value = u8::try_from(value?).ok()?;
    cursor.rest.is_empty().then_some(Pixel { x: x?, y: y?, channel: channel?, value })
}

enum Name {
    X,
    Y,
    Channel,
    Value,
}

/// Sets a field; one given twice is left to the slow path, where the last one wins.
fn set<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    slot.replace(value).is_none().then_some(())
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl Cursor<'_> {
    #[inline]
    fn skip_space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    #[inline]
    fn take(&mut self, expected: u8) -> Option<()> {
        self.skip_space();
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        (*first == expected).then_some(())
    }

    /// Returns a field's name and the colon after it.
    fn name(&mut self) -> Option<Name> {
        self.take(b'"')?;
        let (name, rest) = match self.rest {
            [b'x', rest @ ..] => (Name::X, rest),
            [b'y', rest @ ..] => (Name::Y, rest),
            [b'c', b'h', b'a', b'n', b'n', b'e', b'l', rest @ ..] => (Name::Channel, rest),
            [b'v', b'a', b'l', b'u', b'e', rest @ ..] => (Name::Value, rest),
            _ => return None,
        };
        self.rest = rest.strip_prefix(b"\"")?;
        self.take(b':')?;
        Some(name)
    }

    fn integer(&mut self) -> Option<i32> {
        self.skip_space();
        let (value, rest) = template::integer(self.rest)?;
        self.rest = rest;
        Some(value)
    }

    fn channel(&mut self) -> Option<Channel> {
        self.take(b'"')?;
        let [letter, b'"', rest @ ..] = self.rest else { return None };
        self.rest = rest;
        Channel::from_letter(*letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_any_order_and_space() {
        let expected = Some(Pixel { x: 1, y: -2, channel: Channel::G, value: 3 });
        assert_eq!(read(br#"{"x":1,"y":-2,"channel":"G","value":3}"#), expected);
        assert_eq!(read(b"\t{ \"value\" :3 ,\n\"channel\": \"G\",\"y\":-2,\"x\":1\r} \n"), expected);
    }

    #[test]
    fn leaves_what_it_does_not_know() {
        for body in [
            "",
            "{}",
            r#"{"x":1,"y":2,"channel":"G"}"#,
            r#"{"x":1,"y":2,"channel":"G","value":3,"z":1}"#,
            r#"{"x":1,"x":2,"channel":"G","value":3}"#,
            r#"{"x":"1","y":2,"channel":"G","value":3}"#,
            r#"{"x":1.0,"y":2,"channel":"G","value":3}"#,
            r#"{"x":1,"y":2,"channel":"\u0047","value":3}"#,
            r#"{"x":1,"y":2,"channel":"G","value":300}"#,
            r#"{"x":1,"y":2,"channel":"G","value":3}}"#,
            r#"{"x":1,"y":2,"channel":"G","value":3,}"#,
            r#"{"x":12345678901,"y":2,"channel":"G","value":3}"#,
        ] {
            assert_eq!(read(body.as_bytes()), None, "{body}");
        }
    }
}
