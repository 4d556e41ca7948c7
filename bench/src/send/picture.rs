//! A decoded picture as a numbered list of samples.

use std::path::Path;

use image::ImageReader;

use super::error::SendError;

/// Letters of the channels in the order in which they are sent.
pub const CHANNELS: [char; 3] = ['R', 'G', 'B'];

/// Eight bits of red, green and blue for each pixel, row by row. Transparency is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    rgb: Vec<u8>,
}

/// One value of one channel of one pixel: what a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Column, from the left.
    pub x: u32,
    /// Row, from the top.
    pub y: u32,
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
        let decoded = reader.decode().map_err(|error| wrong(error.to_string()))?.into_rgb8();
        Ok(Self::from_rgb(decoded.width(), decoded.into_raw()))
    }

    /// Returns a picture from its bytes; `rgb` holds whole rows.
    #[must_use]
    pub fn from_rgb(width: u32, rgb: Vec<u8>) -> Self {
        assert!(width > 0 && rgb.len().is_multiple_of(width as usize * CHANNELS.len()), "whole rows");
        Self { width, rgb }
    }

    /// Returns its width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Returns its height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        u32::try_from(self.rgb.len() / CHANNELS.len() / self.width as usize)
            .expect("a decoder counts rows in 32 bits")
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
        let place = |number: u64| u32::try_from(number).expect("less than width or height");
        let (x, y) = (place(pixel % u64::from(self.width)), place(pixel / u64::from(self.width)));
        Sample { x, y, channel: CHANNELS[channel], value: self.rgb[at] }
    }

    /// Returns the number of the sample at a place, if that lies in the picture.
    #[must_use]
    pub fn number(&self, x: i32, y: i32, channel: char) -> Option<usize> {
        let channel = CHANNELS.iter().position(|letter| *letter == channel)?;
        let x = u32::try_from(x).ok().filter(|x| *x < self.width)?;
        let y = u32::try_from(y).ok().filter(|y| *y < self.height())?;
        Some((y as usize * self.width as usize + x as usize) * CHANNELS.len() + channel)
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
            let found = picture.number(i32::try_from(x).unwrap(), i32::try_from(y).unwrap(), channel);
            assert_eq!(found, Some(usize::try_from(number).unwrap()));
        }
        for (x, y, channel) in [(2, 0, 'R'), (0, 2, 'R'), (-1, 0, 'R'), (0, -1, 'R'), (0, 0, 'X')] {
            assert_eq!(picture.number(x, y, channel), None);
        }
    }

    #[test]
    fn a_file_that_is_no_picture_is_named() {
        let error = Picture::open(Path::new("Cargo.toml")).expect_err("no picture").to_string();
        assert!(error.starts_with("Cargo.toml cannot be sent: "), "{error}");
    }
}
