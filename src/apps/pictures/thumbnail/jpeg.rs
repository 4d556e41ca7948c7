//! JPEG pictures, scaled down while they are decoded. Decision 0018 says why by these decoders.
//!
//! ```text
//! chroma sampled above luma  -> planes as they are coded, put together here
//! everything else            -> libjpeg-turbo-rs, and what that refuses -> jpeg-decoder
//! ```
//!
//! What is missing or damaged is grey, as in browsers; what none of them decodes right is [`Fault::Unsupported`].

use image::{DynamicImage, GrayImage, RgbImage, RgbaImage};
use libjpeg_turbo_rs::{
    ColorSpace, DecodeLimits, DecodeWarning, Decoder, FrameHeader, Image, JpegError, PixelFormat,
    ScalingFactor,
};

use crate::apps::pictures::kind::Kind;
use crate::apps::pictures::reduce::Reduced;

use super::bounds::{check, check_burden};
use super::colour;
use super::decoded::{Decoded, Inks};
use super::order::{Fault, Order};
use super::planes;

/// How many times as large as the thumbnail a scaled picture is at least, in each direction: its pixels are averages of
/// squares, and the filter that comes after them needs some more than it gives.
const SPARE: u32 = 2;

/// EOI (ITU T.81, table B.1).
const END: [u8; 2] = [0xFF, 0xD9];

/// Decodes a JPEG of which a thumbnail is wanted that is as large as `to` says for the picture's size.
///
/// # Errors
/// Fails as [`Fault`] says.
pub fn decode(
    picture: &[u8],
    to: impl Fn((u32, u32)) -> (u32, u32),
    order: &Order,
) -> Result<Decoded, Fault> {
    match decode_as_it_is(picture, &to, order) {
        // The decoders want an end marker behind a picture of several scans; a cut one has none.
        Err(Fault::Corrupted) if !picture.ends_with(&END) => decode_as_it_is(&ended(picture), &to, order),
        decoded => decoded,
    }
}

fn decode_as_it_is(
    picture: &[u8],
    to: &impl Fn((u32, u32)) -> (u32, u32),
    order: &Order,
) -> Result<Decoded, Fault> {
    let limits = DecodeLimits { max_pixels: order.pixels_max, ..DecodeLimits::default() };
    if !is_of_known_form(picture) {
        return Err(Fault::Unsupported);
    }
    let mut decoder = Decoder::new_with_limits(picture, limits).map_err(|error| fault_of(&error, order))?;
    let frame = decoder.header();
    let size = (u32::from(frame.width), u32::from(frame.height));
    check(size, 1, order)?;
    let profile = decoder.icc_profile().ok().flatten().and_then(|bytes| colour::profile(&bytes));
    if planes::are_needed(frame) {
        weigh(picture, &decoder, 8)?;
        let is_in_parts = decoder.has_multiple_scans() && !frame.is_progressive;
        let whole = |picture| Decoded { profile, ..Decoded::whole(picture) };
        return planes::decode(decoder).map(whole).map_err(|error| match fault_of(&error, order) {
            // Damaged, or with scans of two of three components: the decoder does not tell one from the other.
            Fault::Corrupted if is_in_parts => Fault::Unsupported,
            fault => fault,
        });
    }
    // Refused without a word of why by either decoder, for some sizes only; a cut one is tried once more with its end.
    let is_beyond_them = is_uneven(frame) && picture.ends_with(&END);
    let eighths = eighths_for(size, to(size));
    weigh(picture, &decoder, eighths)?;
    decoder.set_scale(ScalingFactor::try_new(1, 8 / eighths).unwrap_or_default());
    decoder.set_lenient(true);
    decoder.set_block_smoothing(true);
    if decoder.jpeg_color_space() == ColorSpace::Ycck {
        decoder.set_output_format(PixelFormat::Cmyk);
    }
    match decoder.decode_image() {
        Ok(image) if is_whole(&image) => {
            let decoded = scaled(image, size, eighths).ok_or(Fault::Unsupported)?;
            Ok(Decoded { profile, ..decoded })
        }
        Ok(_) => Err(Fault::Unsupported),
        Err(JpegError::UnexpectedEof) => Err(Fault::Corrupted),
        Err(_) => match second_opinion(picture, order) {
            Err(Fault::Corrupted) if is_beyond_them => Err(Fault::Unsupported),
            outcome => outcome.map(|decoded| Decoded { profile, ..decoded }),
        },
    }
}

/// Says that samples of a component stand for no whole number of those of another one, such as two for three.
fn is_uneven(frame: &FrameHeader) -> bool {
    let samplings = || frame.components.iter().map(|one| (one.horizontal_sampling, one.vertical_sampling));
    let most = samplings().fold((1, 1), |most, one| (most.0.max(one.0), most.1.max(one.1)));
    !samplings().all(|one| most.0.is_multiple_of(one.0) && most.1.is_multiple_of(one.1))
}

/// Returns a cut picture with an end marker, without the segment that the cut went through, if it went through one.
fn ended(picture: &[u8]) -> Vec<u8> {
    let last = memchr::memrchr_iter(0xFF, picture)
        // Not a coded 0xFF, a byte that fills, or a marker without a segment.
        .find(|&at| !matches!(picture.get(at + 1), Some(0x00 | 0x01 | 0xD0..=0xD9 | 0xFF)));
    let is_cut = |at: &usize| {
        let length = picture.get(at + 2..).and_then(|rest| rest.first_chunk());
        length.is_none_or(|length| picture.len() < at + 2 + usize::from(u16::from_be_bytes(*length)))
    };
    let whole = last.filter(is_cut).unwrap_or(picture.len());
    [&picture[..whole], &END].concat()
}

/// Says that the frame is sequential, progressive or lossless, of samples of 8 or 12 bits (ITU T.81, table B.1): others
/// may be whole, but nobody decodes them. So does a picture without a frame.
fn is_of_known_form(picture: &[u8]) -> bool {
    let frame = || {
        let mut at = 2;
        loop {
            at += memchr::memchr(0xFF, picture.get(at..)?)?;
            match *picture.get(at + 1)? {
                0xFF => at += 1,
                0x00 | 0x01 | 0xD0..=0xD8 => at += 2,
                // Not Huffman's tables (C4), an extension (C8) or those of arithmetic coding (CC). F7 is JPEG-LS.
                marker @ (0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF | 0xF7) => {
                    return Some((marker, *picture.get(at + 4)?));
                }
                _ => at += 2 + usize::from(u16::from_be_bytes(*picture.get(at + 2..)?.first_chunk()?)),
            }
        }
    };
    frame().is_none_or(|(marker, bits)| matches!(marker, 0xC0..=0xC3 | 0xC9..=0xCB) && matches!(bits, 8 | 12))
}

/// Returns the size of the smallest scaled picture that is large enough, in eighths of the whole one.
fn eighths_for(size: (u32, u32), to: (u32, u32)) -> u32 {
    let suffices = |eighths: &u32| {
        let is_enough =
            |side: u32, to: u32| u64::from(side) * u64::from(*eighths) >= 8 * u64::from(SPARE * to);
        is_enough(size.0, to.0) && is_enough(size.1, to.1)
    };
    [1, 2, 4].into_iter().find(suffices).unwrap_or(8)
}

/// Judges what decoding takes in memory: planes and pixels of the scaled size; all coefficients, of two bytes, if they
/// have to be kept from scan to scan. The whole picture's values count even if few of them are made, since a small file
/// that says it has many would take time for nothing.
fn weigh(picture: &[u8], decoder: &Decoder<'_>, eighths: u32) -> Result<(), Fault> {
    let frame = decoder.header();
    let values = frame.width() as u64 * frame.height() as u64 * frame.components.len() as u64;
    let scaled = values * u64::from(eighths * eighths) / 64;
    let kept = if decoder.has_multiple_scans() { 2 * values } else { 0 };
    check_burden(Kind::Jpeg, picture, values.max(2 * scaled + kept), 1)
}

/// Says that nothing was made up for want of a way to decode it.
fn is_whole(image: &Image) -> bool {
    !image.warnings.iter().any(|warning| matches!(warning, DecodeWarning::UnsupportedRecovered { .. }))
}

fn scaled(image: Image, size: (u32, u32), eighths: u32) -> Option<Decoded> {
    let area = |side: u32| f64::from(side * eighths) / 8.0;
    let (width, height) = (u32::try_from(image.width).ok()?, u32::try_from(image.height).ok()?);
    let (picture, inks) = arranged(width, height, image.pixel_format, image.data)?;
    Some(Decoded {
        pixels: Reduced { picture, area: (area(size.0), area(size.1)) },
        size,
        inks,
        profile: None,
    })
}

fn arranged(width: u32, height: u32, form: PixelFormat, data: Vec<u8>) -> Option<(DynamicImage, Inks)> {
    match form {
        PixelFormat::Grayscale => Some((GrayImage::from_raw(width, height, data)?.into(), Inks::Light)),
        PixelFormat::Rgb => Some((RgbImage::from_raw(width, height, data)?.into(), Inks::Light)),
        PixelFormat::Cmyk => Some((RgbaImage::from_raw(width, height, data)?.into(), Inks::Cmyk)),
        _ => None,
    }
}

/// Decodes what the first decoder does not: sequential pictures with scans of two of three components.
fn second_opinion(picture: &[u8], order: &Order) -> Result<Decoded, Fault> {
    use jpeg_decoder::{Decoder, Error, PixelFormat as Form};
    let fault = |error: Error| match error {
        Error::Unsupported(_) => Fault::Unsupported,
        _ => Fault::Corrupted,
    };
    let mut decoder = Decoder::new(picture);
    decoder.read_info().map_err(fault)?;
    let info = decoder.info().ok_or(Fault::Corrupted)?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    check((width, height), 1, order)?;
    let values = u64::from(width) * u64::from(height) * info.pixel_format.pixel_bytes() as u64;
    // Coefficients of two bytes, planes, pixels.
    check_burden(Kind::Jpeg, picture, values, 4)?;
    let data = decoder.decode().map_err(fault)?;
    let form = match info.pixel_format {
        Form::L8 => PixelFormat::Grayscale,
        Form::RGB24 => PixelFormat::Rgb,
        Form::CMYK32 => PixelFormat::Cmyk,
        Form::L16 => return Err(Fault::Unsupported),
    };
    let (picture, inks) = arranged(width, height, form, data).ok_or(Fault::Corrupted)?;
    Ok(Decoded { pixels: picture.into(), size: (width, height), inks, profile: None })
}

fn fault_of(error: &JpegError, order: &Order) -> Fault {
    match error {
        JpegError::LimitExceeded { what, .. } if what.contains("pixel") => {
            Fault::TooLarge { most: order.pixels_max }
        }
        JpegError::LimitExceeded { .. } | JpegError::AllocationFailed { .. } => Fault::TooDense,
        JpegError::Unsupported(_) => Fault::Unsupported,
        _ => Fault::Corrupted,
    }
}

#[cfg(test)]
#[path = "jpeg_tests.rs"]
mod tests;
