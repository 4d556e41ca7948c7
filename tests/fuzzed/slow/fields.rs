//! What targets and fields say together: where the request goes, where its body ends, whether another one follows.

use std::net::Ipv6Addr;

use pixeld::http::method::Method;

use super::bytes::{is_token, trimmed};
use super::{Read, Stop};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    Nothing,
    Length(u64),
    Chunks,
}

pub struct Said {
    pub framing: Framing,
    pub keep_alive: bool,
}

/// Path and query of a target.
pub fn target(method: Method, target: &str) -> Read<(String, Option<String>)> {
    let is_options = method == Method::Options;
    if method == Method::Connect || target.contains('#') {
        return Err(Stop::Wrong);
    }
    if target == "*" && is_options {
        return Ok(("*".to_owned(), None));
    }
    let local = if target.starts_with('/') { target } else { behind_authority(target)? };
    let (path, query) = match local.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (local, None),
    };
    let path = match (path, is_options) {
        ("", true) => "*",
        ("", false) => "/",
        _ => path,
    };
    Ok((path.to_owned(), query))
}

fn behind_authority(target: &str) -> Read<&str> {
    let (scheme, rest) = target.split_once("://").ok_or(Stop::Wrong)?;
    if !["http", "https"].contains(&&*scheme.to_ascii_lowercase()) {
        return Err(Stop::Wrong);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    if end == 0 || !is_authority(&rest.as_bytes()[..end]) {
        return Err(Stop::Wrong);
    }
    Ok(&rest[end..])
}

/// Returns whether this is a host, with a port or without one, or an empty text.
fn is_authority(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    if text.is_empty() {
        return true;
    }
    let (host, port) = match text.rfind(':').filter(|at| !text[*at..].contains(']')) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    is_port(port) && is_host(host)
}

fn is_port(digits: &str) -> bool {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let significant = digits.trim_start_matches('0');
    digits.is_empty() || is_number && significant.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_host(host: &str) -> bool {
    if let Some(inside) = host.strip_prefix('[') {
        let Some(inside) = inside.strip_suffix(']') else { return false };
        return inside.parse::<Ipv6Addr>().is_ok() || is_later_address(inside);
    }
    let mut parts = host.split('%');
    let plain = parts.next().is_some_and(|part| part.bytes().all(is_in_name));
    let escaped = |part: &str| {
        let bytes = part.as_bytes();
        bytes.len() >= 2
            && bytes[..2].iter().all(u8::is_ascii_hexdigit)
            && bytes[2..].iter().all(|byte| is_in_name(*byte))
    };
    !host.is_empty() && plain && parts.all(escaped)
}

fn is_later_address(inside: &str) -> bool {
    let Some((version, address)) = inside.split_once('.') else { return false };
    let Some(version) = version.strip_prefix(['v', 'V']) else { return false };
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_version && !address.is_empty() && address.bytes().all(|byte| byte == b':' || is_in_name(byte))
}

fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// The meaning of the fields of a head.
pub fn said(headers: &[(String, Vec<u8>)], is_1_1: bool) -> Read<Said> {
    let values = |name: &str| -> Vec<&[u8]> {
        let named = headers.iter().filter(|header| header.0.eq_ignore_ascii_case(name));
        named.map(|header| &*header.1).collect()
    };
    let hosts = values("host");
    if hosts.len() > 1 || (is_1_1 && hosts.is_empty()) || !hosts.iter().all(|host| is_authority(host)) {
        return Err(Stop::Wrong);
    }
    let options = listed(&values("connection"));
    let has = |option: &str| options.iter().any(|one| one.eq_ignore_ascii_case(option));
    Ok(Said {
        framing: framing(&values("content-length"), &values("transfer-encoding"), is_1_1)?,
        keep_alive: !has("close") && (is_1_1 || has("keep-alive")),
    })
}

fn framing(lengths: &[&[u8]], codings: &[&[u8]], is_1_1: bool) -> Read<Framing> {
    match (lengths, codings) {
        ([], []) => Ok(Framing::Nothing),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let digits = std::str::from_utf8(length).map_err(|_| Stop::Wrong)?;
            Ok(Framing::Length(digits.parse().unwrap_or(u64::MAX)))
        }
        ([], codings) if is_1_1 => {
            let all: Vec<&[u8]> =
                codings.iter().flat_map(|value| value.split(|byte| *byte == b',')).map(trimmed).collect();
            let is_sound =
                all.iter().all(|coding| !coding.is_empty() && coding.iter().all(|byte| is_token(*byte)));
            match all[..] {
                [one] if is_sound && one.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunks),
                _ => Err(Stop::Wrong),
            }
        }
        _ => Err(Stop::Wrong),
    }
}

/// The elements of lists, as far as they are text.
fn listed<'v>(values: &[&'v [u8]]) -> Vec<&'v str> {
    let elements = values.iter().flat_map(|value| value.split(|byte| *byte == b','));
    elements.filter_map(|element| std::str::from_utf8(trimmed(element)).ok()).collect()
}
