//! A film as GIF. A picture is written as the part that changes, with what stays transparent in it; one that unsets cells comes
//! after a picture that is taken away as a whole. So each is written once the next is known.

use std::io::{self, Write};

use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};

use super::super::canvas::raster::{Palette, Raster};
use super::reel::{Colour, Part, Reel};

/// Most colours of a picture, beside the one that leaves a pixel as it is.
const COLOURS_MAX: usize = 255;
/// Values of red, green and blue where a picture has more colours than that: 252 colours.
const VALUES: [usize; 3] = [6, 7, 6];

/// A GIF that is being written.
pub struct Gif<W: Write> {
    /// Nothing once the film has ended.
    encoder: Option<Encoder<W>>,
    width: u16,
    height: u16,
    fps: u32,
    /// Pictures that were taken.
    taken: u64,
    /// What is there when the next picture is shown.
    shown: Vec<Colour>,
    /// The picture that is not written yet, and how long it is shown, hundredths of a second.
    next: Option<(Vec<Colour>, u64)>,
    is_rounded: bool,
}

impl<W: Write> Gif<W> {
    /// Begins a film of pictures of a size, so many in a second; it is shown again and again.
    ///
    /// # Errors
    /// Returns the error of writing; `InvalidInput` for a side of more than 65,535 pixels.
    pub fn new(out: W, size: (u64, u64), fps: u32) -> io::Result<Self> {
        let side =
            |pixels: u64| u16::try_from(pixels).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let (width, height) = (side(size.0)?, side(size.1)?);
        let mut encoder = Encoder::new(out, width, height, &[]).map_err(failed)?;
        encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
        let shown = vec![[0; 4]; usize::from(width) * usize::from(height)];
        Ok(Self {
            encoder: Some(encoder),
            width,
            height,
            fps,
            taken: 0,
            shown,
            next: None,
            is_rounded: false,
        })
    }

    /// Returns when a picture is shown, hundredths of a second from the film's start.
    fn shown_at(&self, picture: u64) -> u64 {
        (picture * 100 + u64::from(self.fps) / 2) / u64::from(self.fps)
    }

    /// Writes a picture; `goes` says that nothing of it is there any more when the next is shown.
    fn write(&mut self, picture: Vec<Colour>, hundredths: u64, goes: bool) -> io::Result<()> {
        let width = usize::from(self.width);
        let whole = Part { x: 0, y: 0, width, height: usize::from(self.height) };
        let part = match Part::of_difference(&self.shown, &picture, width) {
            _ if goes => whole,
            Some(part) => part,
            None => Part { width: 1, height: 1, ..whole },
        };
        let pairs = || {
            let rows = part.rows(&self.shown, width).zip(part.rows(&picture, width));
            rows.flat_map(|(before, now)| before.iter().zip(now))
        };
        let changed: Vec<Colour> =
            pairs().filter(|(before, now)| before != now).map(|(_, now)| *now).collect();
        let palette = Palette::of(&changed).filter(|palette| palette.colours().len() <= COLOURS_MAX);
        let stays = palette.as_ref().map_or(COLOURS_MAX, |palette| palette.colours().len()) as u8;
        let index = |colour: Colour| {
            palette.as_ref().map_or_else(|| rounded(colour), |palette| palette.index(colour))
        };
        let indices: Vec<u8> =
            pairs().map(|(before, now)| if before == now { stays } else { index(*now) }).collect();
        let colours: Vec<u8> = match &palette {
            Some(palette) => {
                palette.colours().iter().chain([&[0; 4]]).flat_map(|colour| colour[..3].to_vec()).collect()
            }
            None => rounded_colours(),
        };
        self.is_rounded |= palette.is_none();
        let frame = Frame {
            delay: u16::try_from(hundredths).unwrap_or(u16::MAX),
            dispose: if goes { DisposalMethod::Background } else { DisposalMethod::Keep },
            transparent: Some(stays),
            left: part.x as u16,
            top: part.y as u16,
            width: part.width as u16,
            height: part.height as u16,
            palette: Some(colours),
            buffer: indices.into(),
            ..Frame::default()
        };
        if let Some(encoder) = &mut self.encoder {
            encoder.write_frame(&frame).map_err(failed)?;
        }
        self.shown = picture;
        if goes {
            self.shown.fill([0; 4]);
        }
        Ok(())
    }
}

impl<W: Write> Reel for Gif<W> {
    fn add(&mut self, picture: &Raster) -> io::Result<()> {
        let pixels = picture.pixels();
        let hundredths = self.shown_at(self.taken + 1) - self.shown_at(self.taken);
        self.taken += 1;
        match self.next.take() {
            Some((next, before)) if next == pixels && before + hundredths <= u64::from(u16::MAX) => {
                self.next = Some((next, before + hundredths));
            }
            next => {
                if let Some((next, hundredths)) = next {
                    let goes = next.iter().zip(&pixels).any(|(before, now)| before[3] > now[3]);
                    self.write(next, hundredths, goes)?;
                }
                self.next = Some((pixels, hundredths));
            }
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if let Some((next, hundredths)) = self.next.take() {
            self.write(next, hundredths, false)?;
        }
        self.encoder.take().map_or(Ok(()), |encoder| encoder.into_inner().map_err(failed)?.flush())
    }

    fn is_rounded(&self) -> bool {
        self.is_rounded
    }
}

/// Returns the nearest of the colours for pictures that have too many.
fn rounded(colour: Colour) -> u8 {
    let nearest = |channel: usize| {
        let steps = VALUES[channel] - 1;
        (usize::from(colour[channel]) * steps + 127) / 255
    };
    ((nearest(0) * VALUES[1] + nearest(1)) * VALUES[2] + nearest(2)) as u8
}

/// Returns these colours, each at its place.
fn rounded_colours() -> Vec<u8> {
    let value = |step: usize, channel: usize| (step * 255 / (VALUES[channel] - 1)) as u8;
    let steps = |of: usize| 0..VALUES[of];
    steps(0)
        .flat_map(|red| steps(1).flat_map(move |green| steps(2).map(move |blue| [red, green, blue])))
        .flat_map(|[red, green, blue]| [value(red, 0), value(green, 1), value(blue, 2)])
        .collect()
}

fn failed(error: EncodingError) -> io::Error {
    match error {
        EncodingError::Io(error) => error,
        error => io::Error::other(error),
    }
}
