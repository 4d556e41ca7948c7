//! From a picture to its thumbnail.
//!
//! ```text
//! bytes -> decoder (jpeg, rows, or one of `image`) -> scale -> colour -> turn -> encode
//! ```

mod animation;
mod blocks;
mod bounds;
mod colour;
mod decoded;
mod encode;
mod first_frame;
mod jpeg;
mod order;
mod planes;
mod png_colour;
mod scale;
mod source;
mod view;
mod webp;

use std::io::{BufRead, Seek};

use image::codecs::bmp::BmpDecoder;
use image::codecs::gif::GifDecoder;
use image::codecs::png::PngDecoder;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, Limits};

pub use order::{Fault, Order};

use super::burden::{allowed_bytes, copies};
use super::exif;
use super::kind::Kind;
use super::rows::{Rows, kept_bytes};
use animation::animation;
use bounds::{EXTRA_BYTES_MAX, check, check_burden, checked, fault_of, limits};
use decoded::Decoded;
use encode::encoded;
use order::IsLate;
use scale::scaled;
use source::Source;
use view::View;

/// Makes a thumbnail: same aspect, EXIF orientation applied, an animated GIF animated if a GIF is asked for. It gives up
/// soon after `is_late` says that the time is up.
///
/// # Errors
/// Fails as [`Fault`] says. Nothing is decoded of a picture that is too large.
pub fn thumbnail(picture: &[u8], order: &Order, is_late: IsLate<'_>) -> Result<Vec<u8>, Fault> {
    let kind = Kind::of(picture).ok_or(Fault::Corrupted)?;
    let made =
        if kind == Kind::Gif { gif(picture, order, is_late) } else { still(kind, picture, order, is_late) };
    made.map_err(|fault| if is_late() { Fault::TooSlow } else { fault })
}

fn gif(picture: &[u8], order: &Order, is_late: IsLate<'_>) -> Result<Vec<u8>, Fault> {
    // Frames may be larger than the whole, which has been found to be small enough.
    let fault = |error: ImageError| match fault_of(&error, order) {
        Fault::TooLarge { .. } => Fault::TooDense,
        fault => fault,
    };
    let frames = blocks::frames(picture).ok_or(Fault::Corrupted)?;
    let mut decoder = GifDecoder::new(Source::new(&frames.picture, is_late)).map_err(fault)?;
    // Each one is laid over the whole picture.
    check(decoder.dimensions(), frames.count, order)?;
    let is_animated = frames.count > 1 && order.kind == Kind::Gif;
    check_burden(Kind::Gif, picture, decoder.total_bytes(), copies(Kind::Gif, picture, is_animated))?;
    let mut limits = limits(order);
    limits.max_alloc = limits.max_alloc.map(|most| most.min(allowed_bytes(Kind::Gif, picture)));
    decoder.set_limits(limits).map_err(fault)?;
    if is_animated {
        return animation(decoder, frames.repeats, order, is_late).map_err(fault);
    }
    let (size, orientation) = (decoder.dimensions(), Orientation::NoTransforms);
    let weigh = |bytes| check_burden(Kind::Gif, picture, bytes, 1);
    let to = View::new(size, orientation, order).whole;
    let pixels = first_frame::decode(&frames.picture, to, is_late, weigh)?;
    finished(&Decoded { pixels, size, inks: decoded::Inks::Light, profile: None }, orientation, order)
}

fn still(kind: Kind, picture: &[u8], order: &Order, is_late: IsLate<'_>) -> Result<Vec<u8>, Fault> {
    let orientation = exif::orientation(kind, picture);
    let source = || Source::new(picture, is_late);
    let weigh = |size: u64| check_burden(kind, picture, size, copies(kind, picture, false));
    let to = |size| View::new(size, orientation, order).whole;
    let decoded = match kind {
        Kind::Jpeg => jpeg::decode(picture, to, order),
        Kind::Png => png(picture, orientation, order, is_late)
            .map(|decoded| Decoded { profile: png_colour::of_png(picture), ..decoded }),
        Kind::Bmp => whole(checked(BmpDecoder::new(source()), order, weigh)?, order),
        Kind::Webp => webp::decode(source(), to, order, weigh),
        Kind::Gif => unreachable!("it may be animated"),
    }?;
    finished(&decoded, orientation, order)
}

fn whole<D: ImageDecoder>(mut decoder: D, order: &Order) -> Result<Decoded, Fault> {
    let profile = decoder.icc_profile().ok().flatten().and_then(|bytes| colour::profile(&bytes));
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| fault_of(&error, order))?;
    Ok(Decoded { profile, ..Decoded::whole(picture) })
}

/// The chunk IEND (PNG, third edition, section 11.2.5), with its check.
const PNG_END: [u8; 12] = *b"\0\0\0\0IEND\xAE\x42\x60\x82";

/// Decodes a PNG. Where all pixels are there and only its end is missing, browsers show it, and the decoder does not.
fn png(
    picture: &[u8],
    orientation: Orientation,
    order: &Order,
    is_late: IsLate<'_>,
) -> Result<Decoded, Fault> {
    match ended_png(picture, orientation, order, is_late) {
        Err(Fault::Corrupted) if !picture.ends_with(&PNG_END) => {
            ended_png(&[picture, &PNG_END].concat(), orientation, order, is_late)
        }
        decoded => decoded,
    }
}

/// Decodes a PNG with its end, row by row if it is large enough to be reduced so.
fn ended_png(
    picture: &[u8],
    orientation: Orientation,
    order: &Order,
    is_late: IsLate<'_>,
) -> Result<Decoded, Fault> {
    let kept = kept_bytes(picture, order.pixels_max, EXTRA_BYTES_MAX);
    if let Some(reduced) = by_rows(Source::new(picture, is_late), kept, orientation, order)? {
        return Ok(reduced);
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(kept);
    let weigh = |size: u64| check_burden(Kind::Png, picture, size, copies(Kind::Png, picture, false));
    let decoder = PngDecoder::with_limits(Source::new(picture, is_late), limits);
    whole(checked(decoder, order, weigh)?, order)
}

/// Reduces a PNG as it is decoded; nothing if it is too small for that.
fn by_rows<R: BufRead + Seek>(
    source: R,
    kept_bytes: u64,
    orientation: Orientation,
    order: &Order,
) -> Result<Option<Decoded>, Fault> {
    let fault = |error| match error {
        png::DecodingError::LimitsExceeded => Fault::TooLarge { most: order.pixels_max },
        _ => Fault::Corrupted,
    };
    let rows = Rows::open(source, kept_bytes).map_err(fault)?;
    let size = rows.size();
    check(size, 1, order)?;
    let reduced = rows.reduced(View::new(size, orientation, order).whole).map_err(fault)?;
    Ok(reduced.map(|pixels| Decoded { pixels, size, inks: decoded::Inks::Light, profile: None }))
}

/// Scales, turns and encodes.
fn finished(decoded: &Decoded, orientation: Orientation, order: &Order) -> Result<Vec<u8>, Fault> {
    let made = || {
        // Scaling first makes the rest cheap.
        let small = scaled(decoded, &View::new(decoded.size, orientation, order))?;
        let mut small = colour::shown(small, decoded.inks, decoded.profile.as_ref());
        small.apply_orientation(orientation);
        encoded(&small, order.kind)
    };
    made().map_err(|error| fault_of(&error, order))
}

#[cfg(test)]
mod cut_tests;
#[cfg(test)]
mod tests;
