//! Pictures as pixels, and as PNG.

use std::io::{self, Cursor};

use png::{BitDepth, ColorType, Compression, Decoder, DeflateCompression, Encoder, Filter, Transformations};

use super::bounds::Bounds;
use super::shape::{Scale, Shape};
use super::tiles::Tiles;

/// Most colours of a palette.
const PALETTE_MAX: usize = 256;
/// Places of the table that colours are looked up in.
const TABLE_PLACES: usize = 1024;
/// Pixels that are made at once of more cells.
const BAND_PIXELS: u64 = 1 << 20;

/// Bytes of rows up to which a picture is a small one.
const SMALL_BYTES: usize = 64 * 1024;

/// A picture: a colour (red, green, blue, opacity) for each cell or pixel, row by row.
pub struct Raster {
    width: usize,
    height: usize,
    /// Pixels along each side of a cell.
    grow: usize,
    colours: Vec<[u8; 4]>,
}

impl Raster {
    /// Paints a part of the canvas; its size was looked at.
    ///
    /// # Errors
    /// Returns the error of reading the scratch file.
    pub fn paint(tiles: &Tiles, shape: &Shape) -> io::Result<Self> {
        match shape.scale {
            Scale::Grow(pixels) => Self::paint_cells(tiles, shape, pixels as usize),
            Scale::Shrink(cells) => Self::paint_means(tiles, shape, cells),
        }
    }

    fn paint_cells(tiles: &Tiles, shape: &Shape, grow: usize) -> io::Result<Self> {
        let (width, height) = (shape.width as usize, shape.height as usize);
        let mut colours = vec![[0; 4]; width * height];
        tiles.paint(shape.cells(), |x, y, colour| {
            let (column, row) = (offset(x, shape.x), offset(y, shape.y));
            colours[row * width + column] = colour;
        })?;
        Ok(Self { width, height, grow, colours })
    }

    /// Makes a pixel of each square of cells: the mean of those that are set.
    fn paint_means(tiles: &Tiles, shape: &Shape, side: u32) -> io::Result<Self> {
        let (width, height) = shape.size();
        let cells = shape.cells();
        let band_rows = (BAND_PIXELS / width).max(1);
        let mut colours = Vec::with_capacity((width * height) as usize);
        for first_row in (0..height).step_by(band_rows as usize) {
            let rows = band_rows.min(height - first_row);
            let mut sums = vec![[0_u32; 4]; (width * rows) as usize];
            let top = i64::from(shape.y) + (first_row * u64::from(side)) as i64;
            let bottom = top + (rows * u64::from(side)) as i64 - 1;
            let (Ok(y_min), y_max) = (i32::try_from(top), i32::try_from(bottom).unwrap_or(i32::MAX)) else {
                colours.resize((width * height) as usize, [0; 4]);
                break;
            };
            if let Some(band) = (Bounds { y_min, y_max, ..cells }).meet(cells) {
                let mut squares = Squares::new((shape.x, y_min), side as usize, width as usize);
                tiles.paint(band, |x, y, [red, green, blue, _]| {
                    let sum = &mut sums[squares.place_of(x, y)];
                    *sum = [
                        sum[0] + u32::from(red),
                        sum[1] + u32::from(green),
                        sum[2] + u32::from(blue),
                        sum[3] + 1,
                    ];
                })?;
            }
            colours.extend(sums.iter().map(|&[red, green, blue, count]| match count {
                0 => [0; 4],
                count => [(red / count) as u8, (green / count) as u8, (blue / count) as u8, 255],
            }));
        }
        Ok(Self { width: width as usize, height: height as usize, grow: 1, colours })
    }

    /// Returns it as PNG: with a palette if it has few colours.
    ///
    /// # Errors
    /// Fails only as writing to memory does.
    pub fn png(&self) -> Result<Vec<u8>, png::EncodingError> {
        let mut out = Vec::new();
        let (width, height) = (self.width * self.grow, self.height * self.grow);
        let mut encoder = Encoder::new(&mut out, width as u32, height as u32);
        let palette = Palette::of(&self.colours);
        let rows = match &palette {
            Some(palette) => {
                let depth = palette.depth();
                let rows = self.indexed(palette, depth as usize);
                // What is made for filtered colours leaves numbers of colours as long as they are.
                encoder.set_deflate_compression(DeflateCompression::Level(level_of(rows.len())));
                encoder.set_color(ColorType::Indexed);
                encoder.set_depth(depth);
                encoder.set_filter(Filter::NoFilter);
                encoder.set_palette(
                    palette.colours.iter().flat_map(|colour| colour[..3].to_vec()).collect::<Vec<u8>>(),
                );
                encoder.set_trns(palette.colours.iter().map(|colour| colour[3]).collect::<Vec<u8>>());
                rows
            }
            None => {
                encoder.set_compression(Compression::Fast);
                encoder.set_color(ColorType::Rgba);
                encoder.set_depth(BitDepth::Eight);
                encoder.set_filter(Filter::Up);
                self.pixels().into_flattened()
            }
        };
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&rows)?;
        writer.finish()?;
        Ok(out)
    }

    /// Reads a PNG, such as [`Raster::png`] makes.
    ///
    /// # Errors
    /// Fails on other bytes.
    pub fn of_png(png: &[u8]) -> Result<Self, png::DecodingError> {
        let mut decoder = Decoder::new(Cursor::new(png));
        decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
        let mut reader = decoder.read_info()?;
        let mut pixels = vec![0; reader.output_buffer_size().ok_or(png::DecodingError::LimitsExceeded)?];
        let frame = reader.next_frame(&mut pixels)?;
        let colours = match frame.color_type {
            ColorType::GrayscaleAlpha => {
                pixels.chunks_exact(2).map(|of| [of[0], of[0], of[0], of[1]]).collect()
            }
            _ => pixels.chunks_exact(4).map(|of| [of[0], of[1], of[2], of[3]]).collect(),
        };
        Ok(Self { width: frame.width as usize, height: frame.height as usize, grow: 1, colours })
    }

    /// Returns its width and height in pixels.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        ((self.width * self.grow) as u64, (self.height * self.grow) as u64)
    }

    /// Returns its pixels, row by row.
    #[must_use]
    pub fn pixels(&self) -> Vec<[u8; 4]> {
        let mut rows = Vec::with_capacity(self.colours.len() * self.grow * self.grow);
        for row in self.colours.chunks_exact(self.width) {
            let start = rows.len();
            for colour in row {
                rows.resize(rows.len() + self.grow, *colour);
            }
            let end = rows.len();
            (1..self.grow).for_each(|_| rows.extend_from_within(start..end));
        }
        rows
    }

    fn indexed(&self, palette: &Palette, bits: usize) -> Vec<u8> {
        let row_bytes = (self.width * self.grow * bits).div_ceil(8);
        let mut rows = Vec::with_capacity(row_bytes * self.height * self.grow);
        for row in self.colours.chunks_exact(self.width) {
            let start = rows.len();
            let (mut byte, mut filled, mut last) = (0_u8, 0, (row[0], palette.index(row[0])));
            for &colour in row {
                if colour != last.0 {
                    last = (colour, palette.index(colour));
                }
                if bits == 8 {
                    rows.resize(rows.len() + self.grow, last.1);
                    continue;
                }
                for _ in 0..self.grow {
                    byte = byte << bits | last.1;
                    filled += bits;
                    if filled == 8 {
                        rows.push(byte);
                        (byte, filled) = (0, 0);
                    }
                }
            }
            if filled > 0 {
                rows.push(byte << (8 - filled));
            }
            let end = rows.len();
            (1..self.grow).for_each(|_| rows.extend_from_within(start..end));
        }
        rows
    }
}

/// Squares of cells, row by row, and the place of the last cell in them: cells come side by side nearly always, and two divisions
/// for each would take longer than all else.
struct Squares {
    first: (i32, i32),
    side: usize,
    /// Squares in a row.
    width: usize,
    /// The cell that needs no division.
    next: Option<(i32, i32)>,
    place: usize,
    /// Cells up to the end of the square's row.
    left: usize,
}

impl Squares {
    fn new(first: (i32, i32), side: usize, width: usize) -> Self {
        Self { first, side, width, next: None, place: 0, left: 0 }
    }

    /// Returns the square of a cell.
    #[inline]
    fn place_of(&mut self, x: i32, y: i32) -> usize {
        if self.next != Some((x, y)) {
            let (column, row) = (offset(x, self.first.0), offset(y, self.first.1));
            self.place = row / self.side * self.width + column / self.side;
            self.left = self.side - column % self.side;
        } else if self.left == 0 {
            (self.place, self.left) = (self.place + 1, self.side);
        }
        self.left -= 1;
        self.next = x.checked_add(1).map(|next| (next, y));
        self.place
    }
}

/// Returns how hard so many bytes with a palette are compressed: well where that takes a millisecond or few, else fast, which takes 4 ms
/// for a million bytes of noise, and still makes few of the squares and lines that people draw.
fn level_of(bytes: usize) -> u8 {
    if bytes <= SMALL_BYTES { 6 } else { 1 }
}

fn offset(at: i32, start: i32) -> usize {
    (i64::from(at) - i64::from(start)) as usize
}

/// The colours of a picture, in the order in which they are met.
pub struct Palette {
    colours: Vec<[u8; 4]>,
    /// Places of colours by hash: the index and 1, 0 for none.
    table: Box<[u16; TABLE_PLACES]>,
}

impl Palette {
    /// Returns the palette of these colours; nothing if there are too many.
    #[must_use]
    pub fn of(all: &[[u8; 4]]) -> Option<Self> {
        let mut palette = Self { colours: Vec::new(), table: Box::new([0; TABLE_PLACES]) };
        let mut last = None;
        for &colour in all {
            if last == Some(colour) {
                continue;
            }
            last = Some(colour);
            let place = palette.place(colour);
            if palette.table[place] == 0 {
                if palette.colours.len() == PALETTE_MAX {
                    return None;
                }
                palette.colours.push(colour);
                palette.table[place] = palette.colours.len() as u16;
            }
        }
        Some(palette)
    }

    /// Returns the place of a colour, or the free one where it would be.
    #[inline]
    fn place(&self, colour: [u8; 4]) -> usize {
        let hash = u32::from_le_bytes(colour).wrapping_mul(0x9E37_79B1) >> 22;
        let mut place = hash as usize % TABLE_PLACES;
        loop {
            match self.table[place] {
                0 => return place,
                index if self.colours[usize::from(index) - 1] == colour => return place,
                _ => place = (place + 1) % TABLE_PLACES,
            }
        }
    }

    /// Returns the colours, each at its index.
    #[must_use]
    pub fn colours(&self) -> &[[u8; 4]] {
        &self.colours
    }

    /// Returns the index of a colour that it has.
    #[inline]
    #[must_use]
    pub fn index(&self, colour: [u8; 4]) -> u8 {
        (self.table[self.place(colour)] - 1) as u8
    }

    /// Returns the least bits that an index takes.
    fn depth(&self) -> BitDepth {
        match self.colours.len() {
            0..=2 => BitDepth::One,
            3..=4 => BitDepth::Two,
            5..=16 => BitDepth::Four,
            _ => BitDepth::Eight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_colours_become_few_bytes_and_come_back() {
        // Squares of 50 cells in 40 colours, and a small picture in two.
        let square = |at: usize, side: usize| (at % side / 50 + at / side / 50 * 3) as u8;
        for (side, colours, most_bytes) in [(1_000, 40, 60_000), (200, 2, 250)] {
            let colour = |at| {
                let number = square(at, side) % colours;
                [number, 255 - number, 7, 255]
            };
            let all: Vec<[u8; 4]> = (0..side * side).map(colour).collect();
            let raster = Raster { width: side, height: side, grow: 1, colours: all.clone() };
            let png = raster.png().unwrap();
            assert!(png.len() < most_bytes, "{side}: {} bytes", png.len());
            let shown = image::load_from_memory(&png).unwrap().into_rgba8();
            assert!(shown.as_raw()[..] == *all.as_flattened(), "{side}");
        }
    }
}
