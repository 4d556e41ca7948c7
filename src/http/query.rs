//! Percent-encoding and the parameters of a query.

use std::borrow::Cow;

/// Returns the parameters of a query or of a form, decoded, in order: `a=1&b` gives (a, 1) and (b, ""). Empty pieces between
/// two `&` are skipped.
pub fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    query.split('&').filter(|piece| !piece.is_empty()).map(|piece| {
        let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
        (decode(name), decode(value))
    })
}

/// Returns the value of the last parameter of that name; as in the original, a later one wins.
#[must_use]
pub fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    parameters(query).filter(|(found, _)| found == name).map(|(_, value)| value).last()
}

/// Returns the value of the first parameter of that name, for applications whose original takes that one.
#[must_use]
pub fn first_parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    parameters(query).find(|(found, _)| found == name).map(|(_, value)| value)
}

/// Returns the name of a parameter that is none of `known`: what removes something must not be mistaken.
#[must_use]
pub fn unknown<'a>(query: &'a str, known: &[&str]) -> Option<Cow<'a, str>> {
    parameters(query).map(|(name, _)| name).find(|name| !known.contains(&&**name))
}

/// Decodes a part of a query: `+` is a space, `%41` is `A`.
#[must_use]
pub fn decode(part: &str) -> Cow<'_, str> {
    decode_bytes(part, true)
}

/// Decodes a part of a path, where `+` is itself. An encoded `/` becomes one too, so split a path before it is decoded.
#[must_use]
pub fn decode_path(part: &str) -> Cow<'_, str> {
    decode_bytes(part, false)
}

/// Decodes percent-encoding. A `%` without two hexadecimal digits stays as it is; what is not UTF-8 afterwards is replaced by U+FFFD.
fn decode_bytes(part: &str, plus_is_space: bool) -> Cow<'_, str> {
    let is_special = |byte: u8| byte == b'%' || (plus_is_space && byte == b'+');
    if !part.bytes().any(is_special) {
        return Cow::Borrowed(part);
    }
    let mut decoded = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [byte, tail @ ..] = rest {
        let escaped = if *byte == b'%' { hex_pair(tail) } else { None };
        decoded.push(match escaped {
            Some(value) => value,
            None if plus_is_space && *byte == b'+' => b' ',
            None => *byte,
        });
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    Cow::Owned(String::from_utf8_lossy(&decoded).into_owned())
}

/// Returns a path of this host with the query of a request, for a Location field: in ASCII, whatever the client sent. What it has
/// encoded stays as it is.
#[must_use]
pub fn location(path: &str, query: Option<&str>) -> String {
    let mut location = String::from(path);
    for (at, byte) in query.into_iter().flat_map(str::bytes).enumerate() {
        location.push_str(if at == 0 { "?" } else { "" });
        let is_plain = byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
        if is_plain {
            location.push(char::from(byte));
        } else {
            location.push('%');
            for digit in [byte >> 4, byte & 15] {
                location.push(char::from(b"0123456789ABCDEF"[usize::from(digit)]));
            }
        }
    }
    location
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|&byte| char::from(byte).to_digit(16));
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_in_order() {
        let pairs =
            |query| parameters(query).map(|(name, value)| format!("{name}:{value}")).collect::<Vec<_>>();
        assert_eq!(pairs("a=1&b&&c=d=e&=f"), ["a:1", "b:", "c:d=e", ":f"]);
        assert_eq!(pairs("x+y=%41%2b+%C3%a9"), ["x y:A+ é"]);
        assert!(pairs("").is_empty());
        assert_eq!(parameter("a=1&b=2&a=3", "a").as_deref(), Some("3"));
        assert_eq!(parameter("a=1", "b"), None);
        assert_eq!(unknown("a=1&%62=2&c", &["a", "b"]).as_deref(), Some("c"));
        assert_eq!((unknown("", &[]), unknown("a", &["a"])), (None, None));
        assert_eq!(first_parameter("b=2&%61=1&a=3", "a").as_deref(), Some("1"));
        assert_eq!((first_parameter("a&a=3", "a").as_deref(), first_parameter("a=1", "b")), (Some(""), None));
    }

    #[test]
    fn a_location_is_ascii_and_keeps_its_query() {
        assert_eq!(location("/a/", None), "/a/");
        assert_eq!(location("/a/", Some("x=1&y=%41+b?/:;@")), "/a/?x=1&y=%41+b?/:;@");
        assert_eq!(location("/a/", Some("é \r\n\"<>")), "/a/?%C3%A9%20%0D%0A%22%3C%3E");
        assert_eq!(location("/a/", Some("100%")), "/a/?100%");
    }

    #[test]
    fn decoding_never_fails() {
        assert_eq!(decode("%"), "%");
        assert_eq!(decode("%4"), "%4");
        assert_eq!(decode("%4g%%41"), "%4g%A");
        assert_eq!(decode("%ff"), "\u{fffd}");
        assert_eq!(decode_path("a+b%2fc"), "a+b/c");
        assert!(matches!(decode("plain"), Cow::Borrowed("plain")));
    }
}
