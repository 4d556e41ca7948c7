//! Who asks, where proxies stand between: `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! A client may send these fields itself, so they are read from their ends, where the nearest proxy has written, and only as long as
//! whoever wrote is trusted. Most proxies write the first one and pass the second one on as they got it, so what stands in that counts
//! only where the first one names nobody but proxies: a client would be bounded by an address of his choice otherwise.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::request::Head;

/// Returns the address that a request came from: the last in the chain that is not trusted. `peer` is who the connection is
/// with. Where a trusted proxy does not name an address, it is the proxy itself.
#[must_use]
pub fn client(peer: IpAddr, head: &Head<'_>, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    if !is_trusted(peer) {
        return peer;
    }
    let by_usual = end_of(head, "x-forwarded-for", node, &is_trusted);
    if let Some(address) = by_usual.filter(|address| !is_trusted(*address)) {
        return address;
    }
    let by_standard = end_of(head, "forwarded", forwarded_for, &is_trusted);
    by_standard.filter(|address| !is_trusted(*address)).or(by_usual).or(by_standard).unwrap_or(peer)
}

/// Returns the last address in a field that is not trusted, or the first trusted one if no other stands behind it.
fn end_of(
    head: &Head<'_>,
    field: &str,
    hop: fn(&str) -> Option<IpAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Option<IpAddr> {
    let lines: Vec<&str> =
        head.values(field).map(|line| core::str::from_utf8(line).unwrap_or_default()).collect();
    let mut client = None;
    for text in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        match hop(text.trim()) {
            Some(address) if is_trusted(address) => client = Some(address),
            Some(address) => return Some(address),
            None => return client,
        }
    }
    client
}

/// Returns the address behind `for=` of one element of `Forwarded`. A comma within quotes is in no address, so cutting there only
/// makes an element that names none.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(name, _)| name.eq_ignore_ascii_case("for")).map(|(_, value)| value);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    node(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

/// Reads an address with or without its port; one of IPv6 with or without brackets.
fn node(text: &str) -> Option<IpAddr> {
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

    fn client_in(fields: &str) -> String {
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        let mut slots = HeaderSlots::new();
        let head = parse_head(text.as_bytes(), &mut slots, &Limits::default()).expect("a head");
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
        ] {
            assert_eq!(client_in(fields), expected, "{fields}");
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
