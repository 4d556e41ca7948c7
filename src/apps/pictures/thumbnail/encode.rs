//! Writes a thumbnail in the kind that is asked for.

use image::codecs::bmp::BmpEncoder;
use image::codecs::gif::GifEncoder;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{DynamicImage, ExtendedColorType, Frame, ImageEncoder, ImageError, RgbImage, RgbaImage};

use crate::apps::pictures::kind::Kind;

/// Quality of a JPEG thumbnail, of 100.
const JPEG_QUALITY: u8 = 90;
/// How hard the colours of a GIF are looked for: 1 is best, 30 is fastest.
pub const GIF_SPEED: i32 = 10;

/// Writes a picture of 8 bits a channel.
pub fn encoded(picture: &DynamicImage, kind: Kind) -> Result<Vec<u8>, ImageError> {
    let mut out = Vec::new();
    let (width, height) = (picture.width(), picture.height());
    match kind {
        Kind::Jpeg => {
            // JPEG has no alpha: what is transparent is shown on white.
            let flat =
                if picture.color().has_alpha() { on_white(&picture.to_rgba8()) } else { picture.to_rgb8() };
            let encoder = JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY);
            encoder.write_image(&flat, width, height, ExtendedColorType::Rgb8)?;
        }
        Kind::Gif => {
            let frame = Frame::new(opaque_or_not(picture.to_rgba8()));
            GifEncoder::new_with_speed(&mut out, GIF_SPEED).encode_frame(frame)?;
        }
        Kind::Png => picture.write_with_encoder(PngEncoder::new(&mut out))?,
        Kind::Webp => {
            let (rgba, color) = (picture.to_rgba8(), ExtendedColorType::Rgba8);
            WebPEncoder::new_lossless(&mut out).write_image(&rgba, width, height, color)?;
        }
        Kind::Bmp => {
            let (rgb, color) = (picture.to_rgb8(), ExtendedColorType::Rgb8);
            BmpEncoder::new(&mut out).write_image(&rgb, width, height, color)?;
        }
    }
    Ok(out)
}

/// Makes each pixel visible or not, as a GIF has them: what scaling made half transparent goes to the nearer side.
pub fn opaque_or_not(mut picture: RgbaImage) -> RgbaImage {
    for pixel in picture.pixels_mut() {
        pixel.0 = if pixel.0[3] < 128 { [0; 4] } else { [pixel.0[0], pixel.0[1], pixel.0[2], 255] };
    }
    picture
}

fn on_white(picture: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, a] = picture.get_pixel(x, y).0.map(u32::from);
        let over = |channel: u32| ((channel * a + 255 * (255 - a) + 127) / 255) as u8;
        image::Rgb([over(r), over(g), over(b)])
    })
}
