//! WebP: the chunks of pixels and of animation stay, the colour profile and the orientation; all others go (RFC 9649,
//! section 2). So does what stands behind the coded pixels inside their own chunk.

mod decisions;
mod prefix;
mod steps;
mod tables;
#[cfg(test)]
mod tests;
mod vp8;
mod vp8l;

use std::borrow::Cow;

use super::icc;
use super::unclean::Unclean;
use crate::apps::pictures::exif;
use steps::{STEPS_MAX, Steps, Stop};

/// Flags of the chunk VP8X.
const PROFILE: u8 = 0x20;
const ALPHA: u8 = 0x10;
const EXIF: u8 = 0x08;
const ANIMATION: u8 = 0x02;
/// Bytes of the chunk VP8X, and where its flags are in a copy.
const EXTENDED_BYTES: usize = 10;
const FLAGS_AT: usize = 20;
/// Bytes that describe a frame of an animation, before its chunks.
const FRAME_BYTES: usize = 16;

/// A chunk.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    name: &'a [u8; 4],
    content: &'a [u8],
    /// The same with the byte that makes its length even, if it is there.
    padded: &'a [u8],
    /// Bytes that it should have.
    length: u32,
}

impl<'a> Chunk<'a> {
    /// Returns the chunk at the beginning of `rest`, and what follows it; nothing where there is none.
    fn read(rest: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (name, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = u32::from_le_bytes(*length);
        let end = rest.len().min(length as usize);
        let (padded, behind) = rest.split_at(rest.len().min(end.saturating_add((length & 1) as usize)));
        Some((Self { name, content: &rest[..end], padded, length }, behind))
    }

    fn is_cut(&self) -> bool {
        self.content.len() < self.length as usize
    }

    /// Returns whether these are pixels, of which at least the sizes are there.
    fn has_pixels(&self) -> bool {
        matches!((self.name, self.content.len()), (b"VP8 ", vp8::HEAD_BYTES..) | (b"VP8L", 5..))
    }

    /// Returns the coded pixels without what stands behind them. They may need the padding: libwebp reads on there.
    fn trimmed(&self, steps: &mut Steps) -> Result<Cow<'a, [u8]>, Stop> {
        let mut of = |content: &'a [u8]| match self.name {
            b"VP8 " => vp8::trimmed(content, steps).map(Cow::from),
            _ => vp8l::end(content, steps).map(|end| content[..end].into()),
        };
        match of(self.content) {
            Err(Stop::Short) if self.padded.len() > self.content.len() => of(self.padded),
            other => other,
        }
    }

    /// Returns the coded alpha of a picture of this size without what stands behind it (section 2.7.1.2).
    fn trimmed_alpha(&self, size: (u32, u32), steps: &mut Steps) -> Result<&'a [u8], Stop> {
        let (&form, coded) = self.content.split_first().ok_or(Stop::Short)?;
        let end = match form {
            // Its two highest bits mean nothing, yet decoders want the higher one to be zero; those below say how it was made.
            0x80.. => return Err(Stop::Damaged),
            _ if form & 3 == 0 => (size.0 * size.1) as usize,
            _ if form & 3 == 1 => vp8l::stream_end(coded, size, steps)?,
            _ => return Err(Stop::Damaged),
        };
        self.content.get(..1 + end).ok_or(Stop::Short)
    }
}

fn chunks(mut rest: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    std::iter::from_fn(move || {
        let (chunk, behind) = Chunk::read(rest)?;
        rest = behind;
        Some(chunk)
    })
}

/// Makes the copy.
pub(super) fn copy(picture: &[u8]) -> Result<Vec<u8>, Unclean> {
    let said = picture.get(4..).and_then(|rest| rest.first_chunk()).ok_or(Unclean::NoPixels)?;
    let end = (u32::from_le_bytes(*said) as usize).saturating_add(8).min(picture.len());
    let content = picture.get(12..end).ok_or(Unclean::NoPixels)?;
    let mut copy = Copy { out: picture[..12].to_vec(), has_pixels: false, missing: 0 };
    let mut steps = Steps::new(STEPS_MAX);
    match Chunk::read(content) {
        Some((first, _)) if first.has_pixels() => copy.pixels(&first, &mut steps)?,
        Some((first, rest)) if first.name == b"VP8X" && first.content.len() == EXTENDED_BYTES => {
            copy.extended(first.content, rest, &mut steps)?;
        }
        _ => return Err(Unclean::NoPixels),
    }
    if !copy.has_pixels {
        return Err(Unclean::NoPixels);
    }
    let length = (copy.out.len() - 8).saturating_add(copy.missing);
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    copy.out[4..8].copy_from_slice(&length.to_le_bytes());
    Ok(copy.out)
}

struct Copy {
    out: Vec<u8>,
    has_pixels: bool,
    /// Bytes of a chunk that the picture should have and does not: decoders show what is there.
    missing: usize,
}

impl Copy {
    fn chunk(&mut self, name: &[u8; 4], content: &[u8]) {
        push(&mut self.out, name, content);
    }

    /// Takes a chunk of pixels, which may be cut. What ends early although it is whole, no browser shows.
    fn pixels(&mut self, chunk: &Chunk<'_>, steps: &mut Steps) -> Result<(), Unclean> {
        self.has_pixels = true;
        match chunk.trimmed(steps) {
            Ok(content) => self.chunk(chunk.name, &content),
            Err(Stop::Short) if chunk.is_cut() => {
                self.out.extend_from_slice(chunk.name);
                self.out.extend_from_slice(&chunk.length.to_le_bytes());
                self.out.extend_from_slice(chunk.content);
                self.missing = chunk.length as usize - chunk.content.len() + (chunk.length & 1) as usize;
            }
            Err(stop) => return Err(stop.into()),
        }
        Ok(())
    }

    /// Takes pixels and the alpha that may stand before them.
    fn picture(&mut self, chunks_of: &[u8], steps: &mut Steps) -> Result<(), Unclean> {
        let Some(pixels) = chunks(chunks_of).find(Chunk::has_pixels) else { return Ok(()) };
        if let Some(alpha) = alpha(&pixels, chunks_of) {
            let size = vp8::size(pixels.content).ok_or(Unclean::NoPixels)?;
            self.chunk(b"ALPH", alpha.trimmed_alpha(size, steps)?);
        }
        self.pixels(&pixels, steps)
    }

    /// Takes a picture with VP8X: of several chunks.
    fn extended(&mut self, head: &[u8], rest: &[u8], steps: &mut Steps) -> Result<(), Unclean> {
        let is_animated = head[0] & ANIMATION != 0;
        let mut flags = head[0] & (ALPHA | ANIMATION);
        self.chunk(b"VP8X", &[&[flags, 0, 0, 0], &head[4..]].concat());
        let profile = chunks(rest).find(|chunk| chunk.name == b"ICCP" && !chunk.is_cut());
        if let Some(profile) = profile.and_then(|chunk| icc::without_names(chunk.content)) {
            flags |= PROFILE;
            self.chunk(b"ICCP", &profile);
        }
        if is_animated {
            self.animation(rest, steps)?;
        } else {
            self.picture(rest, steps)?;
        }
        let exif = chunks(rest).find(|chunk| chunk.name == b"EXIF");
        let block = exif.and_then(|chunk| exif::block(chunk.content)).and_then(exif::only_orientation);
        if let Some(block) = block.filter(|_| self.missing == 0) {
            flags |= EXIF;
            self.chunk(b"EXIF", &block);
        }
        self.out[FLAGS_AT] = flags;
        Ok(())
    }

    fn animation(&mut self, rest: &[u8], steps: &mut Steps) -> Result<(), Unclean> {
        let all = || chunks(rest).filter(|chunk| !chunk.is_cut());
        if let Some(control) = all().find(|chunk| chunk.name == b"ANIM" && chunk.content.len() >= 6) {
            self.chunk(b"ANIM", &control.content[..6]);
        }
        for frame in chunks(rest).filter(|chunk| chunk.name == b"ANMF") {
            if let Some((head, parts)) = frame.content.split_at_checked(FRAME_BYTES) {
                self.frame(head, parts, steps)?;
            }
        }
        Ok(())
    }

    /// Takes a frame of an animation. The last one may be cut, and its pixels with it.
    fn frame(&mut self, head: &[u8], parts: &[u8], steps: &mut Steps) -> Result<(), Unclean> {
        let mut inner = Self { out: head.to_vec(), has_pixels: false, missing: 0 };
        inner.picture(parts, steps)?;
        if !inner.has_pixels {
            return Ok(());
        }
        if inner.missing == 0 {
            self.chunk(b"ANMF", &inner.out);
        } else {
            let length = u32::try_from(inner.out.len().saturating_add(inner.missing)).unwrap_or(u32::MAX);
            self.out.extend_from_slice(&[&b"ANMF"[..], &length.to_le_bytes(), &inner.out].concat());
            self.missing = inner.missing;
        }
        self.has_pixels = true;
        Ok(())
    }
}

impl From<Stop> for Unclean {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Short | Stop::Damaged => Self::NoPixels,
            Stop::TooLong => Self::TooLarge,
        }
    }
}

/// Returns the chunk with the alpha of lossy pixels, which stands before them.
fn alpha<'a>(pixels: &Chunk<'_>, chunks_of: &'a [u8]) -> Option<Chunk<'a>> {
    let before = chunks(chunks_of).take_while(|chunk| !chunk.has_pixels());
    let mut before = before.filter(|chunk| chunk.name == b"ALPH");
    if pixels.name == b"VP8 " { before.next() } else { None }
}

fn push(out: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    out.extend_from_slice(name);
    let length = u32::try_from(content.len()).expect("a part of a chunk");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(content);
    if length % 2 == 1 {
        out.push(0);
    }
}
