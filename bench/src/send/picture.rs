//! A decoded picture as a numbered list of samples.

use std::path::Path;

use image::{ImageReader, RgbImage};

use super::error::SendError;

/// Letters of the channels in the order in which they are sent.
pub const CHANNELS: [char; 3] = ['R', 'G', 'B'];

/// Eight bits of red, green and blue for each pixel, row by row, and where its first one stands on the canvas. Transparency is not
/// sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    rgb: RgbImage,
    at: (i32, i32),
}

/// One value of one channel of one pixel: what a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Column of the canvas, from the left.
    pub x: i32,
    /// Row, from the top.
    pub y: i32,
    /// One of [`CHANNELS`].
    pub channel: char,
    /// Brightness.
    pub value: u8,
}

impl Picture {
    /// Decodes a PNG or JPEG file, which is recognised by its content.
    ///
    /// # Errors
    /// Returns [`SendError::Picture`] if it cannot be read, is no picture, or is empty.
    pub fn open(path: &Path) -> Result<Self, SendError> {
        let wrong = |reason: String| SendError::Picture { path: path.to_owned(), reason };
        let reader = ImageReader::open(path).map_err(|error| wrong(error.to_string()))?;
        let reader = reader.with_guessed_format().map_err(|error| wrong(error.to_string()))?;
        if reader.format().is_none() {
            return Err(wrong("it does not begin as a picture does".into()));
        }
        let rgb = reader.decode().map_err(|error| wrong(error.to_string()))?.into_rgb8();
        Ok(Self { rgb, at: (0, 0) })
    }

    /// Returns a picture from its bytes; `rgb` holds whole rows.
    ///
    /// # Panics
    /// Panics if it does not.
    #[must_use]
    pub fn from_rgb(width: u32, rgb: Vec<u8>) -> Self {
        let row_bytes = width as usize * CHANNELS.len();
        assert!(width > 0 && rgb.len().is_multiple_of(row_bytes), "whole rows");
        let height = u32::try_from(rgb.len() / row_bytes).expect("rows are counted in 32 bits");
        Self { rgb: RgbImage::from_raw(width, height, rgb).expect("as many bytes"), at: (0, 0) }
    }

    /// Returns the same picture with its upper left pixel at this place of the canvas.
    ///
    /// # Errors
    /// Returns [`SendError::Place`] if it would reach beyond the last column or row, 2,147,483,647.
    pub fn placed(self, (x, y): (i32, i32)) -> Result<Self, SendError> {
        let (width, height) = self.rgb.dimensions();
        let fits = |start: i32, length: u32| start.checked_add_unsigned(length - 1).is_some();
        if fits(x, width) && fits(y, height) {
            Ok(Self { at: (x, y), ..self })
        } else {
            Err(SendError::Place { x, y, width, height })
        }
    }

    /// Returns its pixels.
    #[must_use]
    pub fn rgb(&self) -> &RgbImage {
        &self.rgb
    }

    /// Returns the place of its upper left pixel.
    #[must_use]
    pub fn at(&self) -> (i32, i32) {
        self.at
    }

    /// Returns its width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.rgb.width()
    }

    /// Returns its height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.rgb.height()
    }

    /// Returns the number of samples, three for each pixel.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.rgb.len() as u64
    }

    /// Returns the sample with this number: row by row, in a row pixel by pixel, in a pixel by [`CHANNELS`].
    #[must_use]
    pub fn sample(&self, number: u64) -> Sample {
        let at = usize::try_from(number).expect("a sample of a picture in memory");
        let (pixel, channel) = (number / CHANNELS.len() as u64, at % CHANNELS.len());
        let width = u64::from(self.width());
        let place = |start: i32, offset: u64| {
            let offset = u32::try_from(offset).expect("less than width or height");
            start.checked_add_unsigned(offset).expect("it was placed where it fits")
        };
        let (x, y) = (place(self.at.0, pixel % width), place(self.at.1, pixel / width));
        Sample { x, y, channel: CHANNELS[channel], value: self.rgb.as_raw()[at] }
    }

    /// Returns the number of the sample at a place of the canvas, if that lies in the picture.
    #[must_use]
    pub fn number(&self, x: i32, y: i32, channel: char) -> Option<usize> {
        let channel = CHANNELS.iter().position(|letter| *letter == channel)?;
        let offset = |at: i32, start: i32, length: u32| {
            (at >= start).then(|| at.abs_diff(start)).filter(|offset| *offset < length)
        };
        let x = offset(x, self.at.0, self.width())?;
        let y = offset(y, self.at.1, self.height())?;
        Some((y as usize * self.width() as usize + x as usize) * CHANNELS.len() + channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_numbered_row_by_row_and_found_again() {
        let picture = Picture::from_rgb(2, (0..12).collect());
        assert_eq!((picture.width(), picture.height(), picture.samples()), (2, 2, 12));
        assert_eq!(picture.sample(0), Sample { x: 0, y: 0, channel: 'R', value: 0 });
        assert_eq!(picture.sample(10), Sample { x: 1, y: 1, channel: 'G', value: 10 });
        for number in 0..12 {
            let Sample { x, y, channel, .. } = picture.sample(number);
            assert_eq!(picture.number(x, y, channel), Some(usize::try_from(number).unwrap()));
        }
        for (x, y, channel) in [(2, 0, 'R'), (0, 2, 'R'), (-1, 0, 'R'), (0, -1, 'R'), (0, 0, 'X')] {
            assert_eq!(picture.number(x, y, channel), None);
        }
    }

    #[test]
    fn a_picture_may_stand_anywhere_on_the_canvas_that_it_fits_on() {
        let picture = || Picture::from_rgb(2, (0..12).collect());
        let corner = (i32::MAX - 1, i32::MAX - 1);
        for (x, y) in [(-5, 7), (i32::MIN, i32::MIN), corner] {
            let placed = picture().placed((x, y)).expect("it fits");
            assert_eq!(placed.sample(10), Sample { x: x + 1, y: y + 1, channel: 'G', value: 10 });
            assert_eq!(placed.number(x + 1, y + 1, 'G'), Some(10));
            assert_eq!(placed.number(x.wrapping_sub(1), y, 'G'), None);
        }
        let error = picture().placed((i32::MAX, 0)).expect_err("its second column").to_string();
        assert!(error.starts_with("a picture of 2 x 2 does not fit at 2147483647,0"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_picture_is_named() {
        let error = Picture::open(Path::new("Cargo.toml")).expect_err("no picture").to_string();
        assert!(error.starts_with("Cargo.toml cannot be sent: "), "{error}");
    }
}
