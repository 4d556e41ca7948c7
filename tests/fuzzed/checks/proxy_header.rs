//! A PROXY header is what a second reader, by the words of the protocol, finds; and no byte behind it changes that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pixeld::http::proxy_header::{Announced, PROXY_HEADER_BYTES_MAX, look};

/// Most bytes at which an input is cut.
const CUTS_MAX: usize = 300;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub fn check(input: &[u8]) {
    let found = look(input);
    assert_eq!(found, slowly(input));
    for cut in 0..input.len().min(CUTS_MAX) {
        let early = look(&input[..cut]);
        let is_whole = matches!(found, Announced::Yes { bytes, .. } if cut >= bytes);
        let is_told = early == found || (early == Announced::More && !is_whole);
        assert!(is_told, "{found:?}, and {early:?} at {cut}");
    }
}

fn slowly(input: &[u8]) -> Announced {
    let shares = |with: &[u8]| input.iter().zip(with).all(|(one, other)| one == other);
    if shares(SIGNATURE) {
        version_2(input)
    } else if shares(b"PROXY ") {
        version_1(input)
    } else {
        Announced::No
    }
}

/// Section 2.1: a line of 107 bytes at most.
fn version_1(input: &[u8]) -> Announced {
    for end in 0..input.len().min(106) {
        if input[end..].starts_with(b"\r\n") {
            let line = String::from_utf8(input[..end].to_vec());
            let client = line.ok().and_then(|line| client_in(&line));
            return client.map_or(Announced::No, |client| Announced::Yes { bytes: end + 2, client });
        }
    }
    if input.len() < 107 { Announced::More } else { Announced::No }
}

fn client_in(line: &str) -> Option<Option<IpAddr>> {
    let words: Vec<&str> = line.split(' ').collect();
    let is_port = |text: &str| text.parse::<u16>().is_ok_and(|port| port.to_string() == text);
    match words[..] {
        ["PROXY", "UNKNOWN", ..] => Some(None),
        ["PROXY", "TCP4", source, target, first, second] if is_port(first) && is_port(second) => {
            let both = (source.parse::<Ipv4Addr>(), target.parse::<Ipv4Addr>());
            both.1.ok()?;
            Some(Some(both.0.ok()?.into()))
        }
        ["PROXY", "TCP6", source, target, first, second] if is_port(first) && is_port(second) => {
            let both = (source.parse::<Ipv6Addr>(), target.parse::<Ipv6Addr>());
            both.1.ok()?;
            Some(Some(plain(both.0.ok()?)))
        }
        _ => None,
    }
}

/// Section 2.2: signature, version and command, family, length, addresses.
fn version_2(input: &[u8]) -> Announced {
    let Some(head) = input.get(..16) else { return Announced::More };
    let bytes = 16 + usize::from(head[14]) * 256 + usize::from(head[15]);
    let (version, command, family) = (head[12] >> 4, head[12] & 15, head[13]);
    if version != 2 || command > 1 || bytes > PROXY_HEADER_BYTES_MAX {
        return Announced::No;
    }
    let Some(addresses) = input.get(16..bytes) else { return Announced::More };
    let client = match (command, family) {
        (0, _) | (_, 0) => None,
        (_, 0x11) if addresses.len() >= 12 => {
            Some(Ipv4Addr::new(addresses[0], addresses[1], addresses[2], addresses[3]).into())
        }
        (_, 0x21) if addresses.len() >= 36 => {
            let octets: [u8; 16] = addresses[..16].try_into().expect("16 bytes");
            Some(plain(octets.into()))
        }
        _ => return Announced::No,
    };
    Announced::Yes { bytes, client }
}

/// An address of version 4 that is written as one of version 6 is the former.
fn plain(address: Ipv6Addr) -> IpAddr {
    match address.to_ipv4_mapped() {
        Some(address) => address.into(),
        None => address.into(),
    }
}
