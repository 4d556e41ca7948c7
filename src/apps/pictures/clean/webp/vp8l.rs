//! Where the coded pixels of VP8L end: its codes are read as a decoder reads them, and pixels are made only where they say
//! which codes are used (RFC 9649, section 3).

use super::prefix::{Bits, Codes};
use super::steps::{Steps, Stop};
use super::tables::NEAR;

const MARK: u8 = 0x2F;
/// Bytes of the mark, the sides, the flag of alpha and the version.
const HEAD_BYTES: usize = 5;
/// Lengths of copies, which are coded among the values of green.
const LENGTHS: usize = 24;
/// Distances of copies.
const DISTANCES: usize = 40;
/// Bits of the size of a cache of colours at most.
const CACHE_BITS_MAX: u32 = 11;

/// Returns how many bytes of a chunk its pixels need.
///
/// # Errors
/// Fails as [`Stop`] says.
pub(super) fn end(chunk: &[u8], steps: &mut Steps) -> Result<usize, Stop> {
    let head: &[u8; HEAD_BYTES] = chunk.first_chunk().ok_or(Stop::Short)?;
    let sides = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    if head[0] != MARK || sides >> 29 != 0 {
        return Err(Stop::Damaged);
    }
    let (width, height) = ((sides & 0x3FFF) + 1, (sides >> 14 & 0x3FFF) + 1);
    Ok(HEAD_BYTES + stream_end(&chunk[HEAD_BYTES..], (width, height), steps)?)
}

/// Returns how many bytes of a stream without a head the pixels of a picture of this size need.
///
/// # Errors
/// Fails as [`Stop`] says.
pub(super) fn stream_end(stream: &[u8], size: (u32, u32), steps: &mut Steps) -> Result<usize, Stop> {
    let mut reading = Reading { bits: Bits::new(stream), steps };
    reading.picture(size)?;
    Ok(reading.bits.bytes())
}

/// Returns how many parts a side has, of which each covers `1 << bits` pixels.
fn parts(side: u32, bits: u32) -> u32 {
    side.div_ceil(1 << bits)
}

/// Codes of green with lengths and the cache, red, blue, alpha, distances.
type Group = [Codes; 5];

/// Which of the groups is used where.
struct Map {
    /// Pixels of a side of a square that has one group, as a power of two.
    bits: u32,
    width: usize,
    groups: Vec<usize>,
}

struct Reading<'a> {
    bits: Bits<'a>,
    steps: &'a mut Steps,
}

impl Reading<'_> {
    /// Reads transforms, each at most once, and then the pixels.
    fn picture(&mut self, (mut width, height): (u32, u32)) -> Result<(), Stop> {
        let mut seen = 0;
        while self.bits.take(1)? == 1 {
            let kind = self.bits.take(2)?;
            if seen >> kind & 1 == 1 {
                return Err(Stop::Damaged);
            }
            seen |= 1 << kind;
            match kind {
                // Predictors and mixtures of colours, for squares.
                0 | 1 => {
                    let bits = self.bits.take(3)? + 2;
                    self.part((parts(width, bits), parts(height, bits)))?;
                }
                // Green is taken off red and blue.
                2 => {}
                _ => {
                    let colours = self.bits.take(8)? + 1;
                    self.part((colours, 1))?;
                    let packed = [16, 4, 2].iter().filter(|most| colours <= **most).count() as u32;
                    width = parts(width, packed);
                }
            }
        }
        let cache_bits = self.cache_bits()?;
        let mut map = None;
        if self.bits.take(1)? == 1 {
            let bits = self.bits.take(3)? + 2;
            let size = (parts(width, bits), parts(height, bits));
            let groups = self.part(size)?.iter().map(|pixel| (pixel >> 8 & 0xFFFF) as usize).collect();
            map = Some(Map { bits, width: size.0 as usize, groups });
        }
        self.image((width, height), cache_bits, map, &mut Passed)
    }

    fn cache_bits(&mut self) -> Result<u32, Stop> {
        if self.bits.take(1)? == 0 {
            return Ok(0);
        }
        let bits = self.bits.take(4)?;
        if (1..=CACHE_BITS_MAX).contains(&bits) { Ok(bits) } else { Err(Stop::Damaged) }
    }

    /// Reads an image that is needed to decode the picture, and gives its pixels.
    fn part(&mut self, (width, height): (u32, u32)) -> Result<Vec<u32>, Stop> {
        let cache_bits = self.cache_bits()?;
        let cache = if cache_bits > 0 { vec![0; 1 << cache_bits] } else { Vec::new() };
        let mut kept = Kept { values: Vec::new(), cache };
        self.image((width, height), cache_bits, None, &mut kept)?;
        Ok(kept.values)
    }

    /// Reads codes and pixels of an image.
    fn image(
        &mut self,
        (width, height): (u32, u32),
        cache_bits: u32,
        map: Option<Map>,
        sink: &mut impl Sink,
    ) -> Result<(), Stop> {
        let count = map.as_ref().and_then(|map| map.groups.iter().max()).map_or(1, |most| most + 1);
        let groups = (0..count).map(|_| self.group(cache_bits)).collect::<Result<Vec<_>, _>>()?;
        let group_at = |x: usize, y: usize| match &map {
            Some(map) => &groups[map.groups[(y >> map.bits) * map.width + (x >> map.bits)]],
            None => &groups[0],
        };
        let (width, count) = (width as usize, width as usize * height as usize);
        let (mut at, mut x, mut y) = (0, 0, 0);
        while at < count {
            self.steps.take(1)?;
            let pixels = self.code(group_at(x, y), width, at, count - at, sink)?;
            at += pixels;
            x += pixels;
            if x >= width {
                (x, y) = (x % width, y + x / width);
            }
        }
        Ok(())
    }

    /// Reads a pixel or a copy of pixels, of which there are `at` before and `left` to come; gives how many these are.
    fn code(
        &mut self,
        [green, red, blue, alpha, distances]: &Group,
        width: usize,
        at: usize,
        left: usize,
        sink: &mut impl Sink,
    ) -> Result<usize, Stop> {
        let green = self.bits.symbol(green)?;
        if green < 256 {
            let [red, blue, alpha] =
                [self.bits.symbol(red)?, self.bits.symbol(blue)?, self.bits.symbol(alpha)?];
            sink.pixel((alpha << 24 | red << 16 | green << 8 | blue) as u32);
            return Ok(1);
        }
        if green >= 256 + LENGTHS {
            sink.cached(green - 256 - LENGTHS);
            return Ok(1);
        }
        let length = self.number(green - 256)?;
        let code = self.bits.symbol(distances)?;
        let distance = distance(self.number(code)?, width);
        if distance > at || length > left {
            return Err(Stop::Damaged);
        }
        sink.copy(distance, length);
        Ok(length)
    }

    fn group(&mut self, cache_bits: u32) -> Result<Group, Stop> {
        let cache = if cache_bits > 0 { 1 << cache_bits } else { 0 };
        let mut codes = |symbols: usize| {
            self.steps.take(symbols as u64)?;
            Codes::read(&mut self.bits, symbols)
        };
        Ok([codes(256 + LENGTHS + cache)?, codes(256)?, codes(256)?, codes(256)?, codes(DISTANCES)?])
    }

    /// Reads the rest of a length or distance (section 5.2.2).
    fn number(&mut self, symbol: usize) -> Result<usize, Stop> {
        if symbol < 4 {
            return Ok(symbol + 1);
        }
        let bits = (symbol as u32 - 2) / 2;
        Ok(((2 + symbol % 2) << bits) + self.bits.take(bits)? as usize + 1)
    }
}

/// Returns how many pixels back a copy begins: small numbers name pixels nearby in rows above.
fn distance(number: usize, width: usize) -> usize {
    let Some((left, up)) = NEAR.get(number - 1) else { return number - NEAR.len() };
    (up * width as isize + left).max(1) as usize
}

/// What becomes of the pixels that are read.
trait Sink {
    fn pixel(&mut self, value: u32);
    /// Repeats `length` pixels from `distance` pixels back, which are there.
    fn copy(&mut self, distance: usize, length: usize);
    /// Takes the pixel at a place of the cache.
    fn cached(&mut self, place: usize);
}

/// Nobody needs them.
struct Passed;

impl Sink for Passed {
    fn pixel(&mut self, _: u32) {}
    fn copy(&mut self, _: usize, _: usize) {}
    fn cached(&mut self, _: usize) {}
}

/// They are kept: which group of codes is used where.
struct Kept {
    values: Vec<u32>,
    cache: Vec<u32>,
}

impl Sink for Kept {
    fn pixel(&mut self, value: u32) {
        self.values.push(value);
        if !self.cache.is_empty() {
            let place = value.wrapping_mul(0x1E35_A7BD) >> (32 - self.cache.len().ilog2());
            self.cache[place as usize] = value;
        }
    }

    fn copy(&mut self, distance: usize, length: usize) {
        for _ in 0..length {
            self.pixel(self.values[self.values.len() - distance]);
        }
    }

    fn cached(&mut self, place: usize) {
        self.pixel(self.cache[place]);
    }
}
