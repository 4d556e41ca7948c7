//! Pictures as small files, with a palette of at most 256 colours.

use std::collections::HashMap;

use image::RgbaImage;

/// The folder that pictures are put into.
pub const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/pictures");
/// Most colours of a palette.
const COLOURS_MAX: usize = 256;

/// Writes a picture as PNG.
pub fn save(name: &str, picture: &RgbaImage) {
    let (width, height) = picture.dimensions();
    let (palette, pixels) = with_palette(picture);
    let file = std::fs::File::create(format!("{FOLDER}/{name}.png")).expect("a file");
    let mut encoder = png::Encoder::new(file, width, height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_palette(palette.concat());
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("a picture");
    writer.finish().expect("a picture");
}

/// The most frequent colours, and for each pixel the number of the nearest: areas keep theirs, edges of letters nearly.
fn with_palette(picture: &RgbaImage) -> (Vec<[u8; 3]>, Vec<u8>) {
    let opaque = |pixel: &image::Rgba<u8>| [pixel[0], pixel[1], pixel[2]];
    let mut counts: HashMap<[u8; 3], u32> = HashMap::new();
    picture.pixels().for_each(|pixel| *counts.entry(opaque(pixel)).or_default() += 1);
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|(colour, count)| (std::cmp::Reverse(*count), *colour));
    let palette: Vec<_> = all.iter().take(COLOURS_MAX).map(|(colour, _)| *colour).collect();
    let far = |one: &[u8; 3], other: &[u8; 3]| -> u32 {
        one.iter().zip(other).map(|(one, other)| u32::from(one.abs_diff(*other)).pow(2)).sum()
    };
    let nearest = |colour: &[u8; 3]| (0..palette.len()).min_by_key(|at| far(&palette[*at], colour));
    let numbers: HashMap<_, _> =
        all.iter().map(|(colour, _)| (*colour, nearest(colour).expect("a colour") as u8)).collect();
    (palette, picture.pixels().map(|pixel| numbers[&opaque(pixel)]).collect())
}
