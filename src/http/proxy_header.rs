//! The PROXY protocol, versions 1 and 2: what a proxy sends before the first byte of its client, to name it (HAProxy's
//! `doc/proxy-protocol.txt`, revision 2020/03/05).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most bytes of a header of version 1, its line end among them (section 2.1).
const V1_BYTES_MAX: usize = 107;
/// What version 2 begins with (section 2.2).
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, length.
const V2_HEAD_BYTES: usize = 16;
/// Most bytes of a header of either version that are taken: addresses, and room for a few further values behind them.
pub const PROXY_HEADER_BYTES_MAX: usize = 2_048;

/// What stands at the beginning of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Announced {
    /// Not enough yet to tell.
    More,
    /// No header, or a malformed one: the connection is to be closed (section 2).
    No,
    /// A whole header.
    Yes {
        /// Its bytes.
        bytes: usize,
        /// The client; nothing where the proxy speaks for itself (LOCAL, UNKNOWN).
        client: Option<IpAddr>,
    },
}

/// Looks at the first bytes of a connection.
#[must_use]
pub fn look(input: &[u8]) -> Announced {
    let begins = |with: &[u8]| {
        let common = input.len().min(with.len());
        input[..common] == with[..common]
    };
    if begins(V2_SIGNATURE) {
        if input.len() < V2_HEAD_BYTES { Announced::More } else { version_2(input) }
    } else if begins(b"PROXY ") {
        version_1(input)
    } else {
        Announced::No
    }
}

fn version_1(input: &[u8]) -> Announced {
    let line = &input[..input.len().min(V1_BYTES_MAX)];
    match line.windows(2).position(|end| end == b"\r\n") {
        Some(end) => {
            let text = core::str::from_utf8(&line[..end]).ok();
            let client = text.and_then(named_in);
            client.map_or(Announced::No, |client| Announced::Yes { bytes: end + 2, client })
        }
        None if input.len() < V1_BYTES_MAX => Announced::More,
        None => Announced::No,
    }
}

/// Returns the client that a line of version 1 names, if it names one; nothing for a malformed line.
fn named_in(line: &str) -> Option<Option<IpAddr>> {
    let mut words = line.split(' ').skip(1);
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let [source, destination, port, other_port] = core::array::from_fn(|_| words.next());
    let client: IpAddr = source?.parse().ok()?;
    let server: IpAddr = destination?.parse().ok()?;
    // A row of digits without zeros in front (section 2.1).
    let is_decimal = |text: &str| {
        text.bytes().all(|digit| digit.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
    };
    let is_port =
        |text: Option<&str>| text.is_some_and(|text| is_decimal(text) && text.parse::<u16>().is_ok());
    let is_v4 = match family {
        "TCP4" => true,
        "TCP6" => false,
        _ => return None,
    };
    let is_sound = client.is_ipv4() == is_v4 && server.is_ipv4() == is_v4 && words.next().is_none();
    (is_sound && is_port(port) && is_port(other_port)).then_some(Some(client.to_canonical()))
}

fn version_2(input: &[u8]) -> Announced {
    let length = usize::from(u16::from_be_bytes([input[14], input[15]]));
    let bytes = V2_HEAD_BYTES + length;
    let (command, family) = (input[12], input[13]);
    if !matches!(command, 0x20 | 0x21) || bytes > PROXY_HEADER_BYTES_MAX {
        return Announced::No;
    }
    let Some(addresses) = input.get(V2_HEAD_BYTES..bytes) else { return Announced::More };
    let client = match (command, family) {
        // A check of the proxy's own.
        (0x20, _) => Some(None),
        (_, 0x11) if length >= 12 => {
            addresses.first_chunk::<4>().map(|v4| Some(IpAddr::V4(Ipv4Addr::from(*v4))))
        }
        (_, 0x21) if length >= 36 => {
            addresses.first_chunk::<16>().map(|v6| Some(IpAddr::V6(Ipv6Addr::from(*v6)).to_canonical()))
        }
        // Unspecified, a datagram or a unix socket: no address of a client.
        (_, 0x00) => Some(None),
        _ => None,
    };
    client.map_or(Announced::No, |client| Announced::Yes { bytes, client })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yes(bytes: usize, client: Option<&str>) -> Announced {
        Announced::Yes { bytes, client: client.map(|text| text.parse().expect("an address")) }
    }

    fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).expect("short").to_be_bytes();
        [&V2_SIGNATURE[..], &[command, family], &length, addresses].concat()
    }

    fn sound() -> Vec<(Vec<u8>, Option<&'static str>)> {
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().expect("an address").octets());
        let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0, 80, 0, 81];
        let more = [&v4[..], &[4, 0, 1, 9]].concat();
        vec![
            (b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 80\r\n".to_vec(), Some("192.0.2.7")),
            (b"PROXY TCP6 2001:db8::7 ::1 56324 80\r\n".to_vec(), Some("2001:db8::7")),
            (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 56324 80\r\n".to_vec(), Some("192.0.2.7")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), None),
            (v2(0x21, 0x11, &v4), Some("192.0.2.7")),
            (v2(0x21, 0x11, &more), Some("192.0.2.7")),
            (v2(0x21, 0x21, &v6), Some("2001:db8::7")),
            (v2(0x20, 0x00, b""), None),
            (v2(0x20, 0x11, &v4), None),
            (v2(0x21, 0x00, b"abc"), None),
        ]
    }

    #[test]
    fn a_header_is_found_whole_at_any_split() {
        for (header, client) in sound() {
            for cut in 0..header.len() {
                assert_eq!(look(&header[..cut]), Announced::More, "{header:?} at {cut}");
            }
            let followed = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(look(&followed), yes(header.len(), client), "{header:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_told_at_its_first_wrong_byte_or_its_end() {
        let long = [b"PROXY UNKNOWN ".to_vec(), vec![b'x'; V1_BYTES_MAX]].concat();
        let huge = [&V2_SIGNATURE[..], &[0x21, 0x11, 0xff, 0xff]].concat();
        for input in [
            &b"G"[..],
            b"POST /pixel HTTP/1.1\r\n",
            b"PROXX",
            b"\r\n\r\n\0\r\nQUIX",
            b"PROXY \r\n",
            b"PROXY TCP4\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 56324\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 80 9\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 80000\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 +1 80\r\n",
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 080\r\n",
            b"PROXY TCP4 2001:db8::7 ::1 1 2\r\n",
            b"PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
            b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
            b"PROXY TCP4 host 10.0.0.1 1 2\r\n",
            &long,
            &huge,
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x12, &[0; 12]),
        ] {
            assert_eq!(look(input), Announced::No, "{input:?}");
        }
    }
}
