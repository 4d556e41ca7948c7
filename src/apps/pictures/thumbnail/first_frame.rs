//! The first frame of a GIF, by the numbers of its colours: a byte for each pixel, and colours for one row at a time.

use gif::{ColorOutput, DecodeOptions};

use crate::apps::pictures::reduce::{Reduced, of_rows};

use super::order::{Fault, IsLate};
use super::source::Source;

/// Red, green, blue and alpha by their number.
type Colours = [[u8; 4]; 256];

/// Decodes the first frame of a GIF that is nothing but frames, laid on nothing, and makes it smaller meanwhile, but at least as
/// large as a thumbnail of `to` needs it; `weigh` judges how many bytes it takes.
///
/// # Errors
/// Fails if the frame is cut or damaged, or with what `weigh` says.
pub fn decode(
    gif: &[u8],
    to: (u32, u32),
    is_late: IsLate<'_>,
    weigh: impl Fn(u64) -> Result<(), Fault>,
) -> Result<Reduced, Fault> {
    let damaged = |_| Fault::Corrupted;
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    let mut decoder = options.read_info(Source::new(gif, is_late)).map_err(damaged)?;
    let screen = (decoder.width(), decoder.height());
    let frame = decoder.next_frame_info().map_err(damaged)?.ok_or(Fault::Corrupted)?;
    let [left, top, width, height] = [frame.left, frame.top, frame.width, frame.height].map(usize::from);
    let transparent = frame.transparent;
    weigh(width as u64 * height as u64)?;
    let colours = colours(decoder.palette().map_err(damaged)?, transparent);
    let mut numbers = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut numbers).map_err(damaged)?;

    let covers = left + top == 0 && width >= usize::from(screen.0) && height >= usize::from(screen.1);
    let is_opaque = covers && is_opaque(&numbers, &colours);
    let row = |y: u32| {
        let from = (y as usize).checked_sub(top).filter(|y| *y < height)?;
        Some(&numbers[from * width..(from + 1) * width])
    };
    let size = (u32::from(screen.0), u32::from(screen.1));
    let reduced = if is_opaque {
        of_rows(size, to, 3, |y, out| {
            for (pixel, number) in out.as_chunks_mut::<3>().0.iter_mut().zip(row(y).unwrap_or_default()) {
                let [red, green, blue, _] = colours[usize::from(*number)];
                *pixel = [red, green, blue];
            }
        })
    } else {
        of_rows(size, to, 4, |y, out| {
            out.fill(0);
            let pixels = out.as_chunks_mut::<4>().0.iter_mut().skip(left);
            for (pixel, number) in pixels.zip(row(y).unwrap_or_default()) {
                *pixel = colours[usize::from(*number)];
            }
        })
    };
    reduced.ok_or(Fault::Corrupted)
}

/// Returns the colours of a palette. A number that it does not have is black, as in Chrome.
fn colours(palette: &[u8], transparent: Option<u8>) -> Colours {
    let mut colours = [[0, 0, 0, 255]; 256];
    for (colour, [red, green, blue]) in colours.iter_mut().zip(palette.as_chunks::<3>().0) {
        *colour = [*red, *green, *blue, 255];
    }
    if let Some(number) = transparent {
        colours[usize::from(number)][3] = 0;
    }
    colours
}

/// Returns whether no number is the transparent one.
fn is_opaque(numbers: &[u8], colours: &Colours) -> bool {
    let Some(&most) = numbers.iter().max() else { return true };
    (0..=most)
        .filter(|number| colours[usize::from(*number)][3] == 0)
        .all(|number| memchr::memchr(number, numbers).is_none())
}

#[cfg(test)]
mod tests {
    use image::codecs::gif::GifDecoder;
    use image::{DynamicImage, RgbaImage};

    use super::*;

    /// Returns a GIF of one frame of 9 x 7 whose numbers go up from 0, at a place on a screen.
    fn gif_of(screen: (u16, u16), place: (u16, u16), transparent: Option<u8>, interlaced: bool) -> Vec<u8> {
        let palette: Vec<u8> = (0..50_u8).flat_map(|number| [number * 5, 255 - number, number]).collect();
        let mut out = Vec::new();
        let mut encoder = gif::Encoder::new(&mut out, screen.0, screen.1, &palette).unwrap();
        let numbers: Vec<u8> = (0..63_u8).collect();
        let frame = gif::Frame {
            left: place.0,
            top: place.1,
            width: 9,
            height: 7,
            transparent,
            interlaced,
            buffer: numbers.into(),
            ..gif::Frame::default()
        };
        encoder.write_frame(&frame).unwrap();
        drop(encoder);
        out
    }

    /// Places on, over and behind the edges; numbers behind the palette's end; a frame in four passes.
    #[test]
    fn it_is_the_frame_that_the_other_decoder_makes() {
        for screen in [(9, 7), (12, 12), (5, 4), (9, 9)] {
            for place in [(0, 0), (2, 3), (8, 6), (20, 20)] {
                for transparent in [None, Some(3), Some(200)] {
                    for interlaced in [false, true] {
                        let gif = gif_of(screen, place, transparent, interlaced);
                        let decoder = GifDecoder::new(std::io::Cursor::new(&gif)).unwrap();
                        let expected = DynamicImage::from_decoder(decoder).unwrap().to_rgba8();
                        let found = decode(&gif, (9, 9), &|| false, |_| Ok(())).unwrap().picture.to_rgba8();
                        assert_eq!(seen(found), seen(expected), "{screen:?} {place:?} {transparent:?}");
                    }
                }
            }
        }
    }

    /// Returns the pixels, of which what is transparent has no colour.
    fn seen(mut picture: RgbaImage) -> RgbaImage {
        picture.pixels_mut().filter(|pixel| pixel.0[3] == 0).for_each(|pixel| pixel.0 = [0; 4]);
        picture
    }

    #[test]
    fn what_is_opaque_has_no_alpha() {
        let palette = [7; 3 * 256];
        let whole = |transparent| {
            let mut out = Vec::new();
            let mut encoder = gif::Encoder::new(&mut out, 4, 4, &palette).unwrap();
            let frame = gif::Frame {
                width: 4,
                height: 4,
                transparent,
                buffer: vec![1; 16].into(),
                ..gif::Frame::default()
            };
            encoder.write_frame(&frame).unwrap();
            drop(encoder);
            decode(&out, (4, 4), &|| false, |_| Ok(())).unwrap().picture.color().has_alpha()
        };
        assert_eq!([whole(None), whole(Some(2)), whole(Some(1))], [false, false, true]);
    }

    #[test]
    fn a_number_that_the_palette_does_not_have_is_black() {
        // Two colours, and the codes 8 (clear), 5 and 9 (end) of four bits.
        let gif = b"GIF89a\x01\0\x01\0\x80\0\0\xFF\xFF\xFF\xFF\0\0,\0\0\0\0\x01\0\x01\0\0\x03\x02\x58\x09\0;";
        let found = decode(gif, (1, 1), &|| false, |_| Ok(())).unwrap().picture;
        assert_eq!((found.color().has_alpha(), found.to_rgba8().into_raw()), (false, vec![0, 0, 0, 255]));
    }

    #[test]
    fn it_is_made_smaller_as_its_rows_are_made() {
        let palette: Vec<u8> = (0..=255_u8).flat_map(|number| [number; 3]).collect();
        let mut out = Vec::new();
        let mut encoder = gif::Encoder::new(&mut out, 400, 400, &palette).unwrap();
        let numbers: Vec<u8> = (0..400 * 400).map(|at: u32| (at / 400 / 2) as u8).collect();
        let frame = gif::Frame { width: 400, height: 400, buffer: numbers.into(), ..gif::Frame::default() };
        encoder.write_frame(&frame).unwrap();
        drop(encoder);
        let Reduced { picture, area } = decode(&out, (10, 10), &|| false, |_| Ok(())).unwrap();
        assert_eq!((picture.width(), picture.height(), area), (40, 40, (40.0, 40.0)));
        // Ten rows of five numbers, rounded.
        assert!(picture.to_rgb8().enumerate_pixels().all(|(_, y, pixel)| pixel.0 == [(5 * y + 2) as u8; 3]));
    }
}
