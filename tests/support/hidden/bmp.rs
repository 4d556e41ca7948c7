//! BMP.

use image::ImageFormat;

use super::{TEXT, Way, forms, plain, profile, way};

/// A bitmap of these parts, with a place for its pixels behind a gap.
fn file(header: &[u8], tables: &[u8], gap: &[u8], rest: &[u8]) -> Vec<u8> {
    let start = 14 + header.len() + tables.len() + gap.len();
    let length = (start + rest.len()) as u32;
    let head = [&b"BM"[..], &length.to_le_bytes(), &[0; 4], &(start as u32).to_le_bytes()].concat();
    [&head, header, tables, gap, rest].concat()
}

/// A header of this length for 4 x 2 pixels.
fn header(length: usize, depth: u8, compression: u8) -> Vec<u8> {
    let mut header = vec![0; length];
    header[0] = length as u8;
    (header[4], header[8], header[12], header[14], header[16]) = (4, 2, 1, depth, compression);
    header
}

fn with_space(space: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut header = header(124, 24, 0);
    header[56..60].copy_from_slice(&[space[3], space[2], space[1], space[0]]);
    header[112..116].copy_from_slice(&(124_u32 + 24).to_le_bytes());
    header[116..120].copy_from_slice(&(content.len() as u32).to_le_bytes());
    file(&header, &[], &[], &[&[7; 24], content].concat())
}

pub fn ways() -> Vec<Way> {
    let plain = plain(ImageFormat::Bmp);
    let mut all = Vec::new();
    let start = u32::from_le_bytes(*plain[10..].first_chunk().expect("a header")) as usize;
    for (form, text) in forms() {
        let mut add = |name: &str, picture| all.push(way(format!("BMP, {name}, {form}"), &plain, picture));
        add("behind the pixels", [&plain, &text[..]].concat());
        add("before the pixels", file(&plain[14..start], &[], &text, &plain[start..]));
        let mut told = [&plain, &text[..]].concat();
        let length = told.len() as u32;
        told[2..6].copy_from_slice(&length.to_le_bytes());
        add("inside of the length of the file", told);
    }
    all.extend(of_headers());
    all
}

fn of_headers() -> Vec<Way> {
    let text = TEXT.as_bytes();
    let (deep, flat, runs) = (header(40, 24, 0), header(40, 8, 0), header(40, 8, 1));
    let (pixels, dots, coded) = ([7; 24], [1, 2, 3, 0, 0, 1, 2, 3], [4, 1, 0, 0, 4, 2, 0, 0, 0, 1]);
    let colours: Vec<u8> = (0..=255).flat_map(|shade| [shade, shade / 2, 9, 0]).collect();
    let plain = file(&deep, &[], &[], &pixels);
    let mut proposed = deep.clone();
    proposed[32] = 10;
    let mut more_colours = flat.clone();
    more_colours[32..36].copy_from_slice(&(256_u32 + 10).to_le_bytes());
    let mut named = header(64, 24, 0);
    named[40..64].copy_from_slice(&text[..24]);
    let mut endpoints = header(108, 24, 0);
    endpoints[56..60].copy_from_slice(b"BGRs");
    endpoints[60..60 + text.len()].copy_from_slice(text);
    let wide = file(&header(64, 24, 0), &[], &[], &pixels);
    let ours: Vec<u8> = text.iter().copied().chain([0]).collect();
    let mut all = vec![
        way("BMP, colours that are a proposal", &plain, file(&proposed, &ours, &[], &pixels)),
        way(
            "BMP, more colours than there are",
            &file(&flat, &colours, &[], &dots),
            file(&more_colours, &[&colours, &ours[..]].concat(), &[], &dots),
        ),
        way("BMP, fields of OS/2", &wide, file(&named, &[], &[], &pixels)),
        way("BMP, points of no space", &plain, file(&endpoints, &[], &[], &pixels)),
        way(
            "BMP, behind runs",
            &file(&runs, &colours, &[], &coded),
            file(&runs, &colours, &[], &[&coded, text].concat()),
        ),
        way(
            "BMP, behind rows in runs",
            &file(&runs, &colours, &[], &coded),
            file(&runs, &colours, &[], &[&coded[..8], text].concat()),
        ),
        way("BMP, the name of a profile's file", &plain, with_space(b"LINK", text)),
    ];
    for (name, profile) in profile::profiles() {
        all.push(way(format!("BMP, a profile, {name}"), &plain, with_space(b"MBED", &profile)));
    }
    all
}
