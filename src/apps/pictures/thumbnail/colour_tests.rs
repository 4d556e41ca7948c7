use moxcms::ToneReprCurve;

use super::*;

fn one(pixel: [u8; 3]) -> DynamicImage {
    RgbImage::from_pixel(2, 2, image::Rgb(pixel)).into()
}

fn with(profile: &ColorProfile, picture: DynamicImage) -> [u8; 4] {
    shown(picture, Inks::Light, Some(profile)).to_rgba8().get_pixel(1, 1).0
}

fn near(found: [u8; 4], expected: [u8; 4]) -> bool {
    found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 3)
}

/// Expected values by the definitions of the spaces: Adobe RGB (1998), Display P3.
#[test]
fn values_of_wider_spaces_become_those_of_srgb() {
    for (profile, value, expected) in [
        (ColorProfile::new_srgb(), [10, 120, 250], [10, 120, 250]),
        (ColorProfile::new_adobe_rgb(), [128, 128, 128], [128, 128, 128]),
        (ColorProfile::new_adobe_rgb(), [200, 100, 50], [227, 99, 41]),
        (ColorProfile::new_display_p3(), [200, 100, 50], [215, 93, 31]),
        // Outside of sRGB: the nearest that a channel can be.
        (ColorProfile::new_display_p3(), [255, 0, 0], [255, 0, 0]),
    ] {
        let found = with(&profile, one(value));
        let expected = [expected[0], expected[1], expected[2], 255];
        assert!(near(found, expected), "{value:?}: {found:?}, not {expected:?}");
        // As it comes in a file.
        let read = super::profile(&profile.encode().unwrap()).unwrap();
        assert!(near(with(&read, one(value)), expected));
    }
}

#[test]
fn alpha_stays_and_grey_stays_grey() {
    let wide = ColorProfile::new_adobe_rgb();
    let picture = RgbaImage::from_pixel(2, 2, image::Rgba([200, 100, 50, 77]));
    assert!(near(with(&wide, picture.into()), [227, 99, 41, 77]));
    let dark = ColorProfile::new_gray_with_gamma(1.0);
    let grey = || DynamicImage::from(GrayImage::from_pixel(2, 2, image::Luma([55])));
    let light = shown(grey(), Inks::Light, Some(&dark));
    assert_eq!(light.color(), image::ColorType::L8);
    assert!(near(light.to_rgba8().get_pixel(0, 0).0, [128, 128, 128, 255]), "linear light of 0.216");
    let alpha = image::GrayAlphaImage::from_pixel(2, 2, image::LumaA([55, 9]));
    assert!(near(with(&dark, alpha.into()), [128, 128, 128, 9]));
    // A curve in a profile of colours holds for greys as well.
    let mut linear = ColorProfile::new_srgb();
    linear.cicp = None;
    let curve = Some(ToneReprCurve::Parametric(vec![1.0]));
    (linear.red_trc, linear.green_trc, linear.blue_trc) = (curve.clone(), curve.clone(), curve);
    assert!(near(with(&linear, grey()), [128, 128, 128, 255]));
}

#[test]
fn a_profile_of_other_channels_or_none_at_all_changes_nothing() {
    let grey = ColorProfile::new_gray_with_gamma(1.0);
    assert_eq!(with(&grey, one([55, 60, 70])), [55, 60, 70, 255]);
    assert!(super::profile(b"no profile").is_none());
    assert!(super::profile(&[]).is_none());
    let inks = RgbaImage::from_pixel(2, 2, image::Rgba([255, 128, 0, 128]));
    for profile in [None, Some(&grey), Some(&ColorProfile::new_srgb())] {
        let light = shown(inks.clone().into(), Inks::Cmyk, profile).to_rgb8();
        assert_eq!(light.get_pixel(0, 0).0, [128, 64, 0]);
    }
}

mod files {
    use std::io::{Cursor, Write};

    use flate2::write::ZlibEncoder;
    use image::codecs::jpeg::JpegEncoder;
    use image::codecs::png::PngEncoder;
    use image::codecs::webp::WebPEncoder;
    use image::{ExtendedColorType, ImageEncoder};

    use super::*;
    use crate::apps::pictures::kind::Kind;
    use crate::apps::pictures::size::Fit;
    use crate::apps::pictures::thumbnail::{Order, thumbnail};

    const SIDE: u32 = 60;
    const VALUE: [u8; 3] = [200, 100, 50];

    /// Returns the colour in the middle of a thumbnail.
    fn seen(picture: &[u8]) -> [u8; 4] {
        let order = Order { kind: Kind::Png, width: 20, height: 20, fit: Fit::Contain, pixels_max: 1 << 20 };
        let small = thumbnail(picture, &order, &|| false).unwrap();
        image::load_from_memory(&small).unwrap().to_rgba8().get_pixel(9, 9).0
    }

    fn pixels() -> Vec<u8> {
        VALUE.repeat((SIDE * SIDE) as usize)
    }

    fn png() -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        PngEncoder::new(&mut out).write_image(&pixels(), SIDE, SIDE, ExtendedColorType::Rgb8).unwrap();
        out.into_inner()
    }

    /// Returns a PNG with these chunks before its pixels.
    fn png_with(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let (plain, mut out) = (png(), Vec::new());
        out.extend_from_slice(&plain[..33]);
        for (name, content) in chunks {
            let mut check = flate2::Crc::new();
            check.update(*name);
            check.update(content);
            out.extend((content.len() as u32).to_be_bytes());
            out.extend_from_slice(*name);
            out.extend_from_slice(content);
            out.extend(check.sum().to_be_bytes());
        }
        out.extend_from_slice(&plain[33..]);
        out
    }

    fn packed(profile: &[u8]) -> Vec<u8> {
        let mut packed = ZlibEncoder::new(b"name\0\0".to_vec(), flate2::Compression::fast());
        packed.write_all(profile).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn a_profile_counts_in_every_format_that_has_one() {
        let icc = ColorProfile::new_adobe_rgb().encode().unwrap();
        let (mut jpeg, mut webp) = (Vec::new(), Vec::new());
        let mut encoder = JpegEncoder::new_with_quality(&mut jpeg, 95);
        encoder.set_icc_profile(icc.clone()).unwrap();
        encoder.write_image(&pixels(), SIDE, SIDE, ExtendedColorType::Rgb8).unwrap();
        let mut encoder = WebPEncoder::new_lossless(&mut webp);
        encoder.set_icc_profile(icc.clone()).unwrap();
        encoder.write_image(&pixels(), SIDE, SIDE, ExtendedColorType::Rgb8).unwrap();
        for (what, picture) in [("JPEG", jpeg), ("WebP", webp), ("PNG", png_with(&[(b"iCCP", packed(&icc))]))]
        {
            let found = seen(&picture);
            assert!(near(found, [227, 100, 41, 255]), "{what}: {found:?}");
        }
        assert!(near(seen(&png()), [200, 100, 50, 255]));
    }

    #[test]
    fn a_png_says_its_colours_in_four_ways_and_the_first_one_counts() {
        let icc = ColorProfile::new_adobe_rgb().encode().unwrap();
        let adobe = || (b"iCCP", packed(&icc));
        let broken = || (b"iCCP", packed(b"no profile"));
        let large = || (b"iCCP", packed(&vec![0; 20 << 20]));
        let p3 = || (b"cICP", vec![12, 13, 0, 1]);
        let (more, unknown) = (|| (b"cICP", vec![9, 16, 0, 1]), || (b"cICP", vec![200, 13, 0, 1]));
        let srgb = || (b"sRGB", vec![0]);
        let gamma = |value: u32| (b"gAMA", value.to_be_bytes().to_vec());
        let places = |values: [u32; 8]| (b"cHRM", values.map(u32::to_be_bytes).concat());
        let usual = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];
        let wide = [31_270, 32_900, 64_000, 33_000, 21_000, 71_000, 15_000, 6_000];
        let (plain, in_adobe, in_p3) = ([200, 100, 50], [227, 100, 41], [215, 93, 31]);
        // Linear light: 200 / 255 and so on, as sRGB encodes it.
        let linear = [228, 168, 122];
        for (chunks, expected) in [
            (vec![], plain),
            (vec![srgb()], plain),
            (vec![adobe()], in_adobe),
            (vec![adobe(), gamma(100_000)], in_adobe),
            (vec![gamma(100_000), adobe()], in_adobe),
            (vec![p3()], in_p3),
            (vec![p3(), adobe()], in_p3),
            (vec![more()], plain),
            (vec![unknown(), adobe()], in_adobe),
            (vec![broken()], plain),
            (vec![large()], plain),
            (vec![broken(), gamma(100_000)], linear),
            (vec![srgb(), gamma(100_000)], plain),
            (vec![gamma(45_455)], plain),
            (vec![gamma(100_000)], linear),
            (vec![gamma(100_000), places(usual)], linear),
            (vec![gamma(45_470), places(wide)], in_adobe),
            (vec![gamma(100_000), places([0; 8])], linear),
            (vec![gamma(0)], plain),
            (vec![places(wide)], plain),
        ] {
            let found = seen(&png_with(&chunks));
            let names: Vec<_> = chunks.iter().map(|(name, _)| String::from_utf8_lossy(*name)).collect();
            let is_near = found.iter().zip(expected).all(|(found, expected)| found.abs_diff(expected) <= 4);
            assert!(is_near && found[3] == 255, "{names:?}: {found:?}, not {expected:?}");
        }
    }
}
