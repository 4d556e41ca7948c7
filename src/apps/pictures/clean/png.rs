//! PNG: the chunks that decoders read for its pixels stay, each in the form that it must have; all others go (PNG, third
//! edition, sections 5 and 11).

use super::icc;
use super::unclean::Unclean;
use super::zlib::{self, Extent};
use crate::apps::pictures::exif;

const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1A\n";
/// Bytes that the pixels of a frame may unpack to, so that they are looked through.
const UNPACKED_BYTES_MAX: u64 = 1 << 30;
/// Bytes of a colour profile; those of printers have some megabytes.
const PROFILE_BYTES_MAX: usize = 8 << 20;
/// Chunks of a picture at most.
const CHUNKS_MAX: usize = 1 << 18;

/// A chunk.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    name: &'a [u8; 4],
    content: &'a [u8],
    check: [u8; 4],
    /// The picture ends in the middle of it.
    is_cut: bool,
}

impl<'a> Chunk<'a> {
    /// Returns the chunk at the beginning of `rest`, and what follows it; nothing where there is none.
    fn read(rest: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (length, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_first_chunk()?;
        let length = u32::from_be_bytes(*length) as usize;
        if !name.iter().all(u8::is_ascii_alphabetic) || length > i32::MAX as usize {
            return None;
        }
        let whole = rest.split_at_checked(length);
        let whole = whole.and_then(|(content, rest)| Some((content, rest.split_first_chunk()?)));
        Some(match whole {
            Some((content, (check, rest))) => (Self { name, content, check: *check, is_cut: false }, rest),
            None => {
                let content = &rest[..rest.len().min(length)];
                (Self { name, content, check: [0; 4], is_cut: true }, &[])
            }
        })
    }

    fn is_sound(&self) -> bool {
        !self.is_cut && check(self.name, self.content) == self.check
    }

    fn has_pixels(&self) -> bool {
        matches!(self.name, b"IDAT" | b"fdAT")
    }
}

fn is_animation(chunk: &Chunk<'_>) -> bool {
    chunk.name == b"acTL" && chunk.content.len() == 8 && chunk.is_sound()
}

fn check(name: &[u8; 4], content: &[u8]) -> [u8; 4] {
    let mut check = flate2::Crc::new();
    check.update(name);
    check.update(content);
    check.sum().to_be_bytes()
}

/// What the header says (section 11.2.1).
#[derive(Clone, Copy)]
struct Header {
    width: u32,
    height: u32,
    depth: u8,
    colour: u8,
    is_interlaced: bool,
}

impl Header {
    fn read(content: &[u8]) -> Option<Self> {
        let content: &[u8; 13] = content.try_into().ok()?;
        let side =
            |at: usize| u32::from_be_bytes([content[at], content[at + 1], content[at + 2], content[at + 3]]);
        let [depth, colour, _, _, interlace] = *content.last_chunk()?;
        let header = Self { width: side(0), height: side(4), depth, colour, is_interlaced: interlace == 1 };
        let is_known =
            matches!((colour, depth), (0, 1 | 2 | 4 | 8 | 16) | (3, 1 | 2 | 4 | 8) | (2 | 4 | 6, 8 | 16));
        (is_known && interlace < 2 && header.width > 0 && header.height > 0).then_some(header)
    }

    fn samples(self) -> u64 {
        [1, 0, 3, 1, 2, 0, 4][usize::from(self.colour)]
    }

    /// Returns bytes of the rows of a frame, each behind the number of its filter (section 7.2).
    fn unpacked_bytes(self, width: u32, height: u32) -> u64 {
        let rows = |width: u64, height: u64| {
            let row = (width * self.samples() * u64::from(self.depth)).div_ceil(8);
            if width == 0 { 0 } else { height.saturating_mul(row + 1) }
        };
        let (width, height) = (u64::from(width), u64::from(height));
        if !self.is_interlaced {
            return rows(width, height);
        }
        // Adam7: where a pass begins and how far its pixels are apart (section 8).
        let passes = [
            (0, 8, 0, 8),
            (4, 8, 0, 8),
            (0, 4, 4, 8),
            (2, 4, 0, 4),
            (0, 2, 2, 4),
            (1, 2, 0, 2),
            (0, 1, 1, 2),
        ];
        let count = |side: u64, start: u64, step: u64| side.saturating_sub(start).div_ceil(step);
        passes.iter().map(|&(x, dx, y, dy)| rows(count(width, x, dx), count(height, y, dy))).sum()
    }
}

/// Makes the copy.
pub(super) fn copy(picture: &[u8]) -> Result<Vec<u8>, Unclean> {
    let (mut chunks, mut rest) = (Vec::new(), picture.get(8..).unwrap_or_default());
    let mut has_end = false;
    while let Some((chunk, behind)) = Chunk::read(rest) {
        rest = behind;
        if chunk.name == b"IEND" {
            has_end = true;
            break;
        }
        chunks.push(chunk);
        if chunks.len() > CHUNKS_MAX {
            return Err(Unclean::TooLarge);
        }
    }
    let first = chunks.first().filter(|chunk| chunk.name == b"IHDR").ok_or(Unclean::NoPixels)?;
    let header = Header::read(first.content).ok_or(Unclean::NoPixels)?;
    let mut copy = Copy {
        header,
        is_animated: chunks.iter().take_while(|chunk| !chunk.has_pixels()).any(is_animation),
        seen: Vec::new(),
        colours: 0,
        frame: None,
        gone: 0,
        is_whole: false,
        out: SIGNATURE.to_vec(),
    };
    copy.take(&chunks)?;
    // A missing end tells decoders that pixels are missing; where none is, it is put there.
    if has_end || copy.is_whole {
        copy.chunk(b"IEND", &[]);
    }
    Ok(copy.out)
}

struct Copy {
    header: Header,
    is_animated: bool,
    /// Names of chunks that come once and were kept.
    seen: Vec<[u8; 4]>,
    /// Bytes of the palette.
    colours: usize,
    /// Sides of the frame whose pixels follow.
    frame: Option<(u32, u32)>,
    /// Numbered chunks that went.
    gone: u32,
    /// The pixels that were read last are all there.
    is_whole: bool,
    out: Vec<u8>,
}

impl Copy {
    fn chunk(&mut self, name: &[u8; 4], content: &[u8]) {
        self.checked(name, content, check(name, content));
    }

    fn checked(&mut self, name: &[u8; 4], content: &[u8], check: [u8; 4]) {
        let length = u32::try_from(content.len()).expect("a part of a chunk");
        self.out.extend_from_slice(&length.to_be_bytes());
        self.out.extend_from_slice(name);
        self.out.extend_from_slice(content);
        self.out.extend_from_slice(&check);
    }

    /// Writes a chunk as it came, with a sum that may be wrong: decoders judge that.
    fn same(&mut self, chunk: &Chunk<'_>) {
        let sum = if chunk.is_cut { check(chunk.name, chunk.content) } else { chunk.check };
        self.checked(chunk.name, chunk.content, sum);
    }

    /// Writes a chunk that begins with its number in an animation, which is less by those of chunks that went.
    fn numbered(&mut self, chunk: &Chunk<'_>) {
        match chunk.content.split_first_chunk() {
            Some((number, rest)) if self.gone > 0 => {
                let number = u32::from_be_bytes(*number).wrapping_sub(self.gone);
                self.chunk(chunk.name, &[&number.to_be_bytes(), rest].concat());
            }
            _ => self.same(chunk),
        }
    }

    fn take(&mut self, chunks: &[Chunk<'_>]) -> Result<(), Unclean> {
        let mut at = 0;
        while let Some(chunk) = chunks.get(at) {
            let run = chunks[at..].iter().take_while(|other| chunk.has_pixels() && other.name == chunk.name);
            match run.count() {
                // What must be understood and is not: no decoder reads on.
                0 if at > 0 && chunk.name[0].is_ascii_uppercase() && chunk.name != b"PLTE" => {
                    if self.has(b"IDAT") {
                        break;
                    }
                    return Err(Unclean::Form("a PNG with chunks of its own kind among its pixels"));
                }
                0 => {
                    self.other(chunk)?;
                    at += 1;
                }
                count => {
                    self.pixels(&chunks[at..at + count])?;
                    at += count;
                }
            }
        }
        if self.has(b"IDAT") { Ok(()) } else { Err(Unclean::NoPixels) }
    }

    fn has(&self, name: &[u8; 4]) -> bool {
        self.seen.contains(name)
    }

    /// Takes a chunk without pixels.
    fn other(&mut self, chunk: &Chunk<'_>) -> Result<(), Unclean> {
        let name = chunk.name;
        match name {
            b"IHDR" => self.same(chunk),
            // Where colours are not looked up it is a proposal, and one that comes later is not read.
            b"PLTE" if self.header.colour != 3 || self.has(b"IDAT") => {}
            b"PLTE" => self.palette(chunk)?,
            _ if !chunk.is_sound() => {}
            b"fcTL" => self.control(chunk),
            // More than one is for decoders to judge.
            b"acTL" if is_animation(chunk) && !self.has(b"IDAT") => self.same(chunk),
            b"eXIf" if !self.has(name) => {
                if let Some(block) = exif::block(chunk.content).and_then(exif::only_orientation) {
                    self.seen.push(*name);
                    self.chunk(name, &block);
                }
            }
            _ if self.has(name) || self.has(b"IDAT") => {}
            b"iCCP" => {
                if let Some(profile) = profile(chunk.content) {
                    self.seen.push(*name);
                    self.chunk(name, &[b"ICC profile\0\0", &zlib::packed(&profile)[..]].concat());
                }
            }
            _ if self.is_kept(name, chunk.content.len()) => self.once(chunk),
            _ => {}
        }
        Ok(())
    }

    /// Writes the palette, as far as pixels can name its colours (section 11.2.2).
    fn palette(&mut self, chunk: &Chunk<'_>) -> Result<(), Unclean> {
        let length = chunk.content.len();
        if chunk.is_cut || self.has(b"PLTE") || length == 0 || length > 768 || !length.is_multiple_of(3) {
            return Err(Unclean::NoPixels);
        }
        self.colours = (length / 3).min(1 << self.header.depth);
        if self.colours * 3 == length {
            self.once(chunk);
        } else {
            self.seen.push(*b"PLTE");
            self.chunk(b"PLTE", &chunk.content[..self.colours * 3]);
        }
        Ok(())
    }

    fn once(&mut self, chunk: &Chunk<'_>) {
        self.seen.push(*chunk.name);
        self.same(chunk);
    }

    /// Returns whether an ancillary chunk of this length is read for the pixels (section 11.3).
    fn is_kept(&self, name: &[u8; 4], length: usize) -> bool {
        let colour = self.header.colour;
        match name {
            b"gAMA" | b"cICP" => length == 4,
            b"cHRM" => length == 32,
            b"sRGB" => length == 1,
            b"pHYs" => length == 9,
            b"sBIT" => length == [1, 0, 3, 3, 2, 0, 4][usize::from(colour)],
            b"bKGD" => length == [2, 0, 6, 1, 2, 0, 6][usize::from(colour)],
            b"tRNS" => match colour {
                0 => length == 2,
                2 => length == 6,
                3 => (1..=self.colours).contains(&length),
                _ => false,
            },
            _ => false,
        }
    }

    /// Takes the control of a frame, which gives its size (section 11.3.6.2).
    fn control(&mut self, chunk: &Chunk<'_>) {
        if self.is_animated && chunk.content.len() == 26 {
            let side =
                |at: usize| chunk.content[at..].first_chunk().map_or(0, |side| u32::from_be_bytes(*side));
            self.frame = Some((side(4), side(8)));
            self.numbered(chunk);
        } else {
            self.gone += 1;
        }
    }

    /// Takes a run of chunks with the pixels of a picture or a frame.
    fn pixels(&mut self, run: &[Chunk<'_>]) -> Result<(), Unclean> {
        let name = run[0].name;
        let is_frame = name == b"fdAT";
        // Pixels that nothing announces are not read: a second picture, frames of no animation.
        let (width, height) = match (is_frame, self.frame) {
            (false, _) if self.has(b"IDAT") => return Ok(()),
            (false, _) => (self.header.width, self.header.height),
            (true, sides) if self.is_animated && self.has(b"IDAT") => {
                sides.unwrap_or((self.header.width, self.header.height))
            }
            (true, _) => {
                self.gone += run.len() as u32;
                return Ok(());
            }
        };
        if !is_frame {
            self.seen.push(*name);
        }
        // Before the pixels of a frame stands its number.
        let skipped = if is_frame { 4 } else { 0 };
        let stream = || run.iter().map(|chunk| chunk.content.get(skipped..).unwrap_or_default());
        let wanted = self.header.unpacked_bytes(width, height);
        if wanted > UNPACKED_BYTES_MAX {
            return Err(Unclean::TooLarge);
        }
        let extent = zlib::extent(stream(), wanted);
        self.is_whole = !matches!(extent, Extent::Cut | Extent::Nothing);
        match extent {
            Extent::Ends(end) => self.cut_to(run, skipped, end),
            Extent::Cut => run.iter().for_each(|chunk| self.part(chunk)),
            Extent::Longer => {
                let packed = zlib::repacked(stream(), wanted);
                let content = [run[0].content.get(..skipped).unwrap_or_default(), &packed].concat();
                self.part(&Chunk { content: &content, is_cut: true, ..run[0] });
                self.gone += if is_frame { run.len() as u32 - 1 } else { 0 };
            }
            Extent::Nothing if is_frame => self.gone += run.len() as u32,
            Extent::Nothing => return Err(Unclean::NoPixels),
        }
        Ok(())
    }

    /// Writes a chunk with pixels.
    fn part(&mut self, chunk: &Chunk<'_>) {
        if chunk.name == b"fdAT" { self.numbered(chunk) } else { self.same(chunk) }
    }

    /// Writes the chunks of a stream up to its end.
    fn cut_to(&mut self, run: &[Chunk<'_>], skipped: usize, end: usize) {
        let mut left = end;
        for chunk in run {
            let length = chunk.content.len().saturating_sub(skipped);
            if length <= left {
                self.part(chunk);
            } else if left > 0 {
                self.part(&Chunk { content: &chunk.content[..skipped + left], is_cut: true, ..*chunk });
            } else {
                self.gone += u32::from(skipped > 0);
            }
            left = left.saturating_sub(length);
        }
    }
}

/// Returns the colour profile of an iCCP chunk, without names.
fn profile(content: &[u8]) -> Option<Vec<u8>> {
    let name = content.iter().take(80).position(|byte| *byte == 0)?;
    let packed = content.get(name + 1..)?.strip_prefix(&[0])?;
    icc::without_names(&zlib::unpacked(packed, PROFILE_BYTES_MAX)?)
}
