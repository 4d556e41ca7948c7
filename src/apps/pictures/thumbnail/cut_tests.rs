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
