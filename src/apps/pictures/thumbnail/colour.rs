//! Makes of a picture's channels what a screen shows: red, green and blue of sRGB, or grey.
//!
//! The profile of a picture is applied, not passed on: so the thumbnail looks alike in every format and program, and
//! says nothing of the device that made the picture.

use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use super::decoded::Inks;

/// Reads a profile (ICC.1:2022); nothing if it can't be read.
pub fn profile(bytes: &[u8]) -> Option<ColorProfile> {
    ColorProfile::new_from_slice(bytes).ok()
}

/// Returns the picture in grey or in red, green and blue, with alpha if it had it. A profile that is of another number of
/// channels than the picture, or can't be applied, counts as none, as in browsers.
pub fn shown(picture: DynamicImage, inks: Inks, profile: Option<&ColorProfile>) -> DynamicImage {
    match (inks, profile) {
        (Inks::Light, None) => picture,
        (Inks::Light, Some(profile)) => of_light(&picture, profile).unwrap_or(picture),
        (Inks::Cmyk, profile) => {
            let with = profile.and_then(|profile| of_inks(&picture, profile));
            with.unwrap_or_else(|| without_profile(&picture))
        }
    }
}

fn of_light(picture: &DynamicImage, profile: &ColorProfile) -> Option<DynamicImage> {
    let (has_alpha, has_colour) = (picture.color().has_alpha(), picture.color().has_color());
    match (profile.color_space, has_alpha) {
        // A profile of colours may say how light or dark greys are, too.
        (DataColorSpace::Rgb, true) => {
            rgba(picture, transformed(profile, Layout::Rgba, Layout::Rgba, &picture.to_rgba8())?)
        }
        (DataColorSpace::Rgb, false) => {
            rgb(picture, transformed(profile, Layout::Rgb, Layout::Rgb, &picture.to_rgb8())?)
        }
        (DataColorSpace::Gray, _) if has_colour => None,
        (DataColorSpace::Gray, true) => {
            rgba(picture, transformed(profile, Layout::GrayAlpha, Layout::Rgba, &picture.to_luma_alpha8())?)
        }
        (DataColorSpace::Gray, false) => {
            rgb(picture, transformed(profile, Layout::Gray, Layout::Rgb, &picture.to_luma8())?)
        }
        _ => None,
    }
}

fn of_inks(picture: &DynamicImage, profile: &ColorProfile) -> Option<DynamicImage> {
    if profile.color_space != DataColorSpace::Cmyk {
        return None;
    }
    // In a profile 255 is all of an ink.
    let inks: Vec<u8> = picture.as_bytes().iter().map(|value| 255 - value).collect();
    rgb(picture, transformed(profile, Layout::Rgba, Layout::Rgb, &inks)?)
}

/// Returns the values of all pixels, brought from a profile to sRGB.
fn transformed(profile: &ColorProfile, from: Layout, to: Layout, values: &[u8]) -> Option<Vec<u8>> {
    let srgb = ColorProfile::new_srgb();
    let transform = profile.create_transform_8bit(from, &srgb, to, TransformOptions::default()).ok()?;
    let mut out = vec![0; values.len() / from.channels() * to.channels()];
    transform.transform(values, &mut out).ok()?;
    Some(out)
}

fn rgb(size: &DynamicImage, values: Vec<u8>) -> Option<DynamicImage> {
    let picture = RgbImage::from_raw(size.width(), size.height(), values)?;
    // What was grey stays grey, and half as large.
    Some(if size.color().has_color() { picture.into() } else { grey(&picture).into() })
}

fn rgba(size: &DynamicImage, values: Vec<u8>) -> Option<DynamicImage> {
    Some(RgbaImage::from_raw(size.width(), size.height(), values)?.into())
}

fn grey(picture: &RgbImage) -> GrayImage {
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| image::Luma([picture.get_pixel(x, y).0[1]]))
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

#[cfg(test)]
#[path = "colour_tests.rs"]
mod tests;
