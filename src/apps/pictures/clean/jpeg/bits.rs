//! Bits of a scan and the Huffman codes in them (ITU T.81, annexes C and F.2.2).

/// Bits of the longest code that one look-up finds.
const LOOK_BITS: u32 = 9;
/// Bits of the longest code.
const CODE_BITS_MAX: u32 = 16;

/// A table of Huffman codes.
#[derive(Clone)]
pub(super) struct Codes {
    /// Length and symbol by the next [`LOOK_BITS`] bits; length 0 where the code is longer.
    look: Vec<(u8, u8)>,
    /// By the length of a code: the first code that is longer, with its bits at the top of [`CODE_BITS_MAX`].
    ends: [u32; 17],
    /// By the length of a code: what added to the code gives the place of its symbol.
    places: [i32; 17],
    symbols: Vec<u8>,
}

impl Codes {
    /// Reads how many codes of each length there are, then their symbols; nothing if these can't be codes.
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Option<Self> {
        let mut codes = Self {
            look: vec![(0, 0); 1 << LOOK_BITS],
            ends: [0; 17],
            places: [0; 17],
            symbols: symbols.to_vec(),
        };
        let (mut code, mut place) = (0_u32, 0_usize);
        for length in 1..=CODE_BITS_MAX {
            codes.places[length as usize] = place as i32 - code as i32;
            for _ in 0..counts[length as usize - 1] {
                let symbol = *symbols.get(place)?;
                if code >= 1 << length {
                    return None;
                }
                if length <= LOOK_BITS {
                    let free = LOOK_BITS - length;
                    let start = (code << free) as usize;
                    codes.look[start..start + (1 << free)].fill((length as u8, symbol));
                }
                (code, place) = (code + 1, place + 1);
            }
            codes.ends[length as usize] = code << (CODE_BITS_MAX - length);
            code <<= 1;
        }
        Some(codes)
    }
}

/// Why a scan can't be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// Reads the bits between two markers.
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// Behind the last byte that was taken.
    at: usize,
    /// The next bits, at the top.
    held: u64,
    held_bits: u32,
    /// Bits that were made up because the data had ended.
    made_up: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, held: 0, held_bits: 0, made_up: 0 }
    }

    /// Returns the next byte of data: a 0xFF comes with a stuffed zero, perhaps behind more of its kind.
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.data.get(self.at)?;
        if byte != 0xFF {
            self.at += 1;
            return Some(byte);
        }
        let fills = self.data[self.at..].iter().take_while(|byte| **byte == 0xFF).count();
        if self.data.get(self.at + fills) != Some(&0) {
            return None;
        }
        self.at += fills + 1;
        Some(0xFF)
    }

    fn fill(&mut self) {
        while self.held_bits <= 56 {
            let byte = self.byte().unwrap_or_else(|| {
                self.made_up += 8;
                0
            });
            self.held |= u64::from(byte) << (56 - self.held_bits);
            self.held_bits += 8;
        }
    }

    fn drop_bits(&mut self, bits: u32) -> Result<(), Damaged> {
        self.held <<= bits;
        self.held_bits -= bits;
        // Zeros that were made up stand behind all others.
        if self.held_bits < self.made_up { Err(Damaged) } else { Ok(()) }
    }

    /// Takes a number of at most 16 bits.
    pub(super) fn take(&mut self, bits: u32) -> Result<u32, Damaged> {
        if bits == 0 {
            return Ok(0);
        }
        if self.held_bits < bits {
            self.fill();
        }
        let value = (self.held >> (64 - bits)) as u32;
        self.drop_bits(bits).map(|()| value)
    }

    /// Takes a code and gives its symbol.
    pub(super) fn symbol(&mut self, codes: &Codes) -> Result<u8, Damaged> {
        if self.held_bits < CODE_BITS_MAX {
            self.fill();
        }
        let (length, symbol) = codes.look[(self.held >> (64 - LOOK_BITS)) as usize];
        if length > 0 {
            return self.drop_bits(u32::from(length)).map(|()| symbol);
        }
        let next = (self.held >> (64 - CODE_BITS_MAX)) as u32;
        let length = (LOOK_BITS + 1..=CODE_BITS_MAX).find(|length| next < codes.ends[*length as usize]);
        let length = length.ok_or(Damaged)?;
        let place = (next >> (CODE_BITS_MAX - length)) as i32 + codes.places[length as usize];
        let symbol = usize::try_from(place).ok().and_then(|place| codes.symbols.get(place));
        let symbol = *symbol.ok_or(Damaged)?;
        self.drop_bits(length).map(|()| symbol)
    }

    /// Returns the place behind the byte with the last bit that was taken.
    pub(super) fn end(&self) -> usize {
        let mut at = self.at;
        for _ in 0..(self.held_bits - self.made_up) / 8 {
            at -= 1;
            if self.data[at] == 0 && at > 0 && self.data[at - 1] == 0xFF {
                while at > 0 && self.data[at - 1] == 0xFF {
                    at -= 1;
                }
            }
        }
        at
    }
}
