//! Who asks, where proxies stand between: `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! A client may send these fields itself, so they are read from their ends, where the nearest proxy has written, and only as long as
//! whoever wrote is trusted. Most proxies write the first one and pass the second one on as they got it, so what stands in that counts
//! only where the first one names nobody but proxies: a client would be bounded by an address of his choice otherwise.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::request::Head;

/// The field that most proxies write, and the one of RFC 7239.
const USUAL: &str = "x-forwarded-for";
const STANDARD: &str = "forwarded";

/// Returns the address that a request came from: the last in the chain that is not trusted. `peer` is who the connection is
/// with. Where a trusted proxy does not name an address, it is the proxy itself.
#[must_use]
pub fn client(peer: IpAddr, head: &Head<'_>, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    if !is_trusted(peer) {
        return peer;
    }
    let by_usual = end_of(head, USUAL, elements_of_usual, node, &is_trusted);
    if let Some(address) = by_usual.filter(|address| !is_trusted(*address)) {
        return address;
    }
    let by_standard = end_of(head, STANDARD, elements_of_standard, forwarded_for, &is_trusted);
    by_standard.filter(|address| !is_trusted(*address)).or(by_usual).or(by_standard).unwrap_or(peer)
}

/// Returns whether somebody says whom he asks for, in a form that is understood or in none: a proxy that asks for itself does not.
#[must_use]
pub fn is_for_another(head: &Head<'_>) -> bool {
    [USUAL, STANDARD].iter().any(|field| head.header(field).is_some())
}

/// Returns the last address in a field that is not trusted, or the first trusted one if no other stands behind it.
fn end_of(
    head: &Head<'_>,
    field: &str,
    elements: fn(&[u8]) -> Vec<Part<'_>>,
    hop: fn(&[u8]) -> Option<IpAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let lines: Vec<&[u8]> = head.values(field).collect();
    let mut client = None;
    for element in lines.iter().rev().flat_map(|line| elements(line).into_iter().rev()) {
        // A list may have empty elements (RFC 9110, section 5.6.1.2).
        if element.is_some_and(|bytes| bytes.trim_ascii().is_empty()) {
            continue;
        }
        match element.and_then(hop) {
            Some(address) if is_trusted(address) => client = Some(address),
            Some(address) => return Some(address),
            None => return client,
        }
    }
    client
}

/// Text between two separators; nothing where a quote in it is wrong.
type Part<'b> = Option<&'b [u8]>;

fn elements_of_usual(line: &[u8]) -> Vec<Part<'_>> {
    line.split(|&byte| byte == b',').map(Some).collect()
}

fn elements_of_standard(line: &[u8]) -> Vec<Part<'_>> {
    parts(line, b',')
}

/// Splits where no quoted string is. Where a quote is wrong, all that follows is one part that says nothing: a client may have sent the
/// quote, so nobody knows what the proxy behind it meant to be within quotes.
fn parts(text: &[u8], separator: u8) -> Vec<Part<'_>> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    while let Some(&byte) = text.get(at) {
        if byte == b'"' {
            let Some(end) = end_of_quoted(text, at) else {
                parts.push(None);
                return parts;
            };
            at = end;
            continue;
        }
        if byte == separator {
            parts.push(Some(&text[start..at]));
            start = at + 1;
        }
        at += 1;
    }
    parts.push(Some(&text[start..]));
    parts
}

/// Returns where the quoted string ends that begins at `start`; nothing for one that does not end, or is not the whole value of a
/// parameter: a quote that a client left open turns the proxy's quotes inside out, and this tells.
fn end_of_quoted(text: &[u8], start: usize) -> Option<usize> {
    text[..start].ends_with(b"=").then_some(())?;
    let mut at = start + 1;
    while *text.get(at)? != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    let is_whole = text.get(at + 1).is_none_or(|next| b";, \t".contains(next));
    is_whole.then_some(at + 1)
}

/// Returns the address behind `for=` of one element of `Forwarded`.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let pairs: Vec<&[u8]> = parts(element, b';').into_iter().collect::<Option<_>>()?;
    let named = |pair: &&[u8]| {
        let (name, value) = std::str::from_utf8(pair).ok()?.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then(|| value.to_owned())
    };
    let mut values = pairs.iter().filter_map(named);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    address(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(&value))
}

fn node(element: &[u8]) -> Option<IpAddr> {
    address(std::str::from_utf8(element).ok()?.trim())
}

/// Reads an address with or without its port; one of IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse().ok().or_else(|| bracketed().map(IpAddr::V6)).or_else(with_port);
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::limits::Limits;
    use crate::http::request::{HeaderSlots, parse_head};

    fn client_in(fields: impl AsRef<[u8]>) -> String {
        let text = [b"GET / HTTP/1.1\r\nHost: a\r\n", fields.as_ref(), b"\r\n"].concat();
        let mut slots = HeaderSlots::new();
        let head = parse_head(&text, &mut slots, &Limits::default()).expect("a head");
        let is_trusted = |address: IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10);
        client("10.0.0.1".parse().expect("an address"), &head, is_trusted).to_string()
    }

    #[test]
    fn the_last_address_that_is_not_trusted_is_the_client() {
        for (fields, expected) in [
            ("", "10.0.0.1"),
            ("X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"),
            ("X-Forwarded-For: 1.1.1.1, 192.0.2.7, 10.0.0.9\r\n", "192.0.2.7"),
            ("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"),
            ("X-Forwarded-For: 192.0.2.7, unknown, 10.0.0.9\r\n", "10.0.0.9"),
            ("X-Forwarded-For: 10.0.0.8, 10.0.0.9\r\n", "10.0.0.8"),
            ("X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7"),
            ("X-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7"),
            ("X-Forwarded-For: ::ffff:10.0.0.9, ::ffff:192.0.2.7\r\n", "192.0.2.7"),
            ("X-Forwarded-For: , \r\n", "10.0.0.1"),
            ("Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43\r\n", "192.0.2.60"),
            ("Forwarded: for=1.1.1.1, For=\"[2001:db8:cafe::17]:4711\"\r\n", "2001:db8:cafe::17"),
            ("Forwarded: for=192.0.2.7, for=10.0.0.5; proto=https\r\n", "192.0.2.7"),
            ("Forwarded: for=192.0.2.7, for=_hidden\r\n", "10.0.0.1"),
            ("Forwarded: for=192.0.2.7;for=192.0.2.8\r\n", "10.0.0.1"),
            ("Forwarded: by=10.0.0.3\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"),
            // What a client sent, before a proxy that writes the other field.
            ("Forwarded: for=1.1.1.1\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"),
            ("Forwarded: for=10.0.0.7\r\nX-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7"),
            // Two proxies, each with a field of its own.
            ("Forwarded: for=192.0.2.7\r\nX-Forwarded-For: 10.0.0.9\r\n", "192.0.2.7"),
            ("Forwarded: for=_hidden\r\nX-Forwarded-For: 10.0.0.9\r\n", "10.0.0.9"),
            // Empty elements are skipped.
            ("X-Forwarded-For: 1.1.1.1, 192.0.2.7, , \r\n", "192.0.2.7"),
            ("Forwarded: for=192.0.2.7,,\r\nForwarded: \r\n", "192.0.2.7"),
            // A zone means something on one host only.
            ("X-Forwarded-For: 1.1.1.1, fe80::1%eth0\r\n", "10.0.0.1"),
        ] {
            assert_eq!(client_in(fields), expected, "{fields}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_hide_no_element_but_their_own() {
        let line = b"X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: \xe9";
        assert_eq!(client_in([&line[..], b", 192.0.2.7\r\n"].concat()), "192.0.2.7");
        assert_eq!(client_in([&line[..], b"\r\n"].concat()), "10.0.0.1");
    }

    #[test]
    fn nothing_within_quotes_is_an_element_or_a_parameter() {
        for (line, expected) in [
            (r#"for=192.0.2.7;host="a,for=1.1.1.1;x=""#, "192.0.2.7"),
            (r#"for=192.0.2.7;host="a\",for=1.1.1.1;x=""#, "192.0.2.7"),
            (r#"for=192.0.2.7;host="a;for=1.1.1.1""#, "192.0.2.7"),
            (r#"for="192.0.2.7" ; host="\\" , for=10.0.0.3"#, "192.0.2.7"),
            (r#"host="for=1.1.1.1""#, "10.0.0.1"),
            // Left open, so nobody is named, whatever a proxy has appended.
            (r#"for=1.1.1.1;x=""#, "10.0.0.1"),
            (r#"for=1.1.1.1, for=192.0.2.7;host="a"#, "10.0.0.1"),
            (r#"for=1.1.1.1;x="\"#, "10.0.0.1"),
            (r#"for=1.1.1.1;x=", for=192.0.2.7;host="a.example""#, "10.0.0.1"),
            (r#"for=1.1.1.1;x=", for=192.0.2.7;host="a\"b""#, "10.0.0.1"),
            (r#"for=1.1.1.1;x=", for=192.0.2.7;host=";y=""#, "10.0.0.1"),
            (r#"for=1.1.1.1;x=", for=192.0.2.7;host=",for=1.1.1.2;y=\"z""#, "10.0.0.1"),
            // Not the whole value of a parameter.
            (r#"for=192.0.2.7;x=a"b""#, "10.0.0.1"),
            (r#"for=192.0.2.7;x="a"b"#, "10.0.0.1"),
        ] {
            assert_eq!(client_in(format!("Forwarded: {line}\r\n")), expected, "{line}");
        }
    }

    #[test]
    fn whoever_is_not_trusted_is_the_client_whatever_is_sent() {
        let text =
            b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.7\r\nForwarded: for=192.0.2.7\r\n\r\n";
        let mut slots = HeaderSlots::new();
        let head = parse_head(text, &mut slots, &Limits::default()).expect("a head");
        let peer = "203.0.113.5".parse().expect("an address");
        assert_eq!(client(peer, &head, |_| false), peer);
    }
}
