//! JPEG.

use image::ImageFormat;

use super::{TEXT, Way, exif, forms, plain, profile, way, with};

pub fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xFF, marker], &(content.len() as u16 + 2).to_be_bytes()[..], content].concat()
}

fn find(picture: &[u8], marker: u8) -> usize {
    picture.windows(2).position(|pair| pair == [0xFF, marker]).expect("a segment")
}

pub fn ways() -> Vec<Way> {
    let plain = plain(ImageFormat::Jpeg);
    let behind_start = |parts: &[Vec<u8>]| with(&plain, 2, &parts.concat());
    let (scan, end) = (find(&plain, 0xDA), plain.len() - 2);
    let mut all = Vec::new();
    let mut add = |name: String, picture| all.push(way(format!("JPEG, {name}"), &plain, picture));
    for (form, text) in forms() {
        add(format!("a comment, {form}"), behind_start(&[segment(0xFE, &text)]));
        add(format!("behind the end, {form}"), [&plain, &text[..]].concat());
        add(
            format!("behind a comment and a stray byte, {form}"),
            behind_start(&[segment(0xFE, &text), vec![0]]),
        );
        if !text.contains(&0xFF) {
            // Whatever follows such a byte is a marker.
            add(format!("between segments, {form}"), with(&plain, scan, &text));
        }
        add(format!("behind the pixels, {form}"), with(&plain, end, &text));
        add(format!("without an end, {form}"), [&plain[..end], &text[..]].concat());
        add(
            format!("XMP, {form}"),
            behind_start(&[segment(0xE1, &[b"http://ns.adobe.com/xap/1.0/\0", &text[..]].concat())]),
        );
    }
    for marker in (0xE0..=0xEF).chain([0x02, 0xBF, 0xC8, 0xF0, 0xF7, 0xFD]) {
        let content = [b"Private\0", TEXT.as_bytes()].concat();
        add(format!("marker {marker:02X}"), behind_start(&[segment(marker, &content)]));
        add(format!("marker {marker:02X} behind the tables"), with(&plain, scan, &segment(marker, &content)));
    }
    for prefix in [&b"Exif\0\0"[..], b"Exif\0\xFF"] {
        for orientation in [1, 6] {
            let exif = segment(0xE1, &[prefix, &exif(orientation)].concat());
            add(format!("EXIF {orientation} {prefix:?}"), behind_start(std::slice::from_ref(&exif)));
            add(format!("EXIF {orientation} {prefix:?} twice"), behind_start(&[exif.clone(), exif]));
        }
    }
    add("EXIF that is none".into(), behind_start(&[segment(0xE1, &[b"Exif\0\0", TEXT.as_bytes()].concat())]));
    for (name, profile) in profile::profiles() {
        let segment = segment(0xE2, &[b"ICC_PROFILE\0\x01\x01", &profile[..]].concat());
        add(format!("a profile, {name}"), behind_start(&[segment]));
    }
    let part = segment(0xE2, &[b"ICC_PROFILE\0\x01\x02", TEXT.as_bytes()].concat());
    add("a profile with a part missing".into(), behind_start(&[part]));
    let thumbnail = [&b"JFIF\0\x01\x02\0\0\x01\0\x01\x01\x0D"[..], TEXT.as_bytes()].concat();
    add("a thumbnail in JFIF".into(), behind_start(&[segment(0xE0, &thumbnail)]));
    add(
        "a thumbnail in JFXX".into(),
        behind_start(&[segment(0xE0, &[b"JFXX\0\x10", TEXT.as_bytes()].concat())]),
    );
    let adobe = [&b"Adobe\0\x64\0\0\0\0\x01"[..], TEXT.as_bytes()].concat();
    add("behind Adobe's".into(), behind_start(&[segment(0xEE, &adobe)]));
    let mut table = vec![3; 65];
    table[1..=TEXT.len()].copy_from_slice(TEXT.as_bytes());
    add("a table that nobody reads".into(), behind_start(&[segment(0xDB, &table)]));
    let mut codes = vec![0x13, 0, 0, 0, 0, 0, 0, TEXT.len() as u8, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    codes.extend_from_slice(TEXT.as_bytes());
    add("codes that nobody reads".into(), behind_start(&[segment(0xC4, &codes)]));
    add("a comment behind the pixels".into(), with(&plain, end, &segment(0xFE, TEXT.as_bytes())));
    add(
        "behind a restart behind the pixels".into(),
        with(&plain, end, &[&[0xFF, 0xD0], TEXT.as_bytes()].concat()),
    );
    add(
        "behind a filling".into(),
        behind_start(&[vec![0xFF; 7], segment(0xFE, TEXT.as_bytes()), vec![0xFF; 3]]),
    );
    add("a second picture".into(), [&plain[..], &behind_start(&[segment(0xFE, TEXT.as_bytes())])].concat());
    add(
        "between 00 and FF 00".into(),
        behind_start(&[segment(0xFE, b"x"), [b"\0", TEXT.as_bytes(), b"\xFF\0"].concat()]),
    );
    all
}
