//! Bytes taken one by one: each is judged when it is taken, so what is wrong is told without the bytes behind it.

use super::{Read, Stop};

pub struct Bytes<'a> {
    pub rest: &'a [u8],
    /// The number of bytes that a line may still have before its CR.
    pub left: usize,
}

impl<'a> Bytes<'a> {
    pub fn next(&mut self) -> Read<u8> {
        let first = self.peek()?;
        self.rest = &self.rest[1..];
        self.left = self.left.saturating_sub(1);
        Ok(first)
    }

    pub fn peek(&self) -> Read<u8> {
        match self.rest.first() {
            None => Err(Stop::Cut),
            Some(byte) if self.left == 0 && *byte != b'\r' => Err(Stop::Wrong),
            Some(byte) => Ok(*byte),
        }
    }

    pub fn expect(&mut self, wanted: &[u8]) -> Read<()> {
        for byte in wanted {
            if self.next()? != *byte {
                return Err(Stop::Wrong);
            }
        }
        Ok(())
    }

    /// Takes bytes as long as they belong.
    pub fn while_is(&mut self, belongs: fn(u8) -> bool) -> Read<&'a [u8]> {
        let all = self.rest;
        while belongs(self.peek()?) {
            self.next()?;
        }
        Ok(&all[..all.len() - self.rest.len()])
    }

    /// Takes at least one byte that belongs.
    pub fn some(&mut self, belongs: fn(u8) -> bool) -> Read<&'a [u8]> {
        let found = self.while_is(belongs)?;
        if found.is_empty() { Err(Stop::Wrong) } else { Ok(found) }
    }
}

pub fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

pub fn is_value(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

pub fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Without blanks around it.
pub fn trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_blank(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_blank(*last)
    {
        bytes = rest;
    }
    bytes
}
