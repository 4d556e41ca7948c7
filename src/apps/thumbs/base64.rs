//! Base64 as leniently as Python's `base64.b64decode` reads it, piece by piece.
//!
//! Letters outside of the alphabet are skipped wherever they stand. Padding that completes a group ends the text, and
//! what follows is not looked at; padding anywhere else is skipped too. A text that ends inside of a group without its
//! padding is none.
//!
//! Whole groups of the alphabet, which is what nearly every text consists of, are left to the `base64` crate.

use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::{DecodeError, DecodeSliceError, Engine};

/// Letters that are decoded at once, whole groups: so many at first, twice as many each time that goes well.
const RUN_LETTERS: (usize, usize) = (64, 4096);

/// Reads one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoder {
    /// Letters of the current group.
    letters: u8,
    /// Bits of the last letter that belong to the next byte.
    left: u8,
    /// Padding since the last letter.
    pads: u8,
    is_over: bool,
}

/// The text is no base64: it ends inside of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the text ends inside of a group of base64")]
pub struct Incomplete;

impl Decoder {
    /// Takes the next piece of the text; appends the bytes to `out`, at most three for four letters.
    pub fn feed(&mut self, text: &[u8], out: &mut Vec<u8>) {
        out.reserve(text.len() / 4 * 3 + 3);
        let mut rest = text;
        while !self.is_over && !rest.is_empty() {
            if self.letters == 0 && rest.len() >= 4 {
                let usual = groups(rest, out);
                rest = &rest[usual..];
            }
            // What stopped that is within the next group, or the text ends there.
            for &letter in rest.iter().take(4) {
                self.take_letter(letter, out);
                rest = &rest[1..];
                if self.is_over || self.letters == 0 {
                    break;
                }
            }
        }
    }

    fn take_letter(&mut self, letter: u8, out: &mut Vec<u8>) {
        if letter == b'=' {
            self.pads = self.pads.saturating_add(1);
            // One letter of a group is no byte yet, so nothing can complete it.
            self.is_over = self.letters >= 2 && self.letters.saturating_add(self.pads) >= 4;
            if self.letters < 2 {
                self.pads = 0;
            }
        } else if let Some(value) = value_of(letter) {
            self.pads = 0;
            self.take(value, out);
        }
    }

    fn take(&mut self, value: u8, out: &mut Vec<u8>) {
        (self.letters, self.left) = match self.letters {
            0 => (1, value),
            1 => {
                out.push(self.left << 2 | value >> 4);
                (2, value & 0x0F)
            }
            2 => {
                out.push(self.left << 4 | value >> 2);
                (3, value & 0x03)
            }
            _ => {
                out.push(self.left << 6 | value);
                (0, 0)
            }
        };
    }

    /// Takes the end of the text.
    ///
    /// # Errors
    /// See [`Incomplete`].
    pub fn end(&self) -> Result<(), Incomplete> {
        if self.is_over || self.letters == 0 { Ok(()) } else { Err(Incomplete) }
    }
}

/// Decodes the whole groups at the start of `text` that are of the alphabet; gives how many letters they have.
fn groups(text: &[u8], out: &mut Vec<u8>) -> usize {
    let (mut done, (mut letters, most)) = (0, RUN_LETTERS);
    while text.len() - done >= 4 {
        let run = &text[done..text.len().min(done + letters)];
        let run = &run[..run.len() / 4 * 4];
        let usual = decode(run, out).unwrap_or_else(|usual| decode(&run[..usual], out).unwrap_or(0));
        done += usual;
        if usual < run.len() {
            break;
        }
        letters = most.min(2 * letters);
    }
    done
}

/// Decodes whole groups, or tells how many letters of them are whole groups of the alphabet.
fn decode(groups: &[u8], out: &mut Vec<u8>) -> Result<usize, usize> {
    let start = out.len();
    out.resize(start + groups.len() / 4 * 3, 0);
    match STANDARD_NO_PAD.decode_slice(groups, &mut out[start..]) {
        Ok(_) => Ok(groups.len()),
        Err(error) => {
            out.truncate(start);
            Err(match error {
                DecodeSliceError::DecodeError(DecodeError::InvalidByte(at, _)) => at / 4 * 4,
                // Only the last group is looked at for more than its letters.
                _ => groups.len().saturating_sub(4),
            })
        }
    }
}

fn value_of(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
        let (mut decoder, mut out) = (Decoder::default(), Vec::new());
        for piece in pieces {
            decoder.feed(piece, &mut out);
        }
        decoder.end().ok().map(|()| out)
    }

    /// Each was asked of Python 3.11's `base64.b64decode`.
    #[test]
    fn as_python_reads_it() {
        for (text, expected) in [
            (&b""[..], Some(&b""[..])),
            (&b"YQ=="[..], Some(&b"a"[..])),
            (&b"YWI="[..], Some(&b"ab"[..])),
            (&b"YWJj"[..], Some(&b"abc"[..])),
            (&b"YWJjZA=="[..], Some(&b"abcd"[..])),
            (&b"abc"[..], None),
            (&b"a"[..], None),
            (&b"YQ"[..], None),
            (&b"YQ="[..], None),
            (&b"YQ=x="[..], Some(&b"a\x0c"[..])),
            (&b"Y=Q=="[..], Some(&b"a"[..])),
            (&b"=YQ=="[..], Some(&b"a"[..])),
            (&b"===="[..], Some(&b""[..])),
            (&b"YQ==YQ=="[..], Some(&b"a"[..])),
            (&b"YQ==x"[..], Some(&b"a"[..])),
            (&b"Y W\x0aI ="[..], Some(&b"ab"[..])),
            (&b"YWJj===="[..], Some(&b"abc"[..])),
            (&b"Y-W_I="[..], Some(&b"ab"[..])),
            (&b"YW=Jj"[..], Some(&b"abc"[..])),
            (&b"YWI=c"[..], Some(&b"ab"[..])),
            (&b"YWJjZ"[..], None),
            (&b"YWJjZA"[..], None),
            (&b"\xc3\xa9"[..], Some(&b""[..])),
            (&b"YWJj\x0d\x0a"[..], Some(&b"abc"[..])),
            (&b"="[..], Some(&b""[..])),
            (&b"Y="[..], None),
            (&b"Y=="[..], None),
            (&b"Y==="[..], None),
            (&b"Y===="[..], None),
            (&b"YW=b="[..], Some(&b"af"[..])),
        ] {
            assert_eq!(decode([text]).as_deref(), expected, "{:?}", String::from_utf8_lossy(text));
        }
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back_in_any_pieces(bytes in prop::collection::vec(any::<u8>(), 0..200), size in 1..40_usize) {
            let text = STANDARD.encode(&bytes);
            prop_assert_eq!(decode(text.as_bytes().chunks(size)), Some(bytes));
        }

        #[test]
        fn letters_one_by_one_come_to_the_same(text in "([A-Za-z0-9+/]{0,300}[=\\-\n é]{0,3}){0,6}", size in 1..700_usize) {
            let (mut single, mut expected) = (Decoder::default(), Vec::new());
            text.bytes().for_each(|letter| {
                if !single.is_over {
                    single.take_letter(letter, &mut expected);
                }
            });
            let expected = single.end().ok().map(|()| expected);
            prop_assert_eq!(decode(text.as_bytes().chunks(size)), expected);
        }

        #[test]
        fn any_text_reads_the_same_in_any_pieces(text in "[A-Za-z0-9+/=\\-\n ]{0,60}", size in 1..9_usize) {
            prop_assert_eq!(decode(text.as_bytes().chunks(size)), decode([text.as_bytes()]));
        }
    }
}
