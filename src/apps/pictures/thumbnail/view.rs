//! Which part of a picture its thumbnail shows, and how large.

use image::DynamicImage;
use image::metadata::Orientation;

use crate::apps::pictures::size::{Fit, cover, fit, middle};

use super::order::Order;

/// What is to be made of a picture that is not turned yet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// How large the whole picture would be at the thumbnail's scale, pixels.
    pub whole: (u32, u32),
    /// How large the thumbnail is, pixels.
    pub to: (u32, u32),
    /// Left, top, width and height of what is shown, as shares of the picture.
    shown: (f64, f64, f64, f64),
}

impl View {
    /// Makes the view of a picture of this size. With a quarter turn the sides of the order change places.
    pub fn new((width, height): (u32, u32), orientation: Orientation, order: &Order) -> Self {
        let (across, down) =
            if is_quarter(orientation) { (order.height, order.width) } else { (order.width, order.height) };
        match order.fit {
            Fit::Contain => {
                let to = fit(width, height, across, down);
                Self { whole: to, to, shown: (0.0, 0.0, 1.0, 1.0) }
            }
            Fit::Cover => {
                let (w, h) = (f64::from(width), f64::from(height));
                let part = middle((w, h), (across, down));
                let shown = (part.0 / w, part.1 / h, part.2 / w, part.3 / h);
                Self { whole: cover(width, height, across, down), to: (across, down), shown }
            }
        }
    }

    /// Returns left, top, width and height of what is shown of a picture that covers so much of its pixels.
    pub fn part(&self, area: (f64, f64)) -> (f64, f64, f64, f64) {
        let (left, top, width, height) = self.shown;
        (left * area.0, top * area.1, width * area.0, height * area.1)
    }
}

/// Says that what was upright lies after the turn.
fn is_quarter(orientation: Orientation) -> bool {
    let mut probe = DynamicImage::new_luma8(2, 1);
    probe.apply_orientation(orientation);
    probe.width() == 1
}
