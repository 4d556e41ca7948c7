//! Makes of a picture's channels what a screen shows.

use image::{DynamicImage, RgbImage};

use super::decoded::Inks;

/// Returns the picture in grey or in red, green and blue.
pub fn shown(picture: DynamicImage, inks: Inks) -> DynamicImage {
    match inks {
        Inks::Light => picture,
        Inks::Cmyk => without_profile(&picture),
    }
}

/// Takes each ink for a filter of light, as browsers do where no profile says more.
fn without_profile(picture: &DynamicImage) -> DynamicImage {
    let cmyk = picture.to_rgba8();
    let light = RgbImage::from_fn(cmyk.width(), cmyk.height(), |x, y| {
        let [c, m, y, k] = cmyk.get_pixel(x, y).0.map(u32::from);
        image::Rgb([c, m, y].map(|ink| ((ink * k + 127) / 255) as u8))
    });
    light.into()
}
