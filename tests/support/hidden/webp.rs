//! WebP.

use image::ImageFormat;

use super::{TEXT, Way, exif, forms, plain, profile, way, with};

pub fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let pad = if content.len() % 2 == 1 { &[0][..] } else { &[] };
    [&name[..], &(content.len() as u32).to_le_bytes(), content, pad].concat()
}

fn riff(chunks: &[Vec<u8>]) -> Vec<u8> {
    let content = chunks.concat();
    [&b"RIFF"[..], &(content.len() as u32 + 4).to_le_bytes(), b"WEBP", &content].concat()
}

fn extended(flags: u8) -> Vec<u8> {
    chunk(b"VP8X", &[flags, 0, 0, 0, 39, 0, 0, 23, 0, 0])
}

fn with_length(mut picture: Vec<u8>, length: usize) -> Vec<u8> {
    picture[4..8].copy_from_slice(&(length as u32).to_le_bytes());
    picture
}

pub fn ways() -> Vec<Way> {
    let plain = plain(ImageFormat::WebP);
    let pixels = plain[12..].to_vec();
    let mut all = Vec::new();
    let mut add = |name: String, picture| all.push(way(format!("WebP, {name}"), &plain, picture));
    for (form, text) in forms() {
        for name in
            [b"XMP ", b"XMP\0", b"META", b"C2PA", b"zzzz", b"EXIF", b"VP8 ", b"ALPH", b"ANIM", b"ICCP"]
        {
            let name_text = String::from_utf8_lossy(name).replace('\0', "0");
            if name != b"VP8 " {
                add(
                    format!("{name_text} before the pixels, {form}"),
                    riff(&[extended(0x2C), chunk(name, &text), pixels.clone()]),
                );
            }
            add(
                format!("{name_text} behind the pixels, {form}"),
                riff(&[extended(0x2C), pixels.clone(), chunk(name, &text)]),
            );
        }
        add(format!("a chunk in a simple file, {form}"), riff(&[pixels.clone(), chunk(b"EXIF", &text)]));
        add(format!("behind the end, {form}"), [&plain, &text[..]].concat());
        add(format!("odd bytes inside the end, {form}"), riff(&[pixels.clone(), text]));
    }
    for (name, block) in
        [("1", exif(1)), ("6", exif(6)), ("6 behind a prefix", [b"Exif\0\0".to_vec(), exif(6)].concat())]
    {
        let whole = riff(&[extended(8), pixels.clone(), chunk(b"EXIF", &block)]);
        let length = whole.len() - 8;
        add(format!("EXIF, {name}"), whole.clone());
        add(
            format!("EXIF before the pixels, {name}"),
            riff(&[extended(8), chunk(b"EXIF", &block), pixels.clone()]),
        );
        add(
            format!("EXIF and odd bytes, {name}"),
            riff(&[extended(8), pixels.clone(), chunk(b"EXIF", &block), vec![1, 2, 3]]),
        );
        let cut = [&b"XMP \xFF\0\0\0"[..], TEXT.as_bytes()].concat();
        add(
            format!("EXIF and a chunk that is cut, {name}"),
            riff(&[extended(12), pixels.clone(), chunk(b"EXIF", &block), cut]),
        );
        add(
            format!("EXIF behind a length that is too small, {name}"),
            with_length(whole.clone(), pixels.len() + 22),
        );
        add(
            format!("EXIF inside a length that is too large, {name}"),
            with_length(whole.clone(), length + 1000),
        );
        add(
            format!("EXIF that the header does not tell of, {name}"),
            riff(&[extended(0), pixels.clone(), chunk(b"EXIF", &block)]),
        );
    }
    for (name, profile) in profile::profiles() {
        add(format!("a profile, {name}"), riff(&[extended(0x20), chunk(b"ICCP", &profile), pixels.clone()]));
    }
    add("a second picture".into(), riff(&[extended(0), pixels.clone(), chunk(b"VP8L", TEXT.as_bytes())]));
    all.extend(of_frames(&pixels));
    all.extend(behind_pixels());
    all
}

/// Pictures made with libwebp 1.2.4: one partition of coefficients, four of them, alpha coded and as it is, without loss.
const MADE: [(&str, &[u8]); 5] = [
    ("lossy", include_bytes!("../../data/webp/lossy.webp")),
    ("four partitions", include_bytes!("../../data/webp/partitions.webp")),
    ("alpha", include_bytes!("../../data/webp/alpha.webp")),
    ("raw alpha", include_bytes!("../../data/webp/alpha-raw.webp")),
    ("lossless", include_bytes!("../../data/webp/lossless.webp")),
];

/// Returns the chunks of a picture.
fn chunks(picture: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let (mut found, mut at) = (Vec::new(), 12);
    while let Some(name) = picture.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        let length = u32::from_le_bytes(*picture[at + 4..].first_chunk().expect("a length")) as usize;
        found.push((*name, picture[at + 8..at + 8 + length].to_vec()));
        at += 8 + length.next_multiple_of(2);
    }
    found
}

/// A text behind the code of each partition of VP8: of the modes, and of coefficients, whose lengths stand between.
fn in_partitions(content: &[u8], text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let tag = u32::from_le_bytes([content[0], content[1], content[2], 0]);
    let first = 10 + (tag >> 5) as usize;
    let with_more = tag + ((text.len() as u32) << 5);
    let mut changed = with(content, first, text);
    changed[..3].copy_from_slice(&with_more.to_le_bytes()[..3]);
    let mut all = vec![("the modes".to_owned(), changed)];
    let length = |at: usize| u32::from_le_bytes([content[at], content[at + 1], content[at + 2], 0]) as usize;
    // Four partitions fill the rest exactly; of one there are no lengths.
    let lengths = [length(first), length(first + 3), length(first + 6)];
    if first + 9 + lengths.iter().sum::<usize>() < content.len() {
        let mut end = first + 9;
        for (number, length) in lengths.iter().enumerate() {
            end += length;
            let mut changed = with(content, end, text);
            let more = ((length + text.len()) as u32).to_le_bytes();
            changed[first + 3 * number..first + 3 * number + 3].copy_from_slice(&more[..3]);
            all.push((format!("partition {number}"), changed));
        }
    }
    all
}

/// A text behind the coded pixels, inside their own chunk.
fn behind_pixels() -> Vec<Way> {
    let mut all = Vec::new();
    for (name, plain) in MADE {
        let parts = chunks(plain);
        for (place, (chunk_name, content)) in parts.iter().enumerate() {
            let shown = String::from_utf8_lossy(chunk_name).trim_end().to_owned();
            if shown == "VP8X" {
                continue;
            }
            for (form, text) in forms() {
                let mut changed = vec![(String::new(), [content, &text[..]].concat())];
                if shown == "VP8" {
                    changed.extend(in_partitions(content, &text));
                }
                for (part, content) in changed {
                    let put = |at: usize, (name, old): &([u8; 4], Vec<u8>)| {
                        chunk(name, if at == place { &content } else { old })
                    };
                    let picture =
                        riff(&parts.iter().enumerate().map(|(at, part)| put(at, part)).collect::<Vec<_>>());
                    all.push(way(
                        format!("WebP, {name}, inside {shown} behind {part} {form}"),
                        plain,
                        picture,
                    ));
                }
            }
        }
    }
    all
}

/// An animation of two frames.
fn of_frames(pixels: &[u8]) -> Vec<Way> {
    let head = [0, 0, 0, 0, 0, 0, 39, 0, 0, 23, 0, 0, 100, 0, 0, 2];
    let frame = |more: &[u8]| chunk(b"ANMF", &[&head[..], pixels, more].concat());
    let control = [9, 8, 7, 6, 0, 0];
    let animation = |control: &[u8], between: &[u8], more: &[u8]| {
        riff(&[extended(2), chunk(b"ANIM", control), frame(&[]), between.to_vec(), frame(more)])
    };
    let plain = animation(&control, &[], &[]);
    let text = chunk(b"TEXT", TEXT.as_bytes());
    vec![
        way(
            "WebP, behind how an animation plays",
            &plain,
            animation(&[&control, TEXT.as_bytes()].concat(), &[], &[]),
        ),
        way("WebP, a chunk between frames", &plain, animation(&control, &text, &[])),
        way("WebP, a chunk in a frame", &plain, animation(&control, &[], &text)),
        way("WebP, odd bytes in a frame", &plain, animation(&control, &[], TEXT.as_bytes())),
    ]
}
