//! Takes out of a picture everything that its pixels do not need: who took it, where, when and with what, previews of it,
//! comments, what nobody knows the meaning of, and what stands where nothing should.
//!
//! Each format has a list of what stays (`docs/apps/board.md`); whatever is not on it goes, wherever it stands. The
//! copy is made of the pieces that were understood, in their order: coded pixels are taken over byte for byte, only what
//! stands behind their end is cut off. How the picture is turned stays, in an EXIF block with nothing else in it, and so
//! do colour profiles, made again without names.
//!
//! ```text
//! picture -> pieces (jpeg, png, gif, webp, bmp) -> pieces that stay -> copy
//!                     '-> where coded pixels end (scan, inflate, lzw)
//! ```

mod bmp;
mod gif;
mod icc;
mod jpeg;
mod lzw;
mod png;
mod unclean;
mod webp;
mod zlib;

use super::kind::Kind;
pub use unclean::Unclean;

/// Times that a copy is read again until nothing goes any more.
const ROUNDS_MAX: u32 = 3;

/// Makes the copy of a picture that has what its pixels need and nothing else; nothing if the picture is that already.
///
/// # Errors
/// Fails as [`Unclean`] says. A picture that browsers show whole is never refused.
pub fn cleaned(kind: Kind, picture: &[u8]) -> Result<Option<Vec<u8>>, Unclean> {
    let mut copy = copied(kind, picture)?;
    if copy == picture {
        return Ok(None);
    }
    // What was made is read again: a copy that is no picture of this kind, or of which more would go, is not kept. More
    // may go once from a damaged picture, which is read no further than to the damage.
    for _ in 0..ROUNDS_MAX {
        match copied(kind, &copy) {
            Ok(again) if again == copy && Kind::of(&copy) == Some(kind) => return Ok(Some(copy)),
            Ok(again) => copy = again,
            Err(_) => break,
        }
    }
    Err(Unclean::Different)
}

fn copied(kind: Kind, picture: &[u8]) -> Result<Vec<u8>, Unclean> {
    match kind {
        Kind::Jpeg => jpeg::copy(picture),
        Kind::Png => png::copy(picture),
        Kind::Gif => gif::copy(picture),
        Kind::Webp => webp::copy(picture),
        Kind::Bmp => bmp::copy(picture),
    }
}

#[cfg(test)]
mod tests;
