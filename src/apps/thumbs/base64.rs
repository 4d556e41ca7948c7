//! Base64 as leniently as Python's `base64.b64decode` reads it, piece by piece.
//!
//! Letters outside of the alphabet are skipped wherever they stand. Padding that completes a group ends the text, and
//! what follows is not looked at; padding anywhere else is skipped too. A text that ends inside of a group without its
//! padding is none.
//!
//! Whole groups of the alphabet are what nearly every text consists of. They are read with four tables, one for each place
//! in a group: no letter is looked at twice, and whether all of a run were of the alphabet is asked once, behind it.

/// Letters of a run: few, since one letter outside of the alphabet, a line end for instance, costs all of them a second look.
const RUN_LETTERS: usize = 128;
const RUN_BYTES: usize = RUN_LETTERS / 4 * 3;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What a letter adds to the 24 bits of its group, by its place there. One outside of the alphabet adds this bit.
static BITS: [[u32; 256]; 4] = bits();
const STRANGER: u32 = 1 << 31;

const fn bits() -> [[u32; 256]; 4] {
    let mut tables = [[STRANGER; 256]; 4];
    let mut value = 0;
    while value < ALPHABET.len() {
        let mut place = 0;
        while place < 4 {
            tables[place][ALPHABET[value] as usize] = (value as u32) << (18 - 6 * place);
            place += 1;
        }
        value += 1;
    }
    tables
}

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
    /// Fails as [`Incomplete`] says.
    pub fn end(&self) -> Result<(), Incomplete> {
        if self.is_over || self.letters == 0 { Ok(()) } else { Err(Incomplete) }
    }
}

/// Decodes the whole groups at the start of `text` that are of the alphabet; gives how many letters they have.
fn groups(text: &[u8], out: &mut Vec<u8>) -> usize {
    let mut done = 0;
    for run in text.as_chunks().0 {
        let mut bytes = [0; RUN_BYTES];
        if !decode(run, &mut bytes) {
            break;
        }
        out.extend_from_slice(&bytes);
        done += RUN_LETTERS;
    }
    // The rest, or what stands before the stranger in a run.
    let rest = &text[done..text.len().min(done + RUN_LETTERS)];
    for group in rest.as_chunks().0 {
        let bits = bits_of(group);
        if bits & STRANGER != 0 {
            break;
        }
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
        done += 4;
    }
    done
}

/// Decodes a run; false unless all of it is of the alphabet.
#[inline]
fn decode(run: &[u8; RUN_LETTERS], bytes: &mut [u8; RUN_BYTES]) -> bool {
    let mut seen = 0;
    // Four groups are three words of four bytes.
    for (letters, place) in run.as_chunks::<16>().0.iter().zip(bytes.as_chunks_mut::<12>().0) {
        let groups = letters.as_chunks::<4>().0;
        let (a, b) = (bits_of(&groups[0]), bits_of(&groups[1]));
        let (c, d) = (bits_of(&groups[2]), bits_of(&groups[3]));
        seen |= a | b | c | d;
        place[..4].copy_from_slice(&(a << 8 | b >> 16).to_be_bytes());
        place[4..8].copy_from_slice(&(b << 16 | c >> 8).to_be_bytes());
        place[8..].copy_from_slice(&(c << 24 | d).to_be_bytes());
    }
    seen & STRANGER == 0
}

#[inline]
fn bits_of(group: &[u8; 4]) -> u32 {
    BITS[0][usize::from(group[0])]
        | BITS[1][usize::from(group[1])]
        | BITS[2][usize::from(group[2])]
        | BITS[3][usize::from(group[3])]
}

fn value_of(letter: u8) -> Option<u8> {
    let bits = BITS[3][usize::from(letter)];
    (bits != STRANGER).then_some(bits as u8)
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
