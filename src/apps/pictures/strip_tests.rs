use image::{DynamicImage, ImageFormat, ImageReader, RgbImage};
use proptest::prelude::*;
use std::io::Cursor;

use super::*;

const SECRET: &[u8] = b"N 52.5163 E 13.3777 by Ada";

fn picture() -> DynamicImage {
    RgbImage::from_fn(40, 24, |x, y| image::Rgb([x as u8 * 6, y as u8 * 10, 77])).into()
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture().write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn pixels(bytes: &[u8]) -> DynamicImage {
    ImageReader::new(Cursor::new(bytes)).with_guessed_format().unwrap().decode().unwrap()
}

/// An EXIF block with an orientation and, behind it, a text.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    block.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
    block.extend_from_slice(SECRET);
    block
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xFF, marker], &(content.len() as u16 + 2).to_be_bytes()[..], content].concat()
}

fn jpeg_with(segments: &[Vec<u8>], tail: &[u8]) -> Vec<u8> {
    let plain = encoded(ImageFormat::Jpeg);
    [&plain[..2], &segments.concat(), &plain[2..], tail].concat()
}

fn png_with(chunks: &[(&[u8; 4], &[u8])], tail: &[u8]) -> Vec<u8> {
    let plain = encoded(ImageFormat::Png);
    let chunks: Vec<u8> = chunks.iter().flat_map(|(name, content)| png_chunk(**name, content)).collect();
    // Behind IHDR, which is always 25 bytes.
    [&plain[..33], &chunks, &plain[33..], tail].concat()
}

/// What is left says nothing, looks the same, and has nothing to be taken away any more.
fn assert_clean(kind: Kind, before: &[u8]) -> Vec<u8> {
    let after = stripped(kind, before).expect("there was something to take away");
    for secret in [SECRET, &b"Ada"[..]] {
        assert!(!after.windows(secret.len()).any(|part| part == secret), "{kind:?} still says it");
    }
    assert_eq!(pixels(&after), pixels(before), "{kind:?}: not a pixel is touched");
    assert_eq!(stripped(kind, &after), None, "{kind:?}: once is enough");
    after
}

#[test]
fn what_says_nothing_is_the_same_byte_for_byte() {
    for (format, kind) in [
        (ImageFormat::Jpeg, Kind::Jpeg),
        (ImageFormat::Png, Kind::Png),
        (ImageFormat::Gif, Kind::Gif),
        (ImageFormat::WebP, Kind::Webp),
        (ImageFormat::Bmp, Kind::Bmp),
    ] {
        assert_eq!(stripped(kind, &encoded(format)), None, "{kind:?}");
    }
    let profile = segment(0xE2, b"ICC_PROFILE\0\x01\x01profile");
    assert_eq!(stripped(Kind::Jpeg, &jpeg_with(&[profile], b"")), None, "a colour profile stays");
    assert_eq!(stripped(Kind::Png, &png_with(&[(b"gAMA", &[0, 0, 177, 143])], b"")), None);
}

#[test]
fn a_jpeg_keeps_its_turn_and_loses_the_rest() {
    let exif_segment = segment(0xE1, &[b"Exif\0\0", &exif(6)[..]].concat());
    let xmp = segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET].concat());
    let before = jpeg_with(&[exif_segment, xmp, segment(0xED, SECRET), segment(0xFE, SECRET)], SECRET);
    let after = assert_clean(Kind::Jpeg, &before);
    let at = after.windows(6).position(|part| part == b"Exif\0\0").expect("its turn is kept");
    assert_eq!(Orientation::from_exif_chunk(&after[at + 6..]), Some(Orientation::Rotate90));
    // One that is not turned needs no block for that.
    let upright = segment(0xE1, &[b"Exif\0\0", &exif(1)[..]].concat());
    assert_eq!(assert_clean(Kind::Jpeg, &jpeg_with(&[upright], b"")), encoded(ImageFormat::Jpeg));
}

#[test]
fn a_png_keeps_its_turn_and_loses_the_rest() {
    let text = [b"Author\0", SECRET].concat();
    let before =
        png_with(&[(b"eXIf", &exif(3)), (b"tEXt", &text), (b"tIME", &[7, 232, 1, 1, 0, 0, 0])], SECRET);
    let after = assert_clean(Kind::Png, &before);
    let at = after.windows(4).position(|part| part == b"eXIf").expect("its turn is kept");
    assert_eq!(Orientation::from_exif_chunk(&after[at + 4..]), Some(Orientation::Rotate180));
    assert_eq!(assert_clean(Kind::Png, &png_with(&[(b"iTXt", &text)], b"")), encoded(ImageFormat::Png));
}

#[test]
fn a_gif_loses_comments_and_a_webp_its_chunks() {
    let plain = encoded(ImageFormat::Gif);
    let colours = 13 + colours_bytes(plain[10]);
    let comment = [&[0x21, 0xFE, SECRET.len() as u8], SECRET, &[0]].concat();
    let xmp = [&[0x21, 0xFF, 11], &b"XMP DataXMP"[..], &[SECRET.len() as u8], SECRET, &[0]].concat();
    let before = [&plain[..colours], &comment, &xmp, &plain[colours..], SECRET].concat();
    assert_eq!(assert_clean(Kind::Gif, &before), plain);

    let plain = encoded(ImageFormat::WebP);
    let chunk = |name: &[u8; 4], content: &[u8]| {
        let pad = if content.len() % 2 == 1 { &[0][..] } else { &[] };
        [&name[..], &(content.len() as u32).to_le_bytes(), content, pad].concat()
    };
    let extended = chunk(b"VP8X", &[WEBP_EXIF | WEBP_XMP, 0, 0, 0, 39, 0, 0, 23, 0, 0]);
    let body = [&extended[..], &plain[12..], &chunk(b"EXIF", &exif(8)), &chunk(b"XMP ", SECRET)].concat();
    let before = [&b"RIFF"[..], &(body.len() as u32 + 4).to_le_bytes(), b"WEBP", &body].concat();
    let after = assert_clean(Kind::Webp, &before);
    assert_eq!(after[20], WEBP_EXIF, "it says what it still has");
    assert_eq!(u32::from_le_bytes(*after[4..].first_chunk().unwrap()) as usize, after.len() - 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Damaged in any way, it is read without a panic, and what comes out says no more than went in.
    #[test]
    fn damage_does_no_harm(which in 0..4_usize, cut in 0..2000_usize, changes in prop::collection::vec((0..2000_usize, any::<u8>()), 0..6)) {
        let (format, kind) = [
            (ImageFormat::Jpeg, Kind::Jpeg), (ImageFormat::Png, Kind::Png),
            (ImageFormat::Gif, Kind::Gif), (ImageFormat::WebP, Kind::Webp),
        ][which];
        let mut bytes = match kind {
            Kind::Jpeg => jpeg_with(&[segment(0xE1, &[b"Exif\0\0", &exif(6)[..]].concat())], SECRET),
            Kind::Png => png_with(&[(b"eXIf", &exif(3))], SECRET),
            _ => encoded(format),
        };
        for (at, byte) in changes {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        bytes.truncate(bytes.len().saturating_sub(cut));
        if let Some(after) = stripped(kind, &bytes) {
            prop_assert!(after.len() <= bytes.len() + 64);
        }
    }
}
