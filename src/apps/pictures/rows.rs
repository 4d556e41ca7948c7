//! PNG pictures that are decoded row by row, so that no more than a row of them is in memory at once.

use std::io::{BufRead, Seek};

use png::{Decoder, DecodingError, Limits, Reader, Transformations};

use super::reduce::{Reduced, Reducer};

/// Bytes of a pixel at most: 16 bits for each of four channels.
const PIXEL_BYTES_MAX: u64 = 8;
/// Rows that the decoder keeps at once, with some to spare.
const ROWS_KEPT: u64 = 4;

/// A PNG of which the beginning was read.
pub struct Rows<R: BufRead + Seek> {
    reader: Reader<R>,
}

/// Returns bytes that a PNG decoder may keep beside the picture itself: rows of the width that the picture's beginning tells,
/// and `extra`. What is compressed beside the pixels, a colour profile for instance, comes out of that.
#[must_use]
pub fn kept_bytes(picture: &[u8], pixels_max: u64, extra: u64) -> u64 {
    let width = picture
        .get(16..20)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u32::from_be_bytes(*bytes));
    u64::from(width).min(pixels_max).saturating_mul(PIXEL_BYTES_MAX * ROWS_KEPT).saturating_add(extra)
}

impl<R: BufRead + Seek> Rows<R> {
    /// Reads what stands before the pixels and keeps at most `bytes_max` bytes.
    ///
    /// # Errors
    /// Fails if it is not a PNG, or more would have to be kept.
    pub fn open(source: R, bytes_max: u64) -> Result<Self, DecodingError> {
        let bytes = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let mut decoder = Decoder::new_with_limits(source, Limits { bytes });
        decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
        decoder.set_ignore_text_chunk(true);
        decoder.set_ignore_iccp_chunk(true);
        Ok(Self { reader: decoder.read_info()? })
    }

    /// Returns width and height, pixels.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        self.reader.info().size()
    }

    /// Returns the picture, smaller, but at least as large as a thumbnail of `to` needs it; nothing if it is small already, or if
    /// its rows are not in order.
    ///
    /// # Errors
    /// Fails if it is damaged.
    pub fn reduced(mut self, to: (u32, u32)) -> Result<Option<Reduced>, DecodingError> {
        let channels = self.reader.output_color_type().0.samples();
        let Some(mut reducer) = Reducer::new(self.size(), to, channels) else { return Ok(None) };
        if self.reader.info().interlaced {
            return Ok(None);
        }
        for _ in 0..self.size().1 {
            let row = self.reader.next_row()?;
            reducer.take(row.ok_or(DecodingError::IoError(std::io::ErrorKind::UnexpectedEof.into()))?.data());
        }
        Ok(reducer.end())
    }
}
