//! A pixel as JSON, as a line of JSON or as a line of CSV.

use super::record::{Channel, Pixel};

/// The forms in which pixels are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One document: `{"total":N,"data":[...]}`.
    Json,
    /// One object a line.
    Lines,
    /// A header line, then one line each.
    Csv,
}

impl Format {
    /// All of them, the one for clients without a preference first.
    pub const ALL: [Self; 3] = [Self::Json, Self::Lines, Self::Csv];

    /// The Content-Type of each of [`Format::ALL`].
    pub const MEDIA_TYPES: [&'static str; 3] = ["application/json", "application/x-ndjson", "text/csv"];

    /// Returns its Content-Type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        Self::MEDIA_TYPES[self as usize]
    }
}

/// Most bytes of one pixel in any form.
const PIXEL_TEXT_BYTES_MAX: usize = 72;

/// A pixel's text under construction, on the stack: one copy into the output for each pixel instead of nine.
struct Text {
    bytes: [u8; PIXEL_TEXT_BYTES_MAX],
    length: usize,
}

impl Text {
    #[inline]
    fn new() -> Self {
        Self { bytes: [0; PIXEL_TEXT_BYTES_MAX], length: 0 }
    }

    #[inline]
    fn put<const N: usize>(&mut self, literal: &[u8; N]) {
        self.bytes[self.length..self.length + N].copy_from_slice(literal);
        self.length += N;
    }

    #[inline]
    fn put_number(&mut self, number: impl itoa::Integer) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        self.bytes[self.length..self.length + digits.len()].copy_from_slice(digits);
        self.length += digits.len();
    }

    #[inline]
    fn get(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Appends `{"x":1,"y":2,"channel":"R","value":128}` and `ending`.
#[inline]
pub fn object<const N: usize>(out: &mut Vec<u8>, pixel: &Pixel, ending: &[u8; N]) {
    let mut text = Text::new();
    text.put(b"{\"x\":");
    text.put_number(pixel.x);
    text.put(b",\"y\":");
    text.put_number(pixel.y);
    text.put(match pixel.channel {
        Channel::R => b",\"channel\":\"R\",\"value\":",
        Channel::G => b",\"channel\":\"G\",\"value\":",
        Channel::B => b",\"channel\":\"B\",\"value\":",
    });
    text.put_number(pixel.value);
    text.put(b"}");
    text.put(ending);
    out.extend_from_slice(text.get());
}

/// The first line of CSV.
pub const CSV_HEADER: &[u8] = b"x,y,channel,value\n";

/// Appends `1,2,R,128` and a line end.
#[inline]
pub fn row(out: &mut Vec<u8>, pixel: &Pixel) {
    let mut text = Text::new();
    text.put_number(pixel.x);
    text.put(b",");
    text.put_number(pixel.y);
    text.put(&[b',', pixel.channel.letter(), b',']);
    text.put_number(pixel.value);
    text.put(b"\n");
    out.extend_from_slice(text.get());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_pixel_fits() {
        let pixel = Pixel { x: i32::MIN, y: i32::MIN, channel: Channel::B, value: 255 };
        let mut out = Vec::new();
        object(&mut out, &pixel, b",");
        assert_eq!(out, br#"{"x":-2147483648,"y":-2147483648,"channel":"B","value":255},"#);
        out.clear();
        row(&mut out, &pixel);
        assert_eq!(out, b"-2147483648,-2147483648,B,255\n");
    }
}
