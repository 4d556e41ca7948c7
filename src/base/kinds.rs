//! Kinds of records: which tags a host understands.
//!
//! A record of an unknown kind can't be applied, and to pass it over would let two hosts differ in silence, for ever. So
//! a host says in its HELLO what it understands, logs a kind only when every other host understands it too, and takes no
//! batch that holds another one.

use super::tag::{self, RECORD_HEAD_BYTES, SHORT_RECORD_BYTES};

/// Bytes of a set: a bit for each tag, the lowest bit of the first byte for tag 0.
pub const KINDS_BYTES: usize = 32;

/// A set of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kinds([u8; KINDS_BYTES]);

impl Kinds {
    /// What the first program understood, which did not say so yet. Nothing is ever added to it: what a program
    /// understands is what its applications declare.
    pub const FIRST: Self = Self::of(&[
        0x11, 0x12, 0x13, 0x1F, 0x21, 0x22, 0x23, 0x2F, 0x31, 0x32, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x51,
        0x52,
    ]);

    /// Returns the set of these tags.
    #[must_use]
    pub const fn of(tags: &[u8]) -> Self {
        Self([0; KINDS_BYTES]).with(tags)
    }

    /// Returns the same with these tags.
    #[must_use]
    pub const fn with(mut self, tags: &[u8]) -> Self {
        let mut at = 0;
        while at < tags.len() {
            self.0[tags[at] as usize / 8] |= 1 << (tags[at] % 8);
            at += 1;
        }
        self
    }

    /// Returns the set that these bytes say.
    #[must_use]
    pub fn read(bytes: &[u8; KINDS_BYTES]) -> Self {
        Self(*bytes)
    }

    /// Returns its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; KINDS_BYTES] {
        &self.0
    }

    /// Returns whether records with this tag are understood.
    #[inline]
    #[must_use]
    pub fn contains(&self, tag: u8) -> bool {
        self.0[usize::from(tag / 8)] & 1 << (tag % 8) != 0
    }

    /// Returns whether all of `other` is understood.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(own, other)| own & other == *other)
    }

    /// Returns the first record in a batch's body that is not understood: how many stand before it, and its tag.
    #[must_use]
    pub fn first_unknown(&self, body: &[u8]) -> Option<(u64, u8)> {
        let (mut rest, mut before) = (body, 0);
        while let Some(&tag) = rest.first() {
            if !self.contains(tag) {
                return Some((before, tag));
            }
            let length = match rest {
                _ if tag::is_short(tag) => SHORT_RECORD_BYTES,
                [_, a, b, c, d, ..] => RECORD_HEAD_BYTES + u32::from_le_bytes([*a, *b, *c, *d]) as usize,
                _ => return None,
            };
            rest = rest.get(length..)?;
            before += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let kinds = Kinds::of(&[0x11, 0xFF]);
        let held: Vec<u8> = (0..=255).filter(|tag| kinds.contains(*tag)).collect();
        assert_eq!(held, [0x11, 0xFF]);
        assert_eq!(Kinds::read(kinds.bytes()), kinds);
        assert!(kinds.covers(&Kinds::of(&[0xFF])) && !kinds.covers(&Kinds::FIRST));
        assert!(Kinds::FIRST.contains(0x11) && !Kinds::FIRST.contains(0));
    }

    #[test]
    fn the_first_unknown_record_is_found_wherever_it_stands() {
        let short = [0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let known = [0x21, 1, 0, 0, 0, 0xAB];
        let unknown = [0x7A, 0, 0, 0, 0];
        let body = [&short[..], &known, &short, &unknown, &short].concat();
        assert_eq!(Kinds::FIRST.first_unknown(&body), Some((3, 0x7A)));
        assert_eq!(Kinds::FIRST.with(&[0x7A]).first_unknown(&body), None);
        assert_eq!(Kinds::FIRST.first_unknown(&body[..body.len() - 15]), None);
        assert_eq!(Kinds::FIRST.first_unknown(&known[..3]), None, "bytes that end inside a record");
        assert_eq!(Kinds::FIRST.first_unknown(&[0]), Some((0, 0)));
    }
}
