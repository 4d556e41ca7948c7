//! The segments of a JPEG that may stay, as decoders find them (ITU T.81, annex B).

use super::scan::next_marker;
use crate::apps::pictures::clean::unclean::Unclean;

/// Segments of a picture that are kept in memory at most; a photograph has fifty.
const PIECES_MAX: usize = 1 << 16;

/// A segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// JFIF, EXIF, a profile or Adobe's: one of those of which something may stay.
    App { marker: u8, content: &'a [u8] },
    /// DQT.
    Quantization(&'a [u8]),
    /// DHT.
    Codes(&'a [u8]),
    /// DAC.
    Conditioning(&'a [u8]),
    /// DRI.
    Restart(&'a [u8]),
    /// DNL.
    Lines(&'a [u8]),
    /// SOF, of any process.
    Frame { marker: u8, content: &'a [u8] },
    /// SOS, and what follows up to the next marker that is no restart.
    Scan { header: &'a [u8], data: &'a [u8] },
}

/// How a picture ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With EOI.
    Marked,
    /// Without it, but a marker ends the last scan.
    OfScan,
    /// In the data of a scan.
    Cut,
}

/// Cuts a picture into its segments, up to its end or where it can't be read on. Between segments decoders pass over
/// whatever is no marker.
///
/// Gives the segments, and how they end.
///
/// # Errors
/// Fails if there is no scan, or there are too many segments.
pub(super) fn pieces(picture: &[u8]) -> Result<(Vec<Piece<'_>>, Ending), Unclean> {
    let (mut pieces, mut at, mut has_scan, mut ending) = (Vec::new(), 2, false, Ending::Cut);
    while let Some((marker, content, end)) = segment(picture, at) {
        at = end;
        let piece = match marker {
            0xD9 => {
                ending = Ending::Marked;
                break;
            }
            0xDA => {
                let end = data_end(picture, at);
                let data = &picture[at..end];
                (at, has_scan) = (end, true);
                ending = if end < picture.len() { Ending::OfScan } else { Ending::Cut };
                Piece::Scan { header: content, data }
            }
            0xE0 | 0xE1 | 0xE2 | 0xEE => Piece::App { marker, content },
            0xDB => Piece::Quantization(content),
            0xC4 => Piece::Codes(content),
            0xCC => Piece::Conditioning(content),
            0xDD => Piece::Restart(content),
            0xDC => Piece::Lines(content),
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => Piece::Frame { marker, content },
            // Decoders end with an error at these; before there are pixels, they are passed over.
            0x02..=0xBF | 0xC8 | 0xF0..=0xFD if has_scan => break,
            _ => continue,
        };
        if pieces.len() == PIECES_MAX {
            return Err(Unclean::TooLarge);
        }
        pieces.push(piece);
    }
    if has_scan { Ok((pieces, ending)) } else { Err(Unclean::NoPixels) }
}

/// Returns the next segment from `at` on: its marker, its content and where it ends; nothing at the end or if it is cut.
fn segment(picture: &[u8], mut at: usize) -> Option<(u8, &[u8], usize)> {
    loop {
        let start = next_marker(picture, at)?;
        match picture[start + 1] {
            // TEM, a restart, or the beginning once more: nothing follows these.
            0x01 | 0xD0..=0xD8 => at = start + 2,
            0xD9 => return Some((0xD9, &[], start + 2)),
            marker => {
                let length = usize::from(u16::from_be_bytes(*picture.get(start + 2..)?.first_chunk()?));
                let end = start + 2 + length.max(2);
                return Some((marker, picture.get(start + 4..end)?, end));
            }
        }
    }
}

/// Returns where the data of a scan ends: before a marker that is no restart, or with the picture. Reserved markers do not end it:
/// decoders pass over them on their way to the next restart.
fn data_end(picture: &[u8], mut at: usize) -> usize {
    while let Some(marker) = next_marker(picture, at) {
        if !matches!(picture[marker + 1], 0x01..=0xBF | 0xD0..=0xD7) {
            // Bytes that fill up stand before it.
            let fills = picture[at..marker].iter().rev().take_while(|byte| **byte == 0xFF).count();
            return marker - fills;
        }
        at = marker + 2;
    }
    picture.len()
}
