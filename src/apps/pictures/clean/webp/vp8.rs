//! Where the coded pixels of VP8 end, in each of its partitions: the decisions are read as a decoder reads them, without
//! making pixels (RFC 6386, sections 9, 11 and 13).

use super::decisions::Decisions;
use super::steps::{Steps, Stop};
use super::tables::{BAND, BANDS, COEFFICIENTS, CONTEXTS, DECISIONS, KINDS, MODES, REPLACED};

/// Bytes before the first partition: the frame's tag, a mark and the sides.
pub(super) const HEAD_BYTES: usize = 10;
const MARK: [u8; 3] = [0x9D, 0x01, 0x2A];
/// Bytes of the length of a partition.
const LENGTH_BYTES: usize = 3;
/// Bytes with which encoders fill up the code of a partition at most: three in libwebp, four in libvpx.
const SPARE_BYTES: usize = 4;

/// Modes of blocks of 4 x 4 that macroblocks of one mode count as.
const DC: u8 = 0;
const TRUE_MOTION: u8 = 1;
const VERTICAL: u8 = 2;
const HORIZONTAL: u8 = 3;
/// The tree by which such a mode is read: a place, or a mode below zero, which is -1 - mode (section 11.2).
const MODE_TREE: [[i8; 2]; 9] =
    [[-1, 1], [-2, 2], [-3, 3], [4, 6], [-4, 5], [-6, -7], [-5, 7], [-8, 8], [-9, -10]];

/// Kinds of blocks, as the tables count them.
const LUMA_REST: usize = 0;
const SECOND: usize = 1;
const CHROMA: usize = 2;
const LUMA: usize = 3;

/// Extra bits of large coefficients, by their category (section 13.2).
const LARGE: [&[u8]; 4] = [
    &[173, 148, 140],
    &[176, 155, 140, 135],
    &[180, 157, 141, 134, 130],
    &[254, 254, 243, 230, 196, 177, 153, 140, 133, 130, 129],
];

/// Returns the sides of a frame, pixels; nothing if it is no key frame that is shown.
pub(super) fn size(chunk: &[u8]) -> Option<(u32, u32)> {
    let head: &[u8; HEAD_BYTES] = chunk.first_chunk()?;
    let (is_key, version, is_shown) = (head[0] & 1 == 0, head[0] >> 1 & 7, head[0] >> 4 & 1 == 1);
    let side = |low: u8, high: u8| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
    let (width, height) = (side(head[6], head[7]), side(head[8], head[9]));
    let is_sound = is_key && is_shown && version <= 3 && head[3..6] == MARK && width > 0 && height > 0;
    is_sound.then_some((width, height))
}

/// Copies a frame without what stands behind the code of each partition.
///
/// # Errors
/// Fails as [`Stop`] says.
pub(super) fn trimmed(chunk: &[u8], steps: &mut Steps) -> Result<Vec<u8>, Stop> {
    let (width, height) = size(chunk).ok_or(Stop::Damaged)?;
    let tag = u32::from_le_bytes([chunk[0], chunk[1], chunk[2], 0]);
    let rest = &chunk[HEAD_BYTES..];
    let length = (tag >> 5) as usize;
    let first = Decisions::new(rest.get(..length).ok_or(Stop::Short)?);
    let mut frame = Frame::new(width, first);
    let count = frame.header(steps)?;
    let mut parts = partitions(&rest[length..], count)?;
    for row in 0..height.div_ceil(16) as usize {
        frame.row(&mut parts[row % count], steps)?;
    }
    let first = frame.first.bytes(SPARE_BYTES);
    let tag = tag & 0x1F | (first.len() as u32) << 5;
    let mut out = [&tag.to_le_bytes()[..3], &chunk[3..HEAD_BYTES], first].concat();
    let parts: Vec<&[u8]> = parts.iter().map(|part| part.bytes(SPARE_BYTES)).collect();
    for part in &parts[..count - 1] {
        out.extend_from_slice(&(part.len() as u32).to_le_bytes()[..LENGTH_BYTES]);
    }
    out.extend(parts.concat());
    Ok(out)
}

/// Cuts what follows the first partition into `count` partitions, whose lengths stand before them but for the last one's.
fn partitions(bytes: &[u8], count: usize) -> Result<Vec<Decisions<'_>>, Stop> {
    let (lengths, mut rest) = bytes.split_at_checked(LENGTH_BYTES * (count - 1)).ok_or(Stop::Short)?;
    let mut parts = Vec::with_capacity(count);
    for length in lengths.chunks_exact(LENGTH_BYTES) {
        let length = u32::from_le_bytes([length[0], length[1], length[2], 0]) as usize;
        let (part, behind) = rest.split_at(length.min(rest.len()));
        parts.push(Decisions::new(part));
        rest = behind;
    }
    parts.push(Decisions::new(rest));
    Ok(parts)
}

/// What of a macroblock its neighbours on the right and below have to know.
#[derive(Clone, Copy, Default)]
struct Edge {
    /// Modes of its four blocks at the edge.
    modes: [u8; 4],
    /// Whether the blocks at the edge have coefficients: four of luma, two of each chroma.
    filled: [bool; 8],
    /// The same of the second order, of the last macroblock that had it.
    second: bool,
}

struct Frame<'a> {
    first: Decisions<'a>,
    probabilities: Vec<u8>,
    /// Probabilities of a macroblock's segment, if each one says which it is in.
    segments: Option<[u8; 3]>,
    /// Probability that a macroblock has coefficients, if each one says whether.
    skips: Option<u8>,
    above: Vec<Edge>,
}

impl<'a> Frame<'a> {
    fn new(width: u32, first: Decisions<'a>) -> Self {
        let above = vec![Edge::default(); width.div_ceil(16) as usize];
        Self { first, probabilities: COEFFICIENTS.to_vec(), segments: None, skips: None, above }
    }

    /// Reads the header (section 9.2 to 9.11); gives the number of partitions with coefficients.
    fn header(&mut self, steps: &mut Steps) -> Result<usize, Stop> {
        let first = &mut self.first;
        // How colours are coded, and whether values are clamped.
        first.number(2);
        if first.take(128) {
            self.segments = segments(first);
        }
        // The loop filter: its kind, its level, how sharp it is.
        first.number(1 + 6 + 3);
        if first.take(128) && first.take(128) {
            (0..8).for_each(|_| first.optional(6));
        }
        let count = 1 << first.number(2);
        first.number(7);
        (0..5).for_each(|_| first.optional(4));
        // Whether the probabilities stay for the next frame.
        first.number(1);
        for (probability, &replaced) in self.probabilities.iter_mut().zip(&REPLACED) {
            if first.take(replaced) {
                *probability = first.number(8) as u8;
            }
        }
        self.skips = if first.take(128) { Some(first.number(8) as u8) } else { None };
        first.check(steps)?;
        Ok(count)
    }

    fn row(&mut self, part: &mut Decisions<'_>, steps: &mut Steps) -> Result<(), Stop> {
        let mut left = Edge::default();
        for column in 0..self.above.len() {
            let (has_second, is_empty) = self.modes(column, &mut left);
            let above = &mut self.above[column];
            if is_empty {
                (above.filled, left.filled) = ([false; 8], [false; 8]);
                if has_second {
                    (above.second, left.second) = (false, false);
                }
            } else {
                macroblock(part, &self.probabilities, above, &mut left, has_second);
            }
            self.first.check(steps)?;
            part.check(steps)?;
        }
        Ok(())
    }

    /// Reads the modes of a macroblock (sections 10 and 11); gives whether it has a block of second order, and whether it has no
    /// coefficients.
    fn modes(&mut self, column: usize, left: &mut Edge) -> (bool, bool) {
        let (first, above) = (&mut self.first, &mut self.above[column]);
        if let Some([any, low, high]) = self.segments {
            let is_high = first.take(any);
            first.take(if is_high { high } else { low });
        }
        let is_empty = self.skips.is_some_and(|probability| first.take(probability));
        let has_second = first.take(145);
        if has_second {
            let mode = match first.take(156) {
                false if first.take(163) => VERTICAL,
                false => DC,
                true if first.take(128) => TRUE_MOTION,
                true => HORIZONTAL,
            };
            (above.modes, left.modes) = ([mode; 4], [mode; 4]);
        } else {
            for block in 0..16 {
                let (over, beside) = (&mut above.modes[block % 4], &mut left.modes[block / 4]);
                let start = 9 * (10 * usize::from(*over) + usize::from(*beside));
                let mode = mode(first, &MODES[start..start + 9]);
                (*over, *beside) = (mode, mode);
            }
        }
        // The mode of chroma.
        let _ = first.take(142) && first.take(114) && first.take(183);
        (has_second, is_empty)
    }
}

/// Reads what is said of segments (section 9.3); gives the probabilities of a macroblock's segment, if each one has one.
fn segments(first: &mut Decisions<'_>) -> Option<[u8; 3]> {
    let (has_map, has_values) = (first.take(128), first.take(128));
    if has_values {
        first.number(1);
        (0..4).for_each(|_| first.optional(7));
        (0..4).for_each(|_| first.optional(6));
    }
    has_map.then(|| [(); 3].map(|()| if first.take(128) { first.number(8) as u8 } else { 255 }))
}

fn mode(first: &mut Decisions<'_>, probabilities: &[u8]) -> u8 {
    let mut at = 0;
    loop {
        match MODE_TREE[at][usize::from(first.take(probabilities[at]))] {
            next @ 0.. => at = next as usize,
            mode => return (-1 - mode) as u8,
        }
    }
}

/// Reads the coefficients of a macroblock (section 13).
fn macroblock(
    part: &mut Decisions<'_>,
    probabilities: &[u8],
    above: &mut Edge,
    left: &mut Edge,
    has_second: bool,
) {
    let mut read = |kind: usize, from: usize, over: &mut bool, beside: &mut bool| {
        let is_filled = block(part, probabilities, kind, from, usize::from(*over) + usize::from(*beside));
        (*over, *beside) = (is_filled, is_filled);
    };
    let (kind, from) = if has_second {
        read(SECOND, 0, &mut above.second, &mut left.second);
        (LUMA_REST, 1)
    } else {
        (LUMA, 0)
    };
    for at in 0..16 {
        read(kind, from, &mut above.filled[at % 4], &mut left.filled[at / 4]);
    }
    for plane in [4, 6] {
        for at in 0..4 {
            read(CHROMA, 0, &mut above.filled[plane + at % 2], &mut left.filled[plane + at / 2]);
        }
    }
}

/// Reads the coefficients of one block from the place `from` on; gives whether there are any.
fn block(
    part: &mut Decisions<'_>,
    probabilities: &[u8],
    kind: usize,
    from: usize,
    mut context: usize,
) -> bool {
    debug_assert!(kind < KINDS);
    let mut at = from;
    let of = |at: usize, context: usize| {
        let start = ((kind * BANDS + BAND[at]) * CONTEXTS + context) * DECISIONS;
        &probabilities[start..start + DECISIONS]
    };
    while at < 16 {
        let mut likely = of(at, context);
        if !part.take(likely[0]) {
            return at > from;
        }
        while !part.take(likely[1]) {
            at += 1;
            if at == 16 {
                return true;
            }
            likely = of(at, 0);
        }
        context = if part.take(likely[2]) {
            large(part, likely);
            2
        } else {
            1
        };
        // Its sign.
        part.take(128);
        at += 1;
    }
    true
}

/// Reads the rest of a coefficient that is larger than one.
fn large(part: &mut Decisions<'_>, likely: &[u8]) {
    if !part.take(likely[3]) {
        let _ = part.take(likely[4]) && part.take(likely[5]);
    } else if !part.take(likely[6]) {
        if part.take(likely[7]) {
            part.take(165);
            part.take(145);
        } else {
            part.take(159);
        }
    } else {
        let high = usize::from(part.take(likely[8]));
        let low = usize::from(part.take(likely[9 + high]));
        LARGE[2 * high + low].iter().for_each(|probability| {
            part.take(*probability);
        });
    }
}
