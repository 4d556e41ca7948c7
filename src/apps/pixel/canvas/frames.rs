//! What watchers are told, as bytes: frames of `GET /canvas/live`, which `docs/canvas.md` draws, and events of `GET /events`.

use std::fmt::Write;

use crate::app::feed::Frame;
use crate::http::date::rfc3339;

use super::cursor::{CURSOR_LETTERS, Cursor};
use super::limits::FRAME_BYTES_MAX;
use super::tile::Tile;

/// Bytes of a frame's header.
const HEADER_BYTES: usize = 64;
/// Bytes before a tile's cells.
const TILE_HEAD_BYTES: usize = 12;
/// Bytes of a cell.
const CELL_BYTES: usize = 6;
/// Letters of a cell in an event, at most.
const CELL_LETTERS: usize = 37;

/// Milliseconds after which an EventSource comes back, when its stream has ended.
const RETRY_MS: u64 = 1_000;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Cells = 1,
    Reload = 2,
    Alive = 3,
}

/// What every frame tells.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The cursor behind it.
    pub cursor: Cursor,
    /// Pixels listed.
    pub pixels: u64,
    /// When it is made, microseconds since 1970.
    pub wall_us: u64,
}

impl About {
    fn header(&self, kind: Kind, forget: bool, body_bytes: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER_BYTES + body_bytes);
        out.extend_from_slice(&[kind as u8, u8::from(forget), 0, 0]);
        out.extend_from_slice(&(body_bytes as u32).to_le_bytes());
        out.extend_from_slice(&(self.wall_us / 1_000).to_le_bytes());
        out.extend_from_slice(&self.pixels.to_le_bytes());
        out.extend_from_slice(self.cursor.encode().as_bytes());
        out.resize(HEADER_BYTES, 0);
        out
    }

    /// Returns the frame that tells the cells that were changed; nothing if it would be too large.
    #[must_use]
    pub fn cells(&self, forget: bool, tiles: &[&Tile]) -> Option<Frame> {
        let body_bytes: usize = tiles.iter().map(|tile| TILE_HEAD_BYTES + changed(tile) * CELL_BYTES).sum();
        if body_bytes > FRAME_BYTES_MAX {
            return None;
        }
        let mut out = self.header(Kind::Cells, forget, body_bytes);
        for tile in tiles {
            out.extend_from_slice(&tile.key.x.to_le_bytes());
            out.extend_from_slice(&tile.key.y.to_le_bytes());
            out.extend_from_slice(&(changed(tile) as u32).to_le_bytes());
            tile.each_changed(|index| {
                out.extend_from_slice(&(index as u16).to_le_bytes());
                out.extend_from_slice(&tile.cells[index].colour());
            });
        }
        debug_assert_eq!(out.len(), HEADER_BYTES + body_bytes);
        Some(Frame::new(&out))
    }

    /// Returns the frame that has a watcher load the picture anew.
    #[must_use]
    pub fn reload(&self) -> Frame {
        Frame::new(&self.header(Kind::Reload, false, 0))
    }

    /// Returns the frame that tells nothing but the cursor.
    #[must_use]
    pub fn alive(&self) -> Frame {
        Frame::new(&self.header(Kind::Alive, false, 0))
    }

    /// Returns the event that tells the cells that were changed; nothing if it would be too large.
    #[must_use]
    pub fn cells_event(&self, forget: bool, tiles: &[&Tile]) -> Option<Frame> {
        let cells: usize = tiles.iter().map(|tile| changed(tile)).sum();
        if cells * CELL_LETTERS > FRAME_BYTES_MAX {
            return None;
        }
        let mut text = format!(
            "id: {}\nevent: cells\ndata: {{\"time\":\"{}\",\"pixels\":{},\"forget\":{forget},\"cells\":[",
            self.cursor.encode(),
            rfc3339(self.wall_us),
            self.pixels
        );
        let mut comma = "";
        for tile in tiles {
            tile.each_changed(|index| {
                let (x, y) = tile.key.cell(index);
                let [red, green, blue, set] = tile.cells[index].colour();
                let _ = match set {
                    0 => write!(text, "{comma}[{x},{y}]"),
                    _ => write!(text, "{comma}[{x},{y},{red},{green},{blue}]"),
                };
                comma = ",";
            });
        }
        text.push_str("]}\n\n");
        Some(Frame::new(text.as_bytes()))
    }

    /// Returns the event that has a watcher load everything anew.
    #[must_use]
    pub fn reload_event(&self) -> Frame {
        let (cursor, pixels) = (self.cursor.encode(), self.pixels);
        Frame::new(format!("id: {cursor}\nevent: reload\ndata: {{\"pixels\":{pixels}}}\n\n").as_bytes())
    }

    /// Returns what a stream of events begins with.
    #[must_use]
    pub fn welcome_event(&self) -> Frame {
        // An event without data is none, but its id is taken (HTML, section 9.2.6).
        Frame::new(format!("retry: {RETRY_MS}\nid: {}\n\n", self.cursor.encode()).as_bytes())
    }
}

/// Returns what a stream of events begins with that goes on where another one has ended.
#[must_use]
pub fn retry() -> Vec<u8> {
    format!("retry: {RETRY_MS}\n\n").into_bytes()
}

/// Returns a line that is no event, so that a proxy and the client see that the stream goes on.
#[must_use]
pub fn comment() -> Frame {
    Frame::new(b":\n\n")
}

fn changed(tile: &Tile) -> usize {
    tile.changed.iter().map(|bits| bits.count_ones() as usize).sum()
}

const _: () = assert!(24 + CURSOR_LETTERS <= HEADER_BYTES);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::pixel::canvas::tile::TileKey;
    use crate::base::ids::{NodeId, Position};

    fn about() -> About {
        let cursor = Cursor { node: NodeId(1), position: Position(9) };
        About { cursor, pixels: 5, wall_us: 1_700_000_000_123_456 }
    }

    fn tile() -> Tile {
        let mut tile = Tile::new(TileKey { x: -1, y: 2 });
        tile.cells[65].set(2, 1, 0, 200);
        tile.changed[0] = 1 << 3;
        tile.changed[1] = 1 << 1;
        tile
    }

    #[test]
    fn a_frame_byte_by_byte() {
        let frame = about().cells(true, &[&tile()]).unwrap();
        let bytes = frame.bytes();
        assert_eq!(bytes[..8], [1, 1, 0, 0, 24, 0, 0, 0]);
        assert_eq!(bytes[8..16], 1_700_000_000_123_u64.to_le_bytes());
        assert_eq!(bytes[16..24], [5, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(&bytes[24..58], about().cursor.encode().as_bytes());
        assert_eq!(bytes[58..64], [0; 6]);
        assert_eq!(bytes[64..76], [0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(bytes[76..], [3, 0, 0, 0, 0, 0, 65, 0, 0, 0, 200, 255]);
        assert_eq!((about().reload().bytes()[0], about().alive().bytes().len()), (2, 64));
    }

    #[test]
    fn an_event_letter_by_letter() {
        let event = about().cells_event(false, &[&tile()]).unwrap();
        let id = about().cursor.encode();
        let expected = format!(
            "id: {id}\nevent: cells\ndata: {{\"time\":\"2023-11-14T22:13:20.123456Z\",\"pixels\":5,\
             \"forget\":false,\"cells\":[[-61,128],[-63,129,0,0,200]]}}\n\n"
        );
        assert_eq!(std::str::from_utf8(event.bytes()).unwrap(), expected);
    }

    #[test]
    fn what_is_too_large_is_not_told() {
        let mut tile = tile();
        *tile.changed = [u64::MAX; 64];
        let many = vec![&tile; FRAME_BYTES_MAX / (4096 * CELL_BYTES + TILE_HEAD_BYTES) + 1];
        assert!(about().cells(false, &many).is_none() && about().cells(false, &many[1..]).is_some());
        assert!(about().cells_event(false, &many).is_none());
    }
}
