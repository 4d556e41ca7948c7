//! Colour profiles without names: made again of the tags that say how colours are to be seen (ICC.1:2022, section 7).
//!
//! What a profile is called, who made it when and for which device goes, and so do tags that nobody needs for showing a
//! picture. A profile that can't be read up to its colours goes as a whole.

mod element;
mod lut;

use element::{curve, number, typed};

/// Bytes of the header, and of an entry in the table of tags.
const HEADER_BYTES: usize = 128;
const ENTRY_BYTES: usize = 12;
/// Tags of a profile at most; a printer's has twenty.
const TAGS_MAX: usize = 128;
/// Fields of the header that are kept: version, class and spaces; and the intent.
const KEPT: [std::ops::Range<usize>; 2] = [8..24, 64..68];
/// Where the signature and the date stand, and the white point of the space that colours are given in (7.2.16).
const SIGNATURE_AT: usize = 36;
const DATE_AT: usize = 24;
const WHITE_AT: usize = 68;
const WHITE: [u8; 12] = [0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D];
/// The first day of 2000: a date has to be there.
const DATE: [u8; 12] = [0x07, 0xD0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0];

/// Makes a profile again that shows colours as this one does and names nobody; nothing if it can't be read.
pub(super) fn without_names(profile: &[u8]) -> Option<Vec<u8>> {
    let length = number(profile, 0)? as usize;
    let profile = profile.get(..length).unwrap_or(profile);
    let is_profile = profile.get(SIGNATURE_AT..)?.starts_with(b"acsp")
        && matches!(&profile[12..16], b"mntr" | b"scnr" | b"prtr" | b"spac");
    if !is_profile || profile[8] > 4 {
        return None;
    }
    let tags = tags(profile)?;
    let has = |name: &[u8; 4]| tags.iter().any(|(tag, _)| tag == name);
    let is_complete = has(b"A2B0")
        || has(b"kTRC")
        || [b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC"].into_iter().all(has);
    is_complete.then(|| written(profile, tags))
}

type Tag = ([u8; 4], Vec<u8>);

/// Returns the tags that stay, each with what it holds and nothing behind that.
fn tags(profile: &[u8]) -> Option<Vec<Tag>> {
    let count = number(profile, HEADER_BYTES)? as usize;
    if count > TAGS_MAX {
        return None;
    }
    let mut kept: Vec<Tag> = Vec::new();
    for entry in profile[HEADER_BYTES + 4..].chunks_exact(ENTRY_BYTES).take(count) {
        let (start, length) = (number(entry, 4)? as usize, number(entry, 8)? as usize);
        let Some(content) = profile.get(start..start.saturating_add(length)) else { continue };
        let name = *entry.first_chunk()?;
        if !kept.iter().any(|(tag, _)| *tag == name) {
            kept.extend(element(&name, content).map(|element| (name, element)));
        }
    }
    Some(kept)
}

/// Returns what a tag holds, if it is one that stays and of a type that it may have.
fn element(name: &[u8; 4], content: &[u8]) -> Option<Vec<u8>> {
    match name {
        b"rXYZ" | b"gXYZ" | b"bXYZ" | b"wtpt" | b"bkpt" => typed(content, b"XYZ ", 20),
        b"chad" => typed(content, b"sf32", 44),
        b"cicp" => typed(content, b"cicp", 12),
        b"rTRC" | b"gTRC" | b"bTRC" | b"kTRC" => curve(content),
        b"A2B0" | b"A2B1" | b"A2B2" | b"B2A0" | b"B2A1" | b"B2A2" => lut::table(content),
        _ => None,
    }
}

/// Writes header, tags, and the texts that have to be there.
fn written(profile: &[u8], mut tags: Vec<Tag>) -> Vec<u8> {
    let is_old = profile[8] < 4;
    tags.push((*b"desc", description(is_old)));
    tags.push((*b"cprt", copyright(is_old)));
    tags.sort_by_key(|(name, _)| *name);
    let mut table = (tags.len() as u32).to_be_bytes().to_vec();
    let (start, mut elements) = (HEADER_BYTES + 4 + tags.len() * ENTRY_BYTES, Vec::new());
    let mut places: Vec<(&[u8], usize)> = Vec::new();
    for (name, content) in &tags {
        // Tags may share what they hold.
        let known = places.iter().find(|(other, _)| *other == &content[..]).map(|(_, place)| *place);
        let place = known.unwrap_or(start + elements.len());
        if known.is_none() {
            places.push((content, place));
            elements.extend_from_slice(content);
            elements.resize(elements.len().next_multiple_of(4), 0);
        }
        table.extend_from_slice(name);
        table.extend_from_slice(&(place as u32).to_be_bytes());
        table.extend_from_slice(&(content.len() as u32).to_be_bytes());
    }
    let mut out = vec![0; HEADER_BYTES];
    out[..4].copy_from_slice(&((start + elements.len()) as u32).to_be_bytes());
    for range in KEPT {
        out[range.clone()].copy_from_slice(&profile[range]);
    }
    out[10..12].fill(0);
    out[DATE_AT..DATE_AT + 12].copy_from_slice(&DATE);
    out[SIGNATURE_AT..SIGNATURE_AT + 4].copy_from_slice(b"acsp");
    out[WHITE_AT..WHITE_AT + 12].copy_from_slice(&WHITE);
    [out, table, elements].concat()
}

/// The name of every profile.
const NAME: &[u8] = b"Colours";

fn description(is_old: bool) -> Vec<u8> {
    if !is_old {
        return localized(NAME);
    }
    // A text, then the same in Unicode and for Macintosh, which are both left out (ICC.1:2001-04, 6.5.17).
    let length = (NAME.len() as u32 + 1).to_be_bytes();
    [&b"desc\0\0\0\0"[..], &length, NAME, &[0], &[0; 8], &[0; 70]].concat()
}

fn copyright(is_old: bool) -> Vec<u8> {
    if is_old { b"text\0\0\0\0none\0".to_vec() } else { localized(b"none") }
}

/// Returns a text in one language (10.15).
fn localized(text: &[u8]) -> Vec<u8> {
    let units: Vec<u8> = text.iter().flat_map(|byte| [0, *byte]).collect();
    let length = (units.len() as u32).to_be_bytes();
    [&b"mluc\0\0\0\0"[..], &[0, 0, 0, 1, 0, 0, 0, 12], b"enUS", &length, &[0, 0, 0, 28], &units].concat()
}
