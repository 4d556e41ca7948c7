//! A film as an animated PNG. A picture is written as the part that changes, which takes the place of what was there.

use std::io::{self, Write};

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter, Writer};

use super::super::canvas::raster::Raster;
use super::reel::{Colour, Part, Reel};

/// An animated PNG that is being written.
pub struct Apng<W: Write> {
    writer: Option<Writer<W>>,
    width: usize,
    /// The last picture; nothing before the first.
    shown: Option<Vec<Colour>>,
}

impl<W: Write> Apng<W> {
    /// Begins a film of so many pictures of a size, so many in a second; it is shown again and again.
    ///
    /// # Errors
    /// Returns the error of writing; `InvalidInput` for more pictures, or larger ones, than the format has numbers for.
    pub fn new(out: W, size: (u64, u64), fps: u32, pictures: u64) -> io::Result<Self> {
        let number =
            |number: u64| u32::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let mut encoder = Encoder::new(out, number(size.0)?, number(size.1)?);
        encoder.set_color(ColorType::Rgba);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(Compression::Fast);
        encoder.set_filter(Filter::Up);
        encoder.set_animated(number(pictures)?, 0).map_err(failed)?;
        encoder.set_frame_delay(1, u16::try_from(fps).unwrap_or(u16::MAX)).map_err(failed)?;
        let writer = encoder.write_header().map_err(failed)?;
        Ok(Self { writer: Some(writer), width: size.0 as usize, shown: None })
    }
}

impl<W: Write> Reel for Apng<W> {
    fn add(&mut self, picture: &Raster) -> io::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let (pixels, width) = (picture.pixels(), self.width);
        let whole = Part { x: 0, y: 0, width, height: pixels.len() / width };
        let part = match &self.shown {
            None => whole,
            // A picture that is the same takes its time all the same.
            Some(shown) => {
                Part::of_difference(shown, &pixels, width).unwrap_or(Part { width: 1, height: 1, ..whole })
            }
        };
        let number = |pixels: usize| u32::try_from(pixels).expect("within a picture");
        writer.reset_frame_position().map_err(failed)?;
        writer.set_frame_dimension(number(part.width), number(part.height)).map_err(failed)?;
        writer.set_frame_position(number(part.x), number(part.y)).map_err(failed)?;
        let rows: Vec<Colour> = part.rows(&pixels, width).flatten().copied().collect();
        writer.write_image_data(rows.as_flattened()).map_err(failed)?;
        self.shown = Some(pixels);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.take().map_or(Ok(()), |writer| writer.finish().map_err(failed))
    }
}

fn failed(error: EncodingError) -> io::Error {
    match error {
        EncodingError::IoError(error) => error,
        error => io::Error::other(error),
    }
}
