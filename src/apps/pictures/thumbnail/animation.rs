//! Animated GIF pictures, frame by frame.

use std::io::{self, BufRead, Seek};

use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::metadata::Orientation;
use image::{AnimationDecoder, DynamicImage, Frame, ImageDecoder, ImageError};

use super::decoded::Decoded;
use super::encode::{GIF_SPEED, opaque_or_not};
use super::order::{IsLate, Order};
use super::scale::scaled;
use super::view::View;

/// Makes an animation of an animation: each frame whole, with its time, and played as often. It ends before the first
/// frame that can't be decoded, as in browsers.
///
/// # Errors
/// Fails if the first frame can't be decoded, a frame is larger than is allowed, or the time is up.
pub fn animation<R: BufRead + Seek>(
    decoder: GifDecoder<R>,
    repeats: Option<u16>,
    order: &Order,
    is_late: IsLate<'_>,
) -> Result<Vec<u8>, ImageError> {
    let view = View::new(decoder.dimensions(), Orientation::NoTransforms, order);
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut out, GIF_SPEED);
    match repeats {
        None => {}
        Some(0) => encoder.set_repeat(Repeat::Infinite)?,
        Some(times) => encoder.set_repeat(Repeat::Finite(times))?,
    }
    for (number, frame) in decoder.into_frames().enumerate() {
        if is_late() {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        let frame = match frame {
            Err(ImageError::Decoding(_) | ImageError::IoError(_)) if number > 0 => break,
            frame => frame?,
        };
        let delay = frame.delay();
        let small = scaled(&Decoded::whole(DynamicImage::from(frame.into_buffer())), &view)?;
        encoder.encode_frame(Frame::from_parts(opaque_or_not(small.into_rgba8()), 0, 0, delay))?;
    }
    drop(encoder);
    Ok(out)
}
