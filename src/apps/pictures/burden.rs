//! What a picture takes in memory while it is decoded, judged before: a small file must not unpack to much.
//!
//! Every picture may take some memory, and more in proportion to its file. Photographs take 10 to 60 times their file, screens and drawings
//! that are stored without loss some hundred times; all these are made thumbnails of. A file that was made to do harm takes ten
//! thousand times its own length. What is decoded row by row takes next to nothing and is not judged. What this rule is worth stands in
//! `bench/results/thumbs.md`.

use super::kind::Kind;

/// Memory that the pixels of any picture may take: with what a decoder needs itself it stays below 64 MiB.
const FREE_BYTES: u64 = 48 * 1024 * 1024;
/// Returns the memory that the pixels of a picture in this file may take.
#[must_use]
pub fn allowed_bytes(kind: Kind, picture: &[u8]) -> u64 {
    FREE_BYTES + bytes_per_byte(kind) * picture.len() as u64
}

/// Returns what the pixels may take beyond that for each byte of the file.
fn bytes_per_byte(kind: Kind) -> u64 {
    match kind {
        // One bit for a pixel at least, unless it is in runs, which nobody makes.
        Kind::Bmp => 32,
        // One colour takes 32 bits for each 256 pixels, and that is the least.
        Kind::Jpeg => 256,
        Kind::Gif | Kind::Png | Kind::Webp => 1_000,
    }
}

/// Returns how many times the bytes of its pixels a decoder takes at most, as was seen with 49 million of them, rounded up
/// (`docs/decisions/0012`).
#[must_use]
pub fn copies(kind: Kind, picture: &[u8], is_animated: bool) -> u64 {
    match kind {
        // That of a JPEG knows how it is coded, and says more.
        Kind::Bmp | Kind::Jpeg => 1,
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

/// Returns whether a WebP is lossy, by its first chunk with pixels (RFC 9649, section 2); nothing if there is none.
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
    fn what_people_have_is_allowed() {
        // Its sides, bytes of one pixel while it is decoded, bytes of the file.
        for (what, kind, width, height, bytes_per_pixel, file_bytes) in [
            ("one colour", Kind::Jpeg, 7_000, 7_000, 3, 49_000_000 / 64),
            ("black and white", Kind::Bmp, 7_000, 7_000, 3, 49_000_000 / 8),
            ("a white screen without loss", Kind::Webp, 3_840, 2_160, 12, 60_000),
            ("a screen that moves a little", Kind::Gif, 2_560, 1_600, 16, 20_000),
            ("a drawing", Kind::Gif, 3_000, 2_000, 8, 20_000),
        ] {
            let pixels = width * height * bytes_per_pixel;
            assert!(allowed_bytes(kind, &vec![0; file_bytes]) >= pixels, "{kind:?}: {what}");
        }
    }

    #[test]
    fn the_beginning_says_what_is_kept_while_decoding() {
        let webp = |name: &[u8]| [&b"RIFF\0\0\0\0WEBPVP8X\x05\0\0\0abcde\0"[..], name, &[9; 4]].concat();
        for (name, expected) in [(b"VP8 ", 2), (b"VP8L", 3), (b"ANMF", 3), (b"ICCP", 3)] {
            assert_eq!(copies(Kind::Webp, &webp(name), false), expected, "{name:?}");
        }
    }
}
