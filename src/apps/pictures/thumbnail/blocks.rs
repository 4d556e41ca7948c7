//! The blocks of a GIF that make its frames, as browsers find them: also without a trailer, with zeros between blocks,
//! with extensions that nobody knows, with a last frame that is cut, and with a first frame that goes beyond the screen.

/// A GIF of nothing but what makes its frames (GIF89a, sections 17 to 27).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frames {
    /// Header, colours, the frames that are whole (the first one in any case), trailer.
    pub picture: Vec<u8>,
    /// How many frames that are.
    pub count: u64,
    /// How often the animation is played again, 0 for ever; nothing if the file does not say so: it is played once.
    pub repeats: Option<u16>,
}

const COMMENT: u8 = 0xFE;
const PLAIN_TEXT: u8 = 0x01;
const CONTROL: u8 = 0xF9;
const APPLICATION: u8 = 0xFF;

/// Finds the frames; nothing if the header is cut. Ends where browsers end: at the trailer, at the end of the file, or at
/// a byte that begins no block and is no zero.
pub fn frames(picture: &[u8]) -> Option<Frames> {
    let mut at = 13 + colours_bytes(*picture.get(10)?);
    let mut found = Frames { picture: picture.get(..at)?.to_vec(), count: 0, repeats: None };
    // How the next frame is shown.
    let mut control: &[u8] = &[];
    while let Some(&first) = picture.get(at) {
        let end = match first {
            0x00 => Some(at + 1),
            0x21 => sub_blocks(picture, at + 2),
            0x2C => image_end(picture, at),
            _ => break,
        };
        let block = &picture[at..end.unwrap_or(picture.len())];
        match (first, block.get(1)) {
            (0x2C, _) if end.is_some() || found.count == 0 => {
                found.picture.extend_from_slice(control);
                found.picture.extend_from_slice(block);
                if found.count == 0 {
                    enlarge(&mut found.picture, block);
                }
                found.count += 1;
                control = &[];
            }
            (0x21, Some(&CONTROL)) if block.len() == 8 && block[2] == 4 => control = block,
            // What was to be said of it is not said of the next frame.
            (0x21, Some(&PLAIN_TEXT)) => control = &[],
            (0x21, Some(&APPLICATION)) => found.repeats = repeats(block).or(found.repeats),
            (0x21, Some(&COMMENT)) | (_, _) => {}
        }
        let Some(end) = end else { break };
        at = end;
    }
    found.picture.push(0x3B);
    Some(found)
}

/// Makes the screen as large as its first frame needs it: browsers show all of that frame.
fn enlarge(picture: &mut [u8], frame: &[u8]) {
    let side = |bytes: &[u8], at: usize| {
        bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes))
    };
    for (screen, place, length) in [(6, 1, 5), (8, 3, 7)] {
        let end = side(frame, place).saturating_add(side(frame, length));
        let side = side(picture, screen).max(end);
        picture[screen..screen + 2].copy_from_slice(&side.to_le_bytes());
    }
}

/// Returns what an application's extension says of how often the animation is played again.
fn repeats(block: &[u8]) -> Option<u16> {
    let said = block.get(3..14)?;
    match (said, block.get(14..)?) {
        (b"NETSCAPE2.0" | b"ANIMEXTS1.0", [length, 1, low, high, ..]) if *length >= 3 => {
            Some(u16::from_le_bytes([*low, *high]))
        }
        _ => None,
    }
}

fn image_end(picture: &[u8], at: usize) -> Option<usize> {
    // The byte before the data is the size of its first codes.
    sub_blocks(picture, at + 10 + colours_bytes(*picture.get(at + 9)?) + 1)
}

/// Returns the place behind the sub-blocks that start at `at`.
fn sub_blocks(picture: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let length = usize::from(*picture.get(at)?);
        at += 1 + length;
        if length == 0 {
            return Some(at);
        }
    }
}

/// Returns bytes of the colour table that these flags announce.
fn colours_bytes(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}
