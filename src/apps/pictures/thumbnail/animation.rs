//! Animated GIF pictures, frame by frame.

use std::io::{self, BufRead, Seek};

use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::metadata::LoopCount;
use image::{AnimationDecoder, DynamicImage, Frame, ImageDecoder, ImageError};

use crate::apps::pictures::size::fit;

use super::decoded::Decoded;
use super::encode::{GIF_SPEED, opaque_or_not};
use super::order::{IsLate, Order};
use super::scale::scaled;

/// Makes an animation of an animation: each frame whole, with its time.
pub fn animation<R: BufRead + Seek>(
    decoder: GifDecoder<R>,
    order: &Order,
    is_late: IsLate<'_>,
) -> Result<Vec<u8>, ImageError> {
    let (width, height) = decoder.dimensions();
    let (width, height) = fit(width, height, order.width, order.height);
    let repeat = match decoder.loop_count() {
        LoopCount::Infinite => Repeat::Infinite,
        LoopCount::Finite(times) => Repeat::Finite(u16::try_from(times.get()).unwrap_or(u16::MAX)),
    };
    let mut out = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut out, GIF_SPEED);
    encoder.set_repeat(repeat)?;
    for frame in decoder.into_frames() {
        if is_late() {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        let frame = frame?;
        let delay = frame.delay();
        let frame = DynamicImage::from(frame.into_buffer());
        let small = scaled(&Decoded::whole(frame), (width, height))?;
        encoder.encode_frame(Frame::from_parts(opaque_or_not(small.into_rgba8()), 0, 0, delay))?;
    }
    drop(encoder);
    Ok(out)
}
