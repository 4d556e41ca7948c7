//! Reading all pixels from the server as a stream of lines.

use std::io;

use super::error::SendError;
use super::link::Link;
use super::picture::Picture;
use super::reply::parse_head;
use super::tally::Tally;
use super::target::Target;
use crate::base::limits::Limits;
use crate::http::body::{BodyDecoder, Decoded};
use crate::http::framing::Framing;

/// One line of the list.
#[derive(serde::Deserialize)]
struct Row {
    x: i32,
    y: i32,
    channel: char,
    value: u8,
}

/// Lines in pieces: keeps what stands behind the last line end.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes every line that `piece` completes.
    fn feed(
        &mut self,
        piece: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), SendError>,
    ) -> Result<(), SendError> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            if self.rest.is_empty() {
                take(&piece[start..end])?;
            } else {
                self.rest.extend_from_slice(&piece[start..end]);
                take(&self.rest)?;
                self.rest.clear();
            }
            start = end + 1;
        }
        self.rest.extend_from_slice(&piece[start..]);
        Ok(())
    }
}

/// Reads the whole list. `progress` is told the number of pixels read so far, now and then. Gives the tally and the
/// bytes of the list.
///
/// # Errors
/// [`SendError::ReadBack`] when the connection breaks, the answer is no list, or a line of it is no pixel.
pub fn read_back(
    target: &Target,
    picture: &Picture,
    progress: &mut dyn FnMut(u64),
) -> Result<(Tally, u64), SendError> {
    let broken = |reason: String| SendError::ReadBack(reason);
    let mut link = Link::connect(target)?;
    link.write(&target.list())?;
    let head = loop {
        match parse_head(link.pending()).map_err(broken)? {
            Some(head) => break head,
            None => link.read()?,
        }
    };
    link.take(head.bytes);
    if head.status != 200 {
        return Err(broken(format!("GET /pixels was answered with {}", head.status)));
    }
    if head.framing == Framing::None {
        return Err(broken("GET /pixels was answered without a length".to_owned()));
    }
    let limits = Limits::default();
    let refused = |_| broken("the answer's framing is broken".to_owned());
    let mut decoder = BodyDecoder::new(head.framing, u64::MAX).map_err(refused)?;
    let (mut tally, mut lines, mut bytes) = (Tally::new(picture), Lines::default(), 0);
    let mut take = |line: &[u8]| {
        let row: Row = serde_json::from_slice(line)
            .map_err(|error| broken(format!("{:?} is no pixel: {error}", String::from_utf8_lossy(line))))?;
        tally.take(picture.number(row.x, row.y, row.channel), row.value);
        if tally.listed().is_multiple_of(PROGRESS_ROWS) {
            progress(tally.listed());
        }
        Ok(())
    };
    while !decoder.is_ended() {
        let (used, ended) = match decoder.next(link.pending(), &limits).map_err(refused)? {
            Decoded::NeedMore => (link.pending().len(), false),
            Decoded::Piece { consumed, bytes: piece } => {
                bytes += piece.len() as u64;
                lines.feed(piece, &mut take)?;
                (consumed, false)
            }
            Decoded::End { consumed } => (consumed, true),
        };
        link.take(used);
        if !ended && link.pending().is_empty() {
            link.read().map_err(|error| cut_off(&error))?;
        }
    }
    if !lines.rest.is_empty() {
        take(&lines.rest)?;
    }
    Ok((tally, bytes))
}

const PROGRESS_ROWS: u64 = 16 * 1024;

fn cut_off(error: &io::Error) -> SendError {
    SendError::ReadBack(format!("the list was cut off: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_same_for_every_split() {
        let text = b"one\n\ntwo\nthree\nrest";
        for cut in 0..=text.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            for piece in [&text[..cut], &text[cut..]] {
                let mut take = |line: &[u8]| {
                    seen.push(line.to_vec());
                    Ok(())
                };
                lines.feed(piece, &mut take).expect("no error");
            }
            assert_eq!(seen, [&b"one"[..], b"", b"two", b"three"], "{cut}");
            assert_eq!(lines.rest, b"rest");
        }
    }
}
