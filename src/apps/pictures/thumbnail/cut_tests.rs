//! Pictures whose end is missing: of a JPEG what is there is shown, as in browsers; of any other kind a part would be taken for
//! the picture, so it is an error.

use super::*;
use crate::apps::pictures::size::Fit;

const LOSSY: &[u8] = include_bytes!("../../../../tests/data/webp/lossy.webp");

fn order() -> Order {
    Order { kind: Kind::Png, width: 20, height: 20, fit: Fit::Contain, pixels_max: 50_000_000 }
}

fn picture(width: u32, height: u32, format: image::ImageFormat) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let picture =
        image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, (x ^ y) as u8]));
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

/// Browsers show all of a first frame that goes beyond the screen, and so is its thumbnail.
#[test]
fn a_first_frame_beyond_the_screen_makes_it_larger() {
    for (place, expected) in [((0, 0), (20, 10)), ((20, 0), (20, 7)), ((5, 30), (18, 20))] {
        let mut gif = Vec::new();
        let mut encoder = gif::Encoder::new(&mut gif, 10, 10, &[9, 9, 9]).unwrap();
        let frame = gif::Frame {
            left: place.0,
            top: place.1,
            width: 40,
            height: 20,
            buffer: vec![0; 800].into(),
            ..gif::Frame::default()
        };
        encoder.write_frame(&frame).unwrap();
        encoder.write_frame(&gif::Frame { left: 0, top: 0, ..frame }).unwrap();
        drop(encoder);
        for kind in [Kind::Png, Kind::Gif] {
            let made = thumbnail(&gif, &Order { kind, ..order() }, &|| false).unwrap();
            let small = image::load_from_memory(&made).unwrap().to_rgba8();
            assert_eq!(small.dimensions(), expected, "{place:?}");
            assert_eq!(small.get_pixel(expected.0 - 1, expected.1 - 1).0, [9, 9, 9, 255], "{place:?}");
        }
    }
}

/// Small ones are decoded whole, large ones by their rows.
#[test]
fn a_picture_that_is_cut_in_its_pixels_is_an_error_unless_it_is_a_jpeg() {
    use image::ImageFormat::{Bmp, Gif, Jpeg, Png, WebP};
    let mut pictures = vec![(WebP, LOSSY.to_vec())];
    for format in [Jpeg, Png, Gif, Bmp, WebP] {
        pictures.extend([(format, picture(100, 80, format)), (format, picture(400, 300, format))]);
    }
    for (format, whole) in pictures {
        let made = thumbnail(&whole, &order(), &|| false);
        assert!(made.is_ok(), "{format:?}: {made:?}");
        for tenths in [5, 7, 9] {
            let cut = thumbnail(&whole[..whole.len() * tenths / 10], &order(), &|| false);
            if format == Jpeg {
                assert!(cut.is_ok() && cut != made, "{format:?} to {tenths} tenths: {cut:?}");
            } else {
                assert_eq!(cut, Err(Fault::Corrupted), "{format:?} to {tenths} tenths");
            }
        }
        // What only ends the file may be missing: EOI, IEND, the trailer.
        let end = match format {
            Jpeg => 2,
            Png => 12,
            Gif => 1,
            _ => continue,
        };
        assert_eq!(
            thumbnail(&whole[..whole.len() - end], &order(), &|| false),
            made,
            "{format:?} without its end"
        );
    }
}
