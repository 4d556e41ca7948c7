//! From a picture to its thumbnail.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::bmp::{BmpDecoder, BmpEncoder};
use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::codecs::jpeg::{JpegDecoder, JpegEncoder};
use image::codecs::png::{PngDecoder, PngEncoder};
use image::codecs::webp::{WebPDecoder, WebPEncoder};
use image::metadata::{LoopCount, Orientation};
use image::{
    AnimationDecoder, DynamicImage, ExtendedColorType, Frame, ImageDecoder, ImageEncoder, ImageError, Limits,
    RgbaImage,
};

use super::burden::{allowed_bytes, copies};
use super::exif;
use super::kind::Kind;
use super::reduce::Reduced;
use super::rows::{Rows, kept_bytes};
use super::size::fit;
use super::strip::{Block, Blocks};

/// Why there is no thumbnail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no picture of a known kind, or a damaged one.
    #[error("Corrupted raw image, please try again")]
    Corrupted,
    /// It would have more pixels, over all of its frames, than are decoded.
    #[error("The picture has more pixels than the {most} that are decoded")]
    TooLarge {
        /// The bound.
        most: u64,
    },
    /// It would take more memory than its file is worth.
    #[error("The picture unpacks to more than is decoded of a file of its size")]
    TooDense,
    /// It took longer than it may.
    #[error("The picture took too long to decode")]
    TooSlow,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The kind of the thumbnail.
    pub kind: Kind,
    /// What it fits, pixels.
    pub width: u32,
    /// What it fits, pixels.
    pub height: u32,
    /// Pixels that may be decoded, summed over the frames.
    pub pixels_max: u64,
}

/// Says whether the time is up; asked again and again while a picture is decoded.
type IsLate<'a> = &'a dyn Fn() -> bool;

/// Bytes of a pixel in memory at most: 16 bits for each of four channels.
const PIXEL_BYTES_MAX: u64 = 8;
/// Memory that a decoder may use beside the pixels: tables, colour profiles.
const EXTRA_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Quality of a JPEG thumbnail, of 100.
const JPEG_QUALITY: u8 = 90;
/// How hard the colours of a GIF are looked for: 1 is best, 30 is fastest.
const GIF_SPEED: i32 = 10;

/// Makes a thumbnail: same aspect, EXIF orientation applied, an animated GIF animated if a GIF is asked for. It gives up
/// soon after `is_late` says that the time is up.
///
/// # Errors
/// See [`Fault`]. Nothing is decoded of a picture that is too large.
pub fn thumbnail(picture: &[u8], order: &Order, is_late: IsLate<'_>) -> Result<Vec<u8>, Fault> {
    let kind = Kind::of(picture).ok_or(Fault::Corrupted)?;
    let source = || Timed { inner: Cursor::new(picture), is_late };
    let judge = |error: ImageError| if is_late() { Fault::TooSlow } else { fault_of(&error, order) };
    if kind == Kind::Gif {
        return gif(picture, source(), order, is_late)
            .map_err(|fault| if is_late() { Fault::TooSlow } else { fault });
    }
    let weigh = |size: u64| check_burden(kind, picture, size, copies(kind, picture, false));
    let orientation = exif::orientation(kind, picture);
    match kind {
        Kind::Jpeg => still(checked(JpegDecoder::new(source()), order, weigh)?, orientation, order),
        Kind::Png => {
            let kept = kept_bytes(picture, order.pixels_max, EXTRA_BYTES_MAX);
            let timely = |fault| if is_late() { Fault::TooSlow } else { fault };
            if let Some(small) = by_rows(source(), kept, orientation, order).map_err(timely)? {
                return Ok(small);
            }
            let mut limits = Limits::default();
            limits.max_alloc = Some(kept);
            still(checked(PngDecoder::with_limits(source(), limits), order, weigh)?, orientation, order)
        }
        Kind::Bmp => still(checked(BmpDecoder::new(source()), order, weigh)?, orientation, order),
        Kind::Webp => still(checked(WebPDecoder::new(source()), order, weigh)?, orientation, order),
        Kind::Gif => unreachable!("taken above"),
    }
    .map_err(judge)
}

fn gif<R: BufRead + Seek>(
    picture: &[u8],
    source: R,
    order: &Order,
    is_late: IsLate<'_>,
) -> Result<Vec<u8>, Fault> {
    // Frames may be larger than the whole, which has been found to be small enough.
    let fault = |error: ImageError| match fault_of(&error, order) {
        Fault::TooLarge { .. } => Fault::TooDense,
        fault => fault,
    };
    let mut decoder = GifDecoder::new(source).map_err(fault)?;
    let frames = frames_of(picture);
    check(decoder.dimensions(), frames, order)?;
    let is_animated = frames > 1 && order.kind == Kind::Gif;
    check_burden(Kind::Gif, picture, decoder.total_bytes(), copies(Kind::Gif, picture, is_animated))?;
    let mut limits = limits(order);
    limits.max_alloc = limits.max_alloc.map(|most| most.min(allowed_bytes(Kind::Gif, picture)));
    decoder.set_limits(limits).map_err(fault)?;
    if is_animated {
        animation(decoder, order, is_late)
    } else {
        still(decoder, Orientation::NoTransforms, order)
    }
    .map_err(fault)
}

/// Whether so many copies of a picture's pixels may be in memory.
fn check_burden(kind: Kind, picture: &[u8], pixel_bytes: u64, copies: u64) -> Result<(), Fault> {
    let is_bearable = pixel_bytes.saturating_mul(copies) <= allowed_bytes(kind, picture);
    if is_bearable { Ok(()) } else { Err(Fault::TooDense) }
}

fn fault_of(error: &ImageError, order: &Order) -> Fault {
    match error {
        ImageError::Limits(_) => Fault::TooLarge { most: order.pixels_max },
        _ => Fault::Corrupted,
    }
}

fn limits(order: &Order) -> Limits {
    let mut limits = Limits::default();
    limits.max_alloc = Some(order.pixels_max.saturating_mul(PIXEL_BYTES_MAX).saturating_add(EXTRA_BYTES_MAX));
    limits
}

/// A decoder that has read the picture's size and no more, once that is found to be within the bounds.
fn checked<D: ImageDecoder>(
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

fn check((width, height): (u32, u32), frames: u64, order: &Order) -> Result<(), Fault> {
    let pixels = u64::from(width).saturating_mul(u64::from(height)).saturating_mul(frames.max(1));
    if pixels == 0 {
        return Err(Fault::Corrupted);
    }
    if pixels > order.pixels_max {
        return Err(Fault::TooLarge { most: order.pixels_max });
    }
    Ok(())
}

/// Frames of a GIF, counted without decoding any: each one is laid over the whole picture.
fn frames_of(picture: &[u8]) -> u64 {
    Blocks::new(picture).map_or(0, |blocks| blocks.filter(|block| *block == Block::Image).count() as u64)
}

/// The thumbnail of a PNG that is large enough to be reduced as it is decoded.
fn by_rows<R: BufRead + Seek>(
    source: R,
    kept_bytes: u64,
    orientation: Orientation,
    order: &Order,
) -> Result<Option<Vec<u8>>, Fault> {
    let fault = |error| match error {
        png::DecodingError::LimitsExceeded => Fault::TooLarge { most: order.pixels_max },
        _ => Fault::Corrupted,
    };
    let rows = Rows::open(source, kept_bytes).map_err(fault)?;
    let size = rows.size();
    check(size, 1, order)?;
    let reduced = rows.reduced(unturned_size(size, orientation, order)).map_err(fault)?;
    let small = reduced.map(|reduced| turned(&reduced, size, orientation, order)).transpose();
    small.map_err(|error| fault_of(&error, order))
}

fn still<D: ImageDecoder>(
    decoder: D,
    orientation: Orientation,
    order: &Order,
) -> Result<Vec<u8>, ImageError> {
    let size = decoder.dimensions();
    turned(&DynamicImage::from_decoder(decoder)?.into(), size, orientation, order)
}

/// The thumbnail of a picture that is `size` large and turned.
fn turned(
    picture: &Reduced,
    size: (u32, u32),
    orientation: Orientation,
    order: &Order,
) -> Result<Vec<u8>, ImageError> {
    // Scaling first makes the turn cheap.
    let mut small = scaled(picture, unturned_size(size, orientation, order))?;
    small.apply_orientation(orientation);
    encoded(&small, order.kind)
}

/// The size of the thumbnail before it is turned: the sides change places with a quarter turn.
fn unturned_size((width, height): (u32, u32), orientation: Orientation, order: &Order) -> (u32, u32) {
    let mut probe = DynamicImage::new_luma8(2, 1);
    probe.apply_orientation(orientation);
    if probe.width() == 1 {
        let (width, height) = fit(height, width, order.width, order.height);
        (height, width)
    } else {
        fit(width, height, order.width, order.height)
    }
}

fn animation<R: BufRead + Seek>(
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
        let small = scaled(&frame.into(), (width, height))?;
        encoder.encode_frame(Frame::from_parts(opaque_or_not(small.into_rgba8()), 0, 0, delay))?;
    }
    drop(encoder);
    Ok(out)
}

/// A pixel of a GIF is there or not: what scaling made half transparent goes to the nearer side.
fn opaque_or_not(mut picture: RgbaImage) -> RgbaImage {
    for pixel in picture.pixels_mut() {
        pixel.0 = if pixel.0[3] < 128 { [0; 4] } else { [pixel.0[0], pixel.0[1], pixel.0[2], 255] };
    }
    picture
}

/// Scales with Lanczos's filter over three lobes, colours weighted by their alpha. The result has 8 bits a channel.
fn scaled(from: &Reduced, (width, height): (u32, u32)) -> Result<DynamicImage, ImageError> {
    use image::ColorType::{L8, L16, La8, La16, Rgb8, Rgb16, Rgb32F};
    let picture = &from.picture;
    let failed = |_| ImageError::IoError(io::ErrorKind::InvalidData.into());
    let run = |bytes: &[u8], pixel: PixelType| {
        let large = ImageRef::new(picture.width(), picture.height(), bytes, pixel).map_err(failed)?;
        let mut to = Image::new(width, height, pixel);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
        let options = options.crop(0.0, 0.0, from.area.0, from.area.1);
        let resized = Resizer::new().resize(&large, &mut to, &options);
        resized.map_err(|_| ImageError::IoError(io::ErrorKind::InvalidData.into()))?;
        Ok::<_, ImageError>(to.into_vec())
    };
    let missing = || ImageError::IoError(io::ErrorKind::InvalidData.into());
    let (w, h) = (width, height);
    // What is in the right form already is not copied.
    let picture = match picture.color() {
        L8 | L16 => {
            image::GrayImage::from_raw(w, h, run(&bytes_of(picture, L8), PixelType::U8)?).map(Into::into)
        }
        La8 | La16 => image::GrayAlphaImage::from_raw(w, h, run(&bytes_of(picture, La8), PixelType::U8x2)?)
            .map(Into::into),
        Rgb8 | Rgb16 | Rgb32F => {
            image::RgbImage::from_raw(w, h, run(&bytes_of(picture, Rgb8), PixelType::U8x3)?).map(Into::into)
        }
        _ => {
            let bytes = bytes_of(picture, image::ColorType::Rgba8);
            RgbaImage::from_raw(w, h, run(&bytes, PixelType::U8x4)?).map(Into::into)
        }
    };
    picture.ok_or_else(missing)
}

/// The pixels in one of the forms with 8 bits a channel; copied only if they are in another one.
fn bytes_of(picture: &DynamicImage, form: image::ColorType) -> std::borrow::Cow<'_, [u8]> {
    use image::ColorType::{L8, La8, Rgb8};
    if picture.color() == form {
        return picture.as_bytes().into();
    }
    match form {
        L8 => picture.to_luma8().into_raw().into(),
        La8 => picture.to_luma_alpha8().into_raw().into(),
        Rgb8 => picture.to_rgb8().into_raw().into(),
        _ => picture.to_rgba8().into_raw().into(),
    }
}

fn encoded(picture: &DynamicImage, kind: Kind) -> Result<Vec<u8>, ImageError> {
    let mut out = Vec::new();
    let (width, height) = (picture.width(), picture.height());
    match kind {
        Kind::Jpeg => {
            // JPEG has no alpha: what is transparent is shown on white.
            let flat =
                if picture.color().has_alpha() { on_white(&picture.to_rgba8()) } else { picture.to_rgb8() };
            let encoder = JpegEncoder::new_with_quality(&mut out, JPEG_QUALITY);
            encoder.write_image(&flat, width, height, ExtendedColorType::Rgb8)?;
        }
        Kind::Gif => {
            let frame = Frame::new(opaque_or_not(picture.to_rgba8()));
            GifEncoder::new_with_speed(&mut out, GIF_SPEED).encode_frame(frame)?;
        }
        Kind::Png => picture.write_with_encoder(PngEncoder::new(&mut out))?,
        Kind::Webp => {
            let (rgba, color) = (picture.to_rgba8(), ExtendedColorType::Rgba8);
            WebPEncoder::new_lossless(&mut out).write_image(&rgba, width, height, color)?;
        }
        Kind::Bmp => {
            BmpEncoder::new(&mut out).write_image(
                &picture.to_rgb8(),
                width,
                height,
                ExtendedColorType::Rgb8,
            )?;
        }
    }
    Ok(out)
}

fn on_white(picture: &RgbaImage) -> image::RgbImage {
    image::RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, a] = picture.get_pixel(x, y).0.map(u32::from);
        let over = |channel: u32| ((channel * a + 255 * (255 - a) + 127) / 255) as u8;
        image::Rgb([over(r), over(g), over(b)])
    })
}

/// A picture's bytes, which end with an error once the time is up: a decoder that goes on reading goes on no longer.
struct Timed<'a> {
    inner: Cursor<&'a [u8]>,
    is_late: IsLate<'a>,
}

impl Timed<'_> {
    fn in_time(&self) -> io::Result<()> {
        if (self.is_late)() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

/// Bytes that a decoder is given at once, so that it comes back for more.
const READ_BYTES: usize = 64 * 1024;

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.in_time()?;
        let length = buffer.len().min(READ_BYTES);
        self.inner.read(&mut buffer[..length])
    }
}

impl BufRead for Timed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.in_time()?;
        let rest = self.inner.fill_buf()?;
        Ok(&rest[..rest.len().min(READ_BYTES)])
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl Seek for Timed<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

#[cfg(test)]
#[path = "thumbnail_tests.rs"]
mod tests;
