use std::io::Cursor;

use image::{DynamicImage, ImageFormat, RgbImage};
use proptest::prelude::*;

use super::*;

#[path = "../../../../tests/support/skip.rs"]
mod skip;

const FORMATS: [(ImageFormat, Kind); 5] = [
    (ImageFormat::Jpeg, Kind::Jpeg),
    (ImageFormat::Png, Kind::Png),
    (ImageFormat::Gif, Kind::Gif),
    (ImageFormat::WebP, Kind::Webp),
    (ImageFormat::Bmp, Kind::Bmp),
];

fn encoded(format: ImageFormat) -> Vec<u8> {
    let picture = RgbImage::from_fn(40, 24, |x, y| image::Rgb([x as u8 * 6, y as u8 * 10, 77]));
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn decoded(picture: &[u8]) -> Option<DynamicImage> {
    image::load_from_memory(picture).ok()
}

#[test]
fn a_picture_that_says_nothing_is_the_same_byte_for_byte() {
    for (format, kind) in FORMATS {
        assert_eq!(cleaned(kind, &encoded(format)), Ok(None), "{kind:?}");
    }
}

#[test]
fn a_beginning_alone_is_no_picture() {
    for (format, kind) in FORMATS {
        let whole = encoded(format);
        for end in 0..60.min(whole.len()) {
            if let Ok(Some(copy)) = cleaned(kind, &whole[..end]) {
                assert_eq!(Kind::of(&copy), Some(kind));
            }
        }
        assert_eq!(cleaned(kind, &whole[..18]), Err(Unclean::NoPixels), "{kind:?}");
    }
}

/// Returns where bytes may be put in: between the parts of a picture, and anywhere else.
fn boundaries(kind: Kind, picture: &[u8]) -> Vec<usize> {
    let mut places = vec![picture.len()];
    match kind {
        Kind::Jpeg => {
            let marker = |pair: &[u8]| pair[0] == 0xFF && matches!(pair[1], 0xC0..=0xFE);
            places.extend((2..picture.len() - 1).filter(|at| marker(&picture[*at..*at + 2])));
        }
        Kind::Png => {
            let mut at = 8;
            while at < picture.len() {
                places.push(at);
                at += 12 + u32::from_be_bytes(*picture[at..].first_chunk().unwrap()) as usize;
            }
        }
        Kind::Gif => places.extend([13 + (3 << ((picture[10] & 7) + 1)), picture.len() - 1]),
        Kind::Webp => places.push(12),
        Kind::Bmp => places.push(54),
    }
    places
}

/// What is taken is clean, and decodes as it did before if the decoder here is a judge of that.
fn check(kind: Kind, picture: &[u8], is_judged: bool) -> Result<(), TestCaseError> {
    let copy = match cleaned(kind, picture) {
        Ok(Some(copy)) => copy,
        Ok(None) => return Ok(()),
        Err(error) => {
            prop_assert_ne!(error, Unclean::Different, "{:?}", kind);
            return Ok(());
        }
    };
    prop_assert_eq!(Kind::of(&copy), Some(kind));
    prop_assert_eq!(cleaned(kind, &copy), Ok(None));
    if let Some(before) = decoded(picture).filter(|_| is_judged) {
        prop_assert!(decoded(&copy) == Some(before), "{:?}: other pixels", kind);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn bytes_between_parts_change_no_pixel(
        which in 0..FORMATS.len(),
        places in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 0..40)), 1..4),
    ) {
        let (format, kind) = FORMATS[which];
        let mut picture = encoded(format);
        let boundaries = boundaries(kind, &picture);
        let mut places: Vec<_> = places.into_iter().map(|(place, bytes)| (*place.get(&boundaries), bytes)).collect();
        // From the end on, so that the places before stay where they are.
        places.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        for (at, bytes) in places {
            // The decoder here takes an unknown marker behind a scan for a part of it, which no browser does.
            let bytes = bytes.into_iter().map(|byte| if kind == Kind::Jpeg { byte.min(0xFE) } else { byte });
            picture.splice(at..at, bytes);
        }
        check(kind, &picture, true)?;
    }

    #[test]
    fn damage_anywhere_changes_no_pixel(
        which in 0..FORMATS.len(),
        cut in 0..200_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        pieces in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..2),
    ) {
        let (format, kind) = FORMATS[which];
        let mut picture = encoded(format);
        for (at, byte) in changes {
            *at.get_mut(&mut picture) = byte;
        }
        // A piece of it comes once more, elsewhere.
        for (from, to, at) in pieces {
            let (from, to) = (from.index(picture.len()), to.index(picture.len()));
            let piece = picture[from.min(to)..from.max(to)].to_vec();
            let at = at.index(picture.len());
            picture.splice(at..at, piece);
        }
        picture.truncate(picture.len().saturating_sub(cut));
        if Kind::of(&picture) == Some(kind) {
            // Of damaged scans decoders make different pictures; `scripts/clean-pictures` asks libjpeg.
            check(kind, &picture, kind != Kind::Jpeg)?;
        }
    }
}

/// A JPEG of `cjpeg` in each of its modes, with a text in front of each marker behind the first scan: it goes, and what
/// is left is the JPEG byte for byte. Where there is no `cjpeg`, one line says so.
#[test]
fn a_scan_of_any_mode_ends_where_its_codes_end() {
    const TEXT: &[u8] = b"Ada Lovelace, N 52.5163 E 13.3777";
    let pixels: Vec<u8> =
        (0..40_u32 * 24 * 3).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let ppm = [&b"P6 40 24 255\n"[..], &pixels].concat();
    let modes: [&[&str]; 6] = [
        &["-sample", "2x2"],
        &["-sample", "1x2", "-optimize"],
        &["-sample", "2x1", "-restart", "1B"],
        &["-sample", "1x1", "-progressive"],
        &["-sample", "2x2", "-progressive", "-restart", "2B"],
        &["-grayscale", "-progressive"],
    ];
    for mode in modes {
        let Some(jpeg) = cjpeg(mode, &ppm) else { return skip::skip("cjpeg is not installed") };
        let clean = cleaned(Kind::Jpeg, &jpeg).unwrap().unwrap_or(jpeg);
        let scan = clean.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
        let markers = (scan + 2..clean.len() - 1).filter(|at| clean[*at] == 0xFF && clean[*at + 1] > 0);
        for at in markers {
            let told = [&clean[..at], TEXT, &clean[at..]].concat();
            assert!(cleaned(Kind::Jpeg, &told) == Ok(Some(clean.clone())), "{mode:?}: a text at {at}");
        }
    }
}

/// A JPEG of arithmetic coding is copied by its parts as well; what its scans hold is not read.
#[test]
fn a_jpeg_with_arithmetic_coding_keeps_its_pixels_and_nothing_else() {
    use crate::apps::pictures::size::Fit;
    use crate::apps::pictures::thumbnail::{Order, thumbnail};

    const TEXT: &[u8] = b"Ada Lovelace, N 52.5163 E 13.3777";
    let pixels: Vec<u8> =
        (0..40_u32 * 24 * 3).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let ppm = [&b"P6 40 24 255\n"[..], &pixels].concat();
    let small = |jpeg: &[u8]| {
        let order =
            Order { kind: Kind::Png, width: 40, height: 24, fit: Fit::Contain, pixels_max: 1_000_000 };
        thumbnail(jpeg, &order, &|| false).unwrap()
    };
    for more in [&["-sample", "2x2"][..], &["-progressive"], &["-restart", "1B"], &["-grayscale"]] {
        let Some(jpeg) = cjpeg(&[&["-arithmetic"], more].concat(), &ppm) else {
            return skip::skip("cjpeg is not installed");
        };
        let clean = cleaned(Kind::Jpeg, &jpeg).unwrap().unwrap_or(jpeg);
        let said = |marker: u8, content: &[u8]| {
            [&[0xFF, marker], &(content.len() as u16 + 2).to_be_bytes()[..], content].concat()
        };
        let scan = clean.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
        // Conditioning that no scan asks for, a comment, EXIF, a text between segments and one behind the end.
        let hidden =
            [said(0xFE, TEXT), said(0xE1, TEXT), said(0xCC, b"\x23\x05\x1F\x05"), TEXT.to_vec()].concat();
        let told = [&clean[..scan], &hidden, &clean[scan..], TEXT].concat();
        assert!(cleaned(Kind::Jpeg, &told) == Ok(Some(clean.clone())), "{more:?}");
        assert!(small(&told) == small(&clean), "{more:?}");
    }
}

/// Encodes a picture with `cjpeg` of libjpeg-turbo; nothing where that is not installed.
fn cjpeg(arguments: &[&str], ppm: &[u8]) -> Option<Vec<u8>> {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let mut command = Command::new("cjpeg");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(ppm).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    Some(output.stdout)
}
