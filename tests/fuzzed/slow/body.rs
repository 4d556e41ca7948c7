//! Bodies, and connections of many requests.

use super::bytes::{Bytes, is_blank, is_token, is_value};
use super::fields::Framing;
use super::head;
use super::{Read, Stop};
use crate::feed::{Event, STREAM_BYTES_MAX, WHOLE_BYTES_MAX};

/// Most bytes of a chunk's first line, without its end.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// The status of every refusal: which one it is, is not looked at.
pub const REFUSED: Event = Event::Refused(400);

/// Returns what comes of a connection on which `input` arrives.
pub fn events(input: &[u8]) -> Vec<Event> {
    let (mut events, mut rest) = (Vec::new(), input);
    let end = loop {
        rest = match head::skip_empty_lines(rest) {
            Err(_) => break Some(REFUSED),
            Ok(None) => break None,
            Ok(Some(begun)) => begun,
        };
        match request(rest, &mut events) {
            Ok(Some(after)) => rest = after,
            Ok(None) => break None,
            Err(Stop::Cut) => break Some(Event::Cut),
            Err(_) => break Some(REFUSED),
        }
    };
    events.extend(end);
    events
}

/// Reads one request; gives what is behind it if another one may follow.
fn request<'a>(input: &'a [u8], events: &mut Vec<Event>) -> Read<Option<&'a [u8]>> {
    let (head, rest) = head::read(input)?;
    let path = match &head.query {
        Some(query) => format!("{}?{query}", head.path),
        None => head.path.clone(),
    };
    let line = format!("{} {path}", head.method);
    let (is_stream, is_unwanted) = (head.path.starts_with("/stream"), head.path.starts_with("/unwanted"));
    if head.path == "/no" {
        return Err(Stop::Wrong);
    }
    let bytes_max = if is_stream { STREAM_BYTES_MAX } else { WHOLE_BYTES_MAX };
    let is_known_too_long = matches!(head.framing, Framing::Length(length) if length > bytes_max as u64);
    if is_stream && !is_known_too_long {
        events.push(Event::Begun { line: line.clone() });
    }
    let (body, rest) = match body(rest, head.framing, bytes_max) {
        Err(Stop::TooLong) if is_unwanted => {
            events.push(Event::Unread { line, keep_alive: false });
            return Ok(None);
        }
        found => found?,
    };
    events.push(if is_stream {
        Event::Ended { body }
    } else {
        let body = if is_unwanted && head.framing == Framing::Chunks { Vec::new() } else { body };
        Event::Request { line, headers: head.headers, keep_alive: head.keep_alive, body }
    });
    Ok(head.keep_alive.then_some(rest))
}

fn body(input: &[u8], framing: Framing, bytes_max: usize) -> Read<(Vec<u8>, &[u8])> {
    match framing {
        Framing::Nothing => Ok((Vec::new(), input)),
        Framing::Length(length) if length > bytes_max as u64 => Err(Stop::TooLong),
        Framing::Length(length) => {
            let (body, rest) = input.split_at_checked(length as usize).ok_or(Stop::Cut)?;
            Ok((body.to_vec(), rest))
        }
        Framing::Chunks => chunks(input, bytes_max),
    }
}

fn chunks(input: &[u8], bytes_max: usize) -> Read<(Vec<u8>, &[u8])> {
    let (mut bytes, mut body) = (Bytes { rest: input, left: usize::MAX }, Vec::new());
    loop {
        let size = first_line(&mut bytes)?;
        if size > (bytes_max - body.len()) as u128 {
            return Err(Stop::TooLong);
        }
        if size == 0 {
            trailers(&mut bytes)?;
            return Ok((body, bytes.rest));
        }
        for _ in 0..size {
            body.push(bytes.next()?);
        }
        bytes.expect(b"\r\n")?;
    }
}

/// `size *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] ) CRLF`.
fn first_line(bytes: &mut Bytes<'_>) -> Read<u128> {
    bytes.left = CHUNK_LINE_BYTES_MAX;
    let digits = bytes.some(|byte| byte.is_ascii_hexdigit())?;
    let size = digits.iter().fold(0_u128, |size, digit| {
        let digit = char::from(*digit).to_digit(16).unwrap_or(0);
        (size * 16 + u128::from(digit)).min(u128::from(u64::MAX))
    });
    loop {
        let blanks = bytes.while_is(is_blank)?;
        match bytes.next()? {
            b';' => extension(bytes)?,
            b'\r' if blanks.is_empty() => {
                bytes.left = usize::MAX;
                bytes.expect(b"\n")?;
                return Ok(size);
            }
            _ => return Err(Stop::Wrong),
        }
    }
}

fn extension(bytes: &mut Bytes<'_>) -> Read<()> {
    bytes.while_is(is_blank)?;
    bytes.some(is_token)?;
    // Blanks behind a name belong to the "=" or to the next ";", whichever comes.
    let before = bytes.rest;
    bytes.while_is(is_blank)?;
    if bytes.peek()? != b'=' {
        bytes.rest = before;
        return Ok(());
    }
    bytes.next()?;
    bytes.while_is(is_blank)?;
    if bytes.peek()? != b'"' {
        return bytes.some(is_token).map(drop);
    }
    bytes.next()?;
    loop {
        match bytes.next()? {
            b'"' => return Ok(()),
            b'\\' if is_value(bytes.next()?) => {}
            byte if byte != b'\\' && is_value(byte) => {}
            _ => return Err(Stop::Wrong),
        }
    }
}

fn trailers(bytes: &mut Bytes<'_>) -> Read<()> {
    loop {
        if bytes.peek()? == b'\r' {
            return bytes.expect(b"\r\n");
        }
        bytes.some(is_token)?;
        bytes.expect(b":")?;
        bytes.while_is(is_value)?;
        bytes.expect(b"\r\n")?;
    }
}
