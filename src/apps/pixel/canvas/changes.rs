//! What was changed since watchers were last told.

use super::tile::{Tile, TileKey};

/// What was changed since watchers were last told.
#[derive(Debug, Default)]
pub struct Changes {
    /// Nobody is told while it is made from the journal.
    pub are_noted: bool,
    /// All cells were unset first.
    pub forget: bool,
    /// The tiles with changes.
    pub tiles: Vec<TileKey>,
}

/// What watchers are told.
pub enum Told<'a> {
    /// These cells are as they are now; before that all are unset, if so.
    Cells {
        /// Whether all cells are unset first.
        forget: bool,
        /// The tiles with changes.
        tiles: Vec<&'a Tile>,
    },
    /// There is too much to tell.
    TooMuch,
    /// Nothing has changed.
    Nothing,
}

impl Changes {
    /// Notes that a cell of a tile was changed.
    #[inline]
    pub fn note(&mut self, tile: &mut Tile, index: usize) {
        if !tile.is_changed {
            tile.is_changed = true;
            tile.changed.fill(0);
            self.tiles.push(tile.key);
        }
        tile.changed[index / 64] |= 1 << (index % 64);
    }
}
