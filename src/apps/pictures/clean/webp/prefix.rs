//! Bits of VP8L and the prefix codes in them (RFC 9649, section 3.7.2).

use super::steps::Stop;

/// Bits of the longest code.
const CODE_BITS_MAX: usize = 15;
/// In which order the lengths of the codes of lengths come.
const ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// Reads bits, the lowest of a byte first.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// Bits that were taken.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Returns the next 25 bits at least; zeros where the data has ended.
    fn next(&self) -> u32 {
        let rest = self.data.get(self.at / 8..).unwrap_or_default();
        let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut bytes = [0; 4];
            bytes[..rest.len()].copy_from_slice(rest);
            bytes
        });
        u32::from_le_bytes(bytes) >> (self.at % 8)
    }

    fn drop_bits(&mut self, bits: usize) -> Result<(), Stop> {
        self.at += bits;
        if self.at > 8 * self.data.len() { Err(Stop::Short) } else { Ok(()) }
    }

    /// Takes a number of at most 25 bits.
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, Stop> {
        let value = self.next() & ((1 << bits) - 1);
        self.drop_bits(bits as usize).map(|()| value)
    }

    /// Takes a code and gives its symbol.
    pub(super) fn symbol(&mut self, codes: &Codes) -> Result<usize, Stop> {
        if let [symbol] = *codes.symbols {
            return Ok(usize::from(symbol));
        }
        let mut bits = self.next();
        let (mut code, mut first, mut place) = (0, 0, 0);
        for length in 1..=CODE_BITS_MAX {
            code |= bits & 1;
            bits >>= 1;
            let count = u32::from(codes.counts[length]);
            if code < first + count {
                self.drop_bits(length)?;
                return Ok(usize::from(codes.symbols[(place + code - first) as usize]));
            }
            place += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Stop::Damaged)
    }

    /// Returns the bytes in which the bits stand that were taken.
    pub(super) fn bytes(&self) -> usize {
        self.at.div_ceil(8)
    }
}

/// Prefix codes; one alone takes no bits.
pub(super) struct Codes {
    /// How many there are of each length.
    counts: [u16; CODE_BITS_MAX + 1],
    /// By the code.
    symbols: Box<[u16]>,
}

impl Codes {
    /// Makes the codes of these lengths, of which 0 is none; nothing if there are too many or too few of them.
    fn new(lengths: &[u8]) -> Option<Self> {
        let mut counts = [0_u16; CODE_BITS_MAX + 1];
        lengths.iter().for_each(|length| counts[usize::from(*length)] += 1);
        counts[0] = 0;
        let mut places = [0_usize; CODE_BITS_MAX + 2];
        for length in 1..=CODE_BITS_MAX {
            places[length + 1] = places[length] + usize::from(counts[length]);
        }
        let count = places[CODE_BITS_MAX + 1];
        let used: u32 =
            (1..=CODE_BITS_MAX).map(|length| u32::from(counts[length]) << (CODE_BITS_MAX - length)).sum();
        if count == 0 || count > 1 && used != 1 << CODE_BITS_MAX {
            return None;
        }
        let mut symbols = vec![0; count];
        for (symbol, &length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let place = &mut places[usize::from(length)];
            symbols[*place] = symbol as u16;
            *place += 1;
        }
        Some(Self { counts, symbols: symbols.into() })
    }

    /// Reads the codes of an alphabet of so many symbols.
    ///
    /// # Errors
    /// Fails as [`Stop`] says.
    pub(super) fn read(bits: &mut Bits<'_>, symbols: usize) -> Result<Self, Stop> {
        let mut lengths = vec![0; symbols];
        if bits.take(1)? == 1 {
            let count = bits.take(1)? + 1;
            let first = if bits.take(1)? == 1 { 8 } else { 1 };
            for size in [first, 8].into_iter().take(count as usize) {
                let symbol = bits.take(size)? as usize;
                // One that the alphabet does not have is passed over, as in libwebp.
                if let Some(length) = lengths.get_mut(symbol) {
                    *length = 1;
                }
            }
        } else {
            read_lengths(bits, &mut lengths)?;
        }
        Self::new(&lengths).ok_or(Stop::Damaged)
    }
}

/// Reads the lengths of codes, which are coded themselves.
fn read_lengths(bits: &mut Bits<'_>, lengths: &mut [u8]) -> Result<(), Stop> {
    let mut of_lengths = [0; ORDER.len()];
    let count = bits.take(4)? as usize + 4;
    for place in ORDER.iter().take(count) {
        of_lengths[*place] = bits.take(3)? as u8;
    }
    let codes = Codes::new(&of_lengths).ok_or(Stop::Damaged)?;
    let mut left = lengths.len();
    if bits.take(1)? == 1 {
        let size = 2 + 2 * bits.take(3)?;
        left = 2 + bits.take(size)? as usize;
        if left > lengths.len() {
            return Err(Stop::Damaged);
        }
    }
    let (mut at, mut before) = (0, 8);
    while at < lengths.len() && left > 0 {
        left -= 1;
        let (length, count) = match bits.symbol(&codes)? {
            16 => (before, 3 + bits.take(2)? as usize),
            17 => (0, 3 + bits.take(3)? as usize),
            18 => (0, 11 + bits.take(7)? as usize),
            length => (length as u8, 1),
        };
        if length > 0 {
            before = length;
        }
        lengths.get_mut(at..at + count).ok_or(Stop::Damaged)?.fill(length);
        at += count;
    }
    Ok(())
}
