//! Brings a picture to the size of its thumbnail.

use std::borrow::Cow;
use std::io;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgb32F, Rgba8};
use image::{ColorType, DynamicImage, GrayAlphaImage, GrayImage, ImageError, RgbImage, RgbaImage};

use super::decoded::{Decoded, Inks};
use super::view::View;

/// Scales with Lanczos's filter over three lobes, colours weighted by their alpha. The result has 8 bits a channel.
pub fn scaled(decoded: &Decoded, view: &View) -> Result<DynamicImage, ImageError> {
    let (width, height) = view.to;
    let (left, top, across, down) = view.part(decoded.pixels.area);
    let picture = &decoded.pixels.picture;
    let failed = || ImageError::IoError(io::ErrorKind::InvalidData.into());
    let run = |form: ColorType, pixel: PixelType| {
        // What is in the right form already is not copied.
        let bytes = bytes_of(picture, form);
        let large = ImageRef::new(picture.width(), picture.height(), &bytes, pixel).map_err(|_| failed())?;
        let mut to = Image::new(width, height, pixel);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
            .use_alpha(decoded.inks == Inks::Light)
            .crop(left, top, across, down);
        Resizer::new().resize(&large, &mut to, &options).map_err(|_| failed())?;
        Ok::<_, ImageError>(to.into_vec())
    };
    let (w, h) = (width, height);
    let picture = match picture.color() {
        L8 | L16 => GrayImage::from_raw(w, h, run(L8, PixelType::U8)?).map(Into::into),
        La8 | La16 => GrayAlphaImage::from_raw(w, h, run(La8, PixelType::U8x2)?).map(Into::into),
        Rgb8 | Rgb16 | Rgb32F => RgbImage::from_raw(w, h, run(Rgb8, PixelType::U8x3)?).map(Into::into),
        _ => RgbaImage::from_raw(w, h, run(Rgba8, PixelType::U8x4)?).map(Into::into),
    };
    picture.ok_or_else(failed)
}

/// Returns the pixels in one of the forms with 8 bits a channel; copied only if they are in another one.
fn bytes_of(picture: &DynamicImage, form: ColorType) -> Cow<'_, [u8]> {
    if picture.color() == form {
        return picture.as_bytes().into();
    }
    match form {
        L8 => picture.to_luma8().into_raw().into(),
        La8 => picture.to_luma_alpha8().into_raw().into(),
        Rgb8 => picture.to_rgb8().into_raw().into(),
        _ => picture.to_rgba8().into_raw().into(),
    }
}
