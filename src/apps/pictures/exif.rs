//! How a picture is turned: the orientation in its EXIF block, found where browsers look for it.
//!
//! A block is TIFF (EXIF 2.32, section 4.5). JPEG has it behind the prefix `Exif` and two bytes, the second of which may
//! be anything; phones and older libraries write that prefix into PNG and WebP too, where it does not belong.

use image::metadata::Orientation;

use super::kind::Kind;

/// Begins an EXIF segment of a JPEG, before one more byte of any value.
const PREFIX: &[u8] = b"Exif\0";

/// Bytes of a block that [`only_orientation`] makes.
pub const BLOCK_BYTES: usize = 26;

/// Returns how a picture is turned: as the first EXIF block says that can be read, otherwise not at all.
#[must_use]
pub fn orientation(kind: Kind, picture: &[u8]) -> Orientation {
    let found = match kind {
        Kind::Jpeg => of_jpeg(picture),
        Kind::Png => of_png(picture),
        Kind::Webp => of_webp(picture),
        Kind::Gif | Kind::Bmp => None,
    };
    found.unwrap_or(Orientation::NoTransforms)
}

/// Returns the TIFF block in an EXIF chunk or segment, with or without a prefix; nothing if it does not begin as one.
#[must_use]
pub fn block(content: &[u8]) -> Option<&[u8]> {
    let block = content.strip_prefix(PREFIX).map_or(Some(content), |rest| rest.get(1..))?;
    (block.starts_with(b"II\x2A\0") || block.starts_with(b"MM\0\x2A")).then_some(block)
}

/// Returns the TIFF block of a JPEG's APP1 segment, which is EXIF only behind the prefix.
#[must_use]
pub fn block_of_segment(content: &[u8]) -> Option<&[u8]> {
    if content.starts_with(PREFIX) { block(content) } else { None }
}

/// Makes a block that says how the picture is turned and nothing else; nothing for one that is not turned.
#[must_use]
pub fn only_orientation(block: &[u8]) -> Option<[u8; BLOCK_BYTES]> {
    let orientation = Orientation::from_exif_chunk(block)?;
    let number = orientation.to_exif();
    // Little endian, one entry: tag 0x0112, SHORT, one value.
    let block =
        [b'I', b'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0];
    (orientation != Orientation::NoTransforms).then_some(block)
}

/// Reads the segments before the first scan (ITU T.81, annex B).
fn of_jpeg(picture: &[u8]) -> Option<Orientation> {
    let mut at = 2;
    loop {
        at += memchr::memchr(0xFF, picture.get(at..)?)?;
        match *picture.get(at + 1)? {
            0xFF => at += 1,
            0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
            0xD9 | 0xDA => return None,
            marker => {
                let length = usize::from(u16::from_be_bytes(*picture.get(at + 2..)?.first_chunk()?)).max(2);
                let content = picture.get(at + 4..at + 2 + length)?;
                if let Some(block) = block_of_segment(content).filter(|_| marker == 0xE1) {
                    return Orientation::from_exif_chunk(block);
                }
                at += 2 + length;
            }
        }
    }
}

/// Reads the chunks before the pixels (PNG, third edition, section 5.3); browsers turn no picture by what follows these.
fn of_png(picture: &[u8]) -> Option<Orientation> {
    let mut at = 8_usize;
    loop {
        let length = u32::from_be_bytes(*picture.get(at..)?.first_chunk()?) as usize;
        let name: &[u8; 4] = picture.get(at + 4..)?.first_chunk()?;
        let content = picture.get(at + 8..at.checked_add(8)?.checked_add(length)?)?;
        match name {
            b"IDAT" | b"IEND" => return None,
            b"eXIf" => return block(content).and_then(Orientation::from_exif_chunk),
            _ => at += 12 + length,
        }
    }
}

/// Reads the chunks of the RIFF container (RFC 9649, section 2.3), which are several behind VP8X only.
fn of_webp(picture: &[u8]) -> Option<Orientation> {
    let mut at = 12_usize;
    if !picture.get(at..)?.starts_with(b"VP8X") {
        return None;
    }
    loop {
        let length = u32::from_le_bytes(*picture.get(at + 4..)?.first_chunk()?) as usize;
        let content = picture.get(at + 8..at.checked_add(8)?.checked_add(length)?)?;
        if picture[at..].starts_with(b"EXIF") {
            return block(content).and_then(Orientation::from_exif_chunk);
        }
        at += 8 + length + (length & 1);
    }
}

#[cfg(test)]
#[path = "exif_tests.rs"]
mod tests;
