//! The decisions of VP8: bits, each with a probability, in an arithmetic code (RFC 6386, section 7).

use super::steps::{Steps, Stop};

/// Reads the decisions of one partition.
pub(super) struct Decisions<'a> {
    data: &'a [u8],
    /// Bytes that were needed so far; a decoder needs none behind these.
    needed: usize,
    range: u32,
    /// What is left of the code, of which the lowest `spare` bits do not decide yet.
    value: u32,
    spare: i32,
    /// More was needed than there is.
    is_short: bool,
    taken: u64,
}

impl<'a> Decisions<'a> {
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, needed: 0, range: 255, value: 0, spare: -8, is_short: false, taken: 0 }
    }

    /// Takes a decision that is false with `probability` of 256.
    #[inline]
    pub(super) fn take(&mut self, probability: u8) -> bool {
        if self.spare < 0 {
            self.byte();
        }
        self.taken += 1;
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        let is_set = self.value >= split << self.spare;
        if is_set {
            self.value -= split << self.spare;
            self.range -= split;
        } else {
            self.range = split;
        }
        let shift = self.range.leading_zeros() as i32 - 24;
        self.range <<= shift;
        self.spare -= shift;
        is_set
    }

    fn byte(&mut self) {
        let byte = self.data.get(self.needed).copied();
        self.is_short |= byte.is_none();
        self.needed += usize::from(byte.is_some());
        self.value = self.value << 8 | u32::from(byte.unwrap_or(0));
        self.spare += 8;
    }

    /// Takes a number of so many bits, the highest first.
    pub(super) fn number(&mut self, bits: u32) -> u32 {
        (0..bits).fold(0, |number, _| number << 1 | u32::from(self.take(128)))
    }

    /// Takes a number with a sign behind it, if a decision says that there is one.
    pub(super) fn optional(&mut self, bits: u32) {
        if self.take(128) {
            self.number(bits + 1);
        }
    }

    /// Pays for the decisions since it was called last.
    ///
    /// # Errors
    /// Fails if more was needed than there is, or there were too many.
    pub(super) fn check(&mut self, steps: &mut Steps) -> Result<(), Stop> {
        steps.take(std::mem::take(&mut self.taken))?;
        if self.is_short { Err(Stop::Short) } else { Ok(()) }
    }

    /// Returns the bytes that the decisions stand in: all there are if no more than `spare` follow, since encoders fill up their code.
    pub(super) fn bytes(&self, spare: usize) -> &'a [u8] {
        let is_filling = self.data.len() - self.needed <= spare;
        if is_filling { self.data } else { &self.data[..self.needed] }
    }
}
