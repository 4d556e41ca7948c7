//! What stands in the tags of a profile (ICC.1:2022, section 10).

/// Returns the number at a place; nothing behind the end.
pub(super) fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Returns the first bytes of an element of a type, whose four after its name are zeros.
pub(super) fn typed(content: &[u8], name: &[u8; 4], length: usize) -> Option<Vec<u8>> {
    let content = content.get(..length).filter(|content| content.starts_with(name))?;
    Some([name, &[0; 4][..], &content[8..]].concat())
}

/// Returns a curve of one channel (10.6 and 10.18).
pub(super) fn curve(content: &[u8]) -> Option<Vec<u8>> {
    match content.first_chunk()? {
        b"curv" => {
            let count = number(content, 8)? as usize;
            typed(content, b"curv", count.checked_mul(2)?.checked_add(12)?)
        }
        b"para" => {
            let kind = usize::from(u16::from_be_bytes(*content.get(8..)?.first_chunk()?));
            let mut curve = typed(content, b"para", 12 + 4 * *[1, 3, 4, 5, 7].get(kind)?)?;
            curve[10..12].fill(0);
            Some(curve)
        }
        _ => None,
    }
}
