//! Where a zlib stream ends that is to give so many bytes (RFC 1950), and what it was made of.

use flate2::{Compression, Decompress, FlushDecompress, Status};
use std::io::Write;

/// Bytes that are unpacked at once.
const WINDOW_BYTES: usize = 32 * 1024;

/// What a stream holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// It ends behind so many bytes and gives no more than was wanted.
    Ends(usize),
    /// It gives what was wanted, and then more, or can't be read on.
    Longer,
    /// It is cut or damaged before it gave what was wanted: all of it counts.
    Cut,
    /// It is no stream at all.
    Nothing,
}

/// Reads a stream in pieces, at most until it gave one byte more than `wanted`.
pub(super) fn extent<'a>(pieces: impl Iterator<Item = &'a [u8]>, wanted: u64) -> Extent {
    let mut ended = None;
    let given = unpack(pieces, wanted.saturating_add(1), &mut |_| {}, &mut |end| ended = Some(end));
    match ended {
        Some(end) if given <= wanted => Extent::Ends(end),
        _ if given >= wanted => Extent::Longer,
        _ if given == 0 => Extent::Nothing,
        _ => Extent::Cut,
    }
}

/// Packs the first `wanted` bytes of a stream again.
pub(super) fn repacked<'a>(pieces: impl Iterator<Item = &'a [u8]>, wanted: u64) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    unpack(pieces, wanted, &mut |bytes| packer.write_all(bytes).expect("memory takes it"), &mut |_| {});
    packer.finish().expect("memory takes it")
}

/// Packs bytes.
pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).expect("memory takes it");
    packer.finish().expect("memory takes it")
}

/// Unpacks a whole stream of at most `most` bytes; nothing if it is longer, cut or damaged.
pub(super) fn unpacked(packed: &[u8], most: usize) -> Option<Vec<u8>> {
    let (mut out, mut is_ended) = (Vec::new(), false);
    let given = unpack(
        std::iter::once(packed),
        most as u64 + 1,
        &mut |bytes| out.extend_from_slice(bytes),
        &mut |_| is_ended = true,
    );
    (is_ended && given <= most as u64).then_some(out)
}

/// Gives at most `most` bytes of a stream to `take`, and its length to `end` if it ends by then. Returns how many bytes it
/// gave.
fn unpack<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    most: u64,
    take: &mut dyn FnMut(&[u8]),
    end: &mut dyn FnMut(usize),
) -> u64 {
    let mut unpacker = Decompress::new(true);
    let mut window = vec![0; WINDOW_BYTES];
    for piece in pieces {
        let mut at = 0;
        loop {
            let (read, given) = (unpacker.total_in(), unpacker.total_out());
            let room = (most - given).min(WINDOW_BYTES as u64) as usize;
            let status = unpacker.decompress(&piece[at..], &mut window[..room], FlushDecompress::None);
            let new = (unpacker.total_out() - given) as usize;
            take(&window[..new]);
            at += (unpacker.total_in() - read) as usize;
            match status {
                Ok(Status::StreamEnd) => {
                    end(unpacker.total_in() as usize);
                    return unpacker.total_out();
                }
                Err(_) => return unpacker.total_out(),
                // Nothing goes on: the piece is used up, or all that was asked for was given.
                Ok(_) if unpacker.total_out() == most => return most,
                Ok(_) if new == 0 && unpacker.total_in() == read => break,
                Ok(_) => {}
            }
        }
    }
    unpacker.total_out()
}
