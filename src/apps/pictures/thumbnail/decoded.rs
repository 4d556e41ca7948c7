//! A picture as it comes from a decoder: perhaps smaller than it is, not turned yet, its colours as they are coded.

use image::DynamicImage;
use moxcms::ColorProfile;

use crate::apps::pictures::reduce::Reduced;

/// Pixels, and what is needed to show them.
pub struct Decoded {
    /// The pixels; those of [`Inks::Cmyk`] stand in the four channels of RGBA.
    pub pixels: Reduced,
    /// Width and height of the whole picture, pixels, before it is turned.
    pub size: (u32, u32),
    /// What the channels are.
    pub inks: Inks,
    /// What their values mean, if they are not those of sRGB.
    pub profile: Option<ColorProfile>,
}

/// What the channels of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inks {
    /// Light: grey or red, green and blue, perhaps with alpha.
    Light,
    /// Cyan, magenta, yellow and black as Adobe's programs store them: 255 is no ink.
    Cmyk,
}

impl Decoded {
    /// Returns a whole picture of light, its values those of sRGB.
    pub fn whole(picture: DynamicImage) -> Self {
        let size = (picture.width(), picture.height());
        Self { pixels: picture.into(), size, inks: Inks::Light, profile: None }
    }
}
