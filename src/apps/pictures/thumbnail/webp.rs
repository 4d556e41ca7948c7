//! WebP pictures: decoded whole, then made smaller by the averages of boxes.

use std::io::{BufRead, Seek};

use image_webp::{UpsamplingMethod, WebPDecoder};

use crate::apps::pictures::reduce::{is_reduced, reduced};

use super::bounds::{check, limits};
use super::colour;
use super::decoded::{Decoded, Inks};
use super::order::{Fault, Order};

/// Decodes a WebP, of an animation the first frame, of which a thumbnail is wanted that is as large as `to` says for the picture's
/// size; `weigh` judges how many bytes its pixels take.
///
/// # Errors
/// Fails if it is cut, damaged or too large, or with what `weigh` says.
pub fn decode<R: BufRead + Seek>(
    source: R,
    to: impl Fn((u32, u32)) -> (u32, u32),
    order: &Order,
    weigh: impl Fn(u64) -> Result<(), Fault>,
) -> Result<Decoded, Fault> {
    let mut decoder = WebPDecoder::new(source).map_err(|_| Fault::Corrupted)?;
    let size = decoder.dimensions();
    check(size, 1, order)?;
    let bytes = decoder.output_buffer_size().ok_or(Fault::TooDense)?;
    weigh(bytes as u64)?;
    let most = limits(order).max_alloc.and_then(|bytes| usize::try_from(bytes).ok());
    decoder.set_memory_limit(most.unwrap_or(usize::MAX));
    let profile = decoder.icc_profile().ok().flatten().and_then(|bytes| colour::profile(&bytes));
    let channels = if decoder.has_alpha() { 4 } else { 3 };
    let to = to(size);
    if is_reduced(size, to) {
        // One chroma sample stands for four pixels, of which the average is taken anyway.
        decoder.set_lossy_upsampling(UpsamplingMethod::Simple);
    }
    let mut values = vec![0; bytes];
    decoder.read_image(&mut values).map_err(|_| Fault::Corrupted)?;
    let pixels = reduced(size, to, channels, values).ok_or(Fault::Corrupted)?;
    Ok(Decoded { pixels, size, inks: Inks::Light, profile })
}
