//! WebP.

use image::ImageFormat;

use super::{TEXT, Way, exif, forms, plain, profile, way};

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
