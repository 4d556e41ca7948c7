//! Reading all pixels from the server as a stream of lines.

use std::io;
use std::time::{Duration, Instant};

use super::error::SendError;
use super::picture::Picture;
use super::post::{PAUSE_FIRST, PAUSE_MAX};
use super::tally::Tally;
use super::target::Target;
use crate::client::fetch;
use crate::client::tls::is_of_tls;

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

/// Reads the whole list as [`read_once`] does, and begins again while the server is away, for as long as the patience allows.
///
/// # Errors
/// Fails as [`read_once`] does.
pub fn read_back(
    target: &Target,
    picture: &Picture,
    patience: Duration,
    progress: &mut dyn FnMut(u64),
) -> Result<(Tally, u64), SendError> {
    let (began, mut pause) = (Instant::now(), PAUSE_FIRST);
    loop {
        match read_once(target, picture, patience, progress) {
            Err(SendError::Away(_)) if began.elapsed() + pause < patience => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(PAUSE_MAX);
            }
            outcome => return outcome,
        }
    }
}

/// Reads the whole list. `progress` gets the number of pixels read so far, now and then. Gives the tally and the
/// bytes of the list.
///
/// # Errors
/// Returns [`SendError::Away`] when there is no connection or it breaks, and [`SendError::ReadBack`] when the answer is no list, or a
/// line of it is no pixel.
fn read_once(
    target: &Target,
    picture: &Picture,
    patience: Duration,
    progress: &mut dyn FnMut(u64),
) -> Result<(Tally, u64), SendError> {
    let broken = |reason: String| SendError::ReadBack(reason);
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
    let mut outcome = Ok(());
    let answer = fetch::stream(
        &target.at("pixels").map_err(|error| lost(&error, 0))?,
        "Accept: application/x-ndjson\r\n",
        patience,
        |status, piece| {
            bytes += piece.len() as u64;
            if status == 200 {
                outcome = lines.feed(piece, &mut take);
            }
            outcome.is_ok()
        },
    );
    let answer = answer.map_err(|error| lost(&error, bytes))?;
    outcome?;
    if answer.status != 200 {
        return Err(broken(format!("GET /pixels was answered with {}", answer.status)));
    }
    if !answer.is_framed {
        return Err(broken("GET /pixels was answered without a length".to_owned()));
    }
    if !lines.rest.is_empty() {
        take(&lines.rest)?;
    }
    Ok((tally, bytes))
}

const PROGRESS_ROWS: u64 = 16 * 1024;

fn lost(error: &io::Error, bytes: u64) -> SendError {
    match bytes {
        _ if is_of_tls(error) => SendError::ReadBack(error.to_string()),
        0 => SendError::Away(format!("there is no answer: {error}")),
        _ => SendError::Away(format!("the list was cut off: {error}")),
    }
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
