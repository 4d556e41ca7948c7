//! Takes out of a picture what it says about who took it, where and when, without touching a pixel.
//!
//! EXIF (with GPS), XMP, IPTC, comments and dates go; colour profiles and everything else that a decoder needs stay.
//! What turns the picture (the EXIF orientation) is kept, in an EXIF block with nothing else in it. A picture without
//! any of these is returned as it is, byte for byte; so is what cannot be read to its end, from there on.

use image::metadata::Orientation;

use super::kind::Kind;

/// The picture without its metadata, or nothing if there is none.
#[must_use]
pub fn stripped(kind: Kind, picture: &[u8]) -> Option<Vec<u8>> {
    let mut out = Kept { picture, out: Vec::new(), kept_to: 0 };
    match kind {
        Kind::Jpeg => jpeg(&mut out),
        Kind::Png => png(&mut out),
        Kind::Gif => gif(&mut out),
        Kind::Webp => return webp(picture),
        Kind::Bmp => return None,
    };
    out.end()
}

/// A copy with pieces left out; nothing is copied before the first of them.
struct Kept<'a> {
    picture: &'a [u8],
    out: Vec<u8>,
    kept_to: usize,
}

impl Kept<'_> {
    /// Leaves out `start..end` and puts `instead` there.
    fn replace(&mut self, start: usize, end: usize, instead: &[u8]) {
        self.out.extend_from_slice(&self.picture[self.kept_to..start]);
        self.out.extend_from_slice(instead);
        self.kept_to = end;
    }

    fn end(mut self) -> Option<Vec<u8>> {
        if self.kept_to == 0 {
            return None;
        }
        self.out.extend_from_slice(&self.picture[self.kept_to..]);
        Some(self.out)
    }
}

/// An EXIF block (in TIFF's form) that says how the picture is turned and nothing else; nothing for one that is not.
fn orientation_only(exif: &[u8]) -> Option<[u8; 26]> {
    let orientation = Orientation::from_exif_chunk(exif)?;
    let number = orientation.to_exif();
    // Little endian, one entry: tag 0x0112, SHORT, one value.
    let block =
        [b'I', b'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0];
    (orientation != Orientation::NoTransforms && exif != block).then_some(block)
}

/// Whether `exif` is a block that says how the picture is turned and nothing else.
fn is_orientation_only(exif: &[u8]) -> bool {
    exif.len() == 26 && exif[..18] == [b'I', b'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0]
}

const EXIF: &[u8] = b"Exif\0\0";

/// Segments up to the picture's end (ITU T.81, annex B); what stands behind that is no part of it.
fn jpeg(kept: &mut Kept<'_>) -> Option<()> {
    let picture = kept.picture;
    let mut at = 2;
    loop {
        while *picture.get(at)? != 0xFF {
            // The coded data of a scan.
            at += 1;
        }
        let marker = *picture.get(at + 1)?;
        match marker {
            // A stuffed zero, a restart or a fill byte.
            0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
            0xFF => at += 1,
            0xD9 => {
                let end = at + 2;
                if end < picture.len() {
                    kept.replace(end, picture.len(), &[]);
                }
                return Some(());
            }
            _ => {
                let length = usize::from(u16::from_be_bytes([*picture.get(at + 2)?, *picture.get(at + 3)?]));
                let content = picture.get(at + 4..at + 2 + length.max(2))?;
                let end = at + 2 + length.max(2);
                if let Some(instead) = jpeg_instead(marker, content) {
                    kept.replace(at, end, &instead);
                }
                at = end;
            }
        }
    }
}

/// What stands instead of a segment that goes; nothing for one that stays.
fn jpeg_instead(marker: u8, content: &[u8]) -> Option<Vec<u8>> {
    match (marker, content) {
        // JFIF, colour profiles, and how Adobe's colours are to be read.
        (0xE0, [b'J', b'F', b'I', b'F', 0, ..]) | (0xEE, [b'A', b'd', b'o', b'b', b'e', ..]) => None,
        (0xE2, _) if content.starts_with(b"ICC_PROFILE\0") => None,
        (0xE1, _) if content.strip_prefix(EXIF).is_some_and(is_orientation_only) => None,
        (0xE1, _) => Some(match content.strip_prefix(EXIF).and_then(orientation_only) {
            None => Vec::new(),
            Some(block) => [&[0xFF, 0xE1, 0, 34], EXIF, &block].concat(),
        }),
        (0xE0..=0xEF | 0xFE, _) => Some(Vec::new()),
        _ => None,
    }
}

/// Chunks up to IEND (PNG, third edition, section 5.3).
fn png(kept: &mut Kept<'_>) -> Option<()> {
    let picture = kept.picture;
    let mut at = 8;
    loop {
        let length = u32::from_be_bytes(*picture.get(at..)?.first_chunk()?) as usize;
        let name: &[u8; 4] = picture.get(at + 4..)?.first_chunk()?;
        let content = picture.get(at + 8..at.checked_add(8)?.checked_add(length)?)?;
        let end = at + 12 + length;
        picture.get(..end)?;
        match name {
            b"IEND" => {
                if end < picture.len() {
                    kept.replace(end, picture.len(), &[]);
                }
                return Some(());
            }
            b"eXIf" if is_orientation_only(content) => {}
            b"eXIf" => match orientation_only(content) {
                None => kept.replace(at, end, &[]),
                Some(block) => kept.replace(at, end, &png_chunk(*b"eXIf", &block)),
            },
            b"tEXt" | b"zTXt" | b"iTXt" | b"tIME" => kept.replace(at, end, &[]),
            _ => {}
        }
        at = end;
    }
}

fn png_chunk(name: [u8; 4], content: &[u8]) -> Vec<u8> {
    let mut check = flate2::Crc::new();
    check.update(&name);
    check.update(content);
    let length = u32::try_from(content.len()).expect("a block of a few bytes");
    [&length.to_be_bytes(), &name[..], content, &check.sum().to_be_bytes()].concat()
}

/// Blocks up to the trailer (GIF89a, sections 17 to 27).
fn gif(kept: &mut Kept<'_>) -> Option<()> {
    let picture = kept.picture;
    let blocks = Blocks::new(picture)?;
    for block in blocks {
        match block {
            Block::Extension { label: 0xFE, start, end, .. } => kept.replace(start, end, &[]),
            Block::Extension { label: 0xFF, start, end, content } if content.starts_with(b"XMP DataXMP") => {
                kept.replace(start, end, &[]);
            }
            Block::Trailer { end } if end < picture.len() => kept.replace(end, picture.len(), &[]),
            _ => {}
        }
    }
    Some(())
}

/// A block of a GIF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block<'a> {
    /// An extension, its first sub-block, and where it stands.
    Extension { label: u8, content: &'a [u8], start: usize, end: usize },
    /// A picture.
    Image,
    /// The end.
    Trailer { end: usize },
}

/// The blocks of a GIF, in order, as far as they can be read.
pub(super) struct Blocks<'a> {
    picture: &'a [u8],
    at: usize,
}

impl<'a> Blocks<'a> {
    /// Begins behind the header; nothing if that is cut.
    pub(super) fn new(picture: &'a [u8]) -> Option<Self> {
        let flags = *picture.get(10)?;
        let at = 13 + colours_bytes(flags);
        (at <= picture.len()).then_some(Self { picture, at })
    }

    /// Behind the sub-blocks that start at `at`.
    fn behind_sub_blocks(&self, mut at: usize) -> Option<usize> {
        loop {
            let length = usize::from(*self.picture.get(at)?);
            at += 1 + length;
            if length == 0 {
                return Some(at);
            }
        }
    }

    fn read(&self) -> Option<(Block<'a>, usize)> {
        let (picture, start) = (self.picture, self.at);
        match *picture.get(start)? {
            0x21 => {
                let label = *picture.get(start + 1)?;
                let length = usize::from(*picture.get(start + 2)?);
                let content = picture.get(start + 3..start + 3 + length)?;
                let end = self.behind_sub_blocks(start + 2)?;
                Some((Block::Extension { label, content, start, end }, end))
            }
            0x2C => {
                let flags = *picture.get(start + 9)?;
                // The byte before the data is the size of its first codes.
                let end = self.behind_sub_blocks(start + 10 + colours_bytes(flags) + 1)?;
                Some((Block::Image, end))
            }
            0x3B => Some((Block::Trailer { end: start + 1 }, picture.len())),
            _ => None,
        }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let (block, end) = self.read()?;
        self.at = end;
        Some(block)
    }
}

/// Bytes of the colour table that these flags announce.
fn colours_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Flags of the chunk VP8X that announce EXIF and XMP.
const WEBP_EXIF: u8 = 0x08;
const WEBP_XMP: u8 = 0x04;

/// Chunks of the RIFF container (RFC 9649, section 2.3).
fn webp(picture: &[u8]) -> Option<Vec<u8>> {
    let said = u32::from_le_bytes(*picture.get(4..)?.first_chunk()?) as usize;
    let end = said.checked_add(8)?.min(picture.len());
    let (mut out, mut at, mut has_changed) = (picture.get(..12)?.to_vec(), 12, end < picture.len());
    let (mut extended, mut has_exif) = (None, false);
    while at < end {
        let length = u32::from_le_bytes(*picture.get(at + 4..end)?.first_chunk()?) as usize;
        let content = picture.get(at + 8..at.checked_add(8)?.checked_add(length)?)?;
        let next = (at + 8 + length + (length & 1)).min(end);
        match &picture[at..at + 4] {
            b"EXIF" if is_orientation_only(content) => {
                out.extend_from_slice(&picture[at..next]);
                has_exif = true;
            }
            b"EXIF" => {
                has_changed = true;
                if let Some(block) = orientation_only(content) {
                    out.extend_from_slice(b"EXIF");
                    out.extend_from_slice(&26_u32.to_le_bytes());
                    out.extend_from_slice(&block);
                    has_exif = true;
                }
            }
            b"XMP " => has_changed = true,
            name => {
                if name == b"VP8X" && !content.is_empty() {
                    extended = Some(out.len() + 8);
                }
                out.extend_from_slice(&picture[at..next]);
            }
        }
        at = next;
    }
    if let Some(flags) = extended {
        out[flags] &= !(WEBP_XMP | if has_exif { 0 } else { WEBP_EXIF });
    }
    let length = u32::try_from(out.len() - 8).ok()?;
    out[4..8].copy_from_slice(&length.to_le_bytes());
    has_changed.then_some(out)
}

#[cfg(test)]
#[path = "strip_tests.rs"]
mod tests;
