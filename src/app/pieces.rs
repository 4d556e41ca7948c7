//! A batch's body as it is applied: runs of short records, and every other record by itself.

use crate::base::tag::{self, SHORT_RECORD_BYTES};
use crate::log::format::record;

/// A batch's body in the pieces it is applied in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Short records that stand side by side.
    Short(&'a [u8]),
    /// One record of any other kind.
    Other(&'a [u8]),
}

impl Piece<'_> {
    /// Returns the tag of its first record.
    pub(crate) fn tag(&self) -> u8 {
        match self {
            Self::Short(bytes) | Self::Other(bytes) => bytes[0],
        }
    }

    /// Returns the number of its records.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Short(run) => (run.len() / SHORT_RECORD_BYTES) as u64,
            Self::Other(_) => 1,
        }
    }
}

/// Returns the pieces of a batch's body, in order.
pub(crate) fn pieces(body: &[u8]) -> Pieces<'_> {
    Pieces { rest: body }
}

/// Goes through the pieces of a body.
pub(crate) struct Pieces<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    /// Ends early at bytes that are no record, which a checksum keeps from ever getting here.
    fn next(&mut self) -> Option<Piece<'a>> {
        let run = shorts_ahead(self.rest);
        if run > 0 {
            let (run, rest) = self.rest.split_at(run);
            self.rest = rest;
            return Some(Piece::Short(run));
        }
        let length = record::length_of(self.rest).ok()??;
        let (record, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(Piece::Other(record))
    }
}

/// Returns the number of short records in a batch's body.
#[must_use]
pub fn shorts_of(body: &[u8]) -> u64 {
    pieces(body).map(|piece| if let Piece::Short(_) = piece { piece.count() } else { 0 }).sum()
}

/// Returns bytes of the short records at the start of `records`.
pub(super) fn shorts_ahead(records: &[u8]) -> usize {
    let shorts = records.chunks_exact(SHORT_RECORD_BYTES).take_while(|record| tag::is_short(record[0]));
    shorts.count() * SHORT_RECORD_BYTES
}
