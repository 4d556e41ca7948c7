//! What is looked at before pixels are decoded: how many there are, and what they take in memory.

use image::{ImageDecoder, ImageError, Limits};

use crate::apps::pictures::burden::allowed_bytes;
use crate::apps::pictures::kind::Kind;

use super::order::{Fault, Order};

/// Bytes of a pixel in memory at most: 16 bits for each of four channels.
const PIXEL_BYTES_MAX: u64 = 8;
/// Memory that a decoder may use beside the pixels: tables, colour profiles.
pub const EXTRA_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Checks the number of pixels of all frames.
pub fn check((width, height): (u32, u32), frames: u64, order: &Order) -> Result<(), Fault> {
    let pixels = u64::from(width).saturating_mul(u64::from(height)).saturating_mul(frames.max(1));
    if pixels == 0 {
        return Err(Fault::Corrupted);
    }
    if pixels > order.pixels_max {
        return Err(Fault::TooLarge { most: order.pixels_max });
    }
    Ok(())
}

/// Checks that so many copies of a picture's pixels may be in memory.
pub fn check_burden(kind: Kind, picture: &[u8], pixel_bytes: u64, copies: u64) -> Result<(), Fault> {
    let is_bearable = pixel_bytes.saturating_mul(copies) <= allowed_bytes(kind, picture);
    if is_bearable { Ok(()) } else { Err(Fault::TooDense) }
}

/// Says what a decoder's error means to the one who sent the picture.
pub fn fault_of(error: &ImageError, order: &Order) -> Fault {
    match error {
        ImageError::Limits(_) => Fault::TooLarge { most: order.pixels_max },
        _ => Fault::Corrupted,
    }
}

/// Bounds a decoder's memory by the pixels that are allowed.
pub fn limits(order: &Order) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(order.pixels_max.saturating_mul(PIXEL_BYTES_MAX).saturating_add(EXTRA_BYTES_MAX));
    limits
}

/// Gives a decoder back that has read the picture's size and no more, once that is found to be within the bounds.
pub fn checked<D: ImageDecoder>(
    decoder: Result<D, ImageError>,
    order: &Order,
    weigh: impl Fn(u64) -> Result<(), Fault>,
) -> Result<D, Fault> {
    let mut decoder = decoder.map_err(|error| fault_of(&error, order))?;
    check(decoder.dimensions(), 1, order)?;
    weigh(decoder.total_bytes())?;
    decoder.set_limits(limits(order)).map_err(|error| fault_of(&error, order))?;
    Ok(decoder)
}
