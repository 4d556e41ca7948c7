//! GIF: frames and their controls stay, how often an animation plays, and a colour profile; all other extensions go, and
//! what stands between blocks or behind the pixels of a frame (GIF89a, sections 17 to 27).

use super::icc;
use super::lzw::{self, Extent};
use super::unclean::Unclean;

const EXTENSION: u8 = 0x21;
const FRAME: u8 = 0x2C;
const TRAILER: u8 = 0x3B;
const CONTROL: u8 = 0xF9;
const APPLICATION: u8 = 0xFF;

/// Places behind something that is no block where a frame is looked for.
const TRIES_MAX: u32 = 64;

/// Makes the copy.
pub(super) fn copy(picture: &[u8]) -> Result<Vec<u8>, Unclean> {
    let flags = *picture.get(10).ok_or(Unclean::NoPixels)?;
    let start = 13 + colours_bytes(flags);
    let head = picture.get(..start).ok_or(Unclean::NoPixels)?;
    let mut copy =
        Copy { picture, out: head.to_vec(), controls: Vec::new(), frames: 0, tries: 0, is_cut: false };
    let mut at = start;
    while let Some(next) = copy.block(at) {
        at = next;
    }
    if copy.frames == 0 {
        return Err(Unclean::NoPixels);
    }
    if !copy.is_cut {
        copy.out.push(TRAILER);
    }
    Ok(copy.out)
}

/// Returns bytes of the colour table that these flags announce.
fn colours_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// Returns the sub-blocks from `at` on, put together, and what follows them; what there is of them if they are cut.
fn sub_blocks(picture: &[u8], mut at: usize) -> (Vec<u8>, Option<usize>) {
    let mut out = Vec::new();
    loop {
        let Some(length) = picture.get(at).map(|length| usize::from(*length)) else { return (out, None) };
        at += 1;
        if length == 0 {
            return (out, Some(at));
        }
        let Some(block) = picture.get(at..at + length) else {
            out.extend_from_slice(&picture[at..]);
            return (out, None);
        };
        out.extend_from_slice(block);
        at += length;
    }
}

/// What describes a frame, and where its data is.
struct Frame {
    /// Where its sub-blocks begin.
    data: usize,
    smallest: u8,
    pixels: u64,
}

impl Frame {
    fn read(picture: &[u8], at: usize) -> Option<Self> {
        let side = |at: usize| Some(u64::from(u16::from_le_bytes(*picture.get(at..)?.first_chunk()?)));
        let (width, height) = (side(at + 5)?, side(at + 7)?);
        let table = at + 10 + colours_bytes(*picture.get(at + 9)?);
        // Browsers give a frame without sides those of the screen.
        let pixels = if width * height == 0 { side(6)? * side(8)? } else { width * height };
        Some(Self { data: table + 1, smallest: *picture.get(table)?, pixels })
    }
}

struct Copy<'a> {
    picture: &'a [u8],
    out: Vec<u8>,
    /// Graphic controls, which wait for their frame.
    controls: Vec<u8>,
    frames: u64,
    tries: u32,
    /// The last frame is: nothing may follow.
    is_cut: bool,
}

impl Copy<'_> {
    /// Takes the block at `at`; gives where the next one is, or nothing at the end.
    fn block(&mut self, at: usize) -> Option<usize> {
        match *self.picture.get(at)? {
            EXTENSION => self.extension(at),
            FRAME => self.frame(at),
            TRAILER => None,
            0 => Some(at + 1),
            _ => self.next_frame(at),
        }
    }

    fn extension(&mut self, at: usize) -> Option<usize> {
        let label = *self.picture.get(at + 1)?;
        let length = usize::from(*self.picture.get(at + 2)?);
        let first = self.picture.get(at + 3..at + 3 + length)?;
        match (label, first) {
            (CONTROL, [flags, low, high, hole, ..]) => {
                self.controls.extend_from_slice(&[EXTENSION, CONTROL, 4, *flags, *low, *high, *hole, 0]);
            }
            (APPLICATION, b"NETSCAPE2.0" | b"ANIMEXTS1.0") => self.repeats(first, at + 3 + length),
            (APPLICATION, b"ICCRGBG1012") => {
                let (profile, _) = sub_blocks(self.picture, at + 3 + length);
                if let Some(profile) = icc::without_names(&profile) {
                    self.application(first, &profile);
                }
            }
            _ => {}
        }
        if length == 0 { Some(at + 3) } else { sub_blocks(self.picture, at + 3 + length).1 }
    }

    fn application(&mut self, name: &[u8], content: &[u8]) {
        self.out.extend_from_slice(&[EXTENSION, APPLICATION, 11]);
        self.out.extend_from_slice(name);
        self.sub_blocks(content);
    }

    fn sub_blocks(&mut self, content: &[u8]) {
        for block in content.chunks(255) {
            self.out.push(block.len() as u8);
            self.out.extend_from_slice(block);
        }
        self.out.push(0);
    }

    /// Keeps how often an animation plays, which is a sub-block of its own.
    fn repeats(&mut self, name: &[u8], mut at: usize) {
        while let Some(length @ 1..) = self.picture.get(at).map(|length| usize::from(*length)) {
            if let Some([1, low, high, ..]) = self.picture.get(at + 1..at + 1 + length) {
                self.application(name, &[1, *low, *high]);
                return;
            }
            at += 1 + length;
        }
    }

    fn frame(&mut self, at: usize) -> Option<usize> {
        let frame = Frame::read(self.picture, at)?;
        let (data, end) = sub_blocks(self.picture, frame.data);
        let extent = lzw::extent(&data, frame.smallest, frame.pixels);
        if data.is_empty() && end.is_none() {
            return None;
        }
        self.frames += 1;
        self.out.append(&mut self.controls);
        self.out.extend_from_slice(&self.picture[at..frame.data]);
        match extent {
            Extent::Ends(length) if length < data.len() => self.sub_blocks(&data[..length]),
            Extent::Ends(_) if end.is_none() => self.sub_blocks(&data),
            Extent::Unended { bits, end, length } => self.sub_blocks(&lzw::ended(&data, bits, end, length)),
            Extent::Ends(_) | Extent::Cut => {
                self.out.extend_from_slice(&self.picture[frame.data..end.unwrap_or(self.picture.len())]);
                self.is_cut = end.is_none();
            }
        }
        end
    }

    /// Returns, behind something that is no block, the next place where a whole frame begins, with or without its control. Some
    /// decoders pass over what is no block, others end there; text is never taken for a frame.
    fn next_frame(&mut self, from: usize) -> Option<usize> {
        let places = memchr::memchr2_iter(EXTENSION, FRAME, &self.picture[from..]);
        for place in places.map(|place| from + place) {
            let rest = &self.picture[place..];
            let image = match rest {
                [EXTENSION, CONTROL, 4, _, _, _, _, 0, FRAME, ..] => place + 8,
                [FRAME, ..] => place,
                _ => continue,
            };
            self.tries += 1;
            if self.tries > TRIES_MAX {
                return None;
            }
            if is_whole(self.picture, image) {
                return Some(place);
            }
        }
        None
    }
}

/// Returns whether a frame with all of its pixels begins here.
fn is_whole(picture: &[u8], at: usize) -> bool {
    Frame::read(picture, at).is_some_and(|frame| {
        let (data, end) = sub_blocks(picture, frame.data);
        end.is_some() && frame.pixels > 0 && lzw::extent(&data, frame.smallest, frame.pixels) != Extent::Cut
    })
}
