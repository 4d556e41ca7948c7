//! Request targets and authorities (RFC 9112, section 3.2; RFC 3986, section 3.2).

use core::net::Ipv6Addr;

use super::charset;
use super::method::Method;
use super::refusal::Refusal;

const FRAGMENT: Refusal = Refusal::bad("a request target has no fragment");
const FORM: Refusal = Refusal::bad("the request target is neither a path nor an http URL");
const AUTHORITY: Refusal = Refusal::bad("the request target names no valid host");
const TUNNEL: Refusal = Refusal::new(501, "CONNECT: this server opens no tunnels");

/// A request target taken apart. Nothing in it is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// From the first `/` to the query, or `*`; absent where an absolute form ends behind its authority.
    pub path: Option<&'a str>,
    /// Behind the first `?`.
    pub query: Option<&'a str>,
}

/// Returns whom a target of absolute form names, whatever Host says (RFC 9112, section 3.2.2).
pub(super) fn authority_of(target: &str) -> Option<&str> {
    let behind_scheme = strip_scheme(target, "http://").or_else(|| strip_scheme(target, "https://"))?;
    Some(&behind_scheme[..behind_scheme.find(['/', '?']).unwrap_or(behind_scheme.len())])
}

/// Takes a target apart: `/path?query`, `http://host/path?query` (https as well: a proxy may have ended TLS), or `*`
/// for OPTIONS.
///
/// # Errors
/// Refuses with 400 any other form, a fragment, user information or an invalid host or port; with 501 CONNECT.
pub fn split(method: Method, target: &str) -> Result<Target<'_>, Refusal> {
    if method == Method::Connect {
        return Err(TUNNEL);
    }
    if memchr::memchr(b'#', target.as_bytes()).is_some() {
        return Err(FRAGMENT);
    }
    if target.starts_with('/') {
        return Ok(split_query(target));
    }
    if target == "*" && method == Method::Options {
        return Ok(Target { path: Some(target), query: None });
    }
    split_absolute(target)
}

fn split_absolute(target: &str) -> Result<Target<'_>, Refusal> {
    let behind_scheme =
        strip_scheme(target, "http://").or_else(|| strip_scheme(target, "https://")).ok_or(FORM)?;
    let authority_end = behind_scheme.find(['/', '?']).unwrap_or(behind_scheme.len());
    let (authority, rest) = behind_scheme.split_at(authority_end);
    if authority.is_empty() || !is_authority(authority.as_bytes()) {
        return Err(AUTHORITY);
    }
    Ok(split_query(rest))
}

/// Schemes are compared without regard to case (RFC 9110, section 4.2.3).
fn strip_scheme<'a>(target: &'a str, scheme: &str) -> Option<&'a str> {
    let start = target.get(..scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then(|| &target[scheme.len()..])
}

fn split_query(target: &str) -> Target<'_> {
    let (path, query) = match memchr::memchr(b'?', target.as_bytes()) {
        Some(at) => (&target[..at], Some(&target[at + 1..])),
        None => (target, None),
    };
    Target { path: (!path.is_empty()).then_some(path), query }
}

/// Returns whether a Host field's value is a host with an optional port and nothing else. Empty is valid: a client sends it
/// where its URI has no authority (RFC 9112, section 3.2). User information is not.
#[must_use]
pub fn is_authority(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => match memchr::memchr(b']', rest) {
            Some(end) if is_ip_literal(&rest[..end]) => (&value[..=end + 1], &rest[end + 1..]),
            _ => return false,
        },
        _ => value.split_at(memchr::memchr(b':', value).unwrap_or(value.len())),
    };
    match port {
        [] => host.first() == Some(&b'[') || is_name(host),
        [b':', digits @ ..] => !host.is_empty() && (host[0] == b'[' || is_name(host)) && is_port(digits),
        _ => false,
    }
}

/// Returns whether this may stand between brackets: an IPv6 address, or an address of a version to come, `v1.x` (RFC 3986, section
/// 3.2.2). A zone (`fe80::1%25eth0`) means something on the client's host only, so a client sends none (RFC 6874, section 4).
fn is_ip_literal(inside: &[u8]) -> bool {
    if let [b'v' | b'V', rest @ ..] = inside {
        let Some(dot) = memchr::memchr(b'.', rest) else { return false };
        let (version, address) = (&rest[..dot], &rest[dot + 1..]);
        return !version.is_empty()
            && version.iter().all(u8::is_ascii_hexdigit)
            && !address.is_empty()
            && address.iter().all(|&byte| byte == b':' || charset::is_host(byte));
    }
    std::str::from_utf8(inside).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

/// Returns whether this is a registered name or an IPv4 address: `reg-name` of RFC 3986, where a percent sign is followed by two
/// digits.
fn is_name(host: &[u8]) -> bool {
    let Some(odd) = host.iter().position(|&byte| !charset::is_host(byte)) else { return true };
    let mut rest = &host[odd..];
    loop {
        rest = match rest {
            [] => return true,
            [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => tail,
            [byte, tail @ ..] if charset::is_host(*byte) => tail,
            _ => return false,
        };
    }
}

/// Returns whether this is nothing, or 1 to 65535: port 0 is nowhere listened on.
fn is_port(digits: &[u8]) -> bool {
    if digits.is_empty() {
        return true;
    }
    let value = digits.iter().try_fold(0u32, |value, &digit| match digit {
        b'0'..=b'9' => Some((value * 10 + u32::from(digit - b'0')).min(u32::from(u16::MAX) + 1)),
        _ => None,
    });
    value.is_some_and(|port| (1..=u32::from(u16::MAX)).contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_come_apart() {
        let get = |target| split(Method::Get, target).map(|found| (found.path, found.query));
        assert_eq!(get("/"), Ok((Some("/"), None)));
        assert_eq!(get("/a%20b?x=1?y"), Ok((Some("/a%20b"), Some("x=1?y"))));
        assert_eq!(get("//a?"), Ok((Some("//a"), Some(""))));
        assert_eq!(get("http://a"), Ok((None, None)));
        assert_eq!(get("HTTPS://a:1?x"), Ok((None, Some("x"))));
        assert_eq!(get("http://[::1]:80/b?c"), Ok((Some("/b"), Some("c"))));
        for bad in [
            "*",
            "a",
            "/a#b",
            "http://",
            "http:///a",
            "http://u@a/",
            "ftp://a/",
            "http:/a",
            "http://a:0/",
            "a:80",
        ] {
            assert_eq!(get(bad).map_err(|refusal| refusal.status), Err(400), "{bad}");
        }
        assert_eq!(split(Method::Options, "*"), Ok(Target { path: Some("*"), query: None }));
        for (target, authority) in [
            ("/", None),
            ("*", None),
            ("HTTP://A:1/b", Some("A:1")),
            ("https://a?b", Some("a")),
            ("http://a", Some("a")),
        ] {
            assert_eq!(authority_of(target), authority, "{target}");
        }
        assert_eq!(split(Method::Connect, "a:443"), Err(TUNNEL));
    }

    #[test]
    fn authorities_are_hosts_with_ports() {
        for good in [
            "",
            "a",
            "a.b",
            "a_b",
            "a:80",
            "a:",
            "1.2.3.4:65535",
            "[::1]",
            "[::1]:8",
            "[::ffff:1.2.3.4]",
            "[::]",
            "[1:2:3:4:5:6:7::]",
            "[1:2:3:4:5:6:1.2.3.4]:8",
            "[2001:DB8::A]:",
            "[v1.fe80::a+en1]",
            "[vF.x]:80",
            "%41",
        ] {
            assert!(is_authority(good.as_bytes()), "{good}");
        }
        for bad in [
            "a b",
            "a/b",
            "u@a",
            ":80",
            "a:b",
            "a:-1",
            "a:65536",
            "a:99999999999",
            "a:0",
            "[::1",
            "[]",
            "[::1]x",
            "[x::]",
            "[1::2::3]",
            "[:1]",
            "[1:]",
            "[:::]",
            "[1:2:3:4:5:6:7]",
            "[1:2:3:4:5:6:7:8:9]",
            "[1::2:3:4:5:6:7:8]",
            "[12345::]",
            "[1.2.3.4::]",
            "[::1.2.3]",
            "[::1.2.3.256]",
            "[::1.2.3.04]",
            "[::1.2.3.4:5]",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "[fe80::1%eth0]",
            "[ ::1]",
            "[::1]:x",
            "[::1]:0",
            "[::1]80",
            "[v.x]",
            "[v1.]",
            "[v1x]",
            "[vg.x]",
            "[v1.a/b]",
        ] {
            assert!(!is_authority(bad.as_bytes()), "{bad}");
        }
        assert!(!is_authority(b"a%4") && !is_authority(b"a\x80") && !is_authority(b"a:1:2"));
    }
}
