//! Colour profiles that name somebody.

use super::TEXT;

/// A profile of the colours that these tags tell, in the old form or the new one.
fn profile(version: u8, tags: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let (mut table, mut elements) = ((tags.len() as u32).to_be_bytes().to_vec(), Vec::new());
    let start = 132 + 12 * tags.len();
    for (name, content) in tags {
        table.extend_from_slice(name);
        table.extend_from_slice(&((start + elements.len()) as u32).to_be_bytes());
        table.extend_from_slice(&(content.len() as u32).to_be_bytes());
        elements.extend_from_slice(content);
        elements.resize(elements.len().next_multiple_of(4), 0);
    }
    let mut head = vec![0; 128];
    head[..4].copy_from_slice(&((start + elements.len()) as u32).to_be_bytes());
    head[8] = version;
    head[12..24].copy_from_slice(b"mntrRGB XYZ ");
    head[36..40].copy_from_slice(b"acsp");
    head[68..80].copy_from_slice(&[0, 0, 0xF6, 0xD6, 0, 1, 0, 0, 0, 0, 0xD3, 0x2D]);
    [head, table, elements].concat()
}

/// The colours of sRGB, and tags beside them.
fn with_tags(version: u8, more: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let xyz = |values: [u32; 3]| {
        [b"XYZ \0\0\0\0".to_vec(), values.iter().flat_map(|value| value.to_be_bytes()).collect()].concat()
    };
    let curve = b"curv\0\0\0\0\0\0\0\x01\x02\x33".to_vec();
    let mut tags = vec![
        (*b"rXYZ", xyz([0x6FA2, 0x38F5, 0x390])),
        (*b"gXYZ", xyz([0x6299, 0xB785, 0x18DA])),
        (*b"bXYZ", xyz([0x24A0, 0xF84, 0xB6CF])),
        (*b"wtpt", xyz([0xF6D6, 0x10000, 0xD32D])),
        (*b"rTRC", curve.clone()),
        (*b"gTRC", curve.clone()),
        (*b"bTRC", curve),
    ];
    tags.extend_from_slice(more);
    profile(version, &tags)
}

fn text() -> Vec<u8> {
    [b"text\0\0\0\0", TEXT.as_bytes(), &[0]].concat()
}

fn localized() -> Vec<u8> {
    let units: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let length = (units.len() as u32).to_be_bytes();
    [&b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0CenUS"[..], &length, &[0, 0, 0, 28], &units].concat()
}

fn description() -> Vec<u8> {
    let length = (TEXT.len() as u32 + 1).to_be_bytes();
    [&b"desc\0\0\0\0"[..], &length, TEXT.as_bytes(), &[0; 79]].concat()
}

/// Profiles with the text, and where.
pub fn profiles() -> Vec<(&'static str, Vec<u8>)> {
    let long = [b"curv\0\0\0\0\0\0\0\x01\x02\x33", TEXT.as_bytes()].concat();
    let mut in_header = with_tags(2, &[]);
    in_header[80..84].copy_from_slice(&TEXT.as_bytes()[..4]);
    in_header[84..123].copy_from_slice(TEXT.as_bytes());
    vec![
        ("its name", with_tags(2, &[(*b"desc", description())])),
        ("its new name", with_tags(4, &[(*b"desc", localized())])),
        ("its copyright", with_tags(2, &[(*b"cprt", text())])),
        ("its device's maker", with_tags(2, &[(*b"dmnd", description())])),
        ("its device's model", with_tags(2, &[(*b"dmdd", description())])),
        ("its conditions", with_tags(4, &[(*b"vued", localized())])),
        ("a tag of its own", with_tags(2, &[(*b"mmod", text())])),
        ("a curve's end", with_tags(2, &[(*b"kTRC", long)])),
        ("its header", in_header),
        ("its end", [with_tags(2, &[]), TEXT.as_bytes().to_vec()].concat()),
        ("a profile that is none", [&[0; 140], TEXT.as_bytes()].concat()),
    ]
}
