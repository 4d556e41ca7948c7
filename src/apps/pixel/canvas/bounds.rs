//! Rectangles of cells.

use super::tile::{SIDE, TileKey};

/// A rectangle of cells, its edges included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Its first column.
    pub x_min: i32,
    /// Its last column.
    pub x_max: i32,
    /// Its first row.
    pub y_min: i32,
    /// Its last row.
    pub y_max: i32,
}

impl Bounds {
    /// Returns the bounds of one cell.
    #[must_use]
    pub fn of(x: i32, y: i32) -> Self {
        Self { x_min: x, x_max: x, y_min: y, y_max: y }
    }

    /// Returns the bounds of a tile's cells, of which `extent` are the edges relative to the tile.
    #[must_use]
    pub fn of_extent(key: TileKey, [left, top, right, bottom]: [u8; 4]) -> Self {
        let at = |tile: i32, cell: u8| tile << 6 | i32::from(cell);
        Self {
            x_min: at(key.x, left),
            x_max: at(key.x, right),
            y_min: at(key.y, top),
            y_max: at(key.y, bottom),
        }
    }

    /// Returns the bounds of a whole tile.
    #[must_use]
    pub fn of_tile(key: TileKey) -> Self {
        Self::of_extent(key, [0, 0, SIDE as u8 - 1, SIDE as u8 - 1])
    }

    /// Returns the least bounds around both.
    #[inline]
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            x_min: self.x_min.min(other.x_min),
            x_max: self.x_max.max(other.x_max),
            y_min: self.y_min.min(other.y_min),
            y_max: self.y_max.max(other.y_max),
        }
    }

    /// Returns what lies in both; nothing if they are apart.
    #[must_use]
    pub fn meet(self, other: Self) -> Option<Self> {
        let both = Self {
            x_min: self.x_min.max(other.x_min),
            x_max: self.x_max.min(other.x_max),
            y_min: self.y_min.max(other.y_min),
            y_max: self.y_max.min(other.y_max),
        };
        (both.x_min <= both.x_max && both.y_min <= both.y_max).then_some(both)
    }

    /// Returns whether a cell lies in it.
    #[inline]
    #[must_use]
    pub fn has(&self, x: i32, y: i32) -> bool {
        (self.x_min..=self.x_max).contains(&x) && (self.y_min..=self.y_max).contains(&y)
    }
}
