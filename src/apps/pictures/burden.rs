//! What a picture takes in memory while it is decoded, judged before: a small file must not unpack to much.
//!
//! Every picture may take some memory, and more in proportion to its file. Photographs take 10 to 60 times their file,
//! scanned pages up to some 100 times; a file that was made to do harm takes thousands of times its own length. What is
//! decoded row by row takes next to nothing and is not judged. What this rule is worth is told in `bench/README.md`.

use super::kind::Kind;

/// Memory that the pixels of any picture may take.
const FREE_BYTES: u64 = 32 * 1024 * 1024;
/// What they may take beyond that for each byte of the file.
const BYTES_PER_BYTE: u64 = 100;

/// Memory that the pixels of a picture in this file may take.
#[must_use]
pub fn allowed_bytes(picture: &[u8]) -> u64 {
    FREE_BYTES + BYTES_PER_BYTE * picture.len() as u64
}

/// How many times the bytes of its pixels a decoder takes at most, as was seen with 49 million of them, rounded up
/// (`docs/decisions/0012`).
#[must_use]
pub fn copies(kind: Kind, picture: &[u8], is_animated: bool) -> u64 {
    match kind {
        Kind::Bmp => 1,
        // Coefficients of two bytes are kept from scan to scan.
        Kind::Jpeg => {
            if is_progressive(picture).unwrap_or(true) {
                3
            } else {
                1
            }
        }
        // Two bytes of a channel become one.
        Kind::Png => 2,
        // This frame, the one before, and what they come to.
        Kind::Gif => {
            if is_animated {
                4
            } else {
                2
            }
        }
        Kind::Webp => {
            if is_lossy(picture).unwrap_or(false) {
                2
            } else {
                3
            }
        }
    }
}

/// By the first frame header (ITU T.81, section B.2.2); nothing if there is none.
fn is_progressive(jpeg: &[u8]) -> Option<bool> {
    let mut at = 2;
    loop {
        let [mark, kind] = *jpeg.get(at..)?.first_chunk()?;
        match kind {
            _ if mark != 0xFF => return None,
            0xFF => at += 1,
            0x01 | 0xD0..=0xD8 => at += 2,
            // Not Huffman's tables (C4), an extension (C8) or those of arithmetic coding (CC).
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => return Some(kind & 3 == 2),
            _ => at += 2 + usize::from(u16::from_be_bytes(*jpeg.get(at + 2..)?.first_chunk()?)),
        }
    }
}

/// By the first chunk with pixels (RFC 9649, section 2); nothing if there is none.
fn is_lossy(webp: &[u8]) -> Option<bool> {
    let mut at = 12_usize;
    loop {
        let name: &[u8; 4] = webp.get(at..)?.first_chunk()?;
        match name {
            b"VP8 " => return Some(true),
            b"VP8L" | b"ANMF" => return Some(false),
            _ => {
                let length = u32::from_le_bytes(*webp.get(at + 4..)?.first_chunk()?) as usize;
                at = at.checked_add(8)?.checked_add(length)?.checked_add(length & 1)?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_while_decoding_is_told_by_the_beginning() {
        let jpeg = |frame: u8| {
            [&[0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0xC2, 0xC2, 0xFF, 0xC4, 0, 2, 0xFF, 0xFF, frame][..], &[0; 9]]
                .concat()
        };
        for (frame, expected) in [(0xC0, 1), (0xC1, 1), (0xC2, 3), (0xCA, 3), (0xC9, 1)] {
            assert_eq!(copies(Kind::Jpeg, &jpeg(frame), false), expected, "{frame:x}");
        }
        assert_eq!(copies(Kind::Jpeg, &jpeg(0xC0)[..13], false), 3, "the worst of what can't be told");
        let webp = |name: &[u8]| [&b"RIFF\0\0\0\0WEBPVP8X\x05\0\0\0abcde\0"[..], name, &[9; 4]].concat();
        for (name, expected) in [(b"VP8 ", 2), (b"VP8L", 3), (b"ANMF", 3), (b"ICCP", 3)] {
            assert_eq!(copies(Kind::Webp, &webp(name), false), expected, "{name:?}");
        }
    }
}
