//! A large picture made smaller while it is decoded, row by row: the averages of boxes of pixels, colours weighted by
//! their alpha. So a picture of many pixels costs little memory, and the filter that comes after it little time.

use image::{DynamicImage, GrayAlphaImage, GrayImage, RgbImage, RgbaImage};

/// How many times as large as the thumbnail a reduced picture is at least, in each direction. What averaging takes from
/// the sharpness of the thumbnail goes with its square; at 4 it is not seen.
const SPARE: u32 = 4;

/// Takes the rows of a picture of 8 bits a channel.
pub struct Reducer {
    channels: usize,
    width: u32,
    /// Pixels of a box.
    columns: u32,
    rows: u32,
    /// Sums of the boxes of this row of boxes, all channels of one box after the other.
    sums: Vec<u64>,
    /// Rows in them.
    taken: u32,
    out: Vec<u8>,
    /// All rows so far.
    height: u32,
}

/// A picture, perhaps smaller than it was.
pub struct Reduced {
    /// The picture.
    pub picture: DynamicImage,
    /// How much of it, from the left and from the top, the original is: the last boxes may be cut off by its edges.
    pub area: (f64, f64),
}

impl Reducer {
    /// Makes one for a picture of this many pixels of which a thumbnail of `to` is wanted; nothing if it is too small to be
    /// reduced.
    #[must_use]
    pub fn new((width, height): (u32, u32), to: (u32, u32), channels: usize) -> Option<Self> {
        let (columns, rows) = boxes((width, height), to);
        if columns * rows < 4 || !(1..=4).contains(&channels) {
            return None;
        }
        let boxes = (width.div_ceil(columns) as usize, height.div_ceil(rows) as usize);
        let sums = vec![0; boxes.0 * channels];
        let out = Vec::with_capacity(boxes.0 * boxes.1 * channels);
        Some(Self { channels, width, columns, rows, sums, taken: 0, out, height: 0 })
    }

    /// Takes the next row, which has the picture's width.
    pub fn take(&mut self, row: &[u8]) {
        match self.channels {
            1 => self.add::<1>(row),
            2 => self.add_weighted::<2>(row),
            3 => self.add::<3>(row),
            _ => self.add_weighted::<4>(row),
        }
        self.height += 1;
        self.taken += 1;
        if self.taken == self.rows {
            self.close();
        }
    }

    fn add<const CHANNELS: usize>(&mut self, row: &[u8]) {
        let boxes = row.chunks(self.columns as usize * CHANNELS);
        for (sums, pixels) in self.sums.chunks_exact_mut(CHANNELS).zip(boxes) {
            let mut sum = [0_u64; CHANNELS];
            for pixel in pixels.chunks_exact(CHANNELS) {
                for (sum, &value) in sum.iter_mut().zip(pixel) {
                    *sum += u64::from(value);
                }
            }
            sums.iter_mut().zip(sum).for_each(|(sums, sum)| *sums += sum);
        }
    }

    fn add_weighted<const CHANNELS: usize>(&mut self, row: &[u8]) {
        let boxes = row.chunks(self.columns as usize * CHANNELS);
        for (sums, pixels) in self.sums.chunks_exact_mut(CHANNELS).zip(boxes) {
            let mut sum = [0_u64; CHANNELS];
            for pixel in pixels.chunks_exact(CHANNELS) {
                let alpha = u64::from(pixel[CHANNELS - 1]);
                for (sum, &value) in sum.iter_mut().zip(&pixel[..CHANNELS - 1]) {
                    *sum += u64::from(value) * alpha;
                }
                sum[CHANNELS - 1] += alpha;
            }
            sums.iter_mut().zip(sum).for_each(|(sums, sum)| *sums += sum);
        }
    }

    /// Turns the sums into a row of the smaller picture.
    fn close(&mut self) {
        let last = self.sums.len() / self.channels - 1;
        let last_columns = self.width - last as u32 * self.columns;
        for (at, sums) in self.sums.chunks_exact_mut(self.channels).enumerate() {
            let columns = if at == last { last_columns } else { self.columns };
            let pixels = u64::from(columns) * u64::from(self.taken);
            let mean = |sum: u64, of: u64| (sum + of / 2).checked_div(of).unwrap_or(0) as u8;
            if self.channels.is_multiple_of(2) {
                let (alpha, colours) = sums.split_last_mut().expect("there are two or four");
                self.out.extend(colours.iter().map(|&sum| mean(sum, *alpha)));
                self.out.push(mean(*alpha, pixels));
            } else {
                self.out.extend(sums.iter().map(|&sum| mean(sum, pixels)));
            }
            sums.fill(0);
        }
        self.taken = 0;
    }

    /// Returns the smaller picture of all rows.
    #[must_use]
    pub fn end(mut self) -> Option<Reduced> {
        if self.taken > 0 {
            self.close();
        }
        let area =
            (f64::from(self.width) / f64::from(self.columns), f64::from(self.height) / f64::from(self.rows));
        let (width, height) = (self.width.div_ceil(self.columns), self.height.div_ceil(self.rows));
        picture_of(self.channels, (width, height), self.out).map(|picture| Reduced { picture, area })
    }
}

/// Makes a picture of rows that `row` writes, from the top on: smaller, but at least as large as a thumbnail of `to` needs it, or as it
/// is if it is small already; nothing if there is no such picture.
#[must_use]
pub fn of_rows(
    size: (u32, u32),
    to: (u32, u32),
    channels: usize,
    mut row: impl FnMut(u32, &mut [u8]),
) -> Option<Reduced> {
    let bytes = size.0 as usize * channels;
    if let Some(mut reducer) = Reducer::new(size, to, channels) {
        let mut values = vec![0; bytes];
        for y in 0..size.1 {
            row(y, &mut values);
            reducer.take(&values);
        }
        return reducer.end();
    }
    let mut whole = vec![0; bytes * size.1 as usize];
    for (y, values) in (0..).zip(whole.chunks_exact_mut(bytes.max(1))) {
        row(y, values);
    }
    picture_of(channels, size, whole).map(Reduced::from)
}

/// Makes a picture of 8 bits a channel that is in memory smaller, but at least as large as a thumbnail of `to` needs it, or leaves it as it
/// is if it is small already; nothing if the values are not those of such a picture.
#[must_use]
pub fn reduced(size: (u32, u32), to: (u32, u32), channels: usize, values: Vec<u8>) -> Option<Reduced> {
    let Some(mut reducer) = Reducer::new(size, to, channels) else {
        return picture_of(channels, size, values).map(Reduced::from);
    };
    values.chunks_exact(size.0 as usize * channels).for_each(|row| reducer.take(row));
    reducer.end()
}

/// Returns whether a picture of this size is made smaller in both directions for a thumbnail of `to`.
#[must_use]
pub fn is_reduced(size: (u32, u32), to: (u32, u32)) -> bool {
    let (columns, rows) = boxes(size, to);
    columns > 1 && rows > 1
}

/// Returns how many pixels across and down are averaged to one.
fn boxes((width, height): (u32, u32), to: (u32, u32)) -> (u32, u32) {
    let of = |side: u32, to: u32| (side / to.saturating_mul(SPARE).max(1)).max(1);
    (of(width, to.0), of(height, to.1))
}

fn picture_of(channels: usize, (width, height): (u32, u32), values: Vec<u8>) -> Option<DynamicImage> {
    match channels {
        1 => GrayImage::from_raw(width, height, values).map(DynamicImage::from),
        2 => GrayAlphaImage::from_raw(width, height, values).map(DynamicImage::from),
        3 => RgbImage::from_raw(width, height, values).map(DynamicImage::from),
        _ => RgbaImage::from_raw(width, height, values).map(DynamicImage::from),
    }
}

impl From<DynamicImage> for Reduced {
    fn from(picture: DynamicImage) -> Self {
        let area = (f64::from(picture.width()), f64::from(picture.height()));
        Self { picture, area }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn boxes_are_averaged_and_the_cut_ones_too() {
        // Boxes of 2 x 2; the last column and the last row are alone.
        let mut reducer = Reducer::new((17, 17), (2, 2), 1).unwrap();
        for y in 0..17_u8 {
            let row: Vec<u8> =
                (0..17).map(|x| if x == 16 { 200 } else { 10 * (y / 2) + x % 2 * 4 }).collect();
            reducer.take(&row);
        }
        let small = reducer.end().unwrap();
        assert_eq!(small.area, (8.5, 8.5));
        let picture = small.picture.to_luma8();
        assert_eq!(picture.dimensions(), (9, 9));
        for (x, y, pixel) in picture.enumerate_pixels() {
            assert_eq!(pixel.0[0], if x == 8 { 200 } else { 10 * y as u8 + 2 }, "{x} {y}");
        }
    }

    #[test]
    fn what_cannot_be_seen_has_no_colour() {
        let mut reducer = Reducer::new((8, 8), (1, 1), 4).unwrap();
        for _ in 0..8 {
            reducer.take(&[[250, 0, 0, 255], [0, 250, 0, 0]].as_flattened().repeat(4));
        }
        let small = reducer.end().unwrap().picture.to_rgba8();
        assert!(small.pixels().all(|pixel| pixel.0 == [250, 0, 0, 128]), "{small:?}");
    }

    #[test]
    fn a_picture_that_is_small_already_stays_as_it_is() {
        assert!(Reducer::new((799, 799), (100, 100), 3).is_none());
        assert!(Reducer::new((800, 800), (100, 100), 3).is_some());
        assert!(Reducer::new((50_000_000, 1), (100, 1), 3).is_some());
        assert!(Reducer::new((u32::MAX, u32::MAX), (u32::MAX, u32::MAX), 3).is_none());
    }

    proptest! {
        #[test]
        fn one_colour_stays_that_colour(
            size in (1..300_u32, 1..300_u32), to in (1..12_u32, 1..12_u32), channels in 1..5_usize, colour in any::<[u8; 4]>()
        ) {
            if let Some(mut reducer) = Reducer::new(size, to, channels) {
                let row = colour[4 - channels..].repeat(size.0 as usize);
                (0..size.1).for_each(|_| reducer.take(&row));
                let Reduced { picture, area } = reducer.end().unwrap();
                prop_assert!(picture.width() >= size.0.min(SPARE * to.0) && picture.height() >= size.1.min(SPARE * to.1));
                prop_assert!(area.0 <= f64::from(picture.width()) && area.0 > f64::from(picture.width() - 1));
                let is_there = channels % 2 == 1 || colour[3] > 0;
                prop_assert!(!is_there || picture.as_bytes().chunks(channels).all(|pixel| *pixel == colour[4 - channels..]));
            }
        }
    }
}
