//! Posting to the board over a real socket.

#![allow(dead_code, reason = "each test program uses some of it")]

use std::io::Cursor;
use std::path::{Path, PathBuf};

use crate::process::client::{Answer, Client, request};

pub const BOUNDARY: &str = "----pixeldTestBoundary";

/// A small picture, the same for the same seed.
pub fn picture(seed: u8, format: image::ImageFormat) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(24, 16, |x, y| image::Rgb([x as u8 * 9, y as u8 * 14, seed]));
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).expect("a picture");
    out.into_inner()
}

pub fn png(seed: u8) -> Vec<u8> {
    picture(seed, image::ImageFormat::Png)
}

/// A picture of about this size that no other seed has, not compressed. Nothing can be taken out of it.
pub fn large(seed: u32, bytes: usize) -> Vec<u8> {
    let width = bytes.min(1000);
    let height = bytes.div_ceil(width + 1);
    let mut pixels: Vec<u8> =
        (0..(width * height) as u32).map(|at| (at.wrapping_mul(seed | 1) >> 7) as u8).collect();
    pixels[..4].copy_from_slice(&seed.to_le_bytes());
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::NoCompression);
    encoder.set_filter(png::Filter::NoFilter);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("pixels");
    writer.finish().expect("a picture");
    out
}

/// One part of a form.
pub fn part(disposition: &str, content: &[u8]) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// Parts as a whole form.
pub fn form(parts: &[Vec<u8>]) -> Vec<u8> {
    [parts.concat(), format!("--{BOUNDARY}--\r\n").into_bytes()].concat()
}

/// A file name as browsers put it into a form.
pub fn quoted(name: &str) -> String {
    name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A")
}

/// The form of a post.
pub fn post_form(message: &str, filename: &str, content: &[u8]) -> Vec<u8> {
    let file = part(&format!("name=\"file\"; filename=\"{}\"", quoted(filename)), content);
    form(&[part("name=\"message\"", message.as_bytes()), file])
}

pub fn content_type() -> String {
    format!("multipart/form-data; boundary={BOUNDARY}")
}

pub fn post_bytes(body: impl AsRef<[u8]>) -> Vec<u8> {
    request("POST", "/upload/", &content_type(), body)
}

pub fn post(client: &mut Client, message: &str, filename: &str, content: &[u8]) -> Answer {
    client.send(post_bytes(post_form(message, filename, content))).answer()
}

/// The files of blobs below a data directory, and what else is there.
pub fn blob_files(data_dir: &Path) -> Vec<PathBuf> {
    fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => collect(&path, found),
                path => found.push(path),
            }
        }
    }
    let mut found = Vec::new();
    collect(&data_dir.join("blobs"), &mut found);
    found
}

/// Number of hostile strings.
pub const HOSTILE: usize = 2_000;

/// Pieces of which hostile strings are made: markup, scripts, paths, control bytes, directions, quotes, encodings.
const PIECES: [&str; 40] = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload=alert(1)>",
    "javascript:alert(1)",
    "</textarea>",
    "<!--",
    "-->",
    "]]>",
    "{{7*7}}",
    "${7*7}",
    "%3Cscript%3E",
    "&lt;b&gt;",
    "&#x3c;",
    "' OR '1'='1",
    "'; DROP TABLE messages;--",
    "../../../../etc/passwd",
    "..\\..\\windows",
    "/etc/shadow",
    "C:\\con.png",
    "%2e%2e%2f",
    "a.png\0.exe",
    "\r\nSet-Cookie: a=b",
    "\r\n\r\nHTTP/1.1 200 OK",
    "\n[error] forged",
    "\u{1b}[31mred",
    "\u{7}",
    "\u{8}",
    "\u{202e}gnp.exe",
    "\u{2066}",
    "\u{200b}",
    "\u{feff}",
    "\u{0}",
    "\u{fffd}",
    "\u{1f600}",
    "\u{d7ff}",
    "\u{10ffff}",
    "\"",
    "\\",
    ";",
    "\u{2028}",
];

/// A message as it is kept: each line break is one character, whichever way it came.
pub fn with_plain_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// A few pieces in an order that depends on `seed`.
pub fn hostile(seed: usize) -> String {
    let (mut text, mut state) = (String::new(), seed as u64 * 0x9E37_79B9 + 1);
    for _ in 0..=seed % 3 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(PIECES[(state >> 33) as usize % PIECES.len()]);
    }
    if seed < PIECES.len() { PIECES[seed].to_owned() } else { text }
}
