//! PNG.

use image::ImageFormat;

use super::{TEXT, Way, deflated, exif, forms, plain, profile, way, with};

pub fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut check = flate2::Crc::new();
    check.update(&[&name[..], content].concat());
    [&(content.len() as u32).to_be_bytes(), &name[..], content, &check.sum().to_be_bytes()].concat()
}

/// Where the pixels begin, behind the header of 25 bytes and the signature, and where the end is.
const HEADER_END: usize = 33;
const END_BYTES: usize = 12;

/// A picture of two colours that are looked up.
fn looked_up(more: &[u8], palette: &[u8]) -> Vec<u8> {
    let header = chunk(b"IHDR", &[0, 0, 0, 8, 0, 0, 0, 2, 1, 3, 0, 0, 0]);
    let pixels = chunk(b"IDAT", &deflated(&[0, 0xA5, 0, 0x5A]));
    [b"\x89PNG\r\n\x1A\n", &header[..], &chunk(b"PLTE", palette), more, &pixels, &chunk(b"IEND", &[])]
        .concat()
}

/// An animation of two frames, with chunks put between these.
fn animated(between: &[u8], frame: &[u8]) -> Vec<u8> {
    let control = |number: u8| {
        let mut content = [0; 26];
        (content[3], content[7], content[11], content[23]) = (number, 8, 2, 1);
        chunk(b"fcTL", &content)
    };
    let header = chunk(b"IHDR", &[0, 0, 0, 8, 0, 0, 0, 2, 1, 0, 0, 0, 0]);
    let pixels = deflated(&[0, 0xA5, 0, 0x5A]);
    [
        b"\x89PNG\r\n\x1A\n",
        &header[..],
        &chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]),
        &control(0),
        &chunk(b"IDAT", &pixels),
        between,
        &control(1),
        &chunk(b"fdAT", &[&[0, 0, 0, 2], &pixels[..], frame].concat()),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}

pub fn ways() -> Vec<Way> {
    let plain = plain(ImageFormat::Png);
    let end = plain.len() - END_BYTES;
    let mut all = Vec::new();
    let mut add = |name: String, picture| all.push(way(format!("PNG, {name}"), &plain, picture));
    for (form, text) in forms() {
        for (place, at) in [("before", HEADER_END), ("behind", end)] {
            for name in [b"tEXt", b"iTXt", b"caBX", b"prVw", b"vpAg", b"zzZz"] {
                let name_text = String::from_utf8_lossy(name);
                let content = [b"Author\0", &text[..]].concat();
                add(
                    format!("{name_text} {place} the pixels, {form}"),
                    with(&plain, at, &chunk(name, &content)),
                );
            }
        }
        add(format!("behind the end, {form}"), [&plain, &text[..]].concat());
        add(format!("before the end, {form}"), with(&plain, end, &text));
        add(format!("in the end, {form}"), [&plain[..end], &chunk(b"IEND", &text)].concat());
    }
    let packed = deflated(TEXT.as_bytes());
    add("zTXt".into(), with(&plain, HEADER_END, &chunk(b"zTXt", &[b"Author\0\0", &packed[..]].concat())));
    let raw = deflated([b"\nexif\n", TEXT.as_bytes()].concat().as_slice());
    add(
        "a raw profile".into(),
        with(&plain, HEADER_END, &chunk(b"zTXt", &[b"Raw profile type exif\0\0", &raw[..]].concat())),
    );
    for (name, content) in [
        (b"tIME", &b"\x07\xE8\x01\x01\0\0\0"[..]),
        (b"sPLT", b""),
        (b"hIST", b""),
        (b"pCAL", b""),
        (b"sCAL", b""),
        (b"oFFs", b""),
        (b"gIFx", b""),
        (b"dSIG", b""),
        (b"gAMA", b"\0\0\xB1\x8F"),
        (b"cHRM", &[0; 32]),
        (b"sRGB", b"\0"),
        (b"sBIT", b"\x08\x08\x08"),
        (b"bKGD", &[0; 6]),
        (b"tRNS", &[9; 6]),
        (b"pHYs", &[0; 9]),
        (b"cICP", &[1, 13, 0, 1]),
        (b"acTL", &[0; 8]),
        (b"fcTL", &[0; 26]),
        (b"fdAT", &[0; 4]),
    ] {
        let content = [content, TEXT.as_bytes()].concat();
        add(
            format!("behind {}", String::from_utf8_lossy(name)),
            with(&plain, HEADER_END, &chunk(name, &content)),
        );
    }
    for (name, block) in [
        ("1", exif(1)),
        ("6", exif(6)),
        ("6 behind a prefix", [b"Exif\0\0".to_vec(), exif(6)].concat()),
        ("none", TEXT.into()),
    ] {
        add(format!("eXIf, {name}"), with(&plain, HEADER_END, &chunk(b"eXIf", &block)));
        add(format!("eXIf behind the pixels, {name}"), with(&plain, end, &chunk(b"eXIf", &block)));
    }
    for (name, profile) in profile::profiles() {
        let content = [b"Colours\0\0", &deflated(&profile)[..]].concat();
        add(format!("a profile, {name}"), with(&plain, HEADER_END, &chunk(b"iCCP", &content)));
    }
    let named = [TEXT.as_bytes(), b"\0\0", &deflated(&profile::profiles()[0].1)].concat();
    add("the name of a profile".into(), with(&plain, HEADER_END, &chunk(b"iCCP", &named)));
    let mut broken = chunk(b"tEXt", TEXT.as_bytes());
    *broken.last_mut().expect("a sum") ^= 1;
    add("a chunk with a wrong sum".into(), with(&plain, HEADER_END, &broken));
    add("a palette that is a proposal".into(), with(&plain, HEADER_END, &chunk(b"PLTE", TEXT.as_bytes())));
    add(
        "a second run of pixels".into(),
        with(&plain, end, &[chunk(b"tEXt", b"a\0b"), chunk(b"IDAT", TEXT.as_bytes())].concat()),
    );
    add("pixels behind their end".into(), with(&plain, end, &chunk(b"IDAT", TEXT.as_bytes())));
    add("in place of an end".into(), [&plain[..end], TEXT.as_bytes()].concat());
    all.extend(of_pixels());
    all
}

/// Where chunks that stay have more than they should.
fn of_pixels() -> Vec<Way> {
    let (plain, still) = (looked_up(&[], b"abcdef"), animated(&[], &[]));
    let long = [b"abcdef", TEXT.as_bytes()].concat();
    let header = &plain[..HEADER_END + 12 + 6];
    let more_rows = |extra: &[u8]| {
        let pixels = [&[0, 0xA5, 0, 0x5A], extra].concat();
        [header, &chunk(b"IDAT", &deflated(&pixels)), &chunk(b"IEND", &[])].concat()
    };
    let in_one = [&deflated(&[0, 0xA5, 0, 0x5A])[..], TEXT.as_bytes()].concat();
    vec![
        way("PNG, colours that no pixel has", &plain, looked_up(&[], &long)),
        way("PNG, holes of no colour", &plain, looked_up(&chunk(b"tRNS", TEXT.as_bytes()), b"abcdef")),
        way("PNG, more rows than there are", &plain, more_rows(TEXT.as_bytes())),
        way(
            "PNG, behind the stream",
            &plain,
            [header, &chunk(b"IDAT", &in_one), &chunk(b"IEND", &[])].concat(),
        ),
        way("PNG, between frames", &still, animated(&chunk(b"tEXt", TEXT.as_bytes()), &[])),
        way("PNG, behind a frame", &still, animated(&[], TEXT.as_bytes())),
    ]
}
