//! BMP: its headers without what decoders do not read, its colours and its pixels stay; gaps, tails and the rest of rows
//! go (Windows GDI, BITMAPFILEHEADER to BITMAPV5HEADER; OS/2, BITMAPINFOHEADER2).

use super::icc;
use super::unclean::Unclean;

/// Bytes of the header of the file.
const FILE_HEADER: usize = 14;
/// Bytes of headers: OS/2 1.x, Windows 3, 4 and 5.
const CORE: usize = 12;
const INFO: usize = 40;
const V4: usize = 108;
const V5: usize = 124;
/// Where fields of a header are.
const IMAGE_BYTES: usize = 20;
const COLOURS_USED: usize = 32;
const COLOURS_IMPORTANT: usize = 36;
const SPACE: usize = 56;
const ENDPOINTS: usize = 60;
const PROFILE: usize = 112;
/// Colour spaces.
const CALIBRATED: u32 = 0;
const SRGB: u32 = u32::from_be_bytes(*b"sRGB");
const LINKED: u32 = u32::from_be_bytes(*b"LINK");
const EMBEDDED: u32 = u32::from_be_bytes(*b"MBED");

/// How pixels are coded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Plain,
    /// Runs of pixels of so many bits.
    Runs(u32),
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}

fn short(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from(u16::from_le_bytes(*bytes)))
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Makes the copy.
pub(super) fn copy(picture: &[u8]) -> Result<Vec<u8>, Unclean> {
    let layout = Layout::read(picture).ok_or(Unclean::NoPixels)?;
    let coding = layout.coding()?;
    let data = picture.get(layout.data..).filter(|data| !data.is_empty()).ok_or(Unclean::NoPixels)?;
    let mut header = layout.header.to_vec();
    let profile = layout.profile(picture);
    let pixels = match coding {
        Coding::Plain => plain(data, &layout),
        Coding::Runs(bits) => runs(data, bits, layout.height),
    };
    clean_fields(&mut header, layout.colours, pixels.len());
    let start = FILE_HEADER + header.len() + layout.tables.len();
    if let Some(profile) = &profile {
        put(&mut header, SPACE, EMBEDDED);
        put(&mut header, PROFILE, (start - FILE_HEADER + pixels.len()) as u32);
        put(&mut header, PROFILE + 4, profile.len() as u32);
    }
    let whole = [&header, layout.tables, &pixels, profile.as_deref().unwrap_or_default()].concat();
    let length = (FILE_HEADER + whole.len()) as u32;
    let file = [&b"BM"[..], &length.to_le_bytes(), &[0; 4], &(start as u32).to_le_bytes()].concat();
    Ok([file, whole].concat())
}

/// Where the parts of a picture are.
struct Layout<'a> {
    header: &'a [u8],
    /// Masks and colours.
    tables: &'a [u8],
    colours: u32,
    data: usize,
    width: u32,
    height: u32,
    depth: u32,
    compression: u32,
}

impl<'a> Layout<'a> {
    fn read(picture: &'a [u8]) -> Option<Self> {
        let size = number(picture, FILE_HEADER)? as usize;
        let header = picture.get(FILE_HEADER..FILE_HEADER + size)?;
        let (width, height, depth) = if size == CORE {
            (short(header, 4)?, short(header, 6)?, short(header, 10)?)
        } else {
            (number(header, 4)?, (number(header, 8)? as i32).unsigned_abs(), short(header, 14)?)
        };
        let is_shown = (1..1 << 31).contains(&width) && height > 0;
        if !is_shown || !matches!(depth, 1 | 2 | 4 | 8 | 16 | 24 | 32) {
            return None;
        }
        let compression = number(header, 16).unwrap_or(0);
        let masks = match (size, compression) {
            (INFO, 3) => 12,
            (INFO, 6) => 16,
            _ => 0,
        };
        let start = FILE_HEADER + size;
        let used = number(header, COLOURS_USED).filter(|_| size > CORE).unwrap_or(0);
        let most = if depth <= 8 { 1 << depth } else { 0 };
        let colours = if used == 0 || used > most { most } else { used };
        let bytes = if size == CORE { 3 } else { 4 };
        // Colours stand behind the header, wherever pixels are said to be; without a place, or with that of the colours,
        // pixels follow these.
        let tables_end = start + masks + colours as usize * bytes;
        let said = number(picture, 10)? as usize;
        let data = if said == 0 || said == start + masks { tables_end } else { said };
        let tables = picture.get(start..tables_end.min(picture.len()))?;
        Some(Self { header, tables, colours, data, width, height, depth, compression })
    }

    fn coding(&self) -> Result<Coding, Unclean> {
        let is_os2 = (16..=64).contains(&self.header.len()) && !matches!(self.header.len(), INFO | 52 | 56);
        match (self.compression, self.depth) {
            (0, _) => Ok(Coding::Plain),
            (1, 8) | (2, 4) => Ok(Coding::Runs(self.depth)),
            (3 | 6, 16 | 32) => Ok(Coding::Plain),
            (4, 24) if is_os2 => Ok(Coding::Runs(24)),
            _ => Err(Unclean::Form("a BMP of this compression")),
        }
    }

    /// Returns the embedded colour profile, without names.
    fn profile(&self, picture: &[u8]) -> Option<Vec<u8>> {
        if self.header.len() != V5 || number(self.header, SPACE)? != EMBEDDED {
            return None;
        }
        let start = FILE_HEADER.checked_add(number(self.header, PROFILE)? as usize)?;
        let end = start.checked_add(number(self.header, PROFILE + 4)? as usize)?;
        icc::without_names(picture.get(start..end)?)
    }
}

/// Empties the fields that say nothing about pixels, or that say more than they have to.
fn clean_fields(header: &mut [u8], colours: u32, pixel_bytes: usize) {
    let size = header.len();
    if number(header, IMAGE_BYTES).is_some_and(|bytes| bytes > 0) {
        put(header, IMAGE_BYTES, pixel_bytes as u32);
    }
    for field in [COLOURS_USED, COLOURS_IMPORTANT] {
        if number(header, field).is_some_and(|count| count > colours) {
            put(header, field, if field == COLOURS_USED { colours } else { 0 });
        }
    }
    if size > INFO && size <= 64 && !matches!(size, 52 | 56) {
        // OS/2: units, recording, halftoning, an identifier.
        header[INFO..].fill(0);
    }
    if size < V4 {
        return;
    }
    let space = number(header, SPACE).unwrap_or(CALIBRATED);
    if space == LINKED || space == EMBEDDED {
        // A link is the name of a file. An embedded profile is put in again once it is clean.
        put(header, SPACE, SRGB);
    }
    if space != CALIBRATED {
        header[ENDPOINTS..V4].fill(0);
    }
    if size == V5 {
        header[PROFILE..].fill(0);
    }
}

/// Rows of pixels, as many as are there, with zeros where they are filled up to a multiple of four bytes.
fn plain(data: &[u8], layout: &Layout<'_>) -> Vec<u8> {
    let bits = u64::from(layout.width) * u64::from(layout.depth);
    let (row, stride) = (bits.div_ceil(8), bits.div_ceil(32) * 4);
    let length = stride.saturating_mul(u64::from(layout.height)).min(data.len() as u64) as usize;
    let mut pixels = data[..length].to_vec();
    if row < stride {
        for row_bytes in pixels.chunks_mut(stride as usize) {
            if let Some(filling) = row_bytes.get_mut(row as usize..) {
                filling.fill(0);
            }
        }
    }
    pixels
}

/// Runs of pixels up to their end, or the last row.
fn runs(data: &[u8], depth: u32, height: u32) -> Vec<u8> {
    let (mut at, mut rows) = (0_usize, 0_u32);
    let colour = if depth == 24 { 3 } else { 1 };
    while rows < height || data.get(at..at + 2) == Some(&[0, 1]) {
        let Some([count, code]) = data.get(at..at + 2).and_then(|pair| pair.first_chunk::<2>()) else {
            break;
        };
        at += match (count, code) {
            (0, 0) => {
                rows += 1;
                2
            }
            (0, 1) => return data[..at + 2].to_vec(),
            (0, 2) => {
                rows = rows.saturating_add(data.get(at + 3).map_or(0, |down| u32::from(*down)));
                4
            }
            (0, count) => 2 + (usize::from(*count) * depth as usize).div_ceil(8).next_multiple_of(2),
            _ => 1 + colour,
        };
    }
    if at >= data.len() { data.to_vec() } else { [&data[..at], &[0, 1]].concat() }
}
