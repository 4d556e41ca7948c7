//! GIF.

use image::ImageFormat;

use super::{TEXT, Way, forms, plain, profile, way, with};

fn sub_blocks(content: &[u8]) -> Vec<u8> {
    let blocks = content.chunks(255).flat_map(|block| [&[block.len() as u8], block].concat());
    blocks.chain([0]).collect()
}

fn extension(label: u8, content: &[u8]) -> Vec<u8> {
    [&[0x21, label], &sub_blocks(content)[..]].concat()
}

fn application(name: &[u8; 11], content: &[u8]) -> Vec<u8> {
    [&[0x21, 0xFF, 11], &name[..], &sub_blocks(content)].concat()
}

/// A frame of 4 x 2 in a screen of that size with four colours; its codes are 3 bits wide and never more.
const SCREEN: &[u8] = b"GIF89a\x04\0\x02\0\x81\0\0abcdefghijkl";
const CONTROL: &[u8] = b"\x21\xF9\x04\0\x0A\0\0\0";
const FRAME: &[u8] = b"\x2C\0\0\0\0\x04\0\x02\0\0\x02";

/// Codes of three bits: a clear one before each pair of pixels, so that they stay that wide.
fn codes(codes: &[u8]) -> Vec<u8> {
    let bits: Vec<u8> = codes.iter().flat_map(|code| (0..3).map(move |bit| code >> bit & 1)).collect();
    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |sum, bit| sum << 1 | bit)).collect()
}

fn pixels() -> Vec<u8> {
    codes(&[4, 0, 1, 4, 2, 3, 4, 1, 0, 4, 3, 2, 5])
}

fn pixels_without_end() -> Vec<u8> {
    codes(&[4, 0, 1, 4, 2, 3, 4, 1, 0, 4, 3, 2])
}

fn frames(data: &[Vec<u8>], between: &[u8]) -> Vec<u8> {
    let frames: Vec<Vec<u8>> = data.iter().map(|data| [CONTROL, FRAME, data].concat()).collect();
    [SCREEN, &application(b"NETSCAPE2.0", &[1, 0, 0]), &frames.join(between), b";"].concat()
}

pub fn ways() -> Vec<Way> {
    let plain = plain(ImageFormat::Gif);
    let start = 13 + (3 << ((plain[10] & 7) + 1));
    let end = plain.len() - 1;
    let mut all = Vec::new();
    let mut add = |name: String, picture| all.push(way(format!("GIF, {name}"), &plain, picture));
    for (form, text) in forms() {
        for (place, at) in [("before", start), ("behind", end)] {
            add(format!("a comment {place} the frame, {form}"), with(&plain, at, &extension(0xFE, &text)));
            add(
                format!("MGKIPTC {place} the frame, {form}"),
                with(&plain, at, &application(b"MGKIPTC0000", &text)),
            );
            add(
                format!("MGK8BIM {place} the frame, {form}"),
                with(&plain, at, &application(b"MGK8BIM0000", &text)),
            );
            add(
                format!("XMP {place} the frame, {form}"),
                with(&plain, at, &application(b"XMP DataXMP", &text)),
            );
            add(
                format!("an unknown label {place} the frame, {form}"),
                with(&plain, at, &extension(0x77, &text)),
            );
            add(
                format!("behind a zero {place} the frame, {form}"),
                with(&plain, at, &[&[0], &extension(0xFE, &text)[..]].concat()),
            );
        }
        add(format!("behind the trailer, {form}"), [&plain, &text[..]].concat());
        add(format!("behind zeros at the end, {form}"), [&plain[..end], &[0, 0], &text].concat());
        add(format!("without a trailer, {form}"), [&plain[..end], &text].concat());
    }
    let words = [&[12, 0, 0, 0, 0, 40, 0, 24, 0, 8, 8, 1, 0][..], &sub_blocks(TEXT.as_bytes())].concat();
    add("plain text".into(), with(&plain, end, &[&[0x21, 0x01], &words[..]].concat()));
    add("a name of an application".into(), with(&plain, start, &extension(0xFF, TEXT.as_bytes())));
    for (name, profile) in profile::profiles() {
        add(format!("a profile, {name}"), with(&plain, start, &application(b"ICCRGBG1012", &profile)));
    }
    all.extend(of_frames());
    all
}

/// Where frames and what stays have more than they should.
fn of_frames() -> Vec<Way> {
    let whole = sub_blocks(&pixels());
    let (one, two) =
        (frames(std::slice::from_ref(&whole), b""), frames(&[whole.clone(), whole.clone()], b""));
    let text = TEXT.as_bytes();
    let tail = |data: &[u8]| frames(&[sub_blocks(&[data, text].concat())], b"");
    let of_two = |between: &[u8]| frames(&[whole.clone(), whole.clone()], between);
    let repeats = [
        SCREEN,
        &application(b"NETSCAPE2.0", &[1, 0, 0])[..19],
        &sub_blocks(text),
        CONTROL,
        FRAME,
        &whole,
        b";",
    ];
    let control = [SCREEN, b"\x21\xF9\x04\0\x0A\0\0", &sub_blocks(text), FRAME, &whole, b";"];
    vec![
        way("GIF, behind the code for the end", &one, tail(&pixels())),
        way("GIF, behind pixels without an end", &one, tail(&pixels_without_end())),
        way("GIF, a comment between frames", &two, of_two(&extension(0xFE, text))),
        way(
            "GIF, a comment behind a zero between frames",
            &two,
            of_two(&[&[0], &extension(0xFE, text)[..]].concat()),
        ),
        way("GIF, behind how often it plays", &one, repeats.concat()),
        way("GIF, behind a control", &one, control.concat()),
    ]
}
