//! A pixel as the service knows it; its bytes are those of [`crate::log::format::record`].

use super::raw;
use crate::apps::pixel::tag::{PIXEL_B, PIXEL_G, PIXEL_R};
use crate::base::tag::SHORT_RECORD_BYTES;

/// The bytes of one pixel's record: tag, value, x and y (i32, little endian).
pub type Record = [u8; SHORT_RECORD_BYTES];

/// Which of a pixel's three colours a write sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Channel {
    /// Red.
    R = PIXEL_R,
    /// Green.
    G = PIXEL_G,
    /// Blue.
    B = PIXEL_B,
}

impl Channel {
    /// Returns the channel of a letter, upper case only.
    #[inline]
    #[must_use]
    pub fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'R' => Some(Self::R),
            b'G' => Some(Self::G),
            b'B' => Some(Self::B),
            _ => None,
        }
    }

    /// Returns the channel of a record's tag.
    #[inline]
    fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            PIXEL_R => Some(Self::R),
            PIXEL_G => Some(Self::G),
            PIXEL_B => Some(Self::B),
            _ => None,
        }
    }

    /// Returns the letter used in JSON and CSV.
    #[inline]
    #[must_use]
    pub fn letter(self) -> u8 {
        match self {
            Self::R => b'R',
            Self::G => b'G',
            Self::B => b'B',
        }
    }
}

/// One write of one channel at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixel {
    /// Column.
    pub x: i32,
    /// Row.
    pub y: i32,
    /// Colour.
    pub channel: Channel,
    /// Intensity.
    pub value: u8,
}

impl Pixel {
    /// Returns the pixel as the log keeps it.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> Record {
        let Self { x, y, channel, value } = *self;
        raw::Pixel { tag: channel as u8, value, x, y }.encode()
    }

    /// Returns the pixel of a record; nothing if it is no pixel's.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let raw::Pixel { tag, value, x, y } = raw::Pixel::decode(bytes)?;
        Some(Self { x, y, channel: Channel::from_tag(tag)?, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_tag_value_x_y() {
        let pixel = Pixel { x: 1, y: -2, channel: Channel::G, value: 200 };
        assert_eq!(pixel.encode(), [0x12, 200, 1, 0, 0, 0, 0xFE, 0xFF, 0xFF, 0xFF]);
        assert_eq!(Pixel::decode(&pixel.encode()), Some(pixel));
        assert_eq!(Pixel::decode(&[0x1F; 10]), None);
    }
}
