//! Pictures in which a text is hidden, in as many ways as their formats have, and the search for it.

pub mod bmp;
pub mod gif;
pub mod jpeg;
pub mod png;
pub mod profile;
pub mod webp;

use std::io::{Cursor, Read};

use image::{ImageFormat, RgbImage};

/// The text.
pub const TEXT: &str = "Ada Lovelace was at N 52.5163 E 13.3777";

/// A picture with the text somewhere in it.
pub struct Way {
    /// Its format and where the text is.
    pub name: String,
    pub picture: Vec<u8>,
    /// The picture without anything hidden in it.
    pub plain: Vec<u8>,
}

pub fn way(name: impl Into<String>, plain: &[u8], picture: Vec<u8>) -> Way {
    Way { name: name.into(), picture, plain: plain.to_vec() }
}

/// All of them.
pub fn ways() -> Vec<Way> {
    [jpeg::ways(), png::ways(), gif::ways(), webp::ways(), bmp::ways()].into_iter().flatten().collect()
}

/// A picture of 40 x 24 that is no single colour.
pub fn plain(format: ImageFormat) -> Vec<u8> {
    let picture =
        RgbImage::from_fn(40, 24, |x, y| image::Rgb([x as u8 * 6, y as u8 * 10, (x ^ y) as u8 * 4]));
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).expect("a picture");
    out.into_inner()
}

/// The text in the forms in which programs write texts.
pub fn forms() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("plain", TEXT.as_bytes().to_vec()),
        ("UTF-16LE", TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16BE", TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("deflated", deflated(TEXT.as_bytes())),
    ]
}

/// Bytes as a zlib stream.
pub fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    flate2::read::ZlibEncoder::new(bytes, flate2::Compression::best())
        .read_to_end(&mut out)
        .expect("in memory");
    out
}

/// Where the text is found in bytes, in any form, also in what is deflated there.
pub fn found(bytes: &[u8]) -> Option<String> {
    let seen = |bytes: &[u8], place: &str| {
        // Part of it is enough.
        let parts = [&TEXT[..12], &TEXT[17..30]];
        let wide = |part: &str| -> Vec<u8> { part.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let all = parts.iter().flat_map(|part| [part.as_bytes().to_vec(), wide(part)]);
        // Every second byte is the same in both orders, but for the first zero.
        all.into_iter()
            .find(|part| memchr::memmem::find(bytes, &part[..part.len() - 1]).is_some())
            .map(|_| place.to_owned())
    };
    let inside = || {
        let starts = bytes.windows(2).enumerate().filter(|(_, pair)| {
            pair[0] & 15 == 8 && (u16::from(pair[0]) << 8 | u16::from(pair[1])).is_multiple_of(31)
        });
        starts.into_iter().find_map(|(at, _)| {
            let mut out = Vec::new();
            let _ = flate2::read::ZlibDecoder::new(&bytes[at..]).take(1 << 20).read_to_end(&mut out);
            seen(&out, &format!("deflated at {at}"))
        })
    };
    seen(bytes, "as it is").or_else(inside)
}

/// An EXIF block with an orientation and the text as its author (TIFF 6.0, section 2).
pub fn exif(orientation: u8) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_be_bytes()[..], &kind.to_be_bytes(), &count.to_be_bytes(), &value].concat()
    };
    [
        &b"MM\0\x2A\0\0\0\x08\0\x02"[..],
        &entry(0x0112, 3, 1, [0, orientation, 0, 0]),
        &entry(0x013B, 2, TEXT.len() as u32 + 1, [0, 0, 0, 38]),
        &[0; 4],
        TEXT.as_bytes(),
        &[0],
    ]
    .concat()
}

/// `bytes` with `part` put in at `at`.
pub fn with(bytes: &[u8], at: usize, part: &[u8]) -> Vec<u8> {
    [&bytes[..at], part, &bytes[at..]].concat()
}
