//! The checkpoint: the drawing at a moment, in a file that a start goes on from instead of drawing the whole journal.
//!
//! ```text
//! piece 1   'PXCV'   u32 version (2)   u64 node   u64 position   u32 number of tiles
//! pieces    version vector with the folded streams, the pixels' state, healed times; of each stream its origin (u64 node, u64 inc) and the times of the
//!           first and the last batch (u64 each); origins that tiles name; a byte 0 before each
//! pieces    a tile each
//! ```
//!
//! It may be of another journal, or of one whose tail was lost since: it counts only if the journal up to its position has
//! exactly its vector, which the reader finds out ([`reaches`]).

use std::io;

use crate::app::heal::Heals;
use crate::app::state::State;
use crate::app::view::Start;
use crate::base::folds::Folds;
use crate::base::ids::{Inc, NodeId, Origin, Position};
use crate::base::vector::VersionVector;
use crate::log::files::cache_file::{CacheReader, CacheWriter};
use crate::log::read::reader::Reader;
use crate::os::disk::Disk;

use super::super::state::PixelState;
use super::drawing::{Drawing, Moment};
use super::tiles::Tiles;

const MAGIC: &[u8; 4] = b"PXCV";
const VERSION: u32 = 2;
const HEAD_BYTES: usize = 28;

/// Stores a drawing as the checkpoint `name`.
///
/// # Errors
/// Returns the error of the disk; `InvalidData` for a drawing of which a tile is lost. The old checkpoint is there then.
pub fn store(drawing: &Drawing, node: NodeId, disk: &dyn Disk, name: &str) -> io::Result<()> {
    let (tiles, moment) = (&drawing.tiles, drawing.moment());
    if tiles.is_lost() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "a tile is lost"));
    }
    let (here, stored) = tiles.counts();
    let mut writer = CacheWriter::begin(disk, name)?;
    let mut head = MAGIC.to_vec();
    head.extend_from_slice(&VERSION.to_le_bytes());
    head.extend_from_slice(&node.0.to_le_bytes());
    head.extend_from_slice(&moment.start.position.0.to_le_bytes());
    head.extend_from_slice(&((here + stored) as u32).to_le_bytes());
    writer.put(&head)?;
    let mut part = |fill: &dyn Fn(&mut Vec<u8>)| {
        // A piece has at least a byte.
        let mut bytes = vec![0];
        fill(&mut bytes);
        writer.put(&bytes)
    };
    part(&|out| {
        moment.start.vector.encode(out);
        moment.start.vector.folds().encode(out);
    })?;
    part(&|out| moment.state.snapshot(out))?;
    part(&|out| moment.heals.snapshot(out))?;
    part(&|out| {
        for (origin, (first_us, last_us)) in &moment.times {
            push(out, &[origin.node.0, origin.inc.0, *first_us, *last_us]);
        }
    })?;
    part(&|out| {
        let origins = tiles.runs().origins();
        origins.iter().for_each(|origin| push(out, &[origin.node.0, origin.inc.0]));
    })?;
    tiles.each_stored(|tile| writer.put(tile))?;
    writer.finish()
}

fn push(out: &mut Vec<u8>, numbers: &[u64]) {
    numbers.iter().for_each(|number| out.extend_from_slice(&number.to_le_bytes()));
}

/// A checkpoint that was opened: where it stands, its tiles still in the file.
pub struct Checkpoint {
    reader: CacheReader,
    moment: Moment,
    origins: Vec<Origin>,
    tiles: u32,
}

impl Checkpoint {
    /// Opens the checkpoint `name` of this directory; nothing if there is none that this program can read.
    #[must_use]
    pub fn open(node: NodeId, disk: &dyn Disk, name: &str) -> Option<Self> {
        let mut reader = CacheReader::open(disk, name).ok()?;
        let head = reader.next_piece().ok()??;
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("4 bytes"));
        let long = |at: usize| u64::from_le_bytes(head[at..at + 8].try_into().expect("8 bytes"));
        if head.len() != HEAD_BYTES || &head[..4] != MAGIC || word(4) != VERSION || long(8) != node.0 {
            return None;
        }
        let (position, tiles) = (Position(long(16)), word(24));
        let mut part = || reader.next_piece().ok().flatten().map(|piece| piece[1..].to_vec());
        let named = part()?;
        let (vector, length) = VersionVector::decode(&named)?;
        let folds = if length == named.len() { Folds::default() } else { Folds::decode(&named[length..])?.0 };
        let vector = vector.with_folds(folds);
        let mut state = PixelState::default();
        state.restore(&part()?).ok()?;
        state.take_folds(&[], vector.folds());
        let heals = Heals::read(&part()?)?;
        let number = |bytes: &[u8], nth: usize| {
            u64::from_le_bytes(bytes[nth * 8..nth * 8 + 8].try_into().expect("8 bytes"))
        };
        let origin = |bytes: &[u8]| Origin { node: NodeId(number(bytes, 0)), inc: Inc(number(bytes, 1)) };
        let times = part()?;
        let times = times.chunks_exact(32).map(|of| (origin(of), (number(of, 2), number(of, 3)))).collect();
        let origins = part()?.chunks_exact(16).map(origin).collect();
        let moment = Moment { start: Start { position, vector }, state, heals, times };
        Some(Self { reader, moment, origins, tiles })
    }

    /// Returns where it stands.
    #[must_use]
    pub fn start(&self) -> &Start {
        &self.moment.start
    }

    /// Puts its tiles into `tiles`, which are empty; nothing if the file is damaged.
    #[must_use]
    pub fn load(mut self, mut tiles: Tiles) -> Option<Drawing> {
        for origin in &self.origins {
            tiles.runs_mut().origin_id(*origin);
        }
        let mut count = 0;
        while let Some(piece) = self.reader.next_piece().ok()? {
            if !tiles.put_back(&piece) {
                return None;
            }
            count += 1;
        }
        let is_whole = count == self.tiles && tiles.runs().origins().len() == self.origins.len();
        (is_whole && !tiles.is_lost()).then(|| Drawing::new(tiles, self.moment))
    }
}

/// Returns whether the journal, which ends at `end`, has exactly this vector at this position.
#[must_use]
pub fn reaches(reader: &Reader, end: Position, start: &Start) -> bool {
    let mut from = Position(0);
    for segment in reader.segments() {
        if segment.end.is_some_and(|end| end < start.position) {
            from = segment.end.unwrap_or(from);
            continue;
        }
        let mut vector = (*segment.start_vector).clone();
        let mut scan = reader.scan(from, start.position.min(end));
        // Where no batch ends at the position, what is read there is damaged.
        while let Ok(Some(batch)) = scan.next_batch() {
            vector.raise(batch.origin, batch.first_seq + u64::from(batch.count) - 1);
            batch.folds().iter().for_each(|fold| vector.fold(fold));
        }
        return scan.position() == start.position && vector == start.vector;
    }
    false
}
