//! JPEG: tables, frames and scans stay, JFIF and Adobe's marker cut to what decoders read, the colour profile and the
//! orientation (ITU T.81, annex B; JFIF 1.02). What stands between segments goes, and so does what a scan does not need.

mod bits;
mod pieces;
mod scan;

use bits::Codes;
use pieces::{Ending, Piece, pieces};
use scan::{Component, Frame, Header, Memory, Outcome, Tables};

use super::icc;
use super::unclean::Unclean;
use crate::apps::pictures::exif;

const SOI: [u8; 2] = [0xFF, 0xD8];
const EOI: [u8; 2] = [0xFF, 0xD9];
/// Begins each segment of a colour profile, before its number and how many there are.
const PROFILE: &[u8] = b"ICC_PROFILE\0";
/// Bytes of a profile in one segment at most.
const PROFILE_PART_BYTES: usize = 65_535 - 2 - PROFILE.len() - 2;
/// Bytes of a JFIF segment without a thumbnail.
const JFIF_BYTES: usize = 14;
/// Bytes of Adobe's segment that decoders read.
const ADOBE_BYTES: usize = 12;

/// Makes the copy.
pub(super) fn copy(picture: &[u8]) -> Result<Vec<u8>, Unclean> {
    let (pieces, ending) = pieces(picture)?;
    let frame = frame(&pieces)?;
    let whole = vec![false; frame.components.len()];
    let memory = Memory::new(&frame).ok_or(Unclean::TooLarge)?;
    let mut copy = Copy {
        frame,
        used: Used::of(&pieces),
        tables: Tables::default(),
        memory,
        out: SOI.to_vec(),
        whole,
        has_scan: false,
    };
    copy.header(&pieces);
    for piece in &pieces {
        match copy.piece(piece) {
            // Decoders show what they had before something that they can't read.
            Err(Unclean::NoPixels) if copy.has_scan => break,
            other => other?,
        }
    }
    if copy.has_end(ending) {
        copy.out.extend_from_slice(&EOI);
    }
    Ok(copy.out)
}

/// Numbers of tables that are asked for; others are never read.
#[derive(Default)]
struct Used {
    quantization: [bool; 4],
    dc: [bool; 4],
    ac: [bool; 4],
}

impl Used {
    fn of(pieces: &[Piece<'_>]) -> Self {
        let mut used = Self::default();
        for piece in pieces {
            match piece {
                Piece::Frame { content, .. } => {
                    for part in content.get(6..).unwrap_or_default().chunks_exact(3) {
                        used.quantization[usize::from(part[2] & 3)] = true;
                    }
                }
                Piece::Scan { header, .. } => {
                    let count = header.first().map_or(0, |count| usize::from(*count));
                    for part in header.get(1..).unwrap_or_default().chunks_exact(2).take(count) {
                        used.dc[usize::from(part[1] >> 4 & 3)] = true;
                        used.ac[usize::from(part[1] & 3)] = true;
                    }
                }
                _ => {}
            }
        }
        used
    }
}

/// Reads the only frame header (B.2.2).
fn frame(pieces: &[Piece<'_>]) -> Result<Frame, Unclean> {
    let mut frames = pieces.iter().filter_map(|piece| match piece {
        Piece::Frame { marker, content } => Some((*marker, *content)),
        _ => None,
    });
    let (marker, content) = frames.next().ok_or(Unclean::NoPixels)?;
    match marker {
        0xC0..=0xC2 | 0xC9 | 0xCA => {}
        0xC3 => return Err(Unclean::Form("a JPEG without loss")),
        _ => return Err(Unclean::Form("a JPEG of several frames")),
    }
    let (head, parts) = content.split_at_checked(6).ok_or(Unclean::NoPixels)?;
    let count = usize::from(head[5]);
    if frames.next().is_some() || parts.len() != 3 * count || !(1..=4).contains(&count) {
        return Err(Unclean::NoPixels);
    }
    let side = |at: usize| u32::from(u16::from_be_bytes([head[at], head[at + 1]]));
    let components: Vec<Component> = parts
        .chunks_exact(3)
        .map(|part| Component {
            id: part[0],
            across: u32::from(part[1] >> 4),
            down: u32::from(part[1] & 15),
            quantization: part[2],
        })
        .collect();
    let frame = Frame {
        is_progressive: matches!(marker, 0xC2 | 0xCA),
        is_arithmetic: matches!(marker, 0xC9 | 0xCA),
        width: side(3),
        height: side(1),
        components,
    };
    let is_sound = |part: &Component| {
        (1..=4).contains(&part.across) && (1..=4).contains(&part.down) && part.quantization < 4
    };
    let is_shown = frame.width > 0 && frame.height > 0 && frame.components.iter().all(is_sound);
    if is_shown { Ok(frame) } else { Err(Unclean::NoPixels) }
}

struct Copy {
    frame: Frame,
    used: Used,
    tables: Tables,
    memory: Memory,
    out: Vec<u8>,
    /// By the place of a component in the frame: a scan of it was read to its end.
    whole: Vec<bool>,
    has_scan: bool,
}

impl Copy {
    fn segment(&mut self, marker: u8, content: &[&[u8]]) {
        let length = 2 + content.iter().map(|part| part.len()).sum::<usize>();
        self.out.extend_from_slice(&[0xFF, marker]);
        self.out
            .extend_from_slice(&u16::try_from(length).expect("a segment that is not longer").to_be_bytes());
        content.iter().for_each(|part| self.out.extend_from_slice(part));
    }

    /// Writes what stands in front of everything else: JFIF, the orientation, the profile, Adobe's marker.
    fn header(&mut self, pieces: &[Piece<'_>]) {
        let before_scans = || pieces.iter().take_while(|piece| !matches!(piece, Piece::Scan { .. }));
        let apps = |wanted: u8| {
            before_scans().filter_map(move |piece| match piece {
                Piece::App { marker, content } if *marker == wanted => Some(*content),
                _ => None,
            })
        };
        // Decoders go by the last one of JFIF and Adobe, and by the first EXIF.
        let jfif = apps(0xE0).filter(|content| content.len() >= JFIF_BYTES && content.starts_with(b"JFIF\0"));
        if let Some(jfif) = jfif.last() {
            self.segment(0xE0, &[&jfif[..JFIF_BYTES - 2], &[0, 0]]);
        }
        let block = apps(0xE1).find_map(exif::block_of_segment).and_then(exif::only_orientation);
        if let Some(block) = block {
            self.segment(0xE1, &[b"Exif\0\0", &block]);
        }
        if let Some(profile) = profile(apps(0xE2)).and_then(|profile| icc::without_names(&profile)) {
            let count = profile.len().div_ceil(PROFILE_PART_BYTES) as u8;
            for (number, part) in profile.chunks(PROFILE_PART_BYTES).enumerate() {
                self.segment(0xE2, &[PROFILE, &[number as u8 + 1, count], part]);
            }
        }
        let adobe =
            apps(0xEE).filter(|content| content.len() >= ADOBE_BYTES && content.starts_with(b"Adobe"));
        if let Some(adobe) = adobe.last() {
            self.segment(0xEE, &[&adobe[..ADOBE_BYTES]]);
        }
    }

    fn piece(&mut self, piece: &Piece<'_>) -> Result<(), Unclean> {
        match *piece {
            Piece::App { .. } => {}
            Piece::Frame { marker, content } => self.segment(marker, &[content]),
            Piece::Quantization(content) => self.quantization(content)?,
            Piece::Codes(content) if !self.frame.is_arithmetic => self.codes(content)?,
            Piece::Conditioning(content) if self.frame.is_arithmetic => self.conditioning(content)?,
            Piece::Codes(_) | Piece::Conditioning(_) => {}
            Piece::Restart(content) => {
                let content: &[u8; 2] = content.try_into().map_err(|_| Unclean::NoPixels)?;
                self.tables.restart = u32::from(u16::from_be_bytes(*content));
                self.segment(0xDD, &[content]);
            }
            Piece::Lines(content) => {
                if content.len() == 2 {
                    self.segment(0xDC, &[content]);
                }
            }
            Piece::Scan { header, data } => self.scan(header, data)?,
        }
        Ok(())
    }

    /// Keeps the tables of a DQT segment that are used (B.2.4.1).
    fn quantization(&mut self, mut content: &[u8]) -> Result<(), Unclean> {
        let mut kept: Vec<&[u8]> = Vec::new();
        while let Some(head) = content.first() {
            let length = if head >> 4 == 0 { 65 } else { 129 };
            let (table, rest) = content.split_at_checked(length).ok_or(Unclean::NoPixels)?;
            if self.used.quantization.get(usize::from(head & 15)) == Some(&true) {
                kept.push(table);
            }
            content = rest;
        }
        if !kept.is_empty() {
            self.segment(0xDB, &kept);
        }
        Ok(())
    }

    /// Keeps the tables of a DHT segment that are used (B.2.4.2).
    fn codes(&mut self, mut content: &[u8]) -> Result<(), Unclean> {
        let mut kept: Vec<&[u8]> = Vec::new();
        while !content.is_empty() {
            let counts: &[u8; 16] =
                content.get(1..).and_then(|rest| rest.first_chunk()).ok_or(Unclean::NoPixels)?;
            let length = 17 + counts.iter().map(|count| usize::from(*count)).sum::<usize>();
            let (table, rest) = content.split_at_checked(length).ok_or(Unclean::NoPixels)?;
            let (used, tables) = match table[0] >> 4 {
                0 => (&self.used.dc, &mut self.tables.dc),
                _ => (&self.used.ac, &mut self.tables.ac),
            };
            let number = usize::from(table[0] & 15);
            if used.get(number) == Some(&true) {
                tables[number] = Codes::new(counts, &table[17..]);
                kept.push(table);
            }
            content = rest;
        }
        if !kept.is_empty() {
            self.segment(0xC4, &kept);
        }
        Ok(())
    }

    /// Keeps the conditioning of a DAC segment that is used (B.2.4.3).
    fn conditioning(&mut self, content: &[u8]) -> Result<(), Unclean> {
        let (pairs, rest) = content.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Unclean::NoPixels);
        }
        let is_used = |pair: &&[u8; 2]| {
            let used = if pair[0] >> 4 == 0 { &self.used.dc } else { &self.used.ac };
            pair[0] < 0x20 && used.get(usize::from(pair[0] & 15)) == Some(&true)
        };
        let kept: Vec<&[u8]> = pairs.iter().filter(is_used).map(|pair| &pair[..]).collect();
        if !kept.is_empty() {
            self.segment(0xCC, &kept);
        }
        Ok(())
    }

    /// Returns whether the copy has an end too. A missing one tells decoders that pixels are missing; it is put behind scans that
    /// are whole or that a marker ended. How many scans a progressive picture should have cannot be told.
    fn has_end(&self, ending: Ending) -> bool {
        let is_complete = ending == Ending::OfScan || self.whole.iter().all(|is_whole| *is_whole);
        ending == Ending::Marked || !self.frame.is_progressive && is_complete
    }

    fn scan(&mut self, content: &[u8], data: &[u8]) -> Result<(), Unclean> {
        let header = self.scan_header(content).ok_or(Unclean::NoPixels)?;
        self.segment(0xDA, &[content]);
        self.has_scan = true;
        // Where arithmetically coded data ends is not looked for: all of it counts as data, as where it is damaged.
        let outcome = if self.frame.is_arithmetic {
            Outcome::Damaged
        } else {
            self.memory.read(&self.frame, &header, &self.tables, data)
        };
        for (component, ..) in header.parts {
            self.whole[component] = matches!(outcome, Outcome::Whole(_));
        }
        match outcome {
            Outcome::Whole(data) => self.out.extend_from_slice(&data),
            Outcome::Damaged => self.out.extend_from_slice(data),
            Outcome::TooLarge => return Err(Unclean::TooLarge),
        }
        Ok(())
    }

    /// Reads a scan header (B.2.3); nothing if decoders would not take it.
    fn scan_header(&self, content: &[u8]) -> Option<Header> {
        let count = usize::from(*content.first()?);
        if !(1..=4).contains(&count) || content.len() != 4 + 2 * count {
            return None;
        }
        let part = |part: &[u8]| {
            let place = self.frame.components.iter().position(|component| component.id == part[0])?;
            Some((place, usize::from(part[1] >> 4), usize::from(part[1] & 15)))
        };
        let parts: Option<Vec<_>> = content[1..=2 * count].chunks_exact(2).map(part).collect();
        let [first, last, bits] = *content.last_chunk()?;
        let header =
            Header { parts: parts?, first: u32::from(first), last: u32::from(last), high: bits >> 4 };
        let is_band = first > 0 && first <= last && last < 64 && count == 1;
        let is_sound = !self.frame.is_progressive || is_band || (first == 0 && last == 0);
        is_sound.then_some(header)
    }
}

/// Returns the colour profile, whose segments are numbered; nothing if one of them is missing.
fn profile<'a>(segments: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut parts: Vec<Option<&[u8]>> = Vec::new();
    for segment in segments {
        let Some([number, count, part @ ..]) = segment.strip_prefix(PROFILE) else { continue };
        if parts.is_empty() {
            parts = vec![None; usize::from(*count)];
        }
        let place = parts.get_mut(usize::from(*number).checked_sub(1)?)?;
        if parts_differ(place.replace(part), part) {
            return None;
        }
    }
    let parts: Option<Vec<&[u8]>> = parts.into_iter().collect();
    parts.map(|parts| parts.concat()).filter(|profile| !profile.is_empty())
}

/// Returns whether a part came twice, and not as the same.
fn parts_differ(before: Option<&[u8]>, part: &[u8]) -> bool {
    before.is_some_and(|before| before != part)
}
