//! Tables of colours in a profile (ICC.1:2022, sections 10.10 to 10.13).

use super::element::{curve, number, typed};

/// Channels of a table at most.
const CHANNELS_MAX: usize = 15;

/// Returns a table, without anything between its parts; nothing if they are not all there.
pub(super) fn table(content: &[u8]) -> Option<Vec<u8>> {
    match content.first_chunk()? {
        b"mft1" => old(content, b"mft1", 48, |_| Some((256, 256)), 1),
        b"mft2" => {
            let entries =
                |at: usize| content.get(at..)?.first_chunk().map(|two| usize::from(u16::from_be_bytes(*two)));
            old(
                content,
                b"mft2",
                52,
                |content| content.get(..52).and_then(|_| Some((entries(48)?, entries(50)?))),
                2,
            )
        }
        name @ (b"mAB " | b"mBA ") => new(content, name),
        _ => None,
    }
}

/// Numbers of channels that come in and go out.
fn channels(content: &[u8]) -> Option<(usize, usize)> {
    let (inward, outward) = (usize::from(*content.get(8)?), usize::from(*content.get(9)?));
    let range = 1..=CHANNELS_MAX;
    (range.contains(&inward) && range.contains(&outward)).then_some((inward, outward))
}

/// Returns a table of 8 or 16 bits: curves, a grid, curves.
fn old(
    content: &[u8],
    name: &[u8; 4],
    head: usize,
    entries: impl Fn(&[u8]) -> Option<(usize, usize)>,
    bytes: usize,
) -> Option<Vec<u8>> {
    let ((inward, outward), (first, last)) = (channels(content)?, entries(content)?);
    let grid = usize::from(*content.get(10)?).checked_pow(inward as u32)?.checked_mul(outward)?;
    let values = grid.checked_add(first * inward)?.checked_add(last * outward)?;
    let mut table = typed(content, name, values.checked_mul(bytes)?.checked_add(head)?)?;
    table[11] = 0;
    Some(table)
}

/// Returns a table of parts, each at a place of its own: curves, matrix, curves, grid, curves, as far as they are there.
fn new(content: &[u8], name: &[u8; 4]) -> Option<Vec<u8>> {
    let (inward, outward) = channels(content)?;
    // The last curves stand on the side of the space in which profiles meet.
    let (ours, theirs) = if name == b"mAB " { (outward, inward) } else { (inward, outward) };
    let mut out = [name, &[0; 4][..], &content[8..10], &[0; 22]].concat();
    for field in [12, 16, 20, 24, 28] {
        let place = number(content, field)? as usize;
        if place == 0 {
            continue;
        }
        let part = content.get(place..)?;
        let part = match field {
            12 | 20 => curves(part, ours)?,
            16 => part.get(..48)?.to_vec(),
            24 => grid(part, inward, outward)?,
            _ => curves(part, theirs)?,
        };
        let place = u32::try_from(out.len()).ok()?.to_be_bytes();
        out[field..field + 4].copy_from_slice(&place);
        out.extend_from_slice(&part);
    }
    Some(out)
}

/// Returns so many curves, each filled up to a multiple of four bytes.
fn curves(mut content: &[u8], count: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for _ in 0..count {
        let mut one = curve(content)?;
        one.resize(one.len().next_multiple_of(4), 0);
        content = content.get(one.len()..).unwrap_or_default();
        out.extend_from_slice(&one);
    }
    Some(out)
}

fn grid(content: &[u8], inward: usize, outward: usize) -> Option<Vec<u8>> {
    let mut points = [0; 16];
    points[..inward].copy_from_slice(content.get(..inward)?);
    let bytes = usize::from(*content.get(16)?);
    if !(1..=2).contains(&bytes) {
        return None;
    }
    let product = |product: usize, points: &u8| product.checked_mul(usize::from(*points));
    let length = points[..inward].iter().try_fold(outward * bytes, product)?;
    let values = content.get(20..)?.get(..length)?;
    let mut out = [&points[..], &[bytes as u8, 0, 0, 0], values].concat();
    out.resize(out.len().next_multiple_of(4), 0);
    Some(out)
}
