//! The picture in a size that fits.

use std::borrow::Cow;

use image::RgbImage;
use image::imageops::{self, FilterType};

/// Returns the picture, made smaller until it fits into `room` (width and height), with its proportions. One that fits is made
/// larger by a whole number, `grow_max` at most, so that each of its pixels is a square.
pub fn fitted(picture: &RgbImage, room: (u32, u32), grow_max: u32) -> Cow<'_, RgbImage> {
    let (width, height) = picture.dimensions();
    let grow = (room.0 / width).min(room.1 / height).min(grow_max);
    match grow {
        0 => {
            let size = smaller((width, height), room);
            Cow::Owned(imageops::resize(picture, size.0, size.1, FilterType::Triangle))
        }
        1 => Cow::Borrowed(picture),
        grow => Cow::Owned(imageops::resize(picture, width * grow, height * grow, FilterType::Nearest)),
    }
}

/// Returns the largest size with these proportions that fits, a pixel at least.
fn smaller((width, height): (u32, u32), room: (u32, u32)) -> (u32, u32) {
    let part = |side: u32, of: u32, length: u32| {
        let rounded = (u64::from(side) * u64::from(of) + u64::from(length) / 2) / u64::from(length);
        u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
    };
    // Whichever side is the one that does not fit better.
    if u64::from(width) * u64::from(room.1) > u64::from(height) * u64::from(room.0) {
        (room.0, part(height, room.0, width))
    } else {
        (part(width, room.1, height), room.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_fit_and_keep_their_proportions() {
        let size = |width, height, room, grow_max| {
            fitted(&RgbImage::new(width, height), room, grow_max).dimensions()
        };
        assert_eq!(size(10, 5, (80, 44), 1), (10, 5), "a small one stays");
        assert_eq!(size(10, 5, (80, 44), 8), (80, 40), "or grows by a whole number");
        assert_eq!(size(10, 5, (85, 44), 100), (80, 40));
        assert_eq!(size(1600, 900, (80, 44), 8), (78, 44));
        assert_eq!(size(1600, 400, (80, 44), 8), (80, 20));
        assert_eq!(size(100_000, 1, (80, 44), 8), (80, 1), "never without a pixel");
        assert_eq!(size(1, 100_000, (80, 44), 8), (1, 44));
    }
}
