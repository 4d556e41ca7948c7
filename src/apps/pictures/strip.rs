//! Blocks of a GIF, for counting its frames before any is decoded (GIF89a, sections 17 to 27).

/// A block of a GIF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block<'a> {
    /// An extension, its first sub-block, and where it stands.
    Extension { label: u8, content: &'a [u8], start: usize, end: usize },
    /// A picture.
    Image,
    /// The end.
    Trailer { end: usize },
}

/// The blocks of a GIF, in order, as far as they can be read.
pub(super) struct Blocks<'a> {
    picture: &'a [u8],
    at: usize,
}

impl<'a> Blocks<'a> {
    /// Begins behind the header; nothing if that is cut.
    pub(super) fn new(picture: &'a [u8]) -> Option<Self> {
        let flags = *picture.get(10)?;
        let at = 13 + colours_bytes(flags);
        (at <= picture.len()).then_some(Self { picture, at })
    }

    /// Behind the sub-blocks that start at `at`.
    fn behind_sub_blocks(&self, mut at: usize) -> Option<usize> {
        loop {
            let length = usize::from(*self.picture.get(at)?);
            at += 1 + length;
            if length == 0 {
                return Some(at);
            }
        }
    }

    fn read(&self) -> Option<(Block<'a>, usize)> {
        let (picture, start) = (self.picture, self.at);
        match *picture.get(start)? {
            0x21 => {
                let label = *picture.get(start + 1)?;
                let length = usize::from(*picture.get(start + 2)?);
                let content = picture.get(start + 3..start + 3 + length)?;
                let end = self.behind_sub_blocks(start + 2)?;
                Some((Block::Extension { label, content, start, end }, end))
            }
            0x2C => {
                let flags = *picture.get(start + 9)?;
                // The byte before the data is the size of its first codes.
                let end = self.behind_sub_blocks(start + 10 + colours_bytes(flags) + 1)?;
                Some((Block::Image, end))
            }
            0x3B => Some((Block::Trailer { end: start + 1 }, picture.len())),
            _ => None,
        }
    }
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let (block, end) = self.read()?;
        self.at = end;
        Some(block)
    }
}

/// Bytes of the colour table that these flags announce.
fn colours_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}
