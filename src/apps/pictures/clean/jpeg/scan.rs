//! Where the data of a scan ends: its codes are read as a decoder reads them, without making pixels (ITU T.81, annexes
//! F.2.2 and G.2).

use super::bits::{Bits, Codes, Damaged};

/// Coefficients of a block.
const BLOCK: u32 = 64;
/// Blocks whose coefficients are remembered at most, over all components: those of 170 megapixels in three colours.
const BLOCKS_MAX: u64 = 8 << 20;
/// Blocks that are looked at in one picture at most, over all of its scans: of a picture with the most blocks, 64 scans.
const VISITS_MAX: u64 = 512 << 20;

/// A component as the frame header has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Component {
    pub(super) id: u8,
    pub(super) across: u32,
    pub(super) down: u32,
    pub(super) quantization: u8,
}

/// A frame header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) is_progressive: bool,
    /// Its scans are coded arithmetically, and not read.
    pub(super) is_arithmetic: bool,
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) components: Vec<Component>,
}

impl Frame {
    fn most(&self, of: impl Fn(&Component) -> u32) -> u32 {
        self.components.iter().map(of).max().unwrap_or(1)
    }

    /// Blocks of one component that are no filling: across and down.
    fn blocks(&self, component: &Component) -> (u32, u32) {
        let (across, down) = (self.most(|one| one.across), self.most(|one| one.down));
        (
            (self.width * component.across).div_ceil(across * 8),
            (self.height * component.down).div_ceil(down * 8),
        )
    }

    /// Units of a scan of several components: across and down.
    fn units(&self) -> (u32, u32) {
        let (across, down) = (self.most(|one| one.across), self.most(|one| one.down));
        (self.width.div_ceil(across * 8), self.height.div_ceil(down * 8))
    }
}

/// A scan header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Place of a component in the frame, its DC table and its AC table.
    pub(super) parts: Vec<(usize, usize, usize)>,
    pub(super) first: u32,
    pub(super) last: u32,
    /// The bit of before; 0 in a first scan.
    pub(super) high: u8,
}

/// The tables that are in force.
#[derive(Clone, Default)]
pub(super) struct Tables {
    pub(super) dc: [Option<Codes>; 4],
    pub(super) ac: [Option<Codes>; 4],
    /// Units between two restarts, or 0.
    pub(super) restart: u32,
}

/// What is remembered from scan to scan: which coefficients of a block are not zero, a bit each.
pub(super) struct Memory {
    blocks: Vec<Vec<u64>>,
    visits: u64,
    /// A scan was damaged: what decoders made of it is not known, nor what the scans behind it refine.
    is_lost: bool,
}

/// What came of a scan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is whole, and this is its data without anything between and behind.
    Whole(Vec<u8>),
    /// It can't be read to its end: all of it counts as data, as decoders take it.
    Damaged,
    /// It would take too long.
    TooLarge,
}

impl Memory {
    /// Makes the memory before the first scan; nothing if the frame has too many blocks.
    pub(super) fn new(frame: &Frame) -> Option<Self> {
        if !frame.is_progressive {
            return Some(Self { blocks: Vec::new(), visits: 0, is_lost: false });
        }
        let counts = frame.components.iter().map(|component| {
            let (across, down) = frame.blocks(component);
            u64::from(across) * u64::from(down)
        });
        let counts: Vec<u64> = counts.collect();
        (counts.iter().sum::<u64>() <= BLOCKS_MAX).then(|| Self {
            blocks: counts.iter().map(|count| vec![0; *count as usize]).collect(),
            visits: 0,
            is_lost: false,
        })
    }

    /// Reads the data of one scan.
    pub(super) fn read(&mut self, frame: &Frame, header: &Header, tables: &Tables, data: &[u8]) -> Outcome {
        if self.is_lost && frame.is_progressive {
            return Outcome::Damaged;
        }
        let mut reading = Reading { frame, header, tables, run: 0, memory: self };
        let (across, down) = reading.units();
        let count = u64::from(across) * u64::from(down);
        if reading.memory.visits + count * reading.blocks_of_unit() > VISITS_MAX {
            // So many blocks may be there, or announced by a header of a few bytes: then the data ends early.
            return Outcome::TooLarge;
        }
        match reading.data(data, across, count) {
            Ok(whole) => Outcome::Whole(whole),
            Err(Damaged) => {
                self.is_lost = true;
                Outcome::Damaged
            }
        }
    }
}

struct Reading<'a> {
    frame: &'a Frame,
    header: &'a Header,
    tables: &'a Tables,
    /// Blocks of a band that have nothing in them, from here on.
    run: u32,
    memory: &'a mut Memory,
}

impl Reading<'_> {
    /// Units across and down: of several components, or the blocks of one.
    fn units(&self) -> (u32, u32) {
        match *self.header.parts {
            [(component, ..)] => self.frame.blocks(&self.frame.components[component]),
            _ => self.frame.units(),
        }
    }

    fn blocks_of_unit(&self) -> u64 {
        if self.header.parts.len() == 1 {
            return 1;
        }
        let parts = self.header.parts.iter().map(|(component, ..)| &self.frame.components[*component]);
        parts.map(|component| u64::from(component.across * component.down)).sum()
    }

    /// Reads unit after unit, and copies what was needed for that.
    fn data(&mut self, data: &[u8], across: u32, count: u64) -> Result<Vec<u8>, Damaged> {
        let mut out = Vec::with_capacity(data.len());
        let (mut bits, mut start, mut restarts) = (Bits::new(data, 0), 0, 0_u8);
        for unit in 0..count {
            let is_restart =
                self.tables.restart > 0 && unit > 0 && unit % u64::from(self.tables.restart) == 0;
            if is_restart {
                let end = bits.end();
                let marker = next_marker(data, end).ok_or(Damaged)?;
                if data[marker + 1] != 0xD0 + restarts {
                    return Err(Damaged);
                }
                out.extend_from_slice(&data[start..end]);
                out.extend_from_slice(&[0xFF, 0xD0 + restarts]);
                restarts = (restarts + 1) % 8;
                start = marker + 2;
                bits = Bits::new(data, start);
                self.run = 0;
            }
            self.unit(&mut bits, unit, across)?;
        }
        out.extend_from_slice(&data[start..bits.end()]);
        Ok(out)
    }

    fn unit(&mut self, bits: &mut Bits<'_>, unit: u64, across: u32) -> Result<(), Damaged> {
        let header = self.header;
        let is_single = header.parts.len() == 1;
        for &(component, dc, ac) in &header.parts {
            let part = &self.frame.components[component];
            let blocks = if is_single { 1 } else { part.across * part.down };
            self.memory.visits += u64::from(blocks);
            for _ in 0..blocks {
                if !self.frame.is_progressive {
                    let dc = table(&self.tables.dc, dc)?;
                    sequential(bits, dc, table(&self.tables.ac, ac)?)?;
                } else if header.first > 0 {
                    debug_assert!(across > 0);
                    self.band(bits, component, unit as usize, ac)?;
                } else if header.high > 0 {
                    bits.take(1)?;
                } else {
                    let length = bits.symbol(table(&self.tables.dc, dc)?)?;
                    bits.take(u32::from(length.min(16)))?;
                }
            }
        }
        Ok(())
    }

    /// Takes a band of one block of a progressive picture; only one component is in such a scan.
    fn band(
        &mut self,
        bits: &mut Bits<'_>,
        component: usize,
        block: usize,
        ac: usize,
    ) -> Result<(), Damaged> {
        let codes = table(&self.tables.ac, ac)?;
        let set = &mut self.memory.blocks[component][block];
        let band = Band { first: self.header.first, last: self.header.last };
        if self.header.high == 0 {
            band.begin(bits, codes, set, &mut self.run)
        } else {
            band.refine(bits, codes, set, &mut self.run)
        }
    }
}

/// Returns a table that a scan names; others than these four are named where none is read.
fn table(tables: &[Option<Codes>; 4], number: usize) -> Result<&Codes, Damaged> {
    tables.get(number).and_then(Option::as_ref).ok_or(Damaged)
}

/// Takes a block of a sequential picture.
fn sequential(bits: &mut Bits<'_>, dc: &Codes, ac: &Codes) -> Result<(), Damaged> {
    let length = bits.symbol(dc)?;
    bits.take(u32::from(length.min(16)))?;
    let mut at = 1;
    while at < BLOCK {
        let symbol = bits.symbol(ac)?;
        let (zeros, length) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        if length == 0 && zeros < 15 {
            break;
        }
        bits.take(length)?;
        at += zeros + 1;
    }
    Ok(())
}

/// Returns the bit of a coefficient. One behind the last, in damaged data, goes to the last one's place, as in libjpeg.
fn place(at: u32) -> u64 {
    1 << at.min(BLOCK - 1)
}

/// Coefficients from one to another, in the order of the zigzag.
struct Band {
    first: u32,
    last: u32,
}

impl Band {
    /// Returns how many blocks from this one on have no more in them.
    fn run(bits: &mut Bits<'_>, zeros: u32) -> Result<u32, Damaged> {
        Ok((1 << zeros) + bits.take(zeros)?)
    }

    /// Takes the upper bits of a block (G.1.2.2).
    fn begin(&self, bits: &mut Bits<'_>, codes: &Codes, set: &mut u64, run: &mut u32) -> Result<(), Damaged> {
        if *run > 0 {
            *run -= 1;
            return Ok(());
        }
        let mut at = self.first;
        while at <= self.last {
            let symbol = bits.symbol(codes)?;
            let (zeros, length) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if length == 0 && zeros < 15 {
                *run = Self::run(bits, zeros)? - 1;
                break;
            }
            at += zeros;
            if length > 0 {
                *set |= place(at);
            }
            bits.take(length)?;
            at += 1;
        }
        Ok(())
    }

    /// Takes one more bit of each coefficient that is not zero, and new ones (G.1.2.3).
    fn refine(
        &self,
        bits: &mut Bits<'_>,
        codes: &Codes,
        set: &mut u64,
        run: &mut u32,
    ) -> Result<(), Damaged> {
        let mut at = self.first;
        if *run == 0 {
            while at <= self.last {
                let symbol = bits.symbol(codes)?;
                let (zeros, length) = (u32::from(symbol >> 4), u32::from(symbol & 15));
                if length == 0 && zeros < 15 {
                    *run = Self::run(bits, zeros)?;
                    break;
                }
                if length > 0 {
                    bits.take(1)?;
                }
                at = self.skip(bits, at, zeros, *set)?;
                if length > 0 {
                    *set |= place(at);
                }
                at += 1;
            }
        }
        if *run > 0 {
            self.skip(bits, at, BLOCK, *set)?;
            *run -= 1;
        }
        Ok(())
    }

    /// Passes over `zeros` coefficients that are zero, and takes a bit of each other one before the next zero.
    fn skip(&self, bits: &mut Bits<'_>, from: u32, zeros: u32, set: u64) -> Result<u32, Damaged> {
        let (mut at, mut left) = (from, zeros);
        while at <= self.last {
            if set >> at & 1 == 1 {
                bits.take(1)?;
            } else if left == 0 {
                break;
            } else {
                left -= 1;
            }
            at += 1;
        }
        Ok(at)
    }
}

/// Returns the first marker from `at` on that is not a stuffed 0xFF.
pub(super) fn next_marker(data: &[u8], at: usize) -> Option<usize> {
    let pairs = memchr::memchr_iter(0xFF, data.get(at..)?).map(|found| at + found);
    pairs.into_iter().find(|found| data.get(found + 1).is_some_and(|next| !matches!(next, 0x00 | 0xFF)))
}
