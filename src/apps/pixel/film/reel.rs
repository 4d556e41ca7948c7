//! Pictures one after the other as one file.

use std::io;

use super::super::canvas::raster::Raster;

/// A colour: red, green, blue, and 255, or four zeros for a cell that is not set.
pub type Colour = [u8; 4];

/// Takes a film's pictures, all of one size.
pub trait Reel {
    /// Takes the next picture.
    ///
    /// # Errors
    /// Returns the error of writing.
    fn add(&mut self, picture: &Raster) -> io::Result<()>;

    /// Writes what stands behind the last picture.
    ///
    /// # Errors
    /// Returns the error of writing.
    fn finish(&mut self) -> io::Result<()>;

    /// Returns whether colours were changed, because a picture had more of them than the format has room for.
    fn is_rounded(&self) -> bool {
        false
    }
}

/// A part of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its first column.
    pub x: usize,
    /// Its first row.
    pub y: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Its rows.
    pub height: usize,
}

impl Part {
    /// Returns the least part in which two pictures of this width differ; nothing if they are the same.
    #[must_use]
    pub fn of_difference(before: &[Colour], now: &[Colour], width: usize) -> Option<Self> {
        let rows = || before.chunks_exact(width).zip(now.chunks_exact(width)).enumerate();
        let differs = |(_, (before, now)): &(usize, (&[Colour], &[Colour]))| before != now;
        let (y, _) = rows().find(differs)?;
        let (last, _) = rows().rfind(differs)?;
        let (mut left, mut right) = (width, 0);
        for (_, (before, now)) in rows().skip(y).take(last + 1 - y) {
            let is_changed = |at: &usize| before[*at] != now[*at];
            left = (0..left).find(is_changed).unwrap_or(left);
            right = (right + 1..width).rev().find(is_changed).unwrap_or(right);
        }
        // A difference in the first column only leaves the last column where it began.
        let right = right.max(left);
        Some(Self { x: left, y, width: right + 1 - left, height: last + 1 - y })
    }

    /// Returns the part's rows of a picture of this width, each with its pixels.
    pub fn rows<'p>(
        &self,
        picture: &'p [Colour],
        width: usize,
    ) -> impl Iterator<Item = &'p [Colour]> + use<'p> {
        let Self { x, y, width: columns, height } = *self;
        picture.chunks_exact(width).skip(y).take(height).map(move |row| &row[x..x + columns])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_the_least_part_that_holds_it() {
        let blank = vec![[0; 4]; 5 * 4];
        let with = |places: &[(usize, usize)]| {
            let mut picture = blank.clone();
            places.iter().for_each(|(x, y)| picture[y * 5 + x] = [1, 2, 3, 255]);
            picture
        };
        let part = |places: &[(usize, usize)]| {
            let part = Part::of_difference(&blank, &with(places), 5)?;
            Some((part.x, part.y, part.width, part.height))
        };
        assert_eq!(part(&[]), None);
        assert_eq!(part(&[(0, 0)]), Some((0, 0, 1, 1)));
        assert_eq!(part(&[(4, 3)]), Some((4, 3, 1, 1)));
        assert_eq!(part(&[(3, 1), (1, 2)]), Some((1, 1, 3, 2)));
        assert_eq!(part(&[(0, 0), (4, 3), (2, 2)]), Some((0, 0, 5, 4)));
    }
}
