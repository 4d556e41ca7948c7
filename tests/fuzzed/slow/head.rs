//! A request's head.

use super::bytes::{is_blank, is_token, is_value, trimmed};
use super::fields::{self, Framing, Said};
use super::{Read, Stop};

use pixeld::http::method::Method;

/// The meaning of a head.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub method: &'static str,
    pub path: String,
    pub query: Option<String>,
    pub is_1_1: bool,
    pub headers: Vec<(String, Vec<u8>)>,
    pub framing: Framing,
    pub keep_alive: bool,
}

/// Most empty lines before a request, and most fields.
const EMPTY_LINES_MAX: usize = 4;
const FIELDS_MAX: usize = 64;

/// Takes empty lines off. Gives nothing where no request begins.
pub fn skip_empty_lines(mut input: &[u8]) -> Read<Option<&[u8]>> {
    for _ in 0..=EMPTY_LINES_MAX {
        match input {
            [] | [b'\r'] => return Ok(None),
            [b'\r', b'\n', rest @ ..] => input = rest,
            [first, ..] if is_token(*first) => return Ok(Some(input)),
            _ => return Err(Stop::Wrong),
        }
    }
    Err(Stop::Wrong)
}

/// Reads a head at the start of `input`; gives what is behind it too.
pub fn read(input: &[u8]) -> Read<(Head, &[u8])> {
    let (lines, rest) = lines(input)?;
    let (first, others) = lines.split_first().ok_or(Stop::Wrong)?;
    let (method, target, is_1_1) = request_line(first)?;
    let headers = others.iter().map(|line| field(line)).collect::<Read<Vec<_>>>()?;
    let (path, query) = fields::target(method, &target)?;
    let Said { framing, keep_alive } = fields::said(&headers, is_1_1)?;
    Ok((Head { method: method.as_str(), path, query, is_1_1, headers, framing, keep_alive }, rest))
}

/// The lines up to the empty one, and what is behind it. CR and LF stand together or not at all, and no line is folded.
fn lines(input: &[u8]) -> Read<(Vec<&[u8]>, &[u8])> {
    let (mut lines, mut rest) = (Vec::new(), input);
    loop {
        if lines.is_empty() && !rest.first().is_none_or(|first| is_token(*first)) {
            return Err(Stop::Wrong);
        }
        if !lines.is_empty() && rest.first().is_some_and(|first| is_blank(*first)) {
            return Err(Stop::Wrong);
        }
        let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).ok_or(Stop::Cut)?;
        match &rest[end..] {
            [b'\r'] => return Err(Stop::Cut),
            [b'\r', b'\n', ..] => {}
            _ => return Err(Stop::Wrong),
        }
        let line = &rest[..end];
        rest = &rest[end + 2..];
        if line.is_empty() {
            return Ok((lines, rest));
        }
        lines.push(line);
        if lines.len() > 1 + FIELDS_MAX {
            return Err(Stop::Wrong);
        }
    }
}

fn request_line(line: &[u8]) -> Read<(Method, String, bool)> {
    let parts: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [method, target, version] = parts[..] else { return Err(Stop::Wrong) };
    let is_1_1 = match version {
        b"HTTP/1.0" => false,
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => true,
        _ => return Err(Stop::Wrong),
    };
    let is_target = |byte: &u8| *byte > b' ' && *byte != 0x7f;
    if target.is_empty() || !target.iter().all(is_target) {
        return Err(Stop::Wrong);
    }
    let target = String::from_utf8(target.to_vec()).map_err(|_| Stop::Wrong)?;
    let method = Method::ALL.iter().find(|known| known.as_str().as_bytes() == method);
    Ok((*method.ok_or(Stop::Wrong)?, target, is_1_1))
}

fn field(line: &[u8]) -> Read<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Stop::Wrong)?;
    let (name, value) = (&line[..colon], trimmed(&line[colon + 1..]));
    if name.is_empty()
        || !name.iter().all(|byte| is_token(*byte))
        || !value.iter().all(|byte| is_value(*byte))
    {
        return Err(Stop::Wrong);
    }
    Ok((String::from_utf8(name.to_vec()).map_err(|_| Stop::Wrong)?, value.to_vec()))
}
