//! A pixel as bytes.

use std::fmt;

use super::tag::{PIXEL_G, PIXEL_R};
use crate::base::tag::{self, SHORT_RECORD_BYTES};

/// A pixel as it stands in the journal and in `application/vnd.pixeld` bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixel {
    /// Channel: one of the three tags of pixels.
    pub tag: u8,
    /// 0 to 255.
    pub value: u8,
    /// Column.
    pub x: i32,
    /// Row.
    pub y: i32,
}

impl Pixel {
    /// Returns its ten bytes.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> [u8; SHORT_RECORD_BYTES] {
        debug_assert!(tag::is_short(self.tag));
        let mut bytes = [0; SHORT_RECORD_BYTES];
        bytes[0] = self.tag;
        bytes[1] = self.value;
        bytes[2..6].copy_from_slice(&self.x.to_le_bytes());
        bytes[6..10].copy_from_slice(&self.y.to_le_bytes());
        bytes
    }

    /// Reads a record; nothing if it is no pixel's.
    #[inline]
    #[must_use]
    pub fn decode(record: &[u8]) -> Option<Self> {
        let bytes: &[u8; SHORT_RECORD_BYTES] = record.try_into().ok()?;
        tag::is_short(bytes[0]).then(|| Self {
            tag: bytes[0],
            value: bytes[1],
            x: i32::from_le_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]),
            y: i32::from_le_bytes([bytes[6], bytes[7], bytes[8], bytes[9]]),
        })
    }
}

impl fmt::Display for Pixel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, value, x, y } = self;
        let channel = match *tag {
            PIXEL_R => 'R',
            PIXEL_G => 'G',
            _ => 'B',
        };
        write!(f, "pixel x={x} y={y} channel={channel} value={value}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_words_of_a_pixel() {
        let pixel = Pixel { tag: PIXEL_G, value: 200, x: -2, y: 0x0102_0304 };
        let bytes = [0x12, 200, 0xFE, 0xFF, 0xFF, 0xFF, 4, 3, 2, 1];
        assert_eq!((pixel.encode(), Pixel::decode(&bytes)), (bytes, Some(pixel)));
        assert_eq!(Pixel::decode(&[0x1F, 0, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(pixel.to_string(), "pixel x=-2 y=16909060 channel=G value=200");
    }
}
